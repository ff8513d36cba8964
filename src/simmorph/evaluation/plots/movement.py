"""Where a map takes events: each feature before and after, and arrows for pairs of features."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.evaluation.metrics.maps.movement import displacement
from simmorph.evaluation.plots.binned import moved_counts
from simmorph.evaluation.plots.style import DASHED, NO_HEADING, Heading, panels_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from matplotlib.figure import Figure

    from simmorph.data.events import Events, FloatArray

N_CELLS, FEWEST_IN_CELL = 11, 10
FIELD_TAIL = 0.01
"""Share of the source's events left out at either end of the axes of a field."""
LONGEST_ARROW = 1.5
"""The length that the longest arrows are drawn with, in cells."""


class Field(NamedTuple):
    """How a map moves two features, on average over the events of each cell of the source.

    Attributes:
        start: (n_cells, 2), the mean place of each cell's events before the map.
        step: (n_cells, 2), their mean displacement.
        uncertainty: (n_cells, 2), one standard deviation of the mean's statistical error.
        distance: (n_cells,), the length of the mean displacement in standard deviations of the target.
        n_events: (n_cells,), how many events are in each cell.
        edges: of the cells along either axis.
    """

    start: FloatArray
    step: FloatArray
    uncertainty: FloatArray
    distance: FloatArray
    n_events: FloatArray
    edges: tuple[FloatArray, FloatArray]


def displacement_field(
    source: Events, moved: Events, spread: FloatArray, columns: tuple[int, int], periodic: Collection[int] = ()
) -> Field:
    """The mean displacement of two features in cells of both; cells with few events are left out.

    Args:
        source: events before the map.
        moved: the same after it.
        spread: (n_features,), the target's standard deviations.
        columns: the two features.
        periodic: the columns that are angles, which go the short way round.
    """
    pair = list(columns)
    places, steps = source.features[:, pair], displacement(source, moved, periodic)[:, pair]
    edges = [_edges(values) for values in places.T]
    at = [np.searchsorted(its, values, side="right") - 1 for its, values in zip(edges, places.T, strict=True)]
    inside = np.all([(place >= 0) & (place < N_CELLS) for place in at], axis=0)
    cell = np.where(inside, at[0] * N_CELLS + at[1], N_CELLS**2)
    counts = np.bincount(cell, minlength=N_CELLS**2 + 1)[:-1]
    known = counts >= FEWEST_IN_CELL

    def mean(values: FloatArray) -> FloatArray:
        sums = [np.bincount(cell, column, N_CELLS**2 + 1)[:-1][known] for column in values.T]
        return np.column_stack(sums) / counts[known, None]

    start, step = mean(places), mean(steps)
    variance = np.maximum(mean(steps**2) - step**2, 0.0) / counts[known, None]
    scale = np.where(spread[pair] > 0, spread[pair], 1.0)
    distance = np.sqrt(np.sum((step / scale) ** 2, axis=1))
    return Field(start, step, np.sqrt(variance), distance, counts[known].astype(np.float64), (edges[0], edges[1]))


def _edges(values: FloatArray) -> FloatArray:
    """Equal cells without the tails; around a constant they are one unit wide in all."""
    low, high = np.quantile(values, [FIELD_TAIL, 1 - FIELD_TAIL])
    return np.linspace(low, high, N_CELLS + 1) if high > low else np.linspace(low - 0.5, low + 0.5, N_CELLS + 1)


def field_rows(field: Field, names: Sequence[str]) -> list[dict[str, float | str]]:
    """The numbers behind a field, one row for each cell."""
    return [
        {
            "first": names[0],
            "second": names[1],
            "start_first": float(start[0]),
            "start_second": float(start[1]),
            "step_first": float(step[0]),
            "step_second": float(step[1]),
            "uncertainty_first": float(error[0]),
            "uncertainty_second": float(error[1]),
            "distance": float(distance),
            "events": float(n_events),
        }
        for start, step, error, distance, n_events in zip(*field[:5], strict=True)
    ]


def plot_fields(fields: Mapping[tuple[str, str], Field], head: Heading = NO_HEADING) -> Figure:
    """Arrows from where a cell's events are to where they go on average, for each pair of features by their labels.

    Arrows too short to be seen are drawn longer by a round factor, which stands above the panel.
    """
    figure, panels = panels_of(len(fields), (5.8, 4.7), 2)
    largest = max((float(field.distance.max(initial=0.0)) for field in fields.values()), default=0.0)
    for axes, (labels, field) in zip(panels, fields.items(), strict=True):
        width = [its[1] - its[0] for its in field.edges]
        factor = _magnification(field, width)
        arrows = axes.quiver(
            *field.start.T, *(factor * field.step.T), field.distance, cmap="viridis_r", angles="xy", scale_units="xy",
            scale=1, width=0.006, clim=(0, largest or 1),
        )  # fmt: skip
        for setter, its in ((axes.set_xlim, field.edges[0]), (axes.set_ylim, field.edges[1])):
            setter(its[0] - (its[1] - its[0]), its[-1] + (its[1] - its[0]))
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        axes.set_title(f"arrows {factor:g} times as long" if factor != 1 else "", loc="right", fontsize=10)
        figure.colorbar(arrows, ax=axes, label="mean displacement [target sigma]", pad=0.02)
    head.over_all(figure)
    return figure


def _magnification(field: Field, width: Sequence[float]) -> float:
    """A round factor that makes the longest arrows about a cell long, if they are shorter."""
    lengths = np.sqrt(np.sum((field.step / np.array([it if it > 0 else 1.0 for it in width])) ** 2, axis=1))
    longest = float(np.quantile(lengths, 0.95)) if len(lengths) else 0.0
    wanted = LONGEST_ARROW / longest if longest > 0 else 1.0
    return float(max((factor for factor in (1, 2, 5, 10, 20, 50, 100) if factor <= wanted), default=1))


def plot_movement(source: Events, moved: Events, labels: Sequence[str], head: Heading = NO_HEADING) -> Figure:
    """Where the map takes each feature: x against T(x), with the diagonal of events that stay.

    Args:
        source: the events before the map.
        moved: the same events, in the same order, after it.
        labels: of the features, one panel each.
        head: of the plot.
    """
    figure, panels = panels_of(len(labels), (4.2, 3.9))
    for column, (axes, label) in enumerate(zip(panels, labels, strict=True)):
        before, after = source.features[:, column], moved.features[:, column]
        counts, bins = moved_counts(before, after)
        mesh = np.where(counts > 0, np.log10(np.maximum(counts, 1)), np.nan).T
        extent = (bins[0], bins[-1], bins[0], bins[-1])
        axes.imshow(mesh, cmap="viridis", origin="lower", extent=extent, aspect="auto", interpolation="nearest")
        axes.plot(bins[[0, -1]], bins[[0, -1]], color="black", linewidth=0.8, linestyle=DASHED)
        axes.set_xlabel(f"source {label}")
        axes.set_ylabel(f"template {label}")
    head.over_all(figure)
    return figure
