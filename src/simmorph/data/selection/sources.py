"""Which branches of a file stand for a name of a selection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import awkward as ak
import numpy as np

from simmorph.config.selection.branches import choice_of
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from simmorph.config.selection.branches import BranchChoice
    from simmorph.data.ntuples.reading import Column


@dataclass(frozen=True)
class Source:
    """Where the values of a name come from.

    Attributes:
        name: as it stands in the selection: `met`, `photon.pt`.
        choice: the branches that it names.
        branches: those of them that are read; of a file, those that it has.
    """

    name: str
    choice: BranchChoice
    branches: tuple[str, ...]

    @classmethod
    def of(cls, name: str, branch: str | list[str] | BranchChoice) -> Source:
        """The source before a file is known: its first branch, or all that are taken together."""
        choice = choice_of(branch)
        return cls(name, choice, tuple(choice.any_of or choice.names[:1]))

    def of_file(self, known: Collection[str]) -> Source:
        """The source in a file with these branches; without branches if the file has none of them."""
        found = [branch for branch in self.choice.names if branch in known]
        return replace(self, branches=tuple(found if self.choice.any_of else found[:1]))

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
        if not self.branches:
            return np.full(n_events, self.choice.missing)
        found = columns[self.branches[0]]
        for branch in self.branches[1:]:
            found = _true(self.branches[0], found) | _true(branch, columns[branch])
        return found


def _true(branch: str, column: Column) -> Column:
    kind = str(column.type) if isinstance(column, ak.Array) else column.dtype.name
    if "bool" not in kind:
        raise InputError(f"branch {branch!r}", "is not true or false, as `any_of` needs it", "use `first_of`")
    return column
