"""Profile likelihoods as plots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import chi2

from simmorph.evaluation.plots.style import NO_HEADING, SOURCE, TEMPLATE, Heading
from simmorph.limits.report.plots import symbol
from simmorph.limits.review.profiles import HIGHEST, LEVELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from simmorph.limits.review.profiles import Curve, Profiles

COLOURS = (SOURCE, TEMPLATE)
"""Of the levels."""
LINES = ("-", "--")


def draw_profiles(found: Profiles, heading: Heading = NO_HEADING) -> Figure:
    """The curve of each parameter with the heights of the levels, and the contours of two."""
    n_panels = len(found.curves) + bool(found.contours)
    figure = Figure(figsize=(0.6 + 5.2 * n_panels, 5.0), layout="constrained")
    panels = list(np.atleast_1d(figure.subplots(1, n_panels)))
    for axes, curve in zip(panels, found.curves, strict=False):
        _draw_curve(axes, curve)
    if found.contours:
        _draw_contours(panels[-1], found)
    panels[0].set_title(heading.experiment.replace("$", r"\$"), loc="left", fontweight="bold")
    panels[-1].set_title(heading.collisions, loc="right")
    return figure


def _draw_curve(axes: Axes, curve: Curve) -> None:
    """-2 ln L above its lowest, and where it reaches the levels."""
    axes.plot(curve.values, curve.rises, color="k")
    low, high = curve.values[0], curve.values[-1]
    for level, ends, colour, line in zip(LEVELS, curve.intervals, COLOURS, LINES, strict=True):
        height = float(chi2.ppf(level, 1))
        axes.axhline(height, color=colour, ls=line, lw=1, label=f"{100 * level:.0f} %")
        for end in ends:
            if end is not None and low <= end <= high:
                axes.plot([end, end], [0, height], color=colour, ls=line, lw=1)
    axes.set(xlim=(low, high), ylim=(0, 1.3 * HIGHEST), xlabel=symbol(curve.parameter), ylabel=r"$-2\,\Delta\ln L$")
    axes.legend(loc="upper center", ncols=2, title=_interval_words(curve))


def _interval_words(curve: Curve) -> str:
    """The fitted value with the distances to both ends of the first interval."""
    name, (low, high) = symbol(curve.parameter), curve.intervals[0]
    if low is None or high is None:
        return f"{name} = {curve.best:.3g}"
    return rf"{name} = ${curve.best:.3g}_{{{low - curve.best:.2g}}}^{{+{high - curve.best:.2g}}}$"


def _draw_contours(axes: Axes, found: Profiles) -> None:
    """The closed contours about the best fit."""
    first, second = found.curves
    for level, points, colour, line in zip(LEVELS, found.contours, COLOURS, LINES, strict=True):
        axes.plot(*points.T, color=colour, ls=line, label=f"{100 * level:.0f} %")
    axes.plot(first.best, second.best, "k+", ms=10, label="Best fit")
    axes.set(xlabel=symbol(first.parameter), ylabel=symbol(second.parameter))
    axes.margins(y=0.3)
    axes.legend(loc="upper center", ncols=3)
