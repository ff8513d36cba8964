"""One variable of all samples: its distribution, the ratio to the target, and the pull."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from simmorph.evaluation.plots import style

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from simmorph.data.events import FloatArray
    from simmorph.data.histograms import Histogram
    from simmorph.evaluation.plots.binned import Distribution

ROOM_ABOVE = 0.75
"""Room for the legend above a distribution, as a share of its height."""
LEAST_PULL, MOST_PULL = 3.5, 8.0
"""How far the panel of pulls reaches at least and at most."""


def plot_distribution(
    shown: Distribution, label: str, head: style.Heading = style.NO_HEADING, *, is_log: bool = False
) -> Figure:
    """Target, source and template of one variable, below it their ratios to the target, below that their pulls.

    The bands are statistical. A pull is the difference to the target over the uncertainties of both, added in squares.

    Args:
        shown: the variable.
        label: of its axis, with the unit in brackets.
        head: of the plot.
        is_log: whether counts are drawn on a logarithmic axis.
    """
    figure = Figure(figsize=(5.4, 6.0))
    above, ratio, pull = figure.subplots(3, 1, sharex=True, height_ratios=[3, 1.05, 0.95], gridspec_kw={"hspace": 0.07})
    figure.subplots_adjust(left=0.165, right=0.97, top=0.945, bottom=0.11)
    _draw_counts(above, shown, is_log)
    above.set_ylabel(f"events / {_bin_width(shown.edges, label)}")
    above.legend(loc="upper right", title=style.plain(head.region) or None, fontsize=10.5)
    head.over(above)
    _draw_ratios(ratio, shown)
    _draw_pulls(pull, shown)
    pull.set_xlabel(label)
    pull.set_xlim(shown.edges[0], shown.edges[-1])
    figure.align_ylabels([above, ratio, pull])
    return figure


def plot_ratios(shown: Mapping[str, Distribution], head: style.Heading = style.NO_HEADING) -> Figure:
    """The ratio to the target of every variable in a small panel of its own.

    Args:
        shown: by the label of its axis.
        head: of the plot.
    """
    figure, panels = style.panels_of(len(shown), (4.2, 2.7))
    for axes, (label, one) in zip(panels, shown.items(), strict=True):
        _draw_ratios(axes, one)
        axes.set_xlabel(label)
        axes.set_xlim(one.edges[0], one.edges[-1])
    head.over_all(figure)
    return figure


def _lines(shown: Distribution) -> list[tuple[Histogram, str, str, Any]]:
    """Histogram, name, colour and line of what is compared to the target."""
    if shown.source is None:
        return [(shown.template, "template", style.TEMPLATE, style.SOLID)]
    return [
        (shown.source, "source", style.SOURCE, style.DASHED),
        (shown.template, "template", style.TEMPLATE, style.SOLID),
    ]


def _draw_counts(axes: Axes, shown: Distribution, is_log: bool) -> None:
    """Counts for a bin of the usual width, with room for the legend above."""
    density, centres = shown.density, shown.target.centres
    for counts, name, colour, line in _lines(shown):
        values, test = counts.values * density, shown.chi_square(counts)
        label = rf"{name}, $\chi^2$/ndf = {test.value:.1f}/{test.n_degrees}"
        axes.stairs(values, shown.edges, color=colour, linestyle=line, linewidth=1.6, label=label)
        style.band(axes, shown.edges, values, counts.uncertainties * density, colour)
    target = shown.target.values * density
    axes.errorbar(
        centres,
        target,
        shown.target.uncertainties * density,
        fmt="o",
        color=style.TARGET,
        markersize=3.5,
        label="target",
    )
    top = float(max((counts.values * density).max() for counts in shown.shown().values()))
    if is_log and top > 0:
        positive = target[target > 0]
        low = 0.5 * float(positive.min(initial=top))
        axes.set_yscale("log")
        axes.set_ylim(low, top * (top / low) ** ROOM_ABOVE)
    else:
        axes.set_ylim(min(0.0, float(target.min(initial=0))), (1 + ROOM_ABOVE) * max(top, 1e-9))


def _draw_ratios(axes: Axes, shown: Distribution) -> None:
    """Ratios to the target where it has enough events; arrows where one leaves the panel."""
    expected = np.where(shown.has_ratio, shown.target.values, np.nan)
    ratios = [counts.values / expected for counts, *_ in _lines(shown)]
    axes.axhline(1, color=style.NULL, linewidth=0.8)
    for (counts, _, colour, line), ratio in zip(_lines(shown), ratios, strict=True):
        axes.stairs(ratio, shown.edges, color=colour, linestyle=line, linewidth=1.6, baseline=None)
        style.band(axes, shown.edges, ratio, counts.uncertainties / expected, colour)
    error = shown.target.uncertainties / expected
    axes.errorbar(
        shown.target.centres, np.where(shown.has_ratio, 1.0, np.nan), error, fmt="o", color=style.TARGET, markersize=3
    )
    reach = _reach(np.abs(np.concatenate(ratios) - 1))
    for (_, _, colour, _), ratio in zip(_lines(shown), ratios, strict=True):
        _draw_arrows(axes, shown.target.centres, ratio, (1 - reach, 1 + reach), colour)
    axes.set_ylim(1 - reach, 1 + reach)
    axes.yaxis.set_major_locator(MaxNLocator(4, prune="both"))
    axes.set_ylabel("ratio")


def _draw_pulls(axes: Axes, shown: Distribution) -> None:
    """Pulls where the target has enough events for a ratio, with the band of one standard deviation."""
    axes.axhspan(-1, 1, color=style.NULL, alpha=0.2, linewidth=0)
    axes.axhline(0, color=style.NULL, linewidth=0.8)
    pulls = [shown.pulls(counts) for counts, *_ in _lines(shown)]
    known = np.concatenate([np.abs(pull[np.isfinite(pull)]) for pull in pulls])
    reach = float(np.clip(1.15 * known.max(initial=0.0), LEAST_PULL, MOST_PULL))
    for (_, _, colour, line), pull in zip(_lines(shown), pulls, strict=True):
        axes.stairs(pull, shown.edges, color=colour, linestyle=line, linewidth=1.4, baseline=None)
        _draw_arrows(axes, shown.target.centres, pull, (-reach, reach), colour)
    axes.set_ylim(-reach, reach)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True, prune="both"))
    axes.set_ylabel("pull")


def _draw_arrows(axes: Axes, centres: FloatArray, values: FloatArray, limits: tuple[float, float], colour: str) -> None:
    """Arrows in the places where values leave the panel."""
    low, high = limits
    for marker, is_outside, height in (("^", values > high, 0.92), ("v", values < low, 0.08)):
        if is_outside.any():
            heights = np.full(int(is_outside.sum()), low + height * (high - low))
            axes.plot(centres[is_outside], heights, marker, color=colour, markersize=5)


def _reach(deviations: FloatArray) -> float:
    """How far from 1 the ratios are shown: nearly all of them, a single wild one apart."""
    known = deviations[np.isfinite(deviations)]
    return float(np.clip(1.25 * np.quantile(known, 0.95), 0.1, 0.95)) if len(known) else 0.5


def _bin_width(edges: FloatArray, label: str) -> str:
    """The usual width of a bin with its unit.

    >>> _bin_width(np.array([100.0, 102.0, 104.0]), "m_yy [GeV]")
    '2 GeV'
    """
    unit = re.search(r"\[(.+)\]", label)
    return f"{np.median(np.diff(edges)):.2g}" + (f" {unit.group(1)}" if unit else "")
