"""The maximum mean discrepancy of two weighted samples.

MMD^2(P, Q) = E k(x, x') + E k(y, y') - 2 E k(x, y), with x, x' from P and y, y' from Q, is zero only where P = Q for
the kernels used here. The factor is 2: with 1 in its place the minimum lies at a sample that is twice too wide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Kernel = Callable[[Tensor, Tensor], Tensor]
    """Takes (n, n_columns) and (m, n_columns), returns (n, m)."""


PRINTED_BANDWIDTH = 0.1
"""Of exp(-|x - y|^2 / s) in the unpaired diphoton study."""


class Points(NamedTuple):
    """Weighted points.

    Attributes:
        values: (n_points, n_columns).
        weights: (n_points,), of either sign.
    """

    values: Tensor
    weights: Tensor


class Spread(NamedTuple):
    """Mean and standard deviation of a statistic over batches."""

    mean: Tensor
    deviation: Tensor


def squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """The squared Euclidean distances (n, m) of points (n, n_columns) and (m, n_columns)."""
    norms = first.square().sum(1)[:, None] + second.square().sum(1)
    # Rounding can make the difference of large numbers negative.
    return torch.addmm(norms, first, second.T, alpha=-2).clamp_min(0)


def gaussian_kernel(bandwidth: Tensor, octaves: int = 1) -> Kernel:
    """The mean of exp(-|x - y|^2 / s) over s = bandwidth, bandwidth / 2, bandwidth / 4 and so on.

    Args:
        bandwidth: (), positive; one of the kernels is a Gaussian of standard deviation sqrt(s / 2).
        octaves: number of bandwidths. One exponential serves all: each kernel is the square of the one before.
    """

    def kernel(first: Tensor, second: Tensor) -> Tensor:
        power = torch.exp(squared_distances(first, second) / -bandwidth)
        total = power
        for _ in range(octaves - 1):
            power = power.square()
            total = total + power
        return total / octaves

    return kernel


def unbiased_mmd(first: Points, second: Points, kernel: Kernel) -> Tensor:
    """The U-statistic of MMD^2: pairs of a point with itself are left out, so it is 0 on average for P = Q.

    It can be negative. A single point has no pairs, and counts 0 for its own term.

    References:
        Gretton, Borgwardt, Rasch, Schoelkopf, Smola, "A kernel two-sample test", 2012, JMLR 13, lemma 6.
    """
    return _pairs_within(first, kernel) + _pairs_within(second, kernel) - 2 * _pairs_between(first, second, kernel)


def biased_mmd(first: Points, second: Points, kernel: Kernel) -> Tensor:
    """The V-statistic of MMD^2: never negative, and 2 (1 - kappa) / n on average for P = Q and n points on each side.

    kappa is the mean of k(x, x') over independent points of P.
    """
    within = _pairs_between(first, first, kernel) + _pairs_between(second, second, kernel)
    return within - 2 * _pairs_between(first, second, kernel)


def _pairs_between(first: Points, second: Points, kernel: Kernel) -> Tensor:
    """The weighted mean of the kernel over all pairs of one point of each sample."""
    total = first.weights @ kernel(first.values, second.values) @ second.weights
    return total / (first.weights.sum() * second.weights.sum())


def _pairs_within(points: Points, kernel: Kernel) -> Tensor:
    """The weighted mean of the kernel over pairs of different points."""
    weights, matrix = points.weights, kernel(points.values, points.values)
    with_itself = (weights.square() * matrix.diagonal()).sum()
    n_pairs = weights.sum().square() - weights.square().sum()
    return (weights @ matrix @ weights - with_itself) / n_pairs.clamp_min(torch.finfo(weights.dtype).tiny)


def median_squared_distance(
    values: Tensor, weights: Tensor, generator: torch.Generator, n_points: int = 2000
) -> Tensor:
    """The median heuristic: the median squared distance of points drawn by their weights, at least a tiny number.

    Args:
        values: (n, n_columns).
        weights: (n,), not negative.
        generator: on the CPU.
        n_points: how many are drawn.
    """
    drawn = torch.multinomial(weights.cpu().double(), n_points, replacement=True, generator=generator)
    points = values[drawn.to(values.device)]
    distances = squared_distances(points, points)
    upper = torch.triu_indices(n_points, n_points, 1, device=values.device)
    return distances[upper[0], upper[1]].median().clamp_min(1e-6)


class Discrepancy(nn.Module):
    """The MMD^2 of a batch against a batch of the target, with a kernel that is fixed from the target.

    A batch is cut into blocks of `block` points, whose values are averaged: memory and time stay linear in the batch.

    Args:
        block: points of each sample in a block.
        octaves: bandwidths of the kernel, from twice the target's median squared distance downwards by factors of two.
    """

    bandwidth: Tensor

    def __init__(self, block: int, octaves: int = 4) -> None:
        super().__init__()
        self.block, self.octaves = block, octaves
        self.register_buffer("bandwidth", torch.ones(()))

    @torch.no_grad()
    def fix(self, target: Points, generator: torch.Generator) -> None:
        """Take the kernel's scale from the target."""
        self.bandwidth.copy_(2 * median_squared_distance(*target, generator))

    def forward(self, first: Points, second: Points) -> Tensor:
        """The mean over blocks."""
        n_blocks = max(1, min(len(first.weights), len(second.weights)) // self.block)
        blocks = zip(_blocks(first, n_blocks), _blocks(second, n_blocks), strict=True)
        return torch.stack([self.of_block(*pair) for pair in blocks]).mean()

    def of_block(self, first: Points, second: Points) -> Tensor:
        """The statistic of one block."""
        return unbiased_mmd(first, second, gaussian_kernel(self.bandwidth, self.octaves))

    @torch.no_grad()
    def null(self, target: Points, n_points: int, generator: torch.Generator, n_repeats: int = 64) -> Spread:
        """What batches of the target come to against each other: mean and standard deviation.

        Args:
            target: points of the target.
            n_points: size of a batch; half of the target if that is less.
            generator: on the CPU; draws disjoint batches.
            n_repeats: how many pairs of batches.
        """
        n_target = len(target.weights)
        size = max(1, min(n_points, n_target // 2))
        found = []
        for _ in range(n_repeats):
            order = torch.randperm(n_target, generator=generator)[: 2 * size].to(target.weights.device)
            first, second = (Points(target.values[rows], target.weights[rows]) for rows in order.tensor_split(2))
            found.append(self(first, second))
        values = torch.stack(found)
        return Spread(values.mean(), values.std())


class PrintedDiscrepancy(Discrepancy):
    """The MMD with the constants of the unpaired diphoton study, and the factor 2 in place of the 1 that it prints.

    exp(-|x - y|^2 / 0.1) of columns scaled to [-1, 1], the V-statistic with its sums divided by n in place of n^2. Two
    batches of one distribution come to 2 (1 - kappa), near 2 in six dimensions, where the kernel hardly sees more than
    each point itself.
    """

    low: Tensor
    high: Tensor

    def __init__(self, n_columns: int, block: int) -> None:
        super().__init__(block, octaves=1)
        self.bandwidth.fill_(PRINTED_BANDWIDTH)
        self.register_buffer("low", torch.zeros(n_columns))
        self.register_buffer("high", torch.ones(n_columns))

    @torch.no_grad()
    def fix(self, target: Points, generator: torch.Generator) -> None:  # noqa: ARG002 - a contract
        """Take the range of each column from the target."""
        self.low.copy_(target.values.amin(0))
        self.high.copy_(torch.maximum(target.values.amax(0), self.low + 1e-6))

    def of_block(self, first: Points, second: Points) -> Tensor:
        """The statistic of one block."""
        kernel = gaussian_kernel(self.bandwidth)
        return len(first.weights) * biased_mmd(self._scaled(first), self._scaled(second), kernel)

    def _scaled(self, points: Points) -> Points:
        """The points with the target's range of each column as [-1, 1]."""
        return Points(2 * (points.values - self.low) / (self.high - self.low) - 1, points.weights)


def _blocks(points: Points, n_blocks: int) -> list[Points]:
    """The points cut into so many parts, nearly equal in size."""
    pairs = zip(points.values.tensor_split(n_blocks), points.weights.tensor_split(n_blocks), strict=True)
    return [Points(*pair) for pair in pairs]
