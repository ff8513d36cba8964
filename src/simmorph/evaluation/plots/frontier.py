"""The plot of closeness against movement: which map comes nearest to the target, and how far it moves events for it.

A good map is to the lower left: on the band of the null, and with little movement. Names are written beside their
points by a search over places around each, which avoids points, other names and error bars.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from simmorph.evaluation.plots.style import NULL, SOURCE, TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.backend_bases import RendererBase

    from simmorph.evaluation.scores import Ranked, Repeated

UNMORPHED = "unmorphed"
BASELINES = (UNMORPHED, "quantile", "copula")
REWEIGHTING, GENERATOR = "#832db6", "#a96b59"
LINEAR_BELOW = 0.01
"""Excess of the AUC below which the axis is linear, above it logarithmic."""
WIDE = 4.0
"""Ratio of the largest to the smallest distance from which on that axis is logarithmic."""
DIRECTIONS, RADII = 16, (9, 16, 26, 38, 52, 70, 90)
"""Where a label may stand around its point; radii in points."""
GAP, MARKER, FAR, FONT_SIZE = 2.0, 5.0, 16.0, 10
"""Points: between names, of half a marker, from which on a line leads to the name, of a letter."""


class Point(NamedTuple):
    """One method in the plot.

    Attributes:
        title: of its row.
        movement: its mean and the spread of it; None where nothing moves.
        auc: its mean, spread and statistical uncertainty.
        colour: of its marker.
    """

    title: str
    movement: Repeated | None
    auc: Repeated
    colour: str

    @property
    def excess(self) -> float:
        """How far the AUC is above a half."""
        return self.auc.mean - 0.5


def points_of(rows: Sequence[Ranked], region: str, inputs: str) -> list[Point]:
    """Every row that has an AUC, but the null."""
    found = []
    for row in rows:
        auc = row.auc(region, inputs)
        if auc is not None and row.kind != "null":
            found.append(Point(row.title, row.moved(region, lambda moved: moved.trimmed_mean), auc, _colour(row)))
    return found


def _colour(row: Ranked) -> str:
    """The colour of a row's kind; morphs that serve as baselines have one of their own."""
    if row.kind in {"reweight", "generate"}:
        return REWEIGHTING if row.kind == "reweight" else GENERATOR
    return SOURCE if row.title in BASELINES else TEMPLATE


def plot_frontier(rows: Sequence[Ranked], region: str, inputs: str, experiment: str = "") -> Figure:
    """AUC above a half against the mean distance moved; what does not move events stands beside.

    The band is the null: its mean and its uncertainty.

    Args:
        rows: of the table.
        region: in which it is measured.
        inputs: the classifier's.
        experiment: its label.
    """
    points = points_of(rows, region, inputs)
    moved = [point for point in points if point.movement is not None and point.title != UNMORPHED]
    others = [point for point in points if point.movement is None]
    figure = Figure(figsize=(9.0 if others else 7.6, 6.0))
    panels = _panels(figure, has_moved=bool(moved), has_others=bool(others))
    null = next((row.auc(region, inputs) for row in rows if row.kind == "null"), None)
    for axes in panels:
        _draw_null(axes, null, is_named=axes is panels[0])
    labels = [_mark(panels[0], point, point.movement.mean) for point in moved if point.movement is not None]
    labels += [_mark(panels[-1], point, place) for place, point in enumerate(others)]
    _finish(panels, points, len(others))
    panels[0].set_title(experiment, loc="left", fontweight="bold")
    _tell_unmorphed(panels[0], points)
    _place(figure, labels)
    return figure


def _panels(figure: Figure, *, has_moved: bool, has_others: bool) -> list[Axes]:
    """One panel for what moves events, and a narrow one beside it for what does not, if there is any."""
    figure.subplots_adjust(left=0.11, right=0.97, top=0.93, bottom=0.11, wspace=0.05)
    if has_moved and has_others:
        panels = list(figure.subplots(1, 2, sharey=True, width_ratios=[3.2, 1]))
    else:
        panels = [figure.subplots()]
    panels[0].set_xlabel("mean distance moved [standard deviations of the target]")
    if has_others:
        panels[-1].set_xticks([])
        panels[-1].set_xlabel("weights or new events")
    return panels


def _tell_unmorphed(axes: Axes, points: Sequence[Point]) -> None:
    """Where the source is without any map, in words: its point would push all others into a corner."""
    for point in points:
        if point.title == UNMORPHED:
            words = f"unmorphed source: {point.excess:.3f} at no distance"
            axes.set_title(words, loc="right", color=point.colour, fontsize=FONT_SIZE)


def _draw_null(axes: Axes, null: Repeated | None, *, is_named: bool) -> None:
    """A band for the target against itself, named once."""
    if null is None:
        return
    width, middle = null.width, null.mean - 0.5
    axes.axhspan(middle - width, middle + width, color=NULL, alpha=0.25, linewidth=0)
    axes.axhline(middle, color=NULL, linewidth=1.0)
    if not is_named:
        return
    axes.text(
        0.01, middle - width, "target against target", transform=axes.get_yaxis_transform(), color=NULL,
        fontsize=FONT_SIZE, va="top",
    )  # fmt: skip


