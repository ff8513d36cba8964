"""The yields of a model near many points at once, with their derivatives by the global parameters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from simmorph.limits.engine.yields import ZERO

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray, IntArray
    from simmorph.limits.engine.yields import Yields


class Sums:
    """Sums over cells, slots, groups and local parameters, for many points.

    Args:
        yields: of the model.
    """

    def __init__(self, yields: Yields) -> None:
        self.yields = yields
        self.slots = _adding(yields.slots, yields.n_slots)
        self.groups = _adding(yields.groups, len(yields.members))
        self.bins = _adding(yields.local_bins, yields.n_bins)
        self.places = _adding(yields.entry_places, len(yields.shared))

    def of_bins(self, of_slots: FloatArray, local: FloatArray) -> FloatArray:
        """(n, n_bins, ...) of (n, n_slots, ...): the slots of each bin, each times its (n, n_local) parameter."""
        n_bins = self.yields.n_bins
        weights = local[..., None] if of_slots.ndim > local.ndim else local
        return of_slots[:, :n_bins] + summed(self.bins, of_slots[:, n_bins:] * weights)


def _adding(where: IntArray, n: int) -> csr_array:
    """(n, len(where)), which adds up."""
    return csr_array((np.ones(len(where)), (where, np.arange(len(where)))), shape=(n, len(where)))


def summed(adding: csr_array, values: FloatArray) -> FloatArray:
    """(n, n_sums, ...) of (n, n_values, ...)."""
    columns = np.moveaxis(values, 1, 0)
    found = adding @ columns.reshape(len(columns), math.prod(columns.shape[1:]))
    return np.moveaxis(found.reshape(adding.shape[0], *columns.shape[1:]), 0, 1)


class Expansions:
    """The yields of all cells near n points, without their local parameters; see `Expansion`.

    Args:
        sums: of the model.
        parameters: (n, n_parameters), the points.

    Attributes:
        cells: (n, n_cells), what is expected in each cell.
        of_slots: (n, n_slots), what is expected in each slot.
    """

    def __init__(self, sums: Sums, parameters: FloatArray) -> None:
        self.sums, self.yields, self.parameters = sums, sums.yields, parameters
        factors = self.yields._factors(parameters)
        self.factors: FloatArray = np.where(factors == 0, ZERO, factors)
        self.products: FloatArray = self.factors[:, self.yields.deep].prod(axis=-1)[:, self.yields.groups]
        self.cells = self.products * self.yields._sums(parameters)
        self.of_slots = summed(sums.slots, self.cells)
        self.shift_slopes = [function.slopes(parameters[:, at]) for _, at, function in self.yields.shifts]
        self.ratios = self._ratios()

    def _ratios(self) -> FloatArray:
        """(n, n_groups, n_global), the derivative of the logarithm of the product of each group's factors."""
        yields = self.yields
        slopes = np.ones_like(self.factors)
        for its, at, function in yields.functions:
            slopes[:, yields.n_parameters + its] = function.slopes(self.parameters[:, at])
        found = np.zeros((len(self.factors), len(yields.members), len(yields.shared)))
        found[:, yields.entry_groups, yields.entry_places] = (slopes / self.factors)[:, yields.entry_factors]
        return found

    def slopes(self) -> FloatArray:
        """(n, n_slots, n_global), the derivatives of the sums."""
        found = self.cells[..., None] * self.ratios[:, self.yields.groups]
        for places, slopes in zip(self.yields.shift_places, self.shift_slopes, strict=True):
            found[..., places] += self.products[..., None] * slopes.swapaxes(1, 2)
        return summed(self.sums.slots, found)

    def curvature(self, weights: FloatArray) -> FloatArray:
        """(n, n_global, n_global), the second derivative of the sum of all cells times their (n, n_cells) weights."""
        yields, ratios = self.yields, self.ratios
        of_groups = summed(self.sums.groups, weights * self.cells)
        found = (ratios * of_groups[..., None]).swapaxes(1, 2) @ ratios
        every = np.arange(found.shape[1])
        found[:, every, every] = self._bends(of_groups)
        weighted = (weights * self.products)[:, None]
        for (_, at, function), places, slopes in zip(
            yields.shifts, yields.shift_places, self.shift_slopes, strict=True
        ):
            cross = ratios.swapaxes(1, 2) @ summed(self.sums.groups, (weighted * slopes).swapaxes(1, 2))
            found[:, :, places] += cross
            found[:, places] += cross.swapaxes(1, 2)
            found[:, places, places] += (function.curvatures(self.parameters[:, at]) * weighted).sum(axis=-1)
        return found

    def _bends(self, of_groups: FloatArray) -> FloatArray:
        """(n, n_global), the diagonal of the second derivative by the parameters of factors, without shifts."""
        yields = self.yields
        bends = np.zeros_like(self.factors)
        for its, at, function in yields.functions:
            bends[:, yields.n_parameters + its] = function.curvatures(self.parameters[:, at])
        parts = (bends / self.factors)[:, yields.entry_factors] * of_groups[:, yields.entry_groups]
        return summed(self.sums.places, parts)
