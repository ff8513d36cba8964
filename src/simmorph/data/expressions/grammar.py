"""What an expression may hold: its parts, their number and their depth are bounded, and nothing else gets in."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from simmorph.data.expressions.functions import CONSTANTS, FUNCTIONS
from simmorph.data.expressions.operators import BINARY, COMPARISONS, JOINED, UNARY
from simmorph.errors import ConfigError, one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_NODES = 500
MAX_DEPTH = 50
BRANCH = "branch"
"""`branch("odd name")` is the column of that name, for names that are no words."""


def names_in(tree: ast.expr, where: str, text: str) -> Iterator[str]:
    """The columns used, after checking that every part of the formula is one that formulas may have."""
    waiting, n_nodes = [(tree, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        n_nodes += 1
        if depth > MAX_DEPTH or n_nodes > MAX_NODES:
            raise ConfigError(where, "an expression is too large", "split it into several named ones")
        name = column_of(node)
        if name is not None:
            yield name
            continue
        fault = _fault_of(node) or _bracket_fault(node, text)
        if fault:
            raise ConfigError(where, f"{text[:80]!r}: {fault}")
        waiting += [(part, depth + 1) for part in _parts(node)]


def column_of(node: ast.expr) -> str | None:
    """The column that a node stands for, if it does."""
    if isinstance(node, ast.Name):
        return None if node.id in CONSTANTS else node.id
    is_branch = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == BRANCH
    if is_branch and isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        argument = node.args[0]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            return argument.value
    return None


def columns_of(tree: ast.expr) -> set[str]:
    """The columns that a part of a formula uses."""
    name = column_of(tree)
    return {name} if name is not None else {found for part in _parts(tree) for found in columns_of(part)}


def _parts(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.Call):
        return list(node.args)
    return [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]


def _fault_of(node: ast.expr) -> str:
    """What is wrong with a node by itself; empty if nothing is."""
    for kind, check in _CHECKS.items():
        if isinstance(node, kind):
            return check(node)
    return f"{type(node).__name__.lower()} is not allowed; expressions are numbers, columns, operators and functions"


def _call_fault(node: Any) -> str:
    if not isinstance(node.func, ast.Name):
        return "only functions can be called"
    name = node.func.id
    if name == BRANCH:
        return 'branch takes one name in quotes, like branch("odd name")'
    if name not in FUNCTIONS:
        return f"unknown function {name!r}; {one_of(name, FUNCTIONS)}"
    _, fewest, most = FUNCTIONS[name]
    if node.keywords or not fewest <= len(node.args) <= most:
        return f"{name} takes {fewest if fewest == most else f'{fewest} to {most}'} arguments, by position"
    return ""


def _constant_fault(node: Any) -> str:
    if isinstance(node.value, (bool, float)):
        return ""
    if isinstance(node.value, int):
        return "" if node.value < 2**64 else "an integer is too large"
    return f"{type(node.value).__name__} values are not allowed; write column names without quotes"


def _operator_fault(known: Mapping[Any, Any]) -> Callable[[Any], str]:
    def check(node: Any) -> str:
        return "" if type(node.op) in known else f"operator {type(node.op).__name__} is not allowed"

    return check


def _comparison_fault(node: Any) -> str:
    unknown = [type(it).__name__ for it in node.ops if type(it) not in COMPARISONS]
    return f"comparison {unknown[0]} is not allowed" if unknown else ""


def _bracket_fault(node: ast.expr, text: str) -> str:
    """Refuse `a > 1 & b > 2`, which reads as `a > (1 & b) > 2`, and `a & b == c`, which C++ reads as `a & (b == c)`."""
    operands = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
    if all(_is_in_brackets(it, text) for it in operands if isinstance(it, ast.BinOp) and isinstance(it.op, _BITWISE)):
        return ""
    return "beside a comparison, `&`, `|` and `^` need brackets: (a & b) == c; or write `and`, `or`"


def _is_in_brackets(node: ast.expr, text: str) -> bool:
    lines = text.encode().splitlines(keepends=True)
    before = b"".join(lines[: node.lineno - 1]) + lines[node.lineno - 1][: node.col_offset]
    last = (node.end_lineno or node.lineno) - 1
    after = lines[last][node.end_col_offset :] + b"".join(lines[last + 1 :])
    return before.rstrip().endswith(b"(") and after.lstrip().startswith(b")")


_BITWISE = (ast.BitAnd, ast.BitOr, ast.BitXor)
_CHECKS: dict[type[ast.expr], Callable[[Any], str]] = {
    ast.Name: lambda _: "",
    ast.Constant: _constant_fault,
    ast.BinOp: _operator_fault(BINARY),
    ast.UnaryOp: _operator_fault(UNARY),
    ast.BoolOp: _operator_fault(JOINED),
    ast.Compare: _comparison_fault,
    ast.Call: _call_fault,
    ast.Subscript: lambda _: "",
}
