"""The tables of one region of a report.

Each is a function of a `RegionResult` and gives a `Table`; `tables_of` names them, and the names are those of the
files.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from simmorph.data.estimates import Estimate
from simmorph.evaluation.metrics.correlations import mean_size, named_and_others, noise_floor
from simmorph.evaluation.metrics.multivariate import MAX_KERNEL_EVENTS, MAX_PROJECTED
from simmorph.evaluation.metrics.registry import DISTANCES, metric_words
from simmorph.evaluation.metrics.samples import NULL
from simmorph.evaluation.report.tables import Cell, Shown, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.evaluation.metrics.correlations import Correlations
    from simmorph.evaluation.metrics.maps.movement import Movement
    from simmorph.evaluation.region_result import RegionResult
    from simmorph.evaluation.significance import Significance

SAMPLES = ("target", "source", "template")
ABOVE = "template above null [sd]"
"""Head of a column: by how many standard deviations."""


def metrics_table(result: RegionResult) -> Table:
    """Every metric of every comparison, and how significantly the template's differs from the null."""
    rows: list[list[Cell]] = []
    for metric, compared in result.metrics.items():
        found = result.significances[metric]["template_vs_target"]
        estimates = [compared[name] for name in result.comparisons]
        rows.append([metric_words(metric, result.derived), *estimates, *_significance(found)])
    sizes = result.compared.sizes["template_vs_target"]
    caption = (
        f"Metrics on {sizes[0]:,} events of the template and {sizes[1]:,} of the target (sliced Wasserstein distance: "
        f"{MAX_PROJECTED:,} at most, maximum mean discrepancy: {MAX_KERNEL_EVENTS:,}). The null of an AUC is "
        f"{result.compared.null}, and 0.5 but for noise; that of the others is what noise alone makes of such samples, "
        "with its spread. Beside it the probability that noise makes as much, and what that is in standard deviations."
    )
    head = ["metric", *_heads(result), ABOVE, "p-value"]
    return Table(caption, head, rows)


def _heads(result: RegionResult) -> list[str]:
    """The comparisons; the null is one of samples of the same sizes."""
    return ["null" if name == NULL else name.replace("_", " ") for name in result.comparisons]


def _significance(found: Significance) -> tuple[Shown, Shown]:
    """Deviations and p-value as cells: full numbers for files, rounded ones for people."""
    return Shown(found.deviations, f"{found.deviations:+.1f}"), Shown(found.p_value, f"{found.p_value:.2g}")


def distances_table(result: RegionResult, kind: str) -> Table:
    """One kind of distance for each variable and comparison, and how far the template's is from the null."""
    rows: list[list[Cell]] = []
    for variable, kinds in result.distances.items():
        found = result.distance_significances[variable][kind]["template_vs_target"]
        estimates = [kinds[kind][name] for name in result.comparisons]
        rows.append([variable, *estimates, *_significance(found)])
    head = ["variable", *_heads(result), ABOVE, "p-value"]
    return Table(f"{DISTANCES[kind].words}.", head, rows)


def pearson_table(result: RegionResult, pairs: Sequence[Sequence[str]]) -> Table:
    """Pearson correlations of named pairs, then the mean size of all others beside what noise makes of it.

    Args:
        result: of the region.
        pairs: which pairs to name; without them, those that the target correlates.
    """
    return _correlation_table(result, result.correlations, pairs, "Pearson correlations")


def spearman_table(result: RegionResult, pairs: Sequence[Sequence[str]]) -> Table:
    """Rank correlations of the same pairs; see `pearson_table`."""
    return _correlation_table(result, result.spearman, pairs, "Spearman's rank correlations")


def _correlation_table(
    result: RegionResult, found: Mapping[str, Correlations], pairs: Sequence[Sequence[str]], what: str
) -> Table:
    """Coefficients of named pairs for each sample, a row each, then the mean of all others and its noise floor."""
    names, shown = result.samples.names, [sample for sample in SAMPLES if sample in found]
    wanted = [[names.index(name) for name in pair] for pair in pairs]
    named, others = named_and_others(found["target"], wanted, list(combinations(range(len(names)), 2)))
    rows: list[list[Cell]] = [
        [f"{names[pair[0]]}, {names[pair[1]]}", *(found[sample].of(*pair) for sample in shown)] for pair in named
    ]
    if others:
        rows.append(["mean |others|", *(mean_size(found[sample], others) for sample in shown)])
        floors = {name: noise_floor(sample) for name, sample in result.samples.by_name().items()}
        rows.append(["mean |others| of pure noise", *(round(floors[name], 6) for name in shown)])
    return Table(f"{what} with their statistical errors.", ["pair", *shown], rows)


