"""From a classifier's score to the ratio of densities that the score really means."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.optimize import isotonic_regression
from torch import nn

from simmorph.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from simmorph.data.events import FloatArray, IntArray

KNOTS = 128
LEAST_SHARE = 0.0002
"""Share of each sample that a knot must rest on; with less, its ratio would be a fluctuation."""


class Isotonic(nn.Module):
    """A rising function of a score, such that target over source is right in every interval of it.

    Isotonic regression finds the rising step function that fits the share of target events best. Steps on too few
    events are joined, and the logarithm of the ratio is interpolated between their centres. Beyond the first and the
    last centre it stays as it is there: nothing can be said of a ratio that no event has shown.

    References:
        Zadrozny, Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD 2002.
    """

    scores: Tensor
    log_ratios: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("scores", "log_ratios"):
            self.register_buffer(name, torch.zeros(KNOTS, dtype=torch.float64))

    def fit(self, source: tuple[FloatArray, FloatArray], target: tuple[FloatArray, FloatArray]) -> None:
        """Learn from events that the classifier was not fitted to.

        Args:
            source: scores and weights of the source, (n_events,) each.
            target: the same of the target.

        Raises:
            InputError: one of them has no events.
        """
        if not all(np.sum(weights) > 0 for _, weights in (source, target)):
            what = "a fold has no events of a sample to calibrate the weights with"
            raise InputError("training", what, "give more events, or use `calibration: none`")
        blocks = _pooled(_steps(_levels(source, target)))
        ratios = np.log(blocks.target / blocks.source)
        # Tensors of a fixed size: what is left over repeats the last knot further out.
        spare = np.arange(1, KNOTS - len(ratios) + 1)
        self.scores.copy_(torch.from_numpy(np.concatenate([blocks.score, blocks.score[-1] + spare])))
        self.log_ratios.copy_(torch.from_numpy(np.concatenate([ratios, np.full(len(spare), ratios[-1])])))

    def log_ratio(self, scores: FloatArray) -> FloatArray:
        """The logarithm of the calibrated ratio of target over source, (n_events,)."""
        return np.asarray(np.interp(scores, self.scores.cpu().numpy(), self.log_ratios.cpu().numpy()))


class _Blocks(NamedTuple):
    """Intervals of the score in rising order: mean score, and the share of each sample, (n_blocks,) each."""

    score: FloatArray
    source: FloatArray
    target: FloatArray

    @property
    def share(self) -> FloatArray:
        """Share of both samples, each counting the same."""
        return np.asarray((self.source + self.target) / 2)

    def joined(self, starts: IntArray) -> _Blocks:
        """Neighbours joined, from each start to the next."""
        source, target, moment = (
            np.add.reduceat(values, starts) for values in (self.source, self.target, self.score * self.share)
        )
        return _Blocks(moment / ((source + target) / 2), source, target)


def _levels(source: tuple[FloatArray, FloatArray], target: tuple[FloatArray, FloatArray]) -> _Blocks:
    """A block for each different score; equal scores are one, however many events share it."""
    values, place = np.unique(np.concatenate([source[0], target[0]]), return_inverse=True)
    places = np.split(place, [len(source[0])])
    shares = [
        np.bincount(at, weights, len(values)) / np.sum(weights)
        for at, (_, weights) in zip(places, (source, target), strict=True)
    ]
    present = shares[0] + shares[1] > 0
    return _Blocks(values[present], shares[0][present], shares[1][present])


def _steps(levels: _Blocks) -> _Blocks:
    """The steps of the isotonic regression."""
    fitted = isotonic_regression(levels.target / (2 * levels.share), weights=levels.share).x
    return levels.joined(np.flatnonzero(np.concatenate([[True], fitted[1:] != fitted[:-1]])))


def _pooled(steps: _Blocks) -> _Blocks:
    """Neighbouring steps joined until each rests on enough events of both samples; at most KNOTS are left."""
    starts, source, target = [0], 0.0, 0.0
    for at in range(len(steps.score)):
        source, target = source + steps.source[at], target + steps.target[at]
        if min(source, target) >= LEAST_SHARE and source + target >= 2 / KNOTS:
            starts.append(at + 1)
            source, target = 0.0, 0.0
    # What is left at the end is too little for a knot of its own, and goes to the one before.
    return steps.joined(np.array(starts[:-1] if len(starts) > 1 else starts))
