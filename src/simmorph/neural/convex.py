"""Networks that are convex in their features, whatever the context: potentials whose gradient is an optimal map."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import linear, softplus

from simmorph.neural.networks import Perceptron, ZeroLinear, aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class PositiveLinear(nn.Module):
    """A linear map without bias whose weights are positive, by a softplus.

    Args:
        n_inputs: size of the input.
        n_outputs: size of the output.
        total: the sum of the weights of an output at the start.
    """

    def __init__(self, n_inputs: int, n_outputs: int, total: float) -> None:
        super().__init__()
        self.start = math.log(math.expm1(total / n_inputs))
        self.raw = nn.Parameter(torch.empty(n_outputs, n_inputs))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights that differ by a quarter."""
        nn.init.normal_(self.raw, self.start, 0.25)

    def forward(self, values: Tensor) -> Tensor:
        """(n_events, n_outputs)."""
        return linear(aligned(values), softplus(self.raw))


class ConvexPotential(nn.Module):
    """A function of features and context, convex in the features and smooth in both; |x|^2 / 2 at the start.

    The sum of a quadratic form x^T L(c)^T L(c) x / 2, a linear term b(c) x and a network that is convex since its
    layers add up convex functions with positive weights. The context steers L, b, and the layers' offsets and gates.
    The gradient of the first two alone is the optimal map between any two normal distributions.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        hidden: sizes of the layers of the convex network.

    References:
        Amos, Xu, Kolter, "Input convex neural networks", 2017, arXiv 1609.07152.
    """

    def __init__(self, n_features: int, n_context: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.n_features, self.n_context = n_features, n_context
        width = max(hidden)
        self.context = Perceptron(n_context, (width, width), width) if n_context else None
        self.of_features = nn.ModuleList(nn.Linear(n_features, size) for size in hidden)
        self.of_layers = nn.ModuleList(PositiveLinear(a, b, 1.0) for a, b in itertools.pairwise(hidden))
        self.output = PositiveLinear(hidden[-1], 1, 0.01)
        n_steered = n_features**2 + n_features
        self.form = nn.Parameter(torch.zeros(1, n_steered))
        steered = [n_steered, *hidden, *hidden[:-1]]
        self.steering = nn.ModuleList(ZeroLinear(width, size) for size in steered if n_context)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Begin with the quadratic form |x|^2 / 2."""
        nn.init.zeros_(self.form)

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """The potential, (n_events,)."""
        features, steered = aligned(features), self._steered(context)
        form, offsets, gates = steered[0], steered[1 : 1 + len(self.of_features)], steered[1 + len(self.of_features) :]
        values = softplus(self.of_features[0](features) + offsets[0])
        for at, layer in enumerate(self.of_layers):
            gated = values * (1 + gates[at]).relu()
            values = softplus(layer(gated) + self.of_features[at + 1](features) + offsets[at + 1])
        potential: Tensor = self.output(values)[:, 0] + self._form(features, form)
        return potential

    def _form(self, features: Tensor, form: Tensor) -> Tensor:
        shift, matrix = form.tensor_split([self.n_features], dim=-1)
        factor = torch.eye(self.n_features, dtype=features.dtype, device=features.device) + matrix.reshape(
            -1, self.n_features, self.n_features
        )
        stretched = (factor * features[:, None, :]).sum(dim=2)
        return 0.5 * stretched.square().sum(dim=1) + (shift * features).sum(dim=1)

    def _steered(self, context: Tensor) -> list[Tensor]:
        """The quadratic form and shift, the offsets of the layers and their gates."""
        if self.context is None:
            return [self.form] + [self.form.new_zeros(1)] * (2 * len(self.of_features))
        shown = aligned(torch.tanh(self.context(context)))
        parts = [steer(shown) for steer in self.steering]
        return [self.form + parts[0], *parts[1:]]

    def gradient(self, features: Tensor, context: Tensor) -> Tensor:
        """The gradient with respect to the features, (n_events, n_features); differentiable if gradients are on."""
        wanted = torch.is_grad_enabled()
        with torch.enable_grad():
            start = features if features.requires_grad else features.detach().requires_grad_()
            total = self(start, context).sum()
            (slope,) = torch.autograd.grad(total, start, create_graph=wanted)
        return slope
