"""One flow on samples whose optimal map is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.methods.one_flow import OneFlow
from simmorph.neural.training import Training

SETTINGS = TrainingSettings(epochs=15, batch_size=500, learning_rate=5e-3, device="cpu", holdout=0)


def gaussian(n_events: int, mean: list[float], covariance: list[list[float]], seed: int) -> Events:
    return Events.of(np.random.default_rng(seed).multivariate_normal(mean, covariance, n_events))


def test_a_shift_and_a_scale_are_learnt() -> None:
    rng = np.random.default_rng(1)
    source, target = Events.of(rng.normal(0, 1, (6000, 1))), Events.of(rng.normal(0.6, 0.7, (4000, 1)))
    method = OneFlow(1, 0, layers=2, hidden=(16,), bins=6)
    method.fit(source, target, Training(SETTINGS))
    grid = np.linspace(-1.5, 1.5, 31)[:, None]
    morphed = method.transform(Events.of(grid)).features
    np.testing.assert_allclose(morphed, 0.6 + 0.7 * grid, atol=0.12)


@pytest.mark.slow
def test_a_correlation_is_learnt_and_events_move_little() -> None:
    source = gaussian(12_000, [0, 0], [[1, 0.6], [0.6, 1]], 1)
    target = gaussian(12_000, [0.4, -0.2], [[0.7, -0.1], [-0.1, 1.2]], 2)
    method = OneFlow(2, 0, layers=4, hidden=(32,), bins=6)
    method.fit(source, target, Training(SETTINGS))
    unseen = gaussian(20_000, [0, 0], [[1, 0.6], [0.6, 1]], 3)
    morphed = method.transform(unseen).features
    np.testing.assert_allclose(morphed.mean(axis=0), [0.4, -0.2], atol=0.06)
    np.testing.assert_allclose(np.cov(morphed.T), [[0.7, -0.1], [-0.1, 1.2]], atol=0.09)
    assert min(spearmanr(unseen.features[:, at], morphed[:, at])[0] for at in (0, 1)) > 0.7


@pytest.mark.slow
def test_the_map_follows_the_context() -> None:
    rng = np.random.default_rng(4)
    context = rng.uniform(-1, 1, (2, 12_000, 1))
    source = Events.of(rng.normal(size=(12_000, 1)), context[0])
    target = Events.of(rng.normal(size=(12_000, 1)) + context[1], context[1])
    method = OneFlow(1, 1, layers=2, hidden=(32,), bins=6)
    method.fit(source, target, Training(SETTINGS))
    values = np.linspace(-1, 1, 9)[:, None]
    for mass in (-0.8, 0.0, 0.8):
        morphed = method.transform(Events.of(values, np.full_like(values, mass))).features
        np.testing.assert_allclose(morphed, values + mass, atol=0.15)


def test_weights_of_the_training_sample_decide_where_events_go() -> None:
    rng = np.random.default_rng(5)
    flat = rng.uniform(-2, 2, (6000, 1))
    weights = np.exp(-0.5 * ((flat[:, 0] - 0.5) / 0.5) ** 2)
    method = OneFlow(1, 0, layers=2, hidden=(16,), bins=8)
    source = Events.of(rng.normal(0, 0.5, (6000, 1)))
    method.fit(source, Events.of(flat, weights=weights), Training(SETTINGS))
    assert method.transform(source).features.mean() == pytest.approx(0.5, abs=0.06)


def test_outside_the_box_features_stay_as_they_are() -> None:
    method = OneFlow(2, 0, layers=2, hidden=(8,), bins=4, tail_bound=3.0)
    source, target = gaussian(500, [0, 0], [[1, 0], [0, 1]], 1), gaussian(500, [0.3, 0], [[1, 0], [0, 1]], 2)
    method.fit(source, target, Training(SETTINGS.model_copy(update={"epochs": 2})))
    far = Events.of(np.array([[3.5, -4.0], [100.0, 7.0]]))
    np.testing.assert_array_equal(method.transform(far).features, far.features)
