"""Distances and four-momenta are what a loop gives, and what `vector` gives."""

from __future__ import annotations

import math
from typing import Any

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simmorph.data.expressions import kinematics
from simmorph.data.expressions.expression import parse
from simmorph.data.expressions.kinematics import Pairs

DIRECTION = st.tuples(st.floats(-4, 4), st.floats(-math.pi, math.pi))
LISTS = st.lists(st.tuples(st.lists(DIRECTION, max_size=4), st.lists(DIRECTION, max_size=4)), min_size=1, max_size=5)


def directions(events: list[Any], side: int) -> list[ak.Array]:
    """Pseudorapidities and azimuths, a list of each for every event."""
    typed = ak.values_astype
    return [
        typed(ak.Array([[it[at] for it in event[side]] for event in events] + [[0.0]])[:-1], float) for at in (0, 1)
    ]


def distance(one: Any, other: Any) -> float:
    turn = abs(one[1] - other[1])
    return math.hypot(one[0] - other[0], min(turn, 2 * math.pi - turn))


@given(LISTS)
@settings(max_examples=60, deadline=None)
def test_the_nearest_is_found_in_every_event(events: list[Any]) -> None:
    columns = dict(zip(("eta", "phi", "eta2", "phi2"), [*directions(events, 0), *directions(events, 1)], strict=True))
    found = parse("min_delta_r(eta, phi, eta2, phi2)").evaluate(columns).to_list()
    places = parse("nearest(eta, phi, eta2, phi2)").evaluate(columns).to_list()
    for event, distances, at in zip(events, found, places, strict=True):
        expected = [min((distance(one, other) for other in event[1]), default=math.inf) for one in event[0]]
        assert distances == pytest.approx(expected, abs=1e-9)
        chosen = [distance(one, event[1][it]) if it >= 0 else math.inf for one, it in zip(event[0], at, strict=True)]
        assert chosen == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_pairs_are_all_combinations(counts: list[tuple[int, int]]) -> None:
    n_first, n_second = np.array(counts).T
    pairs = Pairs.of(n_first, n_second)
    first, second = ak.unflatten(np.arange(n_first.sum()), n_first), ak.unflatten(np.arange(n_second.sum()), n_second)
    expected = ak.flatten(ak.cartesian([first, second])).to_list()
    assert list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == expected
    assert pairs.counts.tolist() == (n_first * n_second).tolist()
    once = Pairs.of_one(n_first)
    expected = ak.flatten(ak.combinations(first, 2)).to_list()
    assert list(zip(once.first.tolist(), once.second.tolist(), strict=True)) == expected
    assert once.counts.sum() == len(once.first)


def test_sums_of_momenta_are_those_of_vector() -> None:
    vector = pytest.importorskip("vector")
    rng = np.random.default_rng(3)
    values = {
        f"{name}{at}": rng.uniform(low, high, 500)
        for at in range(3)
        for name, low, high in (("pt", 1, 200), ("eta", -3, 3), ("phi", -3.14, 3.14), ("m", 0, 20))
    }
    each = [
        vector.array({**{it: values[f"{it}{at}"] for it in ("pt", "eta", "phi")}, "mass": values[f"m{at}"]})
        for at in range(3)
    ]
    whole, names = each[0] + each[1] + each[2], ", ".join(values)
    for function in ("mass", "pt", "eta", "phi"):
        np.testing.assert_allclose(parse(f"{function}({names})").numbers(values), getattr(whole, function), rtol=1e-9)
    apart = parse("delta_r(eta0, phi0, eta1, phi1)").numbers(values)
    np.testing.assert_allclose(apart, each[0].deltaR(each[1]), rtol=1e-9)


def test_distances_do_not_depend_on_how_many_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    columns = {it: ak.unflatten(rng.uniform(-3, 3, 600), rng.multinomial(600, [0.02] * 50)) for it in ("a", "a2")}
    columns["b"], columns["b2"] = columns["a"] * 0.5, columns["a2"] * 0.3
    whole = [parse(f"{it}(a, b, a2, b2)").evaluate(columns).to_list() for it in ("min_delta_r", "nearest")]
    for most in (1, 7, 100):
        monkeypatch.setattr(kinematics, "MOST_PAIRS", most)
        parts = [parse(f"{it}(a, b, a2, b2)").evaluate(columns).to_list() for it in ("min_delta_r", "nearest")]
        assert parts == whole


def test_a_negative_mass_is_that_of_a_negative_square() -> None:
    vector = pytest.importorskip("vector")
    values = {"pt": np.array([30.0, 2.0]), "m": np.array([-5.0, -1.0]), "e": np.array([1.0, -2.0]), "f": np.zeros(2)}
    one = vector.array({"pt": values["pt"], "eta": values["e"], "phi": values["f"], "mass": values["m"]})
    other = vector.array({"pt": values["pt"], "eta": values["f"], "phi": values["e"], "mass": values["m"]})
    found = parse("mass(pt, e, f, m, pt, f, e, m)").numbers(values)
    np.testing.assert_allclose(found, (one + other).mass, rtol=1e-9)


def test_argmin_and_argmax_leave_nan_aside() -> None:
    lists = ak.Array([[3.0, np.nan, 1.0], [np.nan], [], [2.0, 2.0]])
    assert parse("argmin(x)").numbers({"x": lists}).tolist() == [2, -1, -1, 0]
    assert parse("argmax(x)").numbers({"x": lists}).tolist() == [0, -1, -1, 0]


def test_a_direction_that_is_not_known_is_no_distance() -> None:
    eta, none = ak.Array([[0.0, np.nan], [1.0]]), ak.Array([[0.5], [np.nan]])
    found = parse("min_delta_r(eta, eta, none, none)").evaluate({"eta": eta, "none": none}).to_list()
    assert found[0][0] == pytest.approx(math.hypot(0.5, 0.5))
    assert math.isnan(found[0][1])
    assert math.isnan(found[1][0])


def test_momenta_come_in_fours() -> None:
    with pytest.raises(Exception, match="pt, eta, phi and mass"):
        parse("mass(a, a, a, a, a)").numbers({"a": np.ones(2)})
