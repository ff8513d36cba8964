"""Distances of one-dimensional distributions, the worst feature deciding.

None needs bins. All compare distribution functions F of the template and G of the target, with weights as they are:
Wasserstein the area between them, Kolmogorov-Smirnov their largest difference, Anderson-Darling their squared
difference with the tails weighted up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from simmorph.data.estimates import Estimate
from simmorph.evaluation.metrics.moments import spread_of, variance_of_influence
from simmorph.evaluation.metrics.noise import BesideNull, Noise, beside_null, both

if TYPE_CHECKING:
    from collections.abc import Callable

    from simmorph.data.events import Events, FloatArray

MOST_EDGES = 128


def wasserstein_worst(template: Events, target: Events, rng: np.random.Generator) -> Estimate:  # noqa: ARG001
    """The largest Wasserstein distance of a feature, in the target's spread; null and source: `wasserstein`."""
    return _worst([wasserstein(template, target, column) for column in range(target.features.shape[1])])


def kolmogorov_worst(template: Events, target: Events, rng: np.random.Generator) -> Estimate:  # noqa: ARG001
    """The largest Kolmogorov-Smirnov distance of a feature; null and source: `kolmogorov`."""
    return _worst([kolmogorov(template, target, column) for column in range(target.features.shape[1])])


def wasserstein_worst_tested(template: Events, target: Events, rng: np.random.Generator) -> BesideNull:
    """The same beside its null: of all features together, so that correlated ones do not count twice."""
    return _worst_tested(wasserstein_worst(template, target, rng), "wasserstein", template, target, rng)


def kolmogorov_worst_tested(template: Events, target: Events, rng: np.random.Generator) -> BesideNull:
    """The same beside its null; see `wasserstein_worst_tested`."""
    return _worst_tested(kolmogorov_worst(template, target, rng), "kolmogorov", template, target, rng)


def _worst_tested(found: Estimate, kind: str, template: Events, target: Events, rng: np.random.Generator) -> BesideNull:
    """The largest distance of one kind, and what noise makes of it."""
    noises = both(template, target, rng)
    pairs = [drawn(template, target, column, noises)[kind] for column in range(target.features.shape[1])]
    return beside_null(found, np.max([draws for _, draws in pairs], axis=0), max(observed for observed, _ in pairs))


def _worst(estimates: list[Estimate]) -> Estimate:
    """The estimate with the largest value."""
    return max(estimates, key=lambda estimate: estimate.value)


def wasserstein(template: Events, target: Events, column: int) -> Estimate:
    """The Wasserstein distance of one feature, in standard deviations of the target.

    The uncertainty is the spread of the distance's influence function, which takes the sign of the difference as known:
    where the samples agree it is a scale, not an interval. The feature is a number on a line: an angle counts the long
    way round. No bins.

    Null: positive, 1.29 sqrt(1/n + 1/m) on average for normal samples of n and m events.
    Source: Vallender, Theory Probab. Appl. 18 (1974) 784; Ramdas, Garcia Trillos, Cuturi, Entropy 19 (2017) 47.
    """
    spread = float(spread_of(target.with_features(target.features[:, [column]]))[0])
    columns = template.features[:, column] / spread, target.features[:, column] / spread
    distance, influence = wasserstein_with_influence(*columns, template.weights, target.weights)
    variance = variance_of_influence(influence, template.weights, target.weights)
    return Estimate(distance, float(np.sqrt(variance)))


