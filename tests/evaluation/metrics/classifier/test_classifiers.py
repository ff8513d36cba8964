"""What every classifier of a two-sample test promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from simmorph.data.events import Events
from simmorph.evaluation.metrics.classifier.c2st import N_FOLDS, judge
from simmorph.evaluation.metrics.classifier.classifiers import CLASSIFIERS, Trial

EVERY = pytest.mark.parametrize("classifier", CLASSIFIERS)


def gaussians(n_events: int, shift: float, seed: int) -> Events:
    features = np.random.default_rng(seed).normal(size=(n_events, 2))
    features[:, 0] += shift
    return Events.of(features)


@EVERY
def test_auc_of_shifted_gaussians_is_nearly_the_best_possible_and_not_above_it(classifier: str) -> None:
    shift = 0.6
    best = norm.cdf(shift / np.sqrt(2))
    found = judge(gaussians(3000, shift, 1), gaussians(3000, 0, 2), np.random.default_rng(3), classifier).auc()
    assert best - 0.04 < found.value < best + 3 * found.uncertainty


@EVERY
def test_an_event_is_judged_by_nothing_that_has_seen_it(classifier: str) -> None:
    """Neither what is learnt nor what stops learning may depend on the label of an event that is judged.

    Labels are changed in one fold only: the scores in that fold come from the other events, and must stay the same to
    the bit; those of the other fold come from the changed labels, and must not.
    """
    rng = np.random.default_rng(4)
    inputs, labels = rng.normal(size=(800, 2)), rng.uniform(size=800) < 0.5
    left_out = np.arange(800) % N_FOLDS == 0
    other = np.where(left_out, ~labels, labels)
    score, weights = CLASSIFIERS[classifier], np.ones(800)
    same = [score(Trial(inputs, its, weights, left_out, 1)) for its in (labels, other)]
    different = [score(Trial(inputs, its, weights, ~left_out, 1)) for its in (labels, other)]
    assert np.array_equal(same[0], same[1])
    assert not np.array_equal(different[0], different[1])


@EVERY
def test_events_of_no_label_are_not_told_apart(classifier: str) -> None:
    found = judge(gaussians(1500, 0, 5), gaussians(1500, 0, 6), np.random.default_rng(7), classifier).auc()
    assert abs(found.value - 0.5) < 3.5 * found.uncertainty


@EVERY
def test_samples_of_equal_signed_density_are_not_told_apart(classifier: str) -> None:
    rng = np.random.default_rng(8)
    corner = rng.normal(3, 0.3, size=(1000, 2))
    template = Events.of(
        np.concatenate([rng.normal(size=(2000, 2)), corner]), weights=np.repeat([1.0, 1.0, -1.0], [2000, 500, 500])
    )
    found = judge(template, gaussians(2000, 0, 9), rng, classifier).auc()
    assert abs(found.value - 0.5) < 3.5 * found.uncertainty


def test_a_network_sees_what_it_is_trained_on_with_its_weights() -> None:
    source, target = gaussians(4000, 0.5, 10), gaussians(4000, 0, 11)
    ratio = np.exp(0.5**2 / 2 - 0.5 * source.features[:, 0])
    found = judge(source.with_weights(ratio), target, np.random.default_rng(1), "network_2x32").auc()
    assert abs(found.value - 0.5) < 3.5 * found.uncertainty


def test_a_network_is_the_same_on_any_number_of_threads() -> None:
    rng, found, before = np.random.default_rng(12), [], torch.get_num_threads()
    trial = Trial(rng.normal(size=(3000, 4)), rng.uniform(size=3000) < 0.5, np.ones(3000), np.arange(3000) % 2 == 0, 1)
    for n_threads in (1, 3):
        torch.set_num_threads(n_threads)
        try:
            found.append(CLASSIFIERS["network_2x32"](trial))
        finally:
            torch.set_num_threads(before)
    assert np.array_equal(found[0], found[1])
