"""What simulated events say of a template, as a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from simmorph.evaluation.plots.style import NO_HEADING, SOURCE, TEMPLATE, Heading
from simmorph.limits.report.plots import symbol

if TYPE_CHECKING:
    from simmorph.limits.templates.correction import Correction

HEADER = ("low", "high", "template", "simulated_over_template", "uncertainty", "correction", "correction_uncertainty")
"""The columns of `table_of`."""


def draw_correction(correction: Correction, parameter: str, label: str, heading: Heading = NO_HEADING) -> Figure:
    """The ratio of simulated events to the template, and the smooth one by which it is corrected.

    Args:
        correction: of one background.
        parameter: the name of the parameter of interest.
        label: of the observable.
        heading: what stands above.
    """
    figure = Figure(figsize=(7.2, 5), layout="constrained")
    axes = figure.subplots()
    edges, name = correction.template.edges, correction.template.name
    centres, ratio, spread = correction.template.centres, 1 + correction.mean, np.sqrt(np.diag(correction.covariance))
    axes.axhline(1, color="0.5", lw=1)
    axes.errorbar(
        centres, 1 + correction.measured, yerr=correction.noise, xerr=np.diff(edges) / 2, fmt="ko", ms=4, lw=1,
        label=f"simulated events / {name}",
    )  # fmt: skip
    axes.stairs(ratio + spread, edges, baseline=ratio - spread, fill=True, color=SOURCE, alpha=0.3)
    axes.stairs(ratio, edges, baseline=None, color=SOURCE, lw=2, label="correction and its uncertainty")
    size = correction.before.uncertainty
    with np.errstate(divide="ignore", invalid="ignore"):
        like_signal = 1 + size * np.where(
            correction.template.values > 0, correction.signal / correction.template.values, 0
        )
    axes.stairs(like_signal, edges, baseline=None, color=TEMPLATE, lw=1.5, ls="--",
                label=f"a signal of {symbol(parameter)} = {size:.2g}")  # fmt: skip
    low, high = axes.get_ylim()
    axes.set(
        xlim=(edges[0], edges[-1]), ylim=(low, high + 0.35 * (high - low)), xlabel=label, ylabel="ratio to the template"
    )
    axes.legend(loc="upper left")
    heading.over(axes)
    return figure


def table_of(correction: Correction) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """A row for each bin, with the columns of HEADER."""
    edges, spread = correction.template.edges, np.sqrt(np.diag(correction.covariance))
    return np.column_stack(
        [edges[:-1], edges[1:], correction.template.values, 1 + correction.measured, correction.noise,
         1 + correction.mean, spread]
    )  # fmt: skip
