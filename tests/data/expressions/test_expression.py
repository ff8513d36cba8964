"""Expressions compute what a physicist means, and nothing that a stranger's YAML should be able to do."""

from __future__ import annotations

import math

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simmorph.data.expressions.expression import parse
from simmorph.data.expressions.functions import FUNCTIONS
from simmorph.data.expressions.grammar import MAX_NODES
from simmorph.errors import ConfigError

COLUMNS = {
    "pt1": np.array([10.0, 40.0, 300.0], np.float32),
    "n": np.array([0, 1, 2], np.uint32),
    "event": np.array([2**62 + 1, 1, 2], np.uint64),
    "passed": np.array([True, True, False]),
    "pt": ak.values_astype(ak.Array([[40.0, 30.0], [], [5.0]]), np.float32),
    "tight": ak.Array([[True, False], [], [True]]),
    "bits": np.array([2**63 + 1, 1, 2], np.uint64),
    "masks": ak.Array([[3, 12], [], [4]]),
    "at": ak.Array([[1, 0, 2], [], [-1]]),
    "grid": np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
    "maybe": ak.Array([7, None, 9]),
    "odd >= name": np.arange(3),
    "word": ak.Array(["a", "bb", ""]),
}

KNOWN_ANSWERS = [
    ("35 <= pt1 <= 250", [False, True, False]),
    ("pt1 > 20 and passed", [False, True, False]),
    ("not passed or n == 0", [True, False, True]),
    ("(pt1 > 20) & ~passed | (n == 0)", [True, False, True]),
    ("n - 1", [-1, 0, 1]),
    ("-n", [0, -1, -2]),
    ("passed + passed", [2, 2, 0]),
    ("event % 2", [1, 1, 0]),
    ("(n & 2) == 2", [False, False, True]),
    ("max(n, 1, pt1 / 40)", [1, 1, 7.5]),
    ("sum(pt)", [70, 0, 5]),
    ("count(pt)", [2, 0, 1]),
    ("count(tight)", [1, 0, 1]),
    ("count(pt > 20)", [2, 0, 0]),
    ("count(pt[tight])", [1, 0, 1]),
    ("any(pt > 20)", [True, False, False]),
    ("all(tight)", [False, True, True]),
    ("max(pt) > 4", [True, False, True]),
    ("pt[1] > 4", [True, False, False]),
    ("tight[0]", [True, False, True]),
    ("sum(where(pt > 30, pt, 0))", [40, 0, 0]),
    ("where(isfinite(pt[-1]), pt[-1], 0)", [30, 0, 5]),
    ('branch("odd >= name") * 2', [0, 2, 4]),
    ("sqrt(2 * n * (cosh(0) - cos(pi)))", [0, 2, math.sqrt(8)]),
    ("hypot(3, 4)", [5, 5, 5]),
    ("2 ** 0.5 ** 2 < 1.2", [True, True, True]),
    ("(n & 3) == (n & 3)", [True, True, True]),
    ("n | 4", [4, 5, 6]),
    ("n ^ 3", [3, 2, 1]),
    ("~n", [-1, -2, -3]),
    ("1 << n", [1, 2, 4]),
    ("(256 >> n & 64) != 0", [False, False, True]),
    ("(bits & 9223372036854775808) == 9223372036854775808", [True, False, False]),
    ("(bits & ~1) >> 1", [2**62, 0, 1]),
    ("passed ^ (n == 1)", [True, False, False]),
    ("(masks & 4) != 0", [[False, True], [], [True]]),
    ("count((masks & 4) == 4)", [1, 0, 1]),
    ("(masks[0] & 1) == 1", [True, False, False]),
    ("not (masks[0] & 1) == 1", [False, False, True]),
    ("not (masks[0] & 1)", [False, False, True]),
    ("entry(masks, 0, -1)", [3, -1, 4]),
    ("entry(masks, n, 9)", [3, 9, 9]),
    ("masks[n] == 3", [True, False, False]),
    ("entry(pt, at, -1)", [[30, 40, -1], [], [-1]]),
    ("masks[at] == 12", [[True, False, False], [], [False]]),
    ("round(pt1 / 7)", [1, 6, 43]),
    ("round(pt1 / 7, 2)", [1.43, 5.71, 42.86]),
    ("arccos(cos(1)) + arcsin(sin(1)) + tan(0)", [2, 2, 2]),
    ("event % 5", [(2**62 + 1) % 5, 1, 2]),
    ("isfinite(bits)", [True, True, True]),
    ("isfinite(maybe)", [True, False, True]),
    ("not isfinite(maybe)", [False, True, False]),
    ("bits % 5", [(2**63 + 1) % 5, 1, 2]),
]


