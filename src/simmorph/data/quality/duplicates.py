"""Events that are there twice, as in a file and its copy: counted by hashes of what identifies an event."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]

MOST = 50_000_000
"""Events that are remembered: 8 bytes each, 400 MB. Of more, none is compared with those that come after."""


EVENT_NUMBERS = (("run", "event"), ("runNumber", "eventNumber"))
"""What branches of the run and event number are called: by `simmorph select` and CMS, and by ATLAS."""


def event_numbers_in(branches: Iterable[str]) -> tuple[str, ...]:
    """The branches of the run and event number; none if there are none."""
    known = set(branches)
    return next((names for names in EVENT_NUMBERS if known.issuperset(names)), ())


@dataclass
class Duplicates:
    """Counts events whose numbers have been there before.

    Each event is remembered by a hash of 64 bits; two of a million different ones agree with a probability of 3e-8.
    Neighbouring rows with the same numbers are one event that has several rows, as one for each of its photons.

    Attributes:
        counts: how many events of each file have been there before, in it or in an earlier one.
        n_remembered: how many different events have been seen.
    """

    counts: dict[str, int] = field(default_factory=dict)
    n_remembered: int = 0
    _seen: list[Hashes] = field(default_factory=list)
    _last: tuple[str, np.uint64 | None] = ("", None)

    def add(self, path: str, columns: Iterable[NDArray[Any]]) -> None:
        """Look at more events of a file.

        Args:
            path: the file.
            columns: (n_rows,) each, what an event is known by, such as its run and event number.
        """
        hashes = hashes_of(list(columns))
        if not len(hashes):
            return
        events = hashes[self._begins_event(path, hashes)]
        found = np.sort(events)  # many times faster than the hash table of np.unique
        found = found[_begin_anew(found)]
        known = np.zeros(len(found), np.bool_)
        for seen in self._seen:
            known |= _is_in(found, seen)
        n_twice = len(events) - int(np.count_nonzero(~known))
        if n_twice:
            self.counts[path] = self.counts.get(path, 0) + n_twice
        self._remember(found[~known])

    def _begins_event(self, path: str, hashes: Hashes) -> NDArray[np.bool_]:
        """(n_rows,), which rows are not of the same event as the row before them in the file."""
        begins = _begin_anew(hashes)
        last_path, last = self._last
        begins[0] = path != last_path or hashes[0] != last
        self._last = path, hashes[-1]
        return begins

    def _remember(self, new: Hashes) -> None:
        """Keep sorted arrays of which each is at least twice as long as the next, so that there are few."""
        if self.n_remembered + len(new) > MOST:
            return
        self.n_remembered += len(new)
        self._seen.append(new)
        while len(self._seen) > 1 and len(self._seen[-2]) < 2 * len(self._seen[-1]):
            last = self._seen.pop()
            self._seen[-1] = np.sort(np.concatenate([self._seen[-1], last]), kind="stable")

    def warnings(self) -> list[str]:
        """A sentence if there are any, which names the files."""
        if not self.counts:
            return []
        n_twice, worst = sum(self.counts.values()), max(self.counts, key=lambda path: self.counts[path])
        others = f" and {len(self.counts) - 1} other files" if len(self.counts) > 1 else ""
        return [f"{n_twice} events are there twice, by run and event number, in {worst}{others}: is a file a copy?"]


def _begin_anew(hashes: Hashes) -> NDArray[np.bool_]:
    """(n_rows,), which are not the same as the one before them."""
    begins = np.ones(len(hashes), np.bool_)
    begins[1:] = hashes[1:] != hashes[:-1]
    return begins


def _is_in(values: Hashes, known: Hashes) -> NDArray[np.bool_]:
    """(n_values,), which values are among known ones, both sorted."""
    if not len(known):
        return np.zeros(len(values), np.bool_)
    places = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.asarray(known[places] == values)


def hashes_of(columns: Sequence[NDArray[Any]]) -> Hashes:
    """(n_rows,), 64 bits for each row, at last mixed as in splitmix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    total = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        total ^= _bits(column)
        total *= np.uint64(0x9E3779B97F4A7C15)
        total ^= total >> np.uint64(32)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        total ^= total >> np.uint64(shift)
        total *= np.uint64(factor)
    return total


def _bits(column: NDArray[Any]) -> Hashes:
    """(n_rows,), a number of 64 bits for each value, the same for the same value whatever its type.

    A whole number in a float is that integer, and every NaN is the same.
    """
    if column.dtype.kind != "f":
        return column.astype(np.uint64)
    numbers = column.astype(np.float64)
    with np.errstate(invalid="ignore"):  # what is no integer of 64 bits is not equal to what it becomes
        whole = numbers.astype(np.int64)
    numbers[np.isnan(numbers)] = np.nan
    return np.where(whole == numbers, whole, numbers.view(np.int64)).view(np.uint64)
