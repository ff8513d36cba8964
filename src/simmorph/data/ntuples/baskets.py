"""Branches of a TTree for one chunk after the other, with each basket decompressed once."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import awkward as ak
import numpy as np

from simmorph.data.arrays import joined

if TYPE_CHECKING:
    from collections.abc import Callable

    from simmorph.data.formats.table import Column

KEPT_BYTES = 256 * 1024**2
"""How much of the content of baskets is kept for later chunks; what is more is decompressed again."""


Extent = tuple[Sequence[int], int]


class Baskets:
    """Chunks of branches in their order, and what is left of the baskets of which they took a part.

    Args:
        extent: where the baskets of a branch begin and end, and the bytes of one; a field of an RNTuple has no edges.
        read: the entries of a branch from one to before another.
    """

    def __init__(self, extent: Callable[[str], Extent], read: Callable[[str, int, int], Column]) -> None:
        self._extent, self._read = functools.cache(extent), read
        self._kept: dict[str, Column] = {}
        self._sizes: dict[str, int] = {}

    def take(self, name: str, start: int, stop: int) -> Column:
        """The entries of a branch from `start`, where the chunk before ended, to before `stop`."""
        column, n_entries = self._kept.pop(name, None), stop - start
        if column is None or len(column) < n_entries:
            self._sizes.pop(name, None)
            known = 0 if column is None else len(column)
            new = self._read(name, start + known, self._end(name, stop))
            column = new if column is None else joined([column, new])
        if len(column) > n_entries:
            self._kept[name] = column[n_entries:]
        else:
            self._sizes.pop(name, None)
        return _packed(column[:n_entries])

    def _end(self, name: str, stop: int) -> int:
        """Where the basket ends that has the last entry before `stop`; `stop`, if it is too large to be kept."""
        edges, size = self._extent(name)
        at = int(np.searchsorted(edges, stop))
        if at == len(edges) or edges[at] == stop:
            return stop
        if size + sum(self._sizes.values()) > KEPT_BYTES:
            return stop
        self._sizes[name] = size
        return int(edges[at])


def _packed(column: Column) -> Column:
    """A part of lists without the content of the others, over which awkward would compute too."""
    return ak.to_packed(column) if isinstance(column, ak.Array) else column
