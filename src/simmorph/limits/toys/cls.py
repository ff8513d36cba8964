"""CLs from pseudo-experiments, weighted so that each says something about every strength.

For a strength mu two probabilities are needed: that q~(mu) is at least the observed one, with a signal of strength mu
and without a signal, each with the nuisance parameters at their conditional fits to the observed data.
Pseudo-experiments are drawn at several strengths; each counts for a strength mu with its probability there over that of
being drawn at all,

    w(x) = f(x | mu) / sum over origins k of N_k f(x | mu_k),

the balance heuristic of E. Veach and L. J. Guibas, SIGGRAPH 1995. Those without a signal reach far into the tail of
those with one, so that the small probability has a small error too, and CLs is a smooth function of mu. Where all data
sets can be listed, w(x) = f(x | mu) and the sums are exact.

CLs: A. L. Read, J. Phys. G 28 (2002) 2693; q~: G. Cowan et al., arXiv:1007.1727, section 2.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp, ndtr, ndtri

from simmorph.data.estimates import Estimate
from simmorph.limits.fits.inference import BANDS, Limits
from simmorph.limits.toys.draws import log_density

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.limits.fits.inference import AsymptoticCls
    from simmorph.limits.model.likelihood import Data, Likelihood
    from simmorph.limits.toys.draws import Origin
    from simmorph.limits.toys.statistic import Statistic

TIE = 1e-5
"""Relative difference up to which two values of a statistic are one."""
N_GROUPS = 20
"""Groups of pseudo-experiments, each left out once, whose spread is the error (the jackknife)."""
SLOPE = 0.03
"""Relative change of a strength over which the slope of CLs is taken."""
FEW = 30.0
"""Effective pseudo-experiments in a tail below which a result is not to be trusted."""


@dataclass(frozen=True, eq=False)
class DataSets:
    """Data sets that probabilities are sums over.

    Attributes:
        data: (n, ...), in rows.
        statistic: q~ of the observed data, first, and of these.
        log_drawn: (n,), the logarithm of the expected number of draws of each; 0 where all are listed.
        groups: (n,), for the error of sums over them; None where all are listed.
    """

    data: Data
    statistic: Statistic
    log_drawn: FloatArray
    groups: IntArray | None

    @property
    def is_exact(self) -> bool:
        """Whether all data sets are there that can occur."""
        return self.groups is None


class LimitErrors(NamedTuple):
    """What pseudo-experiments leave open of limits.

    Attributes:
        observed: the statistical error of the observed limit.
        expected: those of the expected ones.
        effective: the effective number of pseudo-experiments behind the observed limit, that in the smaller tail.
    """

    observed: float
    expected: tuple[float, ...]
    effective: float


class Tails(NamedTuple):
    """The probabilities of data that are at least as far from a strength as the observed ones.

    Attributes:
        with_signal: with a signal of that strength, also called p(s+b).
        without: without a signal, also called 1 - p(b).
        cls: their ratio.
    """

    with_signal: Estimate
    without: Estimate
    cls: Estimate


class ToyCls:
    """CLs as a function of the parameter of interest, from pseudo-experiments or a list of all data sets.

    Args:
        test: the fits to the observed data.
        sets: what is summed over.
        highest: the strength up to which these are good for.
    """

    def __init__(self, test: AsymptoticCls, sets: DataSets, highest: float) -> None:
        self.test, self.sets, self.highest = test, sets, highest
        self._weights = lru_cache(maxsize=512)(self._weights_at)
        self._none = np.zeros(len(sets.log_drawn), np.bool_)

    def _weights_at(self, value: float) -> FloatArray:
        """(n,), which add up to 1, of data with a signal of this strength."""
        parameters = self.test.observed.at(value).parameters
        log_weights = log_density(self.test.likelihood, self.sets.data, parameters) - self.sets.log_drawn
        weights = np.exp(log_weights - log_weights.max())
        return np.asarray(weights / weights.sum(), np.float64)

    def _tails_at(self, value: float, left_out: BoolArray) -> tuple[float, float]:
        """The probabilities with and without a signal, without some data sets."""
        of_data, *its = np.split(self.sets.statistic.at(value), [1])
        beyond = its[0] >= of_data[0] * (1 - TIE) - TIE
        return self._share(value, beyond, left_out), self._share(0.0, beyond, left_out)

    def _share(self, value: float, chosen: BoolArray, left_out: BoolArray) -> float:
        weights = np.where(left_out, 0.0, self._weights(value))
        return float(weights[chosen].sum() / weights.sum())

    def _log_cls(self, value: float, band: int | None, left_out: BoolArray) -> float:
        """The logarithm of CLs of the observed data, or of a band of data without a signal."""
        if band is None:
            return _log_ratio(*self._tails_at(value, left_out))
        statistic = self.sets.statistic.at(value)[1:]
        order = np.argsort(-statistic, kind="stable")
        ordered = -statistic[order]
        ends = np.searchsorted(ordered, ordered * (1 - TIE) + TIE, "right") - 1
        with_signal, without = (np.cumsum(np.where(left_out, 0.0, self._weights(it))[order]) for it in (value, 0.0))
        place = ends[min(int(np.searchsorted(without, ndtr(band) * without[-1])), len(ends) - 1)]
        return _log_ratio(with_signal[place] / with_signal[-1], without[place] / without[-1])

    def log_cls(self, value: float, band: int | None = None) -> float:
        """The logarithm of CLs of the observed data, or at so many standard deviations of data without a signal."""
        return self._log_cls(value, band, self._none)

    def cls(self, value: float) -> float:
        """CLs of the observed data."""
        return math.exp(self.log_cls(value))

    def scan(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """CLs at many values: (n_values,) observed and (n_values, 5) expected, at the BANDS; all in [0, 1]."""
        rows = np.exp([[self.log_cls(float(value), band) for band in (None, *BANDS)] for value in values])
        return rows[:, 0], rows[:, 1:]

    def tails(self, value: float) -> Tails:
        """Both probabilities of the observed data and their ratio, with their errors."""
        whole = np.array(self._tails_at(value, self._none))
        parts = np.array([self._tails_at(value, it) for it in self._left_out()]).reshape(-1, 2)
        with_signal, without = map(Estimate, whole.tolist(), _jackknife(parts).tolist())
        with np.errstate(all="ignore"):
            ratios = np.nan_to_num(parts[:, 0] / parts[:, 1])
        cls = math.exp(_log_ratio(*whole))
        return Tails(with_signal, without, Estimate(cls, float(_jackknife(ratios[:, None])[0])))

    def discovery(self) -> tuple[Estimate, float]:
        """The probability of an excess at least as large as the observed one without a signal, and effective draws."""
        of_data, *its = np.split(self.sets.statistic.without_signal(), [1])
        if of_data[0] <= 0:
            return Estimate(1.0, 0.0), math.inf
        beyond = its[0] >= of_data[0] * (1 - TIE) - TIE
        parts = np.array([self._share(0.0, beyond, it) for it in self._left_out()]).reshape(-1, 1)
        found = Estimate(self._share(0.0, beyond, self._none), float(_jackknife(parts)[0]))
        return found, self._effective(0.0, beyond)

    def _left_out(self) -> list[BoolArray]:
        """Each group of data sets."""
        groups = self.sets.groups
        return [] if groups is None else [groups == number for number in range(N_GROUPS)]

    def _effective(self, value: float, chosen: BoolArray) -> float:
        """How many draws at this strength would know the share of the chosen ones as well."""
        if self.sets.is_exact:
            return math.inf
        weights = self._weights(value)[chosen]
        return float(weights.sum() ** 2 / (weights**2).sum()) if weights.any() else 0.0

    def crossing(self, level: float, band: int | None = None) -> float | None:
        """Where CLs falls below `1 - level`; None if that is beyond `highest`."""
        goal = math.log(1 - level)
        if self.log_cls(self.highest, band) > goal:
            return None
        return float(brentq(lambda value: self.log_cls(value, band) - goal, 0.0, self.highest, rtol=1e-5))

    def limits(self, level: float) -> Limits | None:
        """The observed and the expected limits; None where one is beyond `highest`."""
        observed, *expected = (self.crossing(level, band) for band in (None, *BANDS))
        known = [it for it in expected if it is not None]
        if observed is None or len(known) < len(BANDS):
            return None
        return Limits(self.test.likelihood.model.config.poi_name, level, observed, tuple(known))

    def errors(self, limits: Limits) -> LimitErrors:
        """The statistical errors of limits that were found here."""
        of_data, *its = np.split(self.sets.statistic.at(limits.observed), [1])
        beyond = its[0] >= of_data[0] * (1 - TIE) - TIE
        effective = min(self._effective(limits.observed, beyond), self._effective(0.0, beyond))
        expected = tuple(self._error(value, band) for value, band in zip(limits.expected, BANDS, strict=True))
        return LimitErrors(self._error(limits.observed, None), expected, effective)

    def p_value(self, value: float) -> Estimate:
        """The probability of data that the best strength describes so much better than this one, or more.

        The ordering of Feldman and Cousins, in which the best strength is not negative.
        """
        of_data, *its = np.split(self.sets.statistic.rise(value), [1])
        beyond = its[0] >= of_data[0] * (1 - TIE) - TIE
        parts = np.array([self._share(value, beyond, it) for it in self._left_out()]).reshape(-1, 1)
        return Estimate(self._share(value, beyond, self._none), float(_jackknife(parts)[0]))

    def _error(self, value: float, band: int | None) -> float:
        """The error of CLs at a limit over the slope there."""
        if self.sets.is_exact:
            return 0.0
        parts = np.array([[self._log_cls(value, band, it)] for it in self._left_out()])
        low, high = value * (1 - SLOPE), min(value * (1 + SLOPE), self.highest)
        slope = (self.log_cls(high, band) - self.log_cls(low, band)) / (high - low)
        return float(_jackknife(parts)[0]) / abs(slope) if slope < 0 else math.inf


def log_drawn(likelihood: Likelihood, data: Data, origins: Sequence[Origin]) -> FloatArray:
    """(n,), the logarithm of the expected number of draws of data from all origins together."""
    parts = [math.log(it.number) + log_density(likelihood, data, it.parameters) for it in origins]
    return np.asarray(logsumexp(parts, axis=0), np.float64)


def significance_of(probability: float) -> float:
    """The standard deviations of a one-sided probability; 0 for one half and more."""
    return max(-float(ndtri(probability)), 0.0)


def _log_ratio(with_signal: float, without: float) -> float:
    """The logarithm of CLs; where nothing is in both tails, nothing is excluded."""
    if with_signal <= 0:
        return 0.0 if without <= 0 else -math.inf
    return min(math.log(with_signal) - math.log(without), 0.0) if without > 0 else 0.0


def _jackknife(parts: FloatArray) -> FloatArray:
    """(k,), the errors of numbers of which each row of (n_groups, k) leaves one group out."""
    if not len(parts):
        return np.zeros(parts.shape[1])
    n_groups = len(parts)
    return np.asarray(np.sqrt((n_groups - 1) / n_groups * ((parts - parts.mean(axis=0)) ** 2).sum(axis=0)), np.float64)
