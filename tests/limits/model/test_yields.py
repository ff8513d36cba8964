"""Expected yields and their derivatives, against pyhf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
import pytest

from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.model.yields import AnalyticYields, NumericYields, yields_of
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
    analytic, numeric = AnalyticYields(model), NumericYields(model)
    (yields, slopes), (yields_of_pyhf, differences) = analytic.with_slopes(point), numeric.with_slopes(point)
    np.testing.assert_allclose(yields, model.main_model.expected_data(point), rtol=1e-11)
    np.testing.assert_allclose(yields_of_pyhf, yields, rtol=1e-11)
    np.testing.assert_allclose(slopes, differences, rtol=1e-5, atol=1e-6 * np.abs(slopes).max())
    np.testing.assert_array_equal(analytic.expected(point), yields)
    np.testing.assert_allclose(analytic.expected(np.array([[point, point]]))[0, 1], yields, rtol=1e-14)


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
    assert yields_of(model).derivatives == "analytic"
    assert_same(model, away_from_start(model, 1, 0.4))
    assert_same(model, away_from_start(model, 2, 2.0))


def test_the_derivative_by_a_factor_of_zero_is_right(make_workspace: Make) -> None:
    model = measurement_of(make_workspace([3.0, 4.0], [9.0, 8.0], [9, 9])).likelihood.model
    yields, slopes = AnalyticYields(model).with_slopes(np.zeros(1))
    assert yields.tolist() == [9.0, 8.0]
    assert slopes.tolist() == [[3.0, 4.0]]


def test_where_pyhf_says_otherwise_pyhf_is_asked() -> None:
    tilt = {"name": "tilt", "type": "normsys", "data": {"hi": 1.3, "lo": 0.9}}
    sample = {"name": "signal", "data": [5.0, 9.0], "modifiers": [STRENGTH, tilt]}
    kinked = {"normsys": {"interpcode": "code1"}, "histosys": {"interpcode": "code0"}}
    spec = {"channels": [{"name": "channel", "samples": [sample]}]}
    assert yields_of(pyhf.Model(spec, validate=False)).derivatives == "analytic"
    model = pyhf.Model(spec, modifier_settings=kinked, validate=False)
    yields = yields_of(model)
    assert yields.derivatives == "differences"
    point = np.array([1.0, 0.5])
    np.testing.assert_allclose(yields.with_slopes(point)[0], np.array([5.0, 9.0]) * 1.3**0.5, rtol=1e-12)
    np.testing.assert_allclose(yields.with_slopes(point)[1][1], np.log(1.3) * yields.expected(point), rtol=1e-6)
