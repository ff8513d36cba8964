"""The maximum mean discrepancy by random features: linear in the events, with a memory of batches gone by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from simmorph.neural.losses.memory import RunningMean, share_of_one
from simmorph.neural.losses.mmd import Points, Spread, median_squared_distance

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 4096
"""Events of the target whose features are in memory at once."""


def random_features(values: Tensor, frequencies: Tensor) -> Tensor:
    """Cosines and sines whose inner product stands for the kernel: (n_points, 2 n_frequencies), each row of norm 1.

    Args:
        values: (n_points, n_columns).
        frequencies: (n_columns, n_frequencies), drawn from the kernel's Fourier transform.

    References:
        Rahimi, Recht, "Random features for large-scale kernel machines", 2007, NIPS 20.
    """
    phases = values @ frequencies
    return torch.cat([phases.cos(), phases.sin()], dim=1) / math.sqrt(frequencies.shape[1])


def draw_frequencies(n_columns: int, n_frequencies: int, bandwidths: Tensor, generator: torch.Generator) -> Tensor:
    """Frequencies (n_columns, n_frequencies) of the mean over bandwidths s of exp(-|x - y|^2 / s).

    Args:
        n_columns: columns of the points.
        n_frequencies: how many are drawn.
        bandwidths: (n_bandwidths,); each has as many frequencies, as far as their number allows.
        generator: on the CPU.
    """
    normal = torch.randn(n_columns, n_frequencies, generator=generator)
    bandwidth = bandwidths.cpu()[torch.arange(n_frequencies) % len(bandwidths)]
    return (normal * (2 / bandwidth).sqrt()).to(bandwidths.device)


class EmbeddedDiscrepancy(nn.Module):
    """The MMD^2 of a batch against the whole target, whose slope forgets slowly.

    MMD^2 is the squared distance of the mean features of both samples, and its slope that difference times the slope of
    the batch's mean. From one batch the difference is mostly noise as soon as the samples are near each other. The
    target's mean is therefore taken from all of its events, and the other one from a running mean over batches; the
    value is the unbiased one of the batch alone.

    Args:
        n_columns: columns of the points.
        n_frequencies: random frequencies, drawn once.
        octaves: bandwidths of the kernel, from twice the target's median squared distance downwards by factors of two.
        memory: see RunningMean.
    """

    frequencies: Tensor
    aim: Tensor
    aim_square: Tensor

    def __init__(self, n_columns: int, n_frequencies: int, octaves: int, memory: float) -> None:
        super().__init__()
        self.octaves = octaves
        self.register_buffer("frequencies", torch.zeros(n_columns, n_frequencies))
        self.running = RunningMean((2 * n_frequencies,), memory)
        self.register_buffer("aim", torch.zeros(2 * n_frequencies))
        self.register_buffer("aim_square", torch.zeros(()))

    @torch.no_grad()
    def fix(self, target: Points, generator: torch.Generator) -> None:
        """Take the kernel's scale and the mean features from the target."""
        widest = 2 * median_squared_distance(*target, generator)
        bandwidths = widest * 0.5 ** torch.arange(self.octaves, device=widest.device)
        n_columns, n_frequencies = self.frequencies.shape
        self.frequencies.copy_(draw_frequencies(n_columns, n_frequencies, bandwidths, generator))
        total = torch.zeros_like(self.aim)
        for start in range(0, len(target.weights), CHUNK):
            chunk = Points(target.values[start : start + CHUNK], target.weights[start : start + CHUNK])
            total += chunk.weights.sum() * self._mean(chunk)
        self.aim.copy_(total / target.weights.sum())
        self.aim_square.copy_(_unbiased_square(self.aim, share_of_one(target.weights)))
        self.running.forget()

    def forward(self, first: Points, second: Points) -> Tensor:  # noqa: ARG002 - a contract; the whole target is known
        """The unbiased value of the batch; in training with the slope that the running mean gives it."""
        mean = self._mean(first)
        share = share_of_one(first.weights)
        square = _unbiased_square(mean, share)
        value = square - 2 * mean @ self.aim + self.aim_square
        if not self.training:
            return value
        noise = (1 - square) * share
        slope: Tensor = 2 * (self.running(mean.detach(), noise.detach()) - self.aim) @ mean
        return value.detach() + slope - slope.detach()

    @torch.no_grad()
    def null(self, target: Points, n_points: int, generator: torch.Generator, n_repeats: int = 256) -> Spread:
        """What batches of the target come to against its other events; see `Discrepancy.null`."""
        size = max(1, min(n_points, len(target.weights) // 2))
        found = []
        for _ in range(n_repeats):
            rows = torch.randperm(len(target.weights), generator=generator)[:size].to(target.weights.device)
            batch = Points(target.values[rows], target.weights[rows])
            found.append(self._value_against_others(batch, target.weights))
        values = torch.stack(found)
        return Spread(values.mean(), values.std())

    def _value_against_others(self, batch: Points, weights: Tensor) -> Tensor:
        """MMD^2 of a part of the target and the rest of it: an event must not be compared with itself."""
        mean, part, total = self._mean(batch), batch.weights.sum(), weights.sum()
        others = (total * self.aim - part * mean) / (total - part)
        share = (weights.square().sum() - batch.weights.square().sum()) / (total - part).square()
        return _unbiased_square(mean, share_of_one(batch.weights)) - 2 * mean @ others + _unbiased_square(others, share)

    def _mean(self, points: Points) -> Tensor:
        """The weighted mean of the features, (2 n_frequencies,)."""
        mean: Tensor = points.weights @ random_features(points.values, self.frequencies) / points.weights.sum()
        return mean


def _unbiased_square(mean: Tensor, share: Tensor) -> Tensor:
    """The squared norm of a weighted mean of features without pairs of an event with itself, whose share is given."""
    return (mean.square().sum() - share) / (1 - share).clamp_min(1e-6)
