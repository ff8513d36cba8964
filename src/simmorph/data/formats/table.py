"""Columns in a file, whatever its format, read a chunk at a time."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simmorph.data.ntuples.servers import is_url
from simmorph.data.ntuples.types import Writable, is_writable, type_of
from simmorph.errors import InputError, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from simmorph.data.ntuples.types import Type

Column = Any
"""One column of a chunk: a numpy array if it is one number per entry, else an awkward array."""

STEP = 200_000


@dataclass(frozen=True)
class Table(ABC):
    """The columns of an open file, for those who choose what to read by what there is.

    Attributes:
        path: the file.
        tree: the name of the tree, or of what holds the columns; empty where the file holds nothing else.
        n_entries: its number of entries.
        branches: the columns by name.
    """

    path: str
    tree: str
    n_entries: int
    branches: Mapping[str, Any]

    @classmethod
    def trees_in(cls, path: str) -> dict[str, str]:  # noqa: ARG003 - a format with several looks into the file
        """What holds columns in a file, with the format: a single thing without a name, if a format has but one."""
        return {"": cls.__name__}

    def iterate(self, branches: Sequence[str], step: int = STEP) -> Iterator[tuple[int, dict[str, Column]]]:
        """The number of the first entry and the columns of one chunk after the other; without entries, one empty chunk.

        Args:
            branches: the exact names of the columns to read.
            step: entries in a chunk; only the last has fewer.

        Raises:
            InputError: there is no such column, or one cannot be read.
        """
        names = self._known(branches)
        if not self.n_entries:
            yield 0, self.empty(names)
            return
        yield from self._chunks(names, step)

    def types(self, names: Iterable[str]) -> dict[str, Type]:
        """What one entry of each of these columns is; no entry is read."""
        return {name: type_of(column) for name, column in self.empty(names).items()}

    def writable(self) -> Writable:
        """What a TTree can hold of it; no entry is read, so a column that is damaged is not left out."""
        types: dict[str, Type] = {}
        left_out: dict[str, str] = {}
        for name, typename in self.typenames.items():
            try:
                kind = self.types([name])[name]
            except InputError as error:
                left_out[name] = f"{typename}: {error.what}"
                continue
            if is_writable(kind):
                types[name] = kind
            else:
                left_out[name] = f"{typename} cannot be written to a TTree"
        return Writable(types, left_out, self.counters)

    def empty(self, names: Iterable[str]) -> dict[str, Column]:
        """These columns without entries, of the types that they have with some."""
        return {name: self._empty(name) for name in self._known(names)}

    def _known(self, names: Iterable[str]) -> list[str]:
        """The names, all of which are in the table."""
        names = list(names)
        for name in names:
            if name not in self.branches:
                raise InputError(self.path, f"{self.place} lacks {name!r}", one_of(name, self.branches))
        return names

    @property
    def place(self) -> str:
        """What holds the columns, for messages."""
        return f"tree {self.tree!r}" if self.tree else "the table"

    @property
    def counters(self) -> frozenset[str]:
        """The columns that count the entries of others, which are lists."""
        return frozenset()

    @property
    @abstractmethod
    def typenames(self) -> dict[str, str]:
        """The type of every column as the format calls it."""

    @abstractmethod
    def _empty(self, name: str) -> Column: ...

    @abstractmethod
    def _chunks(self, names: Sequence[str], step: int) -> Iterator[tuple[int, dict[str, Column]]]: ...


def optional(module: str, path: str, extra: str) -> Any:
    """A module that a plain installation lacks, once it is known that the file can be opened.

    Raises:
        InputError: the module is missing, or there is no such file on this machine.
    """
    if is_url(path):
        raise InputError(path, "is not a ROOT file, and only these are read from servers", "copy it to this machine")
    if not Path(path).is_file():
        raise InputError(path, "is not a file" if Path(path).exists() else "no such file")
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        what = f"cannot be read without {module.partition('.')[0]}"
        raise InputError(path, what, f"pip install 'simmorph[{extra}]'") from error
