"""Distances of one-dimensional distributions, the worst feature deciding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simmorph.evaluation.estimates import Estimate

if TYPE_CHECKING:
    from simmorph.data.events import Events, FloatArray

N_BOOTSTRAP = 20


def wasserstein_worst(template: Events, target: Events, rng: np.random.Generator) -> Estimate:
    """The largest Wasserstein distance of a feature, in units of the target's spread; compare it to the null."""
    return _worst([wasserstein(template, target, column, rng) for column in range(target.features.shape[1])])


def kolmogorov_worst(template: Events, target: Events, rng: np.random.Generator) -> Estimate:  # noqa: ARG001
    """The largest Kolmogorov-Smirnov distance of a feature; compare it to the null."""
    return _worst([kolmogorov(template, target, column) for column in range(target.features.shape[1])])


def _worst(estimates: list[Estimate]) -> Estimate:
    return max(estimates, key=lambda estimate: estimate.value)


def wasserstein(template: Events, target: Events, column: int, rng: np.random.Generator) -> Estimate:
    """The Wasserstein distance of one feature, in standard deviations of the target, with a Poisson bootstrap's error.

    It takes the feature as a number on a line: an angle counts the long way round.
    """
    steps = _Steps(template, target, column)
    width = np.diff(steps.values) / _spread(target, column)
    distances = [
        float(np.sum(np.abs(steps.difference(drawn)) * width))
        for drawn in [np.ones(len(steps.order)), *rng.poisson(1.0, (N_BOOTSTRAP, len(steps.order)))]
    ]
    return Estimate(distances[0], float(np.std(distances[1:], ddof=1)))


def kolmogorov(template: Events, target: Events, column: int) -> Estimate:
    """The Kolmogorov-Smirnov distance of one feature, with the binomial error where the distance is largest."""
    steps = _Steps(template, target, column)
    difference = np.abs(steps.difference(np.ones(len(steps.order))))
    # A step inside a tie is no place to compare at.
    difference = np.where(np.diff(steps.values) > 0, difference, 0.0)
    worst = int(np.argmax(difference))
    below = float(np.mean(np.sort(target.features[:, column]) <= steps.values[worst]))
    size = 1 / max(template.effective_size, 1.0) + 1 / max(target.effective_size, 1.0)
    return Estimate(float(difference[worst]), float(np.sqrt(below * (1 - below) * size)))


class _Steps:
    """Both samples' values of one feature in order, and the difference of their cumulative shares between them."""

    def __init__(self, template: Events, target: Events, column: int) -> None:
        values = np.concatenate([template.features[:, column], target.features[:, column]])
        self.order = np.argsort(values, kind="stable")
        self.values = values[self.order]
        self._weights = np.concatenate([template.weights, target.weights])[self.order]
        self._is_template = self.order < len(template)

    def difference(self, drawn: FloatArray) -> FloatArray:
        """Template minus target below each gap between two values, for weights times `drawn`: (n_events - 1,)."""
        weights = self._weights * drawn
        shares = []
        for own in (self._is_template, ~self._is_template):
            cumulative = np.cumsum(np.where(own, weights, 0.0))
            shares.append(cumulative / cumulative[-1])
        return np.asarray((shares[0] - shares[1])[:-1])


def _spread(target: Events, column: int) -> float:
    share = target.weights / np.sum(target.weights)
    values = target.features[:, column]
    variance = float(np.sum(share * (values - np.sum(share * values)) ** 2))
    return float(np.sqrt(variance)) if variance > 0 else 1.0
