"""Yields at the best fit, against pyhf and the propagation of errors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings

from simmorph.limits.fits.postfit import fitted_yields
from simmorph.limits.model.workspace import measurement_of
from tests.limits.conftest import minuit_of_pyhf, workspace, workspaces

if TYPE_CHECKING:
    Workspace = dict[str, Any]

QUICK = settings(max_examples=12, deadline=None, derandomize=True)


@QUICK
@given(workspaces())
def test_background_and_signal_add_up_to_what_pyhf_expects_in_each_channel(spec: Workspace) -> None:
    likelihood, data, _ = measurement_of(spec)
    best = likelihood.fit(data).parameters
    found = fitted_yields(likelihood, data, best)
    config = likelihood.model.config
    assert list(found) == list(config.channels)
    expected = likelihood.model.expected_actualdata(best)
    for channel, fitted in found.items():
        np.testing.assert_allclose(fitted.background + fitted.signal, expected[config.channel_slices[channel]])
        np.testing.assert_allclose(fitted.background, np.sum(list(fitted.samples.values()), axis=0))
        assert set(fitted.samples) == {"background"}


@QUICK
@given(workspaces(max_channels=1))
def test_the_uncertainty_is_the_spread_of_yields_at_parameters_drawn_from_the_fit(spec: Workspace) -> None:
    likelihood, data, _ = measurement_of(spec)
    best = likelihood.fit(data).parameters
    (fitted,) = fitted_yields(likelihood, data, best).values()
    covariance = likelihood.covariance(data, best)
    drawn = np.random.default_rng(1).multivariate_normal(best, 1e-4 * covariance, 5000)  # where yields are straight
    of_all = 100 * likelihood.yields.expected(drawn).std(axis=0)
    np.testing.assert_allclose(fitted.total_uncertainty, of_all, rtol=0.06, atol=1e-6)
    drawn[:, likelihood.poi] = 0.0
    spread = 100 * likelihood.yields.expected(drawn).std(axis=0)
    np.testing.assert_allclose(fitted.uncertainty, spread, rtol=0.06, atol=1e-6)


@pytest.mark.parametrize("size", [0.01, 0.1, 0.3])
def test_a_bin_without_signal_is_as_well_known_as_its_count_and_its_uncertainty_together(size: float) -> None:
    shape = {"hi_data": [100.0, 1e4 * (1 + size)], "lo_data": [100.0, 1e4 * (1 - size)]}
    spec = workspace([50.0, 0.0], [100.0, 1e4], [150.0, 1e4], {"name": "a", "type": "histosys", "data": shape})
    likelihood, data, _ = measurement_of(spec)
    (fitted,) = fitted_yields(likelihood, data, likelihood.fit(data).parameters).values()
    assert fitted.uncertainty[0] == pytest.approx(0, abs=1e-9)
    assert fitted.uncertainty[1] == pytest.approx(1 / math.hypot(1 / 100, 1 / (size * 1e4)), rel=1e-3)
    np.testing.assert_allclose(fitted.signal, [50.0, 0.0], atol=0.01)


def test_the_band_of_the_fit_is_that_of_minuit_on_pyhfs_likelihood() -> None:
    known = {"name": "u", "type": "normsys", "data": {"hi": 1.2, "lo": 0.85}}
    shape = {"name": "shape", "type": "histosys", "data": {"hi_data": [62, 38, 41], "lo_data": [55, 43, 47]}}
    spec = workspace([5, 9, 14], [58, 40, 44], [60, 52, 57], known, shape)
    likelihood, data, _ = measurement_of(spec)
    (fitted,) = fitted_yields(likelihood, data, likelihood.fit(data).parameters).values()
    minuit, expected, step = minuit_of_pyhf(spec), likelihood.model.expected_actualdata, 1e-4
    best, steps = np.array(minuit.values), step * np.eye(len(minuit.values))
    slopes = np.array([(expected(best + it) - expected(best - it)) / (2 * step) for it in steps])
    variances = np.diag(slopes.T @ np.array(minuit.covariance) @ slopes)
    np.testing.assert_allclose(fitted.total_uncertainty, np.sqrt(variances), rtol=2e-3)


def test_a_sample_that_is_nowhere_in_a_channel_is_not_named_there() -> None:
    spec = workspace([5.0], [50.0], [55.0])
    other = workspace([1.0], [20.0], [20.0])["channels"][0] | {"name": "other"}
    other["samples"] = [other["samples"][0], {"name": "rare", "data": [20.0], "modifiers": []}]
    spec["channels"].append(other)
    spec["observations"].append({"name": "other", "data": [20.0]})
    likelihood, data, _ = measurement_of(spec)
    found = fitted_yields(likelihood, data, likelihood.fit(data).parameters)
    assert {name: list(it.samples) for name, it in found.items()} == {"channel": ["background"], "other": ["rare"]}
