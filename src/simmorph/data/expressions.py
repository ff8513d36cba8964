"""Expressions of columns, as users write them in YAML: `35 <= pt1 <= 250 and abs(eta1) < 2.37`.

A text is parsed into a small tree of known parts and evaluated by walking it. Nothing is ever compiled or run, there
are no attributes, and depth and size are bounded: a recipe from a stranger can compute, and nothing else.
"""

from __future__ import annotations

import ast
import functools
import operator
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from simmorph.errors import ConfigError, SimmorphError, one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from simmorph.data.events import BoolArray

Value = Any
"""A number, a numpy array of one value per event, or an awkward array of a list per event."""

MAX_CHARACTERS = 5000
MAX_NODES = 500
MAX_DEPTH = 50
CONSTANTS: dict[str, Value] = {"pi": np.pi, "nan": np.nan, "inf": np.inf}
BRANCH = "branch"
"""`branch("odd name")` is the column of that name, for names that are no words."""


def _reduced(function: Callable[..., Value], empty: float | None = None) -> Callable[[Value], Value]:
    """One value for each event's list; `empty` for an empty list, if the function has none for it."""

    def reduce(values: Value) -> Value:
        lists = _lists(values)
        if empty is None:
            return _flat(function(lists, axis=1))
        return _flat(ak.fill_none(function(ak.values_astype(lists, np.float64), axis=1), empty))

    return reduce


def _lists(values: Value) -> ak.Array:
    """The values, if they are a list per event; reducing over events would depend on how they are read."""
    if isinstance(values, np.ndarray) and values.ndim > 1:
        values = ak.Array(values)
    if not isinstance(values, ak.Array) or values.ndim < 2:
        raise TypeError("a list per event is needed, and this is one number per event")
    return values


def _count(values: Value) -> Value:
    """How many values each event's list has; of booleans, how many are true."""
    lists = _lists(values)
    is_boolean = "bool" in str(lists.type)
    return _flat(ak.sum(lists, axis=1) if is_boolean else ak.num(lists, axis=1))


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


def _flat(values: Value) -> Value:
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


_BINARY: dict[type[ast.operator], Callable[[Value, Value], Value]] = {
    ast.Add: _arithmetic(np.add), ast.Sub: _arithmetic(np.subtract), ast.Mult: _arithmetic(np.multiply),
    ast.Div: _arithmetic(np.divide), ast.Mod: _arithmetic(np.remainder), ast.Pow: _arithmetic(_power),
    ast.FloorDiv: _arithmetic(np.floor_divide), ast.BitAnd: np.bitwise_and, ast.BitOr: np.bitwise_or,
}  # fmt: skip
_UNARY: dict[type[ast.unaryop], Callable[[Value], Value]] = {
    ast.USub: lambda value: np.negative(_number(value)), ast.UAdd: _number,
    ast.Not: np.logical_not, ast.Invert: _invert,
}  # fmt: skip


def _differ(left: Value, right: Value) -> Value:
    """Whether two values are known and not the same; NaN is not known."""
    return np.logical_and(left != right, np.logical_and(left == left, right == right))  # noqa: PLR0124 - NaN is not


_COMPARISONS: dict[type[ast.cmpop], Callable[[Value, Value], Value]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: _differ,
}  # fmt: skip
_JOINED: dict[type[ast.boolop], Callable[[Value, Value], Value]] = {ast.And: np.logical_and, ast.Or: np.logical_or}
_OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip


@dataclass(frozen=True)
class Expression:
    """A formula of columns.

    Attributes:
        text: the formula as it was written.
        names: the columns it needs.
        where: the file and key it stands in, for messages.
        tree: the formula, parsed.
    """

    text: str
    names: frozenset[str]
    where: str = field(repr=False)
    tree: ast.expr = field(repr=False, compare=False)

    def evaluate(self, columns: Mapping[str, Value]) -> Value:
        """The formula's value for every event: numpy for one number per event, awkward for a list per event.

        Integers are computed with 64 bits and floats in double precision, so that nothing wraps around. A missing
        value, like the maximum of no photons, is NaN, which fails every comparison, with `not` before it too.

        Raises:
            ConfigError: a column is missing or is not of a kind that the formula can use.
        """
        missing = sorted(self.names - columns.keys())
        if missing:
            raise ConfigError(
                self.where, f"{self.text!r} needs {missing[0]!r}, which is not there", one_of(missing[0], columns)
            )
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return _spread(_flat(_evaluate(self.tree, columns)), columns)
        except SimmorphError:
            raise
        except Exception as error:
            reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
            raise ConfigError(self.where, f"{self.text!r} cannot be computed: {reason}") from error

    def passes(self, columns: Mapping[str, Value]) -> BoolArray:
        """(n_events,), which events pass this formula as a cut; where a comparison needs NaN, they do not.

        Raises:
            ConfigError: see `evaluate`; or it is not one boolean for each event.
        """
        return self.booleans(columns, is_object=False)  # type: ignore[no-any-return]

    def numbers(self, columns: Mapping[str, Value]) -> NDArray[Any]:
        """(n_events,), the value, which is one number or boolean for each event.

        Raises:
            ConfigError: see `evaluate`; or it is something else.
        """
        values = self.evaluate(columns)
        if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in "biuf":
            what = f"{self.text!r} is not one number per event"
            raise ConfigError(self.where, what, "take one with [0], or sum(), max(), any()")
        return values

    def booleans(self, columns: Mapping[str, Value], *, is_object: bool) -> Value:
        """The value as a cut: a boolean for each event or, of objects, for each entry of each event's list.

        Raises:
            ConfigError: see `evaluate`; or it is something else.
        """
        values = self.evaluate(columns)
        is_list = isinstance(values, ak.Array)
        is_boolean = "bool" in str(values.type) if is_list else values.dtype == np.bool_
        if is_boolean and (values.ndim == 1 or (is_object and values.ndim == 2)):
            return values
        what = f"{self.text!r} is not true or false for each event"
        mend = "choose one with [0], or use any(), all(), count()" if is_list else "compare it with something"
        raise ConfigError(self.where, what, mend)


