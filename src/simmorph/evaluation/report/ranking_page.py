"""The comparison as one page of HTML to pick a method from: it needs nothing beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simmorph.evaluation.report.ranking import METRICS_CAPTION, Group
from simmorph.evaluation.report.rendering import Picture, rendered
from simmorph.evaluation.report.tables import Cell, Shown, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.evaluation.report.ranking import Ranking
    from simmorph.evaluation.scores import Ranked, Repeated

CHEAPEST = {"movement": "moves events least", "train_seconds": "is learnt fastest"}
"""Columns that decide between equally close methods, in words."""


class RankingPage(NamedTuple):
    """What the page shows.

    Attributes:
        experiment: its label.
        what: what was compared, in a sentence.
        ranking: all numbers.
        region: that the numbers besides the AUC are measured in.
        plots: the frontier of each region as a PNG image.
        models: folders of the trained models by method.
        provenance: the content of the last section.
    """

    experiment: str
    what: str
    ranking: Ranking
    region: str
    plots: Mapping[str, bytes]
    models: Mapping[str, Sequence[str]]
    provenance: Mapping[str, Any]

    def to_html(self) -> str:
        """The whole page."""
        rows = self.ranking.rows
        notes = {(row.title, note): None for row in rows for score in row.scores for note in score.notes}
        return rendered(
            "comparison.html",
            f"{self.experiment}: which method?".removeprefix(": "),
            page=self,
            advice=self._advice(),
            failures=[(row.title, why) for row in rows for why in row.failures],
            frontier=_frontier,
            tables=self._tables(),
            retention=self._retention(),
            notes=list(notes),
        )

    def _tables(self) -> dict[Group, Table | None]:
        """The table of each group of columns; none where nothing was measured."""
        captions: dict[Group, str] = {"auc": self.ranking.caption, "metric": METRICS_CAPTION, "map": "", "marginal": ""}
        found = {group: self.ranking.of(group).table(caption) for group, caption in captions.items()}
        return {group: table if len(table.head) > 1 else None for group, table in found.items()}

    def _advice(self) -> dict[str, Any]:
        """The closest methods, and of these the one that moves least and the one that is learnt fastest."""
        close = self.ranking.closest()
        if not close:
            return {}
        auc, null = self.ranking.columns[0].measure, [row for row in self.ranking.rows if row.kind == "null"]
        return {
            "best": close[0].title,
            "auc": _auc_words(auc(close[0])),
            "null": _auc_words(auc(null[0])) if null else "",
            "near": [row.title for row in close[1:]],
            "choices": self._choices(close),
        }

    def _choices(self, close: Sequence[Ranked]) -> list[tuple[str, str]]:
        """Which of equally close methods does it at the least cost."""
        found = []
        for column in (column for column in self.ranking.columns if column.name in CHEAPEST):
            known = {row.title: number.mean for row in close if (number := column.measure(row)) is not None}
            if len(known) > 1:
                found.append((min(known, key=lambda title: known[title]), CHEAPEST[column.name]))
        return found

    def _retention(self) -> Table | None:
        """The table of each feature's retention; none for a single feature."""
        rows = [row for row in self.ranking.rows if row.kind == "morph" and row.scores]
        moved = (row.scores[0].regions[self.region].moved for row in rows)
        names = next((list(found.retention) for found in moved if found is not None), [])
        if len(names) < 2:
            return None
        cells: list[list[Cell]] = [[row.title, *(self._kept(row, name) for name in names)] for row in rows]
        caption = "Retention: the rank correlation of x and T(x), feature by feature."
        return Table(caption, ["method", *names], cells)

    def _kept(self, row: Ranked, feature: str) -> Cell:
        """The mean retention of one feature over the repeats."""
        found = row.moved(self.region, lambda moved: moved.retention.get(feature))
        return None if found is None else Shown(found.mean, f"{found.mean:.3f}")


def _frontier(region: str, png: bytes) -> Picture:
    """The frontier of a region as the page shows it."""
    return Picture(png, f"AUC against mean distance moved, region {region}", size="wide")


def _auc_words(found: Repeated | None) -> str:
    """An AUC with the larger of the spread of the repeats and the statistical uncertainty."""
    return "no AUC" if found is None else f"an AUC of {found.mean:.4f} ± {found.width:.4f}"
