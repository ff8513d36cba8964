"""Autoregressive flows: each feature moves as the features before it and the context say.

Features and what is computed for them have the events in the last dimension, so that each operation runs along
contiguous memory. Hidden units are sorted by what they may see, so that the inverse needs each of them only once.

References:
    Germain, Gregor, Murray, Larochelle, "MADE: Masked Autoencoder for Distribution Estimation", 2015, arXiv 1502.03509.
    Papamakarios, Pavlakou, Murray, "Masked Autoregressive Flow for Density Estimation", 2017, arXiv 1705.07057.
    Durkan, Bekasov, Murray, Papamakarios, "Neural Spline Flows", 2019, arXiv 1906.04032.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

import torch
from nflows.transforms.base import Transform
from torch import nn

from simmorph.neural.flows.flow import ConditionalFlow, FlowOverNormal, FlowShape, marginal_layers
from simmorph.neural.flows.splines import Spline, n_parameters
from simmorph.neural.networks import aligned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

LOG_SCALE_BOUND = 3.0
"""An affine layer stretches a feature by exp(-3) to exp(3), so that no event is thrown to infinity on its way back."""


class MaskedLinear(nn.Linear):
    """A linear layer of which some weights are zero for ever.

    Args:
        mask: (n_outputs, n_inputs), true where a weight may be.
        zero_start: begin with an output of zero.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, *, zero_start: bool = False) -> None:
        self.zero_start = zero_start
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.to(self.weight.dtype), persistent=False)

    def reset_parameters(self) -> None:
        """Draw the weights anew, or set them to zero."""
        super().reset_parameters()
        if self.zero_start:
            nn.init.zeros_(self.weight)
            nn.init.zeros_(self.bias)

    def forward(self, values: Tensor) -> Tensor:
        """(n_events, n_inputs) to (n_events, n_outputs)."""
        return torch.addmm(self.bias, aligned(values), (self.weight * self.mask).T)

    def transposed(self, values: Tensor) -> Tensor:
        """(n_events, n_inputs) to (n_outputs, n_events), contiguous and without a copy."""
        return torch.addmm(self.bias[:, None], self.weight * self.mask, aligned(values).T)

    def some(self, rows: slice, values: Tensor) -> Tensor:
        """Outputs of these rows from the first inputs, all that they may see: (n, n_events) to (n_rows, n_events)."""
        return torch.addmm(self.bias[rows, None], self.weight[rows, : len(values)], values)


