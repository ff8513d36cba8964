"""Read the columns of a file of any format a chunk at a time, with those of the friends beside it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from simmorph.data.formats.registry import format_of
from simmorph.data.formats.table import STEP, Column, Table
from simmorph.data.ntuples.contents import find_friends
from simmorph.data.ntuples.files import parts_of
from simmorph.data.ntuples.friends import open_beside
from simmorph.data.ntuples.root_tree import open_root_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["STEP", "Column", "iterate", "open_tree"]


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


@contextlib.contextmanager
def open_tree(path: str, tree: str) -> Iterator[Table]:
    """The tree, or the columns of a file in another format, with the friends beside it, open for reading.

    Raises:
        InputError: a file cannot be read, there is no such tree, or a friend is that of another file.
    """
    path, *friends = parts_of(path)
    other = format_of(path)
    with other.open(path, tree) if other else open_root_tree(path, tree) as table:
        if not friends:
            yield table
            return
        with open_beside(table, find_friends(path, tree, friends)) as joined:
            yield joined
