"""Uncertainties and p-values are those of pairs that agree: see `python -m benchmarks judge` for more of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import kstest

from simmorph.data.events import Events
from simmorph.evaluation.metrics.classifier.c2st import auc
from simmorph.evaluation.metrics.noise import N_DRAWS, Noise, both, probability
from simmorph.evaluation.metrics.registry import DISTANCES, TESTS, distances_beside_null

if TYPE_CHECKING:
    from collections.abc import Callable

    from simmorph.data.events import FloatArray

N_PAIRS, SIZES = 40, (500, 400)


def pairs(signed: bool) -> list[tuple[Events, Events, np.random.Generator]]:
    """Pairs that agree; the template has weights, some of them negative."""
    found = []
    for number in range(N_PAIRS):
        rng = np.random.default_rng([number, signed])
        template, target = (Events.of(rng.normal(size=(size, 2))) for size in SIZES)
        weights = rng.choice([1.0, -1.0], SIZES[0], p=[0.9, 0.1]) if signed else rng.gamma(1, 1, SIZES[0])
        found.append((template.with_weights(weights), target, rng))
    return found


@pytest.mark.parametrize("signed", [False, True])
def test_pulls_of_the_auc_are_normal(signed: bool) -> None:
    pulls = np.array([(found.value - 0.5) / found.uncertainty for found in (auc(*pair) for pair in pairs(signed))])
    assert np.mean(pulls**2) ** 0.5 == pytest.approx(1, abs=0.3)
    assert kstest(pulls, "norm").pvalue > 1e-3


@pytest.mark.parametrize("signed", [False, True])
def test_p_values_of_metrics_and_distances_are_uniform(signed: bool) -> None:
    found: dict[str, list[float]] = {}
    for template, target, rng in pairs(signed):
        tests = {name: test(template, target, rng) for name, test in TESTS.items() if name != "sliced_wasserstein"}
        tests |= distances_beside_null(template, target, 0, both(template, target, rng))
        for name, its in tests.items():
            found.setdefault(name, []).append(its.p_value)
    assert len(found) == len(TESTS) - 1 + len(DISTANCES)
    for name, p_values in found.items():
        assert kstest(p_values, "uniform").pvalue > 1e-4, name
        assert np.mean(np.array(p_values) < 0.01) < 0.1, name


def test_fluctuations_have_the_variance_of_a_weighted_mean() -> None:
    rng = np.random.default_rng(1)
    events = Events.of(rng.normal(size=(3000, 1)), weights=rng.choice([2.0, -1.0], 3000, p=[0.8, 0.2]))
    noise, values = Noise.of(events, rng), events.features[:, 0]
    share = events.weights / events.weights.sum()
    expected = np.sum((share * (values - share @ values)) ** 2) ** 0.5
    assert noise.of_means([values]).shape == (1, N_DRAWS)
    assert noise.of_means([values]).std() == pytest.approx(expected, rel=0.12)
    halves = noise.in_bins((values > 0).astype(np.int64), 2)
    np.testing.assert_allclose(halves.sum(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize(
    "draw", [lambda rng: rng.chisquare(10, 20_000), lambda rng: rng.normal(3, 2, 20_000)], ids=["chi2", "normal"]
)
def test_a_probability_goes_on_smoothly_beyond_the_draws(draw: Callable[[np.random.Generator], FloatArray]) -> None:
    rng = np.random.default_rng(2)
    many = draw(rng)
    for share in (0.5, 0.05, 0.01, 0.002):
        at = float(np.quantile(many, 1 - share))
        few = [probability(draw(rng)[:N_DRAWS], at) for _ in range(20)]
        assert np.median(few) == pytest.approx(share, rel=0.3)


def test_what_does_not_fluctuate_has_no_probability() -> None:
    assert np.isnan(probability(np.zeros(N_DRAWS), 1.0))
