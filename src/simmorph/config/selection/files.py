"""Which file a selection is in: one that is shipped, or the user's own."""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import TYPE_CHECKING

from simmorph.config.documents import read_document, validate
from simmorph.config.selection.selection import Selection
from simmorph.errors import ConfigError, one_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.config.documents import Document


def shipped_selections() -> dict[str, Path]:
    """The selections that come with simmorph: in an installed package inside it, in a checkout beside `src`."""
    package = Path(str(importlib.resources.files("simmorph")))
    for folder in (package / "selections", package.parent.parent / "selections"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def read_selection(name_or_file: str, overrides: Sequence[str] = ()) -> tuple[Selection, Document]:
    """The selection of this name or in this file, and the document that knows its lines.

    Args:
        name_or_file: a shipped selection, or a YAML file.
        overrides: assignments such as `luminosity=10 /fb`, applied before the check.

    Raises:
        ConfigError: there is no such selection, or it is not valid.
    """
    shipped = shipped_selections()
    path = shipped.get(name_or_file, Path(name_or_file))
    is_name = path.name == name_or_file and path.suffix not in (".yaml", ".yml")
    if is_name and not path.is_file():
        hint = one_of(name_or_file, shipped)
        raise ConfigError(name_or_file, "there is no selection of this name", f"{hint}; or name a YAML file")
    document = read_document(path).with_overrides(overrides)
    return validate(document, Selection), document
