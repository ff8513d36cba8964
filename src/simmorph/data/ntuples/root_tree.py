"""Trees in ROOT files.

Branches are read one by one by their exact names, after checking that the tree has them, and never as expressions:
uproot evaluates expressions, and aliases stored in the file, with Python's eval.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import awkward as ak
import numpy as np
from uproot.behaviors.RNTuple import HasFields

from simmorph.data.formats.table import Column, Table
from simmorph.data.ntuples.baskets import Baskets, Extent
from simmorph.data.ntuples.contents import branches_of, counts_entries, tree_in, tree_name
from simmorph.data.ntuples.members import Member
from simmorph.data.ntuples.opening import opened
from simmorph.data.ntuples.servers import patiently, told
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class OpenTree(Table):
    """A tree in an open ROOT file."""

    @property
    def typenames(self) -> dict[str, str]:
        """The type of every branch as ROOT calls it."""
        return {name: str(branch.typename) for name, branch in self.branches.items()}

    @property
    def counters(self) -> frozenset[str]:
        """The branches that count the entries of others, which are lists."""
        counting = (getattr(branch, "count_branch", None) for branch in self.branches.values())
        known = {branch.name for branch in counting if branch is not None}
        return frozenset(name for name, it in self.branches.items() if it.name in known or counts_entries(it))

    def _chunks(self, names: Sequence[str], step: int) -> Iterator[tuple[int, dict[str, Column]]]:
        starts = range(0, self.n_entries, step)
        return zip(starts, self.part(names, step, 0, self.n_entries), strict=True)

    def part(self, names: Sequence[str], step: int, first: int, last: int) -> Iterator[dict[str, Column]]:
        """These branches from one entry to before another, one chunk after the other; each basket is read once."""
        baskets = Baskets(self._extent, self.read)
        for start in range(first, last, step):
            yield {name: baskets.take(name, start, min(start + step, last)) for name in names}

    def _extent(self, name: str) -> Extent:
        """Where the baskets of a branch begin and end, and the bytes of one."""
        branch = self.branches[name]
        with told(self.path, f"tree {self.tree!r}", f"branch {name!r}"):
            edges = list(getattr(branch, "entry_offsets", ()))
            return edges, int(branch.uncompressed_bytes) // max(len(edges) - 1, 1) if edges else 0

    def _empty(self, name: str) -> Column:
        """Without a look at any entry, for which uproot would read the last cluster of an RNTuple."""
        branch, end = self.branches[name], self.n_entries
        whole = branch.branch if isinstance(branch, Member) else branch
        if not isinstance(whole, HasFields):
            return self.read(name, end, end)
        with told(self.path, f"tree {self.tree!r}", f"branch {name!r}"):
            unread = branch.array(entry_start=end, entry_stop=end, library="ak", virtual=True)
            return _plain(ak.Array(unread.layout.form.length_zero_array()))

    def read(self, name: str, start: int, stop: int) -> Column:
        """One branch of one chunk, and a check that it came whole."""
        place = (self.path, f"tree {self.tree!r}", f"branch {name!r}", f"entries {start} to {stop}")
        column = patiently(
            lambda: _plain(self.branches[name].array(entry_start=start, entry_stop=stop, library="ak")), *place
        )
        if len(column) != stop - start:
            raise InputError(", ".join(place), f"only {len(column)} entries came back", "the file is damaged")
        return column


@contextlib.contextmanager
def open_root_tree(path: str, tree: str | None) -> Iterator[OpenTree]:
    """The tree, open for reading.

    Raises:
        InputError: the file cannot be read, or there is no such tree.
    """
    with opened(path) as file:
        with told(path, f"tree {tree!r}"):
            name = tree_name(path, file, tree)
            found = tree_in(path, file, name)
            named = OpenTree(path, name, int(found.num_entries), branches_of(found))
        yield named


def _plain(array: ak.Array) -> Column:
    """A numpy array where there is one number per entry; a float that is missing is NaN."""
    inner = array.type.content
    while isinstance(inner, (ak.types.ListType, ak.types.RegularType)) and not inner.parameters:
        inner = inner.content
    if isinstance(inner, ak.types.OptionType) and str(inner.content) in ("float32", "float64"):
        array = ak.values_astype(ak.fill_none(array, np.nan, axis=-1), str(inner.content))
    is_flat = isinstance(array.type.content, ak.types.NumpyType)
    return ak.to_numpy(array) if is_flat else array
