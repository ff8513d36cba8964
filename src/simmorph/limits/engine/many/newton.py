"""Newton's method for many data sets at once; those that need more care are left to `engine.newton`.

The rules are those of one fit: parameters are let go from bounds by the sign of the gradient, a step counts where the
deviance falls as the parabola promises, and a minimum is where the promise ends and the curvature is positive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.limits.engine.covariance import FLAT
from simmorph.limits.engine.newton import FLOOR, ROUNDING, SAME_PARABOLA, TOLERANCE, WHIFF, within

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.limits.engine.many.points import Objectives, Points
    from simmorph.limits.engine.newton import Box

MAX_STEPS = 40


class Minima(NamedTuple):
    """Where n runs ended.

    Attributes:
        points: the deviances there.
        is_valid: (n,), whether it is known to be a minimum.
        moving: (n, n_global), which parameters are free there and not held by a bound.
    """

    points: Points
    is_valid: BoolArray
    moving: BoolArray

    def of_rows(self, rows: IntArray) -> Minima:
        """Some of them."""
        return Minima(self.points.of_rows(rows), self.is_valid[rows], self.moving[rows])


class _Steps(NamedTuple):
    """A step of n runs: where it ends, what it promises, whether all curves upwards, and what no bound holds."""

    to: FloatArray
    gain: FloatArray
    is_convex: BoolArray
    moving: BoolArray


def minimise(objectives: Objectives, start: FloatArray, box: Box, known: Minima | None = None) -> Minima:
    """The minima that are reached from (n, n_global) starts.

    Args:
        objectives: the deviances.
        start: where to begin; within bounds it is moved.
        box: bounds.
        known: a minimum of each; a run that comes back to it ends there.
    """
    points = objectives.at(np.clip(start, box.lower, box.upper))
    n = len(start)
    is_valid, moving, damping = np.zeros(n, np.bool_), np.tile(box.free, (n, 1)), np.zeros(n)
    running = np.arange(n)
    for _ in range(MAX_STEPS):
        here = points.of_rows(running)
        is_finite = (
            np.isfinite(here.deviance) & np.isfinite(here.gradient).all(1) & np.isfinite(here.hessian).all((1, 2))
        )
        running, here = running[is_finite], here.of_rows(np.flatnonzero(is_finite))
        if not len(running):
            break
        step = _steps(here, box, damping[running])
        moving[running] = step.moving
        done = step.gain < TOLERANCE
        is_valid[running[done]] = step.is_convex[done]
        if known is not None:
            back = ~done & _is_near(step.to, here, known.of_rows(running))
            points.put(running[back], known.points.of_rows(running[back]))
            is_valid[running[back]], moving[running[back]] = True, known.moving[running[back]]
            done |= back
        going = np.flatnonzero(~done)
        running, here = running[going], here.of_rows(going)
        if not len(running):
            break
        there = objectives.of(running).at(step.to[going])
        gain = step.gain[going]
        with np.errstate(all="ignore"):
            share = np.nan_to_num((here.deviance - there.deviance) / gain, nan=-1.0, posinf=-1.0, neginf=-1.0)
        better = share > 1e-4
        points.put(running[better], there.of_rows(np.flatnonzero(better)))
        eased = np.where(damping[running] > 1e-8, damping[running] / 10, 0.0)
        damping[running] = np.where(
            better, np.where(share > 0.5, eased, damping[running]), np.maximum(5 * damping[running], 0.01)
        )
        # Less than the deviance can resolve.
        settled = ~better & (gain < 1e-7) & (np.abs(share * gain) < 1e-9)
        is_valid[running[settled]] = step.is_convex[going][settled]
        running = running[~settled]
    return Minima(points, is_valid, moving)


def _is_near(to: FloatArray, here: Points, known: Minima) -> BoolArray:
    """(n,), whether a step ends in the parabola of a known minimum that is not above it."""
    off = to - known.points.shared
    away = (np.abs(off) > 1e-6) & ~known.moving
    rise = (off[:, None] @ known.points.hessian @ off[..., None])[:, 0, 0] / 2
    is_below = here.deviance < known.points.deviance - TOLERANCE
    return np.asarray(known.is_valid & ~is_below & ~away.any(axis=1) & (np.abs(rise) < SAME_PARABOLA))


def _steps(here: Points, box: Box, damping: FloatArray) -> _Steps:
    """The steps to the minima of the parabolas within the bounds."""
    x, gradient, scales = here.shared, here.gradient, _scales(here)
    held = ~box.free | ((x <= box.lower) & (gradient > 0)) | ((x >= box.upper) & (gradient < 0))
    curvature, is_convex = _positive(_without(here.hessian / (scales[:, :, None] * scales[:, None]), held))
    every = np.arange(x.shape[1])
    curvature[:, every, every] += damping[:, None]
    slope = np.where(held, 0.0, gradient / scales)
    move = np.where(held, 0.0, -np.linalg.solve(curvature, slope[..., None])[..., 0])
    low, high = (box.lower - x) * scales, (box.upper - x) * scales
    for row in np.flatnonzero(((move < low) | (move > high)).any(axis=1) & ~held.all(axis=1)):
        its = np.flatnonzero(~held[row])
        of_row = curvature[row][np.ix_(its, its)], slope[row, its], low[row, its], high[row, its]
        move[row, its] = within(*of_row)
    to = np.clip(x + move / scales, box.lower, box.upper)
    move = np.where(held, 0.0, (to - x) * scales)
    gain = -(slope * move).sum(1) - (move[:, None] @ curvature @ move[..., None])[:, 0, 0] / 2
    return _Steps(np.where(held, x, to), gain, is_convex, ~held)


def _scales(here: Points) -> FloatArray:
    """(n, n_global), by which the parameters are multiplied so that the curvatures are about 1."""
    curvature = np.maximum(here.rough, 0.0)
    curvature = np.where(curvature > 1e-20, curvature, np.abs(np.diagonal(here.hessian, axis1=1, axis2=2)))
    scales = np.sqrt(curvature)
    return np.where(scales > 1e-10, scales, np.where(here.gradient != 0, np.abs(here.gradient), 1.0))


def _without(curvature: FloatArray, held: BoolArray) -> FloatArray:
    """The curvatures without those of held parameters, in whose place there is a unit."""
    found = np.where(held[:, :, None] | held[:, None], 0.0, curvature)
    every = np.arange(held.shape[1])
    found[:, every, every] = np.where(held, 1.0, found[:, every, every])
    return found


def _positive(curvature: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Positive curvatures: as they are, or with the sizes of their principal ones; and which were so."""
    firm = curvature + WHIFF * np.eye(curvature.shape[1])
    try:
        np.linalg.cholesky(firm)
    except np.linalg.LinAlgError:
        sizes, directions = np.linalg.eigh(curvature)
        least = np.maximum(FLOOR, ROUNDING * np.abs(sizes).max(axis=1, keepdims=True))
        bent = (directions * np.maximum(np.abs(sizes), least)[:, None]) @ directions.swapaxes(1, 2)
        is_convex = sizes[:, 0] > 0
        return np.where(is_convex[:, None, None], firm, bent), is_convex
    return firm, np.ones(len(curvature), np.bool_)


