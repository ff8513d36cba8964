"""Columns by name, in whatever they are kept: a dict of arrays, an awkward array of records, or a pandas frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import awkward as ak
import numpy as np

from simmorph.data.expressions.values import can_miss
from simmorph.errors import InputError, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

AnyColumns = TypeVar("AnyColumns")


def columns_of(container: Any, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """The named columns, (n_events,) each.

    Raises:
        InputError: one is missing, or it is not one number per event.
    """
    known = names_of(container)
    return {name: _column(container, known, name) for name in names}


def names_of(container: Any) -> list[str]:
    """The names of all columns."""
    return list(container.fields if isinstance(container, ak.Array) else container)


def _column(container: Any, known: list[str], name: str) -> NDArray[Any]:
    if name not in known:
        raise InputError("columns", f"there is no {name!r}", one_of(name, known))
    try:
        values = np.asarray(_filled(container[name]))
    except ValueError as error:
        raise InputError("columns", f"{name!r} is not one number per event", "flatten it first") from error
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        raise InputError("columns", f"{name!r} is not one number per event", "flatten it first")
    return values


def _filled(column: Any) -> Any:
    """A column with NaN where a number is missing, as pandas gives it."""
    if isinstance(column, np.ma.MaskedArray):
        return np.ma.filled(column.astype(np.float64), np.nan) if np.any(column.mask) else column.data
    if isinstance(column, ak.Array) and column.ndim == 1 and can_miss(column):
        return ak.fill_none(ak.values_astype(column, np.float64), np.nan)
    return column


def length_of(container: Any) -> int:
    """The number of events.

    Raises:
        InputError: the columns of a dict have different lengths.
    """
    if not isinstance(container, dict):
        return len(container)
    lengths = {len(values) for values in container.values()}
    if len(lengths) > 1:
        raise InputError("columns", f"have different lengths, such as {min(lengths)} and {max(lengths)}")
    return lengths.pop() if lengths else 0


def with_columns(container: AnyColumns, new: Mapping[str, NDArray[Any]]) -> AnyColumns:
    """The same kind of container with further columns at its end; what was given stays as it is."""
    added: Any = container
    if isinstance(container, ak.Array):
        for name, values in new.items():
            added = ak.with_field(added, values, name)
    elif isinstance(container, dict):
        added = {**container, **new}
    else:
        added = added.assign(**new)
    return added  # type: ignore[no-any-return]
