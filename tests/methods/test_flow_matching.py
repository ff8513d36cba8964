"""Flow matching on samples whose optimal map is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simmorph.config.learning import MethodSettings
from simmorph.config.recipe import Recipe
from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.errors import ConfigError, InputError
from simmorph.methods import build_method
from simmorph.methods.flow_matching import FlowMatching
from simmorph.model import Model
from simmorph.neural.loop.training import Training

SETTINGS = TrainingSettings(epochs=12, batch_size=256, learning_rate=5e-3, device="cpu", holdout=0)


def normal(mean: float, deviation: float, seed: int, n_features: int = 1) -> Events:
    return Events.of(np.random.default_rng(seed).normal(mean, deviation, (3000, n_features)))


def fitted(source: Events, target: Events, **options: Any) -> FlowMatching:
    n_features, n_context = source.features.shape[1], source.context.shape[1]
    method = FlowMatching(n_features, n_context, **{"hidden": (32, 32), "pairing_batch": 128, **options})
    method.fit(source, target, Training(SETTINGS))
    return method


def test_it_is_the_identity_before_training() -> None:
    events = normal(0, 1, 1, n_features=2)
    np.testing.assert_array_equal(FlowMatching(2, 0).transform(events).features, events.features)


def test_a_shift_and_a_scale_are_learnt() -> None:
    grid = np.linspace(-1.5, 1.5, 31)[:, None]
    moved = fitted(normal(0, 1, 1), normal(0.6, 0.7, 2)).transform(Events.of(grid)).features
    np.testing.assert_allclose(moved, 0.6 + 0.7 * grid, atol=0.15)


@pytest.mark.slow
def test_the_map_follows_the_context() -> None:
    rng = np.random.default_rng(4)
    context = rng.uniform(-1, 1, (2, 6000, 1))
    source = Events.of(rng.normal(size=(6000, 1)), context[0])
    target = Events.of(rng.normal(size=(6000, 1)) + context[1], context[1])
    method = fitted(source, target)
    values = np.linspace(-1, 1, 9)[:, None]
    for place in (-0.7, 0.0, 0.7):
        moved = method.transform(Events.of(values, np.full_like(values, place))).features
        np.testing.assert_allclose(moved, values + place, atol=0.2)


def test_few_steps_and_adaptive_ones_agree() -> None:
    method = fitted(normal(0, 1, 1), normal(0.6, 0.7, 2))
    events = normal(0, 1, 3)[:300]
    found = {}
    for solver in ("euler", "midpoint", "rk4", "adaptive"):
        method.solver = solver
        found[solver] = method.transform(events).features
    np.testing.assert_allclose(found["midpoint"], found["adaptive"], atol=0.01)
    np.testing.assert_allclose(found["rk4"], found["adaptive"], atol=0.005)
    np.testing.assert_allclose(found["euler"], found["adaptive"], atol=0.1)
    assert not np.array_equal(found["euler"], found["rk4"])


def test_the_adaptive_solver_does_not_see_how_events_are_cut_into_calls() -> None:
    method = fitted(normal(0, 1, 1), normal(0.6, 0.7, 2), solver="adaptive")
    events = normal(0, 1, 3)[:50]
    alone = np.concatenate([method.transform(events[at : at + 1]).features for at in range(10)])
    np.testing.assert_array_equal(alone, method.transform(events).features[:10])


def test_weights_of_the_target_count() -> None:
    rng = np.random.default_rng(5)
    values = np.concatenate([rng.normal(-1, 0.3, 2000), rng.normal(1, 0.3, 2000)])
    target = Events.of(values[:, None], weights=np.repeat([1.0, 1e-9], 2000))
    moved = fitted(normal(0, 1, 1), target).transform(normal(0, 1, 3)).features
    assert moved.mean() == pytest.approx(-1, abs=0.12)


def test_bounded_features_and_angles_stay_inside() -> None:
    rng = np.random.default_rng(6)
    source = Events.of(np.stack([rng.uniform(0, 1, 3000), rng.uniform(-np.pi, np.pi, 3000)], axis=1))
    target = Events.of(np.stack([rng.beta(2, 3, 3000), np.pi * np.sin(rng.uniform(-1.5, 1.5, 3000))], axis=1))
    recipe = Recipe(
        source="a.root",
        target="b.root",
        features=["share", "phi"],
        method=MethodSettings(name="flow_matching", hidden=[16], pairing_batch=64),
        preprocessing={"share": ["logit"], "phi": ["periodic"]},
        training=SETTINGS,
    )
    moved = Model.fit(recipe, source, target).transform(source).events.features
    assert moved[:, 0].min() >= 0
    assert moved[:, 0].max() <= 1
    assert np.abs(moved[:, 1]).max() <= np.pi
    assert np.abs(moved - source.features).mean() > 0.01


def test_an_unknown_solver_is_refused() -> None:
    with pytest.raises(ConfigError, match="solver"):
        build_method(MethodSettings.model_validate({"name": "flow_matching", "solver": "rk5"}), 1, 0)


def test_no_events_are_refused() -> None:
    with pytest.raises(InputError, match="no events to train on"):
        fitted(normal(0, 1, 1)[:0], normal(0, 1, 1))
