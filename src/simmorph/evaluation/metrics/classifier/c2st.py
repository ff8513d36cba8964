"""The classifier two-sample test: how well can a classifier distinguish template from target?

The area under the ROC curve (AUC) is 0.5 if it cannot. Every event is judged by a classifier that has not seen it, and
what stops training early is none of the judged events either. (Lopez-Paz, Oquab 2017, arXiv 1610.06545.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simmorph.data.estimates import Estimate
from simmorph.data.trees import Binned
from simmorph.evaluation.metrics.classifier.classifiers import CLASSIFIERS, Trial
from simmorph.evaluation.metrics.moments import mean_of

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, Events, FloatArray, IntArray

N_FOLDS = 5
N_ROC_POINTS = 201
FOLD_CORRELATION = 2**0.5
"""By how much folds are less certain than as many independent samples.

Where template and target agree, the classifier of one fold has learnt the fluctuations of the others, and theirs have
learnt those of the first: each pair of folds counts once, not twice. Exact for a classifier that is linear in the
events, where both folds give the same number; trees lie between that and independence, so this is an upper bound.
"""


@dataclass(frozen=True, eq=False)
class Judgement:
    """What classifiers say about events that they have not seen.

    Attributes:
        scores: (n_events,), larger for events that look like the template; comparable within a fold only.
        weights: (n_events,), may be negative.
        is_template: (n_events,), which sample the event belongs to.
        fold: (n_events,), the fold that the event was left out with.
    """

    scores: FloatArray
    weights: FloatArray
    is_template: BoolArray
    fold: IntArray

    def auc(self) -> Estimate:
        """The mean AUC of the folds.

        The uncertainty counts the judged events and the correlation of the folds where the samples agree (above
        that, it is on the safe side). How lucky the training was is not in it.
        """
        folds = [rank_auc(*self._fold(number)) for number in np.unique(self.fold)]
        spread = np.sqrt(np.sum([fold.uncertainty**2 for fold in folds])) / len(folds)
        return Estimate(float(np.mean([fold.value for fold in folds])), float(FOLD_CORRELATION * spread))

    def roc(self, n_points: int = N_ROC_POINTS) -> tuple[FloatArray, FloatArray]:
        """The ROC curve, averaged over the folds: (target kept, template kept), each (n_points,)."""
        grid = np.linspace(0, 1, n_points)
        curves = [np.interp(grid, *roc_curve(*self._fold(number))) for number in np.unique(self.fold)]
        return grid, np.mean(curves, axis=0)

    def _fold(self, number: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Scores and weights of the template's events in one fold, then those of the target's."""
        template, target = (self.fold == number) & self.is_template, (self.fold == number) & ~self.is_template
        return self.scores[template], self.weights[template], self.scores[target], self.weights[target]


def auc(template: Events, target: Events, rng: np.random.Generator) -> Estimate:
    """The AUC of gradient boosting between template and target, on features and context.

    Null: 0.5; below it by more than its uncertainty hints at a mistake, not at a better map. Not valid for less than a
    few hundred events.
    Source: Lopez-Paz, Oquab, arXiv 1610.06545; its error: `Judgement.auc`.
    """
    return judge(template, target, rng).auc()


