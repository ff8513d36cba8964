"""The table of compared methods: which numbers it shows, and how it is written as text, CSV, LaTeX and on a page."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from simmorph.evaluation.report.tables import latex_escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simmorph.evaluation.scores import Moved, Ranked, Repeated

MISSING = "--"
MARGINAL = "marginal"
"""How the names of columns begin that look at one variable at a time."""


@dataclass(frozen=True)
class Column:
    """One number of each row.

    Attributes:
        name: its heading in CSV, a word for programs.
        head: its heading for people.
        measure: takes it from a row; None where it has none.
        digits: behind the point.
        better: which end is the good one, if there is one.
        is_exact: whether its uncertainties are not worth the room.
    """

    name: str
    head: str
    measure: Callable[[Ranked], Repeated | None]
    digits: int = 3
    better: Literal["low", "high"] | None = None
    is_exact: bool = False

    def text(self, row: Ranked) -> str:
        """The number for people: mean ± spread over the repeats (statistical uncertainty of one)."""
        found = self.measure(row)
        if found is None:
            return MISSING
        shown = f"{found.mean:,.{self.digits}f}"
        if self.is_exact:
            return shown
        if np.isfinite(found.spread):
            shown += f" ± {found.spread:,.{self.digits}f}"
        return shown + (f" ({found.uncertainty:.{self.digits}f})" if np.isfinite(found.uncertainty) else "")


@dataclass(frozen=True)
class RankingTable:
    """The table.

    Attributes:
        caption: what it shows, in a sentence.
        columns: the numbers.
        rows: the methods, the null first.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Ranked]

    def to_text(self) -> str:
        """Aligned columns, then why something failed."""
        shown = [["method", *(column.head for column in self._columns_with_numbers())]]
        shown += [[row.title, *(column.text(row) for column in self._columns_with_numbers())] for row in self.rows]
        widths = [max(map(len, cells)) for cells in zip(*shown, strict=True)]
        lines = [
            "  ".join(
                [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            )
            for row in shown
        ]
        failures = [f"{row.title}: failed: {failure}" for row in self.rows for failure in row.failures]
        return "\n".join([*lines, "", self.caption, *failures])

    def to_csv(self) -> str:
        """Numbers in full: mean, spread over the repeats and statistical uncertainty of each."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        parts = ("", " spread", " uncertainty")
        head = [f"{column.name}{part}" for column in self.columns for part in parts]
        writer.writerow(["method", "kind", "repeats", "failures", *head])
        for row in self.rows:
            cells = [cell for column in self.columns for cell in _cells(column.measure(row))]
            writer.writerow([row.title, row.kind, len(row.scores), " | ".join(row.failures), *cells])
        return text.getvalue()

    def to_latex(self) -> str:
        """A booktabs table."""
        columns = self._columns_with_numbers()
        lines = [
            *(f"% {line}" for line in self.caption.splitlines()),
            r"\begin{tabular}{l" + "r" * len(columns) + "}",
            r"\toprule",
            " & ".join(["method", *(latex_escaped(column.head) for column in columns)]) + r" \\",
            r"\midrule",
            *(
                " & ".join([latex_escaped(row.title), *(_latex(column.text(row)) for column in columns)]) + r" \\"
                for row in self.rows
            ),
            r"\bottomrule",
            r"\end{tabular}",
        ]
        return "\n".join(lines) + "\n"

    def head(self) -> list[str]:
        """The names of the columns that have numbers, for people."""
        return ["method", *(column.head for column in self._columns_with_numbers())]

    def marked(self) -> list[tuple[Ranked, list[tuple[str, str]]]]:
        """The text of each cell of each row, and its mark: `best`, `near`, `worst`, or none."""
        columns = self._columns_with_numbers()
        marks = [self._marks(column) for column in columns]
        return [
            (row, [(column.text(row), mark.get(row.title, "")) for column, mark in zip(columns, marks, strict=True)])
            for row in self.rows
        ]

    def of(self, prefix: str) -> RankingTable:
        """The columns whose names begin so."""
        return replace(self, columns=[column for column in self.columns if column.name.startswith(prefix)])

    def but(self, prefix: str) -> RankingTable:
        """The columns whose names do not begin so."""
        return replace(self, columns=[column for column in self.columns if not column.name.startswith(prefix)])

    def closest(self) -> list[Ranked]:
        """The methods that the first column cannot tell from the best one, this first."""
        marks = self._marks(self.columns[0]) if self.columns else {}
        order = {"best": 0, "near": 1}
        chosen = [row for row in self.rows if marks.get(row.title) in order]
        return sorted(chosen, key=lambda row: order[marks[row.title]])

    def _columns_with_numbers(self) -> list[Column]:
        return [column for column in self.columns if any(column.measure(row) is not None for row in self.rows)]

    def _marks(self, column: Column) -> dict[str, str]:
        """The best of a column among the methods, those within its uncertainty, and the worst."""
        if column.better is None:
            return {}
        found = {row.title: column.measure(row) for row in self.rows if row.kind not in {"null", "unmorphed"}}
        known = {title: number for title, number in found.items() if number is not None}
        if len({number.mean for number in known.values()}) < 2:
            return {}
        order = sorted(known, key=lambda title: known[title].mean, reverse=column.better == "high")
        best = known[order[0]]
        marks = {title: "near" for title in order if abs(known[title].mean - best.mean) <= best.width}
        return {order[-1]: "worst", **marks, order[0]: "best"}


def _cells(found: Repeated | None) -> list[str]:
    if found is None:
        return ["", "", ""]
    return [f"{value:.8g}" if np.isfinite(value) else "" for value in (found.mean, found.spread, found.uncertainty)]


def _latex(text: str) -> str:
    number = text.replace(" ± ", r" \pm ").replace(",", "{,}")
    return text if text == MISSING else f"${number}$"


def ranking_table(rows: Sequence[Ranked], regions: Sequence[str], main: str) -> RankingTable:
    """The table of all rows.

    Args:
        rows: the null first.
        regions: the names of all regions, each of which has an AUC.
        main: the region that everything else is measured in.
    """
    done = [score for row in rows for score in row.scores]
    inputs = list(done[0].regions[main].auc) if done else []
    columns = [_auc(region, name, len(regions) > 1, len(inputs) > 1) for name in inputs for region in regions]
    repeats = max((len(row.scores) for row in rows), default=0)
    what = (
        f"mean ± standard deviation of {repeats} repeats (statistical uncertainty of one)"
        if repeats > 1
        else "value (statistical uncertainty)"
    )
    where = f" in region {main}" if len(regions) > 1 else ""
    caption = f"AUC of a classifier against the target; correlations, movement, retention and ESS{where}: {what}."
    return RankingTable(caption, [*columns, *_others(main), *_distances(main)], rows)


def _auc(region: str, inputs: str, many_regions: bool, many_inputs: bool) -> Column:
    words = [word for word, is_shown in ((region, many_regions), (inputs, many_inputs)) if is_shown]
    head = " ".join(["AUC", *words])
    return Column(f"auc {region} {inputs}", head, lambda row: row.auc(region, inputs), 4, "low")


def _distances(main: str) -> list[Column]:
    """Distances of one variable at a time."""
    shown = {
        "kullback_leibler": "KL divergence",
        "hellinger": "Hellinger distance",
        "wasserstein": "Wasserstein distance [sigma]",
        "kolmogorov": "Kolmogorov-Smirnov distance",
    }

    def column(kind: str, words: str, of: str, over: Callable[[Sequence[float]], float]) -> Column:
        head = f"{of} {words}"
        return Column(f"{MARGINAL} {of} {kind}", head, lambda row: row.distance(main, kind, over), 4, "low")

    means = [column(kind, words, "mean", lambda values: sum(values) / len(values)) for kind, words in shown.items()]
    return means + [column(kind, words, "largest", max) for kind, words in shown.items()]


def _others(main: str) -> list[Column]:
    """Every number but the AUC."""

    def moved(of: Callable[[Moved], float | None]) -> Callable[[Ranked], Repeated | None]:
        return lambda row: row.moved(main, of)

    return [
        Column("pearson_worst", "worst |dr|", lambda row: row.value(main, "pearson_worst"), 4, "low"),
        Column("pearson_others", "mean |r| of others", lambda row: row.value(main, "pearson_others"), 4, None, True),
        Column("noise_floor", "noise floor", lambda row: row.number(main, lambda it: it.noise_floor), 4, None, True),
        Column("movement", "movement [sigma]", moved(lambda it: it.mean), 3, "low"),
        Column("retention", "retention", moved(lambda it: it.lowest_retention), 3, "high", True),
        Column("optimal_distance", "off optimum [sigma]", moved(lambda it: it.optimal_distance), 3, "low"),
        Column("optimal_cost", "cost / optimum", moved(lambda it: it.optimal_cost), 3),
        Column("ess_fraction", "ESS", lambda row: row.number(main, lambda it: it.ess_fraction), 3, "high", True),
        Column("train_seconds", "train [s]", lambda row: row.cost("train_seconds"), 1, "low", True),
        Column("train_cpu_seconds", "cpu [s]", lambda row: row.cost("train_cpu_seconds"), 1, "low", True),
        Column("apply_rate", "apply [1/s]", lambda row: row.cost("apply_rate"), 0, "high", True),
        Column("peak_memory_mb", "memory [MB]", lambda row: row.cost("peak_memory_mb"), 0, "low", True),
    ]
