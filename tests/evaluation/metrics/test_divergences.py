"""Promises of divergences in bins: known answers, and uncertainties that are those of repetitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import chisquare, entropy

from simmorph.data.events import Events
from simmorph.evaluation.metrics.divergences import N_BINS, chi_square, hellinger, jensen_shannon, kullback_leibler

if TYPE_CHECKING:
    from collections.abc import Callable

    from simmorph.data.estimates import Estimate

    Divergence = Callable[[Events, Events, int], Estimate]

BOTH = pytest.mark.parametrize("divergence", [kullback_leibler, hellinger])


def normal(mean: float, n_events: int, rng: np.random.Generator) -> Events:
    return Events.of(rng.normal(mean, 1, (n_events, 1)))


def test_shifted_normal_distributions_have_the_known_divergences() -> None:
    rng = np.random.default_rng(1)
    template, target = normal(0.5, 400_000, rng), normal(0.0, 400_000, rng)
    # Bins lose a little: a fiftieth is in each of the outermost.
    assert kullback_leibler(template, target, 0).value == pytest.approx(0.125, rel=0.03)
    assert hellinger(template, target, 0).value == pytest.approx(np.sqrt(1 - np.exp(-1 / 32)), rel=0.02)


@BOTH
@pytest.mark.parametrize("shift", [0.0, 0.05, 0.5])
def test_the_uncertainty_is_the_spread_of_repetitions(divergence: Divergence, shift: float) -> None:
    rng = np.random.default_rng(2)
    found = [divergence(normal(shift, 4000, rng), normal(0.0, 4000, rng), 0) for _ in range(150)]
    spread = np.std([one.value for one in found])
    assert np.mean([one.uncertainty for one in found]) == pytest.approx(spread, rel=0.3)


def test_samples_that_agree_have_the_divergence_that_noise_gives() -> None:
    rng = np.random.default_rng(3)
    found = [kullback_leibler(normal(0, 5000, rng), normal(0, 5000, rng), 0).value for _ in range(50)]
    assert np.mean(found) == pytest.approx((N_BINS - 1) / 5000, rel=0.1)


@BOTH
def test_a_sample_agrees_with_itself(divergence: Divergence) -> None:
    sample = normal(0, 1000, np.random.default_rng(4))
    assert divergence(sample, sample, 0).value == pytest.approx(0, abs=1e-7)


@BOTH
def test_weights_count_as_copies(divergence: Divergence) -> None:
    rng = np.random.default_rng(5)
    template, target = normal(0.3, 1500, rng), normal(0.0, 1500, rng)
    twice = template.with_weights(np.where(template.ids < 300, 2.0, 1.0))
    copied = Events.concatenate([template, template[:300]])
    assert divergence(twice, target, 0).value == pytest.approx(divergence(copied, target, 0).value, rel=1e-9)


@BOTH
def test_a_share_of_zeros_is_seen(divergence: Divergence) -> None:
    rng = np.random.default_rng(6)
    values = rng.exponential(1, (2, 20_000))
    zeros = [
        np.where(rng.random(20_000) < share, 0.0, its)[:, None] for share, its in zip((0.3, 0.5), values, strict=True)
    ]
    template, target = (Events.of(its) for its in zeros)
    expected = {
        "kullback_leibler": 0.5 * np.log(0.5 / 0.3) + 0.5 * np.log(0.5 / 0.7),
        "hellinger": np.sqrt(1 - np.sqrt(0.15) - np.sqrt(0.35)),
    }[divergence.__name__]
    assert divergence(template, target, 0).value == pytest.approx(expected, rel=0.06)


@BOTH
def test_a_constant_and_an_empty_overlap_are_finite(divergence: Divergence) -> None:
    same = Events.of(np.ones((200, 1)))
    assert divergence(same, same, 0).value == 0
    rng = np.random.default_rng(7)
    far = divergence(normal(50, 500, rng), normal(0, 500, rng), 0)
    assert np.isfinite(far).all()
    assert far.value > 0.8


def test_divergences_are_scipys_in_the_same_bins() -> None:
    rng = np.random.default_rng(8)
    template, target = normal(0.3, 6000, rng), normal(0.0, 5000, rng)
    edges = np.quantile(target.features[:, 0], np.linspace(0, 1, N_BINS + 1))
    edges[[0, -1]] = -np.inf, np.inf
    counts = [np.histogram(sample.features[:, 0], edges)[0] for sample in (target, template)]
    assert kullback_leibler(template, target, 0).value == pytest.approx(entropy(counts[0], counts[1]), rel=1e-6)
    assert jensen_shannon(template, target, 0).value == pytest.approx(
        jensenshannon(counts[0], counts[1]) ** 2, rel=1e-6
    )


def test_chi_square_against_a_large_template_is_that_of_pearson() -> None:
    rng = np.random.default_rng(9)
    template, target = normal(0.05, 1_000_000, rng), normal(0.0, 5000, rng)
    edges = np.quantile(target.features[:, 0], np.linspace(0, 1, N_BINS + 1))
    edges[[0, -1]] = -np.inf, np.inf
    expected, observed = (np.histogram(sample.features[:, 0], edges)[0] for sample in (template, target))
    known = chisquare(observed, expected * len(target) / len(template)).statistic / (N_BINS - 1)
    # Errors are those of the observed here, and of the expected there.
    assert chi_square(template, target, 0).value == pytest.approx(known, rel=0.15)
