"""The conditional flow is a density, invertible, and every feature answers to the context."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import combinations

import pytest
import torch
from nflows.distributions.normal import StandardNormal
from nflows.flows.base import Flow
from nflows.transforms.coupling import PiecewiseRationalQuadraticCouplingTransform
from torch import nn

from simmorph.neural.flows.flow import ConditionalFlow, FlowShape, SplineCoupling, coupling_masks
from simmorph.neural.flows.splines import UNIT_SLOPE
from simmorph.neural.networks import initialise

SHAPE = FlowShape(layers=4, hidden=(16,), bins=5, tail_bound=4.0, marginal_bins=7)


def a_flow(n_features: int, n_context: int) -> ConditionalFlow:
    """A flow with weights that were drawn, the last layers included."""
    flow = ConditionalFlow(n_features, n_context, SHAPE).double()
    generator = torch.Generator().manual_seed(3)
    for values in flow.parameters():
        values.data = 0.1 * torch.randn(values.shape, generator=generator, dtype=values.dtype)
    return flow


def events(n_features: int, n_context: int, n_events: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    drawn = torch.randn(n_events, n_features + n_context, generator=generator, dtype=torch.float64)
    features, context = torch.split(drawn, [n_features, n_context], dim=1)
    return features, context


@pytest.mark.parametrize("n_features", [2, 3, 6, 16])
def test_every_two_features_are_parted_in_some_layer(n_features: int) -> None:
    masks = coupling_masks(n_features, 8)
    for one, other in combinations(range(n_features), 2):
        assert any((one in moved) != (other in moved) for moved in masks)
    assert all(0 < len(moved) < n_features for moved in masks)
    assert set(masks[0]) | set(masks[1]) == set(range(n_features))


@pytest.mark.parametrize(("n_features", "n_context"), [(1, 1), (1, 0), (2, 1), (3, 2), (6, 0)])
def test_log_determinant_is_that_of_the_jacobian(n_features: int, n_context: int) -> None:
    flow = a_flow(n_features, n_context)
    features, context = events(n_features, n_context, n_events=5)
    _, log_determinants = flow.transform(features, context)
    for row, context_row, found in zip(features, context, log_determinants, strict=True):

        def of_one(values: torch.Tensor, context_row: torch.Tensor = context_row) -> torch.Tensor:
            return flow.to_base(values[None], context_row[None])[0]

        jacobian = torch.autograd.functional.jacobian(of_one, row)  # type: ignore[no-untyped-call]
        assert found.item() == pytest.approx(torch.linalg.slogdet(jacobian).logabsdet.item(), abs=1e-9)


@pytest.mark.parametrize(("n_features", "n_context"), [(1, 1), (3, 0), (6, 2)])
def test_the_density_is_that_of_nflows_over_a_normal_distribution(n_features: int, n_context: int) -> None:
    flow = a_flow(n_features, n_context)
    features, context = events(n_features, n_context)
    expected = Flow(flow.transform, StandardNormal([n_features])).log_prob(features, context if n_context else None)
    torch.testing.assert_close(flow.log_density(features, context), expected, rtol=1e-12, atol=0)


def test_a_flow_is_built_without_matplotlib_and_tensorboard() -> None:
    code = (
        "import sys; from simmorph.neural.flows.flow import ConditionalFlow, FlowShape; "
        "ConditionalFlow(2, 1, FlowShape(2, (8,), 4, 5.0, 3)); "
        "print([name for name in ('matplotlib', 'tensorboard') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("n_features", [1, 2, 6])
def test_from_base_undoes_to_base(n_features: int) -> None:
    flow = a_flow(n_features, 1)
    features, context = events(n_features, 1)
    restored = flow.from_base(flow.to_base(features, context), context)
    torch.testing.assert_close(restored, features, rtol=0, atol=1e-9)
    flow, features, context = flow.float(), features.float(), context.float()
    restored = flow.from_base(flow.to_base(features, context), context)
    torch.testing.assert_close(restored, features, rtol=0, atol=1e-4)


@pytest.mark.parametrize("n_features", [1, 2, 3, 6])
def test_every_feature_depends_on_every_context_variable(n_features: int) -> None:
    flow = a_flow(n_features, 2)
    features, context = events(n_features, 2)
    before = flow.to_base(features, context)
    for variable in range(2):
        shifted = context.clone()
        shifted[:, variable] += 1
        moved = (flow.to_base(features, shifted) - before).abs().amax(dim=0)
        assert (moved > 1e-6).all()


def test_density_of_one_feature_integrates_to_one_in_every_context() -> None:
    flow = a_flow(1, 1)
    grid = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    for value in (-1.0, 0.0, 2.0):
        density = flow.log_density(grid[:, None], torch.full((len(grid), 1), value, dtype=torch.float64)).exp()
        assert torch.trapezoid(density, grid).item() == pytest.approx(1, abs=1e-5)


def test_a_new_flow_is_the_identity_over_a_normal_distribution() -> None:
    flow = ConditionalFlow(3, 1, SHAPE).double()
    features, context = events(3, 1)
    torch.testing.assert_close(flow.to_base(features, context), features, rtol=0, atol=1e-12)
    normal = -0.5 * (features.square() + math.log(2 * math.pi)).sum(1)
    torch.testing.assert_close(flow.log_density(features, context), normal, rtol=0, atol=1e-10)


def test_initialise_depends_on_the_seed_alone_and_leaves_the_global_generator() -> None:
    flow = ConditionalFlow(2, 1, SHAPE)
    state = torch.get_rng_state()
    initialise(flow, 7)
    first = [values.clone() for values in flow.parameters()]
    initialise(flow, 8)
    other = list(flow.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(first, other, strict=True))
    initialise(flow, 7)
    assert all(torch.equal(a, b) for a, b in zip(first, flow.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), state)


class AsInNflows(nn.Module):
    """The network of our coupling with its outputs in nflows' order, and slopes of one where ours are zero."""

    def __init__(self, coupling: SplineCoupling) -> None:
        super().__init__()
        self.coupling = coupling

    def forward(self, inputs: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        parameters = self.coupling.network.transposed(torch.cat([inputs, context], dim=1))
        parameters = parameters.view(self.coupling.n_parameters, len(self.coupling.moved), -1).clone()
        n_bins = (len(parameters) + 1) // 3
        parameters[2 * n_bins :] += UNIT_SLOPE
        return parameters.permute(2, 1, 0).flatten(1)


@pytest.mark.parametrize("n_features", [2, 3, 6])
@pytest.mark.filterwarnings("ignore:Inputs to the softmax are not scaled down")
def test_a_coupling_is_that_of_nflows_with_its_weights(n_features: int) -> None:
    features, context = events(n_features, 2, n_events=300)
    flow = a_flow(n_features, 2)
    for moved, ours in zip(coupling_masks(n_features, SHAPE.layers), list(flow.transform._transforms)[1:], strict=True):
        theirs = PiecewiseRationalQuadraticCouplingTransform(
            mask=torch.tensor([float(feature in moved) for feature in range(n_features)]),
            transform_net_create_fn=lambda n_inputs, n_outputs, ours=ours: AsInNflows(ours),
            num_bins=SHAPE.bins,
            tails="linear",
            tail_bound=SHAPE.tail_bound,
        )
        for mine, reference in (
            (ours(features, context), theirs(features, context)),
            (ours.inverse(features, context), theirs.inverse(features, context)),
        ):
            torch.testing.assert_close(mine[0], reference[0], rtol=0, atol=1e-10)
            torch.testing.assert_close(mine[1], reference[1], rtol=0, atol=1e-10)
