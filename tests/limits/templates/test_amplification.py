"""The spread of a few replicas as variations of a template."""

from __future__ import annotations

import numpy as np

from simmorph.data.histograms import Histogram
from simmorph.limits.templates.amplification import eigen_variations, shrunk_covariance

EDGES = np.linspace(0, 1, 9)


def test_many_rows_give_the_covariance_of_the_sample() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(20_000, 3)) @ np.array([[1.0, 0.8, 0.0], [0.0, 1.0, -0.5], [0.0, 0.0, 2.0]])
    np.testing.assert_allclose(shrunk_covariance(values), np.cov(values, rowvar=False), rtol=1e-3, atol=1e-3)


def test_few_rows_keep_their_variances_and_come_nearer_to_the_truth() -> None:
    errors = []
    for seed in range(20):
        values = np.random.default_rng(seed).normal(size=(8, 12))
        sample, shrunk = np.cov(values, rowvar=False), shrunk_covariance(values)
        np.testing.assert_allclose(np.diag(shrunk), np.diag(sample))
        assert np.linalg.eigvalsh(shrunk)[0] > 0.01
        errors.append([np.sum((found - np.eye(12)) ** 2) for found in (sample, shrunk)])
    of_sample, of_shrunk = np.mean(errors, axis=0)
    assert of_shrunk < 0.5 * of_sample


def test_two_rows_tell_nothing_of_correlations() -> None:
    found = shrunk_covariance(np.array([[1.0, 2.0, 5.0], [3.0, 6.0, 5.0]]))
    np.testing.assert_allclose(found, np.diag([2.0, 8.0, 0.0]))


def test_a_tail_is_not_lost_beside_well_filled_bins() -> None:
    rng = np.random.default_rng(2)
    yields = np.geomspace(1e6, 10, 8)
    nominal = Histogram(EDGES, yields, np.zeros(8))
    replicas = [Histogram(EDGES, yields + np.sqrt(yields) * rng.normal(size=8), np.zeros(8)) for _ in range(400)]
    shifts = np.array(eigen_variations(nominal, replicas, same_events=True))
    np.testing.assert_allclose(np.sum(shifts**2, axis=0), yields, rtol=0.3)


def test_a_shift_that_all_bins_share_is_the_first_variation() -> None:
    nominal, factors = Histogram(EDGES, np.full(8, 100.0), np.zeros(8)), np.linspace(0.9, 1.1, 20)
    replicas = [Histogram(EDGES, nominal.values * factor, np.zeros(8)) for factor in factors]
    shifts = np.array(eigen_variations(nominal, replicas, same_events=True))
    variance = np.var(100 * factors, ddof=1)
    np.testing.assert_allclose(np.sum(shifts**2, axis=0), variance)
    np.testing.assert_allclose(shifts[0] ** 2, variance, rtol=0.1)
