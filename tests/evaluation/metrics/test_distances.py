"""What every distance of one variable promises, and closed forms of the single ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import chi2, kstwobign, norm, wasserstein_distance

from simmorph.data.events import Events
from simmorph.evaluation.metrics import DISTANCES
from simmorph.evaluation.metrics.divergences import N_BINS
from simmorph.evaluation.metrics.marginals import (
    anderson_darling,
    kolmogorov,
    kolmogorov_worst,
    wasserstein,
    wasserstein_with_influence,
    wasserstein_worst,
)
from simmorph.evaluation.metrics.moments import spread_of
from simmorph.evaluation.metrics.noise import BesideNull, both
from simmorph.evaluation.metrics.registry import METRICS, WORDS, distances_beside_null, metric_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from simmorph.data.estimates import Estimate

EVERY = pytest.mark.parametrize("kind", DISTANCES)
EXACT_ZERO = 1e-7


def normal(mean: float, n_events: int, seed: int, sigma: float = 1.0) -> Events:
    return Events.of(np.random.default_rng(seed).normal(mean, sigma, (n_events, 1)))


def value_of(kind: str, template: Events, target: Events) -> float:
    return DISTANCES[kind].measure(template, target, 0).value


@EVERY
def test_a_sample_is_at_no_distance_from_itself(kind: str) -> None:
    sample = normal(0, 500, 1)
    assert value_of(kind, sample, sample) == pytest.approx(0, abs=EXACT_ZERO)


@EVERY
def test_a_larger_shift_is_a_larger_distance(kind: str) -> None:
    target = normal(0, 2000, 2)
    near, far = (value_of(kind, normal(shift, 2000, 3), target) for shift in (0.3, 0.8))
    assert near < far


@EVERY
def test_the_order_of_events_does_not_matter(kind: str) -> None:
    rng = np.random.default_rng(4)
    template, target = normal(0.2, 400, 5), normal(0, 500, 6)
    weighted = template.with_weights(rng.uniform(0.5, 2, 400))
    shuffled = weighted[rng.permutation(400)]
    assert DISTANCES[kind].measure(shuffled, target, 0) == pytest.approx(
        DISTANCES[kind].measure(weighted, target, 0), rel=1e-9
    )


@EVERY
def test_the_unit_of_the_feature_does_not_matter(kind: str) -> None:
    template, target = normal(0.2, 400, 7), normal(0, 500, 8)
    scaled, other = (it.with_features(1000 * it.features + 5) for it in (template, target))
    assert value_of(kind, scaled, other) == pytest.approx(value_of(kind, template, target), rel=1e-6)


@EVERY
def test_the_scale_of_the_weights_does_not_matter(kind: str) -> None:
    template, target = normal(0.2, 400, 9), normal(0, 500, 10)
    scaled, other = template.with_weights(3 * template.weights), target.with_weights(0.01 * target.weights)
    found = DISTANCES[kind].measure(scaled, other, 0)
    assert found == pytest.approx(DISTANCES[kind].measure(template, target, 0), rel=1e-9)


@EVERY
def test_another_feature_has_no_say(kind: str) -> None:
    template, target = normal(0.2, 400, 11), normal(0, 500, 12)
    wider, other = (
        Events.of(np.hstack([np.full((len(it), 1), constant), it.features]))
        for it, constant in ((template, 9.0), (target, -9.0))
    )
    assert DISTANCES[kind].measure(wider, other, 1).value == pytest.approx(value_of(kind, template, target), rel=1e-9)


@EVERY
def test_an_event_of_negative_weight_removes_an_equal_one(kind: str) -> None:
    template, target, stray = normal(0.2, 2000, 13), normal(0, 2000, 14), normal(4, 100, 15)
    removed = Events.concatenate([template, stray, stray.with_weights(-stray.weights)])
    wrong = Events.concatenate([template, stray])
    clean, signed, mixed = (value_of(kind, it, target) for it in (template, removed, wrong))
    # Where a share is divided by its variance, events of both signs make it less certain, and chi2 smaller.
    assert abs(signed - clean) < 0.35 * (mixed - clean)


@EVERY
@pytest.mark.parametrize("n_events", [400, 6400])
def test_the_uncertainty_where_samples_agree_is_the_size_of_the_scatter(kind: str, n_events: int) -> None:
    pairs = [(normal(0, n_events, seed), normal(0, n_events, 1000 + seed)) for seed in range(40)]
    found = [DISTANCES[kind].measure(*pair, 0) for pair in pairs]
    scatter = np.std([one.value for one in found])
    assert 0.6 * scatter < np.mean([one.uncertainty for one in found]) < 4 * scatter


@EVERY
def test_words_and_head_say_what_it_is(kind: str) -> None:
    distance = DISTANCES[kind]
    assert distance.words != distance.head or kind == "kolmogorov"
    assert "Source:" in (distance.measure.__doc__ or "")
    assert "Null:" in (distance.measure.__doc__ or "")


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_says_its_null_and_its_source(metric: str) -> None:
    text = METRICS[metric].__doc__ or ""
    assert "null" in text.lower()
    assert "Source" in text or "source" in text or metric == "pearson_mean"


def test_a_metric_without_words_has_its_name_with_spaces() -> None:
    assert metric_words("energy_distance") == "energy distance"
    assert set(METRICS) <= set(WORDS)


@pytest.mark.parametrize(
    ("derived", "words"),
    [
        (["m_yy"], "AUC with m_yy"),
        (["m", "pt"], "AUC with m and pt"),
        (["a", "b", "c"], "AUC with the derived quantities"),
    ],
)
def test_the_auc_with_derived_quantities_names_a_few(derived: list[str], words: str) -> None:
    assert metric_words("auc_with_derived", derived) == words
    assert metric_words("auc", derived).endswith("features alone")


@pytest.mark.parametrize(("shift", "sigma"), [(0.5, 1.0), (0.0, 2.0), (1.0, 0.5)])
def test_wasserstein_of_normals_is_the_closed_form(shift: float, sigma: float) -> None:
    # E|shift + (sigma - 1) Z|, the folded normal.
    width = abs(sigma - 1)
    expected = abs(shift)
    if width:
        expected = width * (2 / np.pi) ** 0.5 * np.exp(-(shift**2) / (2 * width**2))
        expected += shift * (1 - 2 * norm.cdf(-shift / width))
    found = wasserstein(normal(shift, 40_000, 16, sigma), normal(0, 40_000, 17), 0)
    assert found.value == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(("shift", "sigma"), [(0.5, 1.0), (0.0, 2.0)])
def test_kolmogorov_of_normals_is_the_closed_form(shift: float, sigma: float) -> None:
    grid = np.linspace(-8, 8, 100_001)
    expected = np.max(np.abs(norm.cdf(grid, shift, sigma) - norm.cdf(grid)))
    found = kolmogorov(normal(shift, 40_000, 18, sigma), normal(0, 40_000, 19), 0)
    assert found.value == pytest.approx(expected, abs=4 * found.uncertainty)


def test_anderson_darling_of_normals_is_the_integral() -> None:
    grid = np.linspace(-7, 7, 100_001)
    template, target = norm.cdf(grid, 0.5), norm.cdf(grid)
    pooled = (template + target) / 2
    expected = np.trapezoid((template - target) ** 2 / (pooled * (1 - pooled)), pooled)
    assert anderson_darling(normal(0.5, 40_000, 20), normal(0, 40_000, 21), 0).value == pytest.approx(
        expected, rel=0.04
    )


def test_wasserstein_with_weights_on_both_sides_is_scipys() -> None:
    rng = np.random.default_rng(22)
    template, target = rng.normal(0.3, 1, 200), rng.exponential(size=300)
    weights = rng.exponential(size=200), rng.exponential(size=300)
    found, influence = wasserstein_with_influence(template, target, *weights)
    assert found == pytest.approx(wasserstein_distance(template, target, *weights), rel=1e-9)
    assert influence.shape == (500,)


def test_the_influence_is_the_change_by_a_little_more_of_an_event() -> None:
    rng = np.random.default_rng(23)
    template, target = rng.normal(0.3, 1, 40), rng.normal(size=53)
    weights, step = np.ones(40), 1e-6
    value, influence = wasserstein_with_influence(template, target, weights, np.ones(53))
    centred = influence[:40] - influence[:40].mean()
    for event in (0, 7, 33):
        more = weights + step * (np.arange(40) == event)
        change = (wasserstein_with_influence(template, target, more, np.ones(53))[0] - value) / step
        assert abs(change) == pytest.approx(abs(centred[event]) / 40, rel=1e-3, abs=1e-6)


def test_the_error_of_kolmogorov_is_that_of_a_share_at_the_worst_place_with_weights() -> None:
    # The distance of a shift is largest in the middle, where both signs of weights leave a half below.
    target = normal(0, 20_000, 24).with_weights(np.random.default_rng(25).choice([1.0, -0.2], 20_000, p=[0.8, 0.2]))
    template = normal(0.4, 20_000, 26)
    found = kolmogorov(template, target, 0)
    noise = 1 / template.effective_size + 1 / target.effective_size
    below = norm.cdf(0.2)
    assert found.uncertainty == pytest.approx(np.sqrt(below * (1 - below) * noise), rel=0.03)


def beside_null(template: Events, target: Events) -> dict[str, BesideNull]:
    return distances_beside_null(template, target, 0, both(template, target, np.random.default_rng(1)))


@pytest.mark.parametrize("weights", [np.ones(3000), np.tile([0.5, 1.5, 4.0], 1000)])
def test_the_p_values_of_kolmogorov_and_chi_square_are_those_of_theory(weights: np.ndarray) -> None:
    template, target = normal(0.05, 3000, 27).with_weights(weights), normal(0, 3000, 28)
    found = beside_null(template, target)
    noise = 1 / template.effective_size + 1 / target.effective_size
    expected = {
        "kolmogorov": kstwobign.sf(found["kolmogorov"].found.value / np.sqrt(noise)),
        "chi_square": chi2.sf(found["chi_square"].found.value * (N_BINS - 1), N_BINS - 1),
    }
    for kind, p_value in expected.items():
        assert norm.isf(found[kind].p_value) == pytest.approx(norm.isf(p_value), abs=0.4)


@EVERY
def test_a_plain_difference_has_a_tiny_p_value(kind: str) -> None:
    assert beside_null(normal(0.5, 2000, 29), normal(0, 2000, 30))[kind].p_value < 1e-9


@EVERY
def test_the_null_is_what_pairs_that_agree_come_to(kind: str) -> None:
    pairs = [(normal(0, 1500, seed), normal(0, 3000, 100 + seed)) for seed in range(40)]
    found = [value_of(kind, *pair) for pair in pairs]
    null = beside_null(*pairs[0])[kind].null
    assert np.mean(found) == pytest.approx(null.value, abs=0.6 * null.uncertainty)
    assert np.std(found) == pytest.approx(null.uncertainty, rel=0.4)


@pytest.mark.parametrize(("worst", "measure"), [(wasserstein_worst, wasserstein), (kolmogorov_worst, kolmogorov)])
def test_the_worst_is_the_largest_of_all_features(
    worst: Callable[[Events, Events, np.random.Generator], Estimate],
    measure: Callable[[Events, Events, int], Estimate],
) -> None:
    rng = np.random.default_rng(31)
    template, target = (Events.of(rng.normal(shift, 1, (500, 3))) for shift in ([0, 0.7, 0.2], 0.0))
    found = [measure(template, target, column) for column in range(3)]
    assert worst(template, target, rng) == max(found)
    assert worst(template, target, rng) == found[1]


def test_the_spread_is_the_weighted_standard_deviation() -> None:
    rng = np.random.default_rng(32)
    rows, weights = rng.normal(size=(300, 2)) * [1, 5], rng.exponential(size=300)
    expected = np.sqrt(np.diag(np.cov(rows.T, aweights=weights, ddof=0)))
    np.testing.assert_allclose(spread_of(Events.of(rows, weights=weights)), expected, rtol=1e-10)


def test_the_spread_of_a_constant_is_1_and_of_signed_weights_that_of_what_is_left() -> None:
    assert spread_of(Events.of(np.full((50, 1), 0.1))).tolist() == [1.0]
    clean, stray = normal(0, 400, 33), normal(30, 50, 34)
    signed = Events.concatenate([clean, stray, stray.with_weights(-stray.weights)])
    assert spread_of(signed) == pytest.approx(spread_of(clean), rel=1e-9)


def test_bins_have_equal_shares_of_the_target() -> None:
    target = Events.of(np.linspace(0, 1, 5001)[:, None])
    template = Events.of(np.full((1_000_000, 1), 0.501))
    overlap = 1 - value_of("hellinger", template, target) ** 2
    assert overlap == pytest.approx(np.sqrt(1 / N_BINS), abs=0.01), "a template in one bin overlaps with its share"
