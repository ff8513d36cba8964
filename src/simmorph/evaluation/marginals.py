"""Distances of one-dimensional distributions, the worst feature deciding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simmorph.evaluation.estimates import Estimate

if TYPE_CHECKING:
    from simmorph.data.events import Events, FloatArray


def wasserstein_worst(template: Events, target: Events, rng: np.random.Generator) -> Estimate:  # noqa: ARG001
    """The largest Wasserstein distance of a feature, in units of the target's spread; compare it to the null."""
    return _worst([wasserstein(template, target, column) for column in range(target.features.shape[1])])


def kolmogorov_worst(template: Events, target: Events, rng: np.random.Generator) -> Estimate:  # noqa: ARG001
    """The largest Kolmogorov-Smirnov distance of a feature; compare it to the null."""
    return _worst([kolmogorov(template, target, column) for column in range(target.features.shape[1])])


def _worst(estimates: list[Estimate]) -> Estimate:
    return max(estimates, key=lambda estimate: estimate.value)


def wasserstein(template: Events, target: Events, column: int) -> Estimate:
    """The Wasserstein distance of one feature, in standard deviations of the target.

    The uncertainty is the spread of the distance's influence function, which takes the sign of the difference as known:
    where the samples agree it is a scale, not an interval. The feature is a number on a line: an angle counts the long
    way round.
    """
    steps = _Steps(template, target, column)
    spread = _spread(target.features[:, column], target.weights)
    width = np.diff(steps.values) / spread
    influence = np.concatenate([[0.0], np.cumsum(np.sign(steps.difference) * width)])
    variance = 0.0
    for weights in steps.weights:
        share = weights / np.sum(weights)
        variance += float(np.sum((share * (influence - np.sum(share * influence))) ** 2))
    return Estimate(float(np.sum(np.abs(steps.difference) * width)), float(np.sqrt(variance)))


def kolmogorov(template: Events, target: Events, column: int) -> Estimate:
    """The Kolmogorov-Smirnov distance of one feature, with the binomial error where the distance is largest."""
    steps = _Steps(template, target, column)
    # A step inside a tie is no place to compare at.
    distance = np.where(np.diff(steps.values) > 0, np.abs(steps.difference), 0.0)
    worst = int(np.argmax(distance))
    below = float(np.mean(target.features[:, column] <= steps.values[worst]))
    size = 1 / max(template.effective_size, 1.0) + 1 / max(target.effective_size, 1.0)
    return Estimate(float(distance[worst]), float(np.sqrt(below * (1 - below) * size)))


class _Steps:
    """Both samples' values of one feature in order.

    Attributes:
        values: (n_events,), of both samples.
        weights: of the template and of the target, (n_events,) each; 0 for the other's events.
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
        self.difference: FloatArray = (shares[0] - shares[1])[:-1]


def _spread(values: FloatArray, weights: FloatArray) -> float:
    """The weighted standard deviation; 1 for values without spread."""
    share = weights / np.sum(weights)
    variance = float(np.sum(share * (values - np.sum(share * values)) ** 2))
    return float(np.sqrt(variance)) if variance > 0 else 1.0
