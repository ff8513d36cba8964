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
from simmorph.limits.fits.crossing import NoCrossingError, crossing
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from simmorph.data.events import FloatArray
    from simmorph.limits.model.likelihood import Data, Fit, Likelihood
    from simmorph.progress import Progress

BANDS = (-2, -1, 0, 1, 2)
"""The expected limits that are given, in standard deviations."""


SAME = 1e-5
"""Difference of -2 ln L up to which two minima are the same."""
SHARES = (0.5, 0.2)
"""How far down a negative parameter is tried to go, as shares of the way to where a bin expects nothing."""
INVISIBLE = 1000.0
"""The expected limit above which the nominal signal is as good as none."""


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


class FittedStrength(NamedTuple):
    """The fitted parameter of interest.

    Attributes:
        value: at the best fit; may be negative.
        uncertainty: from the curvature of the likelihood (what Minuit calls Hesse).
        down: where ln L has fallen by 1/2 (what Minuit calls Minos), negative; None where it does not fall so far.
        up: the same, upwards.
        fit: all parameters at the best fit.
    """

    value: float
    uncertainty: float
    down: float | None
    up: float | None
    fit: Fit


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
        best: the fit with the parameter of interest free, at 0 or above.
        background_only: the fit with it fixed at 0.
        asimov: the data expected without a signal, at the nuisance parameters of `background_only`.
        is_careful: whether every fit looks for a lower minimum too; see `missed_a_minimum`.

    Raises:
        InputError: a fit has no finite minimum.
    """

    def __init__(self, likelihood: Likelihood, data: Data) -> None:
        self.likelihood, self.data = likelihood, data
        self.is_careful = False
        self.best = likelihood.lowest(data, likelihood.fit(data))
        self.background_only = likelihood.lowest(data, likelihood.fit(data, poi=0.0), poi=0.0)
        if self.background_only.deviance < self.best.deviance:
            self.best = self.background_only
        self.asimov = likelihood.expected(self.background_only.parameters)
        self._observed: dict[float, Fit] = {0.0: self.background_only, self.best_value: self.best}
        self._asimov: dict[float, Fit] = {0.0: self.background_only._replace(deviance=0.0)}

    @property
    def best_value(self) -> float:
        """The parameter of interest, at least 0, that describes the data best."""
        return float(self.best.parameters[self.likelihood.poi])

    def observed_statistic(self, value: float) -> float:
        """q~ of the observed data: 0 up to the best value.

        Beyond it, the difference of the deviance (-2 ln L) at this value and at the best one. A fit that ends lower
        than the best one shows that the free fit stayed in another minimum: the best fit is made again from there.
        """
        if value <= self.best_value:
            return 0.0
        fit = self._fit(self._observed, self.data, value)
        if fit.deviance < self.best.deviance:  # the free fit had missed the minimum: it is here or near
            self.best = min(self.likelihood.fit(self.data, start=fit.parameters), fit, key=lambda f: f.deviance)
            return self.observed_statistic(value)
        return fit.deviance - self.best.deviance

    def asimov_statistic(self, value: float) -> float:
        """q~ of the data expected without a signal; their best fit is known, and its deviance is 0."""
        return max(self._fit(self._asimov, self.asimov, value).deviance, 0.0)

    def _fit(self, known: dict[float, Fit], data: Data, value: float) -> Fit:
        """The fit at one value: that in `known`, or a new one which starts at the nearest value and is remembered."""
        if value not in known:
            nearest = min(known, key=lambda other: abs(other - value))
            found = self.likelihood.fit(data, poi=value, start=known[nearest].parameters)
            known[value] = self.likelihood.lowest(data, found, poi=value) if self.is_careful else found
        return known[value]

    def missed_a_minimum(self, values: Iterable[float]) -> bool:
        """Whether some fit at these values stayed in a minimum that is not the lowest; if so, all look twice now.

        All remembered fits but those at 0 and at the best value are then forgotten, and what was found with them has to
        be found again.
        """
        for value in values:
            for known, data in ((self._observed, self.data), (self._asimov, self.asimov)):
                if value not in known:
                    continue
                found = known[value]
                lowest = self.likelihood.lowest(data, found, poi=value)
                if lowest.deviance < found.deviance - SAME:
                    self.is_careful = True
                    self._observed = {0.0: self.background_only, self.best_value: self.best}
                    self._asimov = {0.0: self.background_only._replace(deviance=0.0)}
                    return True
        return False

    def log_observed(self, value: float) -> float:
        """The logarithm of CLs of the observed data, which neither underflows nor rounds.

        With q for the observed statistic, A for the Asimov one and Phi for the normal distribution function:
        CLs = Phi(-sqrt(q)) / Phi(sqrt(A) - sqrt(q)) for q <= A. For larger q the statistic is no longer a square in the
        strength (the best value would be negative), and sqrt(q) is replaced by (q + A) / (2 sqrt(A)) in both.
        """
        observed = math.sqrt(self.observed_statistic(value))
        asimov = math.sqrt(self.asimov_statistic(value))
        shifted = (observed**2 + asimov**2) / (2 * asimov) if observed > asimov > 0 else observed
        return float(log_ndtr(-shifted) - log_ndtr(asimov - shifted))

    def cls(self, value: float) -> float:
        """CLs of the observed data."""
        return math.exp(self.log_observed(value))

    def log_expected(self, value: float, band: float) -> float:
        """The logarithm of CLs of data that fluctuate by `band` standard deviations about the expected ones.

        CLs = Phi(band - sqrt(A)) / Phi(band), with the Asimov statistic A; the median has `band` 0. A fluctuation
        downwards (a negative band) excludes more.
        """
        return float(log_ndtr(band - math.sqrt(self.asimov_statistic(value))) - log_ndtr(band))

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
        likelihood, parameters = self.likelihood, self.background_only.parameters
        rate = float(likelihood.parabola(parameters, self.asimov).curvature[likelihood.poi, likelihood.poi])
        if rate > 0:
            return math.sqrt(2 / rate)
        # Where no event is expected, the deviance is no parabola: it rises by 2 for each expected signal event.
        slope = float(np.sum(np.abs(likelihood.yields.with_slopes(parameters)[1][likelihood.poi])))
        if not slope > 0:
            raise self.no_limit("no expected yield depends on it")
        return 1 / slope

    def no_limit(self, why: str) -> NoLimitError:
        """The error that says that there is no limit, and why; it names the workspace and the parameter."""
        parameter = self.likelihood.model.config.poi_name
        return NoLimitError(
            self.likelihood.name, f"there is no upper limit on {parameter!r}: {why}", "is there any signal in it?"
        )


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

    Args:
        test: CLs of model and data.
        level: the confidence level.
        progress: called with what is being done.

    Raises:
        NoLimitError: CLs does not fall below `1 - level` for any value.
        InputError: a fit on the way has no finite minimum.
    """
    expected = _expected_limits(test, level)
    observed = _observed_limit(test, level, expected)
    if test.missed_a_minimum([*expected, observed]):
        progress("the likelihood has several minima: every fit is made from several starting points")
        expected = _expected_limits(test, level)
        observed = _observed_limit(test, level, expected)
    for band, limit in zip(BANDS, expected, strict=True):
        progress(f"expected limit at {band:+d} sigma: {limit:.6g}")
    progress(f"observed limit: {observed:.6g}")
    return Limits(test.likelihood.model.config.poi_name, level, observed, tuple(expected))


