"""Intervals of Feldman and Cousins, exact for one bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.special import gammaln, xlogy

from simmorph.errors import InputError
from simmorph.limits.review.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.limits.model.likelihood import Data, Likelihood

STEPS = 2000
"""Means between which the ends are looked for, before each is refined."""
REFINEMENTS = 30
MANY, PERIOD, STEP = 100.0, 1.5, 0.005
"""Up to so many events the upper end is that of the background, and of what is larger by less than this, in steps."""
WIDE = 10.0
"""Standard deviations of a count beyond which nothing is summed."""
MOST = 1e5
"""Counts up to which the sums are made."""


@dataclass(frozen=True)
class UnifiedInterval(Finding):
    """The interval of a strength, ordered by the likelihood ratio: one-sided or two-sided as the data decide.

    Attributes:
        parameter: of interest.
        level: the confidence level.
        low: its lower end, at least 0.
        high: its upper end.
    """

    name: ClassVar[str] = "interval"

    parameter: str
    level: float
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """Both ends, and how they were found."""
        return {"kind": "feldman-cousins", "cl": self.level, "low": self.low, "high": self.high}

    def table(self) -> tuple[Sequence[str], Iterable[Iterable[float | str | None]]]:
        """One row."""
        return ["parameter", "cl", "low", "high"], [[self.parameter, self.level, self.low, self.high]]

    def rows(self) -> list[tuple[str, str]]:
        """Both ends for people."""
        words = f"{self.low:.4g} to {self.high:.4g}"
        return [(f"{100 * self.level:g} % Feldman-Cousins interval of {self.parameter}", words)]


def check_countable(likelihood: Likelihood, data: Data) -> None:
    """Look whether the sums over counts are possible, before anything is fitted.

    Raises:
        InputError: there are several bins or nuisance parameters, the count is no whole number, or the signal negative.
    """
    n_others = int(np.sum(likelihood.free)) - 1
    if len(data.main) > 1 or n_others:
        what = f"Feldman-Cousins intervals are of one bin; bins: {len(data.main)}, nuisance parameters: {n_others}"
        raise InputError(likelihood.name, what, "count in one bin, with all nuisance parameters fixed")
    if data.main[0] != round(data.main[0]) or data.main[0] > MOST:
        raise InputError(
            likelihood.name, f"a count of {data.main[0]:g} has no sum over counts", "observe whole numbers"
        )
    if likelihood.signal_slope(likelihood.start)[0] < 0:
        raise InputError(likelihood.name, "a signal that takes events away has no Feldman-Cousins interval")


def unified_interval(likelihood: Likelihood, data: Data, level: float) -> UnifiedInterval:
    """The interval of Feldman and Cousins, Phys. Rev. D 57 (1998) 3873, for one bin without nuisance parameters.

    Args:
        likelihood: of the model, see `check_countable`.
        data: with one count.
        level: the confidence level.
    """
    background, both = (float(likelihood.expected(likelihood.at(value)).main[0]) for value in (0.0, 1.0))
    low, high = interval_of_mean(round(data.main[0]), background, level)
    signal = both - background
    return UnifiedInterval(str(likelihood.model.config.poi_name), level, low / signal, high / signal)


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
