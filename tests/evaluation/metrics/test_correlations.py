"""Pearson correlations: numpy's with weights, errors of repetitions, and which pairs are named."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import pearsonr

from simmorph.data.events import Events
from simmorph.evaluation.metrics.correlations import (
    CORRELATED,
    Correlations,
    correlations,
    mean_size,
    named_and_others,
    noise_floor,
    pearson_mean,
    pearson_worst,
    worst_of,
)

PAIRS = list(combinations(range(3), 2))


def normal(n_events: int, seed: int, r: float = 0.0) -> Events:
    """Three features, of which the first two are correlated."""
    covariance = np.array([[1, r, 0], [r, 1, 0], [0, 0, 1.0]])
    return Events.of(np.random.default_rng(seed).multivariate_normal(np.zeros(3), covariance, n_events))


def known(coefficients: dict[tuple[int, int], float], uncertainty: float = 0.01) -> Correlations:
    """Correlations of three features with these coefficients."""
    matrix = np.eye(3)
    for pair, value in coefficients.items():
        matrix[pair] = matrix[pair[::-1]] = value
    return Correlations(matrix, np.full((3, 3), uncertainty))


def test_coefficients_are_scipys() -> None:
    events = normal(300, 1, 0.5)
    found = correlations(events)
    for first, second in PAIRS:
        expected = pearsonr(events.features[:, first], events.features[:, second]).statistic
        assert found.matrix[first, second] == pytest.approx(expected, rel=1e-10)
        assert found.matrix[second, first] == found.matrix[first, second]


def test_weighted_coefficients_are_numpys() -> None:
    events = normal(300, 2, 0.5)
    weights = np.random.default_rng(3).exponential(size=300)
    covariance = np.cov(events.features.T, aweights=weights, ddof=0)
    spread = np.sqrt(np.diag(covariance))
    found = correlations(events.with_weights(weights))
    np.testing.assert_allclose(found.matrix, covariance / np.outer(spread, spread), atol=1e-10)


def test_coefficients_do_not_depend_on_units() -> None:
    events = normal(500, 4, 0.3)
    scaled = events.with_features(events.features * [1000.0, 0.001, -2.0] + [5.0, 7.0, 0.0])
    signs = np.array([[1, 1, -1], [1, 1, -1], [-1, -1, 1]])
    np.testing.assert_allclose(correlations(scaled).matrix, correlations(events).matrix * signs, atol=1e-9)
    np.testing.assert_allclose(correlations(scaled).uncertainty, correlations(events).uncertainty, atol=1e-9)


@pytest.mark.parametrize("r", [0.0, 0.6])
def test_the_uncertainty_is_the_spread_of_repetitions_with_uneven_weights(r: float) -> None:
    rng = np.random.default_rng(5)
    found = []
    for seed in range(150):
        events = normal(400, seed, r)
        found.append(correlations(events.with_weights(rng.exponential(size=400))).of(0, 1))
    spread = np.std([one.value for one in found])
    assert np.mean([one.uncertainty for one in found]) == pytest.approx(spread, rel=0.2)


def test_pairs_are_each_once() -> None:
    found = known({(0, 1): 0.1, (0, 2): 0.2, (1, 2): 0.3})
    assert found.pairs()[0].tolist() == [0.1, 0.2, 0.3]
    assert found.of(2, 1) == (0.3, 0.01)


def test_pairs_that_the_target_correlates_are_named_unless_the_recipe_names_some() -> None:
    target = known({(0, 1): -2 * CORRELATED, (0, 2): CORRELATED / 2, (1, 2): 0.0})
    assert named_and_others(target, [], PAIRS) == ([(0, 1)], [(0, 2), (1, 2)])
    assert named_and_others(target, [[2, 1]], PAIRS) == ([(1, 2)], [(0, 1), (0, 2)])


def test_a_named_pair_may_be_none_of_the_others_to_choose_from() -> None:
    named, others = named_and_others(known({}), [(0, 2)], [(0, 1)])
    assert (named, others) == ([(0, 2)], [(0, 1)])


def test_the_worst_pair_is_that_of_the_largest_difference_with_both_errors() -> None:
    template = known({(0, 1): 0.5, (0, 2): 0.1}, uncertainty=0.03)
    target = known({(0, 1): 0.4, (0, 2): -0.2}, uncertainty=0.04)
    found, pair = worst_of(template, target, PAIRS)
    assert pair == (0, 2)
    assert found == pytest.approx((0.3, 0.05))


def test_an_undefined_pair_is_not_the_worst() -> None:
    template = known({(0, 1): float("nan"), (0, 2): 0.1})
    assert worst_of(template, known({}), PAIRS)[1] == (0, 2)


def test_the_mean_size_leaves_out_what_is_undefined() -> None:
    found = mean_size(known({(0, 1): -0.3, (0, 2): float("nan"), (1, 2): 0.1}), PAIRS)
    assert found == pytest.approx((0.2, 2**0.5 * 0.01 / 2))
    assert np.isnan(mean_size(known({(0, 1): float("nan")}), [(0, 1)]).value)


def test_the_worst_and_the_mean_difference_are_those_of_the_matrices() -> None:
    template, target = normal(2000, 6, 0.5), normal(2000, 7, 0.0)
    rng = np.random.default_rng(8)
    difference = np.abs(correlations(template).pairs()[0] - correlations(target).pairs()[0])
    assert pearson_worst(template, target, rng).value == pytest.approx(difference.max())
    assert pearson_mean(template, target, rng).value == pytest.approx(difference.mean())
    assert pearson_worst(template, target, rng).value == pytest.approx(0.5, abs=0.06)


def test_one_feature_has_no_pairs_and_undefined_differences() -> None:
    one = Events.of(np.random.default_rng(9).normal(size=(100, 1)))
    for metric in (pearson_worst, pearson_mean):
        assert np.isnan(metric(one, one, np.random.default_rng(1))).all()


def test_the_noise_floor_falls_with_the_root_of_the_effective_size() -> None:
    events = normal(1000, 10)
    quarter = events.with_weights(np.repeat([1.0, 0.0], [250, 750]))
    assert noise_floor(quarter) == pytest.approx(2 * noise_floor(events))
    assert noise_floor(events[:0]) == pytest.approx((2 / np.pi) ** 0.5)
