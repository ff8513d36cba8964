"""What every metric promises, and known answers of the simple ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp, wasserstein_distance

from simmorph.data.events import Events
from simmorph.evaluation import METRICS
from simmorph.evaluation.correlations import correlations, noise_floor, pearson_worst
from simmorph.evaluation.marginals import kolmogorov, wasserstein
from simmorph.evaluation.movement import movement

COVARIANCE = np.array([[1.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 1.0]])


def sample(n_events: int, seed: int, covariance: np.ndarray = COVARIANCE) -> Events:
    rng = np.random.default_rng(seed)
    return Events.of(rng.multivariate_normal(np.zeros(3), covariance, n_events))


@pytest.mark.parametrize("name", METRICS)
def test_metric_tells_a_wrong_sample_from_a_right_one(name: str) -> None:
    target = sample(4000, 1)
    right, rng = sample(4000, 2), np.random.default_rng(1)
    wrong = right.with_features(right.features[:, ::-1] * 1.3)
    null, seen = METRICS[name](right, target, rng), METRICS[name](wrong, target, rng)
    assert np.isfinite([*null, *seen]).all()
    assert null.uncertainty > 0
    assert seen.value - null.value > 5 * seen.uncertainty


@pytest.mark.parametrize("name", METRICS)
def test_metric_depends_on_weights_up_to_their_scale_only(name: str) -> None:
    template, target = sample(1000, 1), sample(1000, 2)
    rng = np.random.default_rng(3)
    weighted = template.with_weights(rng.choice([2.0, -1.0], 1000, p=[0.9, 0.1]))
    plain, scaled = (
        METRICS[name](weighted.with_weights(factor * weighted.weights), target, np.random.default_rng(1))
        for factor in (1.0, 8.0)
    )
    assert scaled == pytest.approx(plain, rel=1e-9)
    assert METRICS[name](template, target, np.random.default_rng(1)) != plain


def test_correlations_are_those_of_the_covariance_with_the_gaussian_error() -> None:
    found = correlations(sample(100_000, 1))
    assert np.max(np.abs(found.matrix - COVARIANCE)) < 4 / np.sqrt(100_000)
    assert found.uncertainty[0, 1] == pytest.approx((1 - 0.6**2) / np.sqrt(100_000), rel=0.02)
    assert found.of(1, 2).value == found.matrix[2, 1]


def test_correlations_take_a_negative_weight_as_the_removal_of_an_equal_event() -> None:
    events = sample(500, 1)
    odd = Events.of(np.full((1, 3), 9.0))
    more = Events.concatenate([events, odd, odd.with_weights(np.array([-1.0]))])
    assert np.allclose(correlations(more).matrix, correlations(events).matrix, rtol=1e-12, atol=1e-12)


def test_correlation_with_a_constant_is_undefined_and_does_not_hide_the_others() -> None:
    template, target = sample(2000, 1), sample(2000, 2)
    template.features[:, 2] = 1.0
    assert np.isnan(correlations(template).matrix[0, 2])
    assert np.isfinite(pearson_worst(template, target, np.random.default_rng(1)).value)


def test_noise_floor_is_the_mean_correlation_of_independent_features() -> None:
    events = Events.of(np.random.default_rng(1).normal(size=(2000, 25)))
    assert np.mean(np.abs(correlations(events).pairs()[0])) == pytest.approx(noise_floor(events), rel=0.1)


def test_one_dimensional_distances_are_scipys() -> None:
    rng = np.random.default_rng(1)
    template = Events.of(rng.normal(0.3, 1.2, (500, 1)), weights=rng.uniform(size=500))
    target = Events.of(rng.normal(0, 1, (600, 1)))
    found = wasserstein(template, target, 0)
    columns = template.features[:, 0], target.features[:, 0]
    expected = wasserstein_distance(*columns, template.weights) / columns[1].std()
    assert found.value == pytest.approx(expected, rel=1e-9)
    unweighted = kolmogorov(Events.of(template.features), target, 0)
    assert unweighted.value == pytest.approx(ks_2samp(*columns).statistic, rel=1e-9)


def test_wasserstein_error_of_a_shift_is_that_of_the_means() -> None:
    rng = np.random.default_rng(1)
    template, target = Events.of(rng.normal(2, 1, (900, 1))), Events.of(rng.normal(0, 1, (900, 1)))
    assert wasserstein(template, target, 0).uncertainty == pytest.approx(np.sqrt(2 / 900), rel=0.1)


def test_distance_of_samples_that_share_a_peak_ignores_the_order_within_it() -> None:
    values = np.repeat([0.0, 1.0], 50)[:, None]
    assert kolmogorov(Events.of(values), Events.of(values[::-1]), 0).value == 0
    assert wasserstein(Events.of(values), Events.of(values[::-1]), 0).value == 0


def test_movement_of_a_shift_is_its_size_and_keeps_the_order() -> None:
    source, target = sample(1000, 1), sample(1000, 2)
    moved = source.with_features(source.features + np.array([0.5, 0.0, 0.0]))
    found = movement(source, moved, target)
    assert found.features[0].retention == pytest.approx(1)
    assert found.features[0].mean == pytest.approx(0.5 / target.features[:, 0].std())
    assert found.mean == pytest.approx(found.quantile_95) == pytest.approx(found.largest)
    assert found.features[1].mean == 0


def test_movement_across_the_seam_of_an_angle_is_short() -> None:
    source = Events.of(np.array([[3.1], [0.0], [-3.1]]))
    moved = source.with_features(np.array([[-3.1], [0.1], [-3.0]]))
    found = movement(source, moved, source, periodic=[0])
    assert found.largest * source.features.std() == pytest.approx(0.1)
    assert found.features[0].retention == pytest.approx(1)


def test_movement_needs_the_same_rows() -> None:
    with pytest.raises(ValueError, match="one row"):
        movement(sample(10, 1), sample(9, 1), sample(10, 2))
