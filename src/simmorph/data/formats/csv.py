"""Comma-separated values, whose types are those that all rows have."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from simmorph.data.formats.arrow import column_of, tables_of
from simmorph.data.formats.table import Column, Table, optional
from simmorph.data.ntuples.servers import told
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TYPES = ("int64", "uint64", "double", "bool", "string")
"""A column has the first of these types that holds each of its values exactly as they are written."""


class _Survey(NamedTuple):
    """What a file holds, known after one look at all of it."""

    n_entries: int
    types: Mapping[str, str]
    missing: frozenset[str]


@dataclass(frozen=True)
class Csv(Table):
    """A file of comma-separated values; its first line names the columns.

    Attributes:
        survey: what all its rows say of types and missing values.
    """

    survey: _Survey

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: str, tree: str | None) -> Iterator[Csv]:  # noqa: ARG003 - it holds one table
        """The file, open for reading.

        Raises:
            InputError: it cannot be read.
        """
        optional("pyarrow.csv", path, "csv")
        with told(path):
            status = Path(path).stat()
            survey = _survey(path, status.st_ino, status.st_mtime_ns, status.st_size)
        yield cls(path, "", survey.n_entries, survey.types, survey)

    @property
    def typenames(self) -> dict[str, str]:
        """The type of every column as Arrow calls it."""
        return dict(self.branches)

    def _chunks(self, names: Sequence[str], step: int) -> Iterator[tuple[int, dict[str, Column]]]:
        with told(self.path):
            for number, table in enumerate(tables_of(_batches(self.path, names), step)):
                yield number * step, {name: self._column(table[name], name) for name in names}

    def _empty(self, name: str) -> Column:
        import pyarrow as pa  # noqa: PLC0415

        return self._column(pa.chunked_array([], pa.string()), name)

    def _column(self, texts: Any, name: str) -> Column:
        has_missing, place = name in self.survey.missing, f"{self.path}, column {name!r}"
        return column_of(texts.cast(self.branches[name]), place, has_missing=has_missing)


@functools.lru_cache(maxsize=64)
def _survey(path: str, inode: int, written_ns: int, size: int) -> _Survey:  # noqa: ARG001 - they distinguish one content from the next
    n_entries, missing, names = 0, set(), _names(path)
    left = {name: list(TYPES) for name in names}
    known: set[str] = set()
    for batch in _batches(path, names):
        n_entries += batch.num_rows
        for name in names:
            texts = batch.column(name)
            if texts.null_count:
                missing.add(name)
            if texts.null_count < len(texts):
                known.add(name)
            while not _holds(left[name][0], texts):
                left[name].pop(0)
    types = {name: left[name][0] if name in known else "double" for name in names}
    return _Survey(n_entries, types, frozenset(missing))


def _holds(kind: str, texts: Any) -> bool:
    """Whether every text is a value of this type."""
    import pyarrow as pa  # noqa: PLC0415

    try:
        texts.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _names(path: str) -> list[str]:
    """The columns.

    Raises:
        InputError: two have one name.
    """
    from pyarrow import csv  # noqa: PLC0415

    with csv.open_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True)) as reader:
        names = list(reader.schema.names)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(path, f"two columns are called {twice[0]!r}", "give each a name of its own in the first line")
    return names


def _batches(path: str, names: Sequence[str]) -> Iterator[Any]:
    """Some columns as texts, batch by batch; what is empty, or NaN, is missing."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    options = csv.ConvertOptions(
        column_types={name: pa.string() for name in names}, include_columns=list(names), strings_can_be_null=True
    )
    with csv.open_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True), convert_options=options) as reader:
        yield from reader
