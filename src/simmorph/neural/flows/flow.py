"""Normalizing flows; the only module that knows nflows.

nflows (Durkan, Bekasov, Murray, Papamakarios) lends the vocabulary: a `Transform` turns inputs and context into
outputs and log-determinants, and `CompositeTransform` chains them. The spline coupling is ours: nflows' own gathers
with boolean masks, and asserts where float32 rounding makes an inversion fail. So is the normal distribution, since
`nflows.flows` and `nflows.distributions` import matplotlib.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from nflows.transforms.base import CompositeTransform, Transform
from torch import nn

from simmorph.neural.flows.splines import Spline, n_parameters
from simmorph.neural.networks import Perceptron

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class FlowShape(NamedTuple):
    """The size of a flow.

    Attributes:
        layers: coupling layers.
        hidden: hidden layers of the network in each of them.
        bins: bins of each spline.
        tail_bound: the splines act within [-tail_bound, tail_bound]; outside they are the identity.
        marginal_bins: bins of the splines of the first layer, which shapes each feature alone; 0 for none.
    """

    layers: int
    hidden: Sequence[int]
    bins: int
    tail_bound: float
    marginal_bins: int


class SplineCoupling(Transform):  # type: ignore[misc]
    """Moves some features by splines whose shape depends on the other features and on the context.

    With all features among those moved the splines depend on the context alone. The transform begins as the identity.

    Args:
        n_features: number of features.
        moved: which of them are moved.
        n_context: number of context variables.
        shape: the size of its network and splines.
    """

    def __init__(self, n_features: int, moved: Sequence[int], n_context: int, shape: FlowShape) -> None:
        super().__init__()
        kept = [feature for feature in range(n_features) if feature not in moved]
        order = [*kept, *moved]
        self.n_parameters, self.spline = n_parameters(shape.bins), Spline(shape.tail_bound)
        self.register_buffer("kept", torch.tensor(kept, dtype=torch.long), persistent=False)
        self.register_buffer("moved", torch.tensor(list(moved), dtype=torch.long), persistent=False)
        back = [order.index(feature) for feature in range(n_features)]
        self.register_buffer("back", torch.tensor(back, dtype=torch.long), persistent=False)
        self.network = Perceptron(len(kept) + n_context, shape.hidden, self.n_parameters * len(moved), zero_start=True)

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Outputs (n_events, n_features) and log-determinants (n_events,)."""
        return self._move(inputs, context, inverse=False)

    def inverse(self, inputs: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The inverse of `forward`, with its own log-determinants."""
        return self._move(inputs, context, inverse=True)

    def _move(self, inputs: Tensor, context: Tensor | None, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """Outputs and log-determinants one way or the other: what is kept decides how the rest is moved."""
        kept = inputs.index_select(1, self.kept)
        moved = inputs.index_select(1, self.moved).T
        conditions = kept if context is None else torch.cat([kept, context], dim=1)
        parameters = self.network.transposed(conditions).view(self.n_parameters, *moved.shape)
        outputs, log_slopes = self.spline(moved, parameters, inverse=inverse)
        return torch.cat([kept, outputs.T], dim=1).index_select(1, self.back), log_slopes.sum(0)


def coupling_masks(n_features: int, n_layers: int) -> list[list[int]]:
    """Which features each coupling layer moves.

    Layers come in pairs that move complementary halves. A pair parts the features by one binary digit of their
    number, so that every two features are on different sides in some pair.

    >>> coupling_masks(4, 4)
    [[1, 3], [0, 2], [2, 3], [0, 1]]
    """
    everything = list(range(n_features))
    if n_features == 1:
        return [everything] * n_layers
    n_digits = (n_features - 1).bit_length()
    masks = []
    for layer in range(n_layers):
        pair, second = divmod(layer, 2)
        digit = pair % n_digits
        masks.append([feature for feature in everything if (feature >> digit & 1) != second])
    return masks


class FlowOverNormal(nn.Module):
    """The density of features given a context: transforms that lead to a standard normal distribution.

    Args:
        n_features: number of features.
        n_context: number of context variables; 0 for a plain density.
        layers: transforms, the one next to the features first.
    """

    def __init__(self, n_features: int, n_context: int, layers: Sequence[Transform]) -> None:
        super().__init__()
        self.n_features, self.n_context = n_features, n_context
        self.transform = CompositeTransform(layers)

    def log_density(self, features: Tensor, context: Tensor) -> Tensor:
        """The logarithm of the density of each event, (n_events,)."""
        noise, log_determinant = self.transform(features, self._seen(context))
        log_normal = -0.5 * noise.square().sum(1) - 0.5 * self.n_features * math.log(2 * math.pi)
        return log_normal + log_determinant  # type: ignore[no-any-return]

    def to_base(self, features: Tensor, context: Tensor) -> Tensor:
        """The features as draws of the base distribution, (n_events, n_features)."""
        return self.transform(features, self._seen(context))[0]  # type: ignore[no-any-return]

    def from_base(self, noise: Tensor, context: Tensor) -> Tensor:
        """The inverse of `to_base`."""
        return self.transform.inverse(noise, self._seen(context))[0]  # type: ignore[no-any-return]

    def _seen(self, context: Tensor) -> Tensor | None:
        """The context, or None where there is none, as nflows wants it."""
        return context if self.n_context else None


def marginal_layers(n_features: int, n_context: int, shape: FlowShape) -> list[SplineCoupling]:
    """The layer that moves every feature by a spline that depends on the context alone, if the shape asks for it."""
    fine = shape._replace(bins=shape.marginal_bins)
    return [SplineCoupling(n_features, range(n_features), n_context, fine)] if shape.marginal_bins else []


class ConditionalFlow(FlowOverNormal):
    """The density of features given a context: coupling splines over a standard normal distribution.

    The first layer moves every feature by a spline that depends on the context alone, so that each feature answers to
    the context whatever the number of features and layers; the coupling layers follow. Its splines may be finer than
    the others: sharp structure, such as a detector's modules, mostly stands in single features.

    Args:
        n_features: number of features.
        n_context: number of context variables; 0 for a plain density.
        shape: the number and size of its layers.

    References:
        Durkan, Bekasov, Murray, Papamakarios, "Neural Spline Flows", 2019, arXiv 1906.04032.
    """

    def __init__(self, n_features: int, n_context: int, shape: FlowShape) -> None:
        masks = coupling_masks(n_features, shape.layers)
        couplings = [SplineCoupling(n_features, moved, n_context, shape) for moved in masks]
        super().__init__(n_features, n_context, [*marginal_layers(n_features, n_context, shape), *couplings])
