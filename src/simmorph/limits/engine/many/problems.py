"""Many deviances with their bounds: their minima, and which of these are certainly the only ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.limits.engine.many.newton import covariances, minimise
from simmorph.limits.engine.search import BEND, SAME, bends, curved, turned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.limits.engine.many.newton import Minima
    from simmorph.limits.engine.many.points import Objectives
    from simmorph.limits.engine.search import Problem


class Problems(NamedTuple):
    """What is minimised.

    Attributes:
        objectives: the deviances.
        each: the problem of one of them, whose bounds are those of all.
    """

    objectives: Objectives
    each: Problem

    def minima(self, start: FloatArray) -> Minima:
        """Those that are reached from (n, n_global) parameters."""
        return minimise(self.objectives, start, self.each.box)

    def parameters(self, found: Minima) -> FloatArray:
        """(n, n_parameters), at minima."""
        yields = self.each.objective.yields
        parameters = np.empty((len(found.is_valid), yields.n_parameters))
        parameters[:, yields.shared], parameters[:, yields.local] = found.points.shared, found.points.local
        return parameters

    def lone(self, found: Minima) -> BoolArray:
        """(n,), whether the search of `minima_from` would find no other minimum.

        False too where that is not looked at: of a minimum that is not valid, or has a normalisation at a bound.
        """
        x, box = found.points.shared, self.each.box
        at_bound = self.each.normalisations & box.free & ((x <= box.lower) | (x >= box.upper))
        sure = found.is_valid & ~at_bound.any(axis=1)
        for rows, start in self._mirrored(found):
            its = sure[rows]
            chosen, known = rows[its], found.of_rows(rows[its])
            if len(chosen):
                others = minimise(self.objectives.of(chosen), start[its], box, known)
                sure[chosen] = others.is_valid & _is_same(others, known)
        return sure

    def _mirrored(self, found: Minima) -> Iterator[tuple[IntArray, FloatArray]]:
        """Rows, and where their search begins: the mirror images of their minima."""
        yields, x = self.each.objective.yields, found.points.shared
        at = curved(self.each)
        bent = bends(yields, self.parameters(found), at) > BEND
        any_bent = np.flatnonzero(bent.any(axis=1))
        if not len(any_bent):
            return
        shared, _ = covariances(found, self.each.box)
        for column, place in enumerate(np.searchsorted(yields.shared, at)):
            rows = np.flatnonzero(bent[:, column])
            for places in turned(x[rows, place]):
                some, to = rows[np.isfinite(places)], places[np.isfinite(places)]
                column_of = shared[some][:, :, place]
                size = column_of[:, place, None]
                unit = np.eye(1, x.shape[1], place)
                along = np.where(size > 0, column_of / np.where(size > 0, size, 1.0), unit)
                yield some, x[some] + along * (to - x[some, place])[:, None]
        opposite = x.copy()
        opposite[:, np.searchsorted(yields.shared, at)] *= np.where(bent, -1.0, 1.0)
        yield any_bent, opposite[any_bent]
        nominal = np.where(self.each.box.free, self.each.nominal, x)
        yield any_bent, nominal[any_bent]


def _is_same(ones: Minima, others: Minima) -> BoolArray:
    near = np.abs(ones.points.shared - others.points.shared).max(axis=1, initial=0.0) < 1e-3
    return np.asarray(near & (np.abs(ones.points.deviance - others.points.deviance) < SAME))
