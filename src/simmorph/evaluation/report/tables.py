"""A table: rows of cells, written as text, CSV or LaTeX, or as a page shows them."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.data.estimates import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGE = 1000
"""Numbers from here on are written as whole numbers."""
MISSING = "--"


class Shown(NamedTuple):
    """A number that people see in another form than files have.

    Attributes:
        value: the number.
        text: what people see of it.
    """

    value: float
    text: str


Cell = str | Estimate | Shown | float | None
"""None where there is nothing to show."""


class Table(NamedTuple):
    """A table.

    Attributes:
        caption: what it shows, in a sentence.
        head: the names of its columns.
        rows: its cells.
        marks: a word for each cell of each row that a page colours it by; none by default.
        kinds: a word for each row, for the same purpose.
    """

    caption: str
    head: list[str]
    rows: list[list[Cell]]
    marks: Sequence[Sequence[str]] = ()
    kinds: Sequence[str] = ()

    def texts(self) -> list[list[str]]:
        """The cells as a page shows them."""
        return [[_text(cell) for cell in row] for row in self.rows]

    def to_text(self) -> str:
        """Aligned columns, the first one to the left; then the caption.

        >>> print(Table("", ["variable", "mean"], [["pt1", 62.5], ["eta1", 0.0123]]).to_text())
        variable    mean
        pt1         62.5
        eta1      0.0123
        """
        shown = [self.head, *self.texts()]
        widths = [max(map(len, cells)) for cells in zip(*shown, strict=True)]
        lines = [
            "  ".join(
                [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
            )
            for first, *rest in shown
        ]
        return "\n".join([*lines, "", self.caption] if self.caption else lines)

    def to_csv(self) -> str:
        """Numbers in full; an estimate takes two columns."""
        is_estimate = [any(isinstance(cell, Estimate) for cell in cells) for cells in zip(*self.rows, strict=True)]
        is_estimate = is_estimate or [False] * len(self.head)
        head = [
            name
            for column, is_two in zip(self.head, is_estimate, strict=True)
            for name in ([column, f"{column} uncertainty"] if is_two else [column])
        ]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(head)
        for row in self.rows:
            writer.writerow([part for cell, two in zip(row, is_estimate, strict=True) for part in _parts(cell, two)])
        return text.getvalue()

    def to_latex(self) -> str:
        """A booktabs table; the caption stands above it as a comment."""
        lines = [
            *(f"% {line}" for line in self.caption.splitlines()),
            r"\begin{tabular}{l" + "r" * (len(self.head) - 1) + "}",
            r"\toprule",
            " & ".join(latex_escaped(name) for name in self.head) + r" \\",
            r"\midrule",
            *(" & ".join(_latex(cell) for cell in row) + r" \\" for row in self.rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
        return "\n".join(lines) + "\n"


def _parts(cell: Cell, is_two: bool) -> list[str]:
    """The cell in one column of a CSV, or in two where the column holds estimates."""
    if isinstance(cell, Estimate):
        return [f"{cell.value:.8g}", f"{cell.uncertainty:.3g}"]
    return [_plain(cell)] + [""] * is_two


def _plain(cell: str | Shown | float | None) -> str:
    """A cell in a file: eight digits, whatever people see of it; nothing for None."""
    if cell is None or isinstance(cell, str):
        return cell or ""
    return f"{cell.value if isinstance(cell, Shown) else cell:.8g}"


def _text(cell: Cell) -> str:
    """A cell for people."""
    if isinstance(cell, Estimate):
        return cell.to_text() if np.isfinite(cell.value) else "undefined"
    if cell is None:
        return MISSING
    if isinstance(cell, Shown):
        return cell.text
    return cell if isinstance(cell, str) else _rounded(cell)


def _rounded(number: float) -> str:
    """Four digits, and thousands in groups: 0.1234, 14,957."""
    return f"{number:,.0f}" if abs(number) >= LARGE else f"{number:.4g}"


def _latex(cell: Cell) -> str:
    """A cell in LaTeX: numbers in mathematical mode, what is missing or not finite as a dash."""
    if isinstance(cell, str):
        return latex_escaped(cell)
    if cell is None or not np.isfinite(cell.value if isinstance(cell, Estimate | Shown) else cell):
        return MISSING
    text = _text(cell).replace(" ± ", r" \pm ").replace(",", "{,}").replace(" sd", r"\,\mathrm{sd}")
    return f"${text}$"


def latex_escaped(text: str) -> str:
    r"""Text with what LaTeX takes for its own made plain.

    >>> print(latex_escaped("pt_1 > 30 %"))
    pt\_1 $>$ 30 \%
    """
    special = {
        "\\": r"\textbackslash{}",
        "|": r"$|$",
        "<": "$<$",
        ">": "$>$",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
    return "".join(special.get(letter, "\\" + letter if letter in "_%&#${}" else letter) for letter in text)
