"""HDF5: one-dimensional datasets of a group, or one dataset of records."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from simmorph.data.formats.table import Column, Table, optional
from simmorph.data.ntuples.servers import told
from simmorph.errors import InputError, one_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT_GROUP = "/"


@dataclass(frozen=True)
class Hdf5(Table):
    """A group of an HDF5 file whose datasets are columns, or a dataset of records whose fields are.

    Attributes:
        holder: the group or dataset.
    """

    holder: Any

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: str, tree: str | None) -> Iterator[Hdf5]:
        """The group or dataset of a name, or the only one with columns, open for reading.

        Raises:
            InputError: it cannot be read, or there is none of this name, or more than one to choose from.
        """
        h5py = optional("h5py", path, "hdf5")
        with told(path):
            file = h5py.File(path, "r")
        with file:
            with told(path):
                holders = _holders(file)
            name = tree if tree is not None or len(holders) != 1 else next(iter(holders))
            if name is None or name not in holders:
                what = "there is not one group with columns" if name is None else f"there is no group {name!r}"
                raise InputError(path, what, f"say which with --tree; {one_of(name or '', holders)}")
            columns = holders[name]
            yield cls(path, name, _common_length(path, name, columns), columns, file[name])

    @classmethod
    def trees_in(cls, path: str) -> dict[str, str]:
        """Every group and dataset that holds columns."""
        h5py = optional("h5py", path, "hdf5")
        with told(path), h5py.File(path, "r") as file:
            return dict.fromkeys(_holders(file), cls.__name__)

    @property
    def typenames(self) -> dict[str, str]:
        """The type of every column as numpy calls it."""
        return {name: kind for name, (_, kind) in self.branches.items()}

    def _chunks(self, names: Sequence[str], step: int) -> Iterator[tuple[int, dict[str, Column]]]:
        for start in range(0, self.n_entries, step):
            yield start, self._read(names, slice(start, start + step))

    def _empty(self, name: str) -> Column:
        return self._read([name], slice(0, 0))[name]

    def _read(self, names: Sequence[str], rows: slice) -> dict[str, Column]:
        """Some rows of columns; those of records together, since HDF5 reads whole records."""
        with told(self.path, f"group {self.tree!r}"):
            are_records = hasattr(self.holder, "dtype") and names
            found = self.holder.fields(list(names))[rows] if are_records else self.holder
            columns = {name: found[name] if are_records else found[name][rows] for name in names}
            return {name: _column(values, f"{self.path}, column {name!r}") for name, values in columns.items()}


def _common_length(path: str, group: str, columns: Mapping[str, tuple[int, str]]) -> int:
    lengths = {name: length for name, (length, _) in columns.items()}
    shortest, longest = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
    if lengths[shortest] != lengths[longest]:
        what = f"group {group!r}: {shortest!r} has {lengths[shortest]} entries, {longest!r} {lengths[longest]}"
        raise InputError(path, what, "keep columns of one length in a group")
    return lengths[shortest]


def _holders(file: Any) -> dict[str, dict[str, tuple[int, str]]]:
    """The columns of each group and dataset of records that has some, with length and type."""
    found: dict[str, dict[str, tuple[int, str]]] = {}

    def look(name: str, item: Any) -> None:
        if not hasattr(item, "dtype"):
            return
        if item.dtype.names and item.ndim == 1:
            found[name] = {field: (len(item), str(item.dtype[field])) for field in item.dtype.names}
        elif item.ndim in (1, 2):
            group, _, column = name.rpartition("/")
            found.setdefault(group or ROOT_GROUP, {})[column] = len(item), str(item.dtype)

    file.visititems(look)
    return found


def _column(values: Any, place: str) -> Column:
    """Numbers in the order of bytes of this machine, lists of numbers, or texts.

    Raises:
        InputError: it is something else.
    """
    import h5py  # noqa: PLC0415 - an optional dependency

    if values.dtype.kind == "S" or h5py.check_string_dtype(values.dtype):
        return ak.Array([*(text.decode() if isinstance(text, bytes) else text for text in values), ""])[:-1]
    if inner := h5py.check_vlen_dtype(values.dtype):
        numbers = np.concatenate([np.empty(0, inner), *values])
        return ak.unflatten(_column(numbers, place), np.fromiter(map(len, values), np.int64, len(values)))
    if values.dtype.kind not in "biuf":
        raise InputError(place, f"is of type {values.dtype}, not numbers or texts", "leave it out")
    kinds = {2: np.float32, 16: np.float64} if values.dtype.kind == "f" else {}
    native = values.astype(kinds.get(values.dtype.itemsize, values.dtype.newbyteorder("=")))
    return native if native.ndim == 1 else ak.Array(native)
