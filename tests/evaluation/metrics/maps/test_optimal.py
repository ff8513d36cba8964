"""The distance to a known optimal map."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.data.events import Events
from simmorph.evaluation.metrics.maps.optimal import optimality


def test_the_optimal_map_is_at_no_distance_and_costs_what_it_costs() -> None:
    source = Events.of(np.random.default_rng(1).normal(size=(500, 2)))
    moved = source.features * 2 + 1
    found = optimality(source, source.with_features(moved), moved, source.with_features(moved))
    assert found == (0.0, 1.0)


def test_another_map_costs_its_own_distance_squared_with_the_weights_of_the_events() -> None:
    source = Events.of(np.array([[0.0], [0.0]]), weights=np.array([3.0, 1.0]))
    target = Events.of(np.array([[-2.0], [2.0]]))
    found = optimality(source, source.with_features(np.array([[2.0], [4.0]])), np.array([[1.0], [1.0]]), target)
    assert found.cost == pytest.approx((3 * 4 + 16) / 4)
    assert found.distance == pytest.approx((3 * 1 + 3) / 4 / 2)


def test_without_a_map_everything_is_still_to_be_done() -> None:
    source = Events.of(np.zeros((4, 1)))
    target = Events.of(np.array([[1.0], [3.0]]))
    assert optimality(source, source, np.full((4, 1), 2.0), target) == (2.0, 0.0)
