"""Random features: the same discrepancy as by pairs, and what its memory does."""

from __future__ import annotations

import pytest
import torch

from simmorph.neural.losses.embedding import EmbeddedDiscrepancy, draw_frequencies, random_features
from simmorph.neural.losses.memory import RunningMean
from simmorph.neural.losses.mmd import Points, gaussian_kernel, unbiased_mmd


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(n_points: int, mean: float = 0.0, seed: int = 1) -> Points:
    return Points(mean + torch.randn(n_points, 3, generator=seeded(seed)), torch.ones(n_points))


def fixed(target: Points, memory: float = 0.9) -> EmbeddedDiscrepancy:
    discrepancy = EmbeddedDiscrepancy(3, 256, 3, memory)
    discrepancy.fix(target, seeded())
    return discrepancy


def test_inner_products_of_random_features_are_the_kernel() -> None:
    bandwidths = 8.0 * 0.5 ** torch.arange(3)
    points = normal(40).values
    features = random_features(points, draw_frequencies(3, 30_000, bandwidths, seeded()))
    exact = gaussian_kernel(torch.tensor(8.0), octaves=3)(points, points)
    torch.testing.assert_close(features @ features.T, exact, atol=0.03, rtol=0)


def test_the_value_is_that_of_pairs() -> None:
    target, batch = normal(1500), normal(300, 0.3, seed=2)
    batch = Points(batch.values, torch.rand(300, generator=seeded()) + 0.5)
    discrepancy = fixed(target).eval()
    frequencies = discrepancy.frequencies
    by_pairs = unbiased_mmd(
        batch, target, lambda a, b: random_features(a, frequencies) @ random_features(b, frequencies).T
    )
    assert float(discrepancy(batch, target)) == pytest.approx(float(by_pairs), abs=1e-5)


def test_without_memory_the_slope_is_that_of_the_value() -> None:
    target = normal(1500)
    discrepancy = fixed(target, memory=0.0)
    slopes = []
    for training in (True, False):
        values = normal(200, 0.5, seed=2).values.requires_grad_()
        discrepancy.train(training)
        discrepancy(Points(values, torch.ones(200)), target).backward()
        assert values.grad is not None
        slopes.append(values.grad)
    # The unbiased value counts pairs of different events alone, all of which are 1/200 fewer.
    torch.testing.assert_close(slopes[0], slopes[1], atol=2e-2 * float(slopes[1].abs().max()), rtol=0)


def test_batches_of_the_target_come_to_zero_on_average_against_its_other_events() -> None:
    target = normal(2000)
    null = fixed(target).null(target, 200, seeded(3), n_repeats=200)
    assert abs(float(null.mean)) < 4 * float(null.deviation) / 200**0.5


def test_a_running_mean_averages_noise_and_follows_movement() -> None:
    running, generator = RunningMean((200,), memory=0.95), seeded()
    noise = torch.tensor(200 * 0.1**2)

    def step(centre: float) -> float:
        batch = centre + 0.1 * torch.randn(200, generator=generator)
        return float((running(batch, noise) - centre).square().mean().sqrt())

    still = [step(0.0) for _ in range(100)][-1]
    assert still < 0.04
    assert step(5.0) < 0.12


def test_one_event_has_a_finite_value_and_slope() -> None:
    discrepancy = fixed(normal(100)).train()
    values = torch.zeros(1, 3, requires_grad=True)
    discrepancy(Points(values, torch.ones(1)), normal(100)).backward()
    assert values.grad is not None
    assert torch.isfinite(values.grad).all()
