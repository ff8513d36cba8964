"""Every plot of a region, with the numbers behind it and the words beside it.

A new plot is a method of `Drawing` that returns `Drawn`, and a line in `in_full`: its files, its place on the page and
its CSV follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.evaluation.metrics.moments import spread_of
from simmorph.evaluation.plots.binned import moved_counts
from simmorph.evaluation.plots.classifier import plot_density_ratio, plot_roc
from simmorph.evaluation.plots.correlations import plot_correlations
from simmorph.evaluation.plots.distributions import plot_distribution, plot_ratios
from simmorph.evaluation.plots.movement import displacement_field, field_rows, plot_fields, plot_movement
from simmorph.evaluation.plots.profiles import conditions_of, drawn_profiles, plot_profiles, profile_rows
from simmorph.evaluation.plots.style import Heading, heading

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from matplotlib.figure import Figure

    from simmorph.config.evaluation import EvaluateSettings
    from simmorph.evaluation.plots.binned import Distribution
    from simmorph.evaluation.plots.movement import Field
    from simmorph.evaluation.region_result import RegionResult

Rows = Sequence[Mapping[str, float | str]]
MOST_FIELDS = 4
"""Pairs of features that arrows are drawn for, at most."""


class Drawn(NamedTuple):
    """A plot, not yet saved.

    Attributes:
        name: of its files, without suffix.
        part: of the region's section that shows it.
        figure: the plot.
        rows: the numbers behind it.
        alt: what it shows, for who cannot see it.
        caption: how to read it.
        size: on the page.
    """

    name: str
    part: str
    figure: Figure
    rows: Rows
    alt: str
    caption: str = ""
    size: str = "narrow"


@dataclass(frozen=True, eq=False)
class Drawing:
    """What the plots of a region are drawn from.

    Attributes:
        result: the numbers.
        settings: what stands above the plots, and the pairs to name.
        shown: the distribution of each variable, by name.
        is_log: variables with a logarithmic axis.
        periodic: features that are angles.
        axes: the label of each variable, with its unit.
        context: the distribution of each variable that the map is conditioned on, by name.
    """

    result: RegionResult
    settings: EvaluateSettings
    shown: Mapping[str, Distribution]
    is_log: Collection[str]
    periodic: Collection[str]
    axes: Mapping[str, str]
    context: Mapping[str, Distribution] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The region in words."""
        return f"region {self.result.name}"

    @property
    def head(self) -> Heading:
        """What stands above its plots."""
        return heading(self.settings, self.where)

    @property
    def labels(self) -> dict[str, str]:
        """The axis label of every variable and condition."""
        names = [*self.result.samples.names, *self.context, *self.result.samples.conditions]
        return {name: self.axes.get(name, name) for name in names}

    def in_full(self) -> Iterator[Drawn]:
        """Every plot of the region."""
        yield self.roc()
        yield self.correlations()
        yield from self.variables()
        if self.result.samples.has_source:
            yield from self.movement()
        yield self.weights()
        yield from self.conditions()
        yield from self.profiles()

    def in_brief(self) -> Iterator[Drawn]:
        """The plots of one of many bands: what its verdict is based on, and the ratios of all variables in one."""
        yield self.roc()
        figure = plot_ratios({self.labels[name]: one for name, one in self.shown.items()}, self.head)
        rows: Rows = [{"variable": name, **row} for name, one in self.shown.items() for row in one.rows()]
        alt = f"Ratio of source and template to the target for every variable, {self.where}"
        caption = "Ratio to the target of source (dashed) and template (line), with statistical bands."
        yield Drawn("ratios", "features", figure, rows, alt, caption, "wide")

    def roc(self) -> Drawn:
        """The ROC curves of the classifier that the verdict is based on."""
        result, verdict = self.result, self.result.verdict
        figure = plot_roc(result.rocs, result.metrics[verdict.metric], verdict.words, self.head)
        alt = f"ROC curves of source, template and target against the target, {self.where}"
        caption = "On the diagonal the samples cannot be distinguished; the dotted null shows what noise makes of that."
        return Drawn("roc", "roc", figure, _roc_rows(result), alt, caption, "middle")

    def correlations(self) -> Drawn:
        """Pearson's and Spearman's coefficients."""
        result, labels = self.result, [self.labels[name] for name in self.result.samples.names]
        figure = plot_correlations(result.correlations, result.spearman, labels, self.head)
        alt = f"Heat maps of the correlations of the target, and what source and template differ by, {self.where}"
        caption = (
            "Pearson's coefficients below the diagonal, Spearman's rank correlations above it: of the target, "
            "and the difference of source and template to them."
        )
        return Drawn("correlations", "correlations", figure, _correlation_rows(result), alt, caption, "wide")

    def variables(self) -> Iterator[Drawn]:
        """The distribution of each variable; its axis is logarithmic in all regions or in none."""
        for name, one in self.shown.items():
            is_derived = name in self.result.derived
            figure = plot_distribution(one, self.labels[name], self.head, is_log=name in self.is_log)
            alt = f"Distribution of {name} in target, source and template, with ratio and pull, {self.where}"
            part, size = ("derived", "middle") if is_derived else ("features", "narrow")
            yield Drawn(file_name(name), part, figure, one.rows(), alt, "", size)

    def conditions(self) -> Iterator[Drawn]:
        """The distribution of each variable that the map is conditioned on; no map changes it."""
        for name, one in self.context.items():
            figure = plot_distribution(one, self.labels[name], self.head, is_log=one.is_steep)
            alt = f"Distribution of {name}, which the map is conditioned on, in all samples, {self.where}"
            yield Drawn(f"context-{file_name(name)}", "context", figure, one.rows(), alt, "", "narrow")

    def movement(self) -> Iterator[Drawn]:
        """Arrows for pairs of features, and x against T(x) for each."""
        source, moved, _ = self.result.samples.rows()
        names = self.result.samples.names[: self.result.samples.n_features]
        fields = self._displacements()
        if fields:
            shown = {(self.labels[first], self.labels[second]): its for (first, second), its in fields.items()}
            rows = [row for pair, field in fields.items() for row in field_rows(field, pair)]
            figure = plot_fields(shown, self.head)
            named = ", ".join(f"{first} and {second}" for first, second in fields)
            alt = f"Arrows of the mean displacement of {named}, {self.where}"
            size = "wide" if len(fields) > 1 else "middle"
            caption = (
                "Each arrow begins where the source events of a cell are on average, and points to where the map "
                "takes them on average; averages hide events that go opposite ways."
            )
            yield Drawn("displacement", "movement", figure, rows, alt, caption, size)
        figure = plot_movement(source, moved, [self.labels[name] for name in names], self.head)
        alt = f"Each feature before and after the map, {self.where}"
        caption = "Where the map takes each feature: events on the dashed diagonal stay. The colour counts events."
        yield Drawn("map", "movement", figure, _map_rows(self.result), alt, caption, "wide")

    def _displacements(self) -> dict[tuple[str, str], Field]:
        """The displacement of the pairs that the recipe names, or of the two features that move most."""
        samples, movement = self.result.samples, self.result.movement
        names = samples.names[: samples.n_features]
        pairs = [(first, second) for first, second in self.settings.pairs if first in names and second in names]
        if not pairs and movement is not None and len(names) > 1:
            order = np.argsort([-feature.mean for feature in movement.features], kind="stable")[:2]
            pairs = [(names[min(order)], names[max(order)])]
        source, moved, target = samples.rows()
        spread = spread_of(target)
        periodic = [names.index(name) for name in self.periodic if name in names]
        return {
            pair: displacement_field(source, moved, spread, (names.index(pair[0]), names.index(pair[1])), periodic)
            for pair in pairs[:MOST_FIELDS]
        }

    def weights(self) -> Drawn:
        """The calibrated weights of the classifier."""
        figure = plot_density_ratio(self.result.density_ratio, self.head)
        rows = [
            {"comparison": name, "low": low, "high": high, "share": value, "uncertainty": error}
            for name, one in self.result.density_ratio.items()
            for low, high, value, error in zip(
                one.histogram.edges[:-1],
                one.histogram.edges[1:],
                one.histogram.values,
                one.histogram.uncertainties,
                strict=True,
            )
        ]
        alt = f"Histogram of the calibrated weights of the classifier, {self.where}"
        caption = "The outermost bins also hold what lies beyond them; in the CSV the bins are those of the logarithm."
        return Drawn("weights", "weights", figure, rows, alt, caption, "middle")

    def profiles(self) -> Iterator[Drawn]:
        """The mean of each variable against each condition."""
        for condition, found in conditions_of(self.result.profiles).items():
            chosen = drawn_profiles(found)
            figure = plot_profiles(chosen, self.labels, self.head)
            left = f" The {len(chosen)} of {len(found)} whose templates differ most." if chosen != found else ""
            alt = f"Mean of each variable against {condition} in target, source and template, {self.where}"
            caption = f"Means in bins of {condition} that hold equal shares of the target.{left}"
            yield Drawn(
                f"profiles-{file_name(condition)}", "profiles", figure, profile_rows(found), alt, caption, "wide"
            )