@pytest.mark.parametrize(("text", "answer"), KNOWN_ANSWERS)
def test_expressions_give_known_answers(text: str, answer: list[float]) -> None:
    result = parse(text).evaluate(COLUMNS).tolist()
    is_flat = not any(isinstance(each, list) for each in answer)
    assert result == (pytest.approx(answer) if is_flat else answer)


def test_angle_difference_wraps_to_within_pi() -> None:
    difference = parse("delta_phi(a, b)").evaluate({"a": np.array([3.1, -3.1]), "b": np.array([-3.1, 3.1])})
    assert difference == pytest.approx([6.2 - 2 * math.pi, 2 * math.pi - 6.2])


def test_float32_columns_are_computed_in_double_precision() -> None:
    assert parse("pt1 + 1e-9").evaluate(COLUMNS)[0] - 10 == pytest.approx(1e-9, rel=1e-3)


def test_lists_stay_lists_until_they_are_reduced() -> None:
    assert parse("abs(pt - 30) < 15 and tight").evaluate(COLUMNS).tolist() == [[True, False], [], [False]]


def test_missing_entries_are_nan() -> None:
    assert np.isnan(parse("pt[1]").evaluate(COLUMNS)).tolist() == [False, True, True]
    assert np.isnan(parse("max(pt)").evaluate(COLUMNS)).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("masks[0]", [3, np.nan, 4]),
        ("masks[0] & 1", [1, np.nan, 0]),
        ("masks[0] + 1", [4, np.nan, 5]),
        ("maybe", [7, np.nan, 9]),
        ("maybe << 1", [14, np.nan, 18]),
        ("mean(pt)", [35, np.nan, 5]),
        ("n // n", [np.nan, 1, 1]),
        ("max(where(pt > 30, nan, pt))", [np.nan, np.nan, 5]),
        ("pt[n]", [40, np.nan, np.nan]),
        ("pt[maybe]", [np.nan, np.nan, np.nan]),
    ],
)
def test_a_missing_integer_is_nan_and_its_type_does_not_depend_on_the_events(text: str, answer: list[float]) -> None:
    result = parse(text).evaluate(COLUMNS)
    assert result.tolist() == pytest.approx(answer, nan_ok=True)
    known = {name: column[:1] for name, column in COLUMNS.items()}
    assert parse(text).evaluate(known).dtype == result.dtype == np.float64


def test_an_array_of_fixed_size_is_a_list_for_each_event() -> None:
    assert parse("sum(grid)").evaluate(COLUMNS).tolist() == [3, 7, 11]
    assert parse("grid * n").evaluate(COLUMNS).tolist() == [[0, 0], [3, 4], [10, 12]]
    with pytest.raises(ConfigError, match="lists differ in length, first in event 1 of those read: 2 and 0"):
        parse("grid + masks").evaluate(COLUMNS)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("passed & 1", "two integers or two conditions; join conditions by `and`"),
        ("pt1 | 1", "floats have no bits"),
        ("~pt1", "floats have no bits"),
        ("n << 64", "by 0 to 63 places"),
        ("n << -1", "by 0 to 63 places"),
        ("event << 2", "bits get lost"),
        ("event * 4", "more than 64 bits"),
        ("bits + 1", "can only be compared, and taken apart by its bits"),
        ("masks[passed]", "an index is an integer, or a condition on each entry"),
        ("masks[pt]", "an index is an integer, or a condition on each entry"),
        ("entry(masks, 0, 0.5)", "one number as in the list"),
        ("pt1 and passed", "compare it with something"),
        ("word == word", "only numbers are compared"),
        ("pt + at", "lists differ in length, first in event 0 of those read: 2 and 3"),
        ("pt[at > 0]", "lists differ in length, first in event 0 of those read: 2 and 3"),
        ("n & 2 == 2", "need brackets"),
        ("2 == n | 2", "need brackets"),
        ("sum(n & 2 == 2)", "need brackets"),
    ],
)
def test_what_cannot_be_computed_says_why(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text).evaluate(COLUMNS)
    assert reason in str(error.value)


