"""Expressions are evaluated by walking them: nothing is ever compiled or run."""

from __future__ import annotations

import ast
import functools
import itertools
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from simmorph.data.expressions.functions import (
    AS_GIVEN,
    AS_THE_ARGUMENTS,
    CONDITIONS,
    CONSTANTS,
    FUNCTIONS,
)
from simmorph.data.expressions.grammar import column_of
from simmorph.data.expressions.indexing import chosen
from simmorph.data.expressions.operators import BINARY, COMPARISONS, JOINED, OPPOSITES, UNARY
from simmorph.data.expressions.values import Misfit, kind_of, settled, signed, truth, wide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simmorph.data.expressions.values import Value

_LOGICAL = {ast.BitAnd: ast.And, ast.BitOr: ast.Or}


def evaluated(node: ast.expr, columns: Mapping[str, Value]) -> Value:
    """The value of a part of an expression, by walking it.

    Raises:
        Misfit: the values do not fit to what is done with them.
    """
    name = column_of(node)
    if name is not None:
        return wide(columns[name])
    return _EVALUATIONS[type(node)](node, columns)


def _computed(node: ast.expr, function: Callable[..., Value], *values: Value) -> Value:
    """What a function gives, or one line on why it cannot: numpy and awkward raise a dozen kinds of exception."""
    try:
        return function(*values)
    except Misfit as error:
        raise Misfit(f"in {_shown(node)}, {error}" if not str(error).startswith("in `") else str(error)) from error
    except Exception as error:
        raise Misfit(f"in {_shown(node)}, {_misfit_of(values)}") from error


def _shown(node: ast.expr) -> str:
    text = ast.unparse(node)
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"


def _misfit_of(values: tuple[Value, ...]) -> str:
    """Why values cannot be taken together, or at all."""
    kinds = {kind_of(value) for value in values}
    if not kinds <= set("biuf"):
        return "numbers are needed, and there is " + ("text" if kinds & set("US") else "something else")
    lists = [value for value in values if isinstance(value, ak.Array) and value.ndim > 1]
    for one, other in itertools.pairwise(lists):
        differ = np.flatnonzero(ak.num(one) != ak.num(other)) if len(one) == len(other) else np.empty(0, np.int64)
        if len(differ):
            lengths = f"{len(one[differ[0]])} and {len(other[differ[0]])}"
            return f"lists differ in length, first in event {differ[0]} of those read: {lengths}"
    return "the numbers, or lists of them, do not fit together"


def _constant(node: Any, columns: Mapping[str, Value]) -> Value:  # noqa: ARG001
    return CONSTANTS[node.id] if isinstance(node, ast.Name) else node.value


def _binary(node: Any, columns: Mapping[str, Value]) -> Value:
    if isinstance(node.op, ast.BitXor) and _is_condition(node, columns):
        return _decided(node, columns)[0]
    return _computed(node, BINARY[type(node.op)], evaluated(node.left, columns), evaluated(node.right, columns))


def _unary(node: Any, columns: Mapping[str, Value]) -> Value:
    if isinstance(node.op, ast.Not) or (isinstance(node.op, ast.Invert) and _is_condition(node.operand, columns)):
        return _decided(node.operand, columns)[1]
    return _computed(node, UNARY[type(node.op)], evaluated(node.operand, columns))


def _is_condition(node: ast.expr, columns: Mapping[str, Value]) -> bool:
    """Whether a part of an expression is true or false, and not a number."""
    name = column_of(node)
    if name is not None:
        return kind_of(columns[name]) == "b"
    if isinstance(node, ast.Constant):
        return isinstance(node.value, bool)
    parts = _alike(node)
    if parts:
        return all(_is_condition(part, columns) for part in parts)
    is_not = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CONDITIONS
    return is_not or is_call or isinstance(node, (ast.Compare, ast.BoolOp))


