"""Expressions give what a loop over events gives, written independently with Python's numbers and three-valued logic.

In the loop a missing integer is None, a condition that needs NaN or None is None, and a condition that is None at the
end does not pass.
"""

from __future__ import annotations

import ast
import math
import operator
from typing import Any

import awkward as ak
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simmorph.data.expressions.expression import parse
from simmorph.errors import ConfigError

ARITHMETIC: dict[type, Any] = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
BITS: dict[type, Any] = {
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor, ast.RShift: operator.rshift,
}  # fmt: skip
COMPARED: dict[type, Any] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}  # fmt: skip


def lifted(function: Any, *values: Any) -> Any:
    """Entry by entry where a value is a list."""
    lists = [value for value in values if isinstance(value, list)]
    if not lists:
        return function(*values)
    return [
        function(*(value[at] if isinstance(value, list) else value for value in values)) for at in range(len(lists[0]))
    ]


def is_unknown(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def compared(how: Any) -> Any:
    return lambda left, right: None if is_unknown(left) or is_unknown(right) else how(left, right)


def negated(value: Any) -> Any:
    return None if value is None else not value


def both(left: Any, right: Any) -> Any:
    return False if left is False or right is False else None if left is None or right is None else True


def either(left: Any, right: Any) -> Any:
    return negated(both(negated(left), negated(right)))


def bitwise(how: Any) -> Any:
    def compute(left: Any, right: Any) -> Any:
        if isinstance(left, bool) or isinstance(right, bool):
            if how is operator.and_:
                return both(left, right)
            if how is operator.or_:
                return either(left, right)
        return None if left is None or right is None else how(left, right)

    return compute


def inverted(value: Any) -> Any:
    return negated(value) if value is None or isinstance(value, bool) else ~value


UNARY: dict[type, Any] = {ast.Not: negated, ast.USub: operator.neg, ast.Invert: inverted}


def calculated(how: Any) -> Any:
    return lambda left, right: how(math.nan if left is None else left, math.nan if right is None else right)


def looked_up(values: list[Any], at: Any, written: bool) -> Any:
    place = at + len(values) if written and at is not None and at < 0 else at
    return values[place] if place is not None and 0 <= place < len(values) else None


def in_loop(node: Any, event: dict[str, Any]) -> Any:  # noqa: PLR0911 - a return for each kind of node
    """The value of a formula for one event."""
    if isinstance(node, ast.Name):
        return event[node.id]
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp):
        return lifted(UNARY[type(node.op)], in_loop(node.operand, event))
    if isinstance(node, ast.BinOp):
        how = bitwise(BITS[type(node.op)]) if type(node.op) in BITS else calculated(ARITHMETIC[type(node.op)])
        return lifted(how, in_loop(node.left, event), in_loop(node.right, event))
    if isinstance(node, ast.BoolOp):
        parts = [in_loop(part, event) for part in node.values]
        return lifted(both if isinstance(node.op, ast.And) else either, *parts)
    if isinstance(node, ast.Compare):
        how = compared(COMPARED[type(node.ops[0])])
        return lifted(how, in_loop(node.left, event), in_loop(node.comparators[0], event))
    if isinstance(node, ast.Subscript):
        values, at = in_loop(node.value, event), in_loop(node.slice, event)
        written = isinstance(node.slice, (ast.Constant, ast.UnaryOp))
        return lifted(lambda place: looked_up(values, place, written), at)
    return called(node.func.id, [in_loop(argument, event) for argument in node.args])


def called(name: str, values: list[Any]) -> Any:
    if name == "entry":
        return lifted(lambda at: values[2] if (it := looked_up(values[0], at, False)) is None else it, values[1])
    if name == "where":
        return lifted(lambda it, yes, no: yes if it is True else no, *values)
    return REDUCE[name](values[0])


def counted(entries: list[Any]) -> int:
    is_condition = any(it is None or isinstance(it, bool) for it in entries)
    return sum(it is True for it in entries) if is_condition else len(entries)


def reduced(how: Any) -> Any:
    def compute(entries: list[Any]) -> Any:
        known = [math.nan if it is None else it for it in entries]
        return how(known) if known and not any(map(math.isnan, known)) else math.nan

    return compute


REDUCE: dict[str, Any] = {
    "any": lambda entries: any(it is True for it in entries),
    "all": lambda entries: all(it is True for it in entries),
    "count": counted,
    "sum": lambda entries: sum(math.nan if it is None else it for it in entries),
    "min": reduced(min),
    "max": reduced(max),
    "mean": reduced(lambda known: sum(known) / len(known)),
}


SMALL = st.integers(-4, 20)
FLOATS = st.one_of(st.just(math.nan), st.integers(-6, 6).map(lambda n: n / 2))


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    n_entries = draw(st.integers(0, 3))

    def several(each: Any) -> Any:
        return st.lists(each, min_size=n_entries, max_size=n_entries)

    each = {"x": FLOATS, "n": SMALL, "u": st.integers(0, 2**64 - 1), "b": st.booleans(), "c": st.integers(-1, 3)}
    event = {name: draw(numbers) for name, numbers in each.items()}
    lists = {"xs": several(FLOATS), "ns": several(SMALL), "us": several(st.integers(0, 2**64 - 1))}
    lists |= {"bs": several(st.booleans()), "cs": several(st.integers(-1, 3))}
    return {**event, **{name: draw(numbers) for name, numbers in lists.items()}}


