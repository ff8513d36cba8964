"""-ln of a Poisson probability over that of the best expectation, continued to where nothing can be expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, FloatArray

LEAST = 1e-4
"""Share of the count below which the expected number has the parabola that touches there."""
PENALTY = 1e6
"""What multiplies the square of a negative expectation of a bin without counts."""


class Terms(NamedTuple):
    """One term for each bin, and its first and second derivative by the expected number."""

    value: FloatArray
    slope: FloatArray
    curvature: FloatArray


class Counts:
    """Counts of many bins, whole numbers or not.

    With n counts, and nu expected, a term is nu - n + n ln(n / nu), twice continuously differentiable everywhere.

    Args:
        counts: (n_bins,).
    """

    def __init__(self, counts: FloatArray) -> None:
        self.counts = counts
        self.counted: BoolArray = counts > 0
        self.all_counted = bool(self.counted.all())
        self.least: FloatArray = LEAST * counts
        # Where less is expected, the slope is a straight line: `level` + `rate` times the expected number.
        with np.errstate(all="ignore"):
            self.rate: FloatArray = np.where(self.counted, counts / self.least**2, 2 * PENALTY)
        self.level: FloatArray = np.where(self.counted, 1 - 2 / LEAST, 1.0)

    def terms(self, expected: FloatArray) -> Terms:
        """The terms at (n_bins,) expected numbers."""
        if self.all_counted and bool(np.all(expected >= self.least)):
            return _terms(expected, self.counts)
        counts = np.where(self.counted, self.counts, 1.0)
        least = np.where(self.counted, self.least, 0.0)
        inside = expected >= least
        above = np.maximum(expected, least)
        value, slope, curvature = _terms(np.where(self.counted, above, 1.0), counts)
        value, slope = np.where(self.counted, value, above), np.where(self.counted, slope, 1.0)
        curvature = np.where(inside, np.where(self.counted, curvature, 0.0), self.rate)
        missing = expected - above
        return Terms(value + missing * (slope + curvature * missing / 2), slope + curvature * missing, curvature)


def _terms(expected: FloatArray, counts: FloatArray) -> Terms:
    off = expected / counts - 1
    share = counts / expected
    # The plain difference of logarithms loses 8e-6 at 1e9 counts.
    return Terms(counts * (off - np.log1p(off)), 1 - share, share / expected)
