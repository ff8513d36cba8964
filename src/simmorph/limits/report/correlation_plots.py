"""The correlation matrix of a fit as a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from simmorph.evaluation.plots.correlations import CELL, SCALE, annotate, draw_scale
from simmorph.evaluation.plots.style import NO_HEADING, Heading, length_of
from simmorph.limits.report.plots import symbol

if TYPE_CHECKING:
    from simmorph.limits.review.correlations import FitCorrelations

LETTER = 0.095
"""Inches of a letter of a parameter's name."""


def draw_correlations(found: FitCorrelations, heading: Heading = NO_HEADING) -> Figure:
    """A heat map of the correlations, of the parameters with the largest ones where there are many.

    Args:
        found: all correlations; `shown` says which are drawn.
        heading: what stands above.
    """
    shown = found.shown()
    names = [symbol(name) for name in shown.parameters]
    room, side = 0.3 + LETTER * max(map(length_of, names)), CELL * len(names)
    width, height = max(room + side + SCALE, 4.5), room + side + 0.5
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((room / width, room / height, side / width, side / height))
    image = axes.imshow(shown.matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    annotate(axes, shown.matrix, 1.0)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=10)
    axes.set_yticks(range(len(names)), names, fontsize=10)
    axes.tick_params(which="both", length=0)
    draw_scale(figure, axes, image)
    heading.over(axes)
    if len(shown.parameters) < len(found.parameters):
        words = f"{len(shown.parameters)} of {len(found.parameters)} parameters: those with the largest correlations"
        figure.text(0.01, 0.01, words, fontsize=9, color="0.3")
    return figure
