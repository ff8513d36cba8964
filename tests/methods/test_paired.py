"""The target's event is found for each event of the source, as far as the source says what it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp, pearsonr

from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.errors import InputError
from simmorph.methods.paired import Paired
from simmorph.neural.loop.training import Training

SETTINGS = TrainingSettings(epochs=12, batch_size=256, learning_rate=5e-3, device="cpu", holdout=0)
SMALL: dict[str, Any] = {"hidden": (32,), "layers": 2, "marginal_bins": 8}


def simulated(n_events: int, seed: int) -> tuple[Events, Events]:
    """A feature that the source fixes, by a bent function, and one of which it knows the half."""
    rng = np.random.default_rng(seed)
    context, hidden = rng.uniform(-1, 1, (n_events, 1)), rng.normal(size=n_events)
    x, y = rng.normal(size=n_events), rng.normal(size=n_events)
    target = np.stack([1.2 * x + 0.2 * x**2 * context[:, 0], 0.6 * y + 0.8 * np.exp(0.3 * x) * hidden], axis=1)
    ids = np.arange(n_events) + 1000 * seed
    return Events.of(np.stack([x, y], axis=1), context, None, ids), Events.of(target, context, None, ids)


@pytest.fixture(scope="module")
def method() -> Paired:
    paired = Paired(2, 1, **SMALL)
    paired.fit(*simulated(8000, 1), Training(SETTINGS))
    return paired


def test_what_the_source_fixes_is_found_event_by_event(method: Paired) -> None:
    source, target = simulated(10_000, 2)
    off = (method.transform(source).features - target.features)[:, 0]
    assert np.mean(np.abs(off)) < 0.04 * target.features[:, 0].std()


def test_what_it_does_not_fix_has_the_distribution_of_the_target(method: Paired) -> None:
    (source, _), (_, target) = simulated(10_000, 2), simulated(10_000, 3)
    drawn = method.transform(source).features
    assert ks_2samp(drawn[:, 1], target.features[:, 1]).pvalue > 1e-3
    assert pearsonr(drawn[:, 1], source.features[:, 1])[0] == pytest.approx(
        pearsonr(simulated(10_000, 2)[1].features[:, 1], source.features[:, 1])[0], abs=0.05
    )
    # No map of the source can know the part that the target alone has.
    assert (drawn[:, 1] - simulated(10_000, 2)[1].features[:, 1]).std() > 0.8


def test_the_least_squares_start_is_exact_for_a_linear_target() -> None:
    source, _ = simulated(2000, 4)
    slopes = np.array([[2.0, 0.5], [-1.0, 1.5]])
    linear = source.with_features(source.features @ slopes + 0.3 * source.context)
    paired = Paired(2, 1, **SMALL)
    paired.fit(source, linear, Training(SETTINGS.model_copy(update={"epochs": 1, "learning_rate": 1e-6})))
    np.testing.assert_allclose(paired.slopes.numpy()[:2], slopes, atol=1e-9)
    np.testing.assert_allclose(paired.transform(source).features, linear.features, atol=2e-3)


def test_weights_are_those_of_the_source() -> None:
    source, target = simulated(4000, 5)
    weights = np.where(source.features[:, 0] > 0, 1.0, 1e-6)
    kinked = target.with_features(np.abs(source.features))
    paired = Paired(2, 1, **SMALL)
    paired.fit(source.with_weights(weights), kinked, Training(SETTINGS.model_copy(update={"epochs": 1})))
    assert paired.slopes.numpy()[0, 0] == pytest.approx(1.0, abs=0.01)


def test_far_outside_of_training_it_stays_finite(method: Paired) -> None:
    source, _ = simulated(100, 6)
    far = method.transform(source.with_features(1e4 * source.features)).features
    assert np.isfinite(far).all()


def test_other_events_are_refused() -> None:
    (source, _), (_, target) = simulated(500, 1), simulated(500, 2)
    with pytest.raises(InputError, match="not the same events"):
        Paired(2, 1, **SMALL).fit(source, target, Training(SETTINGS))