def movement_table(result: RegionResult, moved: Movement) -> Table:
    """Retention and movement of each feature and of all together."""
    rows: list[list[Cell]] = [
        [name, Estimate(feature.retention, feature.retention_uncertainty), feature.mean, feature.quantile_95]
        for name, feature in zip(result.samples.names, moved.features, strict=False)
    ]
    rows.append(["all features together, the lowest retention", moved.lowest_retention, moved.mean, moved.quantile_95])
    caption = (
        "How much of the order a feature keeps (Spearman's rank correlation of x and T(x)), and how far events move."
    )
    if found := result.partners:
        caption += (
            f" From the same event in the target it is {found.before.to_text(3)} target sigma before the map, and "
            f"{found.after.to_text(3)} after it, in the mean over {found.n_events:,} pairs."
        )
    return Table(
        caption, ["feature", "retention", "mean distance [target sigma]", "95 % quantile [target sigma]"], rows
    )


def events_table(result: RegionResult) -> Table:
    """The size of each sample."""
    rows: list[list[Cell]] = [
        [name, float(len(sample)), float(sample.weights.sum()), sample.effective_size]
        for name, sample in result.samples.by_name().items()
    ]
    return Table(
        "Events in the plots and correlations.", ["sample", "events", "sum of weights", "effective size"], rows
    )


def context_table(result: RegionResult, kind: str) -> Table:
    """One kind of distance of each context variable."""
    rows: list[list[Cell]] = [
        [variable, *(kinds[kind][name] for name in result.comparisons)]
        for variable, kinds in result.context_distances.items()
    ]
    head = ["condition", *_heads(result)]
    return Table(f"{DISTANCES[kind].words}, of what the map is conditioned on and does not change.", head, rows)


def density_ratio_table(result: RegionResult) -> Table:
    """Mean, spread, tails and quantiles of the calibrated weights of each comparison."""
    found = [result.density_ratio[name] for name in result.comparisons]
    rows: list[list[Cell]] = [
        ["mean weight", *(one.mean for one in found)],
        ["standard deviation around 1", *(one.spread for one in found)],
    ]
    rows += [[f"share of weights {bound}", *(one.tails[bound] for one in found)] for bound in found[0].tails]
    rows += [[f"{share:.0%} quantile", *(one.quantiles[share] for one in found)] for share in found[0].quantiles]
    head = ["calibrated weight", *(name.replace("_", " ") for name in result.comparisons)]
    caption = "Calibrated weights of the classifier, target over template: 1 for every event if both agree."
    return Table(caption, head, rows)


def profiles_table(result: RegionResult) -> Table:
    """Whether the means of each variable agree in bins of each condition: chi2 per degree of freedom, and p-values."""
    rows: list[list[Cell]] = []
    for one in result.profiles:
        tests = [one.tests[name] for name in result.comparisons]
        cells = [cell for test in tests for cell in (test.reduced, test.p_value)]
        rows.append([one.condition, one.variable, float(tests[-1].n_bins), *cells])
    words = [name.replace("_", " ") for name in result.comparisons]
    head = ["condition", "variable", "bins", *(f"{name} {what}" for name in words for what in ("chi2/ndf", "p-value"))]
    return Table("Means of each variable in bins of each condition, compared to the target's.", head, rows)


def acceptance_table(result: RegionResult) -> Table:
    """How many events pass each cut, and how many the map takes across it."""
    shown = [sample for sample in SAMPLES if sample in result.samples.by_name()]
    rows: list[list[Cell]] = [
        [name, *(one.passing[sample] for sample in shown), one.leaving or "", one.entering or "", one.cut]
        for name, one in result.acceptance.items()
    ]
    caption = "Fractions of events that pass cuts of the acceptance; of the source, those that the map takes across."
    return Table(caption, ["cut", *shown, "leaving under the map", "entering under the map", "expression"], rows)


def tables_of(result: RegionResult, pairs: Sequence[Sequence[str]]) -> Mapping[str, Table]:
    """Every table of a region by its name; without a source there is no movement."""
    movement = {"movement": movement_table(result, result.movement)} if result.movement else {}
    return {
        "metrics": metrics_table(result),
        "pearson": pearson_table(result, pairs),
        "spearman": spearman_table(result, pairs),
        "density_ratio": density_ratio_table(result),
        **({"profiles": profiles_table(result)} if result.profiles else {}),
        **(
            {
                f"context_{kind}": context_table(result, kind)
                for kind in next(iter(result.context_distances.values()), {})
            }
        ),
        **({"acceptance": acceptance_table(result)} if result.acceptance else {}),
        **{kind: distances_table(result, kind) for kind in DISTANCES},
        **movement,
        "events": events_table(result),
    }
