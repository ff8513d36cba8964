"""Plain networks, and how their weights begin."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


ALIGNMENT = 64
"""Bytes; where torch's tensors begin, and the size of a processor's widest registers."""


def aligned(rows: Tensor) -> Tensor:
    """The same rows, in memory such that each row, or else each column, begins where every kernel can load it whole.

    Kernels round by where a row begins: with seven columns every second one begins elsewhere on an AMD EPYC.
    """
    return rows.T.contiguous().T if rows.shape[1] * rows.element_size() % ALIGNMENT else rows


def product(rows: Tensor, matrix: Tensor) -> Tensor:
    """The product of rows and a matrix, with the rows last in the computation.

    MKL's SSE kernel for two or three columns rounds rows with an odd number otherwise than those with an even one.
    """
    return (matrix.T @ aligned(rows).T).T


class ZeroLinear(nn.Linear):
    """A linear layer that begins with zeros, so that what it steers begins as the identity."""

    def reset_parameters(self) -> None:
        """Set weights and bias to zero."""
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


class Perceptron(nn.Module):
    """A multilayer perceptron with ReLU between its layers.

    Args:
        n_inputs: size of the input; with 0 the output is the same for every event.
        hidden: sizes of the hidden layers.
        n_outputs: size of the output.
        zero_start: begin with an output of zero.
    """

    def __init__(self, n_inputs: int, hidden: Sequence[int], n_outputs: int, *, zero_start: bool = False) -> None:
        super().__init__()
        sizes = [max(n_inputs, 1), *hidden]
        self.n_inputs = n_inputs
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.output = (ZeroLinear if zero_start else nn.Linear)(sizes[-1], n_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """The output, (n_events, n_outputs)."""
        return self.transposed(inputs).T

    def transposed(self, inputs: Tensor) -> Tensor:
        """The output with the events last, (n_outputs, n_events), contiguous and without a copy."""
        return torch.addmm(self.output.bias[:, None], self.output.weight, aligned(self._hidden(inputs)).T)

    def _hidden(self, inputs: Tensor) -> Tensor:
        """What the hidden layers make of the inputs; without inputs they see a 1."""
        values = inputs if self.n_inputs else inputs.new_ones(len(inputs), 1)
        for layer in self.hidden:
            values = torch.relu_(layer(aligned(values)))
        return values


def initialise(module: nn.Module, seed: int) -> None:
    """Draw the weights of every layer anew from a seed, without touching torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for layer in module.modules():
            reset = getattr(layer, "reset_parameters", None)
            if reset is not None:
                reset()
