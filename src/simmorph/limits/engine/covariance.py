"""The covariance of all parameters, from the curvature of the deviance at its minimum."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from simmorph.limits.engine.newton import scales_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.data.events import BoolArray, FloatArray
    from simmorph.limits.engine.objective import Point

FLAT = 1e-8
"""The share of its diagonal below which a curvature is none."""
SEEN = 1e-6
"""The weight of a parameter in a flat direction above which the data do not determine it."""


class Covariance:
    """The covariance at a minimum, in parts, so that its size stays in proportion to the number of local parameters.

    Args:
        point: the minimum.
        moving: (n_global,), the global parameters that are free and not held by a bound.
    """

    def __init__(self, point: Point, moving: BoolArray) -> None:
        self.point, self.moving = point, np.flatnonzero(moving)
        self._scale = scales_of(point)[self.moving]
        curvature = point.hessian[np.ix_(self.moving, self.moving)] / np.outer(self._scale, self._scale)
        self.sizes, self.directions = np.linalg.eigh(curvature)

    def is_determined(self, shared: int) -> bool:
        """Whether the deviance rises in all directions in which a global parameter changes."""
        flat = self.directions[self.moving == shared][:, self.sizes < FLAT]
        return bool(np.sum(flat**2) < SEEN)

    def deviation(self, shared: int) -> float:
        """The standard deviation of a global parameter."""
        return float(np.sqrt(self.shared[shared, shared]))

    @cached_property
    def shared(self) -> FloatArray:
        """(n_global, n_global), that of the global parameters; 0 of those that do not move."""
        n_global = len(self.point.shared)
        found = np.zeros((n_global, n_global))
        steep = self.sizes > FLAT
        half = self.directions[:, steep] / np.sqrt(self.sizes[steep])
        inverse = (half @ half.T) / np.outer(self._scale, self._scale)
        found[np.ix_(self.moving, self.moving)] = 2 * inverse
        return found

    @cached_property
    def _follow(self) -> FloatArray:
        """(n_local, n_global), the derivatives of the local parameters by the global ones."""
        return self.point.response.by_shared()

    def variances(self) -> FloatArray:
        """(n_parameters,), of each parameter."""
        yields = self.point.objective.yields
        found = np.zeros(yields.n_parameters)
        found[yields.shared] = np.diag(self.shared)
        found[yields.local] = np.einsum("ij,jk,ik->i", self._follow, self.shared, self._follow)
        found[yields.local] += self.point.response.own_covariance().diagonal()
        return found

    def of(self, places: Sequence[int]) -> FloatArray:
        """(n, n), of some parameters."""
        yields = self.point.objective.yields
        n_shared = len(yields.shared)
        # Each parameter as a row of numbers: what it follows of the global ones, and what it has of its own.
        place_of = {int(place): i for i, place in enumerate([*yields.shared, *yields.local])}
        rows = [place_of[place] for place in places]
        follow = np.array([np.eye(n_shared)[row] if row < n_shared else self._follow[row - n_shared] for row in rows])
        found = np.asarray(follow @ self.shared @ follow.T, np.float64)
        own = self.point.response.own_covariance().tocsr()
        for i, j in np.ndindex(found.shape):
            if min(rows[i], rows[j]) >= n_shared:
                found[i, j] += own[rows[i] - n_shared, rows[j] - n_shared]
        return found

    def of_bins(self, slopes: FloatArray, rates: FloatArray) -> FloatArray:
        """(n_bins,), the variances of numbers that depend on the parameters.

        Args:
            slopes: (n_bins, n_global), their derivatives by the global parameters.
            rates: (n_local,), the derivatives by the local parameters of each bin.
        """
        yields = self.point.objective.yields
        whole = slopes.copy()
        np.add.at(whole, yields.local_bins, rates[:, None] * self._follow)
        own = self.point.response.own_covariance()
        parts = rates * (own @ rates)
        local = np.bincount(yields.local_bins, parts, len(slopes))
        return np.asarray(np.einsum("ij,jk,ik->i", whole, self.shared, whole) + local, np.float64)

    def dense(self) -> FloatArray:
        """(n_parameters, n_parameters), of all, which is large where there are many local ones."""
        yields = self.point.objective.yields
        follow = np.zeros((yields.n_parameters, len(yields.shared)))
        follow[yields.shared, np.arange(len(yields.shared))] = 1.0
        follow[yields.local] = self._follow
        found = np.asarray(follow @ self.shared @ follow.T, np.float64)
        found[np.ix_(yields.local, yields.local)] += self.point.response.own_covariance().toarray()
        return found
