"""What a variable can be: within bounds that a recipe declares, or a fence around all that is legitimate.

A value beyond becomes the last one inside before anything is fitted, since a single corrupt one would move means, knots
and correlations for all events.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from simmorph.data.preprocessing.gaps import MAX_DISCRETE, find_point_masses
from simmorph.data.preprocessing.samples import representable_above

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simmorph.config.preprocessing import Bounds
    from simmorph.data.events import BoolArray, FloatArray

FEWEST, SHARE, MOST = 5, 0.001, 20
"""Corrupt values at each end that a fence tells: SHARE of the events, but at least FEWEST and at most MOST. A value
that several events share counts once, unless it is a point mass."""
REACH, JUMP = 20.0, 10.0
"""The fence stands REACH times as far from the k-th value as the 10 k-th, at least the width of the middle 80 % away,
and JUMP times as far from the 10 k-th as the last value inside: in a heavy tail one value leads to the next."""


class Limits(NamedTuple):
    """What a variable can be.

    Attributes:
        low: a smaller value is none of the variable.
        high: a larger value is none of it.
        least: what stands for a smaller one.
        greatest: what stands for a larger one.
    """

    low: float = -math.inf
    high: float = math.inf
    least: float = -math.inf
    greatest: float = math.inf

    @classmethod
    def fit(cls, values: FloatArray, bounds: Bounds | None = None) -> Self:
        """The bounds where there are any, and a fence where there is none.

        >>> Limits.fit(np.append(np.linspace(0, 1, 1000), 1e6), bounds=(0, None)).greatest
        1.0

        Args:
            values: (n_events,), finite.
            bounds: that a recipe declares.
        """
        low, high = bounds or (None, None)
        point_masses, counts = np.unique(values[np.isin(values, find_point_masses(values))], return_counts=True)
        single = np.unique(values[~np.isin(values, point_masses)])
        ordered = np.sort(np.concatenate([np.repeat(point_masses, counts), single]))
        known = point_masses[counts > 1]
        below, least = _fence(ordered, known) if low is None else _bound(low)
        above, greatest = _fence(-ordered[::-1], -known) if high is None else _bound(-high)
        return cls(below, -above, least, -greatest)

    def beyond(self, values: FloatArray) -> BoolArray:
        """(n_events,), which values are none of the variable."""
        return np.asarray((values < self.low) | (values > self.high))

    def held(self, values: FloatArray) -> FloatArray:
        """The values, those beyond replaced by the last one inside."""
        return np.where(values < self.low, self.least, np.where(values > self.high, self.greatest, values))

    def joined(self, other: Limits) -> Self:
        """What either of two samples can have."""
        low, high = min(self[:3:2], other[:3:2]), max(self[1::2], other[1::2])
        return type(self)(low[0], high[0], low[1], high[1])

    def to_json(self) -> list[float | None]:
        """As plain values; null for infinity, for which JSON has no word."""
        return [value if math.isfinite(value) else None for value in self]

    @classmethod
    def from_json(cls, content: Sequence[Any]) -> Self:
        """The limits that `to_json` wrote down."""
        low, high, least, greatest = content
        nothing = cls()
        return cls(
            *(own if it is None else float(it) for it, own in zip((low, high, least, greatest), nothing, strict=True))
        )


NO_LIMITS = Limits()


class Bounded(NamedTuple):
    """Columns, some of which have bounds that nothing leaves.

    Attributes:
        low: (n_columns,), minus infinity where there is none.
        high: (n_columns,), infinity where there is none.
    """

    low: FloatArray
    high: FloatArray

    @classmethod
    def of(cls, bounds: Sequence[Bounds | None]) -> Self:
        """Those that a recipe declares."""
        pairs = [its or (None, None) for its in bounds]
        low = [-math.inf if it is None else it for it, _ in pairs]
        high = [math.inf if it is None else it for _, it in pairs]
        return cls(np.array(low, np.float64), np.array(high, np.float64))

    def outside(self, columns: FloatArray) -> BoolArray:
        """(n_events, n_columns), which values are beyond a bound by more than single precision rounds it."""
        low, high = (-_single(-self.low), _single(self.high))
        return np.asarray((columns < low) | (columns > high))

    def held(self, columns: FloatArray) -> FloatArray:
        """(n_events, n_columns), a value beyond a bound put there; NaN stays."""
        return np.clip(columns, self.low, self.high)

    def in_single_precision(self, are_single: Sequence[bool]) -> Self:
        """The bounds of what some columns hold in single precision, none of which is beyond its bound by rounding."""
        low = np.where(are_single, _single(self.low), self.low)
        return type(self)(low, np.where(are_single, -_single(-self.high), self.high))


def _single(values: FloatArray) -> FloatArray:
    """The smallest numbers of single precision that are not below these."""
    return np.array([representable_above(float(value)) if math.isfinite(value) else value for value in values])


def limits_of(columns: FloatArray, bounds: Sequence[Bounds | None]) -> list[Limits]:
    """The limits of each column of (n_events, n_variables) values."""
    return [Limits.fit(column, its) for column, its in zip(columns.T, bounds, strict=True)]


def remarks_on_limits(
    sample: str, names: Sequence[str], columns: FloatArray, limits: Sequence[Limits]
) -> Iterator[str]:
    """A sentence for each variable of a sample that has values beyond its limits.

    Args:
        sample: what the events are.
        names: of the variables.
        columns: (n_events, n_variables).
        limits: of the variables.
    """
    for name, values, its in zip(names, columns.T, limits, strict=True):
        beyond = values[its.beyond(values)]
        if len(beyond):
            farthest = beyond[np.argmax(np.maximum(its.low - beyond, beyond - its.high))]
            ends = [
                end for end, there in ((its.least, beyond < its.low), (its.greatest, beyond > its.high)) if there.any()
            ]
            taken = " or ".join(f"{end:.6g}" for end in ends)
            yield (
                f"{sample}: {name} is beyond all that it can be in {len(beyond)} of {len(values)} events, the farthest "
                f"{farthest:g}: training takes {taken} there"
            )


def _bound(low: float) -> tuple[float, float]:
    """A lower bound, as single precision may round it, and the bound itself."""
    return -representable_above(-low), low


def _fence(ordered: FloatArray, known: FloatArray) -> tuple[float, float]:
    """Where the fence below sorted values stands, and the first value within; minus infinity where none can be told.

    Args:
        ordered: (n_events,), a value that several events share once, unless it is a point mass.
        known: the point masses, which no fence shuts out.
    """
    k = int(np.clip(SHARE * len(ordered), FEWEST, MOST))
    if 10 * k >= len(ordered):
        return -math.inf, -math.inf
    first, anchor = float(ordered[k]), float(ordered[10 * k])
    reach = max(REACH * (anchor - first), _width(ordered))
    if reach <= 0:
        return -math.inf, -math.inf
    at = int(np.searchsorted(ordered, min(first - reach, np.min(known, initial=math.inf))))
    while at > 0 and anchor - ordered[at - 1] <= JUMP * (anchor - ordered[at]):
        at -= 1
    return min(first - reach, anchor - JUMP * (anchor - float(ordered[at]))), float(ordered[at])


def _width(ordered: FloatArray) -> float:
    """The distance from the 10 % to the 90 % quantile of sorted values; of the different ones, if that is 0."""
    width = float(ordered[-len(ordered) // 10] - ordered[len(ordered) // 10])
    unique = np.unique(ordered)
    return width if width > 0 or len(unique) <= MAX_DISCRETE else _width(unique)
