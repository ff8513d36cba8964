"""Expected yields of a HistFactory model and their derivatives in closed form.

In bin b the model expects nu_b = sum over samples s of [prod over k of f_k(theta)] (n_sb + sum over j of d_jb(theta)):
the nominal yield n, shifted by the histosys modifiers, times a factor of each other modifier.

pyhf builds the model and says what it expects; `Yields` is the same function, which is compared to it at a few points.

Source: K. Cranmer et al., HistFactory, CERN-OPEN-2012-016; interpolations 0, 1, 4 and 4p of pyhf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from simmorph.limits.engine.cells import Cells

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray, IntArray

AGREEMENT = 1e-9
"""Relative difference to pyhf up to which yields are the same."""
N_COMPARED = 4
"""At how many points that is looked at."""
ZERO = 1e-60
"""What a factor of 0 is taken for, so that the derivatives by it are quotients too."""


def agrees_with_pyhf(yields: Yields, model: Any) -> bool:
    """Whether both expect the same at the start and at random points, beyond one standard deviation too."""
    rng = np.random.default_rng(0)
    start = np.array(model.config.suggested_init(), np.float64)
    lower, upper = np.array(model.config.suggested_bounds(), np.float64).T
    points = np.clip(
        start + rng.normal(0, [[0.0], *[[1.0]] * (N_COMPARED - 1)], (N_COMPARED, len(start))), lower, upper
    )
    with np.errstate(all="ignore"):
        pyhfs = np.array([np.asarray(model.main_model.expected_data(point), np.float64) for point in points])
        ours = yields.expected(points)
    return bool(np.allclose(ours, pyhfs, rtol=AGREEMENT, atol=AGREEMENT * float(np.abs(pyhfs).max())))


def _unconstrained(config: Any) -> list[int]:
    """The parameters that no auxiliary measurement knows."""
    free = (config.par_slice(name) for name in config.par_map if not config.param_set(name).constrained)
    return [parameter for place in free for parameter in range(place.start, place.stop)]


class Yields:
    """Yields and derivatives in closed form.

    A cell is one bin of one sample. What is expected in it is its nominal yield plus the shifts of its modifiers, times
    all its factors; every factor is a parameter itself or a function of one. Cells with the same factors are a group.

    A parameter that multiplies cells of one bin alone is local: the yield of the bin is a straight line in it. All
    others are global. The cells of a bin without a local parameter, and those of each local parameter, are a slot; the
    yield of a bin is the sum of its slots, each times its local parameter.

    Args:
        model: a `pyhf.pdf.Model` of known modifiers only.

    Attributes:
        local: (n_local,), the local parameters.
        local_bins: (n_local,), the bin of each.
        shared: (n_global,), the global parameters.
        n_slots: number of bins and of local parameters.
    """

    def __init__(self, model: Any) -> None:
        self.n_parameters, self.n_bins = int(model.config.npars), int(model.config.nmaindata)
        cells = Cells(model)
        local = cells.local_parameters(
            last=np.flatnonzero(model.config.suggested_fixed()).tolist(),
            alone=_unconstrained(model.config),
            never=[model.config.poi_index],
        )
        self.local: IntArray = np.array(list(local), np.int64)
        self.local_bins: IntArray = np.array(list(local.values()), np.int64)
        self.shared: IntArray = np.setdiff1d(np.arange(self.n_parameters), self.local)
        self.n_slots = self.n_bins + len(self.local)
        number = {parameter: self.n_bins + i for i, parameter in enumerate(local)}
        slots = [
            next((number[it] for it in of_bin if it in number), bin_number)
            for bin_number, of_bin in zip(cells.bins, cells.of_bin, strict=True)
        ]
        order = np.argsort(slots, kind="stable")
        self.slots: IntArray = np.array(slots, np.int64)[order]
        self.nominal: FloatArray = np.array(cells.nominal, np.float64)[order]
        others = [[it for it in of_bin if it not in number] for of_bin in cells.of_bin]
        self._group([its + more for its, more in zip(cells.factors, others, strict=True)], order)
        self.functions, self.shifts = cells.factor_groups(), cells.shift_groups(np.argsort(order))
        self.has_kink = any(group.function.has_kink for group in [*self.functions, *self.shifts])
        self._place_entries(len(cells.functions))
        self._make_sums()

    def _group(self, factors: list[list[int]], order: IntArray) -> None:
        """The group of each cell, and the factors of each group."""
        numbers: dict[tuple[int, ...], int] = {}
        groups = [numbers.setdefault(tuple(sorted(its)), len(numbers)) for its in factors]
        self.groups: IntArray = np.array(groups, np.int64)[order]
        self.members = [list(its) for its in numbers]

    def _place_entries(self, n_functions: int) -> None:
        """Which factor of which parameter is in which group."""
        one = self.n_parameters + n_functions
        n_deep = max(1, *map(len, self.members))
        self.deep: IntArray = np.array([its + [one] * (n_deep - len(its)) for its in self.members], np.int64)
        of_factor = np.arange(one)
        for its, at, _ in self.functions:
            of_factor[self.n_parameters + its] = at
        place = np.zeros(self.n_parameters, np.int64)
        place[self.shared] = np.arange(len(self.shared))
        self.entry_factors = np.array([factor for its in self.members for factor in its], np.int64)
        self.entry_groups = np.repeat(np.arange(len(self.members)), [len(its) for its in self.members])
        self.entry_places = place[of_factor[self.entry_factors]]
        pairs = self.entry_groups * max(1, len(self.shared)) + self.entry_places
        self.is_usable = len(np.unique(pairs)) == len(pairs)
        self.shift_places = [place[at] for _, at, _ in self.shifts]

    def _make_sums(self) -> None:
        """Sums over the cells of a slot and of a group, as sparse matrices whose numbers are filled in at a point."""
        n_cells = len(self.nominal)
        ends = np.searchsorted(self.slots, np.arange(self.n_slots + 1))
        ones = np.ones(n_cells)
        self.slot_cells = csr_array((ones, np.arange(n_cells), ends), shape=(self.n_slots, n_cells))
        self.slot_groups = csr_array((ones.copy(), self.groups, ends), shape=(self.n_slots, len(self.members)))
        self.group_order = np.argsort(self.groups, kind="stable")
        ends = np.searchsorted(self.groups[self.group_order], np.arange(len(self.members) + 1))
        self.group_cells = csr_array((ones.copy(), self.group_order, ends), shape=(len(self.members), n_cells))

    def expected(self, points: FloatArray) -> FloatArray:
        """(..., n_bins), at (..., n_parameters)."""
        flat = points.reshape(-1, points.shape[-1])
        factors = self._factors(flat)[:, self.deep].prod(axis=-1)
        cells = (self._sums(flat) * factors[:, self.groups]).T
        self.slot_cells.data[:] = 1.0
        sums = np.asarray(self.slot_cells @ cells, np.float64)
        return np.asarray(self.of_bins(sums, flat[:, self.local].T).T.reshape(*points.shape[:-1], -1), np.float64)

    def with_slopes(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Yields and derivatives, by local parameters too."""
        near, local = Expansion(self, parameters), parameters[self.local]
        slopes = np.zeros((self.n_parameters, self.n_bins))
        slopes[self.shared] = self.of_bins(near.slopes(), local).T
        slopes[self.local, self.local_bins] = near.sums[self.n_bins :]
        return self.of_bins(near.sums, local), slopes

    def slope(self, parameters: FloatArray, place: int) -> FloatArray:
        """(n_bins,), the derivatives by one global parameter.

        Args:
            parameters: (n_parameters,), where.
            place: of the parameter among the global ones.
        """
        return self.of_bins(Expansion(self, parameters).slopes()[:, place], parameters[self.local])

    def of_bins(self, of_slots: FloatArray, local: FloatArray) -> FloatArray:
        """(n_bins, ...) of (n_slots, ...): the slots of each bin, each times its (n_local, ...) parameter."""
        found = of_slots[: self.n_bins].copy()
        weights = local[:, None] if local.ndim < of_slots.ndim else local
        weighted = of_slots[self.n_bins :] * weights
        np.add.at(found, self.local_bins, weighted)
        return found

    def _sums(self, points: FloatArray) -> FloatArray:
        """(..., n_cells), nominal yields and shifts."""
        return sum((function.values(points[..., at]) for _, at, function in self.shifts), self.nominal)

    def _factors(self, points: FloatArray) -> FloatArray:
        """(..., n_parameters + n_functions + 1), all that a cell can be multiplied with: the last one is 1."""
        n_functions = sum(len(its) for its, *_ in self.functions)
        found = np.ones((*points.shape[:-1], self.n_parameters + n_functions + 1))
        found[..., : self.n_parameters] = points
        for its, at, function in self.functions:
            found[..., self.n_parameters + its] = function.values(points[..., at])
        return found


