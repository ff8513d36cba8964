"""Pulls of the nuisance parameters, and what each does to the fitted strength.

An impact is the change of the fitted strength when one parameter is fixed one standard deviation (after the fit) beside
its best value and all others are fitted anew. Correlations make their squares add up to something else than the square
of the strength's uncertainty, so impacts rank parameters and are no breakdown of the uncertainty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.data.events import FloatArray
    from simmorph.limits.fits.strength import FittedStrength
    from simmorph.limits.model.likelihood import Data, Likelihood

N_SHOWN = 20
"""How many parameters plot and table show, the strongest first."""
NEGLIGIBLE = 0.01
"""Impacts below this share of the largest are not shown."""


class Impact(NamedTuple):
    """One nuisance parameter.

    Attributes:
        parameter: its name.
        pull: fitted less nominal value, in units of the uncertainty before the fit.
        constraint: uncertainty after the fit over that before it; less than 1 where the data know better.
        up: by how much the fitted strength moves with the parameter fixed one standard deviation (after the fit) up.
        down: the same, downwards.
    """

    parameter: str
    pull: float
    constraint: float
    up: float
    down: float

    @property
    def size(self) -> float:
        """The larger of both shifts."""
        return max(abs(self.up), abs(self.down))


def impacts(likelihood: Likelihood, data: Data, found: FittedStrength) -> list[Impact]:
    """Every constrained parameter, the one that moves the strength most first.

    Each takes two fits. A parameter that is fixed, or that the fit holds at a bound, has no uncertainty after the fit
    and is left out.

    Args:
        likelihood: of the model.
        data: what was fitted.
        found: the best fit.

    Raises:
        InputError: a fit with one parameter fixed has no finite minimum.
    """
    best = found.fit.parameters
    after, before = np.sqrt(likelihood.spread(data, best).variances()), _widths_before(likelihood)
    names, rows = likelihood.model.config.par_names, []
    for at in np.unique(likelihood.constrained).tolist():
        if not (likelihood.free[at] and after[at] > 0):
            continue
        up, down = (_strength_at(likelihood, data, best, at, side * after[at]) for side in (1, -1))
        pull = (best[at] - likelihood.start[at]) / before[at]
        rows.append(Impact(names[at], float(pull), float(after[at] / before[at]), up - found.value, down - found.value))
    return sorted(rows, key=lambda row: -row.size)


def _widths_before(likelihood: Likelihood) -> FloatArray:
    """(n_parameters,), the uncertainty that each parameter's own measurement leaves.

    That is the width of a normal constraint, and 1 / sqrt(tau) of a Poisson one with tau auxiliary events at a
    parameter of 1. A parameter without constraint gets 1; no impact is asked of it.
    """
    widths = np.ones(len(likelihood.start))
    own = np.where(likelihood.gaussian, likelihood.widths, 1 / np.sqrt(np.maximum(likelihood.scales, 1e-300)))
    widths[likelihood.constrained] = own
    return widths


def _strength_at(likelihood: Likelihood, data: Data, best: FloatArray, at: int, shift: float) -> float:
    """The fitted strength with one parameter fixed beside its best value, or at the bound that it would cross."""
    value = float(np.clip(best[at] + shift, likelihood.lower[at], likelihood.upper[at]))
    return float(likelihood.fit(data, start=best, fixed={at: value}, is_signed=True).parameters[likelihood.poi])


def shown_of(rows: Sequence[Impact]) -> list[Impact]:
    """The impacts that people look at, the strongest first."""
    return [row for row in rows[:N_SHOWN] if row.size > NEGLIGIBLE * rows[0].size]
