"""The flows of nflows, with the same layers and networks as ours."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from nflows.distributions.normal import StandardNormal
from nflows.flows.base import Flow
from nflows.transforms.autoregressive import (
    MaskedAffineAutoregressiveTransform,
    MaskedPiecewiseRationalQuadraticAutoregressiveTransform,
)
from nflows.transforms.base import CompositeTransform, Transform
from nflows.transforms.coupling import PiecewiseRationalQuadraticCouplingTransform
from nflows.transforms.permutations import ReversePermutation

from simmorph.neural.flows.flow import FlowShape, coupling_masks

if TYPE_CHECKING:
    from collections.abc import Sequence


class ContextNetwork(torch.nn.Module):
    """A perceptron of the same size as ours, in the form that nflows asks for."""

    def __init__(self, n_inputs: int, hidden: Sequence[int], n_outputs: int) -> None:
        super().__init__()
        sizes = [n_inputs, *hidden]
        layers = [
            module
            for inner, outer in itertools.pairwise(sizes)
            for module in (torch.nn.Linear(inner, outer), torch.nn.ReLU())
        ]
        self.layers = torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-1], n_outputs))

    def forward(self, inputs: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.layers(torch.cat([inputs, context], dim=1))
        return outputs


def spline_coupling(n_features: int, n_context: int, shape: FlowShape) -> Flow:
    """Couplings of rational-quadratic splines."""
    layers = [
        PiecewiseRationalQuadraticCouplingTransform(
            mask=torch.tensor([float(feature in moved) for feature in range(n_features)]),
            transform_net_create_fn=lambda n_inputs, n_outputs: ContextNetwork(
                n_inputs + n_context, shape.hidden, n_outputs
            ),
            num_bins=shape.bins,
            tails="linear",
            tail_bound=shape.tail_bound,
        )
        for moved in coupling_masks(n_features, shape.layers)
    ]
    return Flow(CompositeTransform(layers), StandardNormal([n_features]))


def affine_autoregressive(n_features: int, n_context: int, shape: FlowShape) -> Flow:
    """A masked autoregressive flow."""
    size = _of_network(n_features, n_context, shape)
    return _reversing([MaskedAffineAutoregressiveTransform(**size) for _ in range(shape.layers)], n_features)


def spline_autoregressive(n_features: int, n_context: int, shape: FlowShape) -> Flow:
    """Masked autoregressive rational-quadratic splines."""
    size = _of_network(n_features, n_context, shape)
    size |= {"num_bins": shape.bins, "tails": "linear", "tail_bound": shape.tail_bound}
    layers = [MaskedPiecewiseRationalQuadraticAutoregressiveTransform(**size) for _ in range(shape.layers)]
    return _reversing(layers, n_features)


def _of_network(n_features: int, n_context: int, shape: FlowShape) -> dict[str, object]:
    """The hidden layers of the shape: nflows has one before its blocks, so that two blocks are three hidden layers."""
    return {
        "features": n_features,
        "context_features": n_context,
        "hidden_features": shape.hidden[0],
        "num_blocks": len(shape.hidden) - 1,
        "use_residual_blocks": False,
    }


def _reversing(layers: Sequence[Transform], n_features: int) -> Flow:
    parts = [part for layer in layers for part in (layer, ReversePermutation(n_features))]
    return Flow(CompositeTransform(parts), StandardNormal([n_features]))
