"""The splines agree with nflows', with autograd and with their own inverse."""

from __future__ import annotations

import pytest
import torch
from nflows.transforms.splines.rational_quadratic import unconstrained_rational_quadratic_spline

from simmorph.neural.flows.splines import UNIT_SLOPE, n_parameters, rational_quadratic

BOUND = 3.0


def draw(n_bins: int, spread: float = 1.0, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs, some beyond the box, and parameters."""
    generator = torch.Generator().manual_seed(5)
    inputs = 2 * torch.randn(3, 400, generator=generator, dtype=dtype)
    return inputs, spread * torch.randn(n_parameters(n_bins), 3, 400, generator=generator, dtype=dtype)


def of_nflows(inputs: torch.Tensor, parameters: torch.Tensor, *, inverse: bool) -> tuple[torch.Tensor, torch.Tensor]:
    n_bins = (len(parameters) + 1) // 3
    widths, heights, slopes = (part.movedim(0, -1) for part in torch.split(parameters, [n_bins, n_bins, n_bins - 1]))
    outputs: tuple[torch.Tensor, torch.Tensor] = unconstrained_rational_quadratic_spline(
        inputs, widths, heights, slopes + UNIT_SLOPE, inverse=inverse, tail_bound=BOUND
    )
    return outputs


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("n_bins", [2, 8, 20])
def test_values_and_slopes_are_those_of_nflows(n_bins: int, inverse: bool) -> None:
    inputs, parameters = draw(n_bins)
    for ours, theirs in zip(
        rational_quadratic(inputs, parameters, BOUND, inverse=inverse),
        of_nflows(inputs, parameters, inverse=inverse),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("inverse", [False, True])
def test_gradients_are_those_of_autograd_through_nflows(inverse: bool) -> None:
    inputs, parameters = draw(8)
    inputs.requires_grad_()
    parameters.requires_grad_()
    mixed = torch.linspace(-1, 1, inputs.numel(), dtype=inputs.dtype).view_as(inputs)

    def gradients(found: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, ...]:
        values, log_slopes = found
        return torch.autograd.grad((mixed * values + mixed.square() * log_slopes).sum(), [inputs, parameters])

    ours = gradients(rational_quadratic(inputs, parameters, BOUND, inverse=inverse))
    theirs = gradients(of_nflows(inputs, parameters, inverse=inverse))
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("inverse", [False, True])
def test_log_slope_is_the_logarithm_of_the_derivative(inverse: bool) -> None:
    inputs, parameters = draw(8)
    inputs.requires_grad_()
    outputs, log_slopes = rational_quadratic(inputs, parameters, BOUND, inverse=inverse)
    (slopes,) = torch.autograd.grad(outputs.sum(), inputs)
    torch.testing.assert_close(log_slopes, slopes.log(), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("dtype", "spread", "error"), [(torch.float64, 4.0, 1e-6), (torch.float32, 0.5, 1e-4)])
def test_inverse_undoes_the_spline(dtype: torch.dtype, spread: float, error: float) -> None:
    inputs, parameters = draw(8, spread, dtype)
    outputs, log_slopes = rational_quadratic(inputs, parameters, BOUND)
    restored, minus_log_slopes = rational_quadratic(outputs, parameters, BOUND, inverse=True)
    torch.testing.assert_close(restored, inputs, rtol=0, atol=error)
    assert outputs.dtype == dtype
    assert torch.isfinite(minus_log_slopes).all()
    assert torch.isfinite(log_slopes).all()


def test_zero_parameters_are_the_identity() -> None:
    inputs, parameters = draw(8)
    outputs, log_slopes = rational_quadratic(inputs, torch.zeros_like(parameters), BOUND)
    torch.testing.assert_close(outputs, inputs, rtol=0, atol=1e-14)
    torch.testing.assert_close(log_slopes, torch.zeros_like(inputs), rtol=0, atol=1e-14)


@pytest.mark.parametrize("inverse", [False, True])
def test_outside_the_box_nothing_moves_and_nan_stays_nan(inverse: bool) -> None:
    _, parameters = draw(8)
    inputs = torch.tensor([BOUND, -BOUND, 32.0, -1e30, torch.inf, -torch.inf, torch.nan], dtype=torch.float64)
    outputs, log_slopes = rational_quadratic(inputs, parameters[:, 0, : len(inputs)], BOUND, inverse=inverse)
    torch.testing.assert_close(outputs, inputs, rtol=1e-14, atol=0, equal_nan=True)
    torch.testing.assert_close(log_slopes[2:], torch.zeros(5, dtype=torch.float64), rtol=0, atol=0)


def test_extreme_parameters_invert_to_finite_values() -> None:
    inputs, parameters = draw(8, 20.0, torch.float32)
    outputs, log_slopes = rational_quadratic(inputs, parameters, BOUND, inverse=True)
    assert torch.isfinite(outputs).all()
    assert torch.isfinite(log_slopes).all()
