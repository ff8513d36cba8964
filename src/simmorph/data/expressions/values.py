"""What a value in an expression is: numbers or conditions, of each event or of each entry of its list, some missing.

An integer or condition that is missing, as the first entry of an empty list, is None in awkward's option type until the
end, where it becomes NaN or false; a float that is missing is NaN. So a type never depends on which events are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from simmorph.data.arrays import LARGEST_EXACT, cast

if TYPE_CHECKING:
    from numpy.typing import NDArray

Value = Any
"""A number, a numpy array of one value per event, or an awkward array of a list per event."""

_LAYERS = (ak.types.ListType, ak.types.RegularType, ak.types.OptionType)


class Misfit(Exception):  # noqa: N818 - the user's expression is at fault, and its message says how
    """Values that an operation cannot take."""


def kind_of(value: Value) -> str:
    """What the numbers in a value are, by numpy's letters: `b`, `i`, `u`, `f`; `U` for texts, `O` for all else."""
    if not isinstance(value, ak.Array):
        return str(np.asarray(value).dtype.kind)
    inner = value.type.content
    while isinstance(inner, _LAYERS):
        if inner.parameters:
            return "U"
        inner = inner.content
    if isinstance(inner, ak.types.NumpyType):
        return str(np.dtype(inner.primitive).kind)
    return "f" if isinstance(inner, ak.types.UnknownType) else "O"


def is_scalar(value: Value) -> bool:
    """Whether this is one number for all events, as it stands in the formula."""
    return not isinstance(value, ak.Array) and np.ndim(value) == 0


def can_miss(value: Value) -> bool:
    """Whether the type of a value allows missing numbers."""
    inner = value.type.content if isinstance(value, ak.Array) else None
    while isinstance(inner, _LAYERS):
        if isinstance(inner, ak.types.OptionType):
            return True
        inner = inner.content
    return False


def anywhere(condition: Value) -> bool:
    """Whether a condition is true of any number in it."""
    return bool(ak.any(condition, axis=None) if isinstance(condition, ak.Array) else np.any(condition))


def flat(values: Value) -> Value:
    """A numpy array where there is one number per event."""
    if isinstance(values, ak.Array) and values.ndim == 1 and not can_miss(values):
        return ak.to_numpy(values, allow_missing=False)
    return values


def lists_of(values: Value) -> ak.Array:
    """The values, if they are a list per event; reducing over events would depend on how they are read."""
    if not isinstance(values, ak.Array) or values.ndim < 2:
        raise Misfit("a list per event is needed, and this is one number per event")
    return values


def plain_numbers(lists: Value) -> NDArray[Any] | None:
    """What the lists of all events lie in, where these are lists of numbers none of which can be missing."""
    layout = lists.layout if isinstance(lists, ak.Array) else None
    if not isinstance(layout, (ak.contents.ListOffsetArray, ak.contents.ListArray)) or layout.parameters:
        return None
    content = layout.content
    is_numbers = isinstance(content, ak.contents.NumpyArray) and content.data.ndim == 1 and not content.parameters
    return np.asarray(content.data) if is_numbers else None


def jagged(column: Value) -> Value:
    """A column in which an array of fixed size is a list for each event.

    Awkward would take an array of a fixed size for one of the size of the chunk, and broadcast it along the other axis.
    """
    if not isinstance(column, ak.Array):
        array = np.asarray(column)
        return array if array.ndim == 1 else ak.from_regular(ak.Array(array), axis=None)
    if plain_numbers(column) is not None:
        return column
    return flat(ak.from_regular(column, axis=None))


def wide(column: Value) -> Value:
    """A column with integers of 64 bits and floats of double precision; its lists may differ in length."""
    numbers = plain_numbers(column)
    if numbers is not None and numbers.dtype in (np.bool_, np.float64):
        return column
    column = jagged(column)
    if not isinstance(column, ak.Array):
        return column.astype(_widest(column.dtype.kind, column.dtype), copy=False)
    if isinstance(column.type.content, ak.types.OptionType) and column.ndim > 1:
        column = ak.fill_none(column, [], axis=0)
    kind = kind_of(column)
    if kind not in "iuf":
        return column
    column = ak.values_astype(column, _widest(kind, np.dtype(np.uint64)))
    return flat(ak.fill_none(column, np.nan, axis=-1)) if kind == "f" and can_miss(column) else column


def _widest(kind: str, own: np.dtype[Any]) -> np.dtype[Any]:
    if kind == "u" and own.itemsize == 8:
        return own
    return np.dtype({"i": np.int64, "u": np.int64, "f": np.float64}.get(kind, own))


def settled(value: Value) -> Value:
    """The value with NaN for each missing number, as which integers are floats, and false for a missing condition.

    Raises:
        Misfit: an integer beside missing ones is too large to be exact in double precision.
    """
    if not can_miss(value):
        return flat(value)
    if kind_of(value) == "b":
        return flat(_filled(value, False))
    if anywhere(np.abs(value) > LARGEST_EXACT):
        raise Misfit(
            "an integer is too large to stand beside missing ones; give them a value by entry(list, at, value)"
        )
    return flat(_filled(real(value), np.nan))


def _filled(values: ak.Array, default: float) -> Value:
    """The values with one for each that is missing."""
    layout = values.layout
    if isinstance(layout, ak.contents.ByteMaskedArray) and isinstance(layout.content, ak.contents.NumpyArray):
        is_known = layout.mask_as_bool(valid_when=True)  # as awkward does, ten times faster
        return np.where(is_known, layout.content.data[: len(is_known)], default)
    return ak.fill_none(values, default, axis=-1)


def real(value: Value) -> Value:
    """In double precision."""
    return float(value) if is_scalar(value) else cast(value, np.float64)


def signed(value: Value) -> Value:
    """Unsigned integers as signed ones, which can be subtracted.

    Raises:
        Misfit: one is 2^63 or more.
    """
    if isinstance(value, int) and value >= 2**63:
        raise Misfit("an integer of 2^63 or more can only be compared, and taken apart by its bits")
    if is_scalar(value) or kind_of(value) != "u":
        return value
    if anywhere(value >= np.uint64(2**63)):
        raise Misfit("an integer of 2^63 or more can only be compared, and taken apart by its bits")
    return cast(value, np.int64)


def number(value: Value) -> Value:
    """A value to calculate with: conditions count as 0 and 1, and what is missing is NaN.

    Raises:
        Misfit: it holds texts or records, or integers that are too large.
    """
    kind = kind_of(value)
    if kind not in "biuf":
        raise Misfit("numbers are needed, and this is " + ("text" if kind in "US" else "something else"))
    if can_miss(value):
        return settled(ak.values_astype(value, np.int64) if kind == "b" else signed(value))
    if kind == "b":
        return int(value) if is_scalar(value) else cast(value, np.int64)
    return signed(value)


def truth(value: Value) -> Value:
    """A value as a condition, false where it is missing; an integer is true if it is not 0.

    Raises:
        Misfit: it is neither.
    """
    kind = kind_of(value)
    if kind not in "biu":
        raise Misfit("conditions are joined, and this is a number; compare it with something")
    return settled(value if kind == "b" else value != 0)
