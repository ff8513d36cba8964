"""Pulls of the nuisance parameters, and what each does to the fitted strength."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from simmorph.evaluation.plots.style import NO_HEADING, SOURCE, TEMPLATE, Heading, plain
from simmorph.limits.inference import signed_copy
from simmorph.limits.plots import symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.data.events import FloatArray
    from simmorph.limits.inference import FittedStrength
    from simmorph.limits.likelihood import Data, Likelihood

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

    Args:
        likelihood: of the model.
        data: what was fitted.
        found: the best fit.
    """
    signed, best = signed_copy(likelihood), found.fit.parameters
    covariance = signed.covariance(data, best)
    before = _widths_before(signed)
    rows = []
    for at in np.unique(signed.constrained):
        after = float(np.sqrt(covariance[at, at]))
        if not (signed.free[at] and after > 0):
            continue
        up, down = (_strength_at(signed, data, best, int(at), side * after) for side in (1, -1))
        pull = (best[at] - signed.start[at]) / before[at]
        name = str(signed.model.config.par_names[at])
        rows.append(Impact(name, float(pull), after / float(before[at]), up - found.value, down - found.value))
    return sorted(rows, key=lambda row: -row.size)


def _widths_before(likelihood: Likelihood) -> FloatArray:
    """(n_parameters,), the uncertainty that each parameter's own measurement leaves."""
    widths = np.ones(len(likelihood.start))
    own = np.where(likelihood.gaussian, likelihood.widths, 1 / np.sqrt(np.maximum(likelihood.scales, 1e-300)))
    widths[likelihood.constrained] = own
    return widths


def _strength_at(likelihood: Likelihood, data: Data, best: FloatArray, at: int, shift: float) -> float:
    """The fitted strength with one parameter fixed beside its best value."""
    moved = best.copy()
    moved[at] = np.clip(best[at] + shift, likelihood.lower[at], likelihood.upper[at])
    likelihood.free[at] = False
    try:
        return float(likelihood.fit(data, start=moved).parameters[likelihood.poi])
    finally:
        likelihood.free[at] = True


def shown_of(rows: Sequence[Impact]) -> list[Impact]:
    """The impacts that people look at, the strongest first."""
    return [row for row in rows[:N_SHOWN] if row.size > NEGLIGIBLE * rows[0].size]


def draw_impacts(rows: Sequence[Impact], parameter: str, heading: Heading = NO_HEADING) -> Figure:
    """Pulls on the left, impacts on the right, the strongest parameter on top."""
    shown = shown_of(rows)[::-1]
    places = np.arange(len(shown))
    figure = Figure(figsize=(8.6, 1.9 + 0.32 * len(shown)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.2))
    widest = max(3.0, *(1.1 * (abs(it.pull) + it.constraint) for it in shown))
    left.axvspan(-1, 1, color="0.92", lw=0)
    left.errorbar([it.pull for it in shown], places, xerr=[it.constraint for it in shown], fmt="ko", ms=4, lw=1.2)
    left.set(xlabel=r"$(\hat\theta - \theta_0) / \Delta\theta$", xlim=(-widest, widest))
    left.set_ylim(-0.6, len(shown) - 0.4)
    left.set_yticks(places, [it.parameter for it in shown], fontsize=10)
    right.barh(places, [it.up for it in shown], color=SOURCE, height=0.7, label=r"$\theta$ up")
    right.barh(places, [it.down for it in shown], color=TEMPLATE, height=0.7, alpha=0.7, label=r"$\theta$ down")
    right.axvline(0, color="k", lw=1)
    right.margins(x=0.1)
    right.set_xlabel(f"Impact on fitted {symbol(parameter)}")
    for axes in (left, right):
        axes.tick_params(axis="y", which="both", length=0)
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    left.set_title(plain(heading.experiment), loc="left", fontweight="bold")
    right.set_title(heading.collisions, loc="right")
    return figure
