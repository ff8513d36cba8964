"""Distances of all variables together: closed forms, signed weights, and what they do not depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist

from simmorph.data.events import Events
from simmorph.evaluation.metrics.marginals import wasserstein
from simmorph.evaluation.metrics.multivariate import (
    MAX_KERNEL_EVENTS,
    frechet,
    mmd,
    mmd_tested,
    sliced_wasserstein,
)

if TYPE_CHECKING:
    from simmorph.evaluation.metrics.registry import Metric

EVERY = pytest.mark.parametrize("metric", [sliced_wasserstein, mmd, frechet])


def normal(n_events: int, seed: int, mean: float | list[float] = 0.0, n_features: int = 2) -> Events:
    return Events.of(np.random.default_rng(seed).normal(mean, 1, (n_events, n_features)))


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def moments(events: Events) -> tuple[np.ndarray, np.ndarray]:
    covariance = np.cov(events.features.T, aweights=events.weights, ddof=0)
    return np.average(events.features, axis=0, weights=events.weights), covariance


@EVERY
def test_equal_generators_give_equal_numbers(metric: Metric) -> None:
    template, target = normal(300, 1, 0.3), normal(300, 2)
    assert metric(template, target, rng()) == metric(template, target, rng())


@EVERY
def test_a_larger_shift_is_a_larger_distance(metric: Metric) -> None:
    target = normal(600, 3)
    near, far = (metric(normal(600, 4, shift), target, rng()).value for shift in (0.3, 1.0))
    assert near < far


@EVERY
def test_units_and_origins_of_the_features_do_not_matter(metric: Metric) -> None:
    template, target = normal(300, 5, 0.4), normal(300, 6)
    scaled, other = (it.with_features(it.features * [1000, 0.001] + [-7, 3]) for it in (template, target))
    assert metric(scaled, other, rng()) == pytest.approx(metric(template, target, rng()), rel=1e-6)


@EVERY
def test_a_constant_feature_adds_nothing_that_is_not_finite(metric: Metric) -> None:
    template, target = (
        Events.of(np.hstack([it.features, np.ones((300, 1))])) for it in (normal(300, 7, 0.4), normal(300, 8))
    )
    assert np.isfinite(metric(template, target, rng())).all()


@EVERY
def test_events_of_negative_weight_take_equal_ones_away(metric: Metric) -> None:
    template, target, stray = normal(900, 9), normal(900, 10), normal(150, 11, 3.0)
    wrong = metric(Events.concatenate([template, stray]), target, rng())
    signed = metric(Events.concatenate([template, stray, stray.with_weights(-stray.weights)]), target, rng())
    assert abs(signed.value) < 0.5 * wrong.value


@EVERY
def test_an_event_of_weight_two_is_two_events(metric: Metric) -> None:
    template, target = normal(400, 12, 0.5), normal(400, 13)
    heavy = template.with_weights(np.repeat([2.0, 1.0], 200))
    twice = Events.concatenate([template, template[:200]])
    found, expected = metric(heavy, target, rng()), metric(twice, target, rng())
    # A pair of copies counts in the kernel of an unbiased mean, an event with itself does not.
    assert found.value == pytest.approx(expected.value, abs=max(0.5 * expected.uncertainty, 1e-9))


def test_frechet_is_the_distance_of_the_sample_moments() -> None:
    rng_ = np.random.default_rng(14)
    template = Events.of(rng_.multivariate_normal([0.3, 0], [[1, 0.5], [0.5, 2]], 500))
    target = normal(600, 15).with_weights(rng_.uniform(0.5, 1.5, 600))
    mean, covariance = moments(target)
    scale = np.sqrt(np.diag(covariance))
    (first, one), (second, other) = (
        moments(it.with_features((it.features - mean) / scale)) for it in (template, target)
    )
    expected = np.sum((first - second) ** 2) + np.trace(one + other - 2 * np.real(sqrtm(one @ other)))
    assert frechet(template, target, rng()).value == pytest.approx(expected, rel=1e-6)


def test_the_error_of_frechet_is_the_spread_of_repetitions() -> None:
    found = [frechet(normal(400, seed, 0.5), normal(400, 1000 + seed), rng(seed)) for seed in range(40)]
    assert np.mean([it.uncertainty for it in found]) == pytest.approx(np.std([it.value for it in found]), rel=0.4)


def test_frechet_is_blind_to_what_leaves_means_and_covariances() -> None:
    values = np.random.default_rng(16).choice([-1.0, 1.0], (4000, 1))
    found = frechet(Events.of(values), normal(4000, 17, n_features=1), rng())
    assert found.value < 0.01


def test_the_sliced_distance_of_one_feature_is_wasserstein() -> None:
    template, target = normal(300, 18, 0.4, 1), normal(400, 19, n_features=1)
    template = template.with_weights(np.random.default_rng(20).exponential(size=300))
    found, expected = sliced_wasserstein(template, target, rng()), wasserstein(template, target, 0)
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_sliced_distance_sees_a_correlation_that_no_feature_shows() -> None:
    covariance = [[1, 0.8], [0.8, 1]]
    template = Events.of(np.random.default_rng(21).multivariate_normal([0, 0], covariance, 3000))
    target, null = normal(3000, 22), normal(3000, 23)
    found, noise = (sliced_wasserstein(it, target, rng()) for it in (template, null))
    assert found.value > noise.value + 5 * found.uncertainty


def test_mmd_is_the_unbiased_statistic_of_pairs() -> None:
    template, target = normal(60, 24, 0.5), normal(80, 25)
    mean, covariance = moments(target)
    first, second = ((it.features - mean) / np.sqrt(np.diag(covariance)) for it in (template, target))
    both = np.concatenate([first, second])
    median = np.median(cdist(both, both, "sqeuclidean"))

    def kernel(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(-cdist(one, other, "sqeuclidean") / (2 * median)))

    within = sum((kernel(it, it).sum() - len(it)) / (len(it) * (len(it) - 1)) for it in (first, second))
    expected = within - 2 * kernel(first, second).mean()
    assert mmd(template, target, rng()).value == pytest.approx(expected, rel=1e-9)


def test_mmd_looks_at_no_more_events_than_a_kernel_takes() -> None:
    # Beyond the bound, events enter by the draw alone: its value stays that of as many events.
    template, target = normal(4 * MAX_KERNEL_EVENTS, 26, 0.5), normal(4 * MAX_KERNEL_EVENTS, 27)
    found = mmd(template, target, rng())
    few = mmd(template[:MAX_KERNEL_EVENTS], target[:MAX_KERNEL_EVENTS], rng())
    assert found.uncertainty == pytest.approx(few.uncertainty, rel=0.3)
    assert found.value == pytest.approx(few.value, abs=4 * np.hypot(found.uncertainty, few.uncertainty))


def test_a_plain_difference_is_far_beyond_noise_alone() -> None:
    found = mmd_tested(normal(200, 28, 1.0), normal(200, 29), rng())
    assert found.p_value < 1e-9
    assert found.found == mmd(normal(200, 28, 1.0), normal(200, 29), rng())


def test_equal_samples_are_closer_than_noise_alone() -> None:
    sample = normal(200, 30)
    found = mmd_tested(sample, sample, rng())
    assert found.p_value > 0.9
    assert abs(found.null.value) < 1e-12
