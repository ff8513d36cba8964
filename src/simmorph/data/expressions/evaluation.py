"""Expressions are evaluated by walking them: nothing is ever compiled or run."""

from __future__ import annotations

import ast
import functools
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from simmorph.data.expressions.functions import (
    BINARY,
    COMPARISONS,
    CONSTANTS,
    FUNCTIONS,
    JOINED,
    OPPOSITES,
    UNARY,
    flat,
    lists_of,
)
from simmorph.data.expressions.grammar import column_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simmorph.data.expressions.functions import Value


def evaluated(node: ast.expr, columns: Mapping[str, Value]) -> Value:
    """The value of a part of an expression, by walking it."""
    name = column_of(node)
    if name is not None:
        return _wide(columns[name])
    return _EVALUATIONS[type(node)](node, columns)


def _wide(column: Value) -> Value:
    """The column with integers of 64 bits and floats of double precision."""
    if isinstance(column, ak.Array):
        column = flat(column)
    if isinstance(column, ak.Array):
        kind = np.float64 if "float" in str(column.type) else np.int64
        keep = any(word in str(column.type) for word in ("bool", "string", "int64", "float64", "{"))
        return column if keep else ak.values_astype(column, kind)
    array = np.asarray(column)
    if array.dtype.kind == "f":
        return array.astype(np.float64, copy=False)
    fits = array.dtype.kind in "iu" and (array.dtype != np.uint64 or array.max(initial=0) < 2**63)
    return array.astype(np.int64) if fits else array


def _constant(node: Any, columns: Mapping[str, Value]) -> Value:  # noqa: ARG001
    return CONSTANTS[node.id] if isinstance(node, ast.Name) else node.value


def _binary(node: Any, columns: Mapping[str, Value]) -> Value:
    return BINARY[type(node.op)](evaluated(node.left, columns), evaluated(node.right, columns))


def _unary(node: Any, columns: Mapping[str, Value]) -> Value:
    opposite = _opposite(node.operand) if isinstance(node.op, (ast.Not, ast.Invert)) else None
    return UNARY[type(node.op)](evaluated(node.operand, columns)) if opposite is None else evaluated(opposite, columns)


def _opposite(node: ast.expr) -> ast.expr | None:
    """What is true where a condition is false, and nowhere where it is undecided for NaN; None if it is no condition.

    `not (x > 1)` is `x <= 1`, and `not (a and b)` is `not a or not b`.
    """
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.Invert)):
        return node.operand
    if isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return ast.BoolOp(other, [ast.UnaryOp(ast.Not(), part) for part in node.values])
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitAnd, ast.BitOr)):
        sides = _opposite(node.left), _opposite(node.right)
        if sides[0] is None or sides[1] is None:
            return None
        return ast.BinOp(sides[0], ast.BitOr() if isinstance(node.op, ast.BitAnd) else ast.BitAnd(), sides[1])
    if isinstance(node, ast.Compare):
        lefts = [node.left, *node.comparators[:-1]]
        steps: list[ast.expr] = [
            ast.Compare(left, [OPPOSITES[type(how)]()], [right])
            for left, how, right in zip(lefts, node.ops, node.comparators, strict=True)
        ]
        return steps[0] if len(steps) == 1 else ast.BoolOp(ast.Or(), steps)
    return None


def _joined(node: Any, columns: Mapping[str, Value]) -> Value:
    return functools.reduce(JOINED[type(node.op)], (evaluated(part, columns) for part in node.values))


def _compare(node: Any, columns: Mapping[str, Value]) -> Value:
    operands = [evaluated(part, columns) for part in (node.left, *node.comparators)]
    steps = zip(node.ops, operands[:-1], operands[1:], strict=True)
    return functools.reduce(np.logical_and, (COMPARISONS[type(how)](left, right) for how, left, right in steps))


def _call(node: Any, columns: Mapping[str, Value]) -> Value:
    function, _, _ = FUNCTIONS[node.func.id]
    return function(*(evaluated(argument, columns) for argument in node.args))


def _subscript(node: Any, columns: Mapping[str, Value]) -> Value:
    """One entry of each event's list (NaN, or false, where there is none), or those for which a condition holds."""
    lists, index = lists_of(evaluated(node.value, columns)), evaluated(node.slice, columns)
    if isinstance(index, ak.Array):
        return lists[index]
    if not isinstance(index, (int, np.integer)) or isinstance(index, bool) or abs(int(index)) > 1000:
        raise TypeError("an index is a small integer, or a condition on each entry of the list")
    return _entry(lists, int(index))


def _entry(lists: ak.Array, index: int) -> Value:
    """Entry `index` of each event's list, counted from its end if it is negative."""
    if lists.ndim > 2:
        raise TypeError("lists of lists cannot be indexed")
    counts, entries = ak.to_numpy(ak.num(lists)), ak.to_numpy(ak.flatten(lists))
    at = np.cumsum(counts) - (counts if index >= 0 else 0) + index
    has_it = counts > index if index >= 0 else counts >= -index
    is_boolean = entries.dtype == np.bool_
    found = np.zeros(len(counts), np.bool_) if is_boolean else np.full(len(counts), np.nan)
    found[has_it] = entries[at[has_it]]
    return found


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