TYPES = {"x": np.float32, "n": np.int16, "u": np.uint64, "b": np.bool_, "c": np.int32}


def columns_of(table: list[dict[str, Any]]) -> dict[str, Any]:
    """The events as columns; a list of lists of numbers by its offsets, so that empty ones keep their type."""
    columns: dict[str, Any] = {name: np.array([it[name] for it in table], kind) for name, kind in TYPES.items()}
    for name, kind in TYPES.items():
        flat: Any = np.array([entry for it in table for entry in it[f"{name}s"]], kind)
        columns[f"{name}s"] = ak.unflatten(flat, np.array([len(it[f"{name}s"]) for it in table], np.int64))
    return columns


def pairs(inner: Any, signs: list[str], other: Any = None) -> Any:
    parts = st.tuples(inner, st.sampled_from(signs), inner if other is None else other)
    return parts.map(lambda it: f"({it[0]} {it[1]} {it[2]})")


def formulas(s: str) -> tuple[Any, Any, Any]:
    """Integers, numbers and conditions: of events, or of lists where `s` stands behind each name."""
    integers = st.deferred(lambda: st.one_of(
        st.sampled_from([f"n{s}", f"c{s}", "2", "5"]),
        st.sampled_from([f"ns[c{s}]", f"entry(ns, c{s}, 7)", f"ns[cs[c{s}]]", *(["ns[0]", "ns[-1]"] if not s else [])]),
        pairs(integers, ["&", "|", "^"]),
        pairs(integers, [">>"], st.sampled_from(["0", "1", "3"])),
        integers.map(lambda it: f"(~{it})"),
    ))  # fmt: skip
    numbers = st.deferred(lambda: st.one_of(
        st.sampled_from([f"x{s}", f"xs[c{s}]", "1.5"]),
        integers,
        pairs(numbers, ["+", "-", "*"]),
        st.tuples(conditions, numbers, numbers).map(lambda it: f"where({', '.join(it)})"),
    ))  # fmt: skip
    conditions = st.deferred(lambda: st.one_of(
        st.sampled_from([f"b{s}", f"bs[c{s}]", f"(u{s} >= 9223372036854775809)", f"((u{s} & 6) == 6)"]),
        st.sampled_from([f"(u{s} > c{s})", f"((u{s} >> 63) == 1)", f"(us[c{s}] >= 3)"]),
        pairs(numbers, ["<", "<=", ">", ">=", "==", "!="]),
        pairs(conditions, ["and", "or", "&", "|", "^"]),
        conditions.map(lambda it: f"(not {it})"),
        conditions.map(lambda it: f"(~{it})"),
    ))  # fmt: skip
    return integers, numbers, conditions


INTEGERS, NUMBERS, CONDITIONS = formulas("")
OF_LISTS = formulas("s")
REDUCED = st.one_of(
    st.tuples(st.sampled_from(["sum", "min", "max", "mean", "count"]), OF_LISTS[1].map(lambda it: f"{it} + 0 * ns")),
    st.tuples(st.sampled_from(["count", "any", "all"]), OF_LISTS[2].map(lambda it: f"{it} and ns == ns")),
).map(lambda it: f"{it[0]}({it[1]})")


def agree(mine: Any, known: Any) -> bool:
    if isinstance(known, list):
        return len(mine) == len(known) and all(map(agree, mine, known))
    if known is None:
        return mine is False or (isinstance(mine, float) and math.isnan(mine))
    return bool(mine == known) or (is_unknown(known) and math.isnan(mine))


@settings(max_examples=400, deadline=None)
@given(
    text=st.one_of(INTEGERS, NUMBERS, CONDITIONS, *OF_LISTS, REDUCED), table=st.lists(events(), min_size=1, max_size=4)
)
def test_each_event_gets_what_a_loop_gives_it(text: str, table: list[dict[str, Any]]) -> None:
    if len(text) > 300:
        return
    tree = ast.parse(text, mode="eval").body
    expected = [in_loop(tree, event) for event in table]
    try:
        found = parse(text).evaluate(columns_of(table))
    except ConfigError as error:
        if "more than 64 bits" in str(error) or "too large" in str(error):
            return
        raise
    assert agree(found.tolist(), expected), (text, found.tolist(), expected)


@settings(max_examples=100, deadline=None)
@given(
    text=st.one_of(INTEGERS, NUMBERS, CONDITIONS, *OF_LISTS, REDUCED), table=st.lists(events(), min_size=2, max_size=4)
)
def test_types_and_values_do_not_depend_on_the_other_events(text: str, table: list[dict[str, Any]]) -> None:
    if len(text) > 300:
        return
    try:
        whole = parse(text).evaluate(columns_of(table))
        parts = [parse(text).evaluate(columns_of([event])) for event in table]
    except ConfigError:
        return
    assert agree(whole.tolist(), [part.tolist()[0] for part in parts])
    for part in parts:
        assert str(ak.type(part)).split("*", 1)[1] == str(ak.type(whole)).split("*", 1)[1]
