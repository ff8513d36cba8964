"""Intervals of Feldman and Cousins: exact for one bin, by sums over all data sets, or by pseudo-experiments.

G. J. Feldman, R. D. Cousins, Phys. Rev. D 57 (1998) 3873. With nuisance parameters the ordering is by the profile
likelihood ratio, and the pseudo-experiments of each strength have the nuisance parameters that the data prefer there:
B. Sen, M. Walker, M. Woodroofe, Stat. Sinica 19 (2009) 301. The coverage is then not exact, but near.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from scipy.special import gammaln, xlogy

from simmorph.limits.review.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.limits.model.likelihood import Data, Likelihood
    from simmorph.limits.toys.cls import ToyCls

STEPS = 2000
"""Means between which the ends are looked for, before each is refined."""
REFINEMENTS = 30
MANY, PERIOD, STEP = 100.0, 1.5, 0.005
"""Up to so many events the upper end is that of the background, and of what is larger by less than this, in steps."""
WIDE = 10.0
"""Standard deviations of a count beyond which nothing is summed."""
MOST = 1e5
"""Counts up to which the sums are made."""
N_KNOTS, N_LOOKED_AT, N_HALVES = 5, 25, 12
"""Of each end: at how many strengths pseudo-experiments are fitted, between how many it is looked for, and how often
their distance is halved then."""
SHARE = 0.05
"""Share of the interval over which the slope of a p-value is taken."""


@dataclass(frozen=True)
class UnifiedInterval(Finding):
    """The interval of a strength, ordered by the likelihood ratio: one-sided or two-sided as the data decide.

    Attributes:
        parameter: of interest.
        level: the confidence level.
        low: its lower end, at least 0.
        high: its upper end.
        errors: of both ends; 0 where they are exact.
        number: how many pseudo-experiments are behind it; none where it is exact.
    """

    name: ClassVar[str] = "interval"

    parameter: str
    level: float
    low: float
    high: float
    errors: tuple[float, float] = (0.0, 0.0)
    number: int = 0

    def to_json(self) -> dict[str, Any]:
        """Both ends, and how they were found."""
        found = {"kind": "feldman-cousins", "cl": self.level, "low": self.low, "high": self.high}
        return {**found, "errors": list(self.errors), "toys": self.number}

    def table(self) -> tuple[Sequence[str], Iterable[Iterable[float | str | None]]]:
        """One row."""
        return ["parameter", "cl", "low", "high"], [[self.parameter, self.level, self.low, self.high]]

    def rows(self) -> list[tuple[str, str]]:
        """Both ends for people."""
        words = f"{self.low:.4g} to {self.high:.4g}"
        if self.number:
            ends = zip((self.low, self.high), self.errors, strict=True)
            words = " to ".join(f"{end:.4g} +- {error:.2g}" if error else f"{end:.4g}" for end, error in ends)
            words += f", by {self.number} pseudo-experiments"
        return [(f"{100 * self.level:g} % Feldman-Cousins interval of {self.parameter}", words)]


def is_countable(likelihood: Likelihood, data: Data) -> bool:
    """Whether the interval follows from sums over the counts of one bin, with nothing free but the strength."""
    is_single = len(data.main) == 1 and int(np.sum(likelihood.free)) == 1
    is_whole = bool(data.main[0] == round(data.main[0]) and data.main[0] <= MOST)
    return is_single and is_whole and bool(likelihood.signal_slope(likelihood.start)[0] > 0)


def unified_interval(likelihood: Likelihood, data: Data, level: float) -> UnifiedInterval:
    """The interval of Feldman and Cousins, Phys. Rev. D 57 (1998) 3873, for one bin without nuisance parameters.

    Args:
        likelihood: of the model, see `is_countable`.
        data: with one count.
        level: the confidence level.
    """
    background, both = (float(likelihood.expected(likelihood.at(value)).main[0]) for value in (0.0, 1.0))
    low, high = interval_of_mean(round(data.main[0]), background, level)
    signal = both - background
    return UnifiedInterval(str(likelihood.model.config.poi_name), level, low / signal, high / signal)


class Ends(NamedTuple):
    """Both ends of an interval, as far as they are known.

    Attributes:
        low: the lower one.
        high: the upper one.
        are_inside: whether they are where it was looked, and no bound of that.
    """

    low: float
    high: float
    are_inside: bool = True


class Windows(NamedTuple):
    """Where ends are looked for, from and to; the lower one may be 0 alone."""

    low: tuple[float, float]
    high: tuple[float, float]

    @classmethod
    def around(cls, ends: Ends, share: float) -> Self:
        """Beside ends that are about right, by a share of the interval."""
        width = ends.high - ends.low
        below, beside = share * min(ends.low, width), share * width
        return cls((ends.low - below, ends.low + below), (ends.high - beside, ends.high + beside))

    def knots(self) -> FloatArray:
        """(n_knots,), strengths at which pseudo-experiments are fitted, increasing from 0."""
        return np.unique(np.concatenate([[0.0], np.linspace(*self.low, N_KNOTS), np.linspace(*self.high, N_KNOTS)]))


def ends_of(test: ToyCls, level: float, windows: Windows) -> Ends:
    """The outermost ends of the strengths whose p-value is above 1 - level.

    Args:
        test: the p-values.
        level: the confidence level.
        windows: where they are looked for.
    """
    low, has_low = _end(test, level, windows.low)
    high, has_high = _end(test, level, windows.high[::-1])
    if windows.low[1] == 0 and not has_low:
        low = SHARE * high
    return Ends(low, high, (has_low or low == 0) and has_high)


def _end(test: ToyCls, level: float, window: tuple[float, float]) -> tuple[float, bool]:
    """The end that comes first from outside to inside of a window; the bound next to it, and False, if it has none."""
    grid = np.linspace(*window, N_LOOKED_AT if window[0] != window[1] else 1)
    accepted = np.flatnonzero([test.p_value(float(it)).value > 1 - level for it in grid])
    if not len(accepted) or accepted[0] == 0:
        return float(grid[0 if len(accepted) else -1]), bool(len(accepted)) and grid[0] == 0
    inside, outside = grid[accepted[0]], grid[accepted[0] - 1]
    for _ in range(N_HALVES):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if test.p_value(middle).value > 1 - level else (inside, middle)
    return float((inside + outside) / 2), True


def error_of(test: ToyCls, end: float, width: float) -> float:
    """The statistical error of an end that was found here: that of the p-value over its slope there."""
    if end <= 0:
        return 0.0
    below, above = (min(end + side * SHARE * min(end, width), test.highest) for side in (-1, 1))
    slope = (test.p_value(above).value - test.p_value(below).value) / (above - below)
    return test.p_value(end).uncertainty / abs(slope) if slope else math.inf


def interval_of_mean(count: int, background: float, level: float) -> tuple[float, float]:
    """The interval of the mean signal behind a count above a known mean background.

    As the authors do, the outermost ends are taken where the set of accepted means has gaps, and the upper end does not
    rise with the background, which it would in small steps because counts are whole.

    >>> [round(end, 2) for end in interval_of_mean(3, 0.5, 0.9)]
    [0.6, 6.92]
    """
    spread = (count + 1.0) ** 0.5
    grid = np.linspace(max(0.0, count - background - 7 * spread), max(count - background, 0.0) + 7 * spread + 8, STEPS)
    accepted = _accepts(grid, count, background, level)
    first, last = int(np.argmax(accepted)), len(grid) - 1 - int(np.argmax(accepted[::-1]))
    low = float(grid[0]) if first == 0 else _edge(grid[first], grid[first - 1], count, background, level)
    high = _edge(grid[last], grid[last + 1], count, background, level)
    return low, high if max(count, background) > MANY else _highest(high, count, background, level)


def _highest(high: float, count: int, background: float, level: float) -> float:
    """The upper end, or that of a larger background if it is higher."""
    for other in background + np.arange(0.0, PERIOD, STEP):
        beyond = high + np.arange(0.0, 2.0, STEP)
        accepted = np.flatnonzero(_accepts(beyond, count, float(other), level))
        if len(accepted) and accepted[-1] > 0:
            last = float(beyond[accepted[-1]])
            high = _edge(last, last + STEP, count, float(other), level)
    return high


def _edge(inside: float, outside: float, count: int, background: float, level: float) -> float:
    """Where between two means the count is no longer accepted."""
    for _ in range(REFINEMENTS):
        middle = (inside + outside) / 2
        is_inside = bool(_accepts(np.array([middle]), count, background, level)[0])
        inside, outside = (middle, outside) if is_inside else (inside, middle)
    return float(inside)


def _accepts(means: FloatArray, count: int, background: float, level: float) -> BoolArray:
    """(n_means,), whether a count is among those of the largest ratios that have the level's probability together."""
    expected = means[:, None] + background
    low, high = expected[0, 0], expected[-1, 0]
    least, most = low - WIDE * (low + 1) ** 0.5, high + WIDE * (high + 2) ** 0.5
    counts = np.arange(max(0, min(int(least), count)), max(int(most), count) + 1)
    logs = _log_poisson(counts, expected)
    ratios = logs - _log_poisson(counts, np.maximum(counts, background))
    here = ratios[:, counts == count]
    # Accepted, unless those that come before it have the whole probability already.
    return np.asarray(np.sum(np.where(ratios > here, np.exp(logs), 0.0), axis=1) < level)


def _log_poisson(counts: IntArray, means: FloatArray) -> FloatArray:
    """The logarithm of Poisson probabilities, 0 for no event where none is expected."""
    return np.asarray(xlogy(counts, means) - means - gammaln(counts + 1.0), np.float64)
