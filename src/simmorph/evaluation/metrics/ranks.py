"""Spearman's rank correlations, with the statistical error that ties, weights and the ranks themselves bring."""

from __future__ import annotations

from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from simmorph.data.estimates import Estimate
from simmorph.evaluation.metrics.correlations import Correlations

if TYPE_CHECKING:
    from simmorph.data.events import Events, FloatArray

SMALLEST_VARIANCE = 1e-12
"""Of ranks between 0 and 1: below it a variable is constant."""


def spearman(events: Events) -> Correlations:
    """The weighted rank correlations of all features: Pearson's of the ranks, ties sharing their mean rank.

    The rank of a value is the share of the weight below it plus half of that at it, so an event of negative weight
    removes an equal one. 0 for independent features, with an error of 1 / sqrt(n); NaN with a constant.

    The uncertainty is the spread of the influence function, which counts what an event does to the ranks of all others
    too. (Croux, Dehon, Statistical Methods & Applications 19 (2010) 497.) Not valid for a few dozen events.
    """
    ranked = [Ranks(column, events.weights) for column in events.features.T]
    matrix, uncertainty = np.eye(len(ranked)), np.zeros((len(ranked), len(ranked)))
    for first, second in combinations(range(len(ranked)), 2):
        found = ranked[first].correlation(ranked[second])
        matrix[first, second] = matrix[second, first] = found.value
        uncertainty[first, second] = uncertainty[second, first] = found.uncertainty
    return Correlations(matrix, uncertainty)


def rank_correlation(first: FloatArray, second: FloatArray, weights: FloatArray) -> Estimate:
    """The weighted rank correlation of two variables of the same events, (n_events,) each; see `spearman`.

    >>> pt = np.array([30.0, 45.0, 60.0, 90.0])
    >>> round(rank_correlation(pt, np.log(pt), np.ones(4)).value, 6)
    1.0
    """
    return Ranks(first, weights).correlation(Ranks(second, weights))


class Ranks:
    """One variable as ranks.

    Args:
        values: (n_events,), finite.
        weights: (n_events,), may be negative; their sum is positive.

    Attributes:
        ranks: (n_events,), from 0 to 1 with mean 1/2, less that mean.
        variance: of the ranks; 1/12 without ties, 0 for a constant.
    """

    def __init__(self, values: FloatArray, weights: FloatArray) -> None:
        self._share = weights / np.sum(weights)
        self._order = np.argsort(values)
        ordered = values[self._order]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        self._ties = None if len(starts) == len(values) else np.diff(np.append(starts, len(values)))
        self._starts = starts
        self.ranks = 0.5 - self._above(np.ones(len(values)))
        self.variance = float(np.sum(self._share * self.ranks**2))

    def correlation(self, other: Ranks) -> Estimate:
        """The correlation with the ranks of another variable of the same events."""
        if min(self.variance, other.variance) < SMALLEST_VARIANCE:
            return Estimate(float("nan"), float("nan"))
        scale = float(np.sqrt(self.variance * other.variance))
        r = float(np.sum(self._share * self.ranks * other.ranks)) / scale
        influence = (self.ranks * other.ranks + self._above(other.ranks) + other._above(self.ranks)) / scale
        influence -= r / 2 * (self._own_influence / self.variance + other._own_influence / other.variance)
        influence -= np.sum(self._share * influence)
        return Estimate(r, float(np.sqrt(np.sum((self._share * influence) ** 2))))

    @cached_property
    def _own_influence(self) -> FloatArray | float:
        """What each event does to the variance of the ranks; without ties that is always the same."""
        return self.ranks**2 + 2 * self._above(self.ranks) if self._ties is not None else 3 * self.variance

    def _above(self, quantity: FloatArray) -> FloatArray:
        """(n_events,), the weighted sum of a quantity over events above each one, and half of those level with it."""
        ordered = (self._share * quantity)[self._order]
        level = ordered if self._ties is None else np.add.reduceat(ordered, self._starts)
        above = np.sum(level) - np.cumsum(level) + level / 2
        found = np.empty(len(quantity))
        found[self._order] = above if self._ties is None else np.repeat(above, self._ties)
        return found
