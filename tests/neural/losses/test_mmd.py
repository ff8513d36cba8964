"""The maximum mean discrepancy against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from simmorph.neural.losses.mmd import (
    Discrepancy,
    Points,
    PrintedDiscrepancy,
    biased_mmd,
    gaussian_kernel,
    median_squared_distance,
    squared_distances,
    unbiased_mmd,
)


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(n_points: int, mean: float = 0.0, deviation: float = 1.0, n_columns: int = 1, seed: int = 1) -> Points:
    values = mean + deviation * torch.randn(n_points, n_columns, generator=seeded(seed), dtype=torch.float64)
    return Points(values, torch.ones(n_points, dtype=torch.float64))


def gaussian(shift: float = 0.0, deviation: float = 1.0) -> Points:
    """Points of a grid, whose weights are the density there: sums over them are integrals."""
    pulls = torch.linspace(-6, 6, 161, dtype=torch.float64)
    return Points(shift + deviation * pulls[:, None], torch.exp(-0.5 * pulls**2))


def kernel_of_gaussians(shift: float, variance: float, bandwidth: float) -> float:
    """E exp(-d^2 / bandwidth) for d from N(shift, variance)."""
    width = bandwidth + 2 * variance
    return math.sqrt(bandwidth / width) * math.exp(-(shift**2) / width)


def mmd_of_gaussians(shift: float, deviation: float, bandwidth: float) -> float:
    """MMD^2 of N(0, 1) and N(shift, deviation^2)."""
    within = kernel_of_gaussians(0, 2, bandwidth) + kernel_of_gaussians(0, 2 * deviation**2, bandwidth)
    return within - 2 * kernel_of_gaussians(shift, 1 + deviation**2, bandwidth)


@pytest.mark.parametrize(("shift", "deviation"), [(0.5, 1.0), (0.0, 1.6), (-1.0, 0.7)])
@pytest.mark.parametrize("octaves", [1, 3])
def test_two_gaussians_have_the_closed_form(shift: float, deviation: float, octaves: int) -> None:
    kernel = gaussian_kernel(torch.tensor(2.0), octaves)
    found = biased_mmd(gaussian(), gaussian(shift, deviation), kernel)
    expected = sum(mmd_of_gaussians(shift, deviation, 2.0 / 2**octave) for octave in range(octaves)) / octaves
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_the_unbiased_value_leaves_out_pairs_of_a_point_with_itself() -> None:
    kernel = gaussian_kernel(torch.tensor(1.0))
    first, second = normal(5, seed=1), normal(7, 0.3, seed=2)
    first, second = (
        Points(it.values, torch.rand(len(it.values), generator=seeded()).double()) for it in (first, second)
    )

    def mean(ours: Points, theirs: Points) -> float:
        pairs = [(i, j) for i in range(len(ours.weights)) for j in range(len(theirs.weights))]
        kept = [(i, j) for i, j in pairs if ours is not theirs or i != j]
        total = sum(float(ours.weights[i] * theirs.weights[j]) for i, j in kept)
        squares = {(i, j): float((ours.values[i] - theirs.values[j]) ** 2) for i, j in kept}
        return sum(float(ours.weights[i] * theirs.weights[j]) * math.exp(-squares[i, j]) for i, j in kept) / total

    expected = mean(first, first) + mean(second, second) - 2 * mean(first, second)
    assert float(unbiased_mmd(first, second, kernel)) == pytest.approx(expected)


def test_the_unbiased_value_of_one_distribution_is_zero_on_average_and_can_be_negative() -> None:
    kernel = gaussian_kernel(torch.tensor(1.0))
    found = torch.stack(
        [unbiased_mmd(normal(100, seed=2 * seed), normal(100, seed=2 * seed + 1), kernel) for seed in range(200)]
    )
    assert (found < 0).any()
    assert abs(found.mean()) < 3 * found.std() / math.sqrt(len(found))


def test_the_biased_value_of_one_distribution_is_that_of_the_pairs_with_themselves() -> None:
    n_points, bandwidth = 50, 1.0
    kernel = gaussian_kernel(torch.tensor(bandwidth))
    found = torch.stack(
        [biased_mmd(normal(n_points, seed=2 * s), normal(n_points, seed=2 * s + 1), kernel) for s in range(300)]
    )
    assert (found >= 0).all()
    expected = 2 * (1 - kernel_of_gaussians(0, 2, bandwidth)) / n_points
    assert float(found.mean()) == pytest.approx(expected, rel=0.05)


def test_with_a_factor_of_one_the_smallest_value_is_at_a_sample_twice_too_wide() -> None:
    """Why the factor is 2: a fit of a width with the printed 1 goes wrong, whatever the bandwidth."""
    widths = [1 + 0.02 * step for step in range(-25, 150)]

    def best_width(factor: float) -> float:
        def value(width: float) -> float:
            cross = kernel_of_gaussians(0, 1 + width**2, 0.1)
            return kernel_of_gaussians(0, 2 * width**2, 0.1) - factor * cross

        return min(widths, key=value)

    assert best_width(2.0) == pytest.approx(1.0)
    assert best_width(1.0) > 1.9


def test_the_width_of_a_sample_is_fitted_right() -> None:
    target = gaussian()
    width = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([width], lr=0.1)
    kernel = gaussian_kernel(torch.tensor(1.0))
    for _ in range(100):
        optimizer.zero_grad()
        loss = biased_mmd(Points(width * target.values, target.weights), target, kernel)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert float(width.detach()) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("statistic", [unbiased_mmd, biased_mmd])
def test_weights_select_events(statistic: object) -> None:
    assert callable(statistic)
    kernel = gaussian_kernel(torch.tensor(1.0))
    first, second = normal(60, n_columns=2, seed=5), normal(80, 0.4, n_columns=2, seed=6)
    kept = Points(first.values, (torch.arange(60) % 3 > 0).double())
    part = Points(first.values[kept.weights > 0], kept.weights[kept.weights > 0])
    assert float(statistic(kept, second, kernel)) == pytest.approx(float(statistic(part, second, kernel)))


def test_a_negative_weight_takes_away_what_a_positive_one_adds() -> None:
    kernel = gaussian_kernel(torch.tensor(1.0))
    first, second = normal(60, seed=5), normal(80, 0.4, seed=6)
    extra = normal(30, 2.0, seed=7).values
    signed = Points(
        torch.cat([first.values, extra, extra]), torch.cat([first.weights, torch.ones(30), -torch.ones(30)])
    )
    assert float(biased_mmd(signed, second, kernel)) == pytest.approx(float(biased_mmd(first, second, kernel)))


def test_distances_of_equal_points_are_never_negative() -> None:
    points = 1000 + torch.rand(50, 3, generator=seeded())
    assert (squared_distances(points, points) >= 0).all()


def test_the_median_heuristic_finds_the_median() -> None:
    # |x - y|^2 / 2 of two standard normal points in two dimensions is chi-squared with two degrees of freedom.
    values = torch.randn(20_000, 2, generator=seeded())
    found = median_squared_distance(values, torch.ones(20_000), seeded())
    assert float(found) == pytest.approx(2 * 2 * math.log(2), rel=0.05)


def test_data_against_data_with_the_printed_constants_is_near_two() -> None:
    target = Points(torch.rand(4000, 6, generator=seeded()), torch.ones(4000))
    discrepancy = PrintedDiscrepancy(n_columns=6, block=500)
    discrepancy.fix(target, seeded())
    null = discrepancy.null(target, 500, seeded(), n_repeats=16)
    kappa = float(gaussian_kernel(torch.tensor(0.1))(2 * target.values[:2000] - 1, 2 * target.values[2000:] - 1).mean())
    assert abs(float(null.mean) - 2 * (1 - kappa)) < 3 * float(null.deviation) / 4
    assert 1.95 < float(null.mean) < 2.05
    assert 0.005 < float(null.deviation) < 0.05


def test_blocks_leave_the_mean_and_lower_the_spread_of_batches() -> None:
    target = Points(torch.randn(1600, 2, generator=seeded()), torch.ones(1600))
    discrepancy = Discrepancy(block=100)
    discrepancy.fix(target, seeded())
    one, many = (discrepancy.null(target, size, seeded(3)) for size in (100, 800))
    assert float(many.deviation) < 0.5 * float(one.deviation)
    assert abs(float(many.mean)) < float(many.deviation)


def test_a_batch_of_one_event_has_a_finite_value_and_slope() -> None:
    discrepancy = Discrepancy(block=10)
    values = torch.zeros(1, 2, requires_grad=True)
    found = discrepancy(Points(values, torch.ones(1)), Points(torch.ones(1, 2), torch.ones(1)))
    found.backward()
    assert torch.isfinite(found)
    assert values.grad is not None
    assert torch.isfinite(values.grad).all()
