"""The deviances of many data sets as functions of the global parameters, with the local ones at their best."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.limits.engine.local import Constraint, Local
from simmorph.limits.engine.many.expansions import Expansions, Sums, summed
from simmorph.limits.engine.poisson import Counts

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray, IntArray


class Objectives:
    """The deviances of n data sets: all local parameters of all data sets are found together, each in a bin of its own.

    Args:
        sums: of the model.
        known: the constraints of all parameters, with (n, n_parameters) measurements.
        counts: (n, n_bins).
        bounds: (2, n_parameters); a local parameter whose bounds are equal is fixed.
    """

    def __init__(self, sums: Sums, known: Constraint, counts: FloatArray, bounds: FloatArray) -> None:
        self.sums, self.known, self.counts, self.bounds = sums, known, counts, bounds
        yields, n = sums.yields, len(counts)
        self.of_shared = _part(known, yields.shared)
        self.of_local = _flat(_part(known, yields.local), n)
        self.all_counts = Counts(counts.ravel())
        bins = (np.arange(n)[:, None] * yields.n_bins + yields.local_bins).ravel()
        self.local = Local(bins, self.of_local, np.tile(bounds[:, yields.local], n), self.all_counts)

    def of(self, rows: IntArray) -> Objectives:
        """Those of some of the data sets."""
        known = self.known._replace(measured=self.known.measured[rows])
        return Objectives(self.sums, known, self.counts[rows], self.bounds)

    def at(self, shared: FloatArray) -> Points:
        """The deviances near (n, n_global) parameters."""
        return Points.of(self, shared)


def _part(known: Constraint, which: IntArray) -> Constraint:
    """That of some parameters, with the measurements of each data set."""
    chosen = (known.scales[which], known.widths[which], known.normal[which], known.counted[which])
    return Constraint(known.measured[:, which], *chosen)


def _flat(known: Constraint, n: int) -> Constraint:
    """That of the parameters of all data sets, one after the other."""
    every = np.tile(np.arange(len(known.scales)), n)
    return known._replace(measured=known.measured[0]).of(every)._replace(measured=known.measured.ravel())


class Points(NamedTuple):
    """n deviances near a point each.

    Attributes:
        shared: (n, n_global), the points.
        deviance: (n,), -2 ln (L / L_saturated).
        gradient: (n, n_global).
        hessian: (n, n_global, n_global).
        rough: (n, n_global), the diagonal of `hessian` without what is curved in the yields.
        local: (n, n_local), the local parameters at their best.
    """

    shared: FloatArray
    deviance: FloatArray
    gradient: FloatArray
    hessian: FloatArray
    rough: FloatArray
    local: FloatArray

    @classmethod
    def of(cls, objectives: Objectives, shared: FloatArray) -> Points:
        """Those of all data sets at (n, n_global) points."""
        sums, known, n = objectives.sums, objectives.of_shared, len(shared)
        yields = sums.yields
        parameters = np.ones((n, yields.n_parameters))
        parameters[:, yields.shared] = shared
        near = Expansions(sums, parameters)
        rates = near.of_slots[:, yields.n_bins :]
        local = objectives.local.solve(near.of_slots[:, : yields.n_bins].ravel(), rates.ravel())
        values = local.values.reshape(n, -1)
        terms = objectives.all_counts.terms(sums.of_bins(near.of_slots, values).ravel())
        of_bins = [it.reshape(n, yields.n_bins) for it in terms]
        deviance = 2 * of_bins[0].sum(axis=1) + known.terms(shared).sum(axis=1)
        deviance += objectives.of_local.terms(local.values).reshape(n, -1).sum(axis=1)
        slopes = near.slopes()
        weights = np.concatenate([of_bins[1], of_bins[1][:, yields.local_bins] * values], axis=1)
        gradient = 2 * ((weights[:, None] @ slopes)[:, 0] + known.slopes(shared))
        inside = local.inside.reshape(n, -1)
        curvatures = objectives.of_local.curvatures(local.values).reshape(n, -1)
        half, rough = _half_hessian(sums, slopes, values, rates, of_bins, np.where(inside, curvatures, np.inf))
        half += near.curvature(weights[:, yields.slots])
        own, every = known.curvatures(shared), np.arange(shared.shape[1])
        half[:, every, every] += own
        return cls(shared, deviance, gradient, half + half.swapaxes(1, 2), 2 * (rough + own), values)

    def of_rows(self, rows: IntArray) -> Points:
        """Some of them."""
        return Points(*(it[rows] for it in self))

    def put(self, rows: IntArray, others: Points) -> None:
        """Others in the place of some of them."""
        for mine, its in zip(self, others, strict=True):
            mine[rows] = its


def _half_hessian(  # noqa: PLR0913, PLR0917 - what the response of local parameters depends on
    sums: Sums, slopes: FloatArray, values: FloatArray, rates: FloatArray, terms: list[FloatArray], stiff: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Half the second derivatives without what is curved in the yields, and half their diagonal; see `Response`.

    Args:
        sums: of the model.
        slopes: (n, n_slots, n_global), of the yields.
        values: (n, n_local), the local parameters.
        rates: (n, n_local), what they multiply.
        terms: (n, n_bins) values, slopes and curvatures of the Poisson terms.
        stiff: (n, n_local), the curvatures of the constraints; infinite for a parameter that stays where it is.
    """
    yields, (_, slope, curvature) = sums.yields, terms
    is_free = stiff == 0
    with np.errstate(all="ignore"):
        softness = np.where(is_free, 0.0, 1 / stiff)
    crosses = slope[:, yields.local_bins, None] * slopes[:, yields.n_bins :]
    pulls = rates * softness
    stiffness = curvature / (1 + curvature * summed(sums.bins, rates * pulls))
    stiffness = np.where(summed(sums.bins, (is_free & (rates != 0)).astype(np.float64)) > 0, 0.0, stiffness)
    moved = sums.of_bins(slopes, values) - summed(sums.bins, pulls[..., None] * crosses)
    found = (moved * stiffness[..., None]).swapaxes(1, 2) @ moved
    rough = np.einsum("nb,nbg->ng", stiffness, moved**2)
    return found - (crosses * softness[..., None]).swapaxes(1, 2) @ crosses, rough
