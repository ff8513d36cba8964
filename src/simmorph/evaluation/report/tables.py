"""Tables of the report: rows of cells, written as CSV, LaTeX or as a page shows them."""

from __future__ import annotations

import csv
import io
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.evaluation.metrics.correlations import noise_floor
from simmorph.evaluation.metrics.divergences import N_BINS
from simmorph.evaluation.metrics.estimates import Estimate
from simmorph.evaluation.verdict import metric_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.evaluation.comparison import RegionResult
    from simmorph.evaluation.metrics.correlations import Correlations
    from simmorph.evaluation.metrics.movement import Movement
    from simmorph.evaluation.significance import Significance

CORRELATED = 0.1
"""Pairs with a larger correlation in the target are named in the table if the recipe names none."""
LARGE = 1000
"""Numbers from here on are written as whole numbers."""
SAMPLES = ("target", "source", "template")
ABOVE = "template above null [sd]"
"""Head of a column: by how many standard deviations."""
DISTANCES = {
    "wasserstein": "Wasserstein distance in standard deviations of the target",
    "kolmogorov": "Kolmogorov-Smirnov distance",
    "kullback_leibler": f"Kullback-Leibler divergence of the target from the sample, in {N_BINS} bins of equal shares",
    "jensen_shannon": f"Jensen-Shannon divergence, in {N_BINS} bins of equal shares of the target",
    "hellinger": f"Hellinger distance, in {N_BINS} bins of equal shares of the target",
    "anderson_darling": "Anderson-Darling distance: squared differences with the tails weighted up",
    "chi_square": f"chi2 over degrees of freedom, in {N_BINS} bins of equal shares of the target",
}
"""What each kind of distance of one variable is."""


class Shown(NamedTuple):
    """A number that people see with fewer digits than files have.

    Attributes:
        value: the number.
        text: what people see of it.
    """

    value: float
    text: str


Cell = str | Estimate | Shown | float