class Expansion:
    """The yields of all cells near a point, without their local parameters, and derivatives by the global ones.

    Args:
        yields: of the model.
        parameters: (n_parameters,), the point.

    Attributes:
        cells: (n_cells,), what is expected in each cell.
        sums: (n_slots,), what is expected in each slot.
    """

    def __init__(self, yields: Yields, parameters: FloatArray) -> None:
        self.yields, self.parameters = yields, parameters
        factors = yields._factors(parameters)
        self.factors: FloatArray = np.where(factors == 0, ZERO, factors)
        products = self.factors[yields.deep].prod(axis=1)
        self.products: FloatArray = products[yields.groups]
        self.cells = self.products * yields._sums(parameters)
        self.sums: FloatArray = np.asarray(np.bincount(yields.slots, self.cells, yields.n_slots), np.float64)
        self.shift_slopes = [function.slopes(parameters[at]) for _, at, function in yields.shifts]
        self.ratios = self._ratios()

    def _ratios(self) -> FloatArray:
        """(n_groups, n_global), the derivative of the logarithm of the product of each group's factors."""
        yields = self.yields
        slopes = np.ones(len(self.factors))
        for its, at, function in yields.functions:
            slopes[yields.n_parameters + its] = function.slopes(self.parameters[at])
        found = np.zeros((len(yields.members), len(yields.shared)))
        with np.errstate(over="ignore"):  # a step too far, to a factor of almost 0, is not finite and not taken
            found[yields.entry_groups, yields.entry_places] = (slopes / self.factors)[yields.entry_factors]
        return found

    def slopes(self) -> FloatArray:
        """(n_slots, n_global), the derivatives of the sums."""
        yields = self.yields
        yields.slot_groups.data[:] = self.cells
        found: FloatArray = yields.slot_groups @ self.ratios
        yields.slot_cells.data[:] = self.products
        for places, slopes in zip(yields.shift_places, self.shift_slopes, strict=True):
            found[:, places] += yields.slot_cells @ slopes.T
        return found

    def _of_groups(self, of_cells: FloatArray) -> FloatArray:
        """(n_groups,), sums of (n_cells,)."""
        return np.asarray(np.bincount(self.yields.groups, of_cells, len(self.yields.members)), np.float64)

    def gradient(self, weights: FloatArray) -> FloatArray:
        """(n_global,), the derivative of the sum of all cells times their (n_cells,) weights."""
        yields = self.yields
        of_groups = self._of_groups(weights * self.cells)
        found = of_groups @ self.ratios
        for places, slopes in zip(yields.shift_places, self.shift_slopes, strict=True):
            found[places] += slopes @ (weights * self.products)
        return np.asarray(found, np.float64)

    def curvature(self, weights: FloatArray) -> FloatArray:
        """(n_global, n_global), the second derivative of the sum of all cells times their (n_cells,) weights."""
        yields, ratios = self.yields, self.ratios
        of_groups = self._of_groups(weights * self.cells)
        found = (ratios * of_groups[:, None]).T @ ratios
        np.fill_diagonal(found, self._bends(of_groups))
        weighted = weights * self.products
        yields.group_cells.data[:] = weighted[yields.group_order]
        for (_, at, function), places, slopes in zip(
            yields.shifts, yields.shift_places, self.shift_slopes, strict=True
        ):
            cross = ratios.T @ (yields.group_cells @ slopes.T)
            found[:, places] += cross
            found[places] += cross.T
            found[places, places] += function.curvatures(self.parameters[at]) @ weighted
        return found

    def _bends(self, of_groups: FloatArray) -> FloatArray:
        """(n_global,), the diagonal of the second derivative by the parameters of factors, without shifts."""
        yields = self.yields
        bends = np.zeros(len(self.factors))
        for its, at, function in yields.functions:
            bends[yields.n_parameters + its] = function.curvatures(self.parameters[at])
        parts = (bends / self.factors)[yields.entry_factors] * of_groups[yields.entry_groups]
        return np.asarray(np.bincount(yields.entry_places, parts, len(yields.shared)), np.float64)
