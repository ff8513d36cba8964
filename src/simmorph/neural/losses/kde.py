"""Gaussian kernel density estimates of single features, and the Kullback-Leibler divergence of two of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from simmorph.neural.losses.memory import RunningMean, share_of_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def kernel_density(values: Tensor, weights: Tensor, grid: Tensor, bandwidths: Tensor) -> Tensor:
    """The share of each feature's density at each point of its grid, (n_features, n_points); each row sums to 1.

    Every event is shared between the two points beside it, in proportion to its nearness; then the Gaussian is laid
    over the points. For spacings below the bandwidth this is the usual estimate to a few per mille, at the cost of a
    histogram, and as differentiable in the values. What lies beyond the grid does not count.

    Args:
        values: (n_events, n_features).
        weights: (n_events,).
        grid: (n_features, n_points), evenly spaced.
        bandwidths: (n_features,), the standard deviations of the Gaussians; spacings above them miss structure.

    References:
        Wand, "Fast computation of multivariate kernel estimators", 1994, J. Comput. Graph. Stat. 3, 433.
    """
    contents = _shared_out(values, weights, grid)
    distances = (grid[:, :, None] - grid[:, None, :]) / bandwidths[:, None, None]
    smooth = torch.einsum("fp,fpq->fq", contents, torch.exp(-0.5 * distances.square()))
    shares: Tensor = smooth / smooth.sum(1, keepdim=True).clamp_min(torch.finfo(grid.dtype).tiny)
    return shares


def _shared_out(values: Tensor, weights: Tensor, grid: Tensor) -> Tensor:
    """The weights of the events at the two points beside each of them, (n_features, n_points)."""
    n_points = grid.shape[1]
    place = (values.T - grid[:, :1]) / (grid[:, 1:2] - grid[:, :1])
    inside = (place >= 0) & (place < n_points - 1)
    # What is not a number shall come out as one, and not as a wrong index.
    below = place.detach().nan_to_num(0.0).floor().clamp(0, n_points - 2).long()
    above_share = place - below
    kept = weights * inside
    contents = torch.zeros_like(grid).scatter_add(1, below, kept * (1 - above_share))
    return contents.scatter_add(1, below + 1, kept * above_share)


def kl_divergence(shares: Tensor, reference: Tensor, floor: float) -> Tensor:
    """KL(shares || reference) of each row, (n_rows,), never negative.

    Both are mixed with a uniform distribution first, which keeps the logarithm finite where the reference is empty.

    Args:
        shares: (n_rows, n_points), each row sums to 1.
        reference: the same shape.
        floor: share of the uniform distribution.
    """
    ours, theirs = ((1 - floor) * rows + floor / rows.shape[1] for rows in (shares, reference))
    divergences: Tensor = (ours * (ours.log() - theirs.log())).sum(1)
    return divergences


def bandwidths_of(values: Tensor, weights: Tensor) -> Tensor:
    """Silverman's bandwidth 0.9 min(deviation, interquartile range / 1.34) n^(-1/5) of each feature, (n_features,).

    n is the effective number of events. A feature without spread gets a small positive one.

    Args:
        values: (n_events, n_features).
        weights: (n_events,), not negative.

    References:
        Silverman, "Density estimation for statistics and data analysis", 1986, equation 3.31.
    """
    share = (weights / weights.sum())[:, None]
    mean = (share * values).sum(0)
    deviation = (share * (values - mean).square()).sum(0).sqrt()
    low, high = (_quantile(values, weights, level) for level in (0.25, 0.75))
    width = (high - low) / 1.34
    spread = torch.where(width > 0, torch.minimum(deviation, width), deviation)
    effective = float(weights.sum().square() / weights.square().sum())
    return (0.9 * math.pow(effective, -0.2) * spread).clamp_min(1e-3)


def _quantile(values: Tensor, weights: Tensor, level: float) -> Tensor:
    """The first value of each column that `level` of the weights do not exceed, (n_columns,)."""
    ordered, order = values.sort(0)
    below = weights[order].cumsum(0) / weights.sum()
    row = (below < level).sum(0, keepdim=True).clamp_max(len(values) - 1)
    return ordered.gather(0, row)[0]


def grid_over(values: Tensor, bandwidths: Tensor, n_points: int, reach: float = 4.0) -> Tensor:
    """An even grid (n_features, n_points) over the range of each feature and `reach` bandwidths more on either side."""
    low, high = values.amin(0) - reach * bandwidths, values.amax(0) + reach * bandwidths
    steps = torch.linspace(0, 1, n_points, device=values.device, dtype=values.dtype)
    return low[:, None] + (high - low)[:, None] * steps


class MarginalDivergence(nn.Module):
    """KL(batch || target) of the distribution of each feature, averaged over the features.

    It does not see how features hang together. The target's densities are estimated once, from all of its events;
    those of a batch with the same bandwidths, so that the two agree where the samples do. A small batch makes the
    estimate larger, by about (range of the feature) / (7 bandwidth n).

    Args:
        n_features: number of features.
        n_points: points of each grid.
        floor: share of a uniform distribution mixed into every density.
        memory: see RunningMean; in training the densities are running means, and the slope is that of the batch there.
    """

    grid: Tensor
    bandwidths: Tensor
    reference: Tensor

    def __init__(self, n_features: int, n_points: int = 256, floor: float = 1e-4, memory: float = 0.0) -> None:
        super().__init__()
        self.floor = floor
        self.running = RunningMean((n_features, n_points), memory)
        self.register_buffer("bandwidths", torch.ones(n_features))
        self.register_buffer("grid", torch.zeros(n_features, n_points))
        self.register_buffer("reference", torch.full((n_features, n_points), 1 / n_points))

    @torch.no_grad()
    def fix(self, values: Tensor, weights: Tensor, bandwidths: Sequence[float] = ()) -> None:
        """Take grid and densities from the target.

        Args:
            values: (n_events, n_features).
            weights: (n_events,).
            bandwidths: one for each feature, or one for all; Silverman's without.
        """
        chosen = torch.tensor(bandwidths, device=values.device) if bandwidths else bandwidths_of(values, weights)
        self.bandwidths.copy_(chosen)
        self.grid.copy_(grid_over(values, self.bandwidths, self.grid.shape[1]))
        # A grid too coarse for a bandwidth would miss what lies between its points.
        self.bandwidths.copy_(torch.maximum(self.bandwidths, self.grid[:, 1] - self.grid[:, 0]))
        self.reference.copy_(kernel_density(values, weights, self.grid, self.bandwidths))
        self.running.forget()

    def forward(self, values: Tensor, weights: Tensor) -> Tensor:
        """The mean over the features, for a batch (n_events, n_features) with weights (n_events,)."""
        shares = kernel_density(values, weights, self.grid, self.bandwidths)
        if not self.training:
            return kl_divergence(shares, self.reference, self.floor).mean()
        running = self.running(shares.detach(), self._noise(shares, weights).detach()).requires_grad_()
        with torch.enable_grad():
            value: Tensor = kl_divergence(running, self.reference, self.floor).mean()
            (slopes,) = torch.autograd.grad(value, running)
        change: Tensor = (slopes * shares).sum()
        return value.detach() + change - change.detach()

    def _noise(self, shares: Tensor, weights: Tensor) -> Tensor:
        """The expected squared distance of a batch's shares from their expectation, (n_features,)."""
        middle = self.grid[:, self.grid.shape[1] // 2, None]
        of_one = torch.exp(-0.5 * ((self.grid - middle) / self.bandwidths[:, None]).square())
        of_one = (of_one / of_one.sum(1, keepdim=True)).square().sum(1)
        noise: Tensor = (of_one - shares.square().sum(1)).clamp_min(0) * share_of_one(weights)
        return noise