def _expected_limits(test: AsymptoticCls, level: float) -> list[float]:
    """The limits at the BANDS, from the lowest up, each the guess for the next."""
    scale = test.scale()
    expected: list[float] = []
    for band in BANDS:
        # CLs of the band equals 1 - level where the statistic's root has this value.
        goal = band - float(ndtri((1 - level) * ndtr(band)))
        guess = expected[-1] if expected else scale * goal
        expected.append(_root(test, lambda mu, goal=goal: math.sqrt(test.asimov_statistic(mu)) - goal, guess))  # type: ignore[misc]
    return expected


def _observed_limit(test: AsymptoticCls, level: float, expected: Sequence[float]) -> float:
    """The root of ln CLs = ln(1 - level); the guess is the median expected limit above the best value."""
    return _root(test, lambda mu: math.log(1 - level) - test.log_observed(mu), expected[2] + test.best_value)


def warnings_of(limits: Limits) -> list[str]:
    """What a reader should know of limits that say little, without a full stop."""
    median = limits.expected[2]
    if median <= INVISIBLE:
        return []
    return [f"the expected limit is {median:.3g} times the nominal signal, which is as good as invisible here"]


def _root(test: AsymptoticCls, function: Callable[[float], float], guess: float) -> float:
    """Where the function crosses zero, or the error that says that there is no limit."""
    try:
        return crossing(function, guess)
    except NoCrossingError as error:
        raise test.no_limit(f"CLs does not cross the level ({error})") from error


