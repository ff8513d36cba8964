"""The deviance as a function of the global parameters, with the local ones at their best."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from simmorph.limits.engine.local import Local
from simmorph.limits.engine.poisson import Counts
from simmorph.limits.engine.yields import Expansion

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray
    from simmorph.limits.engine.local import Constraint
    from simmorph.limits.engine.yields import Yields


class Objective:
    """The deviance of given data.

    Args:
        yields: of the model.
        known: the constraints of all parameters.
        counts: (n_bins,), the data.
        bounds: (2, n_parameters); a local parameter whose bounds are equal is fixed.
    """

    def __init__(self, yields: Yields, known: Constraint, counts: FloatArray, bounds: FloatArray) -> None:
        self.yields, self.counts = yields, Counts(counts)
        self.of_local, self.of_shared = known.of(yields.local), known.of(yields.shared)
        self.lower, self.upper = bounds[:, yields.shared]
        self.local = Local(yields.local_bins, self.of_local, bounds[:, yields.local], self.counts)

    def at(self, shared: FloatArray) -> Point:
        """The deviance near (n_global,) parameters."""
        return Point(self, shared)


class Point:
    """The deviance near a point, with all that follows from it.

    Args:
        objective: of which function.
        shared: (n_global,), the global parameters.

    Attributes:
        deviance: -2 ln (L / L_saturated).
        expected: (n_bins,).
        parameters: (n_parameters,), the local ones at their best.
    """

    def __init__(self, objective: Objective, shared: FloatArray) -> None:
        self.objective, self.shared = objective, shared
        yields = objective.yields
        self.parameters = np.empty(yields.n_parameters)
        self.parameters[yields.shared] = shared
        self.parameters[yields.local] = 1.0
        self.near = Expansion(yields, self.parameters)
        self.rates: FloatArray = self.near.sums[yields.n_bins :]
        self.local = objective.local.solve(self.near.sums[: yields.n_bins], self.rates)
        self.parameters[yields.local] = self.local.values
        self.expected = yields.of_bins(self.near.sums, self.local.values)
        self.terms = objective.counts.terms(self.expected)
        known = objective.of_local.deviance(self.local.values) + objective.of_shared.deviance(shared)
        self.deviance = float(2 * np.sum(self.terms.value)) + known

    @property
    def is_finite(self) -> bool:
        """Whether the deviance and its derivatives are; huge variations overflow."""
        with np.errstate(all="ignore"):
            derivatives = self.gradient, self.hessian
        return math.isfinite(self.deviance) and all(np.isfinite(it).all() for it in derivatives)

    @cached_property
    def _weights(self) -> FloatArray:
        """(n_cells,), the derivative of half the deviance by what is expected in each cell."""
        yields = self.objective.yields
        of_slots = np.concatenate([self.terms.slope, self.terms.slope[yields.local_bins] * self.local.values])
        return np.asarray(of_slots[yields.slots], np.float64)

    @cached_property
    def gradient(self) -> FloatArray:
        """(n_global,), of the deviance; that of the local parameters is 0 or held by their bounds."""
        return 2 * (self.near.gradient(self._weights) + self.objective.of_shared.slopes(self.shared))

    @cached_property
    def response(self) -> Response:
        """How the local parameters follow the global ones."""
        return Response(self)

    @cached_property
    def rough(self) -> FloatArray:
        """(n_global,), the diagonal of the second derivative without what is curved in the yields."""
        response = self.response
        straight = response.stiffness @ response.moved**2
        return np.asarray(2 * (straight + self.objective.of_shared.curvatures(self.shared)), np.float64)

    @cached_property
    def hessian(self) -> FloatArray:
        """(n_global, n_global), the second derivative of the deviance."""
        response = self.response
        found = (response.moved * response.stiffness[:, None]).T @ response.moved
        found -= (response.crosses * response.softness[:, None]).T @ response.crosses
        found += self.near.curvature(self._weights)
        found[np.diag_indices_from(found)] += self.objective.of_shared.curvatures(self.shared)
        return found + found.T


class Response:
    """How the best local parameters follow the global ones.

    With p the curvature and w the slope of a bin's Poisson term, B the rates of its local parameters and c the
    curvatures of their constraints, half the second derivative of the deviance, but for the curvature of the yields, is

        sum over bins of P (J - h) (J - h)^T - sum over local parameters of e e^T / c,

    with J the slope of the bin, e = w grad B, h = sum of B e / c, and P = p / (1 + p sum of B^2 / c).

    Args:
        point: where.

    Attributes:
        crosses: (n_local, n_global), e.
        softness: (n_local,), 1 / c; 0 of those that stay where they are.
        moved: (n_bins, n_global), J - h.
        stiffness: (n_bins,), P.
    """

    def __init__(self, point: Point) -> None:
        yields = point.objective.yields
        self.point = point
        curvatures = point.objective.of_local.curvatures(point.local.values)
        is_free = point.local.inside & (curvatures == 0)
        with np.errstate(all="ignore"):
            self.softness: FloatArray = np.where(point.local.inside & ~is_free, 1 / curvatures, 0.0)
        slopes = point.near.slopes()
        self.crosses: FloatArray = point.terms.slope[yields.local_bins, None] * slopes[yields.n_bins :]
        self.pulls: FloatArray = point.rates * self.softness
        spread = np.bincount(yields.local_bins, point.rates * self.pulls, yields.n_bins)
        self.stiffness: FloatArray = point.terms.curvature / (1 + point.terms.curvature * spread)
        self.stiffness[yields.local_bins[is_free & (point.rates != 0)]] = 0.0
        self.is_free = is_free
        self.slopes = yields.of_bins(slopes, point.local.values)
        self.moved = self.slopes.copy()
        np.add.at(self.moved, yields.local_bins, -self.pulls[:, None] * self.crosses)

    def by_shared(self) -> FloatArray:
        """(n_local, n_global), the derivatives of the local parameters by the global ones."""
        yields, point = self.point.objective.yields, self.point
        found = -self.softness[:, None] * self.crosses
        found -= self.pulls[:, None] * (self.stiffness[:, None] * self.moved)[yields.local_bins]
        rows = self.is_free & (point.rates != 0)
        found[rows] = -self.slopes[yields.local_bins[rows]] / point.rates[rows, None]
        return found

    def own_covariance(self) -> csr_array:
        """(n_local, n_local), the covariance of the local parameters for given global ones."""
        yields, rates = self.point.objective.yields, self.point.rates
        n_local, bins = len(yields.local), yields.local_bins
        diagonal = self.softness.copy()
        rows = self.is_free & (rates != 0)
        diagonal[rows] = 1 / np.maximum(self.point.terms.curvature[bins[rows]] * rates[rows] ** 2, 1e-300)
        places = np.arange(n_local)
        own = csr_array((diagonal, (places, places)), shape=(n_local, n_local))
        down = csr_array((self.pulls, (places, bins)), shape=(n_local, yields.n_bins))
        across = csr_array((self.pulls * self.stiffness[bins], (bins, places)), shape=(yields.n_bins, n_local))
        return own - down @ across
