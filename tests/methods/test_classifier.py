"""The classifier's weights are the known likelihood ratio."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.config.training import TrainingSettings
from simmorph.data.estimates import Estimate
from simmorph.data.events import Events
from simmorph.methods.classifier import Classifier
from simmorph.methods.parts.reweighting import Calibration, fold_of
from simmorph.neural.loop.training import Training

SETTINGS = TrainingSettings(epochs=20, batch_size=500, learning_rate=3e-3, device="cpu", holdout=0)


def shifted(n_events: int, shift: float, seed: int) -> Events:
    return Events.of(np.random.default_rng(seed).normal(shift, 1, (n_events, 1)))


def test_factors_are_the_density_ratio_whatever_the_sizes_of_the_samples() -> None:
    source, target = shifted(12_000, 0.0, 1), shifted(4_000, 0.5, 2)
    method = Classifier(1, 0, hidden=(16,))
    method.fit(source, target, Training(SETTINGS))
    grid = np.linspace(-1.5, 1.5, 21)
    factors = method.transform(Events.of(grid[:, None])).weights
    np.testing.assert_allclose(factors, np.exp(0.5 * grid - 0.125), rtol=0.2)


@pytest.mark.parametrize("calibration", ["isotonic", "none"])
def test_the_sum_of_weights_stays_on_fresh_events(calibration: Calibration) -> None:
    rng = np.random.default_rng(3)
    source = shifted(3000, 0.0, 1).with_weights(rng.uniform(0.5, 3, 3000))
    method = Classifier(1, 0, hidden=(8,), calibration=calibration)
    how = Training(SETTINGS.model_copy(update={"epochs": 5}))
    method.fit(source, shifted(3000, 0.5, 2), how)
    fresh = shifted(20_000, 0.0, 4).with_weights(rng.uniform(0.5, 3, 20_000))
    assert method.transform(fresh).weights.sum() == pytest.approx(fresh.weights.sum(), rel=0.05)


def test_context_keeps_its_spectrum() -> None:
    rng = np.random.default_rng(4)
    mass = rng.normal(0, 1, (8000, 1))
    heavier = rng.normal(0.5, 1, (8000, 1))
    source = Events.of(mass + rng.normal(size=(8000, 1)), mass)
    target = Events.of(heavier + rng.normal(0.5, 1, (8000, 1)), heavier)
    method = Classifier(1, 1, hidden=(16,))
    histories = method.fit(source, target, Training(SETTINGS))
    weights = method.transform(source).weights
    assert list(histories) == [f"{stage}_fold{number}" for stage in ("fit", "context") for number in (1, 2, 3)]
    assert np.average(mass[:, 0], weights=weights) == pytest.approx(0, abs=0.1)
    assert np.average((source.features - mass)[:, 0], weights=weights) == pytest.approx(0.5, abs=0.1)


def test_capped_factors_and_lost_statistics_are_told() -> None:
    source, target = shifted(4000, 0.0, 1), shifted(4000, 3.0, 2)
    method = Classifier(1, 0, hidden=(16,), max_factor=5.0)
    method.fit(source, target, Training(SETTINGS))
    notes = method.notes(source, method.transform(source))
    assert 0 < notes.numbers["capped_fraction"] < 0.2
    assert any("capped at max_factor 5" in warning for warning in notes.warnings)
    poor = source.with_weights(np.where(source.ids == 0, 1e6, 1.0))
    warnings = method.notes(source, poor).warnings
    assert any("ESS/N" in warning and "below 5 %" in warning for warning in warnings)


def test_the_epoch_can_be_chosen_by_how_well_the_weights_close() -> None:
    source, target = shifted(2000, 0.0, 1), shifted(2000, 0.5, 2)
    settings = SETTINGS.model_copy(update={"epochs": 3, "select_on": "auc", "validation": 0.3})

    def judge(template: Events, target: Events) -> Estimate:
        return Estimate(abs(float(np.average(template.features[:, 0], weights=template.weights)) - 9), 0.0)

    how = Training(settings, judge=judge)
    method = Classifier(1, 0, hidden=(8,), folds=2)
    history = method.fit(source, target, how)["fit_fold1"]
    # This judge prefers whatever moves the mean up most, which is the longest training.
    assert history.best_epoch == 3


def test_members_of_an_ensemble_are_calibrated_on_other_folds() -> None:
    ids = np.arange(1000)
    one, other = (fold_of(ids, 3, Training(SETTINGS, member=member)) for member in (0, 1))
    assert 0.55 < np.mean(one != other) < 0.75
