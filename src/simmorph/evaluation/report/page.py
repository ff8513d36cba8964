"""The report of an evaluation as one page of HTML; what it shows of a region, and in which words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simmorph.evaluation.metrics.registry import DISTANCES
from simmorph.evaluation.report.model import cutflow_table, files_table, history_table, model_in_words
from simmorph.evaluation.report.rendering import rendered
from simmorph.evaluation.significance import TENSION
from simmorph.evaluation.verdict import Code, chance_of_tension

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.evaluation.region_result import RegionResult
    from simmorph.evaluation.report.rendering import Picture
    from simmorph.evaluation.report.tables import Table

COLOURS: dict[Code, str] = {
    "agrees": "within",
    "no_power": "unknown",
    "tension": "tension",
    "differs": "beyond",
    "invalid": "beyond",
}
WORDS: dict[Code, str] = {
    "agrees": "agrees within noise in",
    "no_power": "has too few events to tell in",
    "tension": "is in tension in",
    "differs": "differs significantly in",
    "invalid": "cannot be judged in",
}
MOST_IN_FULL = 3
"""With more regions than this only the first one and the worst are shown in full."""


class Pictures(NamedTuple):
    """Plots that belong to no single region.

    Attributes:
        overview: the AUC of each region.
        training: losses and whatever else was observed.
    """

    overview: Sequence[Picture] = ()
    training: Sequence[Picture] = ()


class RegionPage(NamedTuple):
    """What the page shows of one region.

    Attributes:
        result: the numbers.
        pictures: the plots by the part of the section they belong to: `roc`, `correlations`, `derived`, `features`,
            `movement`, `weights`, `profiles`.
        tables: the tables by name.
        folder: where the files of the plots and tables are, seen from the page.
        is_band: whether it is one of many bands of a variable, without a name of its own.
    """

    result: RegionResult
    pictures: Mapping[str, Sequence[Picture]]
    tables: Mapping[str, Table]
    folder: str
    is_band: bool = False

    def of(self, part: str) -> Sequence[Picture]:
        """The plots of one part."""
        return self.pictures.get(part, ())

    @property
    def conditions(self) -> list[str]:
        """Names of the tables on what the map is conditioned on."""
        return [name for name in self.tables if name.startswith("context_")]

    @property
    def others(self) -> str:
        """What else differs: the verdict goes by one metric and the variables, and must not hide the others."""
        metrics = [name for name in self.result.findings.differs if name != self.result.verdict.words]
        if not metrics:
            return "No other metric differs significantly from its null."
        return f"Other metrics that differ significantly from their nulls: {', '.join(metrics)}."


def page(
    regions: Sequence[RegionPage],
    report: Mapping[str, Any],
    experiment: str,
    collisions: str = "",
    pictures: Pictures = Pictures(),  # noqa: B008
) -> str:
    """The whole page.

    Args:
        regions: what was found, the most important first.
        report: the content of `report.json`.
        experiment: the experiment's label.
        collisions: luminosity and energy, in plain text.
        pictures: plots beside those of the regions.
    """
    results = [region.result for region in regions]
    history = report.get("training", {})
    return rendered(
        "report.html",
        f"{experiment}: does the template look like the target?".removeprefix(": "),
        regions=regions,
        in_full=_in_full(results),
        summary=_summary(results) if len(results) > 1 else "",
        chance=chance_of_tension(len(results)),
        tension=TENSION,
        warnings=report.get("warnings", []),
        invalid=report.get("invalid", []),
        colours=COLOURS,
        distances=DISTANCES,
        pictures=pictures,
        collisions=collisions,
        held_out=report["held_out"],
        history=history_table(history) if history else None,
        model=model_in_words(report["model"], history) if report.get("model") else None,
        cutflow=[cutflow_table(path, lines) for path, lines in report.get("cutflow", {}).items()],
        provenance=report["provenance"],
        files=files_table(report["provenance"]["files"]),
    )


def _in_full(results: Sequence[RegionResult]) -> set[int]:
    """Which regions are shown in full: all if there are few, else the first and the worst."""
    if len(results) <= MOST_IN_FULL:
        return set(range(len(results)))
    return {0, max(range(len(results)), key=lambda number: results[number].verdict.badness)}


def _summary(results: Sequence[RegionResult]) -> str:
    """How many regions of each conclusion there are."""
    conclusions = [result.verdict.code for result in results]
    n_all, counted = len(results), {it: conclusions.count(it) for it in WORDS if it in conclusions}
    if len(counted) == 1:
        which = "both" if n_all == 2 else f"all {n_all}"
        return f"The template {WORDS[conclusions[0]]} {which} regions."
    parts = [f"{WORDS[conclusion]} {number}" for conclusion, number in counted.items()]
    return f"Of {n_all} regions, the template {', '.join(parts[:-1])} and {parts[-1]}."
