"""Entries of each event's list: by place, by a place or a list of places for each event, by a condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import awkward as ak
import numpy as np

from simmorph.data.arrays import counts_of
from simmorph.data.expressions.values import (
    Misfit,
    can_miss,
    is_scalar,
    kind_of,
    lists_of,
    plain_numbers,
    settled,
    signed,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simmorph.data.events import BoolArray, IntArray
    from simmorph.data.expressions.values import Value

LARGEST_PLACE = 1000
"""Places that are written in a formula."""


def chosen(values: Value, index: Value) -> Value:
    """Entries of each event's list; what has no entry at a place is missing.

    Args:
        values: a list per event.
        index: a place written in the formula, counted from the end if negative; a place for each event or lists of
            places, which has no entry if it is negative, as files write it; or a condition on each entry.

    Raises:
        Misfit: these are no lists, or the index is none of these.
    """
    lists = lists_of(values)
    if isinstance(index, ak.Array) and index.ndim > 1 and kind_of(index) == "b":
        return lists[settled(index)]
    return _Found.of(lists, index).or_missing()


def entry(values: Value, index: Value, default: Value) -> Value:
    """Entries of each event's list, with a value of one's own for what has no entry; integers stay integers.

    Raises:
        Misfit: see `chosen`; or the default is not one number of the same kind.
    """
    lists = lists_of(values)
    if not is_scalar(default) or kind_of(default) not in {"b": "b", "f": "iuf"}.get(kind_of(lists), "iu"):
        raise Misfit("the last argument of entry is the value where there is no entry: one number as in the list")
    return _Found.of(lists, index).or_value(default)


class _Found(NamedTuple):
    """Entries that were looked up.

    Attributes:
        entries: (n,), 0 where there is none.
        is_known: (n,), whether there is one that is not missing itself.
        counts: how many were looked up in each event; None for one each.
    """

    entries: NDArray[np.generic]
    is_known: BoolArray
    counts: IntArray | None

    @classmethod
    def of(cls, lists: ak.Array, index: Value) -> _Found:
        if lists.ndim > 2 or kind_of(lists) not in "biuf":
            raise Misfit("only lists of numbers are indexed")
        if is_scalar(index) and (numbers := plain_numbers(lists)) is not None:
            return cls._at_place(lists, numbers, _place(index))
        counts = counts_of(lists)
        starts = np.cumsum(counts) - counts
        if is_scalar(index):
            return cls._at(lists, _place(index) + np.where(_place(index) < 0, counts, 0), starts, counts, None)
        if kind_of(index) not in "iu" or index.ndim > 2:
            raise Misfit("an index is an integer, or a condition on each entry of the list")
        if len(index) != len(lists):
            raise Misfit("an index is one for each event")
        places = signed(ak.fill_none(index, -1, axis=-1) if can_miss(index) else index)
        if index.ndim == 1:
            return cls._at(lists, np.asarray(places), starts, counts, None)
        each = counts_of(places)
        return cls._at(lists, ak.to_numpy(ak.flatten(places)), np.repeat(starts, each), np.repeat(counts, each), each)

    @classmethod
    def _at_place(cls, lists: ak.Array, content: NDArray[np.generic], place: int) -> _Found:
        """The same for one place in lists of known numbers, many times faster."""
        starts, stops = (np.asarray(it.data) for it in (lists.layout.starts, lists.layout.stops))
        at = starts + place if place >= 0 else stops + place
        is_there = at < stops if place >= 0 else starts <= at
        if is_there.all():
            return cls(content[at], is_there, None)
        some = content if len(content) else np.zeros(1, content.dtype)
        return cls(np.where(is_there, some.take(at, mode="clip"), content.dtype.type(0)), is_there, None)

    @classmethod
    def _at(
        cls, lists: ak.Array, places: IntArray, starts: IntArray, counts: IntArray, each: IntArray | None
    ) -> _Found:
        content = ak.flatten(lists)
        known = ~ak.to_numpy(ak.is_none(content))
        numbers = ak.to_numpy(ak.fill_none(content, 0)) if can_miss(content) else ak.to_numpy(content)
        is_there = (places >= 0) & (places < counts)
        at = starts[is_there] + places[is_there].astype(np.int64)
        entries, is_known = np.zeros(len(places), numbers.dtype), is_there.copy()
        entries[is_there], is_known[is_there] = numbers[at], known[at]
        return cls(entries, is_known, each)

    def or_missing(self) -> Value:
        """NaN of floats, None of integers and conditions, where nothing is known."""
        if self.entries.dtype.kind in "bf" and self.counts is None and self.is_known.all():
            return self.entries
        if self.entries.dtype.kind == "f":
            return self._as_lists(np.where(self.is_known, self.entries, np.nan))
        return self._as_lists(ak.mask(self.entries, self.is_known))

    def or_value(self, default: Value) -> Value:
        """The default where there is no entry."""
        filled = np.where(self.is_known, self.entries, self.entries.dtype.type(default))
        return self._as_lists(filled)

    def _as_lists(self, values: Value) -> Value:
        return values if self.counts is None else ak.unflatten(values, self.counts)


def _place(index: Value) -> int:
    if isinstance(index, (bool, np.bool_)) or not isinstance(index, (int, np.integer)):
        raise Misfit("an index is an integer, or a condition on each entry of the list")
    if abs(int(index)) > LARGEST_PLACE:
        raise Misfit(f"an index is at most {LARGEST_PLACE}")
    return int(index)
