"""The trees are scikit-learn's to the last digit, and their weights are the known likelihood ratio."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.methods.bdt import BoostedTrees
from simmorph.methods.reweighting import Halves
from simmorph.methods.trees import TreeRatio, TreeShape, _edges, _Labelled
from simmorph.neural.training import Training

HOW = Training(TrainingSettings(device="cpu", holdout=0))


def shifted(n_events: int, shift: float, seed: int, n_features: int = 1) -> Events:
    return Events.of(np.random.default_rng(seed).normal(shift, 1, (n_events, n_features)))


@pytest.mark.parametrize("leaves", [4, 40])
def test_scores_are_those_of_scikit_learn(leaves: int) -> None:
    source, target = shifted(4000, 0.0, 1, 3), shifted(3000, 0.4, 2, 3)
    target = target.with_weights(np.random.default_rng(3).uniform(0.2, 3, len(target)))
    target.features[:, 2] = np.round(target.features[:, 2])
    nothing = source[:0]
    ratio = TreeRatio(3, TreeShape(trees=30, leaves=leaves, leaf_events=20, shrinkage=0.2))
    ratio.learn(Halves(source, nothing), Halves(target, nothing), HOW, "fit")
    data = _Labelled.of(source, target)
    edges = [_edges(column, data.weights) for column in data.inputs.T]
    classifier = ratio.grown(data.binned(edges), HOW.seed)
    assert classifier.max_leaf_nodes == leaves
    everywhere = data._replace(inputs=np.concatenate([data.inputs, 3 * data.inputs]))
    expected = classifier.decision_function(everywhere.binned(edges).inputs)
    assert np.ptp(expected) > 2
    np.testing.assert_allclose(ratio.log_ratio(everywhere.inputs), expected, rtol=0, atol=1e-12)


def test_trees_after_the_lowest_validation_loss_are_dropped() -> None:
    source, target = shifted(600, 0.0, 1, 4), shifted(600, 0.2, 2, 4)
    method = BoostedTrees(4, 0, trees=60, leaves=16, leaf_events=5, shrinkage=0.5, calibration="none")
    history = method.fit(source, target, HOW)["fit"]
    assert history.epochs == len(history.validation_losses) == 60
    assert history.losses[-1] < history.losses[history.best_epoch - 1]
    assert history.validation_losses[history.best_epoch - 1] == min(history.validation_losses)
    (kept,) = [module for module in method.modules() if isinstance(module, TreeRatio)]
    assert kept.value.any(dim=1).sum() <= history.best_epoch < 30


@pytest.mark.parametrize("calibration", ["isotonic", "none"])
def test_factors_are_the_density_ratio_whatever_the_sizes_of_the_samples(calibration: str) -> None:
    source, target = shifted(20_000, 0.0, 1), shifted(8_000, 0.5, 2)
    method = BoostedTrees(1, 0, trees=40, leaves=8, folds=3, calibration=calibration)  # type: ignore[arg-type]
    method.fit(source, target, HOW)
    grid = np.linspace(-1.5, 1.5, 21)
    factors = method.transform(Events.of(grid[:, None])).weights
    np.testing.assert_allclose(factors, np.exp(0.5 * grid - 0.125), rtol=0.25)
    assert np.abs(factors / np.exp(0.5 * grid - 0.125) - 1).mean() < 0.08


def test_two_trainings_give_the_same_bits_with_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = shifted(3000, 0.0, 1, 3), shifted(3000, 0.4, 2, 3)
    weights = []
    for threads in ("1", "4"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        method = BoostedTrees(3, 0, trees=20)
        method.fit(source, target, HOW)
        weights.append(method.transform(source).weights)
    np.testing.assert_array_equal(weights[0], weights[1])
