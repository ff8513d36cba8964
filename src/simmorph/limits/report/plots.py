"""Plots of limits, as matplotlib figures; the numbers behind each can be written beside it.

They are drawn, and have to be saved, in the `style` of all plots.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from simmorph.evaluation.plots.style import NO_HEADING, ONE_SIGMA, SERIES, SOURCE, TEMPLATE, TWO_SIGMA, Heading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from simmorph.data.events import BoolArray, FloatArray
    from simmorph.data.histograms import Histogram
    from simmorph.limits.fits.inference import AsymptoticCls, Limits
    from simmorph.limits.fits.postfit import FittedYields
    from simmorph.limits.toys.cls import ToyCls

BACKGROUND, SIGNAL = SOURCE, TEMPLATE
HIGHEST_PULL = 3.4
ROOM = 1.9
"""Height of a spectrum with its legend over that of its points."""
N_MARKS, N_BY_TOYS = 60, 241
"""Points of a scan that are marked, and its values where it is by toys, which falls from 1 in a step."""
BIN = "Bin"
"""The label of an axis that counts bins, where nothing is known of the observable."""


class Scan(NamedTuple):
    """CLs against the parameter of interest.

    Attributes:
        values: (n_values,), of the parameter.
        observed: (n_values,), CLs of the data.
        expected: (n_values, 5), CLs expected without a signal, at -2, -1, 0, 1, 2 standard deviations.
    """

    values: FloatArray
    observed: FloatArray
    expected: FloatArray


class Spectrum(NamedTuple):
    """The observable's distribution in one channel and what was fitted to it.

    Attributes:
        data: the observed histogram.
        fitted: background and signal in each of its bins.
        label: of the observable.
        data_label: what the data are called.
        channel: its name, if there are several.
        used: (n_bins,), which bins the fit of the signal used.
    """

    data: Histogram
    fitted: FittedYields
    label: str
    data_label: str = "Data"
    channel: str = ""
    used: BoolArray | None = None

    @property
    def pulls(self) -> FloatArray:
        """(n_bins,), data less fit over the statistical uncertainty of the data, or of what is expected if 0."""
        total = self.fitted.background + self.fitted.signal
        spread = np.where(self.data.variances > 0, self.data.uncertainties, np.sqrt(np.maximum(total, 1e-300)))
        return np.asarray((self.data.values - total) / spread, np.float64)


def scan_of(test: AsymptoticCls | ToyCls, limits: Limits, n_values: int = N_MARKS + 1) -> Scan:
    """CLs from 0 to a fifth beyond the largest of the observed and expected limits."""
    values = np.linspace(0.0, 1.2 * max(limits.observed, *limits.expected), n_values)
    return Scan(values, *test.scan(values))


def draw_scan(scan: Scan, limits: Limits, heading: Heading = NO_HEADING) -> Figure:
    """CLs against the parameter: observed points, expected line with its bands, and the level that excludes."""
    figure = Figure(figsize=(6.6, 5.2))
    figure.subplots_adjust(left=0.12, right=0.97, bottom=0.12, top=0.93)
    axes = figure.add_subplot()
    low2, low1, median, high1, high2 = scan.expected.T
    axes.fill_between(scan.values, low2, high2, color=TWO_SIGMA, lw=0, label=r"Expected $\pm 2\sigma$")
    axes.fill_between(scan.values, low1, high1, color=ONE_SIGMA, lw=0, label=r"Expected $\pm 1\sigma$")
    axes.plot(scan.values, median, "k--", label="Expected")
    every = max((len(scan.values) - 1) // N_MARKS, 1)
    axes.plot(scan.values, scan.observed, "ko-", ms=3, markevery=every, label="Observed")
    axes.axhline(1 - limits.level, color=SIGNAL, lw=1.5)
    axes.annotate(f"{100 * limits.level:g} % CL", (0.01, 1 - limits.level), xycoords=("axes fraction", "data"),
                  xytext=(0, 4), textcoords="offset points", color=SIGNAL, fontsize=11)  # fmt: skip
    axes.plot([limits.observed] * 2, [0, 1 - limits.level], color="k", lw=1, ls=":")
    axes.set(xlabel=symbol(limits.parameter), ylabel=r"$\mathrm{CL}_\mathrm{s}$")
    # Room above 1 for the legend, which no curve reaches.
    axes.set(xlim=(0, scan.values[-1]), ylim=(0, 1.42), yticks=np.linspace(0, 1, 6))
    title = f"{100 * limits.level:g} % CL upper limit: {limits.observed:.3g} (expected {limits.expected[2]:.3g})"
    axes.legend(title=title, loc="upper right", ncols=2)
    heading.over(axes)
    return figure


def draw_spectrum(spectrum: Spectrum, heading: Heading = NO_HEADING) -> Figure:
    """Data, fitted background and signal; below, what the data have above the background, and the pulls of the fit."""
    figure = Figure(figsize=(6.6, 6.8))
    figure.subplots_adjust(left=0.15, right=0.97, bottom=0.1, top=0.94, hspace=0.08)
    upper, middle, lower = figure.subplots(3, 1, sharex=True, height_ratios=(2.8, 1.1, 0.8))
    _draw_yields(upper, spectrum)
    _draw_excess(middle, spectrum)
    _draw_pulls(lower, spectrum)
    for axes in (upper, middle, lower):
        _draw_used(axes, spectrum)
    lower.set_xlabel(spectrum.label)
    lower.set_xlim(spectrum.data.edges[0], spectrum.data.edges[-1])
    if spectrum.label == BIN:
        lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    heading.over(upper)
    figure.align_ylabels([upper, middle, lower])
    return figure


def _draw_yields(axes: Axes, spectrum: Spectrum) -> None:
    """The upper panel: data and what the fit expects; several samples of the background are stacked."""
    data, fitted = spectrum.data, spectrum.fitted
    total = fitted.background + fitted.signal
    if len(fitted.samples) > 1:
        _draw_stack(axes, fitted.samples, data.edges)
    else:
        axes.stairs(fitted.background, data.edges, color=BACKGROUND, lw=1.8, ls="--", label="Fitted background")
    _draw_band(axes, fitted.background, fitted.uncertainty, data.edges, label="Background uncertainty")
    axes.stairs(total, data.edges, color=SIGNAL, lw=1.8, label="Background + fitted signal")
    _draw_hatched(axes, total, fitted.total_uncertainty, data.edges)
    _draw_points(axes, data, data.values, spectrum.data_label)
    axes.set_ylabel(_per_bin(data.edges, spectrum.label))
    heights = [*(data.values + data.uncertainties), *(total + fitted.total_uncertainty), 1e-9]
    axes.set_ylim(0, ROOM * float(np.max(heights)))
    n_columns = 2 if len(fitted.samples) > 1 else 1
    axes.legend(loc="upper right", bbox_to_anchor=(0.97, 1), title=spectrum.channel or None, ncols=n_columns)


def _draw_stack(axes: Axes, samples: Mapping[str, FloatArray], edges: FloatArray) -> None:
    """The samples of the background upon each other, the largest on top."""
    below = np.zeros(len(edges) - 1)
    order = sorted(samples, key=lambda name: float(samples[name].sum()))
    for name, colour in zip(order, cycle(reversed(SERIES)), strict=False):
        axes.stairs(below + samples[name], edges, baseline=below, fill=True, color=colour, lw=0, label=name)
        below = below + samples[name]


def _draw_excess(axes: Axes, spectrum: Spectrum) -> None:
    """The middle panel: data less background, the uncertainty of the background about 0, and the fitted signal."""
    data, fitted = spectrum.data, spectrum.fitted
    _draw_band(axes, np.zeros_like(fitted.background), fitted.uncertainty, data.edges)
    axes.axhline(0, color=BACKGROUND, lw=1.8, ls="--")
    axes.stairs(fitted.signal, data.edges, color=SIGNAL, lw=1.8, baseline=None)
    _draw_points(axes, data, data.values - fitted.background, spectrum.data_label)
    axes.set_ylabel("Data $-$ bkg.", loc="center")


def _draw_pulls(axes: Axes, spectrum: Spectrum) -> None:
    """Pulls as bars; an arrow where one leaves the panel."""
    pulls, centres = spectrum.pulls, spectrum.data.centres
    axes.stairs(np.clip(pulls, -HIGHEST_PULL, HIGHEST_PULL), spectrum.data.edges, fill=True, color="0.45")
    for marker, is_outside, height in (("^", pulls > HIGHEST_PULL, 3.0), ("v", pulls < -HIGHEST_PULL, -3.0)):
        axes.plot(centres[is_outside], np.full(int(is_outside.sum()), height), marker, color=SIGNAL, ms=6)
    axes.axhline(0, color="k", lw=0.8)
    axes.set(ylim=(-HIGHEST_PULL, HIGHEST_PULL), yticks=[-2, 0, 2])
    axes.set_ylabel("Pull", loc="center")


def _draw_used(axes: Axes, spectrum: Spectrum) -> None:
    """A grey ground behind the bins that the fit of the signal used, if it did not use all."""
    if spectrum.used is None or spectrum.used.all():
        return
    edges = spectrum.data.edges
    axes.axvspan(edges[:-1][spectrum.used].min(), edges[1:][spectrum.used].max(), color="0.93", lw=0, zorder=-1)


def _draw_band(axes: Axes, centre: FloatArray, half: FloatArray, edges: FloatArray, label: str | None = None) -> None:
    """A band of `half` to both sides of `centre`, both (n_bins,)."""
    axes.stairs(
        centre + half, edges, baseline=centre - half, fill=True, color=BACKGROUND, alpha=0.25, lw=0, label=label
    )


def _draw_hatched(axes: Axes, centre: FloatArray, half: FloatArray, edges: FloatArray) -> None:
    """The uncertainty of the whole fit, hatched, so that it can be seen over other bands."""
    axes.stairs(
        centre + half, edges, baseline=centre - half, fill=True, facecolor="none", edgecolor=SIGNAL, hatch="/////",
        lw=0, alpha=0.7, label="Uncertainty of the fit",
    )  # fmt: skip


def _draw_points(axes: Axes, data: Histogram, heights: FloatArray, label: str) -> None:
    """The data as points with their statistical uncertainties, at (n_bins,) heights."""
    axes.errorbar(data.centres, heights, data.uncertainties, fmt="ko", ms=4, lw=1.2, label=label)


def _per_bin(edges: FloatArray, label: str) -> str:
    """The label of the vertical axis, with the bins' width and the unit that stands in brackets in the label.

    >>> _per_bin(np.array([100.0, 102.0, 104.0]), "m_yy [GeV]")
    'Events / 2 GeV'
    >>> _per_bin(np.array([100.0, 102.0, 110.0]), "m_yy [GeV]")
    'Events / bin'
    """
    widths, unit = np.diff(edges), label[label.rfind("[") + 1 : -1] if label.endswith("]") else ""
    if not unit or not np.allclose(widths, widths[0]):
        return "Events / bin"
    return f"Events / {widths[0]:.3g} {unit}"


def symbol(parameter: str) -> str:
    """The parameter as it stands at an axis."""
    return r"$\mu$" if parameter == "mu" else parameter
