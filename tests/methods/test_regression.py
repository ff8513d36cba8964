"""Regression mends the mean at each context, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.methods.regression import Regression
from simmorph.neural.loop.training import Training

SETTINGS = TrainingSettings(epochs=15, batch_size=500, learning_rate=5e-3, device="cpu", holdout=0)
N_EVENTS = 20_000


def drifting(slope: float, width: float, seed: int, n_events: int = N_EVENTS) -> Events:
    """A feature with a mean that is `slope` times the context squared, and the same width everywhere."""
    rng = np.random.default_rng(seed)
    context = rng.uniform(-1, 1, (n_events, 1))
    return Events.of(slope * context**2 + rng.normal(0, width, (n_events, 1)), context)


@pytest.fixture(scope="module")
def template() -> Events:
    method = Regression(1, 1, hidden=(32,))
    source = drifting(0.5, 1.0, 1)
    method.fit(source, drifting(2.0, 0.5, 2), Training(SETTINGS))
    return method.transform(source)


def test_the_mean_at_each_context_is_that_of_the_target(template: Events) -> None:
    for low in (-1.0, -0.5, 0.0, 0.5):
        here = (template.context[:, 0] >= low) & (template.context[:, 0] < low + 0.5)
        expected = 2.0 * np.mean(template.context[here] ** 2)
        assert template.features[here].mean() == pytest.approx(expected, abs=0.07)


def test_the_width_is_left_wrong(template: Events) -> None:
    residuals = template.features - 2.0 * template.context**2
    # But for the few events that would land beyond all that the target has there.
    assert residuals.std() == pytest.approx(1.0, abs=0.06)
    assert residuals.std() > 1.8 * 0.5


def test_without_context_it_is_a_shift() -> None:
    rng = np.random.default_rng(3)
    source, target = Events.of(rng.normal(0, 1, (4000, 2))), Events.of(rng.normal(0.7, 2, (4000, 2)))
    method = Regression(2, 0, hidden=(8,))
    method.fit(source, target, Training(SETTINGS))
    moved = method.transform(source).features - source.features
    np.testing.assert_allclose(moved.std(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(moved.mean(axis=0), 0.7, atol=0.12)


def test_heavier_events_pull_the_mean() -> None:
    source, target = drifting(0.0, 1.0, 1, 4000), drifting(0.0, 1.0, 2, 4000)
    target = target.with_weights(np.where(target.features[:, 0] > 0, 3.0, 1.0))
    method = Regression(1, 1, hidden=(16,))
    method.fit(source, target, Training(SETTINGS))
    moved = (method.transform(source).features - source.features).mean()
    # The mean of a half normal is 0.798: (3 - 1) / (3 + 1) of it.
    assert moved == pytest.approx(0.5 * 0.798, abs=0.07)
