"""Parquet, row group by row group."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simmorph.data.formats.arrow import column_of, tables_of
from simmorph.data.formats.table import Column, Table, optional
from simmorph.data.ntuples.servers import told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Parquet(Table):
    """A Parquet file, which holds one table.

    Attributes:
        file: a `pyarrow.parquet.ParquetFile`.
        missing: the columns that were looked at for missing numbers, and whether they have some.
    """

    file: Any
    missing: dict[str, bool] = field(default_factory=dict)

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: str, tree: str | None) -> Iterator[Parquet]:  # noqa: ARG003 - it holds one table
        """The file, open for reading.

        Raises:
            InputError: it cannot be read.
        """
        parquet = optional("pyarrow.parquet", path, "parquet")
        with told(path):
            file = parquet.ParquetFile(path)
        with file:
            schema = file.schema_arrow
            yield cls(path, "", file.metadata.num_rows, dict(zip(schema.names, schema.types, strict=True)), file)

    @property
    def typenames(self) -> dict[str, str]:
        """The type of every column as Arrow calls it."""
        return {name: str(kind) for name, kind in self.branches.items()}

    def _chunks(self, names: Sequence[str], step: int) -> Iterator[tuple[int, dict[str, Column]]]:
        with told(self.path):
            batches = self.file.iter_batches(batch_size=step, columns=list(names))
            for number, table in enumerate(tables_of(batches, step)):
                yield number * step, {name: self._column(table, name) for name in names}

    def _empty(self, name: str) -> Column:
        with told(self.path):
            return self._column(self.file.schema_arrow.empty_table(), name)

    def _column(self, table: Any, name: str) -> Column:
        return column_of(table[name], f"{self.path}, column {name!r}", has_missing=self._has_missing(name))

    def _has_missing(self, name: str) -> bool:
        """Whether a number is missing anywhere in a column, which is read once more where the file does not say."""
        if name not in self.missing:
            self.missing[name] = self._looked_for_missing(name)
        return self.missing[name]

    def _looked_for_missing(self, name: str) -> bool:
        groups, at = range(self.file.num_row_groups), self._places.get(name)
        if at is None:
            return False
        found = [self.file.metadata.row_group(group).column(at).statistics for group in groups]
        if all(it is not None and it.has_null_count for it in found):
            return any(it.null_count for it in found)
        return any(batch.column(0).null_count for batch in self.file.iter_batches(columns=[name]))

    @functools.cached_property
    def _places(self) -> dict[str, int]:
        """Where each column that is no list stands in the row groups."""
        return {self.file.schema.column(at).path: at for at in range(len(self.file.schema))}
