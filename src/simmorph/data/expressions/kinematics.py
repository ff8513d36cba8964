"""What physicists compute of directions and four-momenta, of one object or a list of them for each event."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import awkward as ak
import numpy as np

from simmorph.data.arrays import counts_of
from simmorph.data.expressions.values import Misfit, Value, lists_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from simmorph.data.events import IntArray

MOST_MOMENTA = 8
MOST_PAIRS = 1_000_000
"""Distances that are held at once, in events of few objects each."""


def delta_phi(phi1: Value, phi2: Value) -> Value:
    """The difference of two azimuths [rad], in [-pi, pi)."""
    return np.remainder(phi1 - phi2 + np.pi, 2 * np.pi) - np.pi


def delta_r(eta1: Value, phi1: Value, eta2: Value, phi2: Value) -> Value:
    """The distance of two directions in pseudorapidity and azimuth."""
    return np.hypot(eta1 - eta2, delta_phi(phi1, phi2))


# --- sums of four-momenta ------------------------------------------------------------------------------------------


class _Momentum(NamedTuple):
    """Momentum and energy, in the unit of the transverse momenta."""

    x: Value
    y: Value
    z: Value
    energy: Value


def _sum_of(*numbers: Value) -> _Momentum:
    """The sum of the four-momenta of which pt, eta, phi and mass are given, one after the other."""
    if len(numbers) % 4:
        raise Misfit("pt, eta, phi and mass of each are needed")
    parts = [_momentum(*numbers[start : start + 4]) for start in range(0, len(numbers), 4)]
    return _Momentum(*(_total(components) for components in zip(*parts, strict=True)))


def _momentum(pt: Value, eta: Value, phi: Value, mass: Value) -> _Momentum:
    """The four-momentum; a negative mass stands for that of a negative square, as in ROOT."""
    z = pt * np.sinh(eta)
    square = pt * pt + z * z + mass * np.abs(mass)
    return _Momentum(pt * np.cos(phi), pt * np.sin(phi), z, np.sqrt(np.maximum(square, 0.0)))


def _total(components: tuple[Any, ...]) -> Value:
    total = components[0]
    for component in components[1:]:
        total = total + component
    return total


def mass(*numbers: Value) -> Value:
    """The mass of the sum of four-momenta; 0 where rounding makes its square negative."""
    total = _sum_of(*numbers)
    square = total.energy**2 - total.x**2 - total.y**2 - total.z**2
    return np.sqrt(np.maximum(square, 0.0))


def pt(*numbers: Value) -> Value:
    """The transverse momentum of the sum of four-momenta."""
    total = _sum_of(*numbers)
    return np.hypot(total.x, total.y)


def eta(*numbers: Value) -> Value:
    """The pseudorapidity of the sum of four-momenta."""
    total = _sum_of(*numbers)
    return np.arcsinh(total.z / np.hypot(total.x, total.y))


def phi(*numbers: Value) -> Value:
    """The azimuth of the sum of four-momenta [rad], in [-pi, pi]."""
    total = _sum_of(*numbers)
    return np.arctan2(total.y, total.x)


# --- of every pair of two lists ------------------------------------------------------------------------------------


class Pairs(NamedTuple):
    """Every pair of an entry of one list and one of another, event by event.

    Attributes:
        first: (n_pairs,), the place of the first among the entries of all events.
        second: (n_pairs,), of the second.
        counts: (n_events,), how many pairs.
    """

    first: IntArray
    second: IntArray
    counts: IntArray

    @classmethod
    def of(cls, n_first: IntArray, n_second: IntArray) -> Pairs:
        """The pairs of lists of these lengths."""
        partners = np.repeat(n_second, n_first)
        starts = np.repeat(np.cumsum(n_second) - n_second, n_first)
        first, nth = _repeated(partners)
        return cls(first, starts[first] + nth, n_first * n_second)

    @classmethod
    def of_one(cls, counts: IntArray) -> Pairs:
        """The pairs of lists of these lengths with themselves: each once, and none of an entry alone."""
        ends = np.repeat(np.cumsum(counts), counts)
        first, nth = _repeated(ends - 1 - np.arange(len(ends)))
        return cls(first, first + 1 + nth, counts * (counts - 1) // 2)


def _repeated(times: IntArray) -> tuple[IntArray, IntArray]:
    """Each place so many times, and which time it is."""
    places = np.repeat(np.arange(len(times)), times)
    return places, np.arange(len(places)) - np.repeat(np.cumsum(times) - times, times)


def _by_distance(
    reduce: Callable[[ak.Array], ak.Array], eta1: Value, phi1: Value, eta2: Value, phi2: Value
) -> ak.Array:
    """For each entry of the first lists what its distances from all entries of the second come to.

    Not more than MOST_PAIRS of these are held at once, unless one event has more.
    """
    lists = [lists_of(values) for values in (eta1, phi1, eta2, phi2)]
    counts = [counts_of(values) for values in lists]
    if not (np.array_equal(counts[0], counts[1]) and np.array_equal(counts[2], counts[3])):
        raise Misfit("pseudorapidities and azimuths differ in length")
    blocks = np.cumsum(counts[0] * counts[2]) // MOST_PAIRS
    edges = [0, *(np.flatnonzero(np.diff(blocks)) + 1), len(blocks)]
    found = [reduce(_distances(*(it[start:stop] for it in lists))) for start, stop in itertools.pairwise(edges)]
    return ak.concatenate(found)


def _distances(eta1: ak.Array, phi1: ak.Array, eta2: ak.Array, phi2: ak.Array) -> ak.Array:
    n_first, n_second = counts_of(eta1), counts_of(eta2)
    first, second, _ = Pairs.of(n_first, n_second)
    sides = [ak.to_numpy(ak.flatten(values)) for values in (eta1, phi1, eta2, phi2)]
    found = delta_r(sides[0][first], sides[1][first], sides[2][second], sides[3][second])
    return ak.unflatten(ak.unflatten(found, np.repeat(n_second, n_first)), n_first)


def min_delta_r(eta1: Value, phi1: Value, eta2: Value, phi2: Value) -> ak.Array:
    """For each entry of the first lists the distance of the nearest of the second.

    It is infinite where there is none, and NaN where a direction is NaN.
    """
    return _by_distance(_smallest, eta1, phi1, eta2, phi2)


def _smallest(distances: ak.Array) -> ak.Array:
    found = ak.fill_none(ak.min(distances, axis=-1), np.inf)
    return ak.where(ak.any(np.isnan(distances), axis=-1), np.nan, found)


def nearest(eta1: Value, phi1: Value, eta2: Value, phi2: Value) -> ak.Array:
    """For each entry of the first lists the place of the nearest in the second; -1 where there is none."""
    return _by_distance(_place_of_smallest, eta1, phi1, eta2, phi2)


def argmin(values: Value) -> IntArray:
    """The place of the smallest entry of each event's list, NaN left aside; -1 where there is none."""
    places: IntArray = ak.to_numpy(_place_of_smallest(lists_of(values)))
    return places


def argmax(values: Value) -> IntArray:
    """The place of the largest entry of each event's list, NaN left aside; -1 where there is none."""
    return argmin(-ak.values_astype(lists_of(values), np.float64))


def _place_of_smallest(values: ak.Array) -> ak.Array:
    undefined = np.isnan(values)
    found = ak.fill_none(ak.argmin(ak.where(undefined, np.inf, values), axis=-1), -1)
    return ak.where(ak.all(undefined, axis=-1), -1, found)
