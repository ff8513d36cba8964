"""Negative weights are treated in the open: sums are kept, and what is biased says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from simmorph.data.events import Events
from simmorph.data.signed_weights import TREATMENTS, shifts, treated

if TYPE_CHECKING:
    from simmorph.config.training import NegativeWeights

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
