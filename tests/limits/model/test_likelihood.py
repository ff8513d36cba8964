"""The likelihood and its minimum, against pyhf, Minuit and closed forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from simmorph.limits.model.engines import PyhfLikelihood
from simmorph.limits.model.likelihood import Data, Likelihood
from simmorph.limits.model.workspace import measurement_of
from tests.limits.conftest import workspaces

if TYPE_CHECKING:
    from collections.abc import Callable

    from simmorph.data.events import FloatArray

    Workspace = dict[str, Any]

QUICK = settings(max_examples=12, deadline=None, derandomize=True)
SEEDS = st.integers(0, 1000)


def point_near(likelihood: Likelihood, seed: int, spread: float = 0.3) -> FloatArray:
    """Random parameters inside their bounds."""
    moved = likelihood.start + np.random.default_rng(seed).normal(0, spread, len(likelihood.start))
    return np.clip(moved, likelihood.lower + 0.05, np.minimum(likelihood.upper, 10) - 0.05)


@QUICK
@given(workspaces(), SEEDS)
def test_differences_of_the_deviance_are_those_of_twice_the_log_likelihood_of_pyhf(spec: Workspace, seed: int) -> None:
    likelihood, data, _ = measurement_of(spec)
    points = [point_near(likelihood, seed + i) for i in range(3)]
    counts = np.concatenate(data)
    of_pyhf = [-2 * float(likelihood.model.logpdf(point, counts)[0]) for point in points]
    ours = [likelihood.deviance(point, data) for point in points]
    np.testing.assert_allclose(np.diff(ours), np.diff(of_pyhf), rtol=1e-8, atol=1e-8)


@QUICK
@given(workspaces(), SEEDS)
def test_what_is_expected_is_what_pyhf_expects_and_fits_itself_without_rest(spec: Workspace, seed: int) -> None:
    likelihood = measurement_of(spec).likelihood
    point = point_near(likelihood, seed)
    asimov = likelihood.expected(point)
    np.testing.assert_allclose(np.concatenate(asimov), likelihood.model.expected_data(point), rtol=1e-11)
    assert likelihood.deviance(point, asimov) == pytest.approx(0, abs=1e-9)
    found = likelihood.fit(asimov)
    assert found.deviance == pytest.approx(0, abs=1e-8)
    np.testing.assert_allclose(likelihood.expected(found.parameters).main, asimov.main, rtol=1e-4)


@QUICK
@given(workspaces(), SEEDS)
def test_the_gradient_is_the_slope_of_the_deviance(spec: Workspace, seed: int) -> None:
    likelihood, data, _ = measurement_of(spec)
    point = point_near(likelihood, seed)
    found = likelihood.gradient(point, data)
    steps = 1e-5 * np.eye(len(point))
    slopes = [(likelihood.deviance(point + it, data) - likelihood.deviance(point - it, data)) / 2e-5 for it in steps]
    np.testing.assert_allclose(found, slopes, rtol=1e-5, atol=1e-4)


@settings(QUICK, max_examples=6)
@given(workspaces(max_channels=1))
def test_no_fit_of_minuit_or_pyhf_is_lower_than_ours(spec: Workspace) -> None:
    likelihood, data, _ = measurement_of(spec)
    found = likelihood.fit(data)
    minuit = likelihood.minuit(data, likelihood.start, likelihood.bounds())
    minuit.strategy, minuit.tol = 2, 1e-4
    minuit.migrad()
    assert found.deviance == pytest.approx(minuit.fval, abs=1e-4)
    slow = PyhfLikelihood(likelihood.model, likelihood.yields).fit(data)
    assert found.deviance < slow.deviance + 1e-6
    assert slow.deviance == pytest.approx(found.deviance, abs=1e-2)


@QUICK
@given(workspaces())
def test_the_covariance_is_the_inverse_of_the_curvature_of_the_log_likelihood_of_pyhf(spec: Workspace) -> None:
    likelihood, data, _ = measurement_of(spec)
    best = likelihood.fit(data).parameters
    assume(best[likelihood.poi] > 0)  # at its bound a parameter has no curvature
    found, counts = likelihood.covariance(data, best), np.concatenate(data)
    steps = np.diag(0.005 * np.sqrt(np.diag(found)))

    def log_likelihood(*shifts: FloatArray) -> float:
        return float(likelihood.model.logpdf(best + sum(shifts), counts)[0])

    curvature = [
        [log_likelihood(i, j) - log_likelihood(i, -j) - log_likelihood(-i, j) + log_likelihood(-i, -j) for j in steps]
        for i in steps
    ]
    widths = 2 * np.diag(steps)
    inverse = np.linalg.inv(-np.array(curvature) / np.outer(widths, widths))
    np.testing.assert_allclose(found, inverse, rtol=1e-2, atol=1e-2 * np.outer(widths, widths).max())


def test_one_poisson_bin_has_the_deviance_of_scipy(make_workspace: Callable[..., Workspace]) -> None:
    likelihood = measurement_of(make_workspace([10.0], [50.0], [62])).likelihood
    data = Data(np.array([62.0]), np.empty(0))
    for strength in (0.0, 0.5, 2.0):
        expected = 2 * (stats.poisson.logpmf(62, 62.0) - stats.poisson.logpmf(62, 50 + 10 * strength))
        assert likelihood.deviance(np.array([strength]), data) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("observed", "best"), [(62, 1.2), (50, 0.0), (41, 0.0)])
def test_the_best_strength_of_one_bin_is_the_excess_over_the_signal_or_nothing(
    make_workspace: Callable[..., Workspace], observed: int, best: float
) -> None:
    likelihood, data, _ = measurement_of(make_workspace([10.0], [50.0], [observed]))
    found = likelihood.fit(data)
    assert found.parameters[0] == pytest.approx(best, abs=2e-5)
    if best > 0:
        assert likelihood.uncertainty(data, found.parameters) == pytest.approx(np.sqrt(observed) / 10, rel=1e-4)


def test_a_bin_that_expects_nothing_allows_no_event(make_workspace: Callable[..., Workspace]) -> None:
    free = {"name": "free", "type": "normfactor", "data": None}
    likelihood = measurement_of(make_workspace([10.0], [50.0], [3], free)).likelihood
    assert likelihood.deviance(np.zeros(2), Data(np.array([3.0]), np.empty(0))) == np.inf
    assert likelihood.deviance(np.zeros(2), Data(np.array([0.0]), np.empty(0))) == 0


@QUICK
@given(workspaces(), st.floats(0, 3))
def test_a_fixed_strength_stays_and_is_no_better_than_a_free_one(spec: Workspace, strength: float) -> None:
    likelihood, data, _ = measurement_of(spec)
    fixed, free = likelihood.fit(data, poi=strength), likelihood.fit(data)
    assert fixed.parameters[likelihood.poi] == strength
    assert fixed.deviance >= free.deviance - 1e-8
    again = likelihood.deviance(likelihood.at(strength, fixed.parameters), data)
    assert again == pytest.approx(fixed.deviance, rel=1e-9, abs=1e-9)


def test_every_fit_is_counted_and_pyhf_keeps_its_own_backend(reference: Workspace) -> None:
    likelihood, data, _ = measurement_of(reference)
    before = pyhf.get_backend()
    slow = PyhfLikelihood(likelihood.model, likelihood.yields)
    for engine in (likelihood, slow):
        for poi in (None, 0.0, 1.0):
            engine.fit(data, poi=poi)
        assert engine.tally.fits == 3
        assert engine.tally.seconds > 0
        assert engine.tally.to_json()["fits"] == 3
    assert pyhf.get_backend() == before


def test_a_model_with_nothing_left_to_fit_has_the_deviance_of_its_parameters(reference: Workspace) -> None:
    likelihood, data, _ = measurement_of(reference)
    everything = range(len(likelihood.start))
    for engine in (likelihood, PyhfLikelihood(likelihood.model, likelihood.yields)):
        found = engine.holding(everything, engine.start).fit(data, poi=0.7)
        assert found.deviance == pytest.approx(likelihood.deviance(likelihood.at(0.7), data))
