"""What the operators of expressions compute, of one number or a list for each event."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING

import awkward as ak
import numpy as np

from simmorph.data.arrays import LARGEST_EXACT, cast
from simmorph.data.expressions.values import Misfit, Value, anywhere, is_scalar, kind_of, number, real, settled, truth

if TYPE_CHECKING:
    from collections.abc import Callable


def _exact(function: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    """In integers if both sides are, else in double precision; booleans count as 0 and 1.

    Raises:
        Misfit: the result does not fit into 64 bits.
    """

    def compute(left: Value, right: Value) -> Value:
        left, right = number(left), number(right)
        if "f" in (kind_of(left), kind_of(right)):
            return function(left, right)
        if anywhere(np.abs(function(real(left), real(right))) >= 2.0**63):
            raise Misfit("the result is an integer of more than 64 bits; make one side a float, as by `* 1.0`")
        return function(left, right)

    return compute


def _real(function: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    """In double precision, where no power of two numbers can grow without end."""
    return lambda left, right: function(real(number(left)), real(number(right)))


def _divided(function: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    """The whole quotient or the rest of two numbers; missing where an integer is divided by 0."""
    exact = _exact(function)

    def compute(left: Value, right: Value) -> Value:
        if kind_of(left) == "u" and is_scalar(right) and kind_of(right) in "iu" and right > 0:
            return _unsigned_by(function, left, int(right))
        result = exact(left, right)
        if kind_of(result) == "f" or (is_scalar(right) and right != 0):
            return result
        return ak.mask(result, ak.broadcast_arrays(np.not_equal(number(right), 0), result)[0])

    return compute


def _unsigned_by(function: Callable[[Value, Value], Value], left: Value, right: int) -> Value:
    """Of all 64 bits: a fold of events by `event % 5` must not depend on how large event numbers are."""
    return number(function(left, np.uint64(right)))


def _negative(value: Value) -> Value:
    return np.negative(value) if kind_of(value) == "f" else _exact(np.subtract)(0, value)


def _bitwise(sign: str, function: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    """Of two integers, bit by bit; of two conditions, whether both (one, exactly one) are true."""

    def compute(left: Value, right: Value) -> Value:
        kinds = {kind_of(left), kind_of(right)}
        if kinds == {"b"}:
            return function(settled(left), settled(right))
        _refuse_no_integers(sign, kinds)
        return function(*_one_width(left, right))

    return compute


def _refuse_no_integers(sign: str, kinds: set[str]) -> None:
    if not kinds <= {"i", "u"}:
        mend = "join conditions by `and`, `or`; a bit is a condition if compared, as in (bits & 4) != 0"
        raise Misfit(
            f"`{sign}` takes two integers or two conditions; {mend if 'b' in kinds else 'floats have no bits'}"
        )


def _one_width(left: Value, right: Value) -> tuple[Value, Value]:
    """Both unsigned if one is, for the bits to mean the same."""
    if is_scalar(left) and is_scalar(right):
        return int(left), int(right)
    is_unsigned = any(kind_of(value) == "u" or (is_scalar(value) and value >= 2**63) for value in (left, right))
    kind: type[np.integer] = np.uint64 if is_unsigned else np.int64
    return _of_width(left, kind), _of_width(right, kind)


def _of_width(value: Value, kind: type[np.integer]) -> Value:
    if is_scalar(value):
        return np.array(int(value) % 2**64, np.uint64).astype(kind)[()]
    return cast(value, kind)


def _shifted(sign: str, function: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    """The bits of an integer, moved by a number of places.

    Raises:
        Misfit: these are no integers, or the places are not 0 to 63, or bits get lost on the left.
    """

    def compute(left: Value, right: Value) -> Value:
        _refuse_no_integers(sign, {kind_of(left), kind_of(right)} - {"b"} or {"f"})
        if anywhere((right < 0) | (right > 63)):
            raise Misfit(f"`{sign}` moves bits by 0 to 63 places")
        if is_scalar(left) and is_scalar(right):
            return _in_64_bits(int(function(int(left), int(right))))
        left, right = _one_width(left, right)
        result = function(left, right)
        if function is operator.lshift and anywhere(operator.rshift(result, right) != left):
            raise Misfit("bits get lost on the left of `<<`")
        return result

    return compute


def _in_64_bits(result: int) -> int:
    if not -(2**63) <= result < 2**64:
        raise Misfit("bits get lost on the left of `<<`")
    return result


def _inverted(value: Value) -> Value:
    if kind_of(value) == "b":
        return differ_from_true(value)
    _refuse_no_integers("~", {kind_of(value)})
    return ~int(value) if is_scalar(value) else np.invert(value)


def differ_from_true(value: Value) -> Value:
    """Where a condition is known and not true."""
    if kind_of(value) == "f":
        truth(value)
    return settled(np.logical_not(value if kind_of(value) == "b" else value != 0))


BINARY: dict[type[ast.operator], Callable[[Value, Value], Value]] = {
    ast.Add: _exact(np.add), ast.Sub: _exact(np.subtract), ast.Mult: _exact(np.multiply),
    ast.Div: _real(np.divide), ast.Pow: _real(np.power),
    ast.Mod: _divided(np.remainder), ast.FloorDiv: _divided(np.floor_divide),
    ast.BitAnd: _bitwise("&", operator.and_), ast.BitOr: _bitwise("|", operator.or_),
    ast.BitXor: _bitwise("^", operator.xor),
    ast.LShift: _shifted("<<", operator.lshift), ast.RShift: _shifted(">>", operator.rshift),
}  # fmt: skip
UNARY: dict[type[ast.unaryop], Callable[[Value], Value]] = {
    ast.USub: lambda value: _negative(number(value)), ast.UAdd: number,
    ast.Not: differ_from_true, ast.Invert: _inverted,
}  # fmt: skip


def _compared(function: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    """Whether a comparison of two known numbers holds; of integers, exactly."""

    def compute(left: Value, right: Value) -> Value:
        left, right = _comparable(left), _comparable(right)
        refuse_rounding(left, right)
        return settled(function(left, right))

    return compute


def refuse_rounding(*values: Value) -> None:
    """Refuse integers beside floats, in whose precision they would be rounded.

    Raises:
        Misfit: one of them is too large.
    """
    if any(kind_of(it) == "f" for it in values):
        for value in values:
            if kind_of(value) in "iu" and anywhere((value > LARGEST_EXACT) | (value < -LARGEST_EXACT)):
                raise Misfit("an integer is too large to stand beside a float; write whole numbers without a point")


def _comparable(value: Value) -> Value:
    if kind_of(value) not in "biuf":
        raise Misfit("only numbers are compared, and this is text or something else")
    if isinstance(value, int) and not isinstance(value, bool):
        return np.uint64(value) if value >= 2**63 else np.int64(value)
    return value


def _differ(left: Value, right: Value) -> Value:
    """Whether two values are known and not the same; NaN is not known."""
    known = (value == value for value in (left, right) if kind_of(value) == "f")  # noqa: PLR0124 - NaN is not
    differ = left != right
    for each in known:
        differ = np.logical_and(differ, each)
    return differ


COMPARISONS: dict[type[ast.cmpop], Callable[[Value, Value], Value]] = {
    ast.Lt: _compared(operator.lt), ast.LtE: _compared(operator.le), ast.Gt: _compared(operator.gt),
    ast.GtE: _compared(operator.ge), ast.Eq: _compared(operator.eq), ast.NotEq: _compared(_differ),
}  # fmt: skip
JOINED: dict[type[ast.boolop], Callable[[Value, Value], Value]] = {
    ast.And: lambda left, right: np.logical_and(truth(left), truth(right)),
    ast.Or: lambda left, right: np.logical_or(truth(left), truth(right)),
}
OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip
