"""Intervals of Feldman and Cousins: exact where all data sets can be listed, else by pseudo-experiments."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import chi2

from simmorph.errors import SimmorphError
from simmorph.limits.fits.strength import rise
from simmorph.limits.review.feldman_cousins import (
    Ends,
    UnifiedInterval,
    Windows,
    ends_of,
    error_of,
    is_countable,
    unified_interval,
)
from simmorph.limits.toys.cls import ToyCls
from simmorph.limits.toys.counting import every_data_set
from simmorph.limits.toys.plan import Stage, origins_at
from simmorph.pipeline.limits.toy_limits import LEAST, cls_of
from simmorph.pipeline.limits.toys import bunches_of

if TYPE_CHECKING:
    from simmorph.limits.fits.inference import AsymptoticCls
    from simmorph.limits.fits.strength import FittedStrength
    from simmorph.pipeline.limits.toys import ToyOptions, Workshop

FIRST, LAST, MAIN = 30, 40, 40
"""The numbers of these stages."""
WIDE, CLOSE = 0.6, 0.2
"""By which share of the interval the ends are looked for beside where they should be, at first and in the end."""
REACH = 3.0
"""How many times further than the asymptotic end all data sets are listed."""
SHARE_OF_FIRST, LEAST_FIRST = 5, 400
"""One of so many pseudo-experiments, and at least so many, come closer to the ends."""


def feldman_cousins(
    test: AsymptoticCls, strength: FittedStrength, level: float, options: ToyOptions, workshop: Workshop
) -> UnifiedInterval | None:
    """The interval at a confidence level; None if the pseudo-experiments were stopped.

    Args:
        test: the fits to the observed data.
        strength: the best fit.
        level: the confidence level.
        options: how many pseudo-experiments, and their seed.
        workshop: where they are fitted.

    Raises:
        SimmorphError: the interval has no upper end as far as was looked.
    """
    likelihood = test.likelihood
    exact_words = "the Feldman-Cousins interval is a sum over all data sets: --toys does not change it"
    if is_countable(likelihood, test.data):
        workshop.progress(exact_words)
        return unified_interval(likelihood, test.data, level)
    about = _asymptotic(test, strength, level)
    if exact := _exact(test, about, level):
        workshop.progress(exact_words)
        return exact
    for stage in range(FIRST, LAST):
        # A few pseudo-experiments come closer to the ends, until these are where it was looked; then all of them.
        is_main = stage > FIRST and about.are_inside
        windows = Windows.around(about, CLOSE if is_main else WIDE)
        n_toys = options.number if is_main else max(options.number // SHARE_OF_FIRST, LEAST_FIRST)
        found = _by_toys(test, MAIN if is_main else stage, windows, n_toys, options.seed, workshop)
        if found is None:
            return None
        about = ends_of(found, level, windows)
        if is_main and about.are_inside:
            width = about.high - about.low
            errors = error_of(found, about.low, width), error_of(found, about.high, width)
            number, parameter = len(found.sets.log_drawn), str(likelihood.model.config.poi_name)
            return UnifiedInterval(parameter, level, about.low, about.high, errors, number)
        if is_main:
            break
    raise SimmorphError(likelihood.name, "the ends of the Feldman-Cousins interval are not certain", "try more --toys")


def _exact(test: AsymptoticCls, about: Ends, level: float) -> UnifiedInterval | None:
    """By a list of all data sets; None where they are too many, or other parameters are fitted."""
    highest = REACH * about.high
    sets = every_data_set(test.likelihood, test.data, highest)
    if sets is None:
        return None
    ends = ends_of(ToyCls(test, sets, highest), level, Windows((0.0, test.best_value), (test.best_value, highest)))
    parameter = str(test.likelihood.model.config.poi_name)
    return UnifiedInterval(parameter, level, ends.low, ends.high) if ends.are_inside else None


def _asymptotic(test: AsymptoticCls, strength: FittedStrength, level: float) -> Ends:
    """Where -2 ln L has risen as it should for many events, away from 0."""
    height, profile = float(chi2.ppf(level, 1)), test.observed
    guess = math.sqrt(height) * (strength.uncertainty if strength.uncertainty > 0 else test.scale())
    down, up = (rise(profile, test.best, side, guess, height) for side in (-1, 1))
    low = 0.0 if down is None else max(test.best_value + down, 0.0)
    return Ends(low, test.best_value + (2 * guess if up is None else up))


def _by_toys(  # noqa: PLR0913, PLR0917 - what makes a stage
    test: AsymptoticCls, number: int, windows: Windows, n_toys: int, seed: int, workshop: Workshop
) -> ToyCls | None:
    """The p-values by pseudo-experiments at both ends, where nothing stops them."""
    drawn = np.unique([*windows.low, *windows.high])
    stage = Stage(number, windows.knots(), origins_at(test, drawn, [n_toys // len(drawn)] * len(drawn)))
    finished = workshop.fit(bunches_of(stage, seed), is_short=number != MAIN)
    if workshop.stopped is not None or finished.number < LEAST:
        return None
    return cls_of(test, stage, finished)[0]
