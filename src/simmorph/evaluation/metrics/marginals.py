"""Distances of one-dimensional distributions, the worst feature deciding.

None needs bins. All compare distribution functions F of the template and G of the target, with weights as they are:
Wasserstein the area between them, Kolmogorov-Smirnov their largest difference, Anderson-Darling their squared
difference with the tails weighted up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simmorph.evaluation.metrics.estimates import Estimate
from simmorph.evaluation.metrics.moments import spread_of, variance_of_influence

if TYPE_CHECKING:
    from simmorph.data.events import Events, FloatArray


def wasserstein_worst(template: Events, target: Events, rng: np.random.Generator) -> Estimate:  # noqa: ARG001
    """The largest Wasserstein distance of a feature, in the target's spread; null and source: `wasserstein`."""
    return _worst([wasserstein(template, target, column) for column in range(target.features.shape[1])])


def kolmogorov_worst(template: Events, target: Events, rng: np.random.Generator) -> Estimate:  # noqa: ARG001
    """The largest Kolmogorov-Smirnov distance of a feature; null and source: `kolmogorov`."""
    return _worst([kolmogorov(template, target, column) for column in range(target.features.shape[1])])


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


def kolmogorov_p_value(template: Events, target: Events, column: int) -> float:
    """The probability of so large a Kolmogorov-Smirnov distance if the samples agree, with their effective sizes.

    Kolmogorov's limit for many events: on the safe side by 0.01 or so for a hundred, and where values are shared.
    """
    from scipy.stats import kstwobign  # noqa: PLC0415 - takes a second

    noise = 1 / max(template.effective_size, 1.0) + 1 / max(target.effective_size, 1.0)
    return float(kstwobign.sf(kolmogorov(template, target, column).value / np.sqrt(noise)))


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