class MaskedNetwork(nn.Module):
    """Numbers for each feature that depend on the features before it and on the context (a MADE).

    A hidden unit of degree d sees the first d features and the whole context; it serves the features that follow
    those. There are units of degree zero, so the numbers of the first feature too are a function of the context, and
    not a linear one. Without context there is nothing for such units to see; then degrees start at one, and the
    numbers of the first feature are constants that are learnt.

    Layout: outputs are (n_outputs, n_features, n_events), the events last. Row `output * n_features + feature` of the
    last layer gives one output of one feature.

    Args:
        n_features: number of features, in the order in which they may see each other.
        n_context: number of context variables.
        hidden: sizes of the hidden layers, with ReLU after each.
        n_outputs: how many numbers for each feature.
        zero_start: begin with zeros for every output.
    """

    def __init__(
        self, n_features: int, n_context: int, hidden: Sequence[int], n_outputs: int, *, zero_start: bool = False
    ) -> None:
        super().__init__()
        self.n_features, self.n_outputs = n_features, n_outputs
        lowest = 0 if n_context else min(1, n_features - 1)
        # The context counts as known before the first feature.
        degrees = [torch.tensor([0] * n_context + list(range(1, n_features + 1)))]
        degrees += [_spread(size, lowest, n_features) for size in hidden]
        self.hidden = nn.ModuleList(MaskedLinear(b[:, None] >= a) for a, b in itertools.pairwise(degrees))
        served = torch.arange(n_features).repeat(n_outputs)
        self.output = MaskedLinear(served[:, None] >= degrees[-1], zero_start=zero_start)
        self.edges = [[int((d < degree).sum()) for degree in range(n_features + 1)] for d in degrees[1:]]

    def forward(self, features: Tensor, context: Tensor | None = None) -> Tensor:
        """The outputs, (n_outputs, n_features, n_events).

        Args:
            features: (n_features, n_events).
            context: (n_context, n_events).
        """
        # Matrix products of many events with few units are fastest with the events first.
        values = (features if context is None else torch.cat([context, features])).T
        for layer in self.hidden:
            values = layer(values).relu_()
        return self.output.transposed(values).view(self.n_outputs, self.n_features, -1)

    def feature_by_feature(self, choose: Callable[[int, Tensor], Tensor], known: Tensor) -> Tensor:
        """Features that are chosen one after the other, each from the outputs for it; (n_features, n_events).

        Every hidden unit is computed once, as soon as all that it sees is known: together they cost half of one pass
        through the network, where the textbook needs a pass for each feature. Gradients flow.

        Args:
            choose: takes the number of a feature and the outputs for it, (n_outputs, n_events); returns its values,
                (n_events,).
            known: (n_context, n_events), the context; without context it has no rows.
        """
        layers = [layer for layer in self.hidden if isinstance(layer, MaskedLinear)]
        values = [_Rows(known, layers[0].in_features), *(_Rows(known[:0], layer.out_features) for layer in layers)]
        for feature in range(self.n_features):
            for layer, edges, seen, made in zip(layers, self.edges, values, values[1:], strict=False):
                made.append(layer.some(slice(edges[feature], edges[feature + 1]), seen.rows).relu_())
            outputs = self.output.some(slice(feature, None, self.n_features), values[-1].rows)
            values[0].append(choose(feature, outputs)[None])
        return values[0].rows[len(known) :]


def _spread(n_units: int, lowest: int, n_features: int) -> Tensor:
    """Degrees of hidden units, sorted, from the lowest to n_features - 1 in nearly equal numbers."""
    return lowest + torch.arange(n_units) * (n_features - lowest) // n_units


class _Rows:
    """A matrix that grows by rows: in place where no gradient needs what was before."""

    def __init__(self, rows: Tensor, n_rows: int) -> None:
        self.rows = rows
        if not torch.is_grad_enabled():
            self._all = rows.new_empty(n_rows, rows.shape[1])
            self._all[: len(rows)] = rows

    def append(self, rows: Tensor) -> None:
        if torch.is_grad_enabled():
            self.rows = torch.cat([self.rows, rows])
        else:
            n_before, n_rows = len(self.rows), len(self.rows) + len(rows)
            self._all[n_before:n_rows] = rows
            self.rows = self._all[:n_rows]


