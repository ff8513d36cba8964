"""Heat maps of correlations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from simmorph.evaluation.plots import Heading, with_fixed_layout, without_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from simmorph.data.events import FloatArray
    from simmorph.evaluation.correlations import Correlations

MOST_NUMBERED = 12
"""More variables than this leave no room for numbers in the cells."""
MOST_ABREAST = 10
"""More variables than this leave no room for three heat maps abreast."""
REACH_OF_DIFFERENCE = 0.3


def plot_correlations(
    pearson: Mapping[str, Correlations],
    spearman: Mapping[str, Correlations],
    labels: Sequence[str],
    head: Heading = Heading(),  # noqa: B008
) -> Figure:
    """Heat maps of the target's correlations, and of what source and template differ from them by.

    Pearson's coefficients stand below the diagonal, Spearman's rank correlations above it.
    """
    found = {name: _joined(pearson[name].matrix, spearman[name].matrix) for name in pearson}
    others = [name for name in ("source", "template") if name in found]
    panels = {"target": (found["target"], 1.0)}
    panels |= {f"{name} minus target": (found[name] - found["target"], REACH_OF_DIFFERENCE) for name in others}
    short = [without_unit(label) for label in labels]
    figure, places = _panels(short, len(panels))
    for axes, (title, (matrix, reach)) in zip(places, panels.items(), strict=True):
        image = axes.imshow(matrix, cmap="RdBu_r", vmin=-reach, vmax=reach)
        if len(labels) <= MOST_NUMBERED:
            _annotate(axes, matrix, reach)
        axes.set_xticks(range(len(short)), short, rotation=90)
        axes.set_yticks(range(len(short)), short)
        axes.tick_params(which="both", length=0)
        axes.axline((-0.5, -0.5), slope=1, color="black", linewidth=0.6)
        axes.set_title(title)
        figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    head.over_all(figure)
    free = 0.35 / figure.get_figheight()
    figure.set_layout_engine("constrained", rect=(0, free, 1, 1 - free))
    return with_fixed_layout(figure)


def _joined(below: FloatArray, above: FloatArray) -> FloatArray:
    """One matrix of two: one below the diagonal, the other above it, nothing on it."""
    joined = np.tril(below, -1) + np.triu(above, 1)
    np.fill_diagonal(joined, np.nan)
    return joined


def _panels(labels: Sequence[str], n_panels: int) -> tuple[Figure, list[Axes]]:
    """The figure and its panels, abreast if there is room.

    The layout leaves too little room for turned labels below axes of a fixed aspect: some more is kept free by hand.
    Letters of a formula are mostly its markup.
    """
    longest = max(len(label) if "$" not in label else 0 for label in labels)
    cell = 0.42 if len(labels) <= MOST_NUMBERED else 0.24
    size = 1.5 + cell * len(labels) + 0.07 * longest
    n_rows, n_columns = (1, n_panels) if len(labels) <= MOST_ABREAST else (n_panels, 1)
    figure = Figure(figsize=(n_columns * size + 1, n_rows * (size + 0.5)), layout="constrained")
    places = figure.subplots(n_rows, n_columns, sharey=n_rows == 1, squeeze=False).ravel()
    return figure, list(places)


def _annotate(axes: Axes, matrix: FloatArray, reach: float) -> None:
    for row, column in np.argwhere(np.isfinite(matrix)):
        value = matrix[row, column]
        colour = "white" if abs(value) > 0.6 * reach else "black"
        text = f"{value + 0.0:.2f}".replace("-0.00", "0.00")
        axes.text(float(column), float(row), text, ha="center", va="center", fontsize=8.5, color=colour)
