"""Calibrated weights: the true ratio where it is known, and 1 where samples agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from simmorph.data.events import Events
from simmorph.evaluation.metrics.classifier.c2st import judge
from simmorph.evaluation.metrics.classifier.density_ratio import calibrated, density_ratios, falling_ratio

N_EVENTS, SHIFT = 12_000, 0.5


def normal(shift: float, seed: int, n_events: int = N_EVENTS) -> Events:
    return Events.of(np.random.default_rng(seed).normal(shift, 1, (n_events, 1)))


@pytest.fixture(scope="module")
def shifted() -> tuple[Events, np.ndarray]:
    """A template shifted by half its width, and its calibrated weights."""
    template, rng = normal(SHIFT, 1), np.random.default_rng(3)
    return template, calibrated(judge(template, normal(0, 2), rng), rng).ratio


def test_weights_of_a_shift_are_the_ratio_of_the_densities(shifted: tuple[Events, np.ndarray]) -> None:
    template, ratio = shifted
    true = np.exp(SHIFT**2 / 2 - SHIFT * template.features[:, 0])
    assert np.corrcoef(np.log(ratio), np.log(true))[0, 1] > 0.9
    assert np.mean(ratio) == pytest.approx(1, abs=0.02)
    # Calibration: where the weights say 2, the target is twice as dense.
    chosen = (ratio > 1.5) & (ratio < 3)
    assert ratio[chosen].mean() == pytest.approx(true[chosen].mean(), rel=0.05)


def test_the_tails_of_a_shift_are_those_of_the_lognormal_distribution() -> None:
    rng = np.random.default_rng(4)
    judged = {
        "template_vs_target": [judge(normal(SHIFT, 5), normal(0, 6), rng)],
        "target_vs_target": [judge(normal(0, seed), normal(0, 9 + seed), rng) for seed in (7, 8)],
    }
    found = density_ratios(judged, rng)
    template, null = found["template_vs_target"], found["target_vs_target"]
    # log w is normal with mean -SHIFT^2 / 2 and width SHIFT.
    beyond_2 = norm.sf((np.log(2) + SHIFT**2 / 2) / SHIFT)
    below_half = norm.cdf((np.log(0.5) + SHIFT**2 / 2) / SHIFT)
    assert template.tails["> 2"].value == pytest.approx(beyond_2, abs=0.02)
    assert template.tails["< 0.5"].value == pytest.approx(below_half, abs=0.03)
    assert template.quantiles[0.5].value == pytest.approx(
        np.exp(-(SHIFT**2) / 2), abs=max(0.06, 3 * template.quantiles[0.5].uncertainty)
    )
    assert null.spread.value < 0.2 < template.spread.value
    assert null.tails["> 2"].value < 0.01
    assert null.mean.value == pytest.approx(1, abs=4 * null.mean.uncertainty)
    for one in (template, null):
        assert one.histogram.values.sum() == pytest.approx(1)
        assert np.array_equal(one.histogram.edges, template.histogram.edges)
        assert all(it.uncertainty > 0 for it in (one.mean, one.spread, *one.quantiles.values()))


def test_events_of_negative_weight_take_away_from_the_ratio() -> None:
    # A template with a corner of events that cancel is as the target is.
    rng = np.random.default_rng(5)
    corner = rng.normal(4, 0.3, (4000, 1))
    template = Events.of(
        np.concatenate([normal(0, 1).features, corner]),
        weights=np.repeat([1.0, 1.0, -1.0], [N_EVENTS, 2000, 2000]),
    )
    found = density_ratios({"template_vs_target": [judge(template, normal(0, 2), rng)]}, rng)["template_vs_target"]
    assert found.mean.value == pytest.approx(1, abs=5 * found.mean.uncertainty)
    assert found.tails["> 2"].value < 0.03
    assert np.isfinite(found.histogram.variances).all()


def test_bins_are_merged_until_the_ratio_falls() -> None:
    ratio = falling_ratio(np.array([4.0, 1.0, 3.0, 1.0]), np.array([1.0, 1.0, 1.0, 2.0]), (0.1, 0.1))
    assert ratio == pytest.approx([4, 2, 2, 0.5])
    signed = falling_ratio(np.array([3.0, -0.5, 1.0]), np.array([1.0, 0.5, 2.0]), (0.1, 0.1))
    assert (np.diff(signed) <= 0).all()
    assert (signed > 0).all()
    empty = falling_ratio(np.array([1.0, 0.0]), np.array([0.0, 1.0]), (0.01, 0.02))
    assert empty == pytest.approx([1 / 0.02, 0.01])


def test_an_event_has_no_say_in_its_own_weight() -> None:
    judgement = judge(normal(SHIFT, 1, 1000), normal(0, 2, 1000), np.random.default_rng(3))
    heavy = np.where(np.arange(2000) == 7, 50.0, judgement.weights)
    plain, changed = (
        calibrated(replace(judgement, weights=weights), np.random.default_rng(4)).ratio
        for weights in (judgement.weights, heavy)
    )
    assert changed[7] == plain[7]
    assert (changed != plain).sum() > 100
