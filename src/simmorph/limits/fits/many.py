"""Fitted strength, its uncertainty, and CLs of many data sets of one model at once.

They are those of `fitted_strength` and `AsymptoticCls`. Where a data set needs more care, as with several minima or an
edge, that is said, and it is left to these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.limits.engine.covariance import SEEN
from simmorph.limits.engine.many.newton import covariances, tangents
from simmorph.limits.fits.inference import log_cls_of
from simmorph.limits.fits.profile import SAME
from simmorph.limits.fits.strength import EMPTY

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, FloatArray
    from simmorph.limits.engine.many.newton import Minima
    from simmorph.limits.engine.many.problems import Problems
    from simmorph.limits.model.likelihood import Data, Likelihood

LEAST_AT_ONCE = 5
"""With fewer data sets that fit into memory at once nothing is won."""


class ManyStrengths(NamedTuple):
    """What fits of n data sets found.

    Attributes:
        value: (n,), the fitted strengths, negative or not.
        uncertainty: (n,), from the curvatures.
        cls: (n,), CLs at the strength that was tested.
        is_sure: (n,), whether the others count; where not, the data set is to be fitted alone.
    """

    value: FloatArray
    uncertainty: FloatArray
    cls: FloatArray
    is_sure: BoolArray

    @classmethod
    def none(cls, n: int) -> ManyStrengths:
        """Nothing is known of n data sets."""
        nothing = np.full(n, np.nan)
        return cls(nothing, nothing, nothing, np.zeros(n, np.bool_))


def fits_at_once(likelihood: Likelihood) -> bool:
    """Whether data sets of this model can be fitted together: not where yields have kinks, or fill the memory."""
    return not likelihood.yields.has_kink and likelihood.n_at_once >= LEAST_AT_ONCE


def many_strengths(likelihood: Likelihood, data: Data, tested: float) -> ManyStrengths:
    """Fits of many data sets.

    Args:
        likelihood: of the model.
        data: in rows.
        tested: the strength at which CLs is wanted; none where it is 0, and CLs is 1 then.
    """
    n, n_at_once = len(data.main), likelihood.n_at_once
    if not fits_at_once(likelihood):
        return ManyStrengths.none(n)
    pieces = [slice(first, first + n_at_once) for first in range(0, n, n_at_once)]
    found = [_at_once(likelihood, data.rows(piece), tested) for piece in pieces]
    return ManyStrengths(*(np.concatenate(its) for its in zip(*found, strict=True)))


def _at_once(likelihood: Likelihood, data: Data, tested: float) -> ManyStrengths:
    poi, n = likelihood.poi_place, len(data.main)
    start = np.tile(likelihood.start[likelihood.yields.shared], (n, 1))
    of_free = likelihood.problems(data, likelihood.bounds(is_signed=True))
    free = of_free.minima(start)
    value, (covariance, flat) = free.points.shared[:, poi], covariances(free, of_free.each.box)
    uncertainty = np.sqrt(covariance[:, poi, poi])
    sure = of_free.lone(free) & (flat[:, poi] < SEEN) & (uncertainty > 0) & ~_at_edge(likelihood, data, of_free, free)
    if tested <= 0:
        return ManyStrengths(value, uncertainty, np.ones(n), sure)
    of_none, none = _minima_at(likelihood, data, free, 0.0)
    _, at = _minima_at(likelihood, data, free, tested)
    asimov = likelihood.expected(of_none.parameters(none))
    _, at_asimov = _minima_at(likelihood, asimov, none, tested)
    sure &= of_none.lone(none) & at.is_valid & at_asimov.is_valid
    lowest = np.where(value > 0, free.points.deviance, none.points.deviance)
    rise = np.where(tested > value, at.points.deviance - lowest, 0.0)
    sure &= np.minimum(rise, none.points.deviance - lowest) > -SAME
    roots = (np.sqrt(np.maximum(it, 0.0)) for it in (rise, at_asimov.points.deviance))
    return ManyStrengths(value, uncertainty, np.exp(log_cls_of(*roots)), sure)


def _minima_at(likelihood: Likelihood, data: Data, near: Minima, strength: float) -> tuple[Problems, Minima]:
    """Fits with a fixed strength, begun along the tangents of others."""
    poi = likelihood.poi_place
    step = strength - near.points.shared[:, poi]
    start = near.points.shared + step[:, None] * tangents(near, poi)
    problems = likelihood.problems(data, likelihood.bounds({likelihood.poi: strength}))
    return problems, problems.minima(start)


def _at_edge(likelihood: Likelihood, data: Data, problems: Problems, found: Minima) -> BoolArray:
    """(n,), whether a negative strength ends where a bin with signal and without counts expects nothing."""
    expected = likelihood.expected(problems.parameters(found)).main
    empty = (data.main < EMPTY) & (expected < EMPTY) & likelihood.has_signal
    return np.asarray(empty.any(axis=1) & (found.points.shared[:, likelihood.poi_place] < 0))