class Autoregressive(Transform, ABC):  # type: ignore[misc]
    """Moves each feature by a monotonic function whose shape depends on the features before it and on the context.

    A subclass says what the function is, by `move`. It is the identity where all its parameters are zero, as they are
    at the start.

    Args:
        order: the features, the one that depends on no other first.
        n_context: number of context variables.
        hidden: hidden layers of its network.
        n_outputs: how many parameters the function has.
    """

    def __init__(self, order: Sequence[int], n_context: int, hidden: Sequence[int], n_outputs: int) -> None:
        super().__init__()
        back = [list(order).index(feature) for feature in range(len(order))]
        self.register_buffer("order", torch.tensor(list(order)), persistent=False)
        self.register_buffer("back", torch.tensor(back), persistent=False)
        self.network = MaskedNetwork(len(order), n_context, hidden, n_outputs, zero_start=True)

    @abstractmethod
    def move(self, values: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """The function of the values, or its inverse, and the logarithm of its slope; each of the values' shape.

        Args:
            values: (...), any shape.
            parameters: (n_outputs, ...).
            inverse: evaluate the inverse.
        """

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Outputs (n_events, n_features) and log-determinants (n_events,)."""
        values = inputs.T.index_select(0, self.order)
        outputs, log_slopes = self.move(
            values, self.network(values, None if context is None else context.T), inverse=False
        )
        return outputs.index_select(0, self.back).T, log_slopes.sum(0)

    def inverse(self, inputs: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The inverse of `forward`, with its own log-determinants."""
        values = inputs.T.index_select(0, self.order)
        log_slopes = []

        def choose(feature: int, parameters: Tensor) -> Tensor:
            value, log_slope = self.move(values[feature], parameters, inverse=True)
            log_slopes.append(log_slope)
            return value

        outputs = self.network.feature_by_feature(choose, values[:0] if context is None else context.T)
        return outputs.index_select(0, self.back).T, torch.stack(log_slopes).sum(0)


class AffineAutoregressive(Autoregressive):
    """Shifts and stretches each feature: one layer of a masked autoregressive flow.

    y = exp(s) x + t, where s = 3 tanh(raw / 3) keeps the stretch between 1/20 and 20. (nflows has softplus(raw) + 0.001
    in place of exp(s).)

    Args:
        order: the features, the one that depends on no other first.
        n_context: number of context variables.
        hidden: hidden layers of its network.
    """

    def __init__(self, order: Sequence[int], n_context: int, hidden: Sequence[int]) -> None:
        super().__init__(order, n_context, hidden, 2)

    def move(self, values: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """See Autoregressive; parameters are the raw logarithm of the scale, and the shift."""
        raw, shift = parameters
        log_scale = LOG_SCALE_BOUND * torch.tanh(raw / LOG_SCALE_BOUND)
        if inverse:
            return (values - shift) * torch.exp(-log_scale), -log_scale
        return torch.addcmul(shift, values, torch.exp(log_scale)), log_scale


class SplineAutoregressive(Autoregressive):
    """Moves each feature by a rational-quadratic spline.

    Args:
        order: the features, the one that depends on no other first.
        n_context: number of context variables.
        hidden: hidden layers of its network.
        bins: bins of each spline.
        tail_bound: the splines act within [-tail_bound, tail_bound]; outside they are the identity.
    """

    def __init__(
        self, order: Sequence[int], n_context: int, hidden: Sequence[int], bins: int, tail_bound: float
    ) -> None:
        super().__init__(order, n_context, hidden, n_parameters(bins))
        self.spline = Spline(tail_bound)

    def move(self, values: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """See Autoregressive; parameters are those of `rational_quadratic`."""
        moved: tuple[Tensor, Tensor] = self.spline(values, parameters, inverse=inverse)
        return moved


FlowKind = Literal["coupling", "affine", "spline"]


def build_flow(kind: FlowKind, n_features: int, n_context: int, shape: FlowShape) -> FlowOverNormal:
    """A flow over a normal distribution, by coupling splines or by autoregressive layers."""
    if kind == "coupling":
        return ConditionalFlow(n_features, n_context, shape)
    return AutoregressiveFlow(n_features, n_context, shape, kind)


class AutoregressiveFlow(FlowOverNormal):
    """The density of features given a context: autoregressive layers over a standard normal distribution.

    Each layer takes the features in the opposite order of the layer before it. Towards the base all features move at
    once; back they follow one after the other, so that `from_base` takes a few times as long as `to_base`. The flow
    begins as the identity.

    Args:
        n_features: number of features.
        n_context: number of context variables; 0 for a plain density.
        shape: the number and size of its layers; with `marginal_bins` zero there are only autoregressive ones. Bins
            and bound are those of the splines, and mean nothing to affine layers.
        kind: "affine" shifts and stretches (MAF), "spline" bends as well: fewer layers do, and each costs more.
    """

    def __init__(self, n_features: int, n_context: int, shape: FlowShape, kind: Literal["affine", "spline"]) -> None:
        forwards = range(n_features)
        orders = [forwards if layer % 2 == 0 else forwards[::-1] for layer in range(shape.layers)]
        layers: list[Autoregressive]
        if kind == "affine":
            layers = [AffineAutoregressive(order, n_context, shape.hidden) for order in orders]
        else:
            layers = [
                SplineAutoregressive(order, n_context, shape.hidden, shape.bins, shape.tail_bound) for order in orders
            ]
        super().__init__(n_features, n_context, [*marginal_layers(n_features, n_context, shape), *layers])
