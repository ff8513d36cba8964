"""What a classifier makes of the samples: ROC curves, its calibrated weights, and its AUC in every region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from simmorph.evaluation.plots import style

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.data.estimates import Estimate
    from simmorph.evaluation.metrics.classifier.density_ratio import DensityRatio
    from simmorph.evaluation.region_result import Curve
    from simmorph.evaluation.verdict import Verdict

LEAST_RANGE = 0.01
"""The axis of the weights begins at this share of its largest bin or below."""
TAIL_BOUNDS = (0.2, 0.5, 2.0, 5.0)
FINE_TICKS = (0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5)
COARSE_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
LONGEST_NAME = 34


def plot_roc(
    rocs: Mapping[str, Curve], aucs: Mapping[str, Estimate], words: str, head: style.Heading = style.NO_HEADING
) -> Figure:
    """The ROC curve of each comparison, and how far it is above the diagonal of equal samples.

    Args:
        rocs: by comparison.
        aucs: by comparison, for the legend.
        words: what the AUC is called.
        head: of the plot.
    """
    figure = Figure(figsize=(5.6, 6.6))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.1], gridspec_kw={"hspace": 0.06})
    figure.subplots_adjust(left=0.16, right=0.95, top=0.94, bottom=0.1)
    for name, (target_kept, other_kept) in rocs.items():
        comparison, colour, line = style.COMPARISON_STYLE[name]
        label = f"{comparison}: {aucs[name].to_text(3)}"
        drawn: dict[str, Any] = {"color": colour, "linestyle": line, "zorder": 4 if line == style.DOTTED else 3}
        above.plot(target_kept, other_kept, label=label, **drawn)
        below.plot(target_kept, other_kept - target_kept, **drawn)
    above.set_ylabel("efficiency of the other sample")
    above.set_xlim(0, 1)
    above.set_ylim(0, 1)
    title = "\n".join(word for word in (style.plain(head.region), style.plain(words)) if word)
    above.legend(loc="lower right", title=title, fontsize=10)
    below.set_xlabel("target efficiency")
    below.set_ylabel("above diagonal")
    below.margins(y=0.15)
    figure.align_ylabels([above, below])
    head.over(above)
    return figure


def plot_density_ratio(found: Mapping[str, DensityRatio], head: style.Heading = style.NO_HEADING) -> Figure:
    """How the calibrated weights of the classifier are distributed; a template that agrees has them all near 1."""
    figure = Figure(figsize=(5.6, 5.0))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.16, right=0.95, top=0.93, bottom=0.13)
    least, most = np.inf, 0.0
    for name, one in found.items():
        comparison, colour, line = style.COMPARISON_STYLE[name]
        edges, values = np.exp(one.histogram.edges), one.histogram.values
        axes.stairs(values, edges, color=colour, linestyle=line, linewidth=1.6, label=f"{comparison}: {_tail(one)}")
        style.band(axes, edges, values, one.histogram.uncertainties, colour)
        positive = values[values > 0]
        least, most = min(least, float(positive.min(initial=np.inf))), max(most, float(values.max(initial=0.0)))
        axes.set_xscale("log")
        axes.set_xlim(edges[0], edges[-1])
    if most > 0:
        axes.set_yscale("log")
        least = min(least, LEAST_RANGE * most)
        axes.set_ylim(0.5 * least, most * (most / least) ** 0.6)
    low, high = axes.get_xlim()
    ticks = [tick for tick in (FINE_TICKS if high < FINE_TICKS[-1] else COARSE_TICKS) if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    for bound in TAIL_BOUNDS:
        axes.axvline(bound, color=style.NULL, linewidth=0.8, linestyle=style.DOTTED)
    axes.set_xlabel("calibrated weight: density of the target over that of the sample")
    axes.xaxis.label.set_fontsize(11.5)
    axes.set_ylabel("share of events / bin")
    title = "\n".join(word for word in (style.plain(head.region), "share of weights below 0.5 or above 2") if word)
    axes.legend(loc="upper right", title=title, fontsize=10, title_fontsize=10)
    head.over(axes)
    return figure


def _tail(one: DensityRatio) -> str:
    """The share of weights that are far from 1, in per cent; the errors of both tails are taken as independent."""
    tails = [one.tails[bound] for bound in ("< 0.5", "> 2")]
    spread = float(np.hypot(tails[0].uncertainty, tails[1].uncertainty))
    return f"{100 * sum(tail.value for tail in tails):.2f} ± {100 * spread:.2f} %"


def plot_regions(verdicts: Mapping[str, Verdict], head: style.Heading = style.NO_HEADING) -> Figure:
    """The AUC of source and template in each region, beside 1/2 and that of the target against itself: the null."""
    figure = Figure(figsize=(7.4, 1.5 + 0.36 * len(verdicts)))
    axes = figure.subplots()
    names = [name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…" for name in verdicts]
    longest = max(map(len, names))
    height = figure.get_figheight()
    figure.subplots_adjust(
        left=min(0.08 + 0.0125 * longest, 0.5), right=0.97, top=1 - 0.62 / height, bottom=0.6 / height
    )
    places = np.arange(len(verdicts))
    for place, verdict in zip(places, verdicts.values(), strict=True):
        low, high = verdict.null.value - verdict.null.uncertainty, verdict.null.value + verdict.null.uncertainty
        axes.fill_betweenx([place - 0.4, place + 0.4], low, high, color=style.NULL, alpha=0.35, linewidth=0)
        axes.plot([verdict.null.value] * 2, [place - 0.4, place + 0.4], color=style.TARGET, linestyle=style.DOTTED)
    axes.axvline(0.5, color=style.TARGET, linewidth=0.8, zorder=0)
    drawn = {"source": (style.SOURCE, "s", 0.13), "template": (style.TEMPLATE, "o", -0.13)}
    for sample, (colour, marker, offset) in drawn.items():
        found = [getattr(verdict, sample) for verdict in verdicts.values()]
        if all(found):
            values, errors = zip(*((one.value, one.uncertainty) for one in found), strict=True)
            axes.errorbar(values, places - offset, xerr=errors, fmt=marker, color=colour, markersize=5, label=sample)
    axes.plot([], [], color=style.TARGET, linestyle=style.DOTTED, label="target against itself")
    axes.set_yticks(places, [style.plain(name) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(verdicts) - 0.4, -0.6)
    axes.set_xlabel(style.plain(next(iter(verdicts.values())).words))
    figure.legend(loc="upper right", ncols=3, fontsize=10, columnspacing=1.2, borderaxespad=0.2)
    if head.experiment:
        figure.text(0.01, 1 - 0.12 / height, style.plain(head.experiment), va="top", fontweight="bold")
    return figure
