"""q~ of many data sets at any strength: from fits at a few strengths, or directly where nothing else is fitted.

Each fit gives the deviance and its slope, so that a cubic polynomial between two strengths is right to the fourth order
of their distance; no fit is needed where CLs is looked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import numpy as np
from scipy.special import xlogy

from simmorph.limits.model.likelihood import Data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.data.events import BoolArray, FloatArray
    from simmorph.limits.model.likelihood import Fits, Likelihood

CONVERGED = 1e-12
"""Relative change of a strength at which its search has ended."""
MAX_STEPS = 200
LOWER = 1e-7
"""Difference of -2 ln L by which a fit with a fixed strength shows that the free one missed the minimum."""


class Statistic(Protocol):
    """q~ of n data sets."""

    @property
    def best(self) -> FloatArray:
        """(n,), the fitted strengths, at least 0."""

    def at(self, value: float) -> FloatArray:
        """(n,), q~ at a strength: 0 up to the fitted one."""

    def rise(self, value: float) -> FloatArray:
        """(n,), the deviance above the lowest one at a strength, below the fitted one too."""

    def without_signal(self) -> FloatArray:
        """(n,), q0 of the same source: the deviance without a signal above the lowest one."""


class Profiles(NamedTuple):
    """What fits of n data sets found.

    Attributes:
        knots: (n_knots,), increasing strengths; the first one is 0.
        best: (n,), the fitted strength, at least 0.
        lowest: (n,), the deviance there.
        heights: (n, n_knots), the lowest deviances at the knots.
        slopes: (n, n_knots), their derivatives by the strength.
        is_valid: (n,), whether all fits ended in minima.
    """

    knots: FloatArray
    best: FloatArray
    lowest: FloatArray
    heights: FloatArray
    slopes: FloatArray
    is_valid: BoolArray

    @classmethod
    def of_rows(cls, knots: FloatArray, rows: Sequence[Sequence[float]]) -> Self:
        """The same from plain numbers; see `rows`."""
        best, lowest, heights, slopes, is_valid = np.split(
            np.array(rows, np.float64), np.cumsum([1, 1, len(knots), len(knots)]), axis=1
        )
        return cls(knots, best[:, 0], lowest[:, 0], heights, slopes, is_valid[:, 0] > 0)

    def rows(self) -> list[list[float]]:
        """Plain numbers: best, lowest, heights, slopes and validity of each data set; none where a fit failed."""
        table = np.column_stack([self.best, self.lowest, self.heights, self.slopes, self.is_valid])
        return [row.tolist() if np.isfinite(row).all() else [] for row in table]

    def at(self, value: float) -> FloatArray:
        """(n,), q~ at a strength up to the last knot."""
        return np.where(value > self.best, self.rise(value), 0.0)

    def rise(self, value: float) -> FloatArray:
        """(n,), the deviance above the lowest one at a strength up to the last knot."""
        place = int(np.clip(np.searchsorted(self.knots, value, "right") - 1, 0, len(self.knots) - 2))
        low, high = self.knots[place], self.knots[place + 1]
        between = (self.best > low) & (self.best < high)
        begins, ends = between & (value > self.best), between & (value <= self.best)
        left, right = np.where(begins, self.best, low), np.where(ends, self.best, high)
        width = right - left
        share = (value - left) / width
        height = np.where(begins, self.lowest, self.heights[:, place])
        slope = np.where(begins, 0.0, self.slopes[:, place] * width)
        rise = np.where(ends, self.lowest, self.heights[:, place + 1]) - height
        end = np.where(ends, 0.0, self.slopes[:, place + 1] * width)
        cubic = height + share * (slope + share * ((3 * rise - 2 * slope - end) + share * (slope + end - 2 * rise)))
        return np.asarray(np.maximum(cubic - self.lowest, 0.0), np.float64)

    def without_signal(self) -> FloatArray:
        """(n,), q0."""
        return np.where(self.best > 0, np.maximum(self.heights[:, 0] - self.lowest, 0.0), 0.0)


def profiles(likelihood: Likelihood, data: Data, starts: FloatArray, knots: FloatArray) -> Profiles:
    """Fits of each data set with the strength free, and at each knot; the lowest minimum of all starts counts.

    A data set whose fit has no finite minimum gets NaN.

    Args:
        likelihood: of the model.
        data: in rows.
        starts: (n_starts, n_parameters), where to begin: the true parameters are near a minimum.
        knots: (n_knots,), increasing strengths from 0.
    """
    found = [_from_start(likelihood, data, start, knots) for start in starts]
    every = np.arange(len(data.main))
    lowest = np.argmin([np.nan_to_num(it.lowest, nan=np.inf) for it in found], axis=0)
    at_knots = np.argmin([np.nan_to_num(it.heights, nan=np.inf) for it in found], axis=0)
    best, height, is_valid = (
        np.array([getattr(it, name) for it in found])[lowest, every] for name in ("best", "lowest", "is_valid")
    )
    rows, columns = np.indices(at_knots.shape)
    heights, slopes = (
        np.array([getattr(it, name) for it in found])[at_knots, rows, columns] for name in ("heights", "slopes")
    )
    return Profiles(knots, best, height, heights, slopes, is_valid)


def _from_start(likelihood: Likelihood, data: Data, start: FloatArray, knots: FloatArray) -> Profiles:
    """Free fits from one start, followed along the tangents from knot to knot."""
    begin = np.tile(start[likelihood.yields.shared], (len(data.main), 1))
    free = likelihood.fits(data, begin)
    last = free
    fits: list[Fits] = []
    for knot in knots:
        step = knot - last.shared[:, likelihood.poi_place]
        fits.append(likelihood.fits(data, last.shared + step[:, None] * last.tangent, poi=float(knot)))
        last = fits[-1]
    heights, slopes = np.array([it.deviance for it in fits]).T, np.array([it.slope for it in fits]).T
    is_valid = free.is_valid & np.all([it.is_valid for it in fits], axis=0)
    found = Profiles(
        knots, free.shared[:, likelihood.poi_place].copy(), free.deviance.copy(), heights, slopes, is_valid
    )
    _lower(likelihood, data, found, fits)
    return found


def _lower(likelihood: Likelihood, data: Data, found: Profiles, fits: list[Fits]) -> None:
    """Fit again from a knot where that is lower than the free fit, which had missed the minimum."""
    rows = np.flatnonzero(found.heights.min(axis=1) < found.lowest - LOWER)
    if not len(rows):
        return
    at = found.heights[rows].argmin(axis=1)
    begin = np.array([fits[knot].shared[row] for knot, row in zip(at, rows, strict=True)])
    again = likelihood.fits(Data(data.main[rows], data.auxiliary[rows]), begin)
    found.best[rows], found.lowest[rows] = again.shared[:, likelihood.poi_place], again.deviance


class Counting:
    """q~ where nothing but the strength is fitted, and what is expected is a straight line in it.

    Args:
        background: (n_bins,), expected without a signal.
        signal: (n_bins,), not negative.
        counts: (n, n_bins), data in rows.

    Attributes:
        best: (n,), the fitted strengths, at least 0.
    """

    def __init__(self, background: FloatArray, signal: FloatArray, counts: FloatArray) -> None:
        self.background, self.signal, self.counts = background, signal, counts
        self.best = self._best()
        self._lowest = self._deviance(self.best)

    def at(self, value: float) -> FloatArray:
        """(n,), q~ at a strength."""
        return np.where(value > self.best, self.rise(value), 0.0)

    def rise(self, value: float) -> FloatArray:
        """(n,), the deviance above the lowest one at a strength."""
        return np.maximum(self._deviance(np.full(len(self.best), value)) - self._lowest, 0.0)

    def without_signal(self) -> FloatArray:
        """(n,), q0."""
        return np.where(self.best > 0, np.maximum(self._deviance(np.zeros(len(self.best))) - self._lowest, 0.0), 0.0)

    def _deviance(self, values: FloatArray) -> FloatArray:
        """(n,), -2 ln L at (n,) strengths, but for a constant of the counts."""
        expected = self.background + values[:, None] * self.signal
        return np.asarray(2 * (expected - xlogy(self.counts, expected)).sum(axis=1), np.float64)

    def _best(self) -> FloatArray:
        """Where the likelihood, which is concave, ends to rise: Newton steps within brackets."""
        has_signal = self.signal > 0
        background, signal, counts = self.background[has_signal], self.signal[has_signal], self.counts[:, has_signal]
        low = np.zeros(len(counts))
        high = np.maximum(((counts - background) / signal).max(axis=1, initial=0.0), 0.0)
        at = np.zeros(len(counts))  # where the likelihood falls at once, it stays there
        for _ in range(MAX_STEPS):
            expected = background + at[:, None] * signal
            with np.errstate(all="ignore"):
                share = np.where(counts > 0, counts / expected, 0.0)
                score = (signal * (1 - share)).sum(axis=1)
                step = at - score / (signal**2 * share / expected).sum(axis=1)
            low, high = np.where(score < 0, at, low), np.where(score >= 0, at, high)
            to = np.where((step > low) & (step < high), step, (low + high) / 2)
            moved, at = np.abs(to - at), to
            if np.all(moved <= CONVERGED * (1 + at)):
                break
        return np.asarray(at, np.float64)