def discovery(test: AsymptoticCls, data: Data) -> ExcessSignificance:
    """The local significance of the signal, by the statistic q0 of Cowan et al., section 2.3.

    Z = sqrt(q0), with q0 the difference of the deviance without a signal and at the best value, and 0 where that is not
    positive. The expected one is the median for a signal of strength 1 (section 4.1), with the nuisance parameters that
    the data prefer at that strength. Where a mass or another property of the signal was searched for, the
    look-elsewhere effect is not in it.

    Args:
        test: CLs of model and data, with the fits that are needed here.
        data: the observed data.

    Raises:
        InputError: a fit has no finite minimum.
    """
    likelihood = test.likelihood
    observed = test.background_only.deviance - test.best.deviance if test.best_value > 0 else 0.0
    with_signal = likelihood.fit(data, poi=1.0, start=test.best.parameters)
    asimov = likelihood.expected(with_signal.parameters)
    expected = likelihood.fit(asimov, poi=0.0, start=test.background_only.parameters).deviance
    return ExcessSignificance(math.sqrt(max(observed, 0.0)), math.sqrt(max(expected, 0.0)))


def fitted_strength(likelihood: Likelihood, data: Data, *, sides: bool = True) -> FittedStrength:
    """The parameter of interest that describes the data best, negative or not, with its uncertainties.

    A negative strength is allowed as long as every bin still expects events, see `signed_copy`. Where no valid minimum
    is found below 0, the value is that at the bound, with the uncertainty upwards alone.

    Args:
        likelihood: of the model.
        data: what is fitted.
        sides: look for the uncertainties to both sides too, which takes a dozen fits more.

    Raises:
        InputError: a fit has no finite minimum.
    """
    signed, fit = _signed_fit(likelihood, data)
    value, uncertainty = float(fit.parameters[signed.poi]), signed.uncertainty(data, fit.parameters)
    if not sides and uncertainty:
        return FittedStrength(value, uncertainty, None, None, fit)
    guess = uncertainty or abs(value) or 1.0
    down, up = (_rise(signed, data, fit, side, guess) for side in (-1, 1))
    # At the edge of what it can be, a parameter has no curvature: what is left is how far up it can go.
    return FittedStrength(value, uncertainty or up or 0.0, down, up, fit)


def _signed_fit(likelihood: Likelihood, data: Data) -> tuple[Likelihood, Fit]:
    """The best fit with a parameter that may be negative; as negative as a valid minimum allows."""
    bounded = likelihood.lowest(data, likelihood.fit(data))
    if bounded.parameters[likelihood.poi] > 0:
        return signed_copy(likelihood), bounded
    for share in SHARES:
        signed, before = signed_copy(likelihood, share), likelihood.tally.invalid
        fit = signed.fit(data, start=bounded.parameters)
        if fit.is_valid:
            return signed, signed.lowest(data, fit)
        likelihood.tally.invalid = before  # what was tried in vain does not count
    return likelihood, bounded


def signed_copy(likelihood: Likelihood, share: float = 0.5) -> Likelihood:
    """The same likelihood with a parameter that may be negative, as far as every bin stays well positive.

    Args:
        likelihood: whose parameter cannot be negative.
        share: of the way to where a bin expects nothing; the rest is room for backgrounds that the fit pulls down.
    """
    signed = type(likelihood)(likelihood.model, likelihood.yields, likelihood.name, likelihood.tally)
    signed.lower[signed.poi] = -share * lowest_strength(likelihood)
    return signed


def lowest_strength(likelihood: Likelihood) -> float:
    """How negative the parameter of interest may become before a bin of the nominal model expects nothing."""
    background = likelihood.expected(likelihood.at(0.0)).main
    signal = likelihood.expected(likelihood.at(1.0)).main - background
    room = background[signal > 0] / signal[signal > 0]
    return float(room.min()) if len(room) else 0.0


def _rise(likelihood: Likelihood, data: Data, fit: Fit, side: int, guess: float) -> float | None:
    """How far the parameter can go to one side until the deviance has risen by 1.

    Args:
        likelihood: whose parameter may be negative.
        data: what was fitted.
        fit: the best fit.
        side: 1 or -1.
        guess: of the distance.

    Returns:
        The signed distance; None where the parameter's bound comes first, or a fit on the way has no valid minimum.
    """
    centre = float(fit.parameters[likelihood.poi])
    room = centre - float(likelihood.lower[likelihood.poi]) if side < 0 else math.inf

    def excess(distance: float) -> float:
        value = centre + side * min(distance, room)
        if not math.isfinite(likelihood.deviance(likelihood.at(value, fit.parameters), data)):
            return math.inf
        there, before = likelihood.fit(data, poi=value, start=fit.parameters), likelihood.tally.invalid
        if not there.is_valid:
            likelihood.tally.invalid = before - 1
            raise NoCrossingError(f"no minimum at {value:.3g}")
        return there.deviance - fit.deviance - 1

    try:
        distance = crossing(excess, guess, relative_tolerance=1e-4)
    except NoCrossingError:
        return None
    return side * distance if distance < room else None
