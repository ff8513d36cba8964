"""Expected yields and their derivatives, against pyhf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
import pytest

from simmorph.limits.engine.yields import Expansion, Yields, agrees_with_pyhf
from simmorph.limits.model.workspace import measurement_of
from tests.limits.model.test_random_models import random_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., dict[str, Any]]

STRENGTH = {"name": "mu", "type": "normfactor", "data": None}


def away_from_start(model: Any, seed: int, distance: float) -> np.ndarray[Any, Any]:
    lower, upper = np.array(model.config.suggested_bounds()).T
    start = np.array(model.config.suggested_init())
    return np.clip(start + np.random.default_rng(seed).normal(0, distance, len(start)), lower + 1e-3, upper - 1e-3)


def assert_same(model: Any, point: np.ndarray[Any, Any]) -> None:
    yields = Yields(model)
    found, slopes = yields.with_slopes(point)
    np.testing.assert_allclose(found, model.main_model.expected_data(point), rtol=1e-11)
    np.testing.assert_allclose(yields.expected(np.array([[point, point]]))[0, 1], found, rtol=1e-12)
    steps = 1e-5 * np.eye(len(point))
    differences = (yields.expected(point + steps) - yields.expected(point - steps)) / 2e-5
    np.testing.assert_allclose(slopes, differences, rtol=1e-5, atol=1e-6 * np.abs(slopes).max())
    weights = np.random.default_rng(1).normal(size=len(yields.nominal))
    curvature = Expansion(yields, point).curvature(weights)
    gradients = [
        [Expansion(yields, point + side * step).gradient(weights) for side in (1, -1)] for step in steps[yields.shared]
    ]
    twice = np.array([above - below for above, below in gradients]) / 2e-5
    np.testing.assert_allclose(curvature, twice, rtol=1e-4, atol=1e-5 * max(1e-3, np.abs(twice).max()))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("distance", [0.3, 3.0])
def test_yields_and_derivatives_of_random_models_are_those_of_pyhf(seed: int, distance: float) -> None:
    model = measurement_of(random_workspace(seed)).likelihood.model
    assert_same(model, away_from_start(model, seed, distance))


def test_one_name_can_act_in_several_ways_and_channels() -> None:
    shared = [
        {"name": "energy", "type": "normsys", "data": {"hi": 1.2, "lo": 0.9}},
        {"name": "energy", "type": "histosys", "data": {"hi_data": [11.0, 18.0], "lo_data": [9.5, 21.0]}},
        {"name": "counts", "type": "staterror", "data": [1.0, 2.0]},
        {"name": "free", "type": "shapefactor", "data": None},
    ]
    other = {"name": "energy", "type": "normsys", "data": {"hi": 0.8, "lo": 1.3}}
    background = {"name": "background", "data": [10.0, 20.0], "modifiers": shared}
    signal = {"name": "signal", "data": [1.0, 2.0], "modifiers": [STRENGTH, other]}
    channels = [{"name": name, "samples": [signal, background]} for name in ("z", "a")]
    model = pyhf.Model({"channels": channels}, poi_name="mu", validate=False)
    assert agrees_with_pyhf(Yields(model), model)
    assert_same(model, away_from_start(model, 1, 0.4))
    assert_same(model, away_from_start(model, 2, 2.0))


def test_the_derivative_by_a_factor_of_zero_is_right(make_workspace: Make) -> None:
    model = measurement_of(make_workspace([3.0, 4.0], [9.0, 8.0], [9, 9])).likelihood.model
    yields, slopes = Yields(model).with_slopes(np.zeros(1))
    assert yields.tolist() == [9.0, 8.0]
    np.testing.assert_allclose(slopes, [[3.0, 4.0]], rtol=1e-14)


@pytest.mark.parametrize("place", [-2.0, -0.5, 0.5, 2.0])
def test_interpolations_with_a_kink_are_those_of_pyhf(place: float) -> None:
    tilt = {"name": "tilt", "type": "normsys", "data": {"hi": 1.3, "lo": 0.9}}
    shape = {"name": "tilt", "type": "histosys", "data": {"hi_data": [6.0, 7.0], "lo_data": [4.0, 10.0]}}
    sample = {"name": "signal", "data": [5.0, 9.0], "modifiers": [STRENGTH, tilt, shape]}
    kinked = {"normsys": {"interpcode": "code1"}, "histosys": {"interpcode": "code0"}}
    model = pyhf.Model(
        {"channels": [{"name": "channel", "samples": [sample]}]}, modifier_settings=kinked, validate=False
    )
    assert Yields(model).has_kink
    point = np.array(model.config.suggested_init())
    point[model.config.par_names.index("tilt")] = place
    assert_same(model, point)


def test_a_local_parameter_touches_one_bin_and_each_cell_has_one_at_most() -> None:
    statistics = {"name": "counts", "type": "staterror", "data": [1.0, 2.0]}
    shape = {"name": "bins", "type": "shapesys", "data": [1.0, 2.0]}
    free = {"name": "free", "type": "shapefactor", "data": None}
    first = {"name": "first", "data": [10.0, 20.0], "modifiers": [statistics, shape]}
    second = {"name": "second", "data": [5.0, 6.0], "modifiers": [statistics]}
    signal = {"name": "signal", "data": [1.0, 2.0], "modifiers": [STRENGTH]}
    third = {"name": "third", "data": [3.0, 4.0], "modifiers": [free]}
    channels = [
        {"name": "a", "samples": [signal, first, second, third]},
        {"name": "b", "samples": [{**signal, "modifiers": [STRENGTH]}, third]},
    ]
    model = pyhf.Model({"channels": channels}, poi_name="mu", validate=False)
    yields = Yields(model)
    assert {model.config.par_names[it] for it in yields.local} == {"counts[0]", "counts[1]"}
    assert_same(model, away_from_start(model, 1, 0.3))
