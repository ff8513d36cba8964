"""Pairs of near events, and the cost of the best assignment."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.data.events import Events
from simmorph.errors import InputError
from simmorph.neural.pairing import movement_over_optimal, optimal_cost, optimal_pairs


def test_on_the_line_events_are_paired_in_order() -> None:
    rng = np.random.default_rng(1)
    source, target = Events.of(rng.normal(size=(200, 1))), Events.of(rng.normal(3, 1, (200, 1)))
    pairs = optimal_pairs(source, target, 200, 1.0, rng)
    first, last = source.features[pairs.source, 0], target.features[pairs.target, 0]
    assert np.all(np.diff(last[np.argsort(first)]) >= 0)
    assert len(set(pairs.source)) == len(set(pairs.target)) == 200


def test_events_are_drawn_by_weight() -> None:
    rng = np.random.default_rng(2)
    source = Events.of(rng.normal(size=(3000, 1)), weights=np.where(np.arange(3000) < 1000, 4.0, 1.0))
    target = Events.of(rng.normal(size=(1000, 1)), weights=np.where(np.arange(1000) < 500, 0.0, 1.0))
    pairs = optimal_pairs(source, target, 500, 1.0, rng)
    assert np.mean(pairs.source < 1000) == pytest.approx(2 / 3, abs=0.01)
    assert pairs.target.min() >= 500


def test_pairs_have_nearly_the_same_context_and_keep_the_spectrum_of_the_source() -> None:
    rng = np.random.default_rng(3)
    source = Events.of(rng.normal(size=(4000, 1)), rng.normal(0, 1, (4000, 1)))
    target = Events.of(rng.normal(size=(4000, 1)), rng.normal(0.5, 1, (4000, 1)))
    pairs = optimal_pairs(source, target, 100, 10.0, rng)
    first, last = source.context[pairs.source, 0], target.context[pairs.target, 0]
    assert np.abs(first - last).mean() < 0.1
    assert last.mean() == pytest.approx(first.mean(), abs=0.05)


def test_contexts_apart_are_refused() -> None:
    source = Events.of(np.zeros((300, 1)), np.linspace(0, 1, 300)[:, None])
    target = Events.of(np.zeros((300, 1)), np.full((300, 1), 9.0), np.zeros(300))
    with pytest.raises(InputError, match="no source event has a context"):
        optimal_pairs(source, target, 100, 1.0, np.random.default_rng(1))


def test_the_cost_of_a_permutation_is_zero() -> None:
    values = np.random.default_rng(4).normal(size=(50, 2))
    assert optimal_cost(values, values[::-1]) == 0
    assert optimal_cost(values, values + np.array([3, 4])) == pytest.approx(25)


def test_an_optimal_map_moves_no_further_than_it_must_and_a_rotation_does() -> None:
    source = Events.of(np.random.default_rng(5).normal(size=(3000, 2)))
    scaled = source.with_features(source.features * [2.0, 0.5] + 1)
    turned = source.with_features(source.features[:, ::-1] * [1, -1])
    assert movement_over_optimal(source, scaled) == pytest.approx(1)
    assert movement_over_optimal(source, turned) > 10
    assert movement_over_optimal(source, source) == 1.0


def test_a_shift_that_depends_on_the_context_is_nearly_optimal_at_each_context() -> None:
    rng = np.random.default_rng(6)
    source = Events.of(rng.normal(size=(1024, 2)), rng.uniform(-1, 1, (1024, 1)))
    moved = source.with_features(source.features + 2 * source.context)
    assert 1 <= movement_over_optimal(source, moved) < 1.1