def _spread(value: Value, columns: Mapping[str, Value]) -> Value:
    """A constant, repeated for every event."""
    if isinstance(value, ak.Array) or (isinstance(value, np.ndarray) and value.ndim):
        return value
    n_events = len(next(iter(columns.values()))) if columns else 1
    return np.full(n_events, value)


def parse(text: str, where: str = "expression") -> Expression:
    """Read a formula.

    Args:
        text: the formula.
        where: the file and key it stands in, for messages.

    Raises:
        ConfigError: it is not a formula, or uses more than formulas may.
    """
    text = text.strip()
    if not text or len(text) > MAX_CHARACTERS:
        raise ConfigError(where, "an expression is empty" if not text else "an expression is too long")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        shown = text if len(text) <= 80 else text[:77] + "..."
        raise ConfigError(where, f"{shown!r} is not an expression: {_reason(error)}") from error
    names = frozenset(_names(tree, where, text))
    return Expression(text, names, where, tree)


def parse_all(texts: Mapping[str, str], block: str) -> dict[str, Expression]:
    """Read the formulas of a block of a recipe, by name; see `parse`."""
    return {name: parse(text, f"{block}.{name}") for name, text in texts.items()}


def _reason(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.msg} at character {error.offset}"
    return "it is nested too deeply" if isinstance(error, (RecursionError, MemoryError)) else str(error)


def _names(tree: ast.expr, where: str, text: str) -> Iterator[str]:
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
        fault = _fault_of(node)
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
    """Refuse `a > 1 & b > 2`, which reads as `a > (1 & b) > 2`."""
    unknown = [type(it).__name__ for it in node.ops if type(it) not in _COMPARISONS]
    if unknown:
        return f"comparison {unknown[0]} is not allowed"
    is_bits = len(node.ops) == 1 and isinstance(node.left, ast.BinOp) and isinstance(node.left.right, ast.Constant)
    operands = node.comparators if is_bits else [node.left, *node.comparators]
    if any(isinstance(it, ast.BinOp) and isinstance(it.op, (ast.BitAnd, ast.BitOr)) for it in operands):
        return "`&` and `|` bind tighter than comparisons; write `and` and `or`"
    return ""


_CHECKS: dict[type[ast.expr], Callable[[Any], str]] = {
    ast.Name: lambda _: "",
    ast.Constant: _constant_fault,
    ast.BinOp: _operator_fault(_BINARY),
    ast.UnaryOp: _operator_fault(_UNARY),
    ast.BoolOp: _operator_fault(_JOINED),
    ast.Compare: _comparison_fault,
    ast.Call: _call_fault,
    ast.Subscript: lambda _: "",
}


def _evaluate(node: ast.expr, columns: Mapping[str, Value]) -> Value:
    name = column_of(node)
    if name is not None:
        return _wide(columns[name])
    return _EVALUATIONS[type(node)](node, columns)


def _wide(column: Value) -> Value:
    """The column with integers of 64 bits and floats of double precision."""
    if isinstance(column, ak.Array):
        column = _flat(column)
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
    return _BINARY[type(node.op)](_evaluate(node.left, columns), _evaluate(node.right, columns))


def _unary(node: Any, columns: Mapping[str, Value]) -> Value:
    opposite = _opposite(node.operand) if isinstance(node.op, (ast.Not, ast.Invert)) else None
    return _UNARY[type(node.op)](_evaluate(node.operand, columns)) if opposite is None else _evaluate(opposite, columns)


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
            ast.Compare(left, [_OPPOSITES[type(how)]()], [right])
            for left, how, right in zip(lefts, node.ops, node.comparators, strict=True)
        ]
        return steps[0] if len(steps) == 1 else ast.BoolOp(ast.Or(), steps)
    return None


def _joined(node: Any, columns: Mapping[str, Value]) -> Value:
    return functools.reduce(_JOINED[type(node.op)], (_evaluate(part, columns) for part in node.values))


def _compare(node: Any, columns: Mapping[str, Value]) -> Value:
    operands = [_evaluate(part, columns) for part in (node.left, *node.comparators)]
    steps = zip(node.ops, operands[:-1], operands[1:], strict=True)
    return functools.reduce(np.logical_and, (_COMPARISONS[type(how)](left, right) for how, left, right in steps))


def _call(node: Any, columns: Mapping[str, Value]) -> Value:
    function, _, _ = FUNCTIONS[node.func.id]
    return function(*(_evaluate(argument, columns) for argument in node.args))


def _subscript(node: Any, columns: Mapping[str, Value]) -> Value:
    """One entry of each event's list (NaN, or false, where there is none), or those for which a condition holds."""
    lists, index = _lists(_evaluate(node.value, columns)), _evaluate(node.slice, columns)
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
