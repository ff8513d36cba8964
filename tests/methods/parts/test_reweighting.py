"""What reweightings promise whatever learns the ratio: honest calibration, told losses, and where weights hold."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.config.training import TrainingSettings
from simmorph.data.estimates import Estimate
from simmorph.data.events import Events
from simmorph.data.toys.reweighting import samples
from simmorph.evaluation.metrics.classifier.c2st import auc
from simmorph.methods.bdt import BoostedTrees
from simmorph.methods.parts.reweighting import Reweighting, fold_of
from simmorph.neural.loop.training import Training

HOW = Training(TrainingSettings(device="cpu", holdout=0))


def judge(template: Events, target: Events) -> Estimate:
    return auc(template, target, np.random.default_rng(1))


def test_trees_that_learnt_by_heart_are_not_believed() -> None:
    rng = np.random.default_rng(1)
    # Both samples are the same: every weight should be 1.
    source, target = (Events.of(rng.normal(size=(4000, 4))) for _ in range(2))
    how = Training(TrainingSettings(device="cpu", holdout=0, validation=0))
    worth = {}
    for calibration in ("none", "isotonic"):
        method = BoostedTrees(4, 0, trees=60, leaf_events=5, shrinkage=0.5, calibration=calibration)
        method.fit(source, target, how)
        worth[calibration] = method.transform(source).effective_size / len(source)
    assert worth["none"] < 0.8
    assert worth["isotonic"] > 0.97


def test_folds_belong_to_events_and_are_of_equal_size() -> None:
    ids = np.arange(30_000)
    folds = fold_of(ids, 3, HOW)
    np.testing.assert_array_equal(fold_of(ids[::7], 3, HOW), folds[::7])
    np.testing.assert_allclose(np.bincount(folds), 10_000, rtol=0.03)


def region_samples(*, depends_on_region: bool) -> dict[str, Events]:
    """One feature in the control region, trained on and fresh, and in a signal region that another variable defines.

    In the target the feature is shifted; by as much in both regions, or by three times as much in the signal region.
    """
    rng = np.random.default_rng(5)
    found = {}
    shifts = {"training": 0.3, "control": 0.3, "signal": 0.9 if depends_on_region else 0.3}
    for region, shift in shifts.items():
        found[f"{region} source"] = Events.of(rng.normal(0, 1, (20_000, 1)))
        found[f"{region} target"] = Events.of(rng.normal(shift, 1, (20_000, 1)))
    return found


@pytest.mark.parametrize("depends_on_region", [False, True])
def test_weights_of_one_region_hold_in_another_only_if_the_ratio_is_the_same(*, depends_on_region: bool) -> None:
    events = region_samples(depends_on_region=depends_on_region)
    method = BoostedTrees(1, 0, trees=40, folds=3)
    method.fit(events["training source"], events["training target"], HOW)
    closure = {
        region: judge(method.transform(events[f"{region} source"]), events[f"{region} target"]).value
        for region in ("control", "signal")
    }
    assert closure["control"] == pytest.approx(0.5, abs=0.02)
    if depends_on_region:
        assert closure["signal"] > 0.6
    else:
        assert closure["signal"] == pytest.approx(0.5, abs=0.02)


@pytest.fixture(scope="module")
def on_the_toy() -> tuple[Reweighting, Events]:
    """The trees on the toy of the reweighting exercise, and its source."""
    target, source = (next(sample.blocks()) for sample in samples(40_000, 1))
    before, wanted = (Events.of(np.column_stack([it["var1"], it["var2"]])) for it in (source, target))
    method = BoostedTrees(2, 0, folds=3)
    method.fit(before, wanted, Training(TrainingSettings(device="cpu"), judge=judge))
    return method, before


def test_lost_statistics_are_told(on_the_toy: tuple[Reweighting, Events]) -> None:
    method, source = on_the_toy
    notes = method.notes(source, method.transform(source))
    assert notes.numbers["effective_fraction"] < 0.05
    assert any("ESS/N" in warning for warning in notes.warnings)


def test_a_test_that_does_not_close_is_told() -> None:
    rng = np.random.default_rng(6)
    source = Events.of(rng.normal(0, 1, (8000, 2)))
    target = Events.of(rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 8000))
    how = Training(TrainingSettings(device="cpu", holdout=0, validation=0.3), judge=judge)
    # A sum of functions of one variable each has no correlation.
    stumps, trees = BoostedTrees(2, 0, leaves=2, folds=2), BoostedTrees(2, 0, leaves=16, folds=2)
    found = []
    for method in (stumps, trees):
        method.fit(source, target, how)
        found.append(method.notes(source, method.transform(source)))
    assert found[0].numbers["closure_auc"] > 0.6
    # That of 2,400 equal events each, in two folds that learn each other's noise, and a little more for the weights.
    least = (2 * 2 / 2400 / 12) ** 0.5
    assert 0.95 * least < found[1].numbers["closure_auc_uncertainty"] < 1.6 * least
    assert any("no closure" in warning for warning in found[0].warnings)
    assert found[1].numbers["closure_auc"] < 0.56


def test_closure_is_judged_by_its_error() -> None:
    rng = np.random.default_rng(8)
    source, target = (Events.of(rng.normal(size=(600, 1))) for _ in range(2))
    method, told = BoostedTrees(1, 0, trees=5, folds=2), []
    for error in (0.05, 0.01):
        how = Training(TrainingSettings(device="cpu", holdout=0), judge=lambda *_, error=error: Estimate(0.56, error))
        method.fit(source, target, how)
        told.append([it for it in method.notes(source, source).warnings if "no closure" in it])
    assert not told[0]
    assert told[1] == ["no closure: a classifier tells reweighted source from target, AUC 0.560 ± 0.010"]


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_the_sum_of_weights_stays_on_fresh_events_and_its_error_is_told(shift: float) -> None:
    rng = np.random.default_rng(0)
    sizes = ((0.0, 2000), (shift, 2000), (0.0, 20_000))
    source, target, fresh = (Events.of(rng.normal(mean, 1, (size, 2))) for mean, size in sizes)
    method = BoostedTrees(2, 0, trees=15, leaf_events=10, shrinkage=0.3, folds=3)
    method.fit(source, target, HOW)
    factors = method.transform(fresh).weights
    assert factors.mean() == pytest.approx(1, abs=0.05 if shift else 0.015)
    notes = method.notes(source, method.transform(source))
    validation = HOW.split(source)[1]
    assert notes.numbers["sum_before"] == validation.weights.sum()
    assert notes.numbers["sum_after"] == pytest.approx(method.transform(validation).weights.sum())
    spread = factors.std() * len(validation) ** 0.5  # of fresh events as many as these
    assert 0.7 * spread < notes.numbers["sum_after_uncertainty"] < 3 * spread
    assert not any("do not keep their sum" in warning for warning in notes.warnings)
    if shift:  # the ratio of two normal distributions
        exact = np.exp(shift * fresh.features.sum(axis=1) - shift**2)
        assert np.corrcoef(np.log(factors), np.log(exact))[0, 1] > 0.85


def test_a_sum_that_is_lost_is_told() -> None:
    rng = np.random.default_rng(9)
    source, target = (Events.of(rng.normal(size=(2000, 1))) for _ in range(2))
    method = BoostedTrees(1, 0, trees=5, folds=2)
    method.fit(source, target, HOW)
    method.sums = 200.0, Estimate(260.0, 12.0)
    assert (
        "the weights do not keep their sum: 200 becomes 260 ± 12 where none is fitted"
        in method.notes(source, source).warnings
    )


def test_capping_tells_what_it_took(on_the_toy: tuple[Reweighting, Events]) -> None:
    method, source = on_the_toy
    before = method.max_factor, method.mean_factors.clone()
    method.max_factor = 20.0
    method.mean_factors.fill_(1.0)
    numbers, warnings = method.notes(source, method.transform(source))
    factors = method.transform(source).weights
    assert factors.max() == numbers["largest_factor"] == pytest.approx(20)
    method.max_factor = 1e9
    uncapped = method.transform(source).weights
    method.max_factor = before[0]
    method.mean_factors.copy_(before[1])
    assert np.mean(uncapped > 20) < numbers["capped_fraction"] < 2 * np.mean(uncapped > 20)  # of any fold
    assert numbers["capped_away"] == pytest.approx(1 - factors.sum() / uncapped.sum())
    assert any("capped at max_factor 20, which took" in warning for warning in warnings)
