"""Plots of limits, as matplotlib figures; the numbers behind each can be written beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from simmorph.data.events import FloatArray
    from simmorph.limits.histograms import Histogram
    from simmorph.limits.inference import AsymptoticCls, Limits
    from simmorph.limits.postfit import FittedYields

GREEN, YELLOW, BLUE, ORANGE = "#009E73", "#F0E442", "#0072B2", "#D55E00"
STYLE: Any = {
    "font.size": 13,
    "axes.labelsize": 15,
    "legend.fontsize": 12,
    "legend.frameon": False,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "xaxis.labellocation": "right",
    "yaxis.labellocation": "top",
}


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
    """The observable's distribution and what was fitted to it.

    Attributes:
        data: the observed histogram.
        fitted: background and signal in each of its bins.
        label: of the observable.
        data_label: what the data are called.
    """

    data: Histogram
    fitted: FittedYields
    label: str
    data_label: str = "Data"


def scan_of(test: AsymptoticCls, limits: Limits, n_values: int = 61) -> Scan:
    """CLs from 0 to beyond the largest limit."""
    values = np.linspace(0.0, 1.2 * max(limits.observed, *limits.expected), n_values)
    return Scan(values, *test.scan(values))


def draw_scan(scan: Scan, limits: Limits) -> Figure:
    """CLs against the parameter: observed points, expected line with its bands, and the level that excludes."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 5.5))
        figure.subplots_adjust(left=0.12, right=0.97, bottom=0.13, top=0.97)
        axes = figure.add_subplot()
        low2, low1, median, high1, high2 = scan.expected.T
        axes.fill_between(scan.values, low2, high2, color=YELLOW, lw=0, label=r"Expected $\pm 2\sigma$")
        axes.fill_between(scan.values, low1, high1, color=GREEN, lw=0, label=r"Expected $\pm 1\sigma$")
        axes.plot(scan.values, median, "k--", label="Expected")
        axes.plot(scan.values, scan.observed, "ko-", ms=3, label="Observed")
        axes.axhline(1 - limits.level, color=ORANGE, lw=1.5)
        axes.annotate(f"{100 * limits.level:g} % CL", (0.01, 1 - limits.level), xycoords=("axes fraction", "data"),
                      xytext=(0, 4), textcoords="offset points", color=ORANGE, fontsize=11)  # fmt: skip
        axes.plot([limits.observed] * 2, [0, 1 - limits.level], color="k", lw=1, ls=":")
        axes.set(xlabel=symbol(limits.parameter), ylabel=r"$\mathrm{CL}_\mathrm{s}$")
        axes.set(xlim=(0, scan.values[-1]), ylim=(0, 1.05))
        title = f"{100 * limits.level:g} % CL upper limit: {limits.observed:.3g} (expected {limits.expected[2]:.3g})"
        axes.legend(title=title, loc="upper right")
        return figure


def draw_spectrum(spectrum: Spectrum) -> Figure:
    """Data, fitted background and fitted signal; below, what the data have above the background."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 6.5))
        figure.subplots_adjust(left=0.14, right=0.97, bottom=0.11, top=0.97, hspace=0.07)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
        _draw_yields(upper, spectrum)
        _draw_excess(lower, spectrum)
        lower.set_xlabel(spectrum.label)
        lower.set_xlim(spectrum.data.edges[0], spectrum.data.edges[-1])
        return figure


def _draw_yields(axes: Axes, spectrum: Spectrum) -> None:
    data, fitted = spectrum.data, spectrum.fitted
    total = fitted.background + fitted.signal
    axes.stairs(total, data.edges, color=ORANGE, lw=1.8, label="Background + fitted signal")
    axes.stairs(fitted.background, data.edges, color=BLUE, lw=1.8, ls="--", label="Fitted background")
    _draw_band(axes, fitted.background, fitted.uncertainty, data.edges, label="Background uncertainty")
    _draw_points(axes, data, data.values, spectrum.data_label)
    axes.set_ylabel(_per_bin(data.edges, spectrum.label))
    axes.set_ylim(0, 1.3 * float(np.max(data.values + data.uncertainties)))
    axes.legend(loc="upper right")


def _draw_excess(axes: Axes, spectrum: Spectrum) -> None:
    data, fitted = spectrum.data, spectrum.fitted
    _draw_band(axes, np.zeros_like(fitted.background), fitted.uncertainty, data.edges)
    axes.axhline(0, color=BLUE, lw=1.8, ls="--")
    axes.stairs(fitted.signal, data.edges, color=ORANGE, lw=1.8, baseline=None)
    _draw_points(axes, data, data.values - fitted.background, spectrum.data_label)
    axes.set_ylabel("Data $-$ bkg.")


def _draw_band(axes: Axes, centre: FloatArray, half: FloatArray, edges: FloatArray, label: str | None = None) -> None:
    axes.stairs(centre + half, edges, baseline=centre - half, fill=True, color=BLUE, alpha=0.25, lw=0, label=label)


def _draw_points(axes: Axes, data: Histogram, heights: FloatArray, label: str) -> None:
    axes.errorbar(data.centres, heights, data.uncertainties, fmt="ko", ms=4, lw=1.2, label=label)


def _per_bin(edges: FloatArray, label: str) -> str:
    """The label of the vertical axis, with the bins' width and the unit that stands in brackets in the label."""
    widths, unit = np.diff(edges), label[label.rfind("[") + 1 : -1] if label.endswith("]") else ""
    return f"Events / {widths[0]:.3g} {unit}".rstrip() if np.allclose(widths, widths[0]) else "Events / bin"


def symbol(parameter: str) -> str:
    """The parameter as it stands at an axis."""
    return r"$\mu$" if parameter == "mu" else parameter