HUGE = {"huge": np.array([2**53 + 1, 5]), "huge_lists": ak.Array([[2**53 + 1, 1], [2]]), "small": np.array([2.0, 3.0])}


@pytest.mark.parametrize(
    ("text", "known"), [("max(huge, 3)", [2**53 + 1, 5]), ("huge == 9007199254740992", [False, False])]
)
def test_integers_that_no_float_holds_stay_exact_beside_integers(text: str, known: list[int]) -> None:
    assert parse(text, "here").evaluate(HUGE).tolist() == known


@pytest.mark.parametrize("text", ["max(huge, small)", "huge == small", "huge == 9007199254740992.0", "max(huge_lists)"])
def test_integers_that_no_float_holds_are_refused_beside_floats(text: str) -> None:
    with pytest.raises(ConfigError, match="too large to stand beside a float"):
        parse(text, "here").evaluate(HUGE)


def test_names_are_the_columns_that_are_needed() -> None:
    assert parse('sqrt(pt1) + pi * sum(pt) + branch("odd >= name")').names == {"pt1", "pt", "odd >= name"}


def test_a_huge_power_is_infinite_and_returns_at_once() -> None:
    assert parse("9**9**9**9**9").evaluate(COLUMNS).tolist() == [math.inf] * 3


HOSTILE = [
    "__import__('os').system('touch PWNED')", "().__class__.__bases__[0].__subclasses__()", "pt1.__class__",
    "pt1.tofile", "eval('1')", "exec('1')", "open('/etc/passwd')", "(lambda: 1)()", "[x for x in pt1]",
    "{1: 2}", "{1, 2}", "(1, 2)", "[1, 2]", "f'{pt1}'", "'text'", "b'bytes'", "pt1 if passed else n", "x := 1",
    "(x := 1)", "await pt1", "yield pt1", "*pt1", "pt1 = 1", "import os", "pt1; n", "pt1\nn", "pt1 is n",
    "pt1 in n", "1 << 99999999", "pt1 @ n", "pt1[0:1]", "pt1[::]", "sqrt(*pt1)", "sqrt(x=pt1)", "sqrt(pt1, out=n)",
    "sqrt(pt1, n, passed)", "sqrt", "where(passed)", "getattr(pt1, 'size')", "min()", "branch()", "branch(pt1)",
    "branch('a', 'b')", "branch(name='pt1')", "1j", "...", "None", "\x00", "pt1\x00", "\ud800", "9" * 50,
    "(" * 300 + "1" + ")" * 300, "-" * 4000 + "1", "not " * 500 + "1", "1" + "+1" * 2000, "pt1 > 20 & n > 1",
    "passed & n > 1", "nope", "pt1 +", "", "   ", "pt1[pt1]", "pt[1e3]", "pt[99999999999]", "sum(pt1)", "count(pt1)",
    "word + 1", "sqrt(word)", "pt & 1", "pt[True]", "#", "pt1 # 1)(", "%s", "${HOME}", "`ls`", "$(ls)",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_refused_in_one_line(text: str) -> None:
    if text == "pt1 # 1)(":
        assert parse(text).evaluate(COLUMNS).tolist() == [10, 40, 300]
        return
    with pytest.raises(ConfigError) as caught:
        parse(text, "hgg.yaml:3").evaluate(COLUMNS)
    assert str(caught.value).startswith("hgg.yaml:3: ")
    assert len(str(caught.value)) < 600


def test_a_misspelt_column_or_function_names_the_likest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'event'"):
        parse("evnt").evaluate(COLUMNS)
    with pytest.raises(ConfigError, match="did you mean 'sqrt'"):
        parse("sqr(pt1)")


def test_size_is_bounded() -> None:
    with pytest.raises(ConfigError, match="too large"):
        parse("+".join(["pt1"] * MAX_NODES))


ATOMS = [
    "bits",
    "masks",
    "at",
    "grid",
    "maybe",
    "pt1",
    "n",
    "passed",
    "pt",
    "tight",
    "word",
    "event",
    "1",
    "0",
    "2.5",
    "1e308",
    "pi",
    "nan",
    "True",
]
FORMULAS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.tuples(
            inner,
            st.sampled_from(
                ["+", "-", "*", "/", "**", "//", "%", "&", "|", "^", "<<", ">>", "<", "<=", "==", "!=", "and", "or"]
            ),
            inner,
        ).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
        st.tuples(st.sampled_from(sorted(FUNCTIONS)), inner).map(lambda parts: f"{parts[0]}({parts[1]})"),
        st.tuples(st.sampled_from(["where", "max", "hypot", "delta_phi"]), inner, inner, inner).map(
            lambda parts: f"{parts[0]}({', '.join(parts[1:])})"
        ),
        st.tuples(inner, inner).map(lambda parts: f"{parts[0]}[{parts[1]}]"),
        inner.map(lambda text: f"(not {text})"),
        inner.map(lambda text: f"(~{text})"),
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.text(max_size=40), FORMULAS))
def test_any_text_is_evaluated_for_every_event_or_refused(text: str) -> None:
    try:
        result = parse(text).evaluate(COLUMNS)
    except ConfigError:
        return
    assert len(result) == 3


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("pt1", "compare it"),
        ("n", "compare it"),
        ("1", "compare it"),
        ("pt > 20", "any()"),
        ("pt", "any()"),
        ("word", "compare it"),
    ],
)
def test_a_cut_that_is_not_true_or_false_is_refused_with_its_place_and_mend(text: str, mend: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text, "limits.region").passes(COLUMNS)
    assert str(error.value).startswith(f"limits.region: {text!r} is not true or false for each event; ")
    assert mend in error.value.mend


