"""Columns of Arrow, as Parquet and CSV give them, as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from simmorph.data.arrays import LARGEST_EXACT
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from simmorph.data.formats.table import Column


def tables_of(batches: Iterable[Any], step: int) -> Iterator[Any]:
    """The rows of some batches as tables of so many rows each, but for the last."""
    import pyarrow as pa  # noqa: PLC0415 - an optional dependency

    waiting: list[Any] = []
    n_waiting = 0
    for batch in batches:
        waiting.append(batch)
        n_waiting += batch.num_rows
        while n_waiting >= step:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, step)
            waiting, n_waiting = table.slice(step).to_batches(), n_waiting - step
    if n_waiting:
        yield pa.Table.from_batches(waiting)


def column_of(values: Any, place: str, *, has_missing: bool) -> Column:
    """A column of a table: numbers, lists of numbers, or whatever else it is.

    A missing number is NaN; integers are floats then, in every chunk. A missing text is empty.

    Args:
        values: a `ChunkedArray`.
        place: the file and the column, for messages.
        has_missing: whether a value is missing anywhere in the file.

    Raises:
        InputError: a truth value or a list is missing, or an integer is not exact beside missing ones.
    """
    import pyarrow.types as kinds  # noqa: PLC0415

    values = values.combine_chunks() if hasattr(values, "chunks") else values
    if kinds.is_dictionary(values.type):
        values = values.dictionary_decode()
    if kinds.is_list(values.type) or kinds.is_large_list(values.type) or kinds.is_fixed_size_list(values.type):
        return _lists(values, place)
    if kinds.is_string(values.type) or kinds.is_large_string(values.type):
        return ak.Array([*values.fill_null("").to_pylist(), ""])[:-1]
    if not (kinds.is_integer(values.type) or kinds.is_floating(values.type) or kinds.is_boolean(values.type)):
        return ak.from_arrow(values)
    return _numbers(values, place, has_missing=has_missing)


def _lists(values: Any, place: str) -> Column:
    import pyarrow.types as kinds  # noqa: PLC0415
    from pyarrow import compute  # noqa: PLC0415

    if values.null_count:
        raise InputError(place, f"{values.null_count} lists are missing", "write empty lists in their place")
    inner = values.flatten()
    if inner.null_count and not kinds.is_floating(inner.type):
        raise InputError(place, f"{inner.null_count} values in lists are missing", "leave these rows out")
    numbers = column_of(inner, place, has_missing=inner.null_count > 0)
    return ak.unflatten(numbers, np.asarray(compute.list_value_length(values), np.int64))


def _numbers(values: Any, place: str, *, has_missing: bool) -> Column:
    import pyarrow.types as kinds  # noqa: PLC0415

    if not has_missing:
        numbers = values.to_numpy(zero_copy_only=False)
        return numbers.astype(np.float32) if numbers.dtype == np.float16 else numbers
    if kinds.is_boolean(values.type):
        raise InputError(place, "some values are missing, which are neither true nor false", "leave these rows out")
    if kinds.is_integer(values.type):
        known = values.drop_null().to_numpy(zero_copy_only=False)
        if len(known) and max(abs(int(known.min())), abs(int(known.max()))) > LARGEST_EXACT:
            what = "some values are missing, and others are integers that no float with NaN holds exactly"
            raise InputError(place, what, "leave these rows out")
        numbers = np.full(len(values), np.nan)
        numbers[np.asarray(values.is_valid())] = known
        return numbers
    return values.to_numpy(zero_copy_only=False).astype(np.float32 if values.type.bit_width < 64 else np.float64)
