"""Monotonic rational-quadratic splines (Durkan et al. 2019, arXiv 1906.04032), without boolean masks.

Masked gathers cost a copy each, break compilation and synchronise a GPU. Here every element is clamped into the box,
the spline is evaluated everywhere, and `torch.where` keeps the identity outside.

The bins are the first dimension of every tensor, so that each operation runs along contiguous memory.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.nn.functional import softplus

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

MIN_SHARE = 1e-3
"""Smallest width and height of a bin, as a fraction of the box."""
MIN_SLOPE = 1e-3
"""Smallest slope at a knot."""
UNIT_SLOPE = math.log(math.expm1(1 - MIN_SLOPE))
"""The raw slope that means a slope of 1; added to every raw slope, so that zeros everywhere give the identity."""


class Bin(NamedTuple):
    """The bin in which each element lies.

    Attributes:
        left: position of its left knot.
        width: its width.
        bottom: value at its left knot.
        height: by how much the value rises.
        slope_left: slope at its left knot.
        slope_right: slope at its right knot.
    """

    left: Tensor
    width: Tensor
    bottom: Tensor
    height: Tensor
    slope_left: Tensor
    slope_right: Tensor

    @property
    def mean_slope(self) -> Tensor:
        """The slope of the straight line through both knots."""
        return self.height / self.width


class Spline(nn.Module):
    """Rational-quadratic splines in a box, as a layer without parameters of its own; see `rational_quadratic`.

    Args:
        bound: half the size of the box.
    """

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.bound = bound
        self.fused: Callable[..., tuple[Tensor, Tensor]] | None = None
        """A compiled `rational_quadratic`, used while the layer is in training mode."""

    def forward(self, inputs: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """The spline or its inverse, and the logarithm of its slope."""
        move = self.fused if self.training and self.fused is not None else rational_quadratic
        return move(inputs, parameters, self.bound, inverse=inverse)


def n_parameters(n_bins: int) -> int:
    """How many numbers describe a spline: widths, heights, and slopes at the inner knots."""
    return 3 * n_bins - 1


def rational_quadratic(
    inputs: Tensor, parameters: Tensor, bound: float, *, inverse: bool = False
) -> tuple[Tensor, Tensor]:
    """The spline or its inverse, and the logarithm of its slope.

    Inside [-bound, bound] the spline is monotonic and maps the box onto itself; outside it is the identity. NaN stays
    NaN. In float32 the inverse loses precision where neighbouring bins differ by orders of magnitude: invert in
    float64 where it matters.

    Args:
        inputs: (...), any shape.
        parameters: (3 n_bins - 1, ...), logits of the widths and heights, then raw slopes; zeros give the identity.
        bound: half the size of the box.
        inverse: evaluate the inverse.
    """
    inside = (inputs >= -bound) & (inputs <= bound)
    clamped = inputs.clamp(-bound, bound)
    found: tuple[Tensor, ...] = _ChooseBin.apply(parameters, clamped.detach(), bound, inverse)  # type: ignore[no-untyped-call]
    chosen = Bin(*found[:4], *map(_slope, found[4:]))
    theta, outputs = _backwards(clamped, chosen) if inverse else _forwards(clamped, chosen)
    log_slope = _log_slope(theta, chosen)
    log_slope = -log_slope if inverse else log_slope
    return torch.where(inside, outputs, inputs), torch.where(inside, log_slope, torch.zeros_like(log_slope))


def _slope(raw: Tensor) -> Tensor:
    """The derivative at a knot, above MIN_SLOPE; 1 where the raw parameter is 0."""
    return MIN_SLOPE + softplus(raw + UNIT_SLOPE)


def _forwards(x: Tensor, chosen: Bin) -> tuple[Tensor, Tensor]:
    """Position in the bin, from 0 to 1, and value: equation 4 of the paper."""
    theta = (x - chosen.left) / chosen.width
    mixed = theta * (1 - theta)
    mean, left, right = chosen.mean_slope, chosen.slope_left, chosen.slope_right
    rise = chosen.height * (mean * theta.square() + left * mixed) / (mean + (left + right - 2 * mean) * mixed)
    return theta, chosen.bottom + rise


def _backwards(y: Tensor, chosen: Bin) -> tuple[Tensor, Tensor]:
    """Position in the bin, from 0 to 1, and value of the inverse: equations 6 to 8 of the paper."""
    mean, left, right = chosen.mean_slope, chosen.slope_left, chosen.slope_right
    rise = y - chosen.bottom
    bend = rise * (left + right - 2 * mean)
    a = chosen.height * (mean - left) + bend
    b = chosen.height * left - bend
    # Never negative in exact arithmetic; rounding may take it below zero where a slope is tiny.
    discriminant = (b.square() + 4 * a * mean * rise).clamp(min=0)
    theta = 2 * mean * rise / (b + discriminant.sqrt())
    return theta, chosen.left + theta * chosen.width


def _log_slope(theta: Tensor, chosen: Bin) -> Tensor:
    """The logarithm of the slope at a position in the bin: equation 5."""
    mean, left, right = chosen.mean_slope, chosen.slope_left, chosen.slope_right
    mixed = theta * (1 - theta)
    numerator = right * theta.square() + 2 * mean * mixed + left * (1 - theta).square()
    return 2 * (mean.log() - (mean + (left + right - 2 * mean) * mixed).log()) + numerator.log()


class _ChooseBin(torch.autograd.Function):
    """Finds the bin of each element; its gradient touches each parameter once, with no scatter.

    Autograd through softmax, cumsum and gather does the same in several times the time.
    """

    @staticmethod
    def forward(ctx: Any, parameters: Tensor, inputs: Tensor, bound: float, inverse: bool) -> tuple[Tensor, ...]:
        n_bins = (len(parameters) + 1) // 3
        widths, heights, slopes = torch.split(parameters, [n_bins, n_bins, n_bins - 1])
        softs = widths.softmax(0), heights.softmax(0)
        sums = softs[0].cumsum(0), softs[1].cumsum(0)
        index = _search(sums[inverse], (inputs + bound) / (2 * bound))
        across, up = _look_up(softs[0], sums[0], index), _look_up(softs[1], sums[1], index)
        ctx.save_for_backward(*softs, index, *across, *up)
        ctx.bound = bound
        box = *_in_box(*across, index, n_bins, bound), *_in_box(*up, index, n_bins, bound)
        return *box, _slope_at(slopes, index - 1), _slope_at(slopes, index)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        soft_widths, soft_heights, index, *found = ctx.saved_tensors
        n_bins = len(soft_widths)
        # 1 for the bins before that of the element, 0 for the others: arithmetic is several times faster than `where`.
        bins = torch.arange(n_bins, device=index.device, dtype=soft_widths.dtype).view(-1, *[1] * index.ndim)
        before = (index - bins).clamp_(0, 1)
        scale = 2 * ctx.bound * (1 - MIN_SHARE * n_bins)
        result = torch.empty(3 * n_bins - 1, *index.shape, dtype=soft_widths.dtype, device=index.device)
        for at, soft in enumerate((soft_widths, soft_heights)):
            of_start, of_share = gradients[2 * at] * scale, gradients[2 * at + 1] * scale
            summed, share = found[2 * at : 2 * at + 2]
            mean = of_start * summed + of_share * share
            logits = result[at * n_bins : (at + 1) * n_bins]
            torch.addcmul(-mean, before, of_start, out=logits)
            logits.mul_(soft).scatter_(0, index[None], (share * (of_share - mean))[None])
        # The left knot is where `before` falls; the right knot is the next one.
        left_knot, slopes = before[:-1] - before[1:], result[2 * n_bins :]
        torch.mul(left_knot, gradients[4], out=slopes)
        slopes[1:].addcmul_(left_knot[:-1], gradients[5])
        slopes[0].addcmul_(1 - before[0], gradients[5])
        return result, None, None, None


def _search(sums: Tensor, position: Tensor) -> Tensor:
    """Index of the bin that holds each position, a fraction of the box, given the softmax summed up to each bin."""
    n_bins = len(sums)
    knots = torch.arange(1, n_bins, dtype=sums.dtype, device=sums.device).view(-1, *[1] * position.ndim)
    return (position - MIN_SHARE * knots >= (1 - MIN_SHARE * n_bins) * sums[:-1]).sum(0)


def _look_up(soft: Tensor, sums: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """The softmax summed before the bin of this index, and in it."""
    before = sums.gather(0, (index - 1).clamp(min=0)[None])[0]
    return torch.where(index > 0, before, torch.zeros_like(before)), soft.gather(0, index[None])[0]


def _in_box(before: Tensor, share: Tensor, index: Tensor, n_bins: int, bound: float) -> tuple[Tensor, Tensor]:
    """Start and size of a bin in the box, where each bin has its minimal share beside that of the softmax."""
    free = 1 - MIN_SHARE * n_bins
    return (MIN_SHARE * index.to(before.dtype) + free * before) * (2 * bound) - bound, (MIN_SHARE + free * share) * (
        2 * bound
    )


def _slope_at(slopes: Tensor, knot: Tensor) -> Tensor:
    """The raw slope at an inner knot; 0, which means a slope of 1, at both ends of the box."""
    raw = slopes.gather(0, knot.clamp(0, len(slopes) - 1)[None])[0]
    return torch.where((knot >= 0) & (knot < len(slopes)), raw, torch.zeros_like(raw))
