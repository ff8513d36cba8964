"""Impacts of nuisance parameters, whose fits are made side by side."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from simmorph.limits.fits.impacts import impacts, strength_at
from simmorph.pipeline.processes import in_order, outcomes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from simmorph.data.events import FloatArray
    from simmorph.limits.fits.impacts import Impact, Shift
    from simmorph.limits.fits.strength import FittedStrength
    from simmorph.limits.model.likelihood import Data, FitTally, Likelihood

    Fitted = tuple[float, FitTally]


def impacts_by(likelihood: Likelihood, data: Data, found: FittedStrength, jobs: int) -> tuple[Impact, ...]:
    """The impact of every nuisance parameter; see `impacts`.

    Args:
        likelihood: of the model; its tally counts the fits.
        data: what was fitted.
        found: the best fit.
        jobs: processes that work at the same time.
    """
    setup = partial(_ready, likelihood.apart(), data, found.fit.parameters)

    def shifted(shifts: Sequence[Shift]) -> Iterator[float]:
        with contextlib.closing(outcomes(setup, shifts, jobs)) as fits:
            for fit in in_order(fits, shifts):
                strength, tally = fit.get()
                likelihood.tally.add(tally)
                yield strength

    return tuple(impacts(likelihood, data, found, shifted))


def _ready(likelihood: Likelihood, data: Data, best: FloatArray) -> Callable[[Shift], Fitted]:
    """What fits a strength beside the best fit, in this process or another one."""
    return partial(_fitted, likelihood, data, best)


def _fitted(likelihood: Likelihood, data: Data, best: FloatArray, shift: Shift) -> Fitted:
    own = likelihood.apart()
    return strength_at(own, data, best, shift), own.tally