def wasserstein_with_influence(
    template: FloatArray, target: FloatArray, template_weights: FloatArray, target_weights: FloatArray
) -> tuple[float, FloatArray]:
    """The Wasserstein distance of numbers, and how much each of them adds to it.

    The distance is the integral of |F - G|, in the unit of the numbers.

    >>> ones = np.ones(3)
    >>> values = np.array([0.0, 1.0, 2.0])
    >>> wasserstein_with_influence(values + 0.5, values, ones, ones)[0]
    0.5

    Args:
        template: (n_template,), one sample.
        target: (n_target,), the other.
        template_weights: (n_template,).
        target_weights: (n_target,).

    Returns:
        The distance, and (n_template + n_target,) influences up to a constant.
    """
    values = np.concatenate([template, target])
    order = np.argsort(values, kind="stable")
    of_template = np.concatenate([template_weights, np.zeros(len(target))])[order]
    of_target = np.concatenate([np.zeros(len(template)), target_weights])[order]
    # Each sum for itself, so that equal shares differ by nothing, whose sign is 0.
    below = np.cumsum(of_template) / np.sum(of_template), np.cumsum(of_target) / np.sum(of_target)
    difference = (below[0] - below[1])[:-1]
    width = np.diff(values[order])
    influence = np.empty(len(values))
    influence[order] = np.concatenate([[0.0], np.cumsum(np.sign(difference) * width)])
    return float(np.sum(np.abs(difference) * width)), influence


def kolmogorov(template: Events, target: Events, column: int) -> Estimate:
    """The Kolmogorov-Smirnov distance of one feature, with the binomial error where the distance is largest.

    No bins; ties are crossed in one step. Weights make it the distance of weighted distributions.

    Null: positive, 0.87 sqrt(1/n + 1/m) on average, with the effective sizes n and m.
    Source: Smirnov, Ann. Math. Stat. 19 (1948) 279.
    """
    steps = _Steps(template, target, column)
    # A step inside a tie is no place to compare at.
    distance = np.where(np.diff(steps.values) > 0, np.abs(steps.difference), 0.0)
    worst = int(np.argmax(distance))
    below = float(np.clip(steps.below_target[worst], 0, 1))
    size = 1 / max(template.effective_size, 1.0) + 1 / max(target.effective_size, 1.0)
    return Estimate(float(distance[worst]), float(np.sqrt(below * (1 - below) * size)))


def anderson_darling(template: Events, target: Events, column: int) -> Estimate:
    """The Anderson-Darling distance of one feature: the squared difference of the distributions, tails weighted up.

    The integral of (F - G)^2 / (H (1 - H)) over H, the mean of both distributions; it does not grow with the number of
    events. No bins.

    Null: 1/n + 1/m on average; the uncertainty is at least the spread of this null.
    Source: Pettitt, Biometrika 63 (1976) 161.
    """
    steps = _Steps(template, target, column)
    pooled = np.cumsum(sum(weights / np.sum(weights) for weights in steps.weights)) / 2
    inside = (pooled[:-1] > 0) & (pooled[:-1] < 1) & (np.diff(steps.values) > 0)
    # Between two different values both distributions are constant; ties are crossed in one step.
    places = np.append(np.flatnonzero(inside), len(pooled) - 1)
    mass = np.diff(pooled[places])
    at = places[:-1]
    ratio = steps.difference[at] / np.maximum(pooled[at] * (1 - pooled[at]), 1e-300)
    noise = 1 / max(template.effective_size, 1.0) + 1 / max(target.effective_size, 1.0)
    value = float(np.sum(steps.difference[at] * ratio * np.abs(mass)))
    # The null has the variance 2 (pi^2 / 3 - 3) noise^2; beyond it the root of the value fluctuates like a mean.
    return Estimate(value, float(np.sqrt(0.58 * noise**2 + 4 * max(value - noise, 0.0) * noise)))


class _Steps:
    """Both samples' values of one feature in order.

    Attributes:
        values: (n_events,), of both samples.
        weights: of the template and of the target, (n_events,) each; 0 for the other's events.
        below_target: (n_events,), the share of the target's weight up to each value.
        difference: (n_events - 1,), the template's share minus the target's below each gap between two values.
    """

    def __init__(self, template: Events, target: Events, column: int) -> None:
        values = np.concatenate([template.features[:, column], target.features[:, column]])
        order = np.argsort(values, kind="stable")
        self.values = values[order]
        self.weights = [
            np.concatenate([template.weights, np.zeros(len(target))])[order],
            np.concatenate([np.zeros(len(template)), target.weights])[order],
        ]
        shares = [np.cumsum(weights) / np.sum(weights) for weights in self.weights]
        self.below_target = shares[1]
        self.difference: FloatArray = (shares[0] - shares[1])[:-1]


