"""The weights of boosted trees are the known likelihood ratio."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.data.trees import Rows, TreeShape, grow
from simmorph.methods.bdt import BoostedTrees
from simmorph.methods.parts.trees import TreeRatio
from simmorph.neural.loop.training import Training

HOW = Training(TrainingSettings(device="cpu", holdout=0))


def shifted(n_events: int, shift: float, seed: int, n_features: int = 1) -> Events:
    return Events.of(np.random.default_rng(seed).normal(shift, 1, (n_events, n_features)))


@pytest.mark.parametrize("leaves", [4, 40])
def test_the_tables_score_like_the_trees_that_filled_them(leaves: int) -> None:
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(4000, 3))
    inputs[:, 2] = np.round(inputs[:, 2])
    shape = TreeShape(trees=30, leaves=leaves, leaf_events=20, shrinkage=0.2)
    forest = grow(Rows(inputs, rng.random(4000) < ndtr(inputs.prod(axis=1)), rng.uniform(0.5, 1.5, 4000)), shape)
    assert leaves / 2 < max(len(nodes) for nodes in forest.nodes()) / 2 <= leaves
    ratio, everywhere = TreeRatio(shape), np.concatenate([inputs, 3 * inputs])
    ratio.take(forest)
    expected = forest.scores(everywhere)
    assert np.ptp(expected) > 2
    np.testing.assert_allclose(ratio.log_ratio(everywhere), expected, rtol=0, atol=2e-6)


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
