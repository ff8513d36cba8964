"""Counting experiments, whose answers are formulae, and random models, whose answers pyhf has.

Formulae: G. Cowan, K. Cranmer, E. Gross, O. Vitells, Eur. Phys. J. C 71 (2011) 1554, arXiv:1007.1727.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from simmorph.limits.fits.impacts import impacts
from simmorph.limits.fits.inference import (
    BANDS,
    AsymptoticCls,
    discovery,
    upper_limits,
)
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.workspace import measurement_of
from tests.limits.conftest import model_of_pyhf, workspace, workspaces

if TYPE_CHECKING:
    from collections.abc import Callable

    Workspace = dict[str, Any]

QUICK = settings(max_examples=12, deadline=None, derandomize=True)
COUNTS = {"signal": st.floats(1, 30), "background": st.floats(20, 500), "share": st.floats(0.7, 1.5)}


def counting(signal: float, background: float, observed: float, *modifiers: dict[str, Any]) -> Workspace:
    return workspace([signal], [background], [observed], *modifiers)


def cls_of(spec: Workspace) -> AsymptoticCls:
    ready = measurement_of(spec)
    return AsymptoticCls(ready.likelihood, ready.data)


def deviance(observed: float, expected: float) -> float:
    """-2 ln L of a Poisson count over that of its best value."""
    return 2 * (expected - observed + observed * math.log(observed / expected))


@QUICK
@given(**COUNTS)
def test_a_counted_number_has_the_strength_and_the_uncertainty_of_its_excess(
    signal: float, background: float, share: float
) -> None:
    observed = round(background * share)
    ready = measurement_of(counting(signal, background, observed))
    found = fitted_strength(ready.likelihood, ready.data)
    assert found.value == pytest.approx((observed - background) / signal, abs=1e-4 * math.sqrt(observed) / signal)
    assert found.uncertainty == pytest.approx(math.sqrt(observed) / signal, rel=1e-3)
    for side in (found.down, found.up):
        assert side is not None
        assert deviance(observed, observed + side * signal) == pytest.approx(1, rel=1e-3)


@QUICK
@given(**COUNTS)
def test_the_significance_of_a_counted_number_is_the_root_of_q0(signal: float, background: float, share: float) -> None:
    observed = round(background * share)
    ready = measurement_of(counting(signal, background, observed))
    found = discovery(AsymptoticCls(ready.likelihood, ready.data))
    expected = math.sqrt(deviance(observed, background)) if observed > background else 0.0
    assert found.observed == pytest.approx(expected, abs=1e-4)
    assert found.expected == pytest.approx(math.sqrt(deviance(signal + background, background)), rel=1e-5)


def closed_cls(strength: float, signal: float, background: float, observed: float) -> float:
    """CLs of q~ for one bin without uncertainty (equations 16, 65 and 66)."""
    best = max(observed - background, 0.0)
    expected = background + strength * signal
    q = deviance(observed, expected) - deviance(observed, background + best) if strength * signal > best else 0.0
    asimov = deviance(background, expected)
    if q <= asimov:
        above, below = math.sqrt(q), math.sqrt(q) - math.sqrt(asimov)
    else:
        above, below = (q + asimov) / (2 * math.sqrt(asimov)), (q - asimov) / (2 * math.sqrt(asimov))
    return float(stats.norm.sf(above) / stats.norm.sf(below))


@QUICK
@given(**COUNTS, strength=st.floats(0.1, 5))
def test_cls_of_a_counted_number_is_that_of_the_formulae(
    signal: float, background: float, share: float, strength: float
) -> None:
    observed = round(background * share)
    found = cls_of(counting(signal, background, observed)).cls(strength)
    assert found == pytest.approx(closed_cls(strength, signal, background, observed), rel=1e-4, abs=1e-9)


@QUICK
@given(**COUNTS, level=st.sampled_from([0.68, 0.9, 0.95, 0.99]))
def test_limits_of_a_counted_number_are_the_roots_of_the_formulae(
    signal: float, background: float, share: float, level: float
) -> None:
    observed = round(background * share)
    limits = upper_limits(cls_of(counting(signal, background, observed)), level)
    assert closed_cls(limits.observed, signal, background, observed) == pytest.approx(1 - level, rel=1e-4)
    for band, limit in zip(BANDS, limits.expected, strict=True):
        goal = band - stats.norm.ppf((1 - level) * stats.norm.cdf(band))
        root = math.sqrt(deviance(background, background + limit * signal))
        assert root == pytest.approx(goal, rel=1e-5)


@pytest.mark.parametrize("size", [0.0, 0.02, 0.1, 0.3])
def test_many_events_have_the_gaussian_limit(size: float) -> None:
    """Of a million background events the count is normal: sigma^2 = b + (size b)^2, and all bands are multiples."""
    background, signal = 1e6, 1e4
    sides = {"hi_data": [(1 + size) * background], "lo_data": [(1 - size) * background]}
    shape = {"name": "shape", "type": "histosys", "data": sides}
    limits = upper_limits(cls_of(counting(signal, background, background, shape)))
    sigma = math.sqrt(background + (size * background) ** 2) / signal
    goals = [band - stats.norm.ppf(0.05 * stats.norm.cdf(band)) for band in BANDS]
    assert limits.expected == pytest.approx([goal * sigma for goal in goals], rel=2e-3)
    assert limits.observed == pytest.approx(limits.expected[2], rel=1e-4)


@pytest.mark.parametrize(("n", "tau"), [(60, 5.0), (75, 2.0), (45, 10.0)])
def test_an_on_off_experiment_has_the_significance_of_li_and_ma(n: int, tau: float) -> None:
    """T.-P. Li, Y.-Q. Ma, Astrophys. J. 272 (1983) 317, equation 17; `tau` is the off region over the on region."""
    background = 50.0
    off = background * tau
    spec = counting(10.0, background, n, {"name": "b", "type": "shapesys", "data": [background / math.sqrt(off)]})
    ready = measurement_of(spec)
    found = discovery(AsymptoticCls(ready.likelihood, ready.data)).observed
    total = n + off
    ratio = n * math.log((1 + tau) * n / total) + off * math.log((1 + 1 / tau) * off / total)
    assert found == pytest.approx(math.sqrt(2 * ratio) if n > background else 0.0, abs=1e-4)


def of_pyhf(spec: Workspace, call: Callable[[Any, Any], Any]) -> Any:
    """What pyhf says of model and data, with scipy's minimiser, which takes no seconds for a model of a few bins."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, data = model_of_pyhf(spec)
        before = pyhf.get_backend()
        pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-10))
        try:
            return call(data, model)
        finally:
            pyhf.set_backend(*before)


