"""Rank correlations: those of scipy, with an error that is the spread of repetitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from simmorph.data.events import Events
from simmorph.evaluation.metrics.ranks import Ranks, rank_correlation, spearman


def correlated(n_events: int, seed: int, r: float = 0.7) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.multivariate_normal([0, 0], [[1, r], [r, 1]], n_events)


def test_rank_correlation_is_scipys_with_and_without_ties() -> None:
    rows = correlated(900, 1)
    for values in (rows, np.round(rows), np.maximum(rows, 0)):
        found = rank_correlation(values[:, 0], values[:, 1], np.ones(900))
        assert found.value == pytest.approx(spearmanr(values).statistic, abs=1e-12)


def test_whole_weights_count_as_copies_and_negative_ones_remove_them() -> None:
    rows = correlated(400, 2)
    weights = np.where(np.arange(400) % 3 == 0, 2.0, 1.0)
    copied = np.concatenate([rows, rows[weights == 2]])
    weighted = rank_correlation(rows[:, 0], rows[:, 1], weights)
    assert weighted.value == pytest.approx(spearmanr(copied).statistic, abs=1e-12)
    signed = np.concatenate([np.ones(len(copied)), -np.ones(np.sum(weights == 2))])
    more = np.concatenate([copied, rows[weights == 2]])
    removed = rank_correlation(more[:, 0], more[:, 1], signed)
    assert removed.value == pytest.approx(spearmanr(rows).statistic, abs=1e-12)


@pytest.mark.parametrize("r", [0.0, 0.7, 0.95])
@pytest.mark.parametrize("with_ties", [False, True])
def test_the_uncertainty_is_the_spread_of_repetitions(r: float, with_ties: bool) -> None:
    rng = np.random.default_rng(3)
    found = []
    for seed in range(200):
        rows = correlated(400, seed, r)
        rows = np.maximum(rows, 0) if with_ties else rows
        found.append(rank_correlation(rows[:, 0], rows[:, 1], rng.uniform(0.5, 1.5, 400)))
    spread = np.std([one.value for one in found])
    assert np.mean([one.uncertainty for one in found]) == pytest.approx(spread, rel=0.2)


def test_independent_features_have_the_error_of_one_over_the_root_of_events() -> None:
    found = spearman(Events.of(np.random.default_rng(4).normal(size=(10_000, 3))))
    assert found.uncertainty[0, 1] == pytest.approx(0.01, rel=0.03)
    assert np.max(np.abs(found.pairs()[0])) < 0.04
    assert np.array_equal(found.matrix, found.matrix.T)


def test_a_constant_has_no_rank_correlation_and_hides_no_other() -> None:
    rows = np.column_stack([correlated(500, 5), np.ones(500)])
    found = spearman(Events.of(rows))
    assert np.isnan(found.matrix[0, 2])
    assert np.isfinite(found.matrix[0, 1])


def test_ranks_are_shares_of_the_weight_below() -> None:
    ranked = Ranks(np.array([3.0, 1.0, 2.0, 2.0]), np.array([1.0, 1.0, 1.0, 1.0]))
    assert ranked.ranks + 0.5 == pytest.approx([0.875, 0.125, 0.5, 0.5])
