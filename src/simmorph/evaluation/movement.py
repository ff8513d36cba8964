"""How far a map moves events, and how much of their order it keeps: source and template compared row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from simmorph.data.events import Events, FloatArray


class FeatureMovement(NamedTuple):
    """What a map does to one feature.

    Attributes:
        retention: Spearman's rank correlation of x and T(x): 1 if no two events swap.
        mean: mean distance between x and T(x), in standard deviations of the target.
        quantile_95: the distance that 95 % of the events stay below, in the same units.
    """

    retention: float
    mean: float
    quantile_95: float


class Movement(NamedTuple):
    """What a map does to events.

    Attributes:
        features: each feature by itself.
        mean: mean Euclidean distance over all features, each in standard deviations of the target.
        quantile_95: the distance that 95 % of the events stay below.
        largest: the largest distance.
    """

    features: list[FeatureMovement]
    mean: float
    quantile_95: float
    largest: float


def displacement(source: Events, moved: Events, periodic: Collection[int] = ()) -> FloatArray:
    """T(x) - x of each event and feature, (n_events, n_features); the short way round for angles."""
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
    from scipy.stats import spearmanr  # noqa: PLC0415

    change = displacement(source, moved, periodic)
    spread = target.features.std(axis=0)
    distance = np.abs(change) / np.where(spread > 0, spread, 1.0)
    features = []
    for column in range(change.shape[1]):
        before = source.features[:, column]
        constant = np.ptp(before) == 0 or np.ptp(before + change[:, column]) == 0
        kept = float("nan") if constant else float(spearmanr(before, before + change[:, column]).statistic)
        features.append(FeatureMovement(kept, *_mean_and_tail(distance[:, column])))
    total = np.sqrt(np.sum(distance**2, axis=1))
    return Movement(features, *_mean_and_tail(total), float(total.max()))


def _mean_and_tail(distance: FloatArray) -> tuple[float, float]:
    return float(distance.mean()), float(np.quantile(distance, 0.95))
