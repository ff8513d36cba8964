"""Codes of interpolation other than pyhf's choice, against pyhf told the same, and against the formula of Combine."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
import pytest

from simmorph.config.values.interpolation import Interpolation
from simmorph.limits.fits.inference import AsymptoticCls, upper_limits
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.modifiers.normsys import LogNormals
from tests.limits.engine.test_yields import assert_same, away_from_start
from tests.limits.model.test_random_models import random_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = [Interpolation(normsys=norm, histosys=shape) for norm in ("code1", "combine") for shape in ("code0", "code4p")]


@pytest.mark.parametrize("interpolation", ALL, ids=lambda it: f"{it.normsys}-{it.histosys}")
@pytest.mark.parametrize("seed", range(3))
def test_yields_and_derivatives_are_those_of_pyhf(seed: int, interpolation: Interpolation) -> None:
    model = measurement_of(random_workspace(seed), interpolation=interpolation).likelihood.model
    assert_same(model, away_from_start(model, seed, 0.4))


def combine_factor(x: float, low: float, high: float) -> float:
    """The yield of an asymmetric lnN over its nominal, one number at a time, as Combine's documentation has it."""
    mean, half = (math.log(high) - math.log(low)) / 2, (math.log(high) + math.log(low)) / 2
    y = 2 * x
    inside = mean + half * (3 * y**5 - 10 * y**3 + 15 * y) / 8
    rate = inside if abs(x) < 0.5 else math.log(high) if x > 0 else -math.log(low)
    return math.exp(x * rate)


@pytest.mark.parametrize("x", [-3.0, -0.5, -0.49, -0.2, 0.0, 0.1, 0.5, 0.51, 2.0])
def test_log_normals_are_those_of_combine(x: float) -> None:
    functions = LogNormals(np.array([[1.2, 0.95], [1.1, 1 / 1.1], [0.9, 0.8]]))
    expected = [combine_factor(x, low, high) for high, low in [(1.2, 0.95), (1.1, 1 / 1.1), (0.9, 0.8)]]
    assert functions.values(np.full(3, x)) == pytest.approx(expected, rel=1e-13)
    assert functions.values(np.full(3, x))[1] == pytest.approx(1.1**x, rel=1e-13)


def test_slopes_and_curvatures_of_log_normals_are_continuous_derivatives() -> None:
    functions = LogNormals(np.array([[1.3, 0.95]]))
    at, step = np.linspace(-1.2, 1.2, 97)[:, None] + 1e-3, 1e-5
    slopes = (functions.values(at + step) - functions.values(at - step)) / (2 * step)
    np.testing.assert_allclose(functions.slopes(at), slopes, rtol=1e-7)
    bends = (functions.slopes(at + step) - functions.slopes(at - step)) / (2 * step)
    np.testing.assert_allclose(functions.curvatures(at), bends, rtol=1e-5, atol=1e-7)


def test_limits_with_kinks_are_those_of_pyhf_told_the_same(make_workspace: Callable[..., dict[str, Any]]) -> None:
    norm = {"name": "norm", "type": "normsys", "data": {"hi": 1.3, "lo": 0.9}}
    tilt = {"name": "tilt", "type": "histosys", "data": {"hi_data": [55.0, 45.0], "lo_data": [48.0, 57.0]}}
    spec = make_workspace([6.0, 9.0], [50.0, 52.0], [53, 55], norm, tilt)
    ready = measurement_of(spec, interpolation=Interpolation(normsys="code1", histosys="code0"))
    limits = upper_limits(AsymptoticCls(ready.likelihood, ready.data))
    settings = {"normsys": {"interpcode": "code1"}, "histosys": {"interpcode": "code0"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pyhf 0.7 calls jsonschema by an old name
        model = pyhf.Workspace(spec).model(modifier_settings=settings)
    data = [53, 55, *model.config.auxdata]
    before = pyhf.get_backend()
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-3))
    try:
        at_limit = pyhf.infer.hypotest(limits.observed, data, model, test_stat="qtilde")
    finally:
        pyhf.set_backend(*before)
    assert float(at_limit) == pytest.approx(0.05, abs=2e-4)
    assert limits.observed != pytest.approx(upper_limits(AsymptoticCls(*measurement_of(spec)[:2])).observed, rel=1e-3)
