"""Heat maps of correlations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from simmorph.evaluation.plots.style import NO_HEADING, Heading, length_of, without_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

    from simmorph.data.events import FloatArray
    from simmorph.evaluation.metrics.correlations import Correlations

MOST_NUMBERED = 12
"""More variables than this leave no room for numbers in the cells."""
MOST_ABREAST = 10
"""More variables than this leave no room for three heat maps abreast."""
REACH_OF_DIFFERENCE = 0.3
CELL, SMALL_CELL, SCALE = 0.42, 0.24, 1.0
"""Inches of a cell with a number and of one without, and for the scale of colours beside a heat map."""


def plot_correlations(
    pearson: Mapping[str, Correlations],
    spearman: Mapping[str, Correlations],
    labels: Sequence[str],
    head: Heading = NO_HEADING,
) -> Figure:
    """Heat maps of the target's correlations, and of what source and template differ from them by.

    Pearson's coefficients stand below the diagonal, Spearman's rank correlations above it.

    Args:
        pearson: by sample, with `target`.
        spearman: the same of ranks.
        labels: of the variables.
        head: of the plot.
    """
    found = {name: _joined(pearson[name].matrix, spearman[name].matrix) for name in pearson}
    others = [name for name in ("source", "template") if name in found]
    panels = {"target": (found["target"], 1.0)}
    panels |= {f"{name} minus target": (found[name] - found["target"], REACH_OF_DIFFERENCE) for name in others}
    short = [without_unit(label) for label in labels]
    figure, places = _panels(short, len(panels))
    for number, (axes, (title, (matrix, reach))) in enumerate(zip(places, panels.items(), strict=True)):
        image = axes.imshow(matrix, cmap="RdBu_r", vmin=-reach, vmax=reach)
        if len(labels) <= MOST_NUMBERED:
            annotate(axes, matrix, reach)
        axes.set_xticks(range(len(short)), short, rotation=90)
        axes.set_yticks(range(len(short)), short if number == 0 or len(labels) > MOST_ABREAST else [""] * len(short))
        axes.tick_params(which="both", length=0)
        axes.axline((-0.5, -0.5), slope=1, color="black", linewidth=0.6)
        axes.set_title(title)
        draw_scale(figure, axes, image)
    head.over_all(figure)
    return figure


def _joined(below: FloatArray, above: FloatArray) -> FloatArray:
    """One matrix of two: one below the diagonal, the other above it, nothing on it."""
    joined = np.tril(below, -1) + np.triu(above, 1)
    np.fill_diagonal(joined, np.nan)
    return joined


def _panels(labels: Sequence[str], n_panels: int) -> tuple[Figure, list[Axes]]:
    """The figure and its panels of a fixed aspect, abreast if there is room, with room for the labels."""
    room = 0.25 + 0.1 * max(length_of(label) for label in labels)
    side = (CELL if len(labels) <= MOST_NUMBERED else SMALL_CELL) * len(labels)
    is_abreast = len(labels) <= MOST_ABREAST
    n_rows, n_columns = (1, n_panels) if is_abreast else (n_panels, 1)
    width, height = room + n_columns * (side + SCALE), n_rows * (side + room + 0.35) + 0.3
    figure = Figure(figsize=(width, height))
    places = []
    for number in range(n_panels):
        column, row = (number, 0) if is_abreast else (0, number)
        x, y = room + column * (side + SCALE), height - 0.65 - side - row * (side + room + 0.35)
        places.append(figure.add_axes((x / width, y / height, side / width, side / height)))
    return figure, places


def draw_scale(figure: Figure, axes: Axes, image: AxesImage) -> None:
    """The scale of colours beside a panel."""
    place, width = axes.get_position(), figure.get_figwidth()
    figure.colorbar(image, cax=figure.add_axes((place.x1 + 0.08 / width, place.y0, 0.13 / width, place.height)))


def annotate(axes: Axes, matrix: FloatArray, reach: float) -> None:
    """Write each coefficient into its cell, white on dark colours."""
    for row, column in np.argwhere(np.isfinite(matrix)):
        value = matrix[row, column]
        colour = "white" if abs(value) > 0.6 * reach else "black"
        text = f"{value + 0.0:.2f}".replace("-0.00", "0.00")
        axes.text(float(column), float(row), text, ha="center", va="center", fontsize=8.5, color=colour)