def _alike(node: ast.expr) -> list[ast.expr]:
    """The operands that are conditions if, and only if, this is one."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
        return [node.operand]
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitAnd, ast.BitOr, ast.BitXor)):
        return [node.left, node.right]
    if isinstance(node, ast.Subscript):
        return [node.value]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return [node.args[at] for at in AS_THE_ARGUMENTS.get(node.func.id, ())]
    return []


def _decided(node: ast.expr, columns: Mapping[str, Value]) -> tuple[Value, Value]:
    """Where a condition is true, and where it is false: it is neither where it needs what is NaN or missing.

    `not (x > 1)` is `x <= 1`, and `not (a and b)` is `not a or not b`.
    """
    if isinstance(node, ast.UnaryOp) and (isinstance(node.op, ast.Not) or _is_condition(node, columns)):
        return _decided(node.operand, columns)[::-1]
    if isinstance(node, ast.BoolOp):
        return _decided_jointly(node, type(node.op), [_decided(part, columns) for part in node.values])
    if isinstance(node, ast.BinOp) and _is_condition(node, columns):
        sides = [_decided(part, columns) for part in (node.left, node.right)]
        return _decided_jointly(node, _LOGICAL.get(type(node.op), ast.BitXor), sides)
    if isinstance(node, ast.Compare):
        how, values = _steps(node, columns)
        opposite = [OPPOSITES[kind] for kind in how]
        return _chain(node, how, values, ast.And), _chain(node, opposite, values, ast.Or)
    value = evaluated(node, columns)
    return _computed(node, truth, value), _computed(node, UNARY[ast.Not], value)


def _decided_jointly(
    node: ast.expr, how: type[ast.boolop | ast.operator], parts: list[tuple[Value, Value]]
) -> tuple[Value, Value]:
    both, either = JOINED[ast.And], JOINED[ast.Or]

    def of_two(is_a: Value, not_a: Value, is_b: Value, not_b: Value) -> tuple[Value, Value]:
        if how is ast.And:
            return both(is_a, is_b), either(not_a, not_b)
        if how is ast.Or:
            return either(is_a, is_b), both(not_a, not_b)
        return either(both(is_a, not_b), both(is_b, not_a)), either(both(is_a, is_b), both(not_a, not_b))

    return functools.reduce(lambda one, other: _computed(node, of_two, *one, *other), parts)


def _joined(node: Any, columns: Mapping[str, Value]) -> Value:
    join = functools.partial(_computed, node, JOINED[type(node.op)])
    return functools.reduce(join, (evaluated(part, columns) for part in node.values))


def _compare(node: Any, columns: Mapping[str, Value]) -> Value:
    return _chain(node, *_steps(node, columns), ast.And)


def _steps(node: ast.Compare, columns: Mapping[str, Value]) -> tuple[list[type[ast.cmpop]], list[Value]]:
    return [type(it) for it in node.ops], [evaluated(part, columns) for part in (node.left, *node.comparators)]


def _chain(node: ast.expr, how: list[type[ast.cmpop]], values: list[Value], join: type[ast.boolop]) -> Value:
    steps = (
        _computed(node, COMPARISONS[kind], left, right)
        for kind, left, right in zip(how, values[:-1], values[1:], strict=True)
    )
    return functools.reduce(functools.partial(_computed, node, JOINED[join]), steps)


def _call(node: Any, columns: Mapping[str, Value]) -> Value:
    function, _, _ = FUNCTIONS[node.func.id]
    values = [evaluated(argument, columns) for argument in node.args]
    if node.func.id not in AS_GIVEN:
        values = [_computed(node, settled, _computed(node, signed, value)) for value in values]
    return _computed(node, function, *values)


def _subscript(node: Any, columns: Mapping[str, Value]) -> Value:
    return _computed(node, chosen, evaluated(node.value, columns), evaluated(node.slice, columns))


_EVALUATIONS: dict[type[ast.expr], Callable[[Any, Mapping[str, Value]], Value]] = {
    ast.Name: _constant,
    ast.Constant: _constant,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _joined,
    ast.Compare: _compare,
    ast.Call: _call,
    ast.Subscript: _subscript,
}
