"""The quantile map against what is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.config.learning import MethodSettings
from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.errors import ConfigError, InputError
from simmorph.methods import build_method
from simmorph.methods.quantile import QuantileMap
from simmorph.neural.loop.training import Training

N_EVENTS = 40_000
HOW = Training(TrainingSettings(validation=0.0, holdout=0.0))


def _fitted(source: Events, target: Events, **options: int) -> QuantileMap:
    method = QuantileMap(source.features.shape[1], source.context.shape[1], **options)
    assert method.fit(source, target, HOW) == {}
    return method


def _normal(mean: float, deviation: float, seed: int, n_features: int = 1) -> Events:
    return Events.of(np.random.default_rng(seed).normal(mean, deviation, (N_EVENTS, n_features)))


def test_map_between_two_gaussians_is_the_straight_line() -> None:
    method = _fitted(_normal(0, 1, 1), _normal(3, 2, 2))
    places = np.linspace(-2, 2, 21)[:, None]
    np.testing.assert_allclose(method.transform(Events.of(places)).features, 3 + 2 * places, atol=0.1)


def test_morphed_source_has_the_marginals_of_the_target() -> None:
    rng = np.random.default_rng(1)
    source = Events.of(np.stack([rng.exponential(1, N_EVENTS), rng.uniform(0, 1, N_EVENTS)], axis=1))
    target = Events.of(np.stack([rng.gamma(2, 1, N_EVENTS), rng.beta(2, 3, N_EVENTS)], axis=1))
    morphed = _fitted(source, target).transform(source).features
    levels = np.linspace(0.01, 0.99, 99)
    for at in range(2):
        expected = np.quantile(target.features[:, at], levels)
        np.testing.assert_allclose(np.quantile(morphed[:, at], levels), expected, atol=0.02)


def test_equal_samples_are_left_alone() -> None:
    events = _normal(0, 1, 1, n_features=3)
    np.testing.assert_allclose(_fitted(events, events).transform(events).features, events.features, atol=1e-12)


def test_beyond_the_last_knot_an_event_moves_as_far_as_there_and_no_further_than_the_target() -> None:
    source, target = _normal(0, 1, 1), _normal(3, 2, 2)
    target.features[0] = 40.0
    method = _fitted(source, target, knots=3)
    top = source.features.max()
    moved, held = method.moved(Events.of(np.array([[top], [top - 1], [top + 100]])))
    assert moved.features[2, 0] == target.features.max()
    assert held.tolist() == [False, False, True]
    slope = (target.features.max() - np.median(target.features)) / (top - np.median(source.features))
    assert moved.features[0, 0] - moved.features[1, 0] == pytest.approx(slope, rel=0.02)


def test_weights_of_the_target_count() -> None:
    rng = np.random.default_rng(4)
    bump, other = rng.normal(2, 0.5, N_EVENTS), rng.normal(-9, 0.5, N_EVENTS)
    weights = np.repeat([1.0, 1e-9], N_EVENTS)
    target = Events.of(np.concatenate([bump, other])[:, None], weights=weights)
    morphed = _fitted(_normal(0, 1, 1), target).transform(_normal(0, 1, 3)).features
    assert morphed.mean() == pytest.approx(2, abs=0.03)
    assert morphed.std() == pytest.approx(0.5, abs=0.03)


def test_weights_and_context_pass_through() -> None:
    events = Events.of(np.zeros((4, 1)), np.arange(4.0)[:, None], np.array([1.0, -2.0, 0.0, 3.0]))
    method = QuantileMap(1, 1)
    after = method.transform(events)
    np.testing.assert_array_equal(after.weights, events.weights)
    np.testing.assert_array_equal(after.context, events.context)


def test_repeated_values_do_no_harm() -> None:
    zeros = Events.of(np.zeros((500, 1)))
    assert np.all(np.isfinite(_fitted(zeros, _normal(0, 1, 1)).transform(zeros).features))


def test_no_events_are_refused() -> None:
    with pytest.raises(InputError, match="no events to train on"):
        QuantileMap(1, 0).fit(Events.of(np.zeros((0, 1))), _normal(0, 1, 1), HOW)


def test_one_knot_is_refused() -> None:
    with pytest.raises(ConfigError, match="knots"):
        build_method(MethodSettings.model_validate({"name": "quantile", "knots": 1}), 1, 0)
