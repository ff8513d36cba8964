"""What physicists compute of directions and four-momenta, of one object or a list of them for each event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import awkward as ak
import numpy as np

from simmorph.data.expressions.values import Misfit, Value, lists_of

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray, IntArray

MOST_MOMENTA = 8


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
    z = pt * np.sinh(eta)
    return _Momentum(pt * np.cos(phi), pt * np.sin(phi), z, np.sqrt(pt * pt + z * z + mass * mass))


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
    def of(cls, n_first: IntArray, n_second: IntArray, *, of_one_list: bool = False) -> Pairs:
        """The pairs of lists of these lengths; of one list with itself each pair once, and none of an entry alone."""
        partners = np.repeat(n_second, n_first)
        first = np.repeat(np.arange(len(partners)), partners)
        starts = np.repeat(np.cumsum(n_second) - n_second, n_first)
        begin = np.cumsum(partners) - partners
        second = np.arange(len(first)) - np.repeat(begin - starts, partners)
        if not of_one_list:
            return cls(first, second, n_first * n_second)
        once = first < second
        return cls(first[once], second[once], n_first * (n_first - 1) // 2)


def _distances(eta1: Value, phi1: Value, eta2: Value, phi2: Value) -> ak.Array:
    """For each entry of the first lists of directions its distances from all entries of the second."""
    sides = [_entries(values) for values in (eta1, phi1, eta2, phi2)]
    if not (_alike(sides[0], sides[1]) and _alike(sides[2], sides[3])):
        raise Misfit("pseudorapidities and azimuths differ in length")
    pairs = Pairs.of(sides[0].counts, sides[2].counts)
    places = (pairs.first, pairs.first, pairs.second, pairs.second)
    found = delta_r(*(side.numbers[at] for side, at in zip(sides, places, strict=True)))
    return ak.unflatten(ak.unflatten(found, np.repeat(sides[2].counts, sides[0].counts)), sides[0].counts)


class _Entries(NamedTuple):
    numbers: FloatArray
    counts: IntArray


def _entries(values: Value) -> _Entries:
    if not isinstance(values, ak.Array) or values.ndim != 2:
        raise Misfit("lists of directions are needed")
    return _Entries(ak.to_numpy(ak.flatten(values)).astype(np.float64), ak.to_numpy(ak.num(values)))


def _alike(one: _Entries, other: _Entries) -> bool:
    return bool(np.array_equal(one.counts, other.counts))


def min_delta_r(eta1: Value, phi1: Value, eta2: Value, phi2: Value) -> ak.Array:
    """For each entry of the first lists the distance of the nearest of the second.

    It is infinite where there is none, and NaN where a direction is NaN.
    """
    distances = _distances(eta1, phi1, eta2, phi2)
    found = ak.fill_none(ak.min(distances, axis=-1), np.inf)
    return ak.where(ak.any(np.isnan(distances), axis=-1), np.nan, found)


def nearest(eta1: Value, phi1: Value, eta2: Value, phi2: Value) -> ak.Array:
    """For each entry of the first lists the place of the nearest in the second; -1 where there is none."""
    return _place_of_smallest(_distances(eta1, phi1, eta2, phi2))


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