@QUICK
@given(workspaces(max_bins=2), st.floats(0.3, 4))
def test_cls_of_random_models_is_that_of_pyhf(spec: Workspace, strength: float) -> None:
    test = cls_of(spec)
    observed, expected = of_pyhf(
        spec, lambda data, model: pyhf.infer.hypotest(strength, data, model, return_expected_set=True)
    )
    assume(test.best_value < 9)  # pyhf looks no further than 10
    assert test.cls(strength) == pytest.approx(float(observed), rel=5e-3, abs=1e-4)
    ours = [math.exp(test.log_expected(strength, band)) for band in BANDS]
    assert ours == pytest.approx([float(it) for it in expected], rel=5e-3, abs=1e-4)


@QUICK
@given(workspaces(max_bins=2))
def test_the_discovery_of_random_models_has_the_p_value_of_pyhf(spec: Workspace) -> None:
    ready = measurement_of(spec)
    found = discovery(AsymptoticCls(ready.likelihood, ready.data)).observed
    p_value = of_pyhf(spec, lambda data, model: pyhf.infer.hypotest(0.0, data, model, test_stat="q0"))
    assert stats.norm.sf(found) == pytest.approx(float(p_value), rel=5e-3, abs=1e-5)


@QUICK
@given(workspaces())
def test_cls_falls_with_the_strength_and_bands_are_in_order(spec: Workspace) -> None:
    test = cls_of(spec)
    limits = upper_limits(test)
    values = np.linspace(0, 2 * limits.expected[4], 9)
    observed, expected = test.scan(values)
    assert observed[0] == pytest.approx(1)
    assert np.all(np.diff(observed) <= 1e-6)
    assert np.all(np.diff(expected, axis=0) <= 1e-6)
    assert np.all(np.diff(expected, axis=1) >= -1e-9)
    assert list(limits.expected) == sorted(limits.expected)
    for value, cls in zip(values, observed, strict=True):
        assert cls == pytest.approx(test.cls(float(value)), rel=1e-9)
        assert (value > limits.observed) == (cls < 0.05) or cls == pytest.approx(0.05, abs=1e-4)


@settings(QUICK, max_examples=6)
@given(workspaces(max_channels=1))
def test_impacts_of_random_models_are_those_that_minuit_finds(spec: Workspace) -> None:
    ready = measurement_of(spec)
    found = fitted_strength(ready.likelihood, ready.data, sides=False)
    rows = impacts(ready.likelihood, ready.data, found)
    signed, best = ready.likelihood, found.fit.parameters
    widths = np.sqrt(np.diag(signed.covariance(ready.data, best)))
    bounds = signed.bounds()
    bounds[0, signed.poi] = found.value - 5 * found.uncertainty
    assert len(rows) == len(set(signed.constrained.tolist()))
    for row in rows:
        at = signed.model.config.par_names.index(row.parameter)
        for side, impact in ((1, row.up), (-1, row.down)):
            minuit = signed.minuit(ready.data, best, bounds)
            minuit.values[at], minuit.fixed[at] = best[at] + side * widths[at], True
            minuit.migrad()
            assert impact == pytest.approx(minuit.values[signed.poi] - found.value, abs=0.01 * found.uncertainty)


def test_a_deficit_has_the_strength_of_its_likelihood() -> None:
    """Two bins, no uncertainty: scipy's root of the slope of the likelihood."""
    signal, background, observed = np.array([8.0, 3.0]), np.array([100.0, 80.0]), np.array([85.0, 79.0])
    ready = measurement_of(workspace(signal.tolist(), background.tolist(), observed.tolist()))
    root = optimize.brentq(lambda mu: float(np.sum(signal * (1 - observed / (background + mu * signal)))), -5, 5)
    assert root < -1
    assert fitted_strength(ready.likelihood, ready.data).value == pytest.approx(root, abs=1e-4)
