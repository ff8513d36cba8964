"""Movement of events: known maps, weighted units, angles, and retention with its error."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from simmorph.data.events import Events
from simmorph.evaluation.metrics.maps.movement import FeatureMovement, Movement, displacement, movement
from simmorph.evaluation.metrics.maps.optimal import optimality

NAN = float("nan")


def normal(n_events: int, seed: int, n_features: int = 2) -> Events:
    return Events.of(np.random.default_rng(seed).normal(size=(n_events, n_features)))


def test_a_map_that_does_nothing_moves_nothing_and_keeps_all() -> None:
    source = normal(200, 1)
    found = movement(source, source, normal(200, 2))
    assert (found.mean, found.quantile_95, found.largest) == (0, 0, 0)
    assert [one.retention for one in found.features] == pytest.approx([1, 1])
    assert found.lowest_retention.value == pytest.approx(1)


def test_distances_of_features_add_in_squares() -> None:
    source, target = normal(400, 3), normal(400, 4)
    spread = target.features.std(axis=0)
    found = movement(source, source.with_features(source.features + [3, 4] * spread), target)
    assert (found.features[0].mean, found.features[1].mean) == pytest.approx((3, 4))
    assert (found.mean, found.largest) == pytest.approx((5, 5))


def test_the_tail_is_the_distance_that_95_of_100_events_stay_below() -> None:
    source = Events.of(np.zeros((100, 1)))
    target = Events.of(np.array([[-1.0], [1.0]]))
    found = movement(source, source.with_features(np.arange(100.0)[:, None]), target)
    assert found.quantile_95 == pytest.approx(94.05)
    assert found.largest == 99


def test_the_unit_is_the_weighted_spread_of_the_target() -> None:
    source = normal(300, 5, 1)
    moved = source.with_features(source.features + 1)
    narrow, wide = normal(2000, 6, 1), Events.of(3 * normal(2000, 7, 1).features)
    mixed = Events.concatenate([narrow, wide.with_weights(np.zeros(2000))])
    assert movement(source, moved, mixed).mean == pytest.approx(movement(source, moved, narrow).mean)
    signed = Events.concatenate([narrow, wide, wide.with_weights(-wide.weights)])
    assert movement(source, moved, signed).mean == pytest.approx(movement(source, moved, narrow).mean)


def test_retention_is_scipys_rank_correlation_of_before_and_after() -> None:
    source, noise = normal(500, 8, 1), normal(500, 9, 1)
    moved = source.with_features(source.features + noise.features)
    (found,) = movement(source, moved, source).features
    expected = spearmanr(source.features[:, 0], moved.features[:, 0]).statistic
    assert found.retention == pytest.approx(expected, abs=1e-12)
    assert 0 < found.retention_uncertainty < 0.05


def test_a_map_that_turns_the_order_round_has_retention_minus_1() -> None:
    source = normal(300, 10, 1)
    assert movement(source, source.with_features(-source.features), source).features[0].retention == pytest.approx(-1)


def test_the_lowest_retention_is_that_of_the_worst_feature_with_its_error() -> None:
    features = [FeatureMovement(kept, 0.1, 0.2, error) for kept, error in ((0.9, 0.01), (NAN, NAN), (0.4, 0.02))]
    assert Movement(features, 0.1, 0.2, 0.3, 0.1).lowest_retention == (0.4, 0.02)
    constants = [FeatureMovement(NAN, 0.0, 0.0, NAN)]
    assert np.isnan(Movement(constants, 0, 0, 0, 0).lowest_retention.value)


@pytest.mark.parametrize(
    ("before", "after", "step"),
    [(3.0, -3.0, 2 * np.pi - 6), (-3.0, 3.0, 6 - 2 * np.pi), (0.1, 0.4, 0.3), (1.0, 1.0, 0.0)],
)
def test_an_angle_goes_the_short_way_round(before: float, after: float, step: float) -> None:
    source, moved = (Events.of(np.array([[value, value]])) for value in (before, after))
    assert displacement(source, moved, [1])[0] == pytest.approx([after - before, step])


def test_the_displacement_leaves_the_events_as_they_are() -> None:
    source, moved = normal(5, 11), normal(5, 12)
    before = moved.features.copy()
    displacement(source, moved, [0])
    np.testing.assert_array_equal(moved.features, before)


def test_half_the_way_to_the_optimum_costs_a_quarter() -> None:
    source = normal(300, 13)
    step = np.array([1.0, 0.0])
    half = source.with_features(source.features + step)
    found = optimality(source, half, source.features + 2 * step, normal(300, 14))
    assert found.cost == pytest.approx(0.25)


def test_the_distance_to_the_optimum_is_in_weighted_standard_deviations_of_the_target() -> None:
    source, target = normal(200, 15, 1), normal(200, 16, 1)
    far = Events.concatenate([target, Events.of(np.full((50, 1), 100.0), weights=np.zeros(50))])
    optimal = source.features + 1
    assert optimality(source, source, optimal, far) == pytest.approx(optimality(source, source, optimal, target))


def test_an_optimum_that_moves_nothing_has_no_ratio_of_costs() -> None:
    source = normal(50, 17)
    assert np.isnan(optimality(source, source, source.features, source).cost)


def test_one_event_that_runs_away_is_the_largest_movement_and_not_in_the_trimmed_mean() -> None:
    source = Events.of(np.random.default_rng(1).normal(size=(1000, 1)))
    moved = source.features + 0.5
    moved[7] = 1e9
    found = movement(source, Events.of(moved), source)
    deviation = np.std(source.features)
    assert found.largest == pytest.approx(1e9 / deviation, rel=1e-6)
    assert found.trimmed_mean == pytest.approx(0.5 / deviation, rel=1e-3)
    assert found.mean > 1e5