def file_name(name: str) -> str:
    """A name that is safe as a file's, whatever the user calls a region or variable.

    >>> file_name("|eta| < 1.37")
    '_eta____1_37'
    """
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)


def _roc_rows(result: RegionResult) -> Rows:
    """One row for each target efficiency, with the other sample's efficiency in each comparison."""
    columns = {"target_efficiency": next(iter(result.rocs.values()))[0]}
    columns |= {name: kept for name, (_, kept) in result.rocs.items()}
    return [
        dict(zip(columns, (float(value) for value in row), strict=True)) for row in zip(*columns.values(), strict=True)
    ]


def _correlation_rows(result: RegionResult) -> Rows:
    """One row for each pair of variables."""
    rows: list[dict[str, float | str]] = []
    for first, second in combinations(range(len(result.samples.names)), 2):
        row: dict[str, float | str] = {"first": result.samples.names[first], "second": result.samples.names[second]}
        for suffix, kind in (("", result.correlations), ("_rank", result.spearman)):
            for sample, found in kind.items():
                estimate = found.of(first, second)
                row |= {f"{sample}{suffix}": estimate.value, f"{sample}{suffix}_uncertainty": estimate.uncertainty}
        rows.append(row)
    return rows


def _map_rows(result: RegionResult) -> Rows:
    """One row for each populated bin of each feature's map."""
    source, moved, _ = result.samples.rows()
    rows: list[dict[str, float | str]] = []
    for name, before, after in zip(result.samples.names, source.features.T, moved.features.T, strict=False):
        counts, edges = moved_counts(before, after)
        for start, end in np.argwhere(counts > 0):
            low, high = (
                {
                    f"{side}_{sample}": float(edges[place + offset])
                    for sample, place in (("source", start), ("morphed", end))
                }
                for offset, side in enumerate(("low", "high"))
            )
            rows.append({"feature": name, **low, **high, "events": float(counts[start, end])})
    return rows