CUTS = st.recursive(
    st.tuples(
        st.sampled_from(["x", "y", "1", "x + y", "abs(x)"]), st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    ).map(lambda parts: f"({parts[0]} {parts[1]} 1 < y)" if parts[0] == "1" else f"({parts[0]} {parts[1]} 1)"),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or", "&", "|"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda text: f"(not {text})"),
        inner.map(lambda text: f"(~{text})"),
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(text=CUTS, known=st.sampled_from([-2.0, 0.0, 1.0, 3.0]))
def test_an_event_with_nan_passes_a_cut_only_if_any_number_in_its_place_would(text: str, known: float) -> None:
    cut = parse(text)
    assert not cut.passes({"x": np.array([np.nan]), "y": np.array([known])})[0] or all(
        cut.passes({"x": np.array([number]), "y": np.array([known])})[0] for number in (-9.0, -1.0, 0.0, 1.0, 2.0)
    )


@pytest.mark.parametrize(
    "text", ["pt1 != 1", "not pt1 > 1", "not (pt1 > 1 and passed)", "~(0 < pt1 < 9)", "pt1 == pt1"]
)
def test_nan_does_not_pass_a_cut_in_whatever_way_it_is_written(text: str) -> None:
    columns = {"pt1": np.array([np.nan, np.nan]), "passed": np.array([True, True])}
    assert parse(text).passes(columns).tolist() == [False, False]
    assert parse("not isfinite(pt1) or pt1 > 1").passes(columns).tolist() == [True, True]
