"""How far a map moves events, and how much of their order it keeps: source and template compared row by row.

Closure does not fix a map: many take one sample to another. One that moves little and keeps the order within each
feature leaves the physics of an event alone, such as its place among others in energy; one that does not may close as
well and have exchanged all events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.data.estimates import Estimate
from simmorph.evaluation.metrics.moments import spread_of
from simmorph.evaluation.metrics.ranks import rank_correlation

if TYPE_CHECKING:
    from collections.abc import Collection

    from simmorph.data.events import Events, FloatArray


TRIMMED = 0.01
"""Share of the events, those that move furthest, that a trimmed mean leaves out."""


class FeatureMovement(NamedTuple):
    """What a map does to one feature.

    Attributes:
        retention: Spearman's rank correlation of x and T(x): 1 if no two events swap; NaN for a constant.
        mean: mean distance between x and T(x), in standard deviations of the target.
        quantile_95: the distance that 95 % of the events stay below, in the same units.
        retention_uncertainty: one standard deviation of the statistical error of the retention.
    """

    retention: float
    mean: float
    quantile_95: float
    retention_uncertainty: float


class Movement(NamedTuple):
    """What a map does to events.

    Attributes:
        features: each feature by itself.
        mean: mean Euclidean distance over all features, each in standard deviations of the target.
        quantile_95: the distance that 95 % of the events stay below.
        largest: the largest distance.
        trimmed_mean: the mean without the 1 % of the events that move furthest; a few that run away do not change it.
    """

    features: list[FeatureMovement]
    mean: float
    quantile_95: float
    largest: float
    trimmed_mean: float

    @property
    def lowest_retention(self) -> Estimate:
        """The retention of the feature whose order is kept least; NaN if all are constant."""
        known = [
            Estimate(one.retention, one.retention_uncertainty) for one in self.features if np.isfinite(one.retention)
        ]
        return min(known, default=Estimate(float("nan"), float("nan")))


def displacement(source: Events, moved: Events, periodic: Collection[int] = ()) -> FloatArray:
    """T(x) - x of each event and feature, (n_events, n_features); the short way round for angles.

    Args:
        source: the events before the map.
        moved: the same events, in the same order, after it.
        periodic: the columns that are angles in rad, whose displacement is taken between -pi and pi.
    """
    difference = moved.features - source.features
    around = list(periodic)
    difference[:, around] = np.mod(difference[:, around] + np.pi, 2 * np.pi) - np.pi
    return difference


def movement(source: Events, moved: Events, target: Events, periodic: Collection[int] = ()) -> Movement:
    """How far each event went and how well the order was kept; events count once, whatever their weight.

    Args:
        source: the events before the map.
        moved: the same events, in the same order, after it.
        target: the sample whose spread is the unit of distance.
        periodic: the columns that are angles; their order is taken along the way they moved.

    Raises:
        ValueError: source and moved are not row by row the same events.
    """
    if len(source) != len(moved):
        raise ValueError("source and moved have one row for each event")
    change = displacement(source, moved, periodic)
    distance = np.abs(change) / spread_of(target)
    features = []
    for column in range(change.shape[1]):
        before = source.features[:, column]
        kept = rank_correlation(before, before + change[:, column], np.ones(len(before)))
        features.append(FeatureMovement(kept.value, *_mean_and_tail(distance[:, column]), kept.uncertainty))
    total = np.sqrt(np.sum(distance**2, axis=1))
    nearest = np.sort(total)[: max(len(total) - int(TRIMMED * len(total)), 1)]
    return Movement(features, *_mean_and_tail(total), float(total.max()), float(nearest.mean()))


def _mean_and_tail(distance: FloatArray) -> tuple[float, float]:
    """The mean and the 95 % quantile of (n_events,) distances."""
    return float(distance.mean()), float(np.quantile(distance, 0.95))