@dataclass
class _Label:
    """A name that looks for a place beside its point, and the reach of the point's error bars.

    Attributes:
        axes: in which its point lies.
        title: the name.
        at: the point, in units of the axes.
        bars: half the error bars along either axis, in the same units.
        colour: of point and name.
    """

    axes: Axes
    title: str
    at: tuple[float, float]
    bars: tuple[float, float]
    colour: str

    def pixels(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the axes lies, so many error bars away from the label's own."""
        place = self.at[0] + x * self.bars[0], self.at[1] + y * self.bars[1]
        found = self.axes.transData.transform(place)
        return float(found[0]), float(found[1])

    def size(self, renderer: RendererBase) -> tuple[float, float]:
        """Width and height of the name in pixels."""
        text = self.axes.text(0, 0, self.title, fontsize=FONT_SIZE)
        extent = text.get_window_extent(renderer)
        text.remove()
        return extent.width, extent.height


def _mark(axes: Axes, point: Point, place: float) -> _Label:
    """Draw a point with its error bars."""
    spread = point.movement.spread if point.movement is not None and np.isfinite(point.movement.spread) else 0.0
    axes.errorbar(
        [place], [point.excess], [point.auc.width], [spread],
        fmt="o", color=point.colour, ecolor=(point.colour, 0.45), markersize=6, linewidth=1.0,
    )  # fmt: skip
    return _Label(axes, point.title, (place, point.excess), (spread, point.auc.width), point.colour)


def _finish(panels: Sequence[Axes], points: Sequence[Point], n_others: int) -> None:
    """Axes, scales and words."""
    first = panels[0]
    first.set_yscale("symlog", linthresh=LINEAR_BELOW, linscale=1.0)
    shown = [point for point in points if point.title != UNMORPHED]
    lowest = min([point.excess - point.auc.width for point in shown] + [-LINEAR_BELOW / 2])
    highest = max([point.excess + point.auc.width for point in shown] + [2 * LINEAR_BELOW])
    first.set_ylim(1.3 * lowest, 1.4 * highest)
    ticks = [0.0, *(sign * step * 10.0**power for sign in (1, -1) for power in (-2, -1) for step in (1, 2, 5))]
    first.set_yticks([0.005, *(tick for tick in ticks if 1.3 * lowest < tick < 1.4 * highest)])
    first.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    first.set_ylabel("AUC - 0.5   (0: indistinguishable from the target)")
    distances = [point.movement.mean for point in shown if point.movement is not None]
    if distances and 0 < WIDE * min(distances) < max(distances):
        first.set_xscale("log")
        first.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        first.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
        first.xaxis.set_minor_formatter(NullFormatter())
    first.margins(x=0.12)
    if n_others:
        panels[-1].set_xlim(-0.7, n_others - 0.3)


def _place(figure: Figure, labels: Sequence[_Label]) -> None:
    """Write each name where it covers neither a point nor another name; a thin line leads to those far away."""
    from matplotlib.backends.backend_agg import RendererAgg  # noqa: PLC0415 - only to measure text

    width, height = figure.get_size_inches() * figure.dpi
    renderer = RendererAgg(width, height, figure.dpi)  # type: ignore[no-untyped-call]
    figure.draw_without_rendering()
    room = _Room(renderer, figure.dpi / 72, [], [])
    for label in labels:
        room.keep_free(label)
    for label in labels:
        offset, distance = room.take(label)
        line = {"arrowstyle": "-", "color": label.colour, "linewidth": 0.6} if distance > FAR else None
        label.axes.annotate(
            label.title, label.at, offset, textcoords="offset points", ha="center", va="center",
            fontsize=FONT_SIZE, color=label.colour, arrowprops=line, annotation_clip=False,
        )  # fmt: skip


@dataclass
class _Room:
    """What is taken in a figure, in pixels.

    Attributes:
        renderer: measures text.
        point: size of a point.
        taken: names and markers, which must not be covered.
        bars: error bars, which are better not covered.
    """

    renderer: RendererBase
    point: float
    taken: list[Bbox]
    bars: list[Bbox]

    def keep_free(self, label: _Label) -> None:
        """Keep the label's marker and error bars in sight."""
        x, y = label.pixels(0, 0)
        size = MARKER * self.point
        self.taken.append(Bbox.from_bounds(x - size, y - size, 2 * size, 2 * size))
        self.bars.append(Bbox([label.pixels(0, -1), label.pixels(0, 1)]).padded(self.point))
        self.bars.append(Bbox([label.pixels(-1, 0), label.pixels(1, 0)]).padded(self.point))

    def take(self, label: _Label) -> tuple[tuple[float, float], float]:
        """Take the best place for a name; returns where it is from its point, and how far, in points."""
        (x, y), (width, height) = label.pixels(0, 0), label.size(self.renderer)
        found: list[tuple[float, Bbox, tuple[float, float], float]] = []
        for radius in RADII:
            for angle in np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS:
                right = float(np.cos(angle)) * (radius * self.point + width / 2)
                up = float(np.sin(angle)) * (radius * self.point + height / 2)
                box = Bbox.from_bounds(x + right - width / 2, y + up - height / 2, width, height)
                found.append((self._cost(box, label.axes) + radius, box, (right / self.point, up / self.point), radius))
        _, box, offset, distance = min(found, key=lambda place: place[0])
        self.taken.append(box)
        return offset, distance

    def _cost(self, box: Bbox, axes: Axes) -> float:
        """How bad a place is, in points of distance that it is worth to avoid it."""
        panel = axes.get_window_extent(self.renderer)
        is_inside = panel.x0 <= box.x0 and box.x1 <= panel.x1 and panel.y0 <= box.y0 and box.y1 <= panel.y1
        n_covered = sum(bool(box.padded(GAP * self.point).overlaps(other)) for other in self.taken)
        n_crossed = sum(bool(box.overlaps(other)) for other in self.bars)
        return 1000 * n_covered + 25 * n_crossed + (0 if is_inside else 500)
