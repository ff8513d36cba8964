"""Find the values that a variable repeats, and the regions that it leaves empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simmorph.data.preprocessing.samples import representable_above, roundest

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, FloatArray

POINT_MASS_SHARE = 0.01
"""Values that this share of the events have in common are point masses."""
MAX_DISCRETE = 50
"""A variable with no more distinct values than these is discrete: each of them is a point mass."""
NEIGHBOURS = 50
"""Events on each side of a gap, from which the density of the variable there is estimated."""
UNLIKELY = 30.0
"""A stretch this many times the mean distance of neighbours is a gap: by chance it has probability exp(-30)."""


def find_point_masses(values: FloatArray) -> FloatArray:
    """The values, sorted, that many events share."""
    unique, counts = np.unique(values, return_counts=True)
    if len(unique) <= min(MAX_DISCRETE, len(values) // 2):
        return np.asarray(unique, np.float64)
    return np.asarray(unique[counts >= max(POINT_MASS_SHARE * len(values), 2)], np.float64)


def find_gaps(values: FloatArray) -> list[tuple[float, float]]:
    """The stretches between values that are too wide to be empty by chance, their edges rounded as cuts are.

    A gap has NEIGHBOURS distinct values or a point mass on each side, so that the thin end of a tail has none.

    >>> eta = np.concatenate([np.linspace(0, 1.37, 500), np.linspace(1.52, 2.37, 500)])
    >>> [(round(low, 3), round(high, 3)) for low, high in find_gaps(eta)]
    [(1.37, 1.52)]
    """
    unique = np.unique(values)
    at_point_mass = np.isin(unique, find_point_masses(values))
    below, above = _distances(unique, at_point_mass), _distances(-unique[::-1], at_point_mass[::-1])[::-1]
    typical = np.maximum(below[:-1], above[1:])
    found = np.flatnonzero(np.diff(unique) > UNLIKELY * typical)
    return [_rounded(float(unique[at]), float(unique[at + 1]), below[at], above[at + 1]) for at in found]


def _distances(unique: FloatArray, at_point_mass: BoolArray) -> FloatArray:
    """The mean distance of the values below each one; 0 at a point mass, infinite where there are too few."""
    distances = np.full(len(unique), np.inf)
    distances[NEIGHBOURS:] = (unique[NEIGHBOURS:] - unique[:-NEIGHBOURS]) / NEIGHBOURS
    distances[at_point_mass] = 0.0
    return distances


def _rounded(low: float, high: float, distance_below: float, distance_above: float) -> tuple[float, float]:
    """The edges moved into the gap by a few distances at most, to the roundest numbers; those of point masses stay."""
    rounded_low = low if distance_below == 0 else -representable_above(-roundest(low, low + 10 * distance_below))
    rounded_high = high if distance_above == 0 else representable_above(roundest(high, high - 10 * distance_above))
    return rounded_low, rounded_high
