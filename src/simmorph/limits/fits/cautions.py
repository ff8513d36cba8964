"""What a reader of limits should know before they are believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simmorph.limits.fits.inference import AsymptoticCls, Limits
    from simmorph.limits.fits.strength import FittedStrength
    from simmorph.limits.model.likelihood import Fit, Likelihood

INVISIBLE = 1000.0
"""The expected limit above which the nominal signal is as good as none."""
FEW_EVENTS = 10.0
"""Expected events below which the asymptotic formulae are optimistic: by a third for none observed."""


def cautions(
    test: AsymptoticCls, limits: Limits, strength: FittedStrength, *, is_asymptotic: bool = True
) -> Iterator[str]:
    """Sentences without a full stop.

    Args:
        test: what the limits were found with.
        limits: the limits.
        strength: the fitted parameter of interest.
        is_asymptotic: whether the limits are from the asymptotic formulae.
    """
    likelihood, parameter = test.likelihood, limits.parameter
    median = limits.expected[2]
    if median > INVISIBLE:
        yield f"the expected limit is {median:.3g} times the nominal signal, which is as good as invisible here"
    if is_asymptotic and (n_events := expected_events(test, limits)) < FEW_EVENTS:
        yield (
            f"only {n_events:.2g} events are expected where the limit is decided: asymptotic CLs is too optimistic "
            f"below about {FEW_EVENTS:g}, try --calculator toys"
        )
    if strength.edge:
        yield f"the fitted {parameter} is at the edge of {strength.edge}, which would expect nothing below it"
    if len(clipped := likelihood.clipped_bins(strength.fit.parameters)) if likelihood.is_clipped else 0:
        yield f"the best fit is clipped in {likelihood.bin_names(clipped)}: uncertainties from the curvature are rough"
    if not strength.is_determined:
        yield f"{parameter} is not determined by the data: other parameters can take its place"
    if len(strength.minima) > 1:
        lowest = strength.minima[0][1]
        others = ", ".join(f"{value:.4g} ({height - lowest:.2g} higher)" for value, height in strength.minima[1:])
        yield f"the likelihood has other minima, at {parameter} = {others} in -2 ln L"
    found = [test.best, strength.fit, test.observed.at(limits.observed), *map(test.expected.at, limits.expected)]
    if n_invalid := sum(not fit.is_valid for fit in found):
        yield f"{n_invalid} of the {len(found)} fits behind these numbers are not sure to be minima: try --engine pyhf"
    for name, bound in at_bounds(likelihood, strength.fit):
        yield f"parameter {name} ends at its bound {bound:g}"


def expected_events(test: AsymptoticCls, limits: Limits) -> float:
    """The events that are expected at the median limit, in as many equal bins as bear on it.

    With signal s and expectation nu of each bin, (sum of s^2 / nu)^2 / (sum of s^4 / nu^3): the expectation of a single
    bin, the sum of equal ones, and without what bins of little signal hold.
    """
    fit = test.expected.at(limits.expected[2])
    expected = test.likelihood.expected(fit.parameters).main
    signal = test.likelihood.signal_slope(fit.parameters)
    its = (signal != 0) & (expected > 0)
    signal, expected = signal[its], expected[its]
    share = np.sum(signal**4 / expected**3)
    return float(np.sum(signal**2 / expected) ** 2 / share) if share > 0 else 0.0


def at_bounds(likelihood: Likelihood, fit: Fit) -> Iterator[tuple[str, float]]:
    """The names of the free parameters that end at a bound, but for that of interest, and the bound."""
    lower, upper = likelihood.lower, likelihood.upper
    held = likelihood.free & (lower < upper) & ((fit.parameters <= lower) | (fit.parameters >= upper))
    held[likelihood.poi] = False
    for place in np.flatnonzero(held):
        yield str(likelihood.model.config.par_names[place]), float(fit.parameters[place])
