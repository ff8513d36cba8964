"""Pulls and impacts as a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from simmorph.evaluation.plots.style import NO_HEADING, SOURCE, TEMPLATE, Heading, plain
from simmorph.limits.fits.impacts import shown_of
from simmorph.limits.report.plots import symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from simmorph.limits.fits.impacts import Impact


def draw_impacts(rows: Sequence[Impact], parameter: str, heading: Heading = NO_HEADING) -> Figure:
    """Pulls on the left, impacts on the right, the strongest parameter on top.

    A pull's bar is the uncertainty after the fit; the grey band is one standard deviation before it. A bar that is much
    shorter than the band says that the data know the parameter better than its own measurement. A free normalisation
    has no such measurement: its fitted value stands there in numbers.

    Args:
        rows: one or more impacts, the strongest first; `shown_of` says which are drawn.
        parameter: the name of the parameter of interest.
        heading: what stands above.
    """
    shown = shown_of(rows)[::-1]
    places = np.arange(len(shown))
    figure = Figure(figsize=(8.6, 1.9 + 0.32 * len(shown)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.2))
    _draw_pulls(left, shown)
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


def _draw_pulls(axes: Axes, shown: Sequence[Impact]) -> None:
    """A point for each parameter that is measured elsewhere, and the fitted value of each that is not."""
    known = [(place, it.pull, it.constraint) for place, it in enumerate(shown) if it.pull is not None and it.constraint]
    places, pulls, constraints = np.array(known, np.float64).reshape(-1, 3).T
    widest = max(3.0, 1.1 * float(np.max(np.abs(pulls) + constraints, initial=0.0)))
    axes.axvspan(-1, 1, color="0.92", lw=0)
    axes.errorbar(pulls, places, xerr=constraints, fmt="ko", ms=4, lw=1.2)
    for place, it in enumerate(shown):
        if it.pull is None:
            words = f"{it.value:.3g} $\\pm$ {it.uncertainty:.2g}"
            axes.annotate(words, (0, place), ha="center", va="center", fontsize=10)
    axes.set(xlabel=r"$(\hat\theta - \theta_0) / \Delta\theta$", xlim=(-widest, widest))
