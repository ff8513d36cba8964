"""Compared methods side by side: which numbers are shown of them, and in which tables.

A `Column` knows how to take one number from a score; a `Ranking` is columns and rows, from which tables for people
and for programs are made. A further number is one `Column` in the function of its group.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from simmorph.evaluation.metrics.registry import DISTANCES, METRICS, metric_words
from simmorph.evaluation.report.tables import Cell, Shown, Table
from simmorph.evaluation.scores import largest_distance, mean_distance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simmorph.evaluation.scores import Cost, Measurement, Moved, Ranked, RegionScore, Repeated, Score, Value
    from simmorph.evaluation.significance import Significance

Group = Literal["auc", "metric", "map", "marginal"]
"""Classifiers; METRICS; correlations, what the map does and costs; distances of one variable at a time."""


@dataclass(frozen=True)
class Column:
    """One number of each row.

    Attributes:
        name: its heading in files, a word for programs.
        head: its heading for people.
        group: of the table that shows it.
        of: takes it from one repeat; None where there is none.
        digits: behind the point.
        better: which end is the good one, if there is one.
        is_exact: whether its uncertainties are not worth the room.
        has_null: whether the target against itself has it, so that a method can be compared to that.
    """

    name: str
    head: str
    group: Group
    of: Callable[[Score], Measurement]
    digits: int = 3
    better: Literal["low", "high"] | None = None
    is_exact: bool = False
    has_null: bool = False

    def measure(self, row: Ranked) -> Repeated | None:
        """The number over the repeats of a row; None where it has none."""
        return row.number(self.of)

    def text(self, found: Repeated) -> str:
        """The number for people: mean ± spread over the repeats (statistical uncertainty of one)."""
        shown = f"{found.mean:,.{self.digits}f}"
        if self.is_exact:
            return shown
        if np.isfinite(found.spread):
            shown += f" ± {found.spread:,.{self.digits}f}"
        return shown + (f" ({found.uncertainty:.{self.digits}f})" if np.isfinite(found.uncertainty) else "")


@dataclass(frozen=True)
class Ranking:
    """All methods with all of their numbers.

    Attributes:
        caption: what is shown, in a sentence.
        columns: the numbers.
        rows: the methods, the null first.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Ranked]

    def of(self, *groups: Group) -> Ranking:
        """The columns of some groups that have numbers."""
        measured = [it for it in self.columns if any(it.measure(row) is not None for row in self.rows)]
        return replace(self, columns=[column for column in measured if column.group in groups])

    def to_text(self) -> str:
        """The main table, that of the metrics, and why something failed."""
        failures = [f"{row.title}: failed: {failure}" for row in self.rows for failure in row.failures]
        metrics = self.of("metric").table("\n".join([METRICS_CAPTION, *failures]))
        return f"{self.of('auc', 'map').table(self.caption).to_text()}\n\n{metrics.to_text()}"

    def table(self, caption: str = "") -> Table:
        """The columns as people see them, the best and the worst of each marked."""
        marks = [self._marks(column) for column in self.columns]
        return Table(
            caption,
            ["method", *(column.head for column in self.columns)],
            [[row.title, *(self._cell(column, row) for column in self.columns)] for row in self.rows],
            [["", *(mark.get(row.title, "") for mark in marks)] for row in self.rows],
            [row.kind for row in self.rows],
        )

    def numbers(self) -> Table:
        """Every number in full: mean, spread over the repeats, statistical uncertainty, and deviation from the null."""
        head = [f"{it.name}{part}" for it in self.columns for part in (*PARTS, " significance")[: 3 + it.has_null]]
        rows: list[list[Cell]] = [
            [
                row.title,
                row.kind,
                float(len(row.scores)),
                " | ".join(row.failures),
                *(cell for column in self.columns for cell in self._numbers(column, row)),
            ]
            for row in self.rows
        ]
        return Table(self.caption, ["method", "kind", "repeats", "failures", *head], rows)

    def significance(self, column: Column, row: Ranked) -> Significance | None:
        """How far a row is from the null by one number; None where that says nothing."""
        found = column.measure(row)
        if not column.has_null or row.kind == "null" or found is None:
            return None
        null = next((column.measure(other) for other in self.rows if other.kind == "null"), None)
        return found.against(null)

    def closest(self) -> list[Ranked]:
        """The methods that the first column cannot distinguish from the best one, this first."""
        marks = self._marks(self.columns[0]) if self.columns else {}
        order = {"best": 0, "near": 1}
        chosen = [row for row in self.rows if marks.get(row.title) in order]
        return sorted(chosen, key=lambda row: order[marks[row.title]])

    def _cell(self, column: Column, row: Ranked) -> Shown | None:
        """What people see of one number: mean and errors, and for metrics the deviation from the null too."""
        found, above = column.measure(row), self.significance(column, row)
        if found is None:
            return None
        deviations = f" {above.deviations:+.1f} sd" if column.group == "metric" and above else ""
        return Shown(found.mean, column.text(found) + deviations)

    def _numbers(self, column: Column, row: Ranked) -> list[Cell]:
        """Mean, spread, uncertainty and, where the column has a null, deviation from it; None where not defined."""
        found, above = column.measure(row), self.significance(column, row)
        numbers = [found.mean, found.spread, found.uncertainty] if found else [float("nan")] * 3
        if column.has_null:
            numbers.append(above.deviations if above else float("nan"))
        return [number if np.isfinite(number) else None for number in numbers]

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


