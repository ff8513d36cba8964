"""Pulls of the nuisance parameters, and what each does to the fitted strength.

A pull is in units of the parameter's own measurement, whatever its kind: the width of a normal constraint, and of a
Poisson one 1 / sqrt(auxiliary events). An impact is the change of the fitted strength when one parameter is fixed one
standard deviation (after the fit) beside its best value and all others are fitted anew. Correlations make their squares
add up to something else than the square of the strength's uncertainty, so impacts rank parameters and are no breakdown
of the uncertainty.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from simmorph.data.events import FloatArray
    from simmorph.limits.fits.strength import FittedStrength
    from simmorph.limits.model.likelihood import Data, Likelihood

    Shifted = Callable[[Sequence["Shift"]], Iterable[float]]

N_SHOWN = 20
"""How many parameters plot and table show, the strongest first."""
NEGLIGIBLE = 0.01
"""Impacts below this share of the largest are not shown."""


class Shift(NamedTuple):
    """Which parameter is fixed beside its best value, and how far."""

    at: int
    by: float


class Impact(NamedTuple):
    """One nuisance parameter.

    Attributes:
        parameter: its name.
        pull: fitted less measured value, in units of the uncertainty before the fit; None where only the fit knows it.
        constraint: uncertainty after the fit over that before it; less than 1 where the data know better.
        up: by how much the fitted strength moves with the parameter fixed one standard deviation (after the fit) up.
        down: the same, downwards.
        value: fitted.
        uncertainty: after the fit.
    """

    parameter: str
    pull: float | None
    constraint: float | None
    up: float
    down: float
    value: float
    uncertainty: float

    @property
    def size(self) -> float:
        """The larger of both shifts."""
        return max(abs(self.up), abs(self.down))

    def to_text(self) -> str:
        """The numbers for people."""
        known = f"{self.value:.3g} +- {self.uncertainty:.2g}"
        if self.pull is not None and self.constraint is not None:
            known = f"pull {self.pull:+.2f}, {self.constraint:.2f}"
        return f"{self.up:+.3g} {self.down:+.3g} ({known})"


def impacts(likelihood: Likelihood, data: Data, found: FittedStrength, shifted: Shifted | None = None) -> list[Impact]:
    """Every nuisance parameter, the one that moves the strength most first.

    Each takes two fits. A parameter that is fixed, that the fit holds at a bound, or that the data do not determine has
    no uncertainty after the fit and is left out. A free normalisation has no uncertainty before it, and so no pull.

    Args:
        likelihood: of the model.
        data: what was fitted.
        found: the best fit.
        shifted: makes the fits of many shifts, side by side; one after the other if None.

    Raises:
        InputError: a fit with one parameter fixed has no finite minimum.
    """
    best = found.fit.parameters
    after, (measured, before) = uncertainties(likelihood, data, best), _measurements(likelihood, data)
    its = np.setdiff1d(np.flatnonzero(likelihood.free & (after > 0)), [likelihood.poi]).tolist()
    shifts = [Shift(at, side * float(after[at])) for at in its for side in (1, -1)]
    found_at = iter((shifted or partial(_one_by_one, likelihood, data, best))(shifts))
    names, rows = likelihood.model.config.par_names, []
    for at, up, down in zip(its, found_at, found_at, strict=True):
        is_known = bool(before[at] > 0)
        pull, constraint = (
            ((best[at] - measured[at]) / before[at], after[at] / before[at]) if is_known else (None, None)
        )
        moved = up - found.value, down - found.value
        rows.append(Impact(names[at], pull, constraint, *moved, float(best[at]), float(after[at])))
    return sorted(rows, key=lambda row: -row.size)


def _one_by_one(likelihood: Likelihood, data: Data, best: FloatArray, shifts: Sequence[Shift]) -> Iterator[float]:
    return (strength_at(likelihood, data, best, shift) for shift in shifts)


def uncertainties(likelihood: Likelihood, data: Data, best: FloatArray) -> FloatArray:
    """(n_parameters,), after the fit; 0 of those that do not move, or that the data do not determine."""
    spread = likelihood.spread(data, best)
    after = np.sqrt(spread.variances())
    flat = [int(shared) for shared in spread.moving if not spread.is_determined(int(shared))]
    after[likelihood.yields.shared[flat]] = 0.0
    return np.asarray(after, np.float64)


def _measurements(likelihood: Likelihood, data: Data) -> tuple[FloatArray, FloatArray]:
    """(n_parameters,), the value and the uncertainty that each parameter's own measurement gives.

    The uncertainty is the width of a normal constraint, and 1 / sqrt(tau) of a Poisson one with tau auxiliary events at
    a parameter of 1. A parameter without constraint has 0.
    """
    values, widths = np.zeros((2, len(likelihood.start)))
    scales = np.maximum(likelihood.scales, 1e-300)
    values[likelihood.constrained] = data.auxiliary / scales
    widths[likelihood.constrained] = np.where(likelihood.gaussian, likelihood.widths, 1 / np.sqrt(scales))
    return values, widths


def strength_at(likelihood: Likelihood, data: Data, best: FloatArray, shift: Shift) -> float:
    """The fitted strength with one parameter fixed beside its best value, or at the bound that it would cross.

    Raises:
        InputError: the fit has no finite minimum.
    """
    at = shift.at
    value = float(np.clip(best[at] + shift.by, likelihood.lower[at], likelihood.upper[at]))
    return float(likelihood.fit(data, start=best, fixed={at: value}, is_signed=True).parameters[likelihood.poi])


def shown_of(rows: Sequence[Impact]) -> list[Impact]:
    """The impacts that people look at, the strongest first."""
    return [row for row in rows[:N_SHOWN] if row.size > NEGLIGIBLE * rows[0].size]
