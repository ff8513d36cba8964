"""Autoregressive flows: densities, invertible, and the same mathematics as nflows'."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import pytest
import torch
from nflows.transforms.autoregressive import (
    AutoregressiveTransform,
    MaskedAffineAutoregressiveTransform,
    MaskedPiecewiseRationalQuadraticAutoregressiveTransform,
)
from torch import nn

from simmorph.neural.flows.autoregressive import (
    LOG_SCALE_BOUND,
    AffineAutoregressive,
    Autoregressive,
    AutoregressiveFlow,
    MaskedNetwork,
    SplineAutoregressive,
)
from simmorph.neural.flows.flow import FlowShape
from simmorph.neural.flows.splines import UNIT_SLOPE
from simmorph.neural.networks import initialise

if TYPE_CHECKING:
    from nflows.transforms.made import MADE

SHAPE = FlowShape(layers=3, hidden=(16, 16), bins=5, tail_bound=4.0, marginal_bins=0)
SIZES = [(1, 0), (1, 1), (2, 1), (3, 2), (6, 0), (6, 1)]
Kind = Literal["affine", "spline"]

kinds = pytest.mark.parametrize("kind", ["affine", "spline"])
sizes = pytest.mark.parametrize(("n_features", "n_context"), SIZES)


def draw(*shape: int, seed: int = 4) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drawn(module: nn.Module, spread: float = 0.3) -> nn.Module:
    """The module in float64, with every weight drawn, those of the last layers included."""
    module.double()
    for seed, values in enumerate(module.parameters()):
        values.data = spread * draw(*values.shape, seed=seed)
    return module


def a_flow(kind: Kind, n_features: int, n_context: int, spread: float = 0.3) -> AutoregressiveFlow:
    flow = AutoregressiveFlow(n_features, n_context, SHAPE, kind)
    drawn(flow, spread)
    return flow


def pass_for_each_feature(layer: Autoregressive, outputs: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    """The inverse as the textbook has it: a pass through the whole network for each feature."""
    moved = outputs.T[layer.order]
    values = torch.zeros_like(moved)
    for _ in range(len(moved)):
        values, _ = layer.move(moved, layer.network(values, context.T), inverse=True)
    return values[layer.back].T


@kinds
@sizes
def test_log_determinant_is_that_of_the_jacobian(kind: Kind, n_features: int, n_context: int) -> None:
    flow = a_flow(kind, n_features, n_context)
    features, context = draw(5, n_features), draw(5, n_context, seed=5)
    _, found = flow.transform(features, context if n_context else None)
    for row, context_row, log_determinant in zip(features, context, found, strict=True):

        def of_one(values: torch.Tensor, context_row: torch.Tensor = context_row) -> torch.Tensor:
            return flow.to_base(values[None], context_row[None])[0]

        jacobian = torch.autograd.functional.jacobian(of_one, row)  # type: ignore[no-untyped-call]
        assert log_determinant.item() == pytest.approx(torch.linalg.slogdet(jacobian).logabsdet.item(), abs=1e-9)


@kinds
@sizes
def test_from_base_undoes_to_base(kind: Kind, n_features: int, n_context: int) -> None:
    flow = a_flow(kind, n_features, n_context)
    features, context = draw(200, n_features), draw(200, n_context, seed=5)
    with torch.no_grad():
        noise, log_determinants = flow.transform(features, context)
        restored, minus_log_determinants = flow.transform.inverse(noise, context)
    torch.testing.assert_close(restored, features, rtol=0, atol=1e-8)
    torch.testing.assert_close(minus_log_determinants, -log_determinants, rtol=0, atol=1e-8)


@kinds
@sizes
@pytest.mark.parametrize("with_gradient", [True, False])
def test_inverse_is_that_of_a_pass_for_each_feature(
    kind: Kind, n_features: int, n_context: int, with_gradient: bool
) -> None:
    (layer,) = a_flow(kind, n_features, n_context).transform.children()
    for transform in list(layer):
        outputs, context = draw(100, n_features), draw(100, n_context, seed=5)
        with torch.set_grad_enabled(with_gradient):
            found, _ = transform.inverse(outputs, context if n_context else None)
        torch.testing.assert_close(found, pass_for_each_feature(transform, outputs, context), rtol=0, atol=1e-10)


@kinds
@pytest.mark.parametrize("n_context", [0, 2])
def test_gradients_flow_through_the_inverse(kind: Kind, n_context: int) -> None:
    flow = a_flow(kind, 3, n_context)
    noise, context = draw(20, 3).requires_grad_(), draw(20, n_context, seed=5).requires_grad_()
    parameters = [noise, context, *flow.parameters()] if n_context else [noise, *flow.parameters()]

    def gradients(features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        mixed = torch.linspace(-1, 1, features.numel(), dtype=features.dtype).view_as(features)
        return torch.autograd.grad((mixed * features).sum(), parameters)

    slow = noise
    for transform in reversed(list(next(flow.transform.children()))):
        slow = pass_for_each_feature(transform, slow, context)
    for mine, reference in zip(gradients(flow.from_base(noise, context)), gradients(slow), strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-7, atol=1e-9)


@kinds
@pytest.mark.parametrize("n_features", [1, 2, 6])
def test_every_feature_of_one_layer_depends_on_every_context_variable_and_not_as_a_line(
    kind: Kind, n_features: int
) -> None:
    flow = a_flow(kind, n_features, 2)
    features, context = draw(50, n_features), draw(50, 2, seed=5)
    for layer in list(next(flow.transform.children())):
        for variable in range(2):
            step = torch.zeros(2, dtype=torch.float64)
            step[variable] = 1.0
            values, reordered = features.T[layer.order], context.T
            low, middle, high = (layer.network(values, reordered + a * step[:, None]) for a in (-1, 0, 1))
            assert ((high - middle).abs().amax(dim=(0, 2)) > 1e-3).all()
            assert ((high + low - 2 * middle).abs().amax(dim=(0, 2)) > 1e-3).all()


@pytest.mark.parametrize("hidden", [(), (3,), (40, 40, 40)])
@pytest.mark.parametrize("n_context", [0, 1])
def test_an_output_depends_on_all_features_before_its_own_and_on_no_other(
    hidden: tuple[int, ...], n_context: int
) -> None:
    network = MaskedNetwork(5, n_context, hidden, 3)
    drawn(network, 1.0)
    features, context = draw(5, 100), draw(n_context, 100, seed=5)
    before = network(features, context)
    for feature in range(5):
        shifted = features.clone()
        shifted[feature] += 1
        change = (network(shifted, context) - before).abs().amax(dim=(0, 2))
        assert (change[: feature + 1] == 0).all()
        if min(hidden, default=40) >= 5:
            assert (change[feature + 1 :] > 0).all()


def test_features_are_chosen_from_the_outputs_for_them() -> None:
    network = MaskedNetwork(4, 2, (20, 20), 3)
    drawn(network)
    seen = []

    def choose(feature: int, outputs: torch.Tensor) -> torch.Tensor:
        seen.append(outputs)
        return outputs.sum(0) + feature

    context = draw(2, 30)
    features = network.feature_by_feature(choose, context)
    outputs = network(features, context)
    torch.testing.assert_close(torch.stack(seen, dim=1), outputs, rtol=0, atol=1e-12)
    torch.testing.assert_close(features, outputs.sum(0) + torch.arange(4)[:, None], rtol=0, atol=1e-12)


@kinds
@sizes
def test_a_new_flow_is_the_identity_over_a_normal_distribution(kind: Kind, n_features: int, n_context: int) -> None:
    flow = AutoregressiveFlow(n_features, n_context, SHAPE._replace(marginal_bins=7), kind)
    initialise(flow, 1)
    flow.double()
    features, context = draw(50, n_features), draw(50, n_context, seed=5)
    torch.testing.assert_close(flow.to_base(features, context), features, rtol=0, atol=1e-12)
    torch.testing.assert_close(flow.from_base(features, context), features, rtol=0, atol=1e-12)
    normal = -0.5 * (features.square() + math.log(2 * math.pi)).sum(1)
    torch.testing.assert_close(flow.log_density(features, context), normal, rtol=0, atol=1e-10)


@kinds
def test_density_integrates_to_one(kind: Kind) -> None:
    flow = a_flow(kind, 2, 1)
    edges = torch.linspace(-12, 12, 301, dtype=torch.float64)
    grid = torch.cartesian_prod(edges, edges)
    with torch.no_grad():
        density = flow.log_density(grid, grid.new_full((len(grid), 1), 0.7)).exp()
    assert density.sum().item() * (edges[1] - edges[0]).item() ** 2 == pytest.approx(1, abs=1e-3)


@kinds
def test_extreme_weights_invert_in_float64(kind: Kind) -> None:
    flow = a_flow(kind, 4, 1, spread=0.6)
    features, context = draw(500, 4), draw(500, 1, seed=5)
    with torch.no_grad():
        for layer in list(next(flow.transform.children())):
            moved, log_determinants = layer(features, context)
            restored, _ = layer.inverse(moved, context)
            assert torch.isfinite(log_determinants).all()
            torch.testing.assert_close(restored, features, rtol=0, atol=1e-5)


@kinds
@pytest.mark.parametrize("with_gradient", [True, False])
def test_what_is_not_finite_stays_in_its_row(kind: Kind, with_gradient: bool) -> None:
    flow = a_flow(kind, 3, 1)
    features, context = draw(20, 3), draw(20, 1, seed=5)
    broken, broken_context = features.clone(), context.clone()
    broken[3, 0], broken[5, 1], broken_context[8] = torch.nan, torch.inf, torch.nan
    sound = torch.ones(20, dtype=torch.bool)
    sound[[3, 5, 8]] = False
    with torch.set_grad_enabled(with_gradient):
        for function in (flow.to_base, flow.from_base):
            found = function(broken, broken_context)
            torch.testing.assert_close(found[sound], function(features, context)[sound], rtol=1e-12, atol=1e-12)
            assert found[[3, 8]].isnan().any(dim=1).all()


# --- The same mathematics as nflows ---


def degrees_of(made: MADE) -> list[torch.Tensor]:
    return [made.initial_layer.degrees, *(block.linear.degrees for block in made.blocks)]


def take_weights(ours: MaskedNetwork, theirs: MADE) -> None:
    """Give nflows' network the weights of ours: its hidden units are in another order, as are its outputs."""
    previous = torch.arange(ours.n_features)
    layers = [theirs.initial_layer, *(block.linear for block in theirs.blocks), theirs.final_layer]
    for layer, mine, degrees in zip(layers, [*ours.hidden, ours.output], [*degrees_of(theirs), None], strict=True):
        if degrees is None:  # theirs has the outputs of one feature side by side
            rows = torch.arange(len(mine.bias)).view(ours.n_outputs, ours.n_features).T.flatten()
        else:
            rows = degrees.argsort(stable=True).argsort()  # ours are sorted by degree
        layer.weight.data = mine.weight.data[rows][:, previous]
        layer.bias.data = mine.bias.data[rows]
        torch.testing.assert_close(layer.mask.double(), mine.mask[rows][:, previous], rtol=0, atol=0)
        previous = rows


