"""Read the branches of trees, a chunk at a time.

Branches are read one by one by their exact names, after checking that the tree has them, and never as expressions:
uproot evaluates expressions, and aliases stored in the file, with Python's eval.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import awkward as ak

from simmorph.data.ntuples.contents import branches_of, tree_in, tree_name
from simmorph.data.ntuples.opening import opened
from simmorph.data.ntuples.servers import patiently, told
from simmorph.data.ntuples.types import Writable, is_writable, type_of
from simmorph.errors import InputError, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from simmorph.data.ntuples.types import Type

Column = Any
"""One branch of a chunk: a numpy array if it is one number per entry, else an awkward array."""

STEP = 200_000


def iterate(path: str, tree: str, branches: Sequence[str], step: int = STEP) -> Iterator[tuple[int, dict[str, Column]]]:
    """The number of the first entry and the branches of one chunk after the other; of an empty tree, one empty chunk.

    Args:
        path: the file.
        tree: the name of the tree in it.
        branches: the exact names of the branches to read.
        step: entries in a chunk.

    Raises:
        InputError: there is no such tree or branch, or one cannot be read.
    """
    with open_tree(path, tree) as found:
        yield from found.iterate(branches, step)


@dataclass(frozen=True)
class OpenTree:
    """A tree in an open file, for those who choose what to read by what there is.

    Attributes:
        path: the file.
        tree: the name of the tree.
        n_entries: its number of entries.
        branches: the branches by name.
    """

    path: str
    tree: str
    n_entries: int
    branches: Mapping[str, Any]

    def writable(self) -> Writable:
        """What a TTree can hold of it; no entry is read, so a branch that is damaged is not left out."""
        types: dict[str, Type] = {}
        left_out: dict[str, str] = {}
        for name, branch in self.branches.items():
            try:
                kind = type_of(self._read(name, self.n_entries, self.n_entries))
            except InputError as error:
                left_out[name] = f"{branch.typename}: {error.what}"
                continue
            if is_writable(kind):
                types[name] = kind
            else:
                left_out[name] = f"{branch.typename} cannot be written to a TTree"
        counting = (getattr(branch, "count_branch", None) for branch in self.branches.values())
        return Writable(types, left_out, frozenset(branch.name for branch in counting if branch is not None))

    def types(self, names: Iterable[str]) -> dict[str, Type]:
        """What one entry of each of these branches is; no entry is read."""
        return {name: type_of(column) for name, column in self.empty(names).items()}

    def empty(self, names: Iterable[str]) -> dict[str, Column]:
        """These branches without entries, of the types that they have with some."""
        return {name: self._read(name, self.n_entries, self.n_entries) for name in self._known(names)}

    def iterate(self, branches: Sequence[str], step: int = STEP) -> Iterator[tuple[int, dict[str, Column]]]:
        """As the function `iterate`."""
        names = self._known(branches)
        for start in range(0, self.n_entries, step) or [0]:
            stop = min(start + step, self.n_entries)
            yield start, {name: self._read(name, start, stop) for name in names}

    def _known(self, names: Iterable[str]) -> list[str]:
        """The names, all of which are in the tree."""
        names = list(names)
        for name in names:
            if name not in self.branches:
                raise InputError(self.path, f"tree {self.tree!r} lacks {name!r}", one_of(name, self.branches))
        return names

    def _read(self, name: str, start: int, stop: int) -> Column:
        """One branch of one chunk, and a check that it came whole."""
        place = (self.path, f"tree {self.tree!r}", f"branch {name!r}", f"entries {start} to {stop}")
        column = patiently(
            lambda: _plain(self.branches[name].array(entry_start=start, entry_stop=stop, library="ak")), *place
        )
        if len(column) != stop - start:
            raise InputError(", ".join(place), f"only {len(column)} entries came back", "the file is damaged")
        return column


@contextlib.contextmanager
def open_tree(path: str, tree: str) -> Iterator[OpenTree]:
    """The tree, open for reading.

    Raises:
        InputError: the file cannot be read, or there is no such tree.
    """
    with opened(path) as file:
        with told(path, f"tree {tree!r}"):
            found = tree_in(path, file, tree_name(path, file, tree))
            named = OpenTree(path, tree, int(found.num_entries), branches_of(found))
        yield named


def _plain(array: ak.Array) -> Column:
    """A numpy array where there is one number per entry."""
    is_flat = isinstance(array.type.content, ak.types.NumpyType)
    return ak.to_numpy(array) if is_flat else array
