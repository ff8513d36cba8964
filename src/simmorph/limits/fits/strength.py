"""The fitted parameter of interest, negative or not, with its uncertainties to both sides."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simmorph.limits.fits.crossing import NoCrossingError, crossing, steep_crossing
from simmorph.limits.fits.profile import Profile

if TYPE_CHECKING:
    from simmorph.data.events import IntArray
    from simmorph.limits.model.likelihood import Data, Fit, Likelihood

EMPTY = 1e-3
"""Counts, and expected numbers, below which a bin is empty."""
DECADES = range(10)
"""Powers of ten by which the counts of empty bins are brought down to nothing."""
SKEW = 0.05
"""Relative difference of the uncertainty to one side and that from the curvature from which both are quoted."""
FURTHEST = 1e4
"""How many times further than the uncertainty the deviance is followed until it has risen by 1."""


class FittedStrength(NamedTuple):
    """The fitted parameter of interest.

    Attributes:
        value: at the best fit; may be negative.
        uncertainty: from the curvature of the likelihood (what Minuit calls Hesse); at an edge, `up`; NaN where the
            data do not determine the parameter.
        down: where ln L has fallen by 1/2 (what Minuit calls Minos), negative; None where it does not fall so far.
        up: the same, upwards.
        fit: all parameters at the best fit.
        edge: what the best fit is at the edge of, in words: a bin in which it expects nothing; empty if there is none.
        is_determined: whether the deviance rises in every direction that changes the parameter.
        minima: all minima that were found, their parameters of interest and deviances, the lowest first.
    """

    value: float
    uncertainty: float
    down: float | None
    up: float | None
    fit: Fit
    edge: str = ""
    is_determined: bool = True
    minima: tuple[tuple[float, float], ...] = ()

    @property
    def is_symmetric(self) -> bool:
        """Whether one number is the uncertainty to both sides."""
        if self.curvature is None:
            return False
        sides = [-self.down if self.down is not None else math.inf, self.up if self.up is not None else math.inf]
        return all(abs(side / self.uncertainty - 1) < SKEW for side in sides)

    @property
    def curvature(self) -> float | None:
        """The uncertainty from the curvature; None at an edge, and where the data do not determine the parameter."""
        return self.uncertainty if self.is_determined and not self.edge and self.uncertainty > 0 else None

    def to_text(self) -> str:
        """Value and uncertainties for people: to both sides where they differ, or the edge."""
        value = f"{self.value:.5g}"
        if self.is_symmetric:
            return f"{value} +- {self.uncertainty:.3g}"
        sides = [f"{side:+.3g}" if side is not None else "" for side in (self.down, self.up)]
        interval = " ".join([value, *(side for side in sides if side)])
        if not self.is_determined:
            return f"{interval}: not determined by the data"
        if self.edge:
            return f"{interval} at the edge of {self.edge}"
        return f"{interval} (curvature: +- {self.uncertainty:.3g})"

    def to_json(self) -> dict[str, Any]:
        """The numbers by name: that of the curvature as `mu_hat_uncertainty`, those to both sides as `mu_hat_minos`."""
        found: dict[str, Any] = {
            "mu_hat": self.value,
            "mu_hat_uncertainty": self.curvature,
            "mu_hat_minos": [self.down, self.up],
        }
        if not self.is_determined:
            found["mu_hat_is"] = "not determined by the data"
        elif self.edge:
            found["mu_hat_is"] = f"at the edge of {self.edge}"
        if len(self.minima) > 1:
            lowest = self.minima[0][1]
            found["mu_hat_minima"] = [{"mu": value, "above_lowest": height - lowest} for value, height in self.minima]
        return found


def fitted_strength(
    likelihood: Likelihood, data: Data, *, sides: bool = True, near: Fit | None = None
) -> FittedStrength:
    """The parameter of interest that describes the data best, with its uncertainties.

    Args:
        likelihood: of the model.
        data: what is fitted.
        sides: look for the uncertainties to both sides too, which takes some fits more.
        near: a fit of the same data to begin with.
    """
    start = None if near is None else near.parameters
    minima = likelihood.minima(data, likelihood.fit(data, start=start, is_signed=True), is_signed=True)
    empty = _empty_bins(likelihood, data, minima[0])
    if len(empty):
        data, fit = _at_edge(likelihood, data, minima[0])
    else:
        fit = minima[0]
    poi = likelihood.poi
    found = tuple((float(it.parameters[poi]), it.deviance) for it in minima)
    spread = likelihood.spread(data, fit.parameters)
    # At an edge the parameter is held; the huge curvature of the empty bin would make all other directions look flat.
    is_determined = bool(len(empty)) or spread.is_determined(likelihood.poi_place)
    uncertainty = spread.deviation(likelihood.poi_place) if is_determined and not len(empty) else math.nan
    strength = FittedStrength(
        float(fit.parameters[poi]), uncertainty, None, None, fit,
        likelihood.bin_names(empty), is_determined, found,
    )  # fmt: skip
    if sides or not strength.uncertainty > 0:
        signal = float(likelihood.signal_slope(fit.parameters)[empty].sum())
        guess = 0.5 / signal if signal > 0 else abs(strength.value) or 1.0
        strength = _with_sides(likelihood, data, strength, minima, uncertainty if uncertainty > 0 else guess)
    return strength


def _empty_bins(likelihood: Likelihood, data: Data, fit: Fit) -> IntArray:
    """The bins without counts in which the fit with a negative parameter expects nothing."""
    if fit.parameters[likelihood.poi] >= 0:
        return np.empty(0, np.int64)
    is_empty = (data.main < EMPTY) & (likelihood.expected(fit.parameters).main < EMPTY)
    return np.flatnonzero(is_empty & likelihood.has_signal)


def _at_edge(likelihood: Likelihood, data: Data, fit: Fit) -> tuple[Data, Fit]:
    """The fit whose empty bins have a trace of a count, which keeps what is expected there above 0."""
    found, nearly = data, fit
    for power in DECADES:
        found = data._replace(main=np.where(data.main < EMPTY, np.maximum(data.main, 10.0**-power), data.main))
        nearly = likelihood.fit(found, start=None if power == 0 else nearly.parameters, is_signed=True)
    return found, nearly


def _with_sides(
    likelihood: Likelihood, data: Data, strength: FittedStrength, minima: list[Fit], guess: float
) -> FittedStrength:
    """The same with its uncertainties to both sides, which are about as large as the guess."""
    profile = Profile(likelihood, data, is_signed=True)
    for fit in [strength.fit] if strength.edge else minima:
        profile.add(fit)
    down, up = (rise(profile, strength.fit, side, guess) for side in (-1, 1))
    if strength.edge:
        return strength._replace(uncertainty=math.nan if up is None else up, up=up)
    return strength._replace(down=down, up=up)


def rise(profile: Profile, lowest: Fit, side: int, guess: float, height: float = 1.0) -> float | None:
    """How far the parameter of a profile can go to one side until the deviance has risen; None if it does not.

    Args:
        profile: of the parameter.
        lowest: the best fit.
        side: 1 upwards, -1 downwards.
        guess: about how far.
        height: by which the deviance rises.
    """
    value, goal = profile.value_of(lowest), math.sqrt(height)
    most = side * (profile.bounds[side > 0] - value)

    def above(distance: float) -> tuple[float, float]:
        if distance > FURTHEST * guess:
            raise NoCrossingError("it does not rise")
        fit = profile.at(value + side * min(distance, most))
        here = math.sqrt(max(fit.deviance - lowest.deviance, 0.0))
        return here - goal, side * fit.slope / (2 * here) if here > 0 else 0.0

    try:
        if math.isnan(above(guess)[1]):
            return side * crossing(lambda distance: above(distance)[0], guess, relative_tolerance=1e-4)
        distance = steep_crossing(above, guess)
    except NoCrossingError:
        return None
    return side * distance
