"""A running mean that is long where it can be, and short where it must."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class RunningMean(nn.Module):
    """The mean of a batch's vectors, remembered over batches while the network that makes them changes.

    A long memory averages the noise of batches away, but lags behind a network that moves. How far a batch is from the
    running mean shows which of the two matters: noise alone has a known size, and what is beyond it is movement. The
    new batch gets the larger of 1 - memory and the share of movement in this distance, as in a Kalman filter.

    Args:
        shape: of the vectors; all dimensions but the last are followed separately.
        memory: share that is kept where nothing moves; 0 remembers nothing.
    """

    value: Tensor
    has_begun: Tensor

    def __init__(self, shape: tuple[int, ...], memory: float) -> None:
        super().__init__()
        self.memory = memory
        self.register_buffer("value", torch.zeros(shape))
        self.register_buffer("has_begun", torch.tensor(0.0))

    @torch.no_grad()
    def forget(self) -> None:
        """Begin anew."""
        self.has_begun.zero_()

    @torch.no_grad()
    def forward(self, mean: Tensor, noise: Tensor) -> Tensor:
        """The running mean with this batch.

        Args:
            mean: of the batch's vectors, (..., n).
            noise: expected squared distance of this mean from its expectation, (...).
        """
        distance = (mean - self.value).square().sum(-1)
        movement = 1 - noise / distance.clamp_min(torch.finfo(distance.dtype).tiny)
        share = torch.maximum(movement.clamp(1 - self.memory, 1), 1 - self.has_begun)
        self.value.copy_(torch.lerp(self.value, mean, share[..., None]))
        self.has_begun.fill_(1.0)
        return self.value.clone()


def share_of_one(weights: Tensor) -> Tensor:
    """One over the effective number of events: what the variance of a mean has of the variance of an event."""
    return weights.square().sum() / weights.sum().square()