def drawn(
    template: Events, target: Events, column: int, noises: tuple[Noise, Noise]
) -> dict[str, tuple[float, FloatArray]]:
    """Each of STATISTICS of one feature as it is, and (N_DRAWS,) of it by noise alone, both on a grid.

    Args:
        template: one sample.
        target: the other.
        column: of the feature.
        noises: the fluctuations of both.
    """
    spread = float(spread_of(target.with_features(target.features[:, [column]]))[0])
    grid = Grid.of(template.features[:, column] / spread, target.features[:, column] / spread, noises)
    return {kind: (float(of(grid, grid.difference)), of(grid, grid.draws)) for kind, of in STATISTICS.items()}


class Grid(NamedTuple):
    """Differences of the distribution functions of two samples at some of their values.

    Attributes:
        edges: (n_edges,), rising; denser towards the ends, the last is the largest value.
        pooled: (n_edges,), the mean of both distribution functions.
        difference: (n_edges,), that of the template minus that of the target.
        draws: (n_edges, N_DRAWS), the same by noise alone.
    """

    edges: FloatArray
    pooled: FloatArray
    difference: FloatArray
    draws: FloatArray

    @classmethod
    def of(cls, template: FloatArray, target: FloatArray, noises: tuple[Noise, Noise]) -> Self:
        """The grid of numbers.

        Args:
            template: (n_template,).
            target: (n_target,).
            noises: the fluctuations of both samples, which know the weights.
        """
        values = np.concatenate([template, target])
        ends = np.log(len(values))
        ranks = np.linspace(-ends, ends, MOST_EDGES)
        wanted = np.unique([*((len(values) - 1) / (1 + np.exp(-ranks))).astype(np.int64), len(values) - 1])
        edges = np.unique(np.partition(values, wanted)[wanted])
        shares: list[FloatArray] = []
        draws: list[FloatArray] = []
        for sample, noise in zip((template, target), noises, strict=True):
            places = np.searchsorted(edges, sample)
            shares.append(np.cumsum(np.bincount(places, noise.share, len(edges)).astype(np.float64)))
            draws.append(np.cumsum(noise.in_bins(places, len(edges)), axis=0))
        return cls(edges, (shares[0] + shares[1]) / 2, shares[0] - shares[1], draws[0] - draws[1])


def _area(grid: Grid, difference: FloatArray) -> FloatArray:
    """The area between two distribution functions."""
    sizes = np.abs(difference)
    return np.asarray(np.diff(grid.edges) @ (sizes[1:] + sizes[:-1]) / 2)


def drawn_area(grid: Grid) -> tuple[float, FloatArray]:
    """The area as it is, and (N_DRAWS,) of it by noise alone."""
    return float(_area(grid, grid.difference)), _area(grid, grid.draws)


def _largest(grid: Grid, difference: FloatArray) -> FloatArray:  # noqa: ARG001
    """The largest difference of two distribution functions."""
    return np.asarray(np.max(np.abs(difference), axis=0))


def _weighted_up(grid: Grid, difference: FloatArray) -> FloatArray:
    """The squared difference with the tails weighted up."""
    variance = grid.pooled * (1 - grid.pooled)
    inside = variance[:-1] > 0
    factor = np.abs(np.diff(grid.pooled))[inside] / variance[:-1][inside]
    return np.asarray(factor @ difference[:-1][inside] ** 2)


STATISTICS: dict[str, Callable[[Grid, FloatArray], FloatArray]] = {
    "wasserstein": _area,
    "kolmogorov": _largest,
    "anderson_darling": _weighted_up,
}
"""The distances of distribution functions, of differences at the edges of a grid, (n_edges,) or (n_edges, n_draws)."""
