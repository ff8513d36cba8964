"""Monotonic rational-quadratic splines (Durkan et al. 2019, arXiv 1906.04032), without boolean masks.

Masked gathers cost a copy each, break compilation and synchronise a GPU. Here every element is clamped into the box,
the spline is evaluated everywhere, and `torch.where` keeps the identity outside.

The bins are the first dimension of every tensor, so that each operation runs along contiguous memory.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn.functional import softplus

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        soft_widths, soft_heights = widths.softmax(0), heights.softmax(0)
        index = _search(soft_heights if inverse else soft_widths, inputs, bound)
        across, up = _look_up(soft_widths, index), _look_up(soft_heights, index)
        ctx.save_for_backward(soft_widths, soft_heights, index, *across, *up)
        ctx.bound = bound
        scale = 2 * bound
        return (
            across[0] * scale - bound,
            across[1] * scale,
            up[0] * scale - bound,
            up[1] * scale,
            _slope_at(slopes, index - 1),
            _slope_at(slopes, index),
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        soft_widths, soft_heights, index, *found = ctx.saved_tensors
        scale = 2 * ctx.bound
        bins = torch.arange(len(soft_widths), device=index.device).view(-1, *[1] * index.ndim)
        of_start, of_share = gradients[0] * scale, gradients[1] * scale
        through_widths = _through_softmax(soft_widths, bins - index, index, found[:2], (of_start, of_share))
        of_start, of_share = gradients[2] * scale, gradients[3] * scale
        through_heights = _through_softmax(soft_heights, bins - index, index, found[2:], (of_start, of_share))
        from_bin = bins[:-1] - index
        zero = torch.zeros((), dtype=of_share.dtype, device=index.device)
        through_slopes = torch.where(from_bin == -1, gradients[4], torch.where(from_bin == 0, gradients[5], zero))
        return torch.cat([through_widths, through_heights, through_slopes]), None, None, None


def _shares(soft: Tensor) -> Tensor:
    return MIN_SHARE + (1 - MIN_SHARE * len(soft)) * soft


def _search(soft: Tensor, inputs: Tensor, bound: float) -> Tensor:
    """Index of the bin that holds each input."""
    inner_knots = _shares(soft).cumsum(0)[:-1] * (2 * bound) - bound
    return (inputs >= inner_knots).sum(0)


def _look_up(soft: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Start and size of the bin of this index, as fractions of the box."""
    shares = _shares(soft)
    before = shares.cumsum(0).gather(0, (index - 1).clamp(min=0)[None])[0]
    return torch.where(index > 0, before, torch.zeros_like(before)), shares.gather(0, index[None])[0]


def _slope_at(slopes: Tensor, knot: Tensor) -> Tensor:
    """The raw slope at an inner knot; 0, which means a slope of 1, at both ends of the box."""
    padded = torch.cat([torch.zeros_like(slopes[:1]) if len(slopes) else slopes.new_zeros(1, *knot.shape), slopes])
    inner = (knot >= 0) & (knot < len(slopes))
    return padded.gather(0, torch.where(inner, knot + 1, torch.zeros_like(knot))[None])[0]


def _through_softmax(
    soft: Tensor, from_bin: Tensor, index: Tensor, found: Sequence[Tensor], gradients: tuple[Tensor, Tensor]
) -> Tensor:
    """The gradient of the logits, given those of the start and size of the bin found."""
    (start, share), (of_start, of_share) = found, gradients
    free = 1 - MIN_SHARE * len(soft)
    # Undo the minimal share, to have the softmax itself summed before and in the bin.
    soft_before, soft_here = (start - MIN_SHARE * index) / free, (share - MIN_SHARE) / free
    mean = of_start * soft_before + of_share * soft_here
    chosen = torch.where(from_bin == 0, of_share - mean, -mean)
    return free * soft * torch.where(from_bin < 0, of_start - mean, chosen)