def tangents(found: Minima, place: int) -> FloatArray:
    """(n, n_global), the derivatives of minima by one parameter, the others that no bound holds following it."""
    points, n_global = found.points, found.moving.shape[1]
    follows = found.moving & (np.arange(n_global) != place)
    scales = _scales(points)
    curvature, _ = _positive(_without(points.hessian / (scales[:, :, None] * scales[:, None]), ~follows))
    right = np.where(follows, points.hessian[:, :, place] / scales, 0.0)
    along = np.where(follows, -np.linalg.solve(curvature, right[..., None])[..., 0] / scales, 0.0)
    along[:, place] = 1.0
    return along


def covariances(found: Minima, box: Box) -> tuple[FloatArray, FloatArray]:
    """The covariances of the global parameters, and how far each is in flat directions; see `Covariance`.

    Args:
        found: minima.
        box: bounds.

    Returns:
        (n, n_global, n_global), 0 of those at a bound; (n, n_global), a weight that is 0 of those that the data
        determine.
    """
    points = found.points
    moving = box.free & (points.shared > box.lower) & (points.shared < box.upper)
    scales = _scales(points)
    sizes, directions = np.linalg.eigh(_without(points.hessian / (scales[:, :, None] * scales[:, None]), ~moving))
    steep = (sizes > FLAT)[:, None]
    half = np.where(steep, directions / np.sqrt(np.maximum(sizes, FLAT))[:, None], 0.0) / scales[..., None]
    shared = np.where(moving[:, :, None] & moving[:, None], 2 * (half @ half.swapaxes(1, 2)), 0.0)
    return shared, np.sum(np.where(steep, 0.0, directions**2), axis=2)
