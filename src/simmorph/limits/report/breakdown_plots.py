"""What an uncertainty is made of, as a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from simmorph.evaluation.plots.style import NO_HEADING, NULL, SOURCE, Heading, plain
from simmorph.limits.report.plots import symbol

if TYPE_CHECKING:
    from simmorph.limits.review.breakdown import Breakdown, Part


def draw_breakdown(found: Breakdown, heading: Heading = NO_HEADING) -> Figure:
    """A bar for each part of the uncertainty, to both sides of the fitted value; the total on top."""
    parts = found.parts[::-1]
    places = np.arange(len(parts))
    ends = np.array([_ends(part) for part in parts])
    figure = Figure(figsize=(6.6, 1.5 + 0.36 * len(parts)), layout="constrained")
    axes = figure.add_subplot()
    colours = [SOURCE] * (len(parts) - 1) + [NULL]
    axes.barh(places, ends[:, 1] - ends[:, 0], left=ends[:, 0], color=colours, height=0.7)
    axes.axvline(0, color="k", lw=1)
    axes.set_yticks(places, [plain(part.group) for part in parts])
    axes.tick_params(axis="y", which="both", length=0)
    reach = 1.08 * float(np.abs(ends).max()) or 1.0
    axes.set_xlim(-reach, reach)
    axes.set_xlabel(f"Uncertainty of fitted {symbol(found.parameter)}")
    heading.over(axes)
    return figure


def _ends(part: Part) -> tuple[float, float]:
    """Both sides, or the uncertainty from the curvature where one has no end."""
    size = part.uncertainty or 0.0
    return (-size if part.down is None else part.down), (size if part.up is None else part.up)
