"""Smooth functions of the context: what a regression on the context is linear in."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from simmorph.data.preprocessing.samples import weighted_quantiles
from simmorph.neural.blocks import in_blocks

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray

MAX_TRIPLES, MAX_PAIRS = 4, 7
"""With more context variables than this, products of three, and of two, are left out."""
ROUGHNESS = 0.5
"""How many events it takes to believe in a bend: the factor of the integral of f''**2 over the range of a context
variable, in units of this range."""
STIFFNESS, STIFFNESS_OF_CURVED = 10.0, 300.0
"""How many events it takes to believe in a product of context variables, and in one that is curved in one of them."""
N_GRID = 512


class SmoothBasis(nn.Module):
    """Functions of the context: 1, a natural cubic spline of each variable, and low products of two and three.

    A spline goes on as a straight line from its outermost knots to the ends of the context that it was fitted to, and
    products stay as they are there. Beyond these ends all functions stay as they are. With no context variables there
    is the constant alone.

    Args:
        n_context: number of context variables.
        n_knots: knots of each spline, at quantiles of the variable.

    References:
        Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning", 2nd ed. 2009, section 5.2.1.
    """

    ends: Tensor
    knots: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, n_context: int, n_knots: int) -> None:
        super().__init__()
        self.n_context, self.n_knots = n_context, n_knots
        self.pairs = list(itertools.combinations(range(n_context), 2)) if n_context <= MAX_PAIRS else []
        self.triples = list(itertools.combinations(range(n_context), 3)) if n_context <= MAX_TRIPLES else []
        n_varying = n_context * (n_knots - 1) + 3 * len(self.pairs) + len(self.triples)
        self.n_functions = 1 + n_varying
        start = torch.linspace(-1, 1, n_knots, dtype=torch.float64)
        self.register_buffer("ends", start[[0, -1], None].repeat(1, n_context))
        self.register_buffer("knots", start.repeat(n_context, 1))
        self.register_buffer("centre", torch.zeros(n_varying, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(n_varying, dtype=torch.float64))

    def fit(self, context: FloatArray, weights: FloatArray) -> None:
        """Place the knots, and bring every function but the constant to mean 0 and deviation 1."""
        if len(context):
            self.ends.copy_(torch.from_numpy(np.stack([context.min(axis=0), context.max(axis=0)])))
        for variable, values in enumerate(context.T):
            self.knots[variable] = torch.from_numpy(_knots(values, weights, self.n_knots))
        self.centre.zero_()
        self.scale.fill_(1.0)
        functions = self.values(context)[:, 1:]
        centre = np.average(functions, axis=0, weights=weights)
        scale = np.sqrt(np.average((functions - centre) ** 2, axis=0, weights=weights))
        self.centre.copy_(torch.from_numpy(centre))
        self.scale.copy_(torch.from_numpy(np.where(scale > 1e-12, scale, 1.0)))

    def values(self, context: FloatArray) -> FloatArray:
        """(n_events, n_functions), outside of a block."""
        return in_blocks(self, context, self)

    @property
    def penalty(self) -> FloatArray:
        """(n_functions, n_functions), in events: a regression adds half of f^T penalty f for its coefficients f.

        It is the curvature of each spline over the whole range of its variable, also where there are no events: a ridge
        of each coefficient would leave open what a spline does in a gap.
        """
        ridge = [0.0] + [1.0] * self.n_context + [0.0] * (self.n_context * (self.n_knots - 2))
        ridge += [STIFFNESS, STIFFNESS_OF_CURVED, STIFFNESS_OF_CURVED] * len(self.pairs)
        penalty = np.diag(ridge + [STIFFNESS_OF_CURVED] * len(self.triples))
        grid = torch.linspace(0, 1, N_GRID, dtype=torch.float64)[:, None].expand(-1, self.n_context)
        curvatures = 6 * self._bends(grid, power=1).numpy()
        for variable in range(self.n_context):
            first = 1 + self.n_context + variable * (self.n_knots - 2)
            at, before = (slice(start, start + self.n_knots - 2) for start in (first, first - 1))
            scaled = curvatures[:, variable] / self.scale.numpy()[before]
            penalty[at, at] = ROUGHNESS * (scaled.T @ scaled) / N_GRID
        return penalty

    def forward(self, context: Tensor) -> Tensor:
        """(n_events, n_functions): the constant, straight lines, the rest of the splines, products."""
        context = torch.minimum(torch.maximum(context, self.ends[0]), self.ends[1])
        position = (context - self.knots[:, 0]) / (self.knots[:, -1] - self.knots[:, 0])
        inside = 2 * position.clamp(0, 1) - 1
        squares = 1.5 * inside.square() - 0.5
        columns = [position, *self._bends(position).unbind(1)]
        for a, b in self.pairs:
            products = inside[:, a] * inside[:, b], squares[:, a] * inside[:, b], inside[:, a] * squares[:, b]
            columns.append(torch.stack(products, dim=1))
        columns += [inside[:, list(triple)].prod(dim=1, keepdim=True) for triple in self.triples]
        varying = torch.cat(columns, dim=1) if columns else context
        return torch.cat([context.new_ones(len(context), 1), (varying - self.centre) / self.scale], dim=1)

    def _bends(self, position: Tensor, power: int = 3) -> Tensor:
        """(n_events, n_context, n_knots - 2), the curved functions of each natural spline.

        Args:
            position: (n_events, n_context), 0 at the first knot and 1 at the last.
            power: 3, or 1 for a sixth of their second derivatives.
        """
        knots = (self.knots - self.knots[:, :1]) / (self.knots[:, -1:] - self.knots[:, :1])
        cubes = (position[:, :, None] - knots).clamp(min=0) ** power
        ratios = (cubes[..., :-1] - cubes[..., -1:]) / (1 - knots[:, :-1])
        return ratios[..., :-1] - ratios[..., -1:]


def _knots(values: FloatArray, weights: FloatArray, n_knots: int) -> FloatArray:
    """Quantiles, the outermost near the ends; evenly spaced where too many values repeat."""
    edge = 0.5 / math.sqrt(max(len(values), 4))
    knots = weighted_quantiles(values, weights, np.linspace(edge, 1 - edge, n_knots))
    low, high = (float(knots[0]), float(knots[-1])) if knots[-1] > knots[0] else (float(knots[0]), float(knots[0]) + 1)
    too_near = np.min(np.diff(knots)) < 1e-3 * (high - low)
    return np.linspace(low, high, n_knots) if too_near else knots
