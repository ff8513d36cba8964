"""What a copy of several files holds: every branch that a TTree can, of a type that is exact in all files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import awkward as ak
import numpy as np

from simmorph.data.ntuples.types import agreed_types, as_types, is_number, is_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.data.ntuples.reading import Column
    from simmorph.data.ntuples.types import Type, Writable

OnMissing = Literal["fill", "drop"]
DEFAULTS = "NaN, false, the lowest integer or the highest unsigned one, or an empty list or text"
"""What stands in the rows of a file that lacks a branch; in what counts the entries of lists, 0."""


@dataclass(frozen=True)
class Copied:
    """What a copy of several files holds.

    Attributes:
        types: of each branch, in their order.
        left_out: branches of the files that the copy lacks, with the reason.
        filled: the branches of the copy that a file lacks, by file.
        counters: the branches that count the entries of others, which are lists.
    """

    types: Mapping[str, Type]
    left_out: Mapping[str, str]
    filled: Mapping[str, tuple[str, ...]]
    counters: frozenset[str]

    def present(self, path: str) -> list[str]:
        """The branches to read of a file."""
        lacking = set(self.filled.get(path, ()))
        return [name for name in self.types if name not in lacking]

    def of(self, path: str, columns: Mapping[str, Column], n_entries: int) -> dict[str, Column]:
        """The columns of some entries of a file, as they stand in the copy."""
        found = as_types({name: columns[name] for name in self.present(path)}, self.types)
        filled = {
            name: default_column(self.types[name], n_entries, is_counter=name in self.counters)
            for name in self.filled.get(path, ())
        }
        return {name: (found | filled)[name] for name in self.types}


def copy_of(files: Mapping[str, Writable], missing: OnMissing = "fill") -> Copied:
    """What a copy of these files holds.

    Args:
        files: what can be copied of each.
        missing: whether a branch that a file lacks is filled with a default in its rows, or left out of the copy.

    Raises:
        InputError: a branch has types that no type holds exactly.
    """
    left_out = {name: reason for file in files.values() for name, reason in file.left_out.items()}
    names = dict.fromkeys(name for file in files.values() for name in file.types if name not in left_out)
    lacking = {path: tuple(name for name in names if name not in file.types) for path, file in files.items()}
    filled = {path: absent for path, absent in lacking.items() if absent}
    if missing == "drop":
        left_out |= {name: f"it is not in {path}" for path, absent in filled.items() for name in absent}
        filled = {}
    kept = {path: {name: file.types[name] for name in names if name in file.types} for path, file in files.items()}
    types = agreed_types({path: _without(of_file, left_out) for path, of_file in kept.items()})
    counters = frozenset().union(*(file.counters for file in files.values()))
    return Copied({name: types[name] for name in names if name in types}, left_out, filled, counters)


def _without(types: Mapping[str, Type], left_out: Mapping[str, str]) -> dict[str, Type]:
    return {name: kind for name, kind in types.items() if name not in left_out}


def default_column(kind: Type, n_entries: int, *, is_counter: bool = False) -> Column:
    """What stands in the rows of a file that lacks a branch of this type; see `DEFAULTS`."""
    if is_number(kind):
        return np.full(n_entries, 0 if is_counter else _default(np.dtype(kind.primitive)), kind.primitive)
    if is_text(kind):
        return ak.Array([""] * (n_entries + 1))[1:]
    if isinstance(kind, ak.types.RegularType):
        inner = ak.to_numpy(default_column(kind.content, n_entries * kind.size))
        return ak.from_numpy(inner.reshape(n_entries, kind.size, *inner.shape[1:]))
    return ak.unflatten(default_column(kind.content, 0), np.zeros(n_entries, np.int64))


def _default(kind: np.dtype[Any]) -> Any:
    if kind.kind == "f":
        return np.nan
    if kind.kind == "b":
        return False
    return np.iinfo(kind).min if kind.kind == "i" else np.iinfo(kind).max
