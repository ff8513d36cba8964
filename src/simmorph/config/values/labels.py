"""Texts on plots, which may hold formulas between dollar signs, as matplotlib draws them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator


def _drawable(text: str) -> str:
    r"""The text, if its formulas can be drawn.

    >>> _drawable(r"$p_{T,1}$ [GeV], at $ 5 a litre")
    '$p_{T,1}$ [GeV], at $ 5 a litre'

    Raises:
        ValueError: one cannot.
    """
    if "$" not in text:
        return text
    from matplotlib.cbook import is_math_text  # noqa: PLC0415 - half a second that few recipes need
    from matplotlib.mathtext import MathTextParser  # noqa: PLC0415

    if is_math_text(text):
        try:
            MathTextParser("agg").parse(text)
        except ValueError as error:
            reason = str(error).strip().splitlines()[-1].split(", found")[0]
            raise ValueError(f"{text!r} cannot be drawn as a formula: {reason}") from error
    return text


Label = Annotated[str, AfterValidator(_drawable)]
"""A text on plots; formulas stand between dollar signs, as in `$p_T$`."""
