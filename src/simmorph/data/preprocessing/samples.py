"""Statistics of one weighted variable that the steps are fitted with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray


def weighted_quantiles(values: FloatArray, weights: FloatArray, probabilities: FloatArray) -> FloatArray:
    """The values below which each fraction of the weight lies; each event's weight counts half on its own value."""
    order = np.argsort(values, kind="stable")
    middles = np.cumsum(weights[order]) - weights[order] / 2
    return np.interp(probabilities, middles / np.sum(weights), values[order])


def weighted_moments(values: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Mean and standard deviation."""
    mean = float(np.average(values, weights=weights))
    return mean, math.sqrt(float(np.average((values - mean) ** 2, weights=weights)))


def edge_spacing(ordered: FloatArray) -> float:
    """How far apart neighbours are at the start of sorted values."""
    n_neighbours = min(20, len(ordered) - 1)
    return float(ordered[n_neighbours] - ordered[0]) / n_neighbours if n_neighbours > 0 else 0.0


def nearest(distances: FloatArray, n_events: int = 5) -> float:
    """How near events come to a bound: the distance of the fifth of them, over five; 0 for values at the bound."""
    positive = distances[distances > 0]
    n_events = min(n_events, len(positive))
    return float(np.partition(positive, n_events - 1)[n_events - 1]) / n_events if n_events else 0.0


def roundest(near: float, far: float) -> float:
    """The number with the fewest decimals from `near` to `far`, of several the nearest one.

    This is the cut that a physicist would have written, where `near` is the last value that it left over.

    >>> roundest(35.0002, 34.9991)
    35.0
    """
    towards = math.ceil if far > near else math.floor
    for decimals in range(-3, 12):
        step = 10.0**-decimals
        candidate = round(towards(near / step) * step, max(decimals, 0))
        if min(near, far) <= candidate <= max(near, far):
            return candidate
    return near


def lower_edge(ordered: FloatArray) -> float:
    """Where sorted values begin: the roundest number at most a few spacings below the first of them."""
    first = float(ordered[0])
    return representable_above(roundest(first, first - 10 * edge_spacing(ordered)))


def upper_edge(ordered: FloatArray) -> float:
    """Where sorted values end."""
    return -lower_edge(-ordered[::-1])


def representable_above(value: float) -> float:
    """The smallest float32 that is not below `value`, so that rounding to float32 does not cross it."""
    rounded = np.float32(value)
    return float(rounded if float(rounded) >= value else np.nextafter(rounded, np.float32(np.inf)))
