"""Where a sample has events: its own fresh events are within, and what lies off it is outside."""

from __future__ import annotations

import json

import numpy as np
import pytest

from simmorph.data.events import Events, FloatArray
from simmorph.data.preprocessing.chain import Preprocessing
from simmorph.data.preprocessing.support import Support

N_EVENTS = 8000


def _correlated(rng: np.random.Generator, n_events: int) -> FloatArray:
    first = rng.normal(size=n_events)
    return np.stack([first, first + 0.02 * rng.normal(size=n_events), rng.exponential(5, n_events)], axis=1)


def _ring(rng: np.random.Generator, n_events: int) -> FloatArray:
    angles, radii = rng.uniform(0, 2 * np.pi, n_events), 1 + 0.05 * rng.normal(size=n_events)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def _zeros(rng: np.random.Generator, n_events: int) -> FloatArray:
    values = np.where(rng.random(n_events) < 0.4, 0.0, 0.8 + rng.exponential(1, n_events))
    return np.stack([values, rng.poisson(2, n_events)], axis=1)


SAMPLES = {"correlated": _correlated, "ring": _ring, "zeros and integers": _zeros}
OFF = {
    "correlated": [[1.0, -1.0, 5.0], [0.0, 0.0, -0.1], [0.0, 9.0, 5.0]],
    "ring": [[0.0, 0.0]],
    "zeros and integers": [[-0.01, 2.0]],
}


def _fitted(name: str) -> tuple[Support, Preprocessing]:
    values = SAMPLES[name](np.random.default_rng(1), N_EVENTS)
    chains = Preprocessing.fit([f"x{at}" for at in range(values.shape[1])], {}, Events.of(values), seed=1)
    return Support.fit(values, chains.forward(values, np.arange(N_EVENTS))), chains


@pytest.mark.parametrize("name", SAMPLES)
def test_fresh_events_of_the_sample_are_hardly_ever_outside(name: str) -> None:
    support, chains = _fitted(name)
    fresh = SAMPLES[name](np.random.default_rng(2), 50_000)
    assert support.outside(fresh, chains.forward(fresh, np.arange(len(fresh)))).mean() < 1e-3


@pytest.mark.parametrize("name", SAMPLES)
def test_events_off_the_sample_are_outside_though_each_variable_may_be_within(name: str) -> None:
    support, chains = _fitted(name)
    off = np.array(OFF[name])
    assert support.outside(off, chains.forward(off, np.arange(len(off)))).all()


def test_the_support_survives_json_and_other_shapes_are_refused() -> None:
    support, chains = _fitted("ring")
    anywhere = np.random.default_rng(3).uniform(-2, 2, (2000, 2))
    prepared = chains.forward(anywhere, np.arange(2000))
    content = json.loads(json.dumps(support.to_json(), allow_nan=False))
    found = support.outside(anywhere, prepared)
    np.testing.assert_array_equal(Support.from_json(content).outside(anywhere, prepared), found)
    assert 0.3 < found.mean() < 0.99
    with pytest.raises(ValueError, match="of other shapes"):
        Support.from_json({**content, "reach": content["reach"][1:]})
