"""Upper limits by the CLs method with asymptotic formulae: the seam behind which a likelihood is fitted.

`AsymptoticCls` holds the fits of one model to one set of data and gives CLs at any strength; `upper_limits` finds where
CLs crosses the level, `fitted_strength` the best value and its interval, `discovery` the significance of an excess.

Statistic and formulae: G. Cowan, K. Cranmer, E. Gross, O. Vitells, Eur. Phys. J. C 71 (2011) 1554, arXiv:1007.1727, the
statistic q~(mu) (section 2.5) and its distribution (section 3.7), whose width comes from the Asimov data (section 3.2);
CLs: A. L. Read, J. Phys. G 28 (2002) 2693. Not valid for a handful of events in total, where the statistic's
distribution has to be sampled.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from simmorph.errors import SimmorphError
from simmorph.limits.fits.crossing import NoCrossingError, crossing, steep_crossing
from simmorph.limits.fits.profile import SAME, Profile
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simmorph.data.events import FloatArray
    from simmorph.limits.model.likelihood import Data, Likelihood
    from simmorph.progress import Progress

BANDS = (-2, -1, 0, 1, 2)
"""The expected limits that are given, in standard deviations."""


MAX_SEARCHES = 3
"""How often limits are found again with minima that were unknown before."""


class NoLimitError(SimmorphError):
    """The data cannot exclude any value of the parameter: no yield depends on it, or CLs never reaches the level."""


class Limits(NamedTuple):
    """Upper limits on the parameter of interest.

    Attributes:
        parameter: its name.
        level: the confidence level, 0.95 for instance.
        observed: the observed limit.
        expected: the limits expected without a signal, at -2, -1, 0, 1, 2 standard deviations.
    """

    parameter: str
    level: float
    observed: float
    expected: tuple[float, ...]


class ExcessSignificance(NamedTuple):
    """By how many standard deviations data disagree with the absence of a signal.

    Attributes:
        observed: the root of the statistic q0; 0 where the best fit has no positive signal.
        expected: the same for the data expected with a signal of strength 1.
    """

    observed: float
    expected: float

    def to_text(self) -> str:
        """Both numbers for people."""
        return f"{self.observed:.3g} ({self.expected:.3g})"


class AsymptoticCls:
    """CLs as a function of the parameter of interest; every fit is made once.

    The free fit and that without a signal are made at once, from several starting points where the yields may give more
    than one minimum. Every further strength costs one fit to the data and one to the Asimov data, started at the
    nearest strength that is known.

    Args:
        likelihood: of the model.
        data: the observed data.

    Attributes:
        observed: the profile likelihood of the data.
        expected: that of the data expected without a signal, whose lowest deviance is 0.
        best: the fit of all parameters, that of interest at least 0.
        background_only: the fit without a signal.
        asimov: the data expected without a signal, at the nuisance parameters of `background_only`.

    Raises:
        InputError: a fit has no finite minimum.
    """

    def __init__(self, likelihood: Likelihood, data: Data) -> None:
        self.likelihood, self.data = likelihood, data
        self.observed = Profile(likelihood, data)
        minima = likelihood.minima(data, likelihood.fit(data))
        for fit in minima:
            self.observed.add(fit)
        self.best = minima[0]
        self.observed.search([0.0])
        self._take_background()

    def _take_background(self) -> None:
        """Take the lowest minimum without a signal, and the data that are expected there."""
        self.background_only = self.observed.at(0.0)
        if self.background_only.deviance < self.best.deviance:
            self.best = self.background_only
        self.asimov = self.likelihood.expected(self.background_only.parameters)
        self.expected = Profile(self.likelihood, self.asimov)
        self.expected.add(self.likelihood.fit(self.asimov, poi=0.0, start=self.background_only.parameters))

    def search(self, observed: float, expected: Sequence[float]) -> bool:
        """Look for lower minima at the limits; whether one was found, so that these are others.

        Args:
            observed: the observed limit.
            expected: the limits at the BANDS.
        """
        is_lower = self.expected.search(expected) | self.observed.search([observed])
        if self.observed.at(0.0).deviance < self.background_only.deviance - SAME:
            self._take_background()
        return is_lower

    @property
    def best_value(self) -> float:
        """The parameter of interest, at least 0, that describes the data best."""
        return float(self.best.parameters[self.likelihood.poi])

    def observed_statistic(self, value: float) -> Rise:
        """q~ of the observed data: 0 up to the best value.

        Beyond it, the difference of the deviance (-2 ln L) at this value and at the best one. A fit that ends lower
        than the best one shows that the free fit stayed in another minimum: the best fit is made again from there.
        """
        if value <= self.best_value:
            return Rise(0.0, 0.0)
        fit = self.observed.at(value)
        if fit.deviance < self.best.deviance:  # the free fit had missed the minimum: it is here or near
            free = self.likelihood.fit(self.data, start=fit.parameters)
            self.best = min(free, fit, key=lambda it: it.deviance)
            return self.observed_statistic(value)
        return Rise(fit.deviance - self.best.deviance, fit.slope)

    def asimov_statistic(self, value: float) -> Rise:
        """q~ of the data expected without a signal; their best fit is known, and its deviance is 0."""
        fit = self.expected.at(value)
        return Rise(max(fit.deviance, 0.0), fit.slope)

    def log_observed(self, value: float) -> float:
        """The logarithm of CLs of the observed data, which neither underflows nor rounds.

        With q for the observed statistic, A for the Asimov one and Phi for the normal distribution function:
        CLs = Phi(-sqrt(q)) / Phi(sqrt(A) - sqrt(q)) for q <= A. For larger q the statistic is no longer a square in the
        strength (the best value would be negative), and sqrt(q) is replaced by (q + A) / (2 sqrt(A)) in both.
        """
        return self.log_cls(value)[0]

    def log_cls(self, value: float) -> tuple[float, float]:
        """The logarithm of CLs of the observed data, and its derivative."""
        (observed, its_slope), (asimov, slope) = self.observed_statistic(value).root, self.asimov_statistic(value).root
        shifted = float(_shifted(observed, asimov))
        if observed > asimov > 0:
            its_slope = (2 * observed * its_slope + 2 * asimov * slope) / (2 * asimov) - shifted * slope / asimov
        value = float(log_ndtr(-shifted) - log_ndtr(asimov - shifted))
        return value, -_rate(-shifted) * its_slope - _rate(asimov - shifted) * (slope - its_slope)

    def cls(self, value: float) -> float:
        """CLs of the observed data."""
        return math.exp(self.log_observed(value))

    def log_expected(self, value: float, band: float) -> float:
        """The logarithm of CLs of data that fluctuate by `band` standard deviations about the expected ones.

        CLs = Phi(band - sqrt(A)) / Phi(band), with the Asimov statistic A; the median has `band` 0. A fluctuation
        downwards (a negative band) excludes more.
        """
        return float(log_ndtr(band - self.asimov_statistic(value).root[0]) - log_ndtr(band))

    def scan(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """CLs at many values: (n_values,) observed and (n_values, 5) expected, at the BANDS; all in [0, 1].

        Args:
            values: (n_values,), of the parameter of interest, at least 0.
        """
        observed = np.exp([self.log_observed(float(value)) for value in values])
        expected = np.exp([[self.log_expected(float(value), band) for band in BANDS] for value in values])
        return observed, expected

    def scale(self) -> float:
        """A guess of the parameter's uncertainty, from the curvature at the data expected without a signal.

        Raises:
            NoLimitError: nothing expected depends on the parameter.
        """
        uncertainty = self.likelihood.uncertainty(self.asimov, self.background_only.parameters)
        if uncertainty > 0:
            return uncertainty
        # Where no event is expected, the deviance is no parabola: it rises by 2 for each expected signal event.
        slope = self.expected.at(0.0).slope / 2
        if slope > 0:
            return 1 / slope
        # Free normalisations make up for a signal until nothing is left of what they scale.
        signal = float(np.abs(self.likelihood.signal_slope(self.background_only.parameters)).sum())
        if not signal > 0:
            raise self.no_limit("no expected yield depends on it")
        return max(float(self.asimov.main.sum()), 1.0) / signal

    def no_limit(self, why: str) -> NoLimitError:
        """The error that says that there is no limit, and why; it names the workspace and the parameter."""
        parameter = self.likelihood.model.config.poi_name
        return NoLimitError(
            self.likelihood.name, f"there is no upper limit on {parameter!r}: {why}", "is there any signal in it?"
        )


def log_cls_of(observed: FloatArray, asimov: FloatArray) -> FloatArray:
    """(n,), the logarithms of CLs; see `AsymptoticCls.log_observed`.

    Args:
        observed: (n,), the roots of the statistic of the data.
        asimov: (n,), of the Asimov data.
    """
    shifted = _shifted(observed, asimov)
    return np.asarray(log_ndtr(-shifted) - log_ndtr(asimov - shifted), np.float64)


def _shifted(observed: FloatArray | float, asimov: FloatArray | float) -> FloatArray:
    """What takes the place of the root of the statistic, see `AsymptoticCls.log_observed`."""
    with np.errstate(all="ignore"):
        beyond = (np.square(observed) + np.square(asimov)) / (2 * np.asarray(asimov))
    is_beyond = np.greater(observed, asimov) & np.greater(asimov, 0)
    return np.where(is_beyond, beyond, observed)


class Rise(NamedTuple):
    """How far a deviance is above its lowest, and its derivative."""

    height: float
    slope: float

    @property
    def root(self) -> tuple[float, float]:
        """The square root, in standard deviations, and its derivative."""
        height = math.sqrt(self.height)
        return height, self.slope / (2 * height) if height > 0 else 0.0


def _rate(deviations: float) -> float:
    """The derivative of the logarithm of the normal distribution function."""
    return math.exp(-(deviations**2) / 2 - float(log_ndtr(deviations))) / math.sqrt(2 * math.pi)


def upper_limits(test: AsymptoticCls, level: float = 0.95, progress: Progress = silent) -> Limits:
    """The observed and expected upper limits; each is a root of its own, wherever it lies.

    Three bins, a background known to some per cent in each, and a few events less than expected:

    >>> from simmorph.limits.model.workspace import measurement_of
    >>> mu = {"name": "mu", "type": "normfactor", "data": None}
    >>> known_to = {"name": "shape", "type": "shapesys", "data": [5.0, 4.0, 3.0]}
    >>> signal = {"name": "signal", "data": [5.0, 9.0, 4.0], "modifiers": [mu]}
    >>> background = {"name": "background", "data": [60.0, 45.0, 30.0], "modifiers": [known_to]}
    >>> found = measurement_of({
    ...     "channels": [{"name": "mass", "samples": [signal, background]}],
    ...     "observations": [{"name": "mass", "data": [58, 44, 27]}],
    ...     "measurements": [{"name": "limit", "config": {"poi": "mu", "parameters": []}}],
    ...     "version": "1.0.0",
    ... })
    >>> limits = upper_limits(AsymptoticCls(found.likelihood, found.data))
    >>> limits.observed < limits.expected[2]
    True

    At each of them other minima are looked for; where one is lower, all is found again with it.

    Args:
        test: CLs of model and data.
        level: the confidence level.
        progress: called with what is being done.

    Raises:
        NoLimitError: CLs does not fall below `1 - level` for any value.
        InputError: a fit on the way has no finite minimum.
    """
    for n_searches in range(MAX_SEARCHES + 1):
        expected = _expected_limits(test, level)
        observed = _observed_limit(test, level, expected)
        for band, limit in zip(BANDS, expected, strict=True):
            progress(f"expected limit at {band:+d} sigma: {limit:.6g}")
        progress(f"observed limit: {observed:.6g}")
        if n_searches == MAX_SEARCHES or not test.search(observed, expected):
            break
        progress("a lower minimum of the likelihood was found: the limits are found again")
    return Limits(test.likelihood.model.config.poi_name, level, observed, tuple(expected))


def _expected_limits(test: AsymptoticCls, level: float) -> list[float]:
    """The limits at the BANDS, from the lowest up, each the guess for the next."""
    scale = test.scale()
    expected: list[float] = []
    for band in BANDS:
        # CLs of the band equals 1 - level where the statistic's root has this value.
        goal = band - float(ndtri((1 - level) * ndtr(band)))

        def above(value: float, goal: float = goal) -> tuple[float, float]:
            height, slope = test.asimov_statistic(value).root
            return height - goal, slope

        expected.append(_root(test, above, _next(test, expected, goal) if expected else scale * goal))
    return expected


def _next(test: AsymptoticCls, found: Sequence[float], goal: float) -> float:
    """A guess of the next limit along the tangent at the last one."""
    height, slope = test.asimov_statistic(found[-1]).root
    step = (goal - height) / slope if slope > 0 else 0.0
    return found[-1] + min(max(step, 0.0), 2 * found[-1])


def _observed_limit(test: AsymptoticCls, level: float, expected: Sequence[float]) -> float:
    def above(value: float) -> tuple[float, float]:
        log_cls, slope = test.log_cls(value)
        return math.log(1 - level) - log_cls, -slope

    return _root(test, above, expected[2] + test.best_value)


def _root(test: AsymptoticCls, function: Callable[[float], tuple[float, float]], guess: float) -> float:
    try:
        if math.isnan(function(guess)[1]):
            return crossing(lambda value: function(value)[0], guess)
        return steep_crossing(function, guess)
    except NoCrossingError as error:
        raise test.no_limit(f"CLs does not cross the level ({error})") from error


def discovery(test: AsymptoticCls) -> ExcessSignificance:
    """The local significance of the signal, by the statistic q0 of Cowan et al., section 2.3.

    Z = sqrt(q0), with q0 the difference of the deviance without a signal and at the best value, and 0 where that is not
    positive. The expected one is the median for a signal of strength 1 (section 4.1), with the nuisance parameters that
    the data prefer at that strength. Where a mass or another property of the signal was searched for, the
    look-elsewhere effect is not in it.

    Args:
        test: CLs of model and data, with the fits that are needed here.

    Raises:
        InputError: a fit has no finite minimum.
    """
    likelihood = test.likelihood
    observed = test.background_only.deviance - test.best.deviance if test.best_value > 0 else 0.0
    asimov = likelihood.expected(test.observed.at(1.0).parameters)
    expected = likelihood.fit(asimov, poi=0.0, start=test.background_only.parameters).deviance
    return ExcessSignificance(math.sqrt(max(observed, 0.0)), math.sqrt(max(expected, 0.0)))
