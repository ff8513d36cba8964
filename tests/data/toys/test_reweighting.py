"""Promises of the reweighting toy: its truth is exact, and what the exercise found can be found again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from simmorph.data.events import Events
from simmorph.data.toys import TOYS
from simmorph.data.toys.reweighting import SOURCE, TARGET, Population, samples
from simmorph.data.toys.samples import BLOCK

Branches = dict[str, Any]


@pytest.fixture(scope="module")
def target() -> Branches:
    return next(samples(100_000, 1)[0].blocks())


@pytest.fixture(scope="module")
def source() -> Branches:
    return next(samples(100_000, 1)[1].blocks())


def variables(branches: Branches) -> np.ndarray:
    return np.column_stack([branches["var1"], branches["var2"]])


def test_there_are_two_files_of_the_size_asked_for() -> None:
    files = TOYS["reweighting"](1234, 1)
    assert [(it.file, it.tree, it.n_events) for it in files] == [
        ("target.root", "events", 1234),
        ("source.root", "events", 1234),
    ]


def test_latent_variables_have_the_moments_of_the_exercise(source: Branches, target: Branches) -> None:
    for branches, mean, width, rate in ((target, 0.0, 0.623, 0.2), (source, 0.03, 0.841, 0.4)):
        assert branches["truth_latent1"].mean() == pytest.approx(mean, abs=0.01)
        assert branches["truth_latent1"].std() == pytest.approx(width, abs=0.01)
        assert branches["truth_latent2"].mean() == pytest.approx(1 / rate, rel=0.01)


@pytest.mark.parametrize("population", [SOURCE, TARGET])
def test_densities_integrate_to_one(population: Population) -> None:
    step = 0.02
    first, second = np.arange(-6, 26, step), np.arange(-3, 45, step)
    total = 0.0
    for value in first:
        column = np.column_stack([np.full_like(second, value), second])
        total += float(np.exp(population.log_density(column)).sum()) * step**2
    assert total == pytest.approx(1, abs=0.005)


def test_the_best_discriminant_has_the_known_power(source: Branches, target: Branches) -> None:
    ratios = np.minimum(np.concatenate([target["truth_ratio"], source["truth_ratio"]]), 1e300)
    assert roc_auc_score(np.repeat([1, 0], 100_000), ratios) == pytest.approx(0.906, abs=0.002)


def test_true_weights_cover_only_part_of_the_target_and_cost_nearly_all_events(
    source: Branches, target: Branches
) -> None:
    weights = source["truth_ratio"]
    assert np.isinf(target["truth_ratio"]).mean() == pytest.approx(0.013, abs=0.002)
    assert (target["truth_ratio"] > 1000).mean() == pytest.approx(0.096, abs=0.003)
    assert weights.mean() == pytest.approx(0.95, abs=0.1)
    # The variance of the weights is infinite, so this number is different with each seed and never converges.
    assert Events.of(variables(source), weights=weights).effective_size / len(weights) < 0.04


def test_true_weights_give_the_bulk_of_the_target(source: Branches, target: Branches) -> None:
    edges = np.linspace(0, 2, 11)
    weighted, _ = np.histogram(source["var1"], edges, weights=source["truth_ratio"])
    squares, _ = np.histogram(source["var1"], edges, weights=source["truth_ratio"] ** 2)
    wanted, _ = np.histogram(target["var1"], edges)
    pulls = (weighted - wanted) / np.sqrt(squares + wanted)
    assert np.abs(pulls).max() < 4


def test_the_exact_map_gives_the_target(source: Branches, target: Branches) -> None:
    moved = np.column_stack([source["truth_var1_as_target"], source["truth_var2_as_target"]])
    np.testing.assert_allclose(moved.mean(axis=0), variables(target).mean(axis=0), atol=0.04)
    np.testing.assert_allclose(np.cov(moved.T), np.cov(variables(target).T), rtol=0.03)
    for column, wanted in zip(moved.T, variables(target).T, strict=True):
        levels = np.linspace(0.01, 0.99, 21)
        np.testing.assert_allclose(np.quantile(column, levels), np.quantile(wanted, levels), rtol=0.02, atol=0.03)


def test_a_block_does_not_depend_on_the_length_of_the_file() -> None:
    long, short = samples(BLOCK, 3)[1], samples(10, 3)[1]
    np.testing.assert_array_equal(long.block(0, BLOCK)["var1"][:10], short.block(0, 10)["var1"])
    assert not np.array_equal(long.block(0, 10)["var1"], samples(10, 4)[1].block(0, 10)["var1"])