def judge(template: Events, target: Events, rng: np.random.Generator, classifier: str = "trees") -> Judgement:
    """Judge every event by a classifier that was trained without it.

    Weights may be negative, which no classifier's loss supports. To subtract on one side is to add on the
    other, so a template event of weight -w is shown in training as a target event of weight w, and the other way round.
    Where the signed densities agree, both classes are then equally dense, and there is nothing to learn: the test keeps
    its null, which training on |w| would not. In the AUC itself the weights count with their signs.

    Args:
        template: one sample.
        target: the other.
        rng: draws the folds.
        classifier: the name of one in CLASSIFIERS.

    Raises:
        ValueError: a sample has no positive sum of weights.
    """
    inputs = np.concatenate([np.hstack([sample.features, sample.context]) for sample in (template, target)])
    # Both samples count the same, whatever their sizes; on average an event counts 1.
    half = (len(template) + len(target)) / 2
    weights = np.concatenate([_with_sum(half, sample.weights) for sample in (template, target)])
    is_template = np.repeat([True, False], [len(template), len(target)])
    fold = np.concatenate([_folds(len(sample), rng) for sample in (template, target)])
    shown_as_template = is_template == (weights > 0)
    seed, score, binned = int(rng.integers(2**31)), CLASSIFIERS[classifier], Binned(inputs)
    scores = np.empty(len(inputs))
    for number in range(N_FOLDS):
        left_out = fold == number
        scores[left_out] = score(Trial(inputs, shown_as_template, np.abs(weights), left_out, seed, binned))
    return Judgement(scores, weights, is_template, fold)


def _with_sum(wanted: float, weights: FloatArray) -> FloatArray:
    """The weights with another sum."""
    total = weights.sum()
    if not total > 0:
        raise ValueError("a sample to be judged has no positive sum of weights")
    return np.asarray(weights * (wanted / total))


def _folds(n_events: int, rng: np.random.Generator) -> IntArray:
    """The fold of each event; folds differ by one event at most."""
    return rng.permutation(np.arange(n_events) % N_FOLDS)


def rank_auc(
    template: FloatArray, template_weights: FloatArray, target: FloatArray, target_weights: FloatArray
) -> Estimate:
    """The exact weighted AUC: the probability that a template event scores above a target event, ties counting half.

    An event of weight -1 cancels an equal event of weight 1 exactly. The uncertainty is DeLong's, from the spread of
    each event's placement in the other sample, with sums of squared weights, so it shrinks with the effective sizes;
    where all events have the same, it is that of one event more or less.

    >>> ones = np.ones(2)
    >>> rank_auc(np.array([2.0, 3.0]), ones, np.array([1.0, 2.0]), ones).value
    0.875

    Args:
        template: (n_template,), scores.
        template_weights: (n_template,), may be negative.
        target: (n_target,), scores.
        target_weights: (n_target,), may be negative.

    Source: DeLong, DeLong, Clarke-Pearson, Biometrics 44 (1988) 837. Not valid for a few dozen events.
    """
    values, place = np.unique(np.concatenate([template, target]), return_inverse=True)
    at_template, at_target = place[: len(template)], place[len(template) :]
    above_target = _share_below(at_template, at_target, target_weights, len(values))
    below_template = 1 - _share_below(at_target, at_template, template_weights, len(values))
    found, of_target = mean_of(above_target, template_weights), mean_of(below_template, target_weights)
    return Estimate(found.value, float(np.hypot(found.uncertainty, of_target.uncertainty)))


def _share_below(at: IntArray, others: IntArray, weights: FloatArray, n_values: int) -> FloatArray:
    """The share of the others' weight below each place, with half of what is level with it.

    Args:
        at: (n_events,), the place of each event's score among all different scores.
        others: (n_others,), those of the other sample.
        weights: (n_others,).
        n_values: how many different scores there are.
    """
    level = np.bincount(others, weights, n_values)
    return np.asarray((np.cumsum(level) - level / 2)[at] / np.sum(weights))


def roc_curve(
    template: FloatArray, template_weights: FloatArray, target: FloatArray, target_weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The weighted ROC curve from (0, 0) to (1, 1): the share of target and of template above each threshold."""
    values, place = np.unique(-np.concatenate([template, target]), return_inverse=True)
    shares = []
    for at, weights in ((place[len(template) :], target_weights), (place[: len(template)], template_weights)):
        kept = np.cumsum(np.bincount(at, weights, len(values))) / np.sum(weights)
        shares.append(np.concatenate([[0.0], kept]))
    # With negative weights a share can fall back for a step; the running maximum keeps the axis in order.
    return np.maximum.accumulate(shares[0]), shares[1]
