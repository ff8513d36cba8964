"""Convex potentials on samples whose optimal map is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.data.toys.gaussian import samples
from simmorph.methods.icnn import ConvexTransport
from simmorph.neural.loop.training import Training

SETTINGS = TrainingSettings(epochs=25, batch_size=128, learning_rate=1e-2, device="cpu", holdout=0, patience=None)


def fitted(source: Events, target: Events, epochs: int = 25, **options: Any) -> ConvexTransport:
    method = ConvexTransport(source.features.shape[1], source.context.shape[1], **{"hidden": (16, 16), **options})
    history = method.fit(source, target, Training(SETTINGS.model_copy(update={"epochs": epochs})))
    assert history["fit"].epochs == epochs
    return method


def test_it_begins_near_the_identity() -> None:
    events = Events.of(np.random.default_rng(1).normal(size=(100, 3)))
    np.testing.assert_allclose(ConvexTransport(3, 0).transform(events).features, events.features, atol=0.02)


def test_a_shift_is_learnt_and_the_map_is_monotonic() -> None:
    rng = np.random.default_rng(2)
    method = fitted(Events.of(rng.normal(0, 1, (3000, 1))), Events.of(rng.normal(0.6, 0.7, (3000, 1))))
    grid = np.linspace(-1.5, 1.5, 31)[:, None]
    moved = method.transform(Events.of(grid)).features
    np.testing.assert_allclose(moved, 0.6 + 0.7 * grid, atol=0.2)
    assert np.all(np.diff(moved[:, 0]) > 0)


@pytest.mark.slow
def test_its_cost_on_the_toy_is_within_5_percent_of_the_optimum() -> None:
    found = []
    for file in ("source.root", "target.root"):
        content = next(next(it for it in samples(8000, 1) if it.file == file).blocks())
        found += [
            Events.of(np.stack([content[f"x{number}{ending}"] for number in (1, 2, 3)], axis=1))
            for ending in ("", "_optimal")
        ]
    source, images, target, _ = found
    method = fitted(source, target, hidden=(32, 32))
    template = method.transform(source)
    costs = [np.mean(np.sum((image.features - source.features) ** 2, axis=1)) for image in (template, images)]
    assert costs[0] / costs[1] == pytest.approx(1, abs=0.05)
    assert np.mean(np.linalg.norm(template.features - images.features, axis=1)) < 0.2
    assert method.notes(source, template).numbers["movement_over_optimal"] == pytest.approx(1, abs=1e-3)


def test_another_spectrum_of_contexts_is_no_reason_to_move() -> None:
    rng = np.random.default_rng(3)
    contexts = rng.beta(2, 4, (3000, 1)), rng.beta(4, 2, (3000, 1))
    source, target = (Events.of(rng.normal(size=(3000, 1)) + 2 * context, context) for context in contexts)
    moved = fitted(source, target).transform(source).features
    assert np.abs(moved - source.features).mean() < 0.3


def test_the_cycle_is_an_option_that_leaves_the_solution() -> None:
    rng = np.random.default_rng(4)
    source, target = Events.of(rng.normal(size=(2000, 2))), Events.of(rng.normal(0.4, 1, (2000, 2)))
    moved = fitted(source, target, cycle=0.2).transform(source).features
    np.testing.assert_allclose(moved.mean(axis=0), 0.4, atol=0.15)
