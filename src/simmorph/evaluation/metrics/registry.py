"""The registries of metrics, and of the distances of one variable.

`evaluate` and `compare` measure what stands here and show it in every table and page. A metric takes whole samples; a
distance one column of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.data.estimates import Estimate
from simmorph.data.events import Events
from simmorph.evaluation.metrics import correlations, divergences, marginals, multivariate
from simmorph.evaluation.metrics.classifier.c2st import auc
from simmorph.evaluation.metrics.noise import BesideNull, Noise, beside_null

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Metric = Callable[[Events, Events, np.random.Generator], Estimate]
"""How far a template (first) is from its target (second); the generator is its only source of randomness."""

METRICS: dict[str, Metric] = {
    "auc": auc,
    "pearson_worst": correlations.pearson_worst,
    "pearson_mean": correlations.pearson_mean,
    "wasserstein_worst": marginals.wasserstein_worst,
    "kolmogorov_worst": marginals.kolmogorov_worst,
    "sliced_wasserstein": multivariate.sliced_wasserstein,
    "mmd": multivariate.mmd,
    "frechet": multivariate.frechet,
}
"""Every metric by the name it has in reports and comparisons; a new one is a function of (template, target, rng)."""

TESTS: dict[str, Callable[[Events, Events, np.random.Generator], BesideNull]] = {
    "pearson_worst": correlations.pearson_worst_tested,
    "pearson_mean": correlations.pearson_mean_tested,
    "wasserstein_worst": marginals.wasserstein_worst_tested,
    "kolmogorov_worst": marginals.kolmogorov_worst_tested,
    "sliced_wasserstein": multivariate.sliced_wasserstein_tested,
    "mmd": multivariate.mmd_tested,
    "frechet": multivariate.frechet_tested,
}
"""The same metrics beside what noise alone makes of them; the AUC is 1/2 by noise alone.

A metric that is not here has the target against itself for its null, and a significance by the uncertainties of both.
"""

WORDS = {
    "auc": "AUC of the classifier",
    "auc_deep_trees": "AUC of deep trees",
    "auc_network_2x32": "AUC of a network of 2 x 32",
    "auc_network_3x32": "AUC of a network of 3 x 32",
    "pearson_worst": "largest deviation of a Pearson coefficient",
    "pearson_mean": "mean deviation of the Pearson coefficients",
    "wasserstein_worst": "largest Wasserstein distance of a variable [target sigma]",
    "kolmogorov_worst": "largest Kolmogorov-Smirnov distance of a variable",
    "sliced_wasserstein": "sliced Wasserstein distance [target sigma]",
    "mmd": "squared maximum mean discrepancy",
    "frechet": "Fréchet distance",
}
"""The names of metrics for people, where they are not those of METRICS with spaces."""
MOST_NAMES = 3


def metric_words(metric: str, derived: Sequence[str] = ()) -> str:
    """The name of a metric for people.

    Args:
        metric: its name in `report.json`.
        derived: the derived quantities, which one AUC sees and the others do not.
    """
    if metric == "auc_with_derived":
        return f"AUC with {' and '.join(derived) if len(derived) < MOST_NAMES else 'the derived quantities'}"
    words = WORDS.get(metric, metric.replace("_", " "))
    return f"{words}, features alone" if derived and metric.startswith("auc") else words


class Distance(NamedTuple):
    """A distance of one variable.

    Attributes:
        measure: a function of (template, target, column).
        head: its name in a table of several distances.
        words: what it is, in full.
    """

    measure: Callable[[Events, Events, int], Estimate]
    head: str
    words: str


EQUAL_BINS = f"in up to {divergences.N_BINS} bins of equal shares of the target"
DISTANCES: dict[str, Distance] = {
    "wasserstein": Distance(
        marginals.wasserstein,
        "Wasserstein distance [sigma]",
        "Wasserstein distance in standard deviations of the target",
    ),
    "kolmogorov": Distance(marginals.kolmogorov, "Kolmogorov-Smirnov distance", "Kolmogorov-Smirnov distance"),
    "kullback_leibler": Distance(
        divergences.kullback_leibler,
        "KL divergence",
        f"Kullback-Leibler divergence of the target from the sample, {EQUAL_BINS}",
    ),
    "jensen_shannon": Distance(divergences.jensen_shannon, "JS divergence", f"Jensen-Shannon divergence, {EQUAL_BINS}"),
    "hellinger": Distance(divergences.hellinger, "Hellinger distance", f"Hellinger distance, {EQUAL_BINS}"),
    "anderson_darling": Distance(
        marginals.anderson_darling,
        "Anderson-Darling distance",
        "Anderson-Darling distance: squared differences with the tails weighted up",
    ),
    "chi_square": Distance(
        divergences.chi_square,
        "chi2/ndf",
        f"chi2 over degrees of freedom, {EQUAL_BINS}",
    ),
}
"""Every distance of one variable by the name it has in reports and comparisons."""


def distances_beside_null(
    template: Events,
    target: Events,
    column: int,
    noises: tuple[Noise, Noise],
    kinds: Collection[str] = tuple(DISTANCES),
) -> dict[str, BesideNull]:
    """The distances of one variable beside what noise alone makes of them, by kind.

    Args:
        template: one sample.
        target: the other.
        column: of the variable.
        noises: the fluctuations of both.
        kinds: names in DISTANCES.
    """
    drawn = marginals.drawn(template, target, column, noises) | divergences.drawn(template, target, column, noises)
    found = {}
    for kind in kinds:
        observed, draws = drawn[kind]
        distance = DISTANCES[kind].measure(template, target, column)
        found[kind] = beside_null(distance, draws, observed)
    return found