class Table(NamedTuple):
    """A table.

    Attributes:
        caption: what it shows, in a sentence.
        head: the names of its columns.
        rows: its cells.
    """

    caption: str
    head: list[str]
    rows: list[list[Cell]]

    def to_csv(self) -> str:
        """Numbers in full; an estimate takes two columns."""
        is_estimate = [any(isinstance(row[place], Estimate) for row in self.rows) for place in range(len(self.head))]
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
        """A booktabs table."""
        lines = [
            rf"% {self.caption}",
            r"\begin{tabular}{l" + "r" * (len(self.head) - 1) + "}",
            r"\toprule",
            " & ".join(latex_escaped(name) for name in self.head) + r" \\",
            r"\midrule",
            *(" & ".join(_latex(cell) for cell in row) + r" \\" for row in self.rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
        return "\n".join(lines) + "\n"

    def texts(self) -> list[list[str]]:
        """The cells as a page shows them."""
        return [[_text(cell) for cell in row] for row in self.rows]


def _parts(cell: Cell, is_two: bool) -> list[str]:
    if isinstance(cell, Estimate):
        return [f"{cell.value:.8g}", f"{cell.uncertainty:.3g}"]
    return [_plain(cell)] + [""] * is_two


def _plain(cell: str | Shown | float) -> str:
    if isinstance(cell, Shown):
        return f"{cell.value:.8g}"
    return cell if isinstance(cell, str) else f"{cell:.8g}"


def _text(cell: Cell) -> str:
    if isinstance(cell, Estimate):
        return cell.to_text() if np.isfinite(cell.value) else "undefined"
    if isinstance(cell, Shown):
        return cell.text
    return cell if isinstance(cell, str) else _rounded(cell)


def _rounded(number: float) -> str:
    """Four digits, and thousands in groups: 0.1234, 14,957."""
    return f"{number:,.0f}" if abs(number) >= LARGE else f"{number:.4g}"


def _latex(cell: Cell) -> str:
    if isinstance(cell, Estimate):
        return rf"${cell.value:.4f} \pm {cell.uncertainty:.4f}$" if np.isfinite(cell.value) else "--"
    if isinstance(cell, Shown):
        return f"${cell.text}$" if np.isfinite(cell.value) else "--"
    return latex_escaped(cell) if isinstance(cell, str) else f"${_rounded(cell).replace(',', '{,}')}$"


def latex_escaped(text: str) -> str:
    """Text with what LaTeX takes for its own made plain."""
    special = {
        "\\": r"\textbackslash{}",
        "|": r"$|$",
        "<": "$<$",
        ">": "$>$",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
    return "".join(special.get(letter, "\\" + letter if letter in "_%&#${}" else letter) for letter in text)


def metrics_table(result: RegionResult) -> Table:
    """Every metric of every comparison, and how significantly the template's differs from the null."""
    rows: list[list[Cell]] = []
    for metric, compared in result.metrics.items():
        found = result.significances[metric]["template_vs_target"]
        estimates = [compared[name] for name in result.comparisons]
        rows.append([metric_words(metric, result.derived), *estimates, *_significance(found)])
    caption = (
        f"Metrics on {result.n_compared:,} events of each sample; target vs target is the null: {result.null}. "
        "Beside it by how many standard deviations the template is above the null, and the probability of that if they "
        "agree; from random relabellings for the maximum mean discrepancy."
    )
    head = ["metric", *(name.replace("_", " ") for name in result.comparisons), ABOVE, "p-value"]
    return Table(caption, head, rows)


def _significance(found: Significance) -> tuple[Shown, Shown]:
    return Shown(found.deviations, f"{found.deviations:+.1f}"), Shown(found.p_value, f"{found.p_value:.2g}")


def distances_table(result: RegionResult, kind: str) -> Table:
    """One kind of distance for each variable and comparison, and how far the template's is from the null."""
    rows: list[list[Cell]] = []
    for variable, kinds in result.distances.items():
        found = result.distance_significances[variable][kind]["template_vs_target"]
        estimates = [kinds[kind][name] for name in result.comparisons]
        rows.append([variable, *estimates, *_significance(found)])
    head = ["variable", *(name.replace("_", " ") for name in result.comparisons), ABOVE, "p-value"]
    return Table(f"{DISTANCES[kind]}.", head, rows)


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
    names = result.samples.names
    target, shown = found["target"].matrix, [sample for sample in SAMPLES if sample in found]
    every = list(combinations(range(len(names)), 2))
    wanted = {tuple(sorted(names.index(name) for name in pair)) for pair in pairs}
    named = [pair for pair in every if (pair in wanted if wanted else abs(target[pair]) > CORRELATED)]
    others = [pair for pair in every if pair not in named]
    rows: list[list[Cell]] = [
        [f"{names[pair[0]]}, {names[pair[1]]}", *(found[sample].of(*pair) for sample in shown)] for pair in named
    ]
    if others:
        rows.append(["mean |others|", *(_mean_of(found[sample], others) for sample in shown)])
        floors = {name: noise_floor(sample) for name, sample in result.samples.by_name().items()}
        rows.append(["mean |others| of pure noise", *(round(floors[name], 6) for name in shown)])
    return Table(f"{what} with their statistical errors.", ["pair", *shown], rows)


def _mean_of(found: Correlations, pairs: Sequence[tuple[int, ...]]) -> Estimate:
    estimates = [found.of(pair[0], pair[1]) for pair in pairs]
    known = [estimate for estimate in estimates if np.isfinite(estimate.value)]
    if not known:
        return Estimate(float("nan"), float("nan"))
    spread = float(np.sqrt(sum(estimate.uncertainty**2 for estimate in known)))
    return Estimate(sum(abs(estimate.value) for estimate in known) / len(known), spread / len(known))


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
    head = ["condition", *(name.replace("_", " ") for name in result.comparisons)]
    return Table(f"{DISTANCES[kind]}, of what the map is conditioned on and does not change.", head, rows)


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
        **({f"context_{kind}": context_table(result, kind) for kind in _context_kinds(result)}),
        **({"acceptance": acceptance_table(result)} if result.acceptance else {}),
        **{kind: distances_table(result, kind) for kind in DISTANCES},
        **movement,
        "events": events_table(result),
    }


def _context_kinds(result: RegionResult) -> list[str]:
    return list(next(iter(result.context_distances.values()), {}))
