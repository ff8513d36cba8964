"""Comma-separated values, whose types are those that all rows have."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from simmorph.data.arrays import LARGEST_EXACT
from simmorph.data.formats.arrow import column_of, tables_of
from simmorph.data.formats.table import Column, Table, optional
from simmorph.data.ntuples.files import of_content
from simmorph.data.ntuples.servers import told
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TYPES = ("int64", "uint64", "double", "bool", "string")
"""A column has the first of these types that all of its values have."""


class _Survey(NamedTuple):
    """What a file holds, known after one look at all of it.

    Attributes:
        n_entries: its number of entries.
        types: of each column.
        missing: the columns of which a value is missing.
        inexact: an integer of each column of floats that no float is.
    """

    n_entries: int
    types: Mapping[str, str]
    missing: frozenset[str]
    inexact: Mapping[str, str]


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
            survey = _survey(path)
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
        if name in self.survey.inexact:
            what = f"{self.survey.inexact[name]} stands among numbers with a fraction, and no float is this integer"
            raise InputError(place, what, "write integers alone into a column, or a fraction into each of its numbers")
        kind = self.branches[name]
        values = texts if kind == "string" else _without_missing(texts).cast(kind)
        return column_of(values, place, has_missing=has_missing)


@of_content
def _survey(path: str) -> _Survey:
    names = _names(path)
    n_entries, columns = 0, {name: _Looked(list(TYPES)) for name in names}
    for batch in _batches(path, names):
        n_entries += batch.num_rows
        for name, column in columns.items():
            column.look(batch.column(name))
    types = {name: column.types[0] if column.is_known else "double" for name, column in columns.items()}
    inexact = {name: column.inexact for name, column in columns.items() if types[name] == "double" and column.inexact}
    missing = frozenset(name for name, column in columns.items() if column.has_missing)
    return _Survey(n_entries, types, missing, inexact)


@dataclass
class _Looked:
    """What the values of a column say so far.

    Attributes:
        types: those that each of them has; a text is all.
        is_known: whether there is one at all.
        has_missing: whether one is missing.
        inexact: an integer that no float is, as it is written; empty if there is none.
    """

    types: list[str]
    is_known: bool = False
    has_missing: bool = False
    inexact: str = ""

    def look(self, texts: Any) -> None:
        """Look at more values."""
        texts = _without_missing(texts)
        self.has_missing |= texts.null_count > 0
        self.is_known |= texts.null_count < len(texts)
        self.types = [kind for kind in self.types if kind == "string" or _holds(kind, texts)]
        if "double" in self.types and not self.inexact:
            self.inexact = _inexact(texts)


def _without_missing(texts: Any) -> Any:
    """The texts with null for each that stands for a missing number, such as an empty one, `NA` or `nan`."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import compute, csv  # noqa: PLC0415

    is_missing = compute.is_in(texts, value_set=pa.array(csv.ConvertOptions().null_values))
    return compute.if_else(is_missing, pa.scalar(None, pa.string()), texts)


def _holds(kind: str, texts: Any) -> bool:
    """Whether every text is a value of this type."""
    import pyarrow as pa  # noqa: PLC0415

    try:
        texts.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _inexact(texts: Any) -> str:
    """The first of some numbers that is an integer and no float, as it is written; empty if there is none."""
    from pyarrow import compute  # noqa: PLC0415

    large: list[str] = texts.filter(compute.greater_equal(compute.abs(texts.cast("double")), LARGEST_EXACT)).to_pylist()
    return next((text for text in large if text.lstrip("-").isdecimal() and int(float(text)) != int(text)), "")


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
    """Some columns as texts, batch by batch."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    options = csv.ConvertOptions(column_types={name: pa.string() for name in names}, include_columns=list(names))
    with csv.open_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True), convert_options=options) as reader:
        yield from reader
