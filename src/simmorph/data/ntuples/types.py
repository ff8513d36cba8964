"""Types of columns: what one entry is, and the type that holds the values of several types exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Type = Any
"""What one entry of a column is, such as a number or a list of numbers: an `ak.types.Type`."""

APART = "write them into files of their own"


@dataclass(frozen=True)
class Writable:
    """What a TTree can hold of a tree.

    Attributes:
        types: of the branches that can be written.
        left_out: the others, with the reason.
        counters: the branches that count the entries of others, which are lists.
    """

    types: Mapping[str, Type] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    counters: frozenset[str] = frozenset()


def type_of(column: Any) -> Type:
    """What one entry of a column is."""
    if not isinstance(column, ak.Array):
        array = np.asarray(column)
        if array.ndim == 1 and array.dtype.kind in "biuf":
            return ak.types.NumpyType(array.dtype.name)
        column = ak.Array(array)
    return column.type.content


def is_number(kind: Type) -> bool:
    """Whether this is a number, or true or false."""
    return isinstance(kind, ak.types.NumpyType) and not kind.parameters


def is_text(kind: Type) -> bool:
    """Whether this is a text."""
    return isinstance(kind, ak.types.ListType) and kind.parameters.get("__array__") == "string"


def is_writable(kind: Type) -> bool:
    """Whether a TTree can hold this: a number, a text, or an array or list of numbers."""
    if is_text(kind):
        return True
    while (
        isinstance(kind, ak.types.RegularType)
        and not kind.parameters
        and isinstance(kind.content, ak.types.RegularType)
    ):
        kind = kind.content
    if isinstance(kind, (ak.types.ListType, ak.types.RegularType)) and not kind.parameters:
        kind = kind.content
    return is_number(kind) and np.dtype(kind.primitive).kind in "biuf"


def common(types: Iterable[Type]) -> Type | None:
    """The type that holds every value of several exactly; None if there is none.

    Conditions count as 0 and 1. A float holds integers of up to 24 bits in single and 53 in double precision; integers
    of 64 bits and floats have no common type, nor have signed and unsigned ones of 64 bits.

    >>> number = ak.types.NumpyType
    >>> str(common([number("int32"), number("float32")])), common([number("int64"), number("uint64")])
    ('float64', None)
    """
    kinds = [kind for kind in _different(types) if not isinstance(kind, ak.types.UnknownType)]
    if len(kinds) < 2:
        return kinds[0] if kinds else ak.types.UnknownType()
    if len({str(kind.parameters) for kind in kinds}) > 1:
        return None
    if all(isinstance(kind, ak.types.NumpyType) for kind in kinds):
        return _common_number([np.dtype(kind.primitive) for kind in kinds])
    if all(isinstance(kind, (ak.types.ListType, ak.types.RegularType)) for kind in kinds):
        inner, sizes = common(kind.content for kind in kinds), {getattr(kind, "size", None) for kind in kinds}
        size = sizes.pop() if len(sizes) == 1 else None
        if inner is not None:
            return ak.types.ListType(inner) if size is None else ak.types.RegularType(inner, size)
    return None


def _different(types: Iterable[Type]) -> list[Type]:
    found: list[Type] = []
    for kind in types:
        if kind not in found:
            found.append(kind)
    return found


def _common_number(kinds: list[np.dtype[Any]]) -> Type | None:
    both = np.result_type(*kinds)
    return ak.types.NumpyType(both.name) if all(_holds(both, kind) for kind in kinds) else None


def _holds(both: np.dtype[Any], kind: np.dtype[Any]) -> bool:
    """Whether a type of numbers has every value of another."""
    if both.kind == "f" and kind.kind in "iu":
        return np.iinfo(kind).bits - (kind.kind == "i") <= np.finfo(both).nmant + 1
    return np.can_cast(kind, both, "safe")


def agreed_types(of_files: Mapping[str, Mapping[str, Type]]) -> dict[str, Type]:
    """The type of each branch that holds its values in every file exactly.

    Args:
        of_files: the types of the branches, by file.

    Raises:
        InputError: a branch has types that no type holds.
    """
    found: dict[str, list[tuple[Type, str]]] = {}
    for path, types in of_files.items():
        for name, kind in types.items():
            of_branch = found.setdefault(name, [])
            if all(kind != known for known, _ in of_branch):
                of_branch.append((kind, path))
    return {name: _agreed(name, kinds) for name, kinds in found.items()}


def _agreed(name: str, kinds: Sequence[tuple[Type, str]]) -> Type:
    """The common type of a branch that has these, each with the first file in which it does."""
    both = common(kind for kind, _ in kinds)
    if both is None:
        places = ", ".join(f"{kind} in {path}" for kind, path in kinds)
        raise InputError(kinds[-1][1], f"branch {name!r} has types that none holds exactly: {places}", APART)
    return both


def as_types(columns: Mapping[str, Any], types: Mapping[str, Type]) -> dict[str, Any]:
    """The columns with these types, each of which holds its values exactly.

    Raises:
        ValueError: one does not.
    """
    return {name: _as_type(name, column, types[name]) for name, column in columns.items()}


def _as_type(name: str, column: Any, kind: Type) -> Any:
    known = type_of(column)
    if known == kind:
        return column
    if common([known, kind]) != kind:
        raise ValueError(f"column {name!r} is {known}, which {kind} does not hold exactly")
    if isinstance(column, np.ndarray) and isinstance(kind, ak.types.NumpyType):
        return column.astype(kind.primitive)
    lists = ak.from_regular(ak.Array(column), axis=None) if isinstance(kind, ak.types.ListType) else ak.Array(column)
    while not isinstance(kind, ak.types.NumpyType):
        kind = kind.content
    return ak.values_astype(lists, kind.primitive)  # ak.enforce_type of awkward 2.14 loses the last list
