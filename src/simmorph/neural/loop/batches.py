"""Samples as tensors, and the batches of an epoch."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor


class Batch(NamedTuple):
    """Events as a network sees them: float32 tensors on its device.

    Attributes:
        features: (n_events, n_features).
        context: (n_events, n_context).
        weights: (n_events,), with a mean of 1 over the whole sample, so that the mean of weight times loss over a
            batch is an unbiased estimate of the weighted mean.
    """

    features: Tensor
    context: Tensor
    weights: Tensor

    @property
    def n_events(self) -> int:
        """How many events there are; `len` of a tuple counts its fields."""
        return len(self.weights)

    def rows(self, index: Tensor | slice) -> Batch:
        """These events only."""
        return Batch(self.features[index], self.context[index], self.weights[index])

    def chunks(self, n_chunks: int) -> list[Batch]:
        """The events in order, in chunks whose sizes differ by one event at most."""
        edges = [self.n_events * chunk // n_chunks for chunk in range(n_chunks + 1)]
        return [self.rows(slice(start, stop)) for start, stop in itertools.pairwise(edges)]


class Parts(NamedTuple):
    """A sample as a training loop takes it.

    Attributes:
        training: the events that the gradient comes from.
        validation: the events that early stopping looks at; may be empty.
    """

    training: Batch
    validation: Batch


def batch_indices(n_events: int, n_steps: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """(n_steps, n_rows) indices of the events in each batch: permutations of all events, one after the other.

    Every batch has the same size, `batch_size` or the whole sample if that is smaller.
    """
    n_rows = min(batch_size, n_events)
    n_rows_in_all = n_steps * n_rows
    permutations = [torch.randperm(n_events, generator=generator) for _ in range(math.ceil(n_rows_in_all / n_events))]
    return torch.cat(permutations)[:n_rows_in_all].view(n_steps, n_rows)
