"""Spline coupling flows: ours against nflows', with the same networks, bins and batches."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from nflows.distributions.normal import StandardNormal
from nflows.flows.base import Flow
from nflows.transforms.base import CompositeTransform
from nflows.transforms.coupling import PiecewiseRationalQuadraticCouplingTransform

from benchmarks.measure import Row, compare
from simmorph.neural.flows import ConditionalFlow, FlowShape, coupling_masks

if TYPE_CHECKING:
    from collections.abc import Iterator

N_FEATURES = 6
SHAPE = FlowShape(layers=8, hidden=(64, 64), bins=8, tail_bound=5.0, marginal_bins=8)
BATCH = 4096


class ContextNetwork(torch.nn.Module):
    """A perceptron of the same size as ours, in the form that nflows asks for."""

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        sizes = [n_inputs + 1, *SHAPE.hidden]
        layers = [
            module
            for inner, outer in itertools.pairwise(sizes)
            for module in (torch.nn.Linear(inner, outer), torch.nn.ReLU())
        ]
        self.layers = torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-1], n_outputs))

    def forward(self, inputs: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.layers(torch.cat([inputs, context], dim=1))
        return outputs


def nflows_peer() -> Flow:
    """The coupling layers of our flow, built from nflows' own transform."""
    masks = coupling_masks(N_FEATURES, SHAPE.layers)
    transforms = [
        PiecewiseRationalQuadraticCouplingTransform(
            mask=torch.tensor([float(feature in moved) for feature in range(N_FEATURES)]),
            transform_net_create_fn=ContextNetwork,
            num_bins=SHAPE.bins,
            tails="linear",
            tail_bound=SHAPE.tail_bound,
        )
        for moved in masks
    ]
    return Flow(CompositeTransform(transforms), StandardNormal([N_FEATURES]))


def rows() -> Iterator[Row]:
    """Training step and inversion."""
    torch.manual_seed(1)
    features, context = torch.randn(BATCH, N_FEATURES), torch.ones(BATCH, 1)
    ours, theirs = ConditionalFlow(N_FEATURES, 1, SHAPE), nflows_peer()

    def train_ours() -> None:
        (-ours.log_density(features, context).mean()).backward()  # type: ignore[no-untyped-call]

    def train_theirs() -> None:
        (-theirs.log_prob(features, context=context).mean()).backward()

    def invert_ours() -> None:
        with torch.no_grad():
            ours.from_base(features, context)

    def invert_theirs() -> None:
        with torch.no_grad():
            theirs._transform.inverse(features, context)

    size = f"{N_FEATURES} features, {SHAPE.layers} layers, {BATCH} events"
    yield compare(f"spline coupling, training step ({size})", "nflows 0.14", train_ours, train_theirs)
    yield compare(f"spline coupling, inverse ({size})", "nflows 0.14", invert_ours, invert_theirs)
