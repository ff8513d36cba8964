"""What the functions and operators of expressions compute, of one number or a list for each event."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

Value = Any
"""A number, a numpy array of one value per event, or an awkward array of a list per event."""

CONSTANTS: dict[str, Value] = {"pi": np.pi, "nan": np.nan, "inf": np.inf}


def _reduced(function: Callable[..., Value], empty: float | None = None) -> Callable[[Value], Value]:
    """One value for each event's list; `empty` for an empty list, if the function has none for it."""

    def reduce(values: Value) -> Value:
        lists = lists_of(values)
        if empty is None:
            return flat(function(lists, axis=1))
        return flat(ak.fill_none(function(ak.values_astype(lists, np.float64), axis=1), empty))

    return reduce


def lists_of(values: Value) -> ak.Array:
    """The values, if they are a list per event; reducing over events would depend on how they are read."""
    if isinstance(values, np.ndarray) and values.ndim > 1:
        values = ak.Array(values)
    if not isinstance(values, ak.Array) or values.ndim < 2:
        raise TypeError("a list per event is needed, and this is one number per event")
    return values


def _count(values: Value) -> Value:
    """How many values each event's list has; of booleans, how many are true."""
    lists = lists_of(values)
    is_boolean = "bool" in str(lists.type)
    return flat(ak.sum(lists, axis=1) if is_boolean else ak.num(lists, axis=1))


def _extreme(of_lists: Callable[[Value], Value], of_two: Callable[[Value, Value], Value]) -> Callable[..., Value]:
    def extreme(first: Value, *others: Value) -> Value:
        if not others:
            return of_lists(first)
        for other in others:
            first = of_two(first, other)
        return first

    return extreme


def _where(condition: Value, yes: Value, no: Value) -> Value:
    has_lists = any(isinstance(value, ak.Array) for value in (condition, yes, no))
    return ak.where(condition, yes, no) if has_lists else np.where(condition, yes, no)


def _delta_phi(phi1: Value, phi2: Value) -> Value:
    return np.remainder(phi1 - phi2 + np.pi, 2 * np.pi) - np.pi


def flat(values: Value) -> Value:
    """A numpy array where there is one number per event."""
    if isinstance(values, ak.Array) and values.ndim == 1:
        return ak.to_numpy(values, allow_missing=False)
    return values


_MINIMUM = _extreme(_reduced(ak.min, np.nan), np.minimum)
_MAXIMUM = _extreme(_reduced(ak.max, np.nan), np.maximum)

FUNCTIONS: dict[str, tuple[Callable[..., Value], int, int]] = {
    "sqrt": (np.sqrt, 1, 1), "exp": (np.exp, 1, 1), "log": (np.log, 1, 1), "log10": (np.log10, 1, 1),
    "log1p": (np.log1p, 1, 1), "expm1": (np.expm1, 1, 1), "abs": (np.abs, 1, 1), "sign": (np.sign, 1, 1),
    "floor": (np.floor, 1, 1), "ceil": (np.ceil, 1, 1),
    "sin": (np.sin, 1, 1), "cos": (np.cos, 1, 1), "tan": (np.tan, 1, 1), "arctan": (np.arctan, 1, 1),
    "sinh": (np.sinh, 1, 1), "cosh": (np.cosh, 1, 1), "tanh": (np.tanh, 1, 1), "arcsinh": (np.arcsinh, 1, 1),
    "arctan2": (np.arctan2, 2, 2), "hypot": (np.hypot, 2, 2), "delta_phi": (_delta_phi, 2, 2),
    "min": (_MINIMUM, 1, 8), "max": (_MAXIMUM, 1, 8), "minimum": (_MINIMUM, 2, 8), "maximum": (_MAXIMUM, 2, 8),
    "where": (_where, 3, 3), "isfinite": (np.isfinite, 1, 1),
    "sum": (_reduced(ak.sum), 1, 1), "any": (_reduced(ak.any), 1, 1), "all": (_reduced(ak.all), 1, 1),
    "count": (_count, 1, 1),
}  # fmt: skip
"""Each function with the fewest and the most arguments it takes."""


def _arithmetic(function: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    """Booleans count as 0 and 1; numpy would take `a + b` of two booleans for `a or b`."""
    return lambda left, right: function(_number(left), _number(right))


def _number(value: Value) -> Value:
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    if isinstance(value, np.ndarray):
        return value.astype(np.int64) if value.dtype == np.bool_ else value
    return ak.values_astype(value, np.int64) if isinstance(value, ak.Array) and "bool" in str(value.type) else value


def _power(base: Value, exponent: Value) -> Value:
    """In floating point, where no power of two numbers can grow without end."""
    return np.power(_real(base), _real(exponent))


def _real(value: Value) -> Value:
    return float(value) if isinstance(value, (int, np.integer)) else value


def _invert(value: Value) -> Value:
    return np.logical_not(value) if isinstance(value, bool) else np.invert(value)


BINARY: dict[type[ast.operator], Callable[[Value, Value], Value]] = {
    ast.Add: _arithmetic(np.add), ast.Sub: _arithmetic(np.subtract), ast.Mult: _arithmetic(np.multiply),
    ast.Div: _arithmetic(np.divide), ast.Mod: _arithmetic(np.remainder), ast.Pow: _arithmetic(_power),
    ast.FloorDiv: _arithmetic(np.floor_divide), ast.BitAnd: np.bitwise_and, ast.BitOr: np.bitwise_or,
}  # fmt: skip
UNARY: dict[type[ast.unaryop], Callable[[Value], Value]] = {
    ast.USub: lambda value: np.negative(_number(value)), ast.UAdd: _number,
    ast.Not: np.logical_not, ast.Invert: _invert,
}  # fmt: skip


def _differ(left: Value, right: Value) -> Value:
    """Whether two values are known and not the same; NaN is not known."""
    return np.logical_and(left != right, np.logical_and(left == left, right == right))  # noqa: PLR0124 - NaN is not


COMPARISONS: dict[type[ast.cmpop], Callable[[Value, Value], Value]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: _differ,
}  # fmt: skip
JOINED: dict[type[ast.boolop], Callable[[Value, Value], Value]] = {ast.And: np.logical_and, ast.Or: np.logical_or}
OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip
