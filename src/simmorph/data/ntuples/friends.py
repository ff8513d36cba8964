"""Trees that stand beside the columns of another file, entry by entry, as friends do in ROOT."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simmorph.data.formats.table import Column, Table
from simmorph.data.ntuples.root_tree import open_root_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from simmorph.data.ntuples.contents import Friend
    from simmorph.data.ntuples.root_tree import OpenTree


@dataclass(frozen=True)
class Beside(Table):
    """The columns of a file, and those of its friends; of two with one name, that of the file itself, as in ROOT.

    Attributes:
        own: the file.
        friends: the column of each name that a friend has: its tree, and the entry of it that stands beside the first.
    """

    own: Table
    friends: Mapping[str, tuple[OpenTree, int]]

    @property
    def typenames(self) -> dict[str, str]:
        """The type of every column as the format calls it."""
        return self.own.typenames | {name: tree.typenames[name] for name, (tree, _) in self.friends.items()}

    @property
    def counters(self) -> frozenset[str]:
        """The columns that count the entries of others, which are lists."""
        return self.own.counters.union(*(tree.counters for tree, _ in self.friends.values()))

    def _empty(self, name: str) -> Column:
        table = self.friends[name][0] if name in self.friends else self.own
        return table.empty([name])[name]

    def _chunks(self, names: Sequence[str], step: int) -> Iterator[tuple[int, dict[str, Column]]]:
        own = [name for name in names if name not in self.friends]
        chunks = self.own.iterate(own, step) if own else ((at, {}) for at in range(0, self.n_entries, step))
        for start, columns in chunks:
            stop = min(start + step, self.n_entries)
            yield start, columns | {name: self._read(name, start, stop) for name in names if name in self.friends}

    def _read(self, name: str, start: int, stop: int) -> Column:
        tree, first = self.friends[name]
        return tree.read(name, first + start, first + stop)


@contextlib.contextmanager
def open_beside(own: Table, friends: Sequence[Friend]) -> Iterator[Beside]:
    """A file that is open, with its friends, open for reading.

    Raises:
        InputError: a friend cannot be read.
    """
    with contextlib.ExitStack() as stack:
        found: dict[str, tuple[OpenTree, int]] = {}
        for friend in reversed(friends):
            tree = stack.enter_context(open_root_tree(friend.path, friend.tree))
            found |= {name: (tree, friend.first) for name in tree.branches if name not in own.branches}
        branches = {**own.branches, **{name: tree.branches[name] for name, (tree, _) in found.items()}}
        yield Beside(own.path, own.tree, own.n_entries, branches, own, found)
