"""An injection test and a single interval as plots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from simmorph.evaluation.plots.style import NO_HEADING, NULL, SOURCE, TEMPLATE, Heading
from simmorph.limits.report.plots import symbol

if TYPE_CHECKING:
    from simmorph.limits.review.feldman_cousins import UnifiedInterval
    from simmorph.limits.review.injections import Injections


def draw_injections(found: Injections, heading: Heading = NO_HEADING) -> Figure:
    """Fitted strength with its uncertainty, and the limit, against the strength that is injected."""
    figure = Figure(figsize=(6.6, 5.2), layout="constrained")
    axes = figure.add_subplot()
    injected, fitted = ([getattr(it, name) for it in found.tests] for name in ("injected", "fitted"))
    ends = np.array([min(injected), max(injected)])
    axes.plot(ends, ends, color=NULL, lw=1, ls="--", label="Injected")
    sizes = [it.uncertainty or 0.0 for it in found.tests]
    axes.errorbar(injected, fitted, yerr=sizes, fmt="o", color=SOURCE, ms=5, label="Fitted")
    axes.plot(injected, [it.limit for it in found.tests], "v", color=TEMPLATE, ms=6, label="Upper limit")
    name = symbol(found.parameter)
    axes.set(xlabel=f"Injected {name}", ylabel=f"Found {name}")
    axes.margins(0.08)
    axes.legend(loc="upper left", title=f"Background: {found.origin}")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.35 * (high - low))
    heading.over(axes)
    return figure


def draw_interval(found: UnifiedInterval, heading: Heading = NO_HEADING) -> Figure:
    """The interval as a bar."""
    figure = Figure(figsize=(6.6, 1.9), layout="constrained")
    axes = figure.add_subplot()
    axes.barh([0], [found.high - found.low], left=found.low, color=SOURCE, height=0.5)
    if any(found.errors):
        axes.errorbar([found.low, found.high], [0, 0], xerr=found.errors, fmt="none", ecolor="k", capsize=4)
    axes.tick_params(axis="x", which="both", top=False)
    axes.set(xlim=(0, 1.15 * found.high), ylim=(-0.8, 0.8), yticks=[], xlabel=symbol(found.parameter))
    axes.annotate(f"{100 * found.level:g} % Feldman-Cousins", (0.02, 0.82), xycoords="axes fraction", fontsize=11)
    heading.over(axes)
    return figure
