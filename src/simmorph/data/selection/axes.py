"""Over what the lists in an expression run: lists of photons and lists of jets are not taken entry by entry."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from simmorph.data.expressions.grammar import column_of
from simmorph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simmorph.data.expressions.expression import Expression

PER_EVENT, UNKNOWN = "", "?"
"""One value for each event; and what only the file tells. Lists are called as the objects they are of."""
_REDUCING = frozenset({"sum", "any", "all", "count", "mean", "argmin", "argmax"})
_OF_THE_FIRST = frozenset({"min_delta_r", "nearest"})


def axis_of(expression: Expression, known: Callable[[str], str]) -> str:
    """Over what the values of an expression run.

    Args:
        expression: the formula.
        known: the same for the names in it.

    Raises:
        ConfigError: it takes lists of different objects entry by entry.
    """
    return _Axes(expression, known).of(expression.tree)


class _Axes:
    def __init__(self, expression: Expression, known: Callable[[str], str]) -> None:
        self.expression, self.known = expression, known

    def of(self, node: ast.expr) -> str:
        name = column_of(node)
        if name is not None:
            return self.known(name)
        if isinstance(node, ast.Subscript):
            return self._of_entries(node.value, node.slice)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._of_call(node.func.id, node.args)
        return self._common([it for it in ast.iter_child_nodes(node) if isinstance(it, ast.expr)])

    def _of_call(self, name: str, arguments: Sequence[ast.expr]) -> str:
        if name == "entry":
            return self._of_entries(arguments[0], arguments[1])
        if name in _OF_THE_FIRST:
            self._common(arguments[2:])
            return self._common(arguments[:2])
        axis = self._common(arguments)
        is_reduced = name in _REDUCING or (name in ("min", "max") and len(arguments) == 1)
        return PER_EVENT if is_reduced else axis

    def _of_entries(self, lists: ast.expr, index: ast.expr) -> str:
        axis, places = self.of(lists), self.of(index)
        if places == PER_EVENT or UNKNOWN in (axis, places):
            return PER_EVENT if places == PER_EVENT else UNKNOWN
        is_not = isinstance(index, ast.UnaryOp) and isinstance(index.op, ast.Not)
        is_condition = is_not or isinstance(index, (ast.Compare, ast.BoolOp))
        if axis != places:
            return self._mixed({axis, places}) if is_condition else places
        return f"{axis} with {ast.unparse(index)}" if is_condition else UNKNOWN

    def _common(self, nodes: Sequence[ast.expr]) -> str:
        found = {self.of(node) for node in nodes}
        lists = found - {PER_EVENT, UNKNOWN}
        if len(lists) > 1:
            return self._mixed(lists)
        return next(iter(lists), UNKNOWN if UNKNOWN in found else PER_EVENT)

    def _mixed(self, lists: set[str]) -> str:
        what = f"{self.expression.text!r} takes lists of {' and of '.join(sorted(lists))} entry by entry"
        mend = "use min_delta_r, an index such as [0] or [nearest(...)], any(), or pairs of them"
        raise ConfigError(self.expression.where, what, mend)
