"""Limits against what the signal hypotheses of a patch set differ in, a mass for instance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from simmorph.evaluation.plots.style import ONE_SIGMA, TEMPLATE, TWO_SIGMA, plain
from simmorph.limits.report.plots import symbol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simmorph.limits.fits.inference import Limits

WIDE = 10.0
"""Ratio of limits from which their axis is logarithmic."""


class PatchPoint(NamedTuple):
    """The limits of one signal hypothesis.

    Attributes:
        values: its coordinates that are numbers, by label.
        limits: observed and expected.
    """

    values: dict[str, float]
    limits: Limits


def figures_of(points: Sequence[PatchPoint]) -> Iterator[tuple[str, Figure]]:
    """The plots of a patch set, by name: a line with bands where one coordinate differs, a plane where two do.

    Further coordinates are left out of the plane: points that differ in these alone would lie upon each other, and
    there is no plot then.

    Args:
        points: with the same labels, at least two.
    """
    known = [label for label in points[0].values if all(label in it.values for it in points)]
    varying = [label for label in known if len({it.values[label] for it in points}) > 1]
    places = {tuple(it.values[label] for label in varying[:2]) for it in points}
    if not varying or len(places) < len(points):
        return
    if len(varying) == 1:
        yield "limits", draw_line(points, varying[0])
    else:
        yield "limits", draw_plane(points, varying[0], varying[1])


def draw_line(points: Sequence[PatchPoint], label: str) -> Figure:
    """Observed and expected limits with their bands against one coordinate, and the nominal signal at 1."""
    points = sorted(points, key=lambda it: it.values[label])
    x = [it.values[label] for it in points]
    low2, low1, median, high1, high2 = np.array([it.limits.expected for it in points]).T
    observed, limits = np.array([it.limits.observed for it in points]), points[0].limits
    figure = Figure(figsize=(6.6, 5.2), layout="constrained")
    axes = figure.add_subplot()
    axes.fill_between(x, low2, high2, color=TWO_SIGMA, lw=0, label=r"Expected $\pm 2\sigma$")
    axes.fill_between(x, low1, high1, color=ONE_SIGMA, lw=0, label=r"Expected $\pm 1\sigma$")
    axes.plot(x, median, "k--", label="Expected")
    axes.plot(x, observed, "ko-", ms=4, label="Observed")
    axes.axhline(1, color=TEMPLATE, lw=1.2)
    top, bottom = max(*high2, *observed, 1.0), min(*low2, *observed, 1.0)
    if top > WIDE * bottom:
        room = math.log10(top / bottom)
        axes.set(yscale="log", ylim=(bottom / 1.5, top * 10 ** (0.45 * room)))
    else:
        axes.set_ylim(0, 1.5 * top)
    axes.set(xlim=(x[0], x[-1]), xlabel=plain(label), ylabel=_words(limits))
    axes.legend(loc="upper right", ncols=2)
    return figure


def draw_plane(points: Sequence[PatchPoint], first: str, second: str) -> Figure:
    """The observed limit at each point of a grid, and which points it excludes: those with a limit below 1."""
    x, y = (np.array([it.values[label] for it in points]) for label in (first, second))
    observed = np.array([it.limits.observed for it in points])
    figure = Figure(figsize=(7.2, 5.4), layout="constrained")
    axes = figure.add_subplot()
    image = axes.scatter(x, y, c=np.log10(observed), cmap="viridis", s=70)
    excluded = observed < 1
    axes.scatter(x[excluded], y[excluded], s=150, facecolors="none", edgecolors=TEMPLATE, lw=1.5, label="Excluded")
    for place in zip(x, y, observed, strict=True):
        axes.annotate(f"{place[2]:.2g}", place[:2], (0, 8), textcoords="offset points", ha="center", fontsize=8)
    axes.set(xlabel=plain(first), ylabel=plain(second))
    axes.margins(0.1)
    figure.colorbar(image, ax=axes, label=rf"$\log_{{10}}$ of the observed {_words(points[0].limits)}")
    if excluded.any():
        figure.legend(loc="outside upper right")
    return figure


def _words(limits: Limits) -> str:
    return f"{100 * limits.level:g} % CL limit on {symbol(limits.parameter)}"
