"""Where a function crosses zero, wherever that is.

Limits and the ends of intervals are roots of functions of the strength. A scan over a fixed range answers with the edge
of the range where the root lies beyond it; `crossing` brackets the root first, over 18 orders of magnitude, and says so
where there is none.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scipy.optimize import brentq

if TYPE_CHECKING:
    from collections.abc import Callable

FURTHEST = 1e9
"""How many times further than the first guess is looked."""
FASTEST = 30.0
"""By which factor a Newton step may change the place."""
CLOSE = 3e-5
"""Relative size of a Newton step after which the crossing is reached; its error is the square of that."""
MAX_STEPS = 200


class NoCrossingError(ValueError):
    """The function keeps its sign as far as was looked."""


def crossing(function: Callable[[float], float], guess: float, *, relative_tolerance: float = 1e-6) -> float:
    """The positive place at which an increasing function changes sign.

    The bracket grows geometrically from the guess until it holds the crossing, so that the answer is never the edge of
    a range; then Brent's method closes in on it.

    >>> round(crossing(lambda x: x**2 - 2, guess=100.0), 5)
    1.41421

    Args:
        function: negative below the crossing, positive above it; each call may be a fit.
        guess: where the search begins, greater than 0.
        relative_tolerance: of the place.

    Raises:
        NoCrossingError: the sign is the same from `guess / FURTHEST` to `guess * FURTHEST`, or not a number.
    """
    low, high = bracket(function, guess)
    return float(brentq(function, low, high, xtol=relative_tolerance * low, rtol=relative_tolerance))


def bracket(function: Callable[[float], float], guess: float) -> tuple[float, float]:
    """Two positive places between which an increasing function changes sign.

    The first step is a factor of 1.5, and each exponent is 1.5 times the last, up to a factor of 1,000 a step: a good
    guess costs two or three calls, one that is wrong by nine orders of magnitude about ten.

    Raises:
        NoCrossingError: no such places within a factor of FURTHEST of the guess, or the function is not a number.
    """
    here, factor = guess, 1.5
    value = _finite(function(here), here)
    upwards = value < 0
    while guess / FURTHEST <= here <= guess * FURTHEST:
        before = here
        here = here * factor if upwards else here / factor
        value = _finite(function(here), here)
        if (value < 0) is not upwards:
            return (before, here) if upwards else (here, before)
        factor = min(factor**1.5, 1e3)
    raise NoCrossingError(f"no change of sign up to {here:.3g}" if upwards else f"no change of sign down to {here:.3g}")


def steep_crossing(function: Callable[[float], tuple[float, float]], guess: float) -> float:
    """The positive place at which an increasing function changes sign, from its values and derivatives.

    Newton steps, within the bracket that is known so far; an error after the last step is of second order.

    Raises:
        NoCrossingError: the sign is the same from `guess / FURTHEST` to `guess * FURTHEST`, or not a number.
    """
    here, low, high = guess, 0.0, math.inf
    for _ in range(MAX_STEPS):
        value, slope = function(here)
        _finite(value, here)
        low, high = (here, high) if value < 0 else (low, here)
        step = here - value / slope if slope > 0 else math.nan
        if not (low < step < high and here / FASTEST <= step <= here * FASTEST):
            step = _between(low, high)
        if abs(step - here) <= CLOSE * here:
            return step
        if not guess / FURTHEST <= step <= guess * FURTHEST:
            raise NoCrossingError(f"no change of sign from {max(low, guess / FURTHEST):.3g} to {here:.3g}")
        here = step
    raise NoCrossingError(f"no end of the search near {here:.3g}")


def _between(low: float, high: float) -> float:
    if high == math.inf:
        return low * 3
    return high / 3 if low == 0 else (low + high) / 2


def _finite(value: float, place: float) -> float:
    """The value itself, which may be infinite but not NaN, of which no sign could be taken."""
    if math.isnan(value):
        raise NoCrossingError(f"not a number at {place:.6g}")
    return value
