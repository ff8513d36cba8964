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
STIFFNESS = 10.0
"""How many events it takes to believe in anything but a straight line of one context variable."""


class SmoothBasis(nn.Module):
    """Functions of the context: 1, a natural cubic spline of each variable, and low products of two and three.

    A spline goes on as a straight line beyond its outermost knots; products stay as they are at the edges, where
    they would run away. With no context variables there is the constant alone.

    Args:
        n_context: number of context variables.
        n_knots: knots of each spline, at quantiles of the variable.

    References:
        Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning", 2nd ed. 2009, section 5.2.1.
    """

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
        self.register_buffer("knots", start.repeat(n_context, 1))
        self.register_buffer("centre", torch.zeros(n_varying, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(n_varying, dtype=torch.float64))

    def fit(self, context: FloatArray, weights: FloatArray) -> None:
        """Place the knots, and bring every function but the constant to mean 0 and deviation 1."""
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
    def stiffness(self) -> FloatArray:
        """(n_functions,), in events: how strongly a regression shall draw each coefficient to zero."""
        return np.array([0.0] + [1.0] * self.n_context + [STIFFNESS] * (self.n_functions - 1 - self.n_context))

    def forward(self, context: Tensor) -> Tensor:
        """(n_events, n_functions): the constant, straight lines, the rest of the splines, products."""
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

    def _bends(self, position: Tensor) -> Tensor:
        """(n_events, n_context, n_knots - 2) the curved functions of each natural spline."""
        knots = (self.knots - self.knots[:, :1]) / (self.knots[:, -1:] - self.knots[:, :1])
        cubes = (position[:, :, None] - knots).clamp(min=0) ** 3
        ratios = (cubes[..., :-1] - cubes[..., -1:]) / (1 - knots[:, :-1])
        return ratios[..., :-1] - ratios[..., -1:]


def _knots(values: FloatArray, weights: FloatArray, n_knots: int) -> FloatArray:
    """Quantiles, the outermost near the ends; evenly spaced where too many values repeat."""
    edge = 0.5 / math.sqrt(max(len(values), 4))
    knots = weighted_quantiles(values, weights, np.linspace(edge, 1 - edge, n_knots))
    low, high = (float(knots[0]), float(knots[-1])) if knots[-1] > knots[0] else (float(knots[0]), float(knots[0]) + 1)
    too_near = np.min(np.diff(knots)) < 1e-3 * (high - low)
    return np.linspace(low, high, n_knots) if too_near else knots
