"""Cells of equal population."""

from __future__ import annotations

import numpy as np

from simmorph.data.cells import CellTree


def test_cells_hold_the_same_weight() -> None:
    rng = np.random.default_rng(1)
    points, weights = rng.exponential(size=(8000, 3)), rng.uniform(0.5, 2, 8000)
    labels = CellTree.fit(points, weights, 4).labels(points)
    sums = np.bincount(labels, weights, 16)
    np.testing.assert_allclose(sums / weights.sum(), 1 / 16, rtol=0.02)


def test_one_variable_is_cut_at_its_quantiles() -> None:
    values = np.random.default_rng(2).normal(size=10_001)
    tree = CellTree.fit(values[:, None], np.ones(10_001), 2)
    np.testing.assert_allclose(np.sort(tree.thresholds), np.quantile(values, [0.25, 0.5, 0.75]), atol=0.01)
    assert np.all(np.diff(tree.labels(np.sort(values)[:, None])) >= 0)


def test_the_variable_that_spreads_most_is_halved_first() -> None:
    rng = np.random.default_rng(3)
    wide = np.concatenate([rng.normal(-5, 1, 500), rng.normal(5, 1, 500)])
    points = np.stack([rng.normal(size=1000), 1e-3 * wide], axis=1)
    # Each variable counts in units of its own spread: then both are equal, and two cells of the second follow.
    tree = CellTree.fit(points, np.ones(1000), 3)
    assert set(tree.variables) == {0, 1}


def test_what_does_not_spread_stays_in_one_cell() -> None:
    for points in (np.zeros((50, 2)), np.zeros((50, 0)), np.zeros((1, 1))):
        tree = CellTree.fit(points, np.ones(len(points)), 3)
        assert np.all(tree.labels(points) == 0)
        assert np.all(np.isinf(tree.thresholds))


def test_new_events_fall_into_the_cells_of_old_ones() -> None:
    points = np.random.default_rng(4).normal(size=(1000, 2))
    tree = CellTree.fit(points, np.ones(1000), 5)
    np.testing.assert_array_equal(tree.labels(points[:10]), tree.labels(points)[:10])
    assert len(tree.labels(points[:0])) == 0
