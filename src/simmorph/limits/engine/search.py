"""Other minima of a deviance: where yields bend with a parameter, its opposite value may describe the data too.

The starts are the mirror images of a minimum: each parameter that bends the yields with its sign turned, the others
moved along as the curvature says; all of them turned; the nominal parameters; and free normalisations that end at a
bound put back to where they began, since their samples' bends are invisible there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.limits.engine.covariance import Covariance
from simmorph.limits.engine.newton import minimise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.limits.engine.newton import Box, Minimum
    from simmorph.limits.engine.objective import Objective
    from simmorph.limits.engine.yields import Yields

BEND = 0.2
"""The bend in standard deviations of the counts from which a parameter may make two minima."""
NEAR_NOMINAL = 0.4
"""A pull below which the mirror image would be the same minimum; both sides are tried from `ASIDE` then."""
FAR_FROM_NOMINAL = 1.0
"""A pull below which `ASIDE` on the same side is tried too."""
ASIDE = 1.2
SAME = 1e-6
"""Difference of the deviance, and of parameters, up to which two minima are the same."""
MAX_ROUNDS = 6
MOST_NUMBERS = 300_000
"""Yields of cells that are in memory at a time where bends are looked for."""


class Problem(NamedTuple):
    """What is minimised.

    Attributes:
        objective: the deviance.
        box: bounds.
        nominal: (n_global,), where fits begin.
        normalisations: (n_global,), which parameters nothing constrains, but that of interest.
    """

    objective: Objective
    box: Box
    nominal: FloatArray
    normalisations: BoolArray

    def minimum(self, start: FloatArray, known: Sequence[Minimum] = ()) -> Minimum:
        """That which is reached from (n_global,) parameters."""
        return minimise(self.objective, start, self.box, known)


def minima_from(problem: Problem, found: Minimum) -> list[Minimum]:
    """All minima that are found from the mirror images of one, and of each that is lower; the lowest first."""
    minima = [found]
    for _ in range(MAX_ROUNDS):
        lowest = minima[0]
        for start in _starts(problem, lowest):
            other = problem.minimum(start, minima)
            if not other.is_valid or any(_is_same(other, it) for it in minima):
                continue
            minima.append(other)
            if other.point.deviance < lowest.point.deviance - SAME:
                break
        minima.sort(key=lambda it: it.point.deviance)
        if minima[0] is lowest:
            break
    return minima


def _is_same(one: Minimum, other: Minimum) -> bool:
    apart = np.abs(one.point.expected - other.point.expected)
    near = bool(np.all(apart <= 1e-4 * np.sqrt(np.maximum(one.point.expected, 1.0))))
    off = one.point.shared - other.point.shared
    return abs(one.point.deviance - other.point.deviance) < SAME and near and bool(np.all(np.abs(off) < 1e-3))


def _starts(problem: Problem, found: Minimum) -> Iterator[FloatArray]:
    x, box = found.point.shared, problem.box
    at_bound = problem.normalisations & box.free & ((x <= box.lower) | (x >= box.upper))
    bent, hidden = bending(problem, found, at_bound)
    if at_bound.any():
        yield np.where(at_bound, problem.nominal, x)
    covariance = Covariance(found.point, found.moving).shared if len(bent) or len(hidden) else np.eye(len(x))
    for parameter in [*bent, *hidden]:
        for [to] in turned(x[[parameter]]):
            if np.isnan(to):
                continue
            column = covariance[:, parameter]
            along = column / column[parameter] if column[parameter] > 0 else np.eye(1, len(x), parameter)[0]
            moved = x + along * (to - x[parameter])
            yield np.where(at_bound, problem.nominal, moved) if parameter in hidden else moved
    if len(bent):
        opposite = x.copy()
        opposite[bent] *= -1
        yield opposite
        yield np.where(box.free, problem.nominal, x)


def turned(values: FloatArray) -> FloatArray:
    """(2, n), where parameters are put: NaN of one that has a single place.

    Args:
        values: (n,), at the minimum.
    """
    near, further = np.abs(values) < NEAR_NOMINAL, np.abs(values) < FAR_FROM_NOMINAL
    other = np.where(further, np.copysign(ASIDE, values), np.nan)
    return np.array([np.where(near, ASIDE, -values), np.where(near, -ASIDE, other)])


def bending(problem: Problem, found: Minimum, at_bound: BoolArray) -> tuple[IntArray, IntArray]:
    """The global parameters that bend the yields at a minimum, and those that do so once normalisations are reset.

    Args:
        problem: what was minimised.
        found: the minimum.
        at_bound: (n_global,), the normalisations that end at a bound there.
    """
    yields = problem.objective.yields
    at = curved(problem)
    here, reset = found.point.parameters, found.point.parameters.copy()
    reset[yields.shared[at_bound]] = problem.nominal[at_bound]
    [seen] = bends(yields, here[None], at) > BEND
    hidden = np.zeros_like(seen)
    if at_bound.any():
        hidden = ~seen & (bends(yields, reset[None], at)[0] > BEND)
    return np.searchsorted(yields.shared, at[seen]), np.searchsorted(yields.shared, at[hidden])


def curved(problem: Problem) -> IntArray:
    """The parameters that move and of which yields are functions, not multiples."""
    yields = problem.objective.yields
    groups = [*yields.functions, *yields.shifts]
    at = np.unique(np.concatenate([group.at for group in groups])) if groups else np.empty(0, np.int64)
    return at[np.isin(at, yields.shared[problem.box.free])]


def bends(yields: Yields, origins: FloatArray, at: IntArray) -> FloatArray:
    """(n, len(at)), by how many standard deviations of the counts the yields bend with each of some parameters.

    Args:
        yields: of the model.
        origins: (n, n_parameters), the others.
        at: the parameters.
    """
    found = np.empty((len(origins), len(at)))
    n_at_once = max(1, MOST_NUMBERS // (3 * len(origins) * len(yields.nominal)))
    for first in range(0, len(at), n_at_once):
        some = at[first : first + n_at_once]
        points = np.tile(origins, (len(some), 3, 1, 1))
        for number, parameter in enumerate(some):
            points[number, :, :, parameter] = np.array([1.0, -1.0, 0.0])[:, None]
        up, down, middle = np.moveaxis(yields.expected(points), 1, 0)
        bend = (up + down - 2 * middle) ** 2 / np.maximum(np.abs(middle), 1.0)
        found[:, first : first + n_at_once] = np.sqrt(bend.sum(axis=-1)).T
    return found
