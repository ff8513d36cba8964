"""Trees that stand beside the columns of another file, entry by entry, as friends do in ROOT."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from simmorph.data.formats.table import Column, Table
from simmorph.data.ntuples.root_tree import open_root_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simmorph.data.ntuples.contents import Friend
    from simmorph.data.ntuples.root_tree import OpenTree


class Joined(NamedTuple):
    """A tree that stands beside the columns of a file.

    Attributes:
        tree: the tree.
        first: the entry of it that stands beside the first.
        names: its columns that neither the file nor a friend before it has.
    """

    tree: OpenTree
    first: int
    names: Sequence[str]


@dataclass(frozen=True)
class Beside(Table):
    """The columns of a file, and those of its friends; of two with one name, that of the file itself, as in ROOT.

    Attributes:
        own: the file.
        friends: those that stand beside it.
    """

    own: Table
    friends: Sequence[Joined]

    @property
    def typenames(self) -> dict[str, str]:
        """The type of every column as the format calls it."""
        found = self.own.typenames
        for tree, _, names in self.friends:
            types = tree.typenames
            found |= {name: types[name] for name in names}
        return found

    @property
    def counters(self) -> frozenset[str]:
        """The columns that count the entries of others, which are lists."""
        return self.own.counters.union(*(friend.tree.counters for friend in self.friends))

    def _empty(self, name: str) -> Column:
        table = next((friend.tree for friend in self.friends if name in friend.names), self.own)
        return table.empty([name])[name]

    def _chunks(self, names: Sequence[str], step: int) -> Iterator[tuple[int, dict[str, Column]]]:
        wanted = [[name for name in names if name in friend.names] for friend in self.friends]
        own = [name for name in names if not any(name in its for its in wanted)]
        chunks = self.own.iterate(own, step) if own else ((at, {}) for at in range(0, self.n_entries, step))
        beside = (
            tree.part(its, step, first, first + self.n_entries)
            for its, (tree, first, _) in zip(wanted, self.friends, strict=True)
        )
        for (start, columns), *others in zip(chunks, *beside, strict=True):
            found = columns | {name: column for its in others for name, column in its.items()}
            yield start, {name: found[name] for name in names}


@contextlib.contextmanager
def open_beside(own: Table, friends: Sequence[Friend]) -> Iterator[Beside]:
    """A file that is open, with its friends, open for reading.

    Raises:
        InputError: a friend cannot be read.
    """
    with contextlib.ExitStack() as stack:
        joined: list[Joined] = []
        branches = dict(own.branches)
        for friend in friends:
            tree = stack.enter_context(open_root_tree(friend.path, friend.tree))
            joined.append(Joined(tree, friend.first, [name for name in tree.branches if name not in branches]))
            branches |= {name: tree.branches[name] for name in joined[-1].names}
        yield Beside(own.path, own.tree, own.n_entries, branches, own, joined)
