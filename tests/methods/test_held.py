"""No map in closed form leaves what the target has near a context, and each event that is held back says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simmorph.config.learning import Learning, MethodSettings
from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.data.morphed import HELD
from simmorph.model import Model
from simmorph.neural.reach import Reach

METHODS: dict[str, dict[str, Any]] = {
    "copula": {},
    "conditional_quantile": {},
    "quantile": {},
    "regression": {"hidden": [8]},
}
SETTINGS = TrainingSettings(epochs=3, learning_rate=1e-2, device="cpu")


def sample(n_events: int, seed: int, *, is_target: bool) -> Events:
    """Two features at a pt that falls exponentially from an edge and an eta at which their widths jump."""
    rng = np.random.default_rng([seed, is_target])
    pt, eta = 25 + rng.exponential(15, n_events), rng.uniform(-2.5, 2.5, n_events)
    isolation = np.where(rng.random(n_events) < 0.2, 0, rng.exponential(1 + 0.01 * pt, n_events))
    width = 0.01 + 0.01 * (abs(eta) > 1.5) + 0.001 * rng.normal(size=n_events) * (1.1 if is_target else 1)
    features = np.stack([isolation * (1 if is_target else 0.9), width + 0.0005 * (not is_target)], axis=1)
    return Events.of(features, np.stack([pt, eta], axis=1))


@pytest.fixture(scope="module", params=METHODS)
def fitted(request: pytest.FixtureRequest) -> tuple[Model, Events]:
    method = MethodSettings(name=request.param, **METHODS[request.param])
    learning = Learning(features=["iso", "width"], context=["pt", "eta"], method=method, training=SETTINGS)
    target = sample(4500, 1, is_target=True)
    return Model.fit(learning, sample(4500, 1, is_target=False), target), target


def assert_inside(features: np.ndarray, target: Events) -> None:
    """All within the range of the target, but for the rounding of the preprocessing."""
    low, high = target.features.min(axis=0), target.features.max(axis=0)
    assert (features >= low - 1e-9 * (high - low)).all()
    assert (features <= high + 1e-9 * (high - low)).all()


def test_fresh_events_go_nowhere_that_the_target_does_not(fitted: tuple[Model, Events]) -> None:
    model, target = fitted
    fresh = sample(30_000, 2, is_target=False)
    moved = model.transform(fresh).events.features
    assert_inside(moved, target)
    assert np.max(np.abs(moved - fresh.features) / target.features.std(axis=0)) < 8


def test_wild_events_stay_near_and_those_held_back_are_told(fitted: tuple[Model, Events]) -> None:
    model, target = fitted
    rng = np.random.default_rng(3)
    wild = rng.normal(size=(4000, 4)) * 10.0 ** rng.uniform(-1, 5, (4000, 1))
    events = Events.of(wild[:, :2], wild[:, 2:])  # as the method sees them: the preprocessing has a fence of its own
    free, reach = model.method, model.method.reach
    moved, held = free.moved(events)
    free.reach = Reach(2, 2)  # untaught, it holds nothing back
    unbound = free.transform(events).features
    free.reach = reach
    shown = model.target.forward(target.features, target.ids)
    assert_inside(moved.features, target.with_features(shown))
    changed = (unbound != moved.features).any(axis=1)
    assert changed.sum() > 100
    np.testing.assert_array_equal(held, changed)


def test_an_event_that_is_held_back_has_its_bit(fitted: tuple[Model, Events]) -> None:
    model, _ = fitted
    events = sample(30_000, 5, is_target=False)
    status = model.transform(events).status
    prepared = Events.of(
        model.features.forward(events.features, events.ids), model.context.forward(events.context, events.ids)
    )
    np.testing.assert_array_equal((status & HELD) > 0, model.method.moved(prepared).held)


def test_few_ordinary_events_are_held_back(fitted: tuple[Model, Events]) -> None:
    model, _ = fitted
    status = model.transform(sample(30_000, 4, is_target=False)).status
    assert np.mean((status & HELD) > 0) < 0.01
