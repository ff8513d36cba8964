"""Negative weights are treated in the open: sums are kept, and what is biased says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import ndtr

from simmorph.data.events import Events
from simmorph.data.signed_weights import TREATMENTS, shifts, treated
from simmorph.errors import InputError

if TYPE_CHECKING:
    from simmorph.config.training import NegativeWeights
    from simmorph.data.events import FloatArray

ALL = sorted(TREATMENTS)


def signed_sample(n_events: int = 30_000, seed: int = 1) -> Events:
    """A density that is a standard normal in two variables, written with negative weights.

    On top of it lie pairs that cancel: events at larger values of the first variable, half of them of weight -1. So the
    share of negative weights depends on it, and absolute values push its mean up.
    """
    rng = np.random.default_rng(seed)
    plain = rng.normal(0, 1, (n_events, 2))
    pairs = rng.normal([0.8, 0], [0.5, 0.8], (n_events // 4, 2))
    signs = np.where(np.arange(len(pairs)) % 2 == 0, 1.0, -1.0)
    weights = np.concatenate([np.ones(n_events), signs])
    order = rng.permutation(len(weights))
    return Events.of(np.concatenate([plain, pairs])[order], weights=weights[order])


def mean_error(events: Events) -> float:
    """Statistical uncertainty of the mean of a standard normal variable with these signed weights."""
    return float(np.sqrt(np.sum((events.weights * (events.features[:, 0])) ** 2)) / np.sum(events.weights))


@pytest.mark.parametrize("treatment", ALL)
def test_the_sum_is_kept_and_no_weight_is_negative(treatment: NegativeWeights) -> None:
    events = signed_sample(4000)
    found = treated(events, treatment, "source", ["x", "y"], 1)
    assert found.events.weights.min() >= 0
    assert found.events.weights.sum() == pytest.approx(events.weights.sum(), rel=1e-9)
    np.testing.assert_array_equal(found.events.features, events.features)
    np.testing.assert_array_equal(found.events.ids, events.ids)
    assert found.numbers["source_negative_fraction"] == pytest.approx(0.1)


def test_absolute_values_are_biased_and_the_table_says_by_how_much() -> None:
    events = signed_sample()
    found = treated(events, "absolute", "source", ["x", "y"], 1)
    # 1 part in 5 of the absolute weight is pairs, with a mean of 0.8.
    assert np.average(found.events.features[:, 0], weights=found.events.weights) == pytest.approx(0.16, abs=0.02)
    assert found.numbers["source_x_mean_shift"] == pytest.approx(0.16, abs=0.02)
    assert found.numbers["source_x_mean_sigmas"] > 10
    assert abs(found.numbers["source_y_mean_sigmas"]) < 4
    text = "\n".join(found.warnings)
    assert "3750 of 37500 weights are negative" in text
    assert "x: mean" in text
    assert "y: mean" in text


def test_a_tilt_has_the_moments_of_the_signed_weights_and_their_power() -> None:
    events = signed_sample()
    found = treated(events, "tilt", "source", ["x", "y"], 1)
    signed, tilted_ones = (_moments(events.features, weights) for weights in (events.weights, found.events.weights))
    np.testing.assert_allclose(tilted_ones, signed, atol=1e-6)
    # Absolute values have 1.25 times the weight; half of that is lost again at most.
    assert found.events.effective_size > 0.9 * len(events)
    assert found.numbers["source_x_mean_shift"] == pytest.approx(0, abs=1e-6)


def _moments(features: FloatArray, weights: FloatArray) -> FloatArray:
    """Means and covariances, in a row."""
    mean = weights @ features / weights.sum()
    away = features - mean
    return np.concatenate([mean, ((away * weights[:, None]).T @ away / weights.sum()).ravel()])


def shares_that_are_negative(n_events: int) -> Events:
    """One sample of weight 1, and a fifth of weight -1 that has more events beyond 2 than the first."""
    rng = np.random.default_rng(3)
    negative = rng.random(n_events) < 0.2
    x = np.where(negative, rng.normal(1, 0.8, n_events), rng.normal(0, 1, n_events))
    return Events.of(np.column_stack([rng.normal(size=n_events), x]), weights=np.where(negative, -1.0, 1.0))


@pytest.mark.parametrize("treatment", ALL)
def test_where_the_density_itself_is_negative_is_told(treatment: NegativeWeights) -> None:
    events = shares_that_are_negative(40_000)
    found = treated(events, treatment, "source", ["flat", "x"], 1)
    (told,) = [warning for warning in found.warnings if "density" in warning]
    assert "negative" in told
    assert "for x from 1." in told or "for x from 2." in told
    # Beyond 1.97, where 0.8 times the one density falls below 0.2 times the other, by the normal distribution.
    exact = (0.8 * ndtr(-1.97) - 0.2 * ndtr(-0.97 / 0.8)) / 0.6
    assert found.numbers["source_negative_density_share"] == pytest.approx(exact, abs=0.006)
    assert not any(
        "density" in warning for warning in treated(signed_sample(), treatment, "it", ["x", "y"], 1).warnings
    )


def test_moments_that_a_treatment_loses_are_put_right() -> None:
    events = shares_that_are_negative(40_000)
    found = treated(events, "positive", "source", ["flat", "x"], 1)
    assert found.numbers["source_tilted"] == 1
    assert "tilted since means or widths were off" in found.warnings[0]
    assert abs(found.numbers["source_x_width_sigmas"]) < 0.01
    assert found.events.weights.min() >= 0


def test_a_tilt_that_is_not_to_be_had_is_refused() -> None:
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.normal(0, 1, (4000, 1)), rng.normal(6, 0.5, (500, 1))])
    events = Events.of(values, weights=np.repeat([1.0, -1.0], [4000, 500]))
    # The signed variance is negative.
    with pytest.raises(InputError, match=r"no tilt of the absolute weights .* choose `positive` or `resample`"):
        treated(events, "tilt", "source", ["x"], 1)


@pytest.mark.parametrize("treatment", ["positive", "resample"])
def test_other_treatments_keep_the_density(treatment: NegativeWeights) -> None:
    events = signed_sample()
    weights = treated(events, treatment, "source", ["x", "y"], 1).events.weights
    error = mean_error(events)
    for column in events.features.T:
        mean = float(np.average(column, weights=weights))
        assert abs(mean) < 4 * error
        assert np.average((column - mean) ** 2, weights=weights) == pytest.approx(1, abs=6 * error)
    edges = np.linspace(-2, 2, 9)
    expected = np.diff([0.02275, 0.06681, 0.15866, 0.30854, 0.5, 0.69146, 0.84134, 0.93319, 0.97725]) * weights.sum()
    counted, _ = np.histogram(events.features[:, 0], edges, weights=weights)
    spread, _ = np.histogram(events.features[:, 0], edges, weights=events.weights**2)
    assert np.abs((counted - expected) / np.sqrt(spread)).max() < 4


def test_cells_stay_small_where_there_are_neighbours() -> None:
    found = treated(signed_sample(), "resample", "target", ["x", "y"], 1)
    assert found.numbers["target_cells"] <= 3750
    assert 2 <= found.numbers["target_mean_cell_size"] < 5


def test_a_negative_mean_is_clipped_and_told() -> None:
    rng = np.random.default_rng(2)
    positive, negative = rng.normal(0, 1, (4000, 1)), rng.normal(6, 0.5, (500, 1))
    events = Events.of(np.concatenate([positive, negative]), weights=np.repeat([1.0, -1.0], [4000, 500]))
    found = treated(events, "positive", "source", ["x"], 1)
    assert found.numbers["source_clipped_fraction"] == pytest.approx(500 / 4500, abs=0.01)
    assert found.numbers["source_clipped_weight"] == pytest.approx(500 / 4500, abs=0.01)
    assert any("x: mean" in warning for warning in found.warnings)


def test_a_cell_grows_until_its_sum_is_not_negative() -> None:
    x = np.arange(200.0)[:, None]
    weights = np.where(x[:, 0] == 100, -60.5, 1.0)
    found = treated(Events.of(x, weights=weights), "resample", "source", ["x"], 1)
    touched = found.events.weights != 1
    assert touched.sum() == found.numbers["source_largest_cell"] == 62
    assert found.events.weights.sum() == pytest.approx(weights.sum())
    assert (np.abs(x[touched, 0] - 100) <= 31).all()


@pytest.mark.parametrize("treatment", ["refuse", *ALL])
def test_positive_weights_are_left_alone_to_the_bit(treatment: NegativeWeights) -> None:
    events = Events.of(np.random.default_rng(1).normal(size=(200, 2)), weights=np.linspace(0, 2, 200))
    found = treated(events, treatment, "source", ["x", "y"], 1)
    assert found.events is events
    assert found.numbers == {}
    assert found.warnings == []


def test_the_uncertainty_of_a_shift_is_its_spread_over_samples() -> None:
    pulls = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(400, 1))
        # Signs that do not depend on the variable: the expected shift is zero.
        events = Events.of(values, weights=np.where(rng.random(400) < 0.1, -1.0, 1.0))
        (shift,) = shifts(events, np.abs(events.weights), ["x"])
        pulls.append([shift.mean_sigmas, shift.width_sigmas])
    np.testing.assert_allclose(np.std(pulls, axis=0), 1, atol=0.3)
    np.testing.assert_allclose(np.mean(pulls, axis=0), 0, atol=0.45)
