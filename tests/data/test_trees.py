"""Boosted trees give the numbers that can be worked out by hand, and the same bits for the same rows."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost

from simmorph.data.trees import Rows, TreeShape, grow

STUMP = TreeShape(trees=1, leaves=2, leaf_events=1, shrinkage=1.0)


def noisy_rows(n_events: int = 3000, seed: int = 1) -> Rows:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n_events, 3))
    labels = rng.random(n_events) < 1 / (1 + np.exp(-inputs[:, 0] * inputs[:, 1]))
    return Rows(inputs, labels, rng.uniform(0.5, 1.5, n_events))


def test_a_leaf_of_classes_takes_one_step_of_newton() -> None:
    inputs = np.repeat([[0.0], [1.0]], 1000, axis=0)
    labels = np.concatenate([np.arange(1000) < 200, np.arange(1000) < 800])
    # From odds of 1 the slope is the share less a half, and the curvature a quarter.
    scores = grow(Rows(inputs, labels, np.ones(2000)), STUMP).scores(np.array([[0.0], [1.0]]))
    np.testing.assert_allclose(scores, [4 * (0.2 - 0.5), 4 * (0.8 - 0.5)], rtol=1e-5)


def test_a_leaf_of_numbers_is_their_weighted_mean() -> None:
    inputs, weights = np.repeat([[0.0], [1.0]], 100, axis=0), np.tile([0.5, 1.5], 100)
    labels = np.concatenate([np.tile([1.0, 3.0], 50), np.tile([7.0, 9.0], 50)])
    forest = grow(Rows(inputs, labels, weights), STUMP, objective="reg:squarederror")
    np.testing.assert_allclose(forest.scores(np.array([[0.0], [1.0]])), [2.5, 8.5], rtol=1e-5)


def test_a_leaf_holds_the_least_weight() -> None:
    rows = noisy_rows()
    assert np.ptp(grow(rows, STUMP._replace(leaf_events=1400)).scores(rows.inputs)) > 0
    assert np.ptp(grow(rows, STUMP._replace(leaf_events=1600)).scores(rows.inputs)) == 0


def test_losses_are_those_of_the_scores() -> None:
    rows, others = noisy_rows(), noisy_rows(seed=2)
    forest = grow(rows, TreeShape(trees=10, leaves=8, leaf_events=20, shrinkage=0.3), others)
    for data, losses in ((rows, forest.losses), (others, forest.validation_losses)):
        of_each = np.logaddexp(0, np.where(data.labels, -1, 1) * forest.scores(data.inputs))
        assert losses[forest.best - 1] == pytest.approx(np.average(of_each, weights=data.weights), rel=1e-5)


def test_growing_stops_after_patience_and_keeps_the_best_trees() -> None:
    shape = TreeShape(trees=400, leaves=0, leaf_events=5, shrinkage=0.5, depth=6)
    forest = grow(noisy_rows(), shape, noisy_rows(seed=2), patience=10)
    assert len(forest.losses) == forest.best + 10 < 400
    assert forest.best == forest.booster.num_boosted_rounds() == np.argmin(forest.validation_losses) + 1


def test_the_bits_depend_neither_on_threads_nor_on_how_rows_are_cut() -> None:
    rows, shape = noisy_rows(), TreeShape(trees=20, leaves=16, leaf_events=10, shrinkage=0.1)
    forest = grow(rows, shape)
    with xgboost.config_context(nthread=4):
        assert grow(rows, shape).nodes() == forest.nodes()
    pieces = [forest.scores(rows.inputs[start : start + 7]) for start in range(0, 3000, 7)]
    np.testing.assert_array_equal(np.concatenate(pieces), forest.scores(rows.inputs))


def test_what_is_beyond_single_precision_scores_as_the_largest_value() -> None:
    forest = grow(noisy_rows(), STUMP)
    extremes = np.array([[np.inf, -np.inf, 1e300], [3e38, -3e38, 3e38]])
    assert forest.scores(extremes)[0] == forest.scores(extremes)[1]


@pytest.mark.parametrize("n_rows", [0, 1])
def test_few_rows_are_scored(n_rows: int) -> None:
    assert grow(noisy_rows(), STUMP).scores(np.zeros((n_rows, 3))).shape == (n_rows,)
