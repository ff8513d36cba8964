"""Random numbers that belong to events."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.data.splits import (
    _GOLDEN,
    HOLDOUT,
    TRAIN,
    VALIDATION,
    _mixed,
    normal_of,
    part_of,
    poisson_of,
    reseeded,
    uniform_of,
)

N_EVENTS = 100_000


def test_hash_is_the_published_splitmix64() -> None:
    # The generator seeded with 0 adds the golden constant once per number; its first outputs are published.
    states = np.array([0, _GOLDEN], np.uint64)
    np.testing.assert_array_equal(_mixed(states), np.array([0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4], np.uint64))


def test_parts_have_the_sizes_asked_for() -> None:
    parts = part_of(np.arange(N_EVENTS), seed=1, validation=0.1, holdout=0.3)
    for part, expected in [(TRAIN, 0.6), (VALIDATION, 0.1), (HOLDOUT, 0.3)]:
        assert np.mean(parts == part) == pytest.approx(expected, abs=5 * np.sqrt(expected / N_EVENTS))


def test_part_of_an_event_does_not_depend_on_the_others() -> None:
    ids = np.arange(N_EVENTS)
    shuffled = np.random.default_rng(1).permutation(ids)[:1000]
    whole = part_of(ids, 7, 0.2, 0.2)
    np.testing.assert_array_equal(part_of(shuffled, 7, 0.2, 0.2), whole[shuffled])


def test_holdout_stays_when_validation_changes() -> None:
    ids = np.arange(1000)
    few, many = part_of(ids, 3, 0.05, 0.3), part_of(ids, 3, 0.5, 0.3)
    np.testing.assert_array_equal(few == HOLDOUT, many == HOLDOUT)


def test_no_holdout_means_none() -> None:
    assert not np.any(part_of(np.arange(1000), 3, 0.1, 0.0) == HOLDOUT)


def test_numbers_are_uniform_and_open() -> None:
    drawn = uniform_of(np.arange(N_EVENTS), seed=0, stream=0)
    assert 0 < drawn.min() < drawn.max() < 1
    counts, _ = np.histogram(drawn, bins=50, range=(0, 1))
    chi2 = np.sum((counts - N_EVENTS / 50) ** 2) / (N_EVENTS / 50)
    assert chi2 < 95  # 49 degrees of freedom, p = 1e-4


@pytest.mark.parametrize(("seed", "stream"), [(1, 0), (0, 1), (-1, 5), (2**63, 2**40)])
def test_seeds_and_streams_are_independent(seed: int, stream: int) -> None:
    ids = np.arange(N_EVENTS)
    assert abs(np.corrcoef(uniform_of(ids, 0, 0), uniform_of(ids, seed, stream))[0, 1]) < 5 / np.sqrt(N_EVENTS)


def test_neighbouring_events_are_independent() -> None:
    drawn = uniform_of(np.arange(N_EVENTS), 0, 0)
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 5 / np.sqrt(N_EVENTS)


def test_negative_ids_have_numbers_too() -> None:
    assert np.all(np.isfinite(uniform_of(np.array([-1, -(2**62)]), 0, 0)))


def test_normal_numbers_of_events_are_normal_and_independent() -> None:
    drawn = normal_of(np.arange(100_000), 3, 2)
    np.testing.assert_allclose(np.cov(drawn.T), np.eye(2), atol=0.02)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.02)
    assert (drawn != normal_of(np.arange(100_000), 3, 2, stream=1)).all()
    np.testing.assert_array_equal(drawn[500:600], normal_of(np.arange(500, 600), 3, 2))


def test_reseeded_ids_are_other_ids_one_for_each_event() -> None:
    ids = np.arange(10_000)
    assert len(np.unique(reseeded(ids, 7))) == len(ids)
    assert not np.isin(reseeded(ids, 7), reseeded(ids, 8)).any()


def test_bootstrap_counts_are_poisson_numbers_of_mean_1() -> None:
    counts = poisson_of(np.arange(100_000), 5)
    assert counts.mean() == pytest.approx(1, abs=0.02)
    assert counts.var() == pytest.approx(1, abs=0.03)
    assert np.mean(counts == 0) == pytest.approx(np.exp(-1), abs=0.01)
