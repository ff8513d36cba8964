"""Several members as one method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.config.learning import MethodSettings
from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.methods import build_method
from simmorph.methods.base import Method
from simmorph.methods.parts.ensemble import Ensemble, MapMixture
from simmorph.neural.loop.training import Training

if TYPE_CHECKING:
    from simmorph.neural.loop.history import History

SETTINGS = TrainingSettings(epochs=5, batch_size=256, learning_rate=1e-2, device="cpu", holdout=0, seeds=3)
OPTIONS: dict[str, Any] = {"one_flow": {"layers": 2, "hidden": [8], "bins": 4}, "classifier": {"hidden": [8]}}


def sample(mean: float) -> Events:
    rng = np.random.default_rng(int(10 * mean) + 1)
    return Events.of(rng.normal(mean, 1, (1000, 2)))


def ensemble(name: str) -> Ensemble:
    built = build_method(MethodSettings(name=name, **OPTIONS[name]), 2, 0, SETTINGS.seeds)
    assert isinstance(built, Ensemble)
    return built


def test_each_event_of_an_ensemble_is_morphed_by_one_of_its_members() -> None:
    method, source = ensemble("one_flow"), sample(0.0)
    history = method.fit(source, sample(0.5), Training(SETTINGS))
    assert list(history) == ["fit", "member2-fit", "member3-fit"]
    images = np.stack([member.transform(source).features for member in method.methods])
    assert np.abs(images[0] - images[1]).max() > 1e-3
    morphed = method.transform(source).features
    chosen = np.abs(images - morphed).max(axis=2).argmin(axis=0)
    np.testing.assert_array_equal(images[chosen, np.arange(len(source))], morphed)
    np.testing.assert_allclose(np.bincount(chosen) / len(source), 1 / 3, atol=0.06)
    notes = method.notes(source, method.transform(source))
    assert 0 < notes.numbers["members_spread"] < 0.5


def test_a_weight_of_an_ensemble_is_the_mean_of_its_members() -> None:
    method, source = ensemble("classifier"), sample(0.0)
    method.fit(source, sample(0.5), Training(SETTINGS))
    weights = [member.transform(source).weights for member in method.methods]
    np.testing.assert_allclose(method.transform(source).weights, np.mean(weights, axis=0))


class Shift(Method):
    """Moves every event by a number of its own."""

    is_random = True

    def __init__(self, shift: float) -> None:
        super().__init__(2, 0)
        self.shift = shift

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        return {}

    def _transform(self, events: Events) -> Events:
        return events.with_features(events.features + self.shift)


def test_maps_that_disagree_are_mixed_and_not_averaged() -> None:
    method, source = MapMixture([Shift(-1.0), Shift(1.0)]), sample(0.0)
    method.fit(source, source, Training(SETTINGS))
    moved = method.transform(source).features - source.features
    np.testing.assert_allclose(np.abs(moved), 1.0)
    assert np.mean(moved[:, 0] > 0) == pytest.approx(0.5, abs=0.05)
    np.testing.assert_array_equal(
        method.transform(source[100:200]).features, method.transform(source).features[100:200]
    )


def test_a_single_member_stands_for_itself() -> None:
    assert not isinstance(build_method(MethodSettings(name="quantile"), 2, 0), Ensemble)
