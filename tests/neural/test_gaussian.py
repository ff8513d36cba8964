"""The linear map between normal distributions, against scipy and its own definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from simmorph.data.events import Events
from simmorph.neural.gaussian import GaussianTransport
from simmorph.neural.pairing import movement_over_optimal

RNG = np.random.default_rng(3)
MIXING = RNG.normal(size=(2, 3, 3)) + 2 * np.eye(3)
N_EVENTS = 4000


def sample(t: int, slope: float, weights: np.ndarray | None = None) -> Events:
    """Normal features whose mean follows a context."""
    context = RNG.uniform(-1, 1, size=(N_EVENTS, 1))
    return Events.of(RNG.normal(size=(N_EVENTS, 3)) @ MIXING[t].T + slope * context + t, context, weights)


def moved(transport: GaussianTransport, events: Events) -> Events:
    return events.with_features(transport(*map(torch.from_numpy, (events.features, events.context))).numpy())


def residuals(events: Events) -> np.ndarray:
    known = np.hstack([np.ones((len(events), 1)), events.context])
    return np.asarray(events.features - known @ np.linalg.lstsq(known, events.features)[0])


def test_moments_and_slopes_become_those_of_the_target() -> None:
    source, target = sample(0, 1.0), sample(1, -2.0)
    transport = GaussianTransport(3, 1)
    transport.fit(source, target)
    template = moved(transport, source)
    assert np.cov(residuals(template).T) == pytest.approx(np.cov(residuals(target).T), rel=0.02, abs=0.02)
    for events in (template, target):
        slopes = np.polyfit(events.context[:, 0], events.features, 1)[0]
        assert slopes == pytest.approx([-2, -2, -2], abs=0.25)


def test_the_matrix_is_the_optimal_one_by_scipy() -> None:
    source, target = (Events.of(sample(t, 0.0).features) for t in (0, 1))
    transport = GaussianTransport(3, 0)
    transport.fit(source, target)
    before, wanted = (np.cov(events.features.T, bias=True) for events in (source, target))
    root = sqrtm(before)
    expected = np.linalg.inv(root) @ sqrtm(root @ wanted @ root) @ np.linalg.inv(root)
    assert transport.matrix.numpy() == pytest.approx(expected.real, rel=1e-9)
    assert movement_over_optimal(source, moved(transport, source)) == pytest.approx(1, abs=1e-9)


def test_a_weight_of_two_counts_as_two_events() -> None:
    source, target = sample(0, 1.0), sample(1, 0.0)
    twice = RNG.random(N_EVENTS) < 0.5
    weighted, doubled = GaussianTransport(3, 0), GaussianTransport(3, 0)
    weighted.fit(Events.of(source.features, weights=np.where(twice, 2.0, 1.0)), Events.of(target.features))
    doubled.fit(Events.of(np.vstack([source.features, source.features[twice]])), Events.of(target.features))
    assert weighted.matrix.numpy() == pytest.approx(doubled.matrix.numpy(), rel=1e-9)


def test_before_it_is_fitted_nothing_moves() -> None:
    events = sample(0, 1.0)
    assert np.array_equal(moved(GaussianTransport(3, 1), events).features, events.features)


def test_a_direction_without_width_stays_finite() -> None:
    flat = sample(0, 0.0).features
    flat[:, 2] = flat[:, 0]
    transport = GaussianTransport(3, 0)
    transport.fit(Events.of(flat), Events.of(sample(1, 0.0).features))
    assert np.isfinite(moved(transport, Events.of(flat)).features).all()
