"""Which branches of a file stand for a name of a selection."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import awkward as ak
import numpy as np

from simmorph.config.selection.branches import choice_of
from simmorph.data.arrays import cast
from simmorph.data.ntuples.types import common
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from simmorph.config.selection.branches import BranchChoice
    from simmorph.data.ntuples.reading import Column
    from simmorph.data.ntuples.types import Type
    from simmorph.progress import Progress


@dataclass(frozen=True)
class Source:
    """Where the values of a name come from.

    Attributes:
        name: as it stands in the selection: `met`, `photon.pt`.
        choice: the branches that it names.
        branches: those of them that are read; of a file, those that it has.
        number: the type of numbers that holds its values in all files; as they are, if nothing is said.
    """

    name: str
    choice: BranchChoice
    branches: tuple[str, ...]
    number: Type | None = None

    @classmethod
    def of(cls, name: str, branch: str | list[str] | BranchChoice) -> Source:
        """The source before a file is known: its first branch, or all that are taken together."""
        choice = choice_of(branch)
        return cls(name, choice, tuple(choice.any_of or choice.names[:1]))

    def of_file(self, known: Collection[str], types: Mapping[str, Type]) -> Source:
        """The source in a file with these branches; without branches if the file has none of them.

        Args:
            known: the branches of the file.
            types: those of branches in all files, as far as they are known.

        Raises:
            InputError: what it is in different files has no common type.
        """
        found = [branch for branch in self.choice.names if branch in known]
        taken = replace(self, branches=tuple(found if self.choice.any_of else found[:1]))
        return replace(taken, number=self._number(types)) if self.is_chosen else taken

    def _number(self, types: Mapping[str, Type]) -> Type | None:
        found = {name: _number_of(types[name]) for name in self.choice.names if name in types}
        kinds = [*found.values(), *([] if self.choice.missing is None else [_smallest(self.choice.missing)])]
        if not found or None in kinds:
            return None
        both = common(kinds)
        if both is None:
            said = ", ".join(f"{name} {kind}" for name, kind in found.items())
            raise InputError(self.name, f"has no type that holds all its values: {said}", "select the files apart")
        return both

    @property
    def is_there(self) -> bool:
        """Whether it has a value in this file."""
        return bool(self.branches) or self.choice.missing is not None

    @property
    def is_chosen(self) -> bool:
        """Whether it is more than one branch in every file."""
        return len(self.choice.names) > 1 or self.choice.missing is not None

    @property
    def taken(self) -> str:
        """What was taken, for people."""
        return " or ".join(self.branches) if self.branches else f"missing, {self.choice.missing}"

    def values(self, columns: Mapping[str, Column], n_events: int) -> Column:
        """The values in a chunk, as they are in the file; one for each event if it has none.

        Raises:
            InputError: one of several branches that are taken together is not true or false.
        """
        found = columns[self.branches[0]] if self.branches else np.full(n_events, self.choice.missing)
        for branch in self.branches[1:]:
            found = _true(self.branches[0], found) | _true(branch, columns[branch])
        if self.number is None:
            return found
        return cast(found, self.number.primitive)


def _number_of(kind: Type) -> Type | None:
    """The type of the numbers in lists, or by themselves."""
    while isinstance(kind, (ak.types.ListType, ak.types.RegularType)):
        kind = kind.content
    return kind if isinstance(kind, ak.types.NumpyType) else None


def _smallest(value: float) -> Type:
    """The smallest type of numbers that holds a value."""
    if isinstance(value, int):
        return ak.types.NumpyType("bool" if isinstance(value, bool) else np.min_scalar_type(value).name)
    is_single = np.isnan(value) or float(np.float32(value)) == value
    return ak.types.NumpyType("float32" if is_single else "float64")


def _true(branch: str, column: Column) -> Column:
    kind = str(column.type) if isinstance(column, ak.Array) else column.dtype.name
    if "bool" not in kind:
        raise InputError(f"branch {branch!r}", "is not true or false, as `any_of` needs it", "use `first_of`")
    return column


@dataclass
class Taken:
    """What was taken for names with alternatives, file by file.

    Attributes:
        progress: called with a line for what is taken for the first time.
        branches: for each name what was taken for it, and of which files, counted from 0.
        n_files: how many files were read.
    """

    progress: Progress
    branches: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    n_files: int = 0

    def add(self, taken: Mapping[str, str]) -> None:
        """Keep what was taken of the next file."""
        for name, branch in taken.items():
            files = self.branches.setdefault(name, {}).setdefault(branch, [])
            if not files:
                self.progress(f"{name} is {branch}")
            files.append(self.n_files)
        self.n_files += 1
