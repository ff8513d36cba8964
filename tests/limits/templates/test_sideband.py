"""The curve through the sidebands: unbiased, with an uncertainty that covers, refused where it cannot work."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from simmorph.data.histograms import Histogram
from simmorph.errors import InputError
from simmorph.limits.templates.sideband import fit_sidebands

EDGES = np.linspace(105, 160, 31)
WINDOW = (120.0, 130.0)


def true_yields() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return 90_000 * np.diff(-np.exp(-(EDGES - 105) / 30))


def test_a_curve_of_the_right_kind_is_recovered_everywhere() -> None:
    truth = true_yields()
    fit = fit_sidebands(Histogram(EDGES, truth, truth), WINDOW, order=1)
    assert fit.expected.values == pytest.approx(truth, rel=1e-5)
    assert fit.chi2 == pytest.approx(0, abs=1e-3)
    assert fit.n_degrees == 24 - 2


def test_what_is_in_the_window_does_not_move_the_curve() -> None:
    truth = true_yields()
    bump = np.where((EDGES[1:] > 120) & (EDGES[:-1] < 130), 1e4, 0.0)
    plain = fit_sidebands(Histogram(EDGES, truth, truth), WINDOW, order=3)
    bumpy = fit_sidebands(Histogram(EDGES, truth + bump, truth + bump), WINDOW, order=3)
    assert bumpy.expected.values == pytest.approx(plain.expected.values, rel=1e-9)


def test_the_uncertainty_in_the_window_covers_its_fluctuations() -> None:
    rng, truth = np.random.default_rng(3), true_yields()
    pulls = []
    for _ in range(150):
        counts = rng.poisson(truth).astype(float)
        fit = fit_sidebands(Histogram(EDGES, counts, counts), WINDOW, order=3)
        inside = ~fit.sidebands
        shift = fit.variations[:, inside].sum(axis=1)  # the window's sum along each independent direction
        pulls.append((fit.expected.values - truth)[inside].sum() / np.sqrt(np.sum(shift**2)))
    assert abs(np.mean(pulls)) < 4 / np.sqrt(150)
    assert 0.8 < np.std(pulls) < 1.2


def test_weights_enter_with_their_relative_uncertainty() -> None:
    counts = true_yields()
    plain = fit_sidebands(Histogram(EDGES, counts, counts), WINDOW, order=2)
    weighted = fit_sidebands(Histogram(EDGES, 0.1 * counts, 0.01 * counts), WINDOW, order=2)
    relative = np.sqrt(plain.expected.variances) / plain.expected.values
    assert np.sqrt(weighted.expected.variances) / weighted.expected.values == pytest.approx(relative, rel=1e-3)


def test_too_few_sidebands_are_refused() -> None:
    counts = true_yields()
    with pytest.raises(InputError, match="too few filled sideband bins"):
        fit_sidebands(Histogram(EDGES, counts, counts), (109.0, 160.0), order=3)


def test_the_curve_is_that_of_a_maximum_of_the_likelihood_of_scipy() -> None:
    rng, edges = np.random.default_rng(8), np.linspace(0.0, 8.0, 9)
    counts = rng.poisson(600 * np.exp(-edges[:-1] / 3)).astype(float)
    fit = fit_sidebands(Histogram(edges, counts, counts), (3.0, 5.0), order=1)
    sidebands = np.array([True, True, True, False, False, True, True, True])
    np.testing.assert_array_equal(fit.sidebands, sidebands)

    def curve(parameters: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        height, rate = parameters
        return np.asarray(np.exp(height) * np.diff(np.exp(rate * edges)) / rate)

    def cost(parameters: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        return -float(np.sum(stats.poisson.logpmf(counts, curve(parameters))[sidebands]))

    best = optimize.minimize(cost, [6.0, -0.3], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9}).x
    np.testing.assert_allclose(fit.expected.values, curve(best), rtol=1e-4)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_independent_variations_are_as_many_as_parameters_and_add_to_the_variance(order: int) -> None:
    counts = true_yields()
    fit = fit_sidebands(Histogram(EDGES, counts, counts), WINDOW, order)
    assert fit.variations.shape == (order + 1, 30)
    np.testing.assert_allclose(np.sum(fit.variations**2, axis=0), fit.expected.variances)
    assert fit.n_degrees == 24 - (order + 1)
    # A constant is among the curves' directions, so the fit is as sure of the total as the sidebands' statistics.
    inside = fit.variations[:, fit.sidebands].sum(axis=1)
    assert np.sum(inside**2) == pytest.approx(counts[fit.sidebands].sum(), rel=1e-3)
