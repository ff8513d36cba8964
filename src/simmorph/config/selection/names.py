"""Names and expressions, as the blocks of a selection have them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field


def _word(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(f"{name!r} is not a name: letters, digits and underscores are")
    return name


def _text(value: object) -> object:
    """`data: 1` is an expression too."""
    return str(value) if isinstance(value, (int, float)) else value


Word = Annotated[str, AfterValidator(_word)]
Formula = Annotated[str, BeforeValidator(_text, json_schema_input_type=str | float), Field(min_length=1)]
"""An expression of columns; see selections/README.md."""
