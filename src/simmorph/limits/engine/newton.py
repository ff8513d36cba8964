"""Newton's method within bounds: exact second derivatives, parameters let go from bounds by the sign of the gradient.

A bound holds a parameter only as long as the gradient presses against it (the condition of Karush, Kuhn and Tucker);
this is asked anew in every step. Where the curvature is negative, its size is taken: the step leaves a saddle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh
from scipy.linalg.lapack import dpotrf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.limits.engine.objective import Objective, Point

TOLERANCE = 1e-10
"""Further decrease of the deviance that the parabola promises at which a fit has converged."""
MAX_STEPS = 150
MAX_KICKS = 6
"""How often a run starts again beside a saddle."""
MAX_CHANGES = 40
"""How often parameters are put to their bounds or let go within one step."""
WHIFF = 1e-9
"""Added to the unit diagonal, so that a parameter without effect stays where it is."""
FLOOR = 1e-6
"""The least size of a curvature whose sign is wrong, with a unit diagonal."""
ROUNDING = 1e-12
"""The same as a share of the largest curvature, below which it is lost by rounding."""
SADDLE = -1e-7
TINY = 1e-200
"""A parameter at a kink has this size, so that it has a side."""
SAME_PARABOLA = 0.02
"""Rise of the deviance of a known minimum up to which a step that ends there would come to the same one."""


class Box(NamedTuple):
    """Where the global parameters may be.

    Attributes:
        lower: (n_global,).
        upper: (n_global,).
        free: (n_global,), which of them move at all.
        kinks: (n_kinks,), those whose derivative jumps at 0.
    """

    lower: FloatArray
    upper: FloatArray
    free: BoolArray
    kinks: IntArray


class Minimum(NamedTuple):
    """Where a run ended.

    Attributes:
        point: the deviance there.
        is_valid: whether it is a minimum within the bounds.
        moving: (n_global,), which parameters are free there and not held by a bound.
    """

    point: Point
    is_valid: bool
    moving: BoolArray


class _Step(NamedTuple):
    """A step of one run.

    Attributes:
        to: (n_global,), where it ends.
        gain: the decrease that the parabola promises.
        is_convex: whether the deviance curves upwards in all directions.
        moving: (n_global,), which parameters no bound holds.
    """

    to: FloatArray
    gain: float
    is_convex: bool
    moving: BoolArray


def minimise(objective: Objective, start: FloatArray, box: Box, known: Sequence[Minimum] = ()) -> Minimum:
    """The minimum that is reached from a start.

    Args:
        objective: the deviance.
        start: (n_global,), where to begin; within bounds it is moved.
        box: bounds.
        known: minima; a run that comes back to one of them ends there.
    """
    here = objective.at(_sided(np.clip(start, box.lower, box.upper), box))
    damping, kicks = 0.0, 0
    for _ in range(MAX_STEPS):
        if not here.is_finite:
            return Minimum(here, False, box.free)
        step = _step(here, box, damping)
        if step.gain < TOLERANCE:
            beside = None if step.is_convex or kicks >= MAX_KICKS else _beside(here, objective, box, step.moving)
            if beside is None:
                return Minimum(here, step.is_convex or kicks < MAX_KICKS, step.moving)
            here, kicks, damping = beside, kicks + 1, 0.0
        elif near := [minimum for minimum in known if _is_near(step.to, here, minimum)]:
            return near[0]
        else:
            there = objective.at(step.to)
            share = (here.deviance - there.deviance) / step.gain
            if share > 1e-4:
                here, damping = there, _eased(damping) if share > 0.5 else damping
            elif step.gain < 1e-7 and abs(share * step.gain) < 1e-9:
                return Minimum(here, step.is_convex, step.moving)  # less than the deviance can resolve
            else:
                damping = max(5 * damping, 0.01)
    return Minimum(here, False, box.free)


def _eased(damping: float) -> float:
    return damping / 10 if damping > 1e-8 else 0.0


def _is_near(to: FloatArray, here: Point, minimum: Minimum) -> bool:
    """Whether a step ends in the parabola of a known minimum that is not above it."""
    off = to - minimum.point.shared
    if here.deviance < minimum.point.deviance - TOLERANCE or np.any(np.abs(off[~minimum.moving]) > 1e-6):
        return False
    return abs(float(off @ minimum.point.hessian @ off)) / 2 < SAME_PARABOLA


def scales_of(point: Point) -> FloatArray:
    """(n_global,), by which the parameters are multiplied so that the curvatures are about 1."""
    curvature = np.maximum(point.rough, 0.0)
    curvature = np.where(curvature > 1e-20, curvature, np.abs(np.diag(point.hessian)))
    scales = np.sqrt(curvature)
    return np.where(scales > 1e-10, scales, np.where(point.gradient != 0, np.abs(point.gradient), 1.0))


def solved(point: Point, its: IntArray, right: FloatArray) -> FloatArray:
    """The second derivatives of some global parameters, inverted, times a vector."""
    scale = scales_of(point)[its]
    curvature, _ = _positive(point.hessian[np.ix_(its, its)] / np.outer(scale, scale))
    return np.asarray(cho_solve(cho_factor(curvature), right / scale) / scale, np.float64)


def _step(here: Point, box: Box, damping: float) -> _Step:
    """The step to the minimum of the parabola within the bounds."""
    here, box, stays = _orthant(here, box)
    x, gradient, scales = here.shared, here.gradient, scales_of(here)
    held = ~box.free | stays | ((x <= box.lower) & (gradient > 0)) | ((x >= box.upper) & (gradient < 0))
    moving = np.flatnonzero(~held)
    to = x.copy()
    if not len(moving):
        return _Step(to, 0.0, True, ~held)
    scale = scales[moving]
    curvature = here.hessian[np.ix_(moving, moving)] / np.outer(scale, scale)
    curvature, is_convex = _positive(curvature)
    curvature[np.diag_indices_from(curvature)] += damping
    slope = gradient[moving] / scale
    low, high = (box.lower[moving] - x[moving]) * scale, (box.upper[moving] - x[moving]) * scale
    move = within(curvature, slope, low, high)
    to[moving] = np.clip(x[moving] + move / scale, box.lower[moving], box.upper[moving])
    move = (to - x)[moving] * scale
    gain = -float(slope @ move + move @ curvature @ move / 2)
    return _Step(to, gain, is_convex, ~held)


def _positive(curvature: FloatArray) -> tuple[FloatArray, bool]:
    """A positive curvature: as it is, or with the sizes of its principal ones; and whether it was so."""
    firm = curvature + WHIFF * np.eye(len(curvature))
    if dpotrf(firm)[1] == 0:
        return firm, True
    # Only the few that are too small: all of them take four times as long.
    least = max(FLOOR, ROUNDING * float(np.abs(curvature).sum(axis=1).max()))
    sizes, directions = eigh(curvature, subset_by_value=(-np.inf, least), check_finite=False)
    bent = curvature + (directions * (np.maximum(np.abs(sizes), least) - sizes)) @ directions.T
    return bent, bool(np.min(sizes, initial=0.0) > SADDLE)


def within(curvature: FloatArray, slope: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """The minimum of a parabola within bounds about 0; what is put to a bound is let go by the sign of its slope."""
    move = -cho_solve(cho_factor(curvature), slope)
    if np.all((move >= low) & (move <= high)):
        return np.asarray(move, np.float64)
    pinned = np.zeros(len(slope), np.bool_)
    move = np.zeros(len(slope))
    for _ in range(MAX_CHANGES):
        free = ~pinned
        if free.any():
            pull = slope[free] + curvature[np.ix_(free, pinned)] @ move[pinned]
            move[free] = -cho_solve(cho_factor(curvature[np.ix_(free, free)]), pull)
        outside = free & ((move < low) | (move > high))
        if outside.any():
            move = np.clip(move, low, high)
            pinned |= outside
            continue
        press = slope + curvature @ move
        released = pinned & (((move <= low) & (press < 0)) | ((move >= high) & (press > 0)))
        if not released.any():
            break
        pinned &= ~released
    return np.asarray(np.clip(move, low, high), np.float64)


def _beside(here: Point, objective: Objective, box: Box, moving: BoolArray) -> Point | None:
    """A lower point beside a saddle; None if there is none, and the valley is flat."""
    its = np.flatnonzero(moving)
    scale = scales_of(here)[its]
    sizes, directions = np.linalg.eigh(here.hessian[np.ix_(its, its)] / np.outer(scale, scale))
    if sizes[0] > SADDLE:
        return None
    lowest = None
    for length in (0.1, 1.0):
        for side in (1, -1):
            to = here.shared.copy()
            to[its] += side * length * directions[:, 0] / scale
            there = objective.at(_sided(np.clip(to, box.lower, box.upper), box))
            if there.deviance < here.deviance - TOLERANCE and (lowest is None or there.deviance < lowest.deviance):
                lowest = there
    return lowest


def _sided(shared: FloatArray, box: Box) -> FloatArray:
    """The same with every parameter at a kink on a side of it."""
    at_kink = box.kinks[np.abs(shared[box.kinks]) < TINY]
    shared[at_kink] = TINY
    return shared


def _orthant(here: Point, box: Box) -> tuple[Point, Box, BoolArray]:
    """The point and the box without what is behind a kink, and the parameters that stay at one.

    A parameter at its kink stays there where the deviance rises to both sides, else it goes to the steeper one.
    """
    stays = np.zeros(len(box.free), np.bool_)
    kinks = box.kinks
    if not len(kinks):
        return here, box, stays
    x = here.shared.copy()
    at_kink = kinks[np.abs(x[kinks]) <= TINY]
    if len(at_kink):
        up, down = (_turned(here, at_kink, side).gradient[at_kink] for side in (1, -1))
        stays[at_kink[(up >= 0) & (down <= 0)]] = True
        x[at_kink] = np.where(-up >= down, TINY, -TINY)
        here = here.objective.at(x)
    lower, upper = box.lower.copy(), box.upper.copy()
    lower[kinks[x[kinks] > 0]] = TINY
    upper[kinks[x[kinks] < 0]] = -TINY
    return here, box._replace(lower=lower, upper=upper), stays


def _turned(here: Point, at_kink: IntArray, side: int) -> Point:
    """The same point, a hair to one side of its kinks."""
    x = here.shared.copy()
    x[at_kink] = side * TINY
    return here.objective.at(x)
