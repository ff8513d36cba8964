"""Promises of the one-flow toy: it is the paper's toy, and its truth is exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import rankdata, spearmanr
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from simmorph.data.events import Events
from simmorph.data.toys import TOYS
from simmorph.data.toys.one_flow import KINEMATICS, SHAPES, SOURCE, TARGET, Population, correlated, samples
from simmorph.data.toys.samples import BLOCK
from simmorph.evaluation.metrics.classifier.c2st import judge

Branches = dict[str, Any]


@pytest.fixture(scope="module")
def target() -> Branches:
    return next(samples(BLOCK, 1)[0].blocks())


@pytest.fixture(scope="module")
def source() -> Branches:
    return next(samples(BLOCK, 1)[1].blocks())


def matrix(branches: Branches, *names: str) -> np.ndarray:
    return np.column_stack([branches[name] for name in names])


def test_there_are_two_files_of_the_size_asked_for() -> None:
    files = TOYS["one-flow"](1234, 1)
    assert [(it.file, it.tree, it.n_events) for it in files] == [
        ("target.root", "events", 1234),
        ("source.root", "events", 1234),
    ]


@pytest.mark.parametrize("population", [SOURCE, TARGET])
def test_normal_scores_have_the_realised_correlations(population: Population) -> None:
    scores = ndtri((rankdata(correlated(population, 1, 0).values, axis=0) - 0.5) / BLOCK)
    difference = np.corrcoef(scores.T) - population.correlations
    # Mixed scores have them exactly; that mixed scores are not quite normal adds a little.
    assert np.abs(difference).max() < 4 / np.sqrt(BLOCK)


@pytest.mark.parametrize("population", [SOURCE, TARGET])
def test_a_matrix_of_correlations_belongs_to_some_sample(population: Population) -> None:
    assert np.linalg.eigvalsh(population.correlations)[0] > 0.01


def test_rank_correlations_follow_the_matrix_with_zeros_as_ties(source: Branches, target: Branches) -> None:
    for population, branches in ((SOURCE, source), (TARGET, target)):
        ranks = spearmanr(matrix(branches, *KINEMATICS, *SHAPES)).statistic
        assert np.abs(ranks - population.correlations).max() < 0.05


def test_kinematics_have_the_distributions_of_the_paper(source: Branches, target: Branches) -> None:
    for branches, mean_pt, mean_square_eta in ((target, 1.0, 4 / 3 * (1 + 0.25**2)), (source, 0.95, 4 / 3 * 1.04)):
        assert branches["pt"].mean() == pytest.approx(mean_pt, abs=0.015)
        assert np.mean(branches["eta"] ** 2) == pytest.approx(mean_square_eta, abs=0.03)
        assert (branches["noise"].min(), branches["noise"].max()) == pytest.approx((0, 3), abs=1e-3)


def test_zeros_stand_apart_from_a_tail_above_its_threshold(source: Branches, target: Branches) -> None:
    for branches, thresholds, shares in ((target, (0.8, 0.9), (0.25, 0.30)), (source, (0.5, 0.8), (0.49, 0.245))):
        for name, threshold, share in zip(("v1B", "v2B"), thresholds, shares, strict=True):
            values = branches[name]
            assert np.mean(values == 0) == pytest.approx(share, abs=0.01)
            assert values[values != 0].min() == pytest.approx(threshold, abs=1e-3)


def test_the_kinematic_ratio_makes_the_kinematics_agree(source: Branches, target: Branches) -> None:
    weights = source["truth_ratio"]
    assert weights.mean() == pytest.approx(1, abs=0.02)
    template = Events.of(matrix(source, *KINEMATICS), weights=weights)
    assert 0.5 < template.effective_size / BLOCK < 0.7
    area, error = judge(template, Events.of(matrix(target, *KINEMATICS)), np.random.default_rng(1)).auc()
    assert area == pytest.approx(0.5, abs=4 * error)


def test_the_exact_map_gives_the_target_at_its_kinematics(source: Branches, target: Branches) -> None:
    moved = matrix(source, *KINEMATICS, *(f"truth_{name}_as_target" for name in SHAPES))
    template = Events.of(moved, weights=source["truth_ratio"])
    area, error = judge(template, Events.of(matrix(target, *KINEMATICS, *SHAPES)), np.random.default_rng(1)).auc()
    assert area == pytest.approx(0.5, abs=4 * error)
    np.testing.assert_array_equal(target["truth_v1B_as_target"], target["v1B"])


def test_the_samples_are_as_far_apart_as_in_the_paper(source: Branches, target: Branches) -> None:
    """The areas were measured with deep trees, on 200,000 events each."""
    weights = source["truth_ratio"]
    assert deep_auc(source, target, SHAPES, weights) == pytest.approx(0.746, abs=0.01)
    assert deep_auc(source, target, (*KINEMATICS, *SHAPES), np.ones(BLOCK)) == pytest.approx(0.879, abs=0.015)


def deep_auc(source: Branches, target: Branches, names: tuple[str, ...], weights: np.ndarray) -> float:
    """How well deep trees that have learnt on every other event tell the rest apart."""
    inputs = np.vstack([matrix(source, *names), matrix(target, *names)])
    labels, weights = np.repeat([0, 1], BLOCK), np.concatenate([weights, np.ones(BLOCK)])
    trees = HistGradientBoostingClassifier(max_iter=120, max_leaf_nodes=63, early_stopping=False, random_state=1)
    trees.fit(inputs[::2], labels[::2], sample_weight=weights[::2])
    scores = trees.decision_function(inputs[1::2])
    return float(roc_auc_score(labels[1::2], scores, sample_weight=weights[1::2]))


def test_a_block_does_not_depend_on_the_length_of_the_file() -> None:
    long, short = samples(BLOCK, 3)[1], samples(10, 3)[1]
    for name, values in short.block(0, 10).items():
        np.testing.assert_array_equal(long.block(0, BLOCK)[name][:10], values)
    assert not np.array_equal(long.block(0, 10)["v1A"], samples(10, 4)[1].block(0, 10)["v1A"])