PARTS = ("", " spread", " uncertainty")
METRICS_CAPTION = (
    "Metrics of all variables together, and by how many standard deviations each is above that of the target against "
    "itself."
)


def ranking_of(rows: Sequence[Ranked], regions: Sequence[str], main: str) -> Ranking:
    """Every number of every method.

    Args:
        rows: the methods, the null first.
        regions: in which they are judged.
        main: the one that the numbers besides the AUC are measured in.
    """
    scores = [score for row in rows for score in row.scores]
    inputs = list(scores[0].regions[main].auc) if scores else []
    repeats = max((len(row.scores) for row in rows), default=0)
    what = (
        f"mean ± standard deviation of {repeats} repeats (statistical uncertainty of one)"
        if repeats > 1
        else "value (statistical uncertainty)"
    )
    where = f" in region {main}" if len(regions) > 1 else ""
    caption = f"AUC of a classifier against the target; correlations, movement, retention and ESS{where}: {what}."
    columns = [*_aucs(regions, inputs), *_metrics(main), *_map(main), *_costs(), *_marginals(main)]
    return Ranking(caption, columns, rows)


def _of(region: str, measurement: Callable[[RegionScore], Measurement]) -> Callable[[Score], Measurement]:
    """A measurement of one region, as a measurement of a score."""
    return lambda score: measurement(score.regions[region])


def _aucs(regions: Sequence[str], inputs: Sequence[str]) -> list[Column]:
    """The AUC in each region by each of the classifier's inputs."""

    def auc(name: str) -> Callable[[RegionScore], Measurement]:
        return lambda found: found.auc[name]

    def head(region: str, name: str) -> str:
        return " ".join(["AUC", *[region] * (len(regions) > 1), *[name] * (len(inputs) > 1)])

    return [
        Column(f"auc {region} {name}", head(region, name), "auc", _of(region, auc(name)), 4, "low", has_null=True)
        for region in regions
        for name in inputs
    ]


def _metrics(main: str) -> list[Column]:
    """METRICS but the AUC, which each of the classifier's inputs has by itself."""

    def metric(name: str) -> Callable[[RegionScore], Measurement]:
        return lambda found: found.metrics.get(name)

    return [
        Column(name, metric_words(name), "metric", _of(main, metric(name)), 4, "low", has_null=True)
        for name in METRICS
        if name != "auc"
    ]


def _map(main: str) -> list[Column]:
    """Correlations of pairs, and what the map does to events."""

    def moved(of: Callable[[Moved], Measurement]) -> Callable[[Score], Measurement]:
        return _of(main, lambda found: of(found.moved) if found.moved else None)

    return [
        Column("pairs_worst", "worst |dr|", "map", _of(main, lambda it: it.pairs.worst), 4, "low", has_null=True),
        Column("pairs_others", "mean |r| of others", "map", _of(main, lambda it: it.pairs.others), 4, None, True),
        Column("noise_floor", "noise floor", "map", _of(main, lambda it: it.pairs.noise_floor), 4, None, True),
        Column("movement", "movement [sigma]", "map", moved(lambda it: it.trimmed_mean), 3, "low"),
        Column("largest_movement", "largest movement [sigma]", "map", moved(lambda it: it.largest), 2, "low"),
        Column("retention", "retention", "map", moved(lambda it: it.lowest_retention), 3, "high", True),
        Column("optimal_distance", "off optimum [sigma]", "map", moved(lambda it: it.optimal_distance), 3, "low"),
        Column("optimal_cost", "cost / optimum", "map", moved(lambda it: it.optimal_cost), 3),
        Column("partner_distance", "off partner [sigma]", "map", moved(lambda it: it.partner_distance), 3, "low"),
        Column("ess_fraction", "ESS", "map", _of(main, lambda it: it.ess_fraction), 3, "high", True),
    ]


def _costs() -> list[Column]:
    """What training and applying took."""

    def cost(of: Callable[[Cost], float]) -> Callable[[Score], Measurement]:
        return lambda score: of(score.cost) if score.cost else None

    return [
        Column("train_seconds", "train [s]", "map", cost(lambda it: it.train_seconds), 1, "low", True),
        Column("train_cpu_seconds", "cpu [s]", "map", cost(lambda it: it.train_cpu_seconds), 1, "low", True),
        Column("apply_rate", "apply [1/s]", "map", cost(lambda it: it.apply_rate), 0, "high", True),
        Column("peak_memory_mb", "memory [MB]", "map", cost(lambda it: it.peak_memory_mb), 0, "low", True),
    ]


def _marginals(main: str) -> list[Column]:
    """DISTANCES, the mean over the variables and the largest."""

    def distance(
        of: Callable[[Mapping[str, Mapping[str, Value]], str], Value | None], kind: str
    ) -> Callable[[RegionScore], Measurement]:
        return lambda found: of(found.distances, kind)

    return [
        Column(
            f"marginal {which} {kind}",
            f"{which} {DISTANCES[kind].head}",
            "marginal",
            _of(main, distance(of, kind)),
            digits=4,
            better="low",
            has_null=True,
        )
        for which, of in (("mean", mean_distance), ("largest", largest_distance))
        for kind in DISTANCES
    ]
