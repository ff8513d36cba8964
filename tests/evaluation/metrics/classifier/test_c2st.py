"""The classifier two-sample test, against closed forms and against its own null."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from simmorph.data.events import Events
from simmorph.evaluation.metrics.classifier.c2st import N_FOLDS, auc, judge, rank_auc, roc_curve


def gaussians(n_events: int, shift: float, seed: int, n_features: int = 3) -> Events:
    features = np.random.default_rng(seed).normal(size=(n_events, n_features))
    features[:, 0] += shift
    return Events.of(features)


def test_auc_of_shifted_gaussians_is_the_closed_form() -> None:
    shift = 0.5
    estimate = auc(gaussians(15_000, shift, 1), gaussians(15_000, 0, 2), np.random.default_rng(3))
    assert estimate.value == pytest.approx(norm.cdf(shift / np.sqrt(2)), abs=0.012)
    assert estimate.uncertainty == pytest.approx(np.sqrt(2) * np.sqrt(1 / 6 / 15_000), rel=0.1)


def test_equal_samples_are_told_apart_no_better_than_their_uncertainty_says() -> None:
    pulls = []
    for seed in range(10):
        estimate = auc(gaussians(600, 0, seed), gaussians(600, 0, 100 + seed), np.random.default_rng(seed))
        pulls.append((estimate.value - 0.5) / estimate.uncertainty)
    assert abs(np.mean(pulls)) < 1.0
    assert np.std(pulls) < 1.5
    assert np.max(np.abs(pulls)) < 3.5


def test_every_event_is_judged_once_by_a_classifier_that_has_not_seen_it() -> None:
    # Random labels on few features: a classifier that had seen its events would know them by heart.
    rng = np.random.default_rng(5)
    judgement = judge(Events.of(rng.normal(size=(300, 4))), Events.of(rng.normal(size=(300, 4))), rng)
    assert np.isfinite(judgement.scores).all()
    assert np.bincount(judgement.fold).tolist() == [600 // N_FOLDS] * N_FOLDS
    assert judgement.auc().value < 0.6


def test_equal_seeds_give_equal_judgements() -> None:
    first, second = (auc(gaussians(500, 0.2, 1), gaussians(500, 0, 2), np.random.default_rng(7)) for _ in range(2))
    assert first == second


def test_context_is_judged_by_too() -> None:
    rng = np.random.default_rng(1)
    features, context = rng.normal(size=(3000, 1)), rng.normal(size=(3000, 1))
    together = Events.of(features, features + 0.1 * context)
    apart = Events.of(features, context)
    assert auc(apart, together, rng).value > 0.8


def test_rank_auc_is_scikit_learns_for_positive_weights_and_ties() -> None:
    rng = np.random.default_rng(2)
    template, target = (np.asarray(rng.integers(low, 9, size), np.float64) for low, size in ((1, 400), (0, 500)))
    weights = rng.uniform(0.1, 2, 900)
    labels = np.repeat([1, 0], [400, 500])
    expected = roc_auc_score(labels, np.concatenate([template, target]), sample_weight=weights)
    assert rank_auc(template, weights[:400], target, weights[400:]).value == pytest.approx(expected, rel=1e-12)


def test_rank_auc_takes_a_negative_weight_as_the_removal_of_an_equal_event() -> None:
    rng = np.random.default_rng(3)
    template, target = rng.normal(0.3, 1, 200), rng.normal(0, 1, 300)
    clean = rank_auc(template, np.ones(200), target, np.ones(300))
    more = np.concatenate([template, template[:50] + 1, template[:50] + 1])
    signed = rank_auc(more, np.repeat([1.0, 1.0, -1.0], [200, 50, 50]), target, np.ones(300))
    assert signed.value == pytest.approx(clean.value, rel=1e-12)
    assert signed.uncertainty > clean.uncertainty


def test_weights_of_equal_size_give_the_error_of_delong_at_the_null() -> None:
    rng = np.random.default_rng(4)
    estimate = rank_auc(rng.normal(size=5000), np.full(5000, 3.0), rng.normal(size=4000), np.ones(4000))
    assert estimate.uncertainty == pytest.approx(np.sqrt((5000 + 4000) / (12 * 5000 * 4000)), rel=0.03)


@pytest.mark.parametrize(("low", "auc"), [(2.0, 1.0), (1.0, 0.5)])
def test_scores_of_one_value_are_as_uncertain_as_one_event(low: float, auc: float) -> None:
    found = rank_auc(np.full(200, low), np.ones(200), np.full(100, 1.0), np.ones(100))
    assert found == pytest.approx((auc, np.hypot(1 / 200, 1 / 100)))


def test_samples_of_equal_signed_density_are_not_told_apart() -> None:
    # Template: density 1 everywhere, plus as many events of weight +1 as of weight -1 in one corner.
    rng = np.random.default_rng(6)
    n_plain, n_corner = 6000, 3000
    corner = rng.normal(3, 0.3, size=(2 * n_corner, 2))
    template = Events.of(
        np.concatenate([rng.normal(size=(n_plain, 2)), corner]),
        weights=np.repeat([1.0, 1.0, -1.0], [n_plain, n_corner, n_corner]),
    )
    estimate = auc(template, Events.of(rng.normal(size=(n_plain, 2))), rng)
    assert abs(estimate.value - 0.5) < 3 * estimate.uncertainty


def test_weights_that_undo_a_difference_are_seen_to_undo_it() -> None:
    source, target = gaussians(15_000, 0.3, 8, 1), gaussians(15_000, 0, 9, 1)
    ratio = np.exp(0.3**2 / 2 - 0.3 * source.features[:, 0])
    estimate = auc(source.with_weights(ratio), target, np.random.default_rng(1))
    assert abs(estimate.value - 0.5) < 3 * estimate.uncertainty


def test_a_sample_without_positive_weight_cannot_be_judged() -> None:
    events = gaussians(10, 0, 1)
    with pytest.raises(ValueError, match="positive sum"):
        judge(events.with_weights(-events.weights), events, np.random.default_rng(1))


def test_roc_curve_runs_from_corner_to_corner_with_the_area_of_the_auc() -> None:
    rng = np.random.default_rng(5)
    arguments = rng.normal(0.5, 1, 500), rng.uniform(size=500), rng.normal(size=600), rng.uniform(size=600)
    target_kept, template_kept = roc_curve(*arguments)
    assert (target_kept[0], template_kept[0]) == (0, 0)
    assert (target_kept[-1], template_kept[-1]) == pytest.approx((1, 1))
    assert np.trapezoid(template_kept, target_kept) == pytest.approx(rank_auc(*arguments).value, rel=1e-9)
