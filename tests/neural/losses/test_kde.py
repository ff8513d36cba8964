"""Kernel density estimates of marginals against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from simmorph.neural.losses.kde import (
    MarginalDivergence,
    bandwidths_of,
    grid_over,
    kernel_density,
    kl_divergence,
)


def normal(
    n_events: int, mean: float = 0.0, deviation: float = 1.0, n_features: int = 1, seed: int = 1
) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return mean + deviation * torch.randn(n_events, n_features, generator=generator, dtype=torch.float64)


def gaussian_kl(mean: float, deviation: float, other_mean: float, other_deviation: float) -> float:
    """KL(N(mean, deviation) || N(other_mean, other_deviation))."""
    ratio, pull = deviation / other_deviation, (mean - other_mean) / other_deviation
    return 0.5 * (ratio**2 + pull**2 - 1) - math.log(ratio)


def test_an_estimate_is_the_sum_of_gaussians_at_the_events() -> None:
    values, weights = normal(300, n_features=2), torch.rand(300, dtype=torch.float64)
    bandwidths = torch.tensor([0.2, 0.3], dtype=torch.float64)
    grid = grid_over(values, bandwidths, 256)
    found = kernel_density(values, weights, grid, bandwidths)
    for feature in range(2):
        pulls = (grid[feature][:, None] - values[:, feature]) / bandwidths[feature]
        exact = torch.exp(-0.5 * pulls**2) @ weights
        torch.testing.assert_close(found[feature], exact / exact.sum(), atol=2e-5, rtol=0)


def test_the_slope_of_an_estimate_is_its_derivative() -> None:
    values = normal(5, n_features=2).requires_grad_()
    weights, bandwidths = torch.rand(5, dtype=torch.float64), torch.tensor([0.5, 0.5], dtype=torch.float64)
    grid = grid_over(values.detach(), bandwidths, 64)
    assert torch.autograd.gradcheck(lambda it: kernel_density(it, weights, grid, bandwidths), (values,), eps=1e-7)


@pytest.mark.parametrize(("mean", "deviation"), [(0.5, 1.0), (0.0, 1.4), (-0.3, 0.8)])
def test_two_gaussians_diverge_as_the_closed_form_of_the_smoothed_ones_says(mean: float, deviation: float) -> None:
    pulls = torch.linspace(-8, 8, 2001, dtype=torch.float64)[:, None]
    weights, bandwidth = torch.exp(-0.5 * pulls[:, 0] ** 2), torch.tensor([0.15], dtype=torch.float64)
    grid = grid_over(10 * pulls / 8, bandwidth, 400)
    ours, theirs = (kernel_density(values, weights, grid, bandwidth) for values in (mean + deviation * pulls, pulls))
    smoothed = gaussian_kl(mean, math.hypot(deviation, 0.15), 0.0, math.hypot(1, 0.15))
    assert float(kl_divergence(ours, theirs, floor=1e-12)[0]) == pytest.approx(smoothed, rel=2e-3)


def test_the_divergence_goes_from_ours_to_the_reference() -> None:
    """In this direction a sample that spreads where the reference is empty pays; one that is too narrow hardly does."""
    wide, narrow = torch.full((1, 10), 0.1), torch.eye(10)[:1]
    assert float(kl_divergence(narrow, wide, 1e-9)) == pytest.approx(math.log(10), rel=1e-3)
    assert float(kl_divergence(wide, narrow, 1e-9)) > 10


def test_the_divergence_is_zero_for_the_same_and_finite_for_disjoint_densities() -> None:
    first, second = torch.eye(10)[:1], torch.eye(10)[5:6]
    assert float(kl_divergence(first, first, 1e-4)) == 0
    assert 5 < float(kl_divergence(first, second, 1e-4)) < 20


def test_weights_count_as_copies() -> None:
    values, bandwidths = normal(50), torch.tensor([0.3], dtype=torch.float64)
    grid = grid_over(values, bandwidths, 100)
    weights = 1 + (torch.arange(50) < 20).double()
    copied = torch.cat([values, values[:20]])
    found = [
        kernel_density(it, its_weights, grid, bandwidths)
        for it, its_weights in ((values, weights), (copied, torch.ones(70).double()))
    ]
    torch.testing.assert_close(*found)


def test_silvermans_bandwidth_of_a_gaussian() -> None:
    found = bandwidths_of(normal(20_000, 3.0, 2.0), torch.ones(20_000, dtype=torch.float64))
    assert float(found) == pytest.approx(0.9 * 2 * 20_000**-0.2, rel=0.02)


def test_a_constant_feature_has_a_positive_bandwidth() -> None:
    assert (bandwidths_of(torch.zeros(10, 1), torch.ones(10)) > 0).all()


def test_a_batch_like_the_target_diverges_less_than_one_that_is_not() -> None:
    target = normal(20_000, n_features=3).float()
    divergence = MarginalDivergence(3)
    divergence.fix(target, torch.ones(len(target)))
    batch, weights = normal(4000, n_features=3, seed=2).float(), torch.ones(4000)
    alike = float(divergence(batch, weights))
    assert 0 < alike < 0.01
    shifted = float(divergence(batch + torch.tensor([0.3, 0.0, 0.0]), weights))
    assert shifted - alike == pytest.approx(0.3**2 / 2 / 3, rel=0.2)


def test_bandwidths_can_be_chosen_for_each_feature_and_are_not_finer_than_the_grid() -> None:
    divergence = MarginalDivergence(2, n_points=64)
    divergence.fix(normal(1000, n_features=2).float(), torch.ones(1000), (0.5, 1e-4))
    assert float(divergence.bandwidths[0]) == 0.5
    assert float(divergence.bandwidths[1]) == pytest.approx(float(divergence.grid[1, 1] - divergence.grid[1, 0]))


def test_events_beyond_the_grid_do_not_pay_off() -> None:
    """Leaving the grid must not lower the divergence: the others make up for what is gone."""
    target = normal(5000).float()
    divergence = MarginalDivergence(1)
    divergence.fix(target, torch.ones(5000))
    gone = torch.where(torch.arange(5000)[:, None] < 500, 100.0, target)
    assert float(divergence(gone, torch.ones(5000))) >= float(divergence(target, torch.ones(5000)))


def test_what_is_not_a_number_comes_out_as_one() -> None:
    divergence = MarginalDivergence(1)
    divergence.fix(normal(100).float(), torch.ones(100))
    assert torch.isnan(divergence(torch.full((10, 1), math.nan), torch.ones(10)))