class ExponentialScale(MaskedAffineAutoregressiveTransform):  # type: ignore[misc]
    """nflows' transform with our scale: theirs is softplus(raw) + 0.001."""

    def _unconstrained_scale_and_shift(self, autoregressive_params: torch.Tensor) -> tuple[torch.Tensor, ...]:
        raw, shift = super()._unconstrained_scale_and_shift(autoregressive_params)
        scale = torch.exp(LOG_SCALE_BOUND * torch.tanh(raw / LOG_SCALE_BOUND))
        return torch.expm1(scale - self._epsilon).log(), shift


class CentredSlopes(MaskedPiecewiseRationalQuadraticAutoregressiveTransform):  # type: ignore[misc]
    """nflows' transform with our slopes: raw slopes of zero mean a slope of one."""

    def _elementwise(
        self, inputs: torch.Tensor, autoregressive_params: torch.Tensor, inverse: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        parameters = autoregressive_params.view(len(inputs), self.features, -1).clone()
        parameters[..., 2 * self.num_bins :] += UNIT_SLOPE
        found: tuple[torch.Tensor, torch.Tensor] = super()._elementwise(inputs, parameters.flatten(1), inverse)
        return found


def pairs(n_features: int) -> list[tuple[Autoregressive, AutoregressiveTransform]]:
    order, size = range(n_features), {"num_blocks": 1, "use_residual_blocks": False}
    spline = CentredSlopes(n_features, 20, num_bins=6, tails="linear", tail_bound=3.0, **size)
    spline.features = n_features
    return [
        (AffineAutoregressive(order, 0, (20, 20)), ExponentialScale(n_features, 20, **size)),
        (SplineAutoregressive(order, 0, (20, 20), 6, 3.0), spline),
    ]


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("n_features", [2, 3, 6])
def test_layers_are_those_of_nflows_with_its_weights(number: int, n_features: int) -> None:
    ours, theirs = pairs(n_features)[number]
    drawn(ours)
    take_weights(ours.network, theirs.double().autoregressive_net)
    inputs = draw(300, n_features)
    for mine, reference in ((ours(inputs), theirs(inputs)), (ours.inverse(inputs), theirs.inverse(inputs))):
        torch.testing.assert_close(mine[0], reference[0], rtol=0, atol=1e-10)
        torch.testing.assert_close(mine[1], reference[1], rtol=0, atol=1e-10)
