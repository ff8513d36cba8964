"""Weighted means, their errors, and standard deviations of a sample; weights may be negative."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simmorph.data.estimates import Estimate

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, Events, FloatArray


def spread_of(events: Events) -> FloatArray:
    """(n_features,), the weighted standard deviation of each feature; 1 for a feature without spread."""
    share = events.weights / np.sum(events.weights)
    variance = share @ (events.features - share @ events.features) ** 2
    rounding = 1e-12 * np.abs(events.features).max(axis=0, initial=0)
    return np.where(variance > rounding**2, np.sqrt(np.abs(variance)), 1.0)


def variance_of_mean(quantity: FloatArray | BoolArray, weights: FloatArray) -> float:
    """The variance of the weighted mean of a quantity, (n_events,), from what each event adds to it.

    sum w^2 (x - mean)^2 / (sum w)^2, which for equal weights is the usual variance over n.
    """
    share = weights / np.sum(weights)
    return float(np.sum((share * (quantity - np.sum(share * quantity))) ** 2))


def variance_of_influence(influence: FloatArray, template: FloatArray, target: FloatArray) -> float:
    """The variance of a distance, from what each event of both samples does to it.

    Args:
        influence: of the template's events, then of the target's.
        template: their weights.
        target: the same.
    """
    of_template, of_target = np.split(influence, [len(template)])
    return variance_of_mean(of_template, template) + variance_of_mean(of_target, target)


def mean_of(quantity: FloatArray | BoolArray, weights: FloatArray) -> Estimate:
    """The weighted mean of a quantity, (n_events,), such as the share of events of which something is true.

    A quantity that is the same for all events is as uncertain as one event more or less.

    >>> mean_of(np.array([True, True, False, False]), np.ones(4))
    Estimate(value=0.5, uncertainty=0.25)
    """
    spread = float(np.sqrt(variance_of_mean(quantity, weights)))
    total = np.sum(weights)
    return Estimate(float(np.sum(weights * quantity) / total), max(spread, float(np.sum((weights / total) ** 2))))
