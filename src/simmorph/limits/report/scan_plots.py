"""Figures of a scan of limits; the numbers behind them are in `scan.csv`."""

from __future__ import annotations

import math
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from simmorph.evaluation.plots.style import SERIES
from simmorph.limits.report.plots import symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from simmorph.limits.studies.scan import ScanPoint

SIMULATED = "simulated"
FEW = 5.0
"""A range of limits up to this factor is drawn on a linear axis, which has a number at every tick."""
MANY_ENTRIES = 4
"""A legend with more of them has two columns."""
LINE = 0.06
"""Height of a line of a legend, as a share of that of the axes."""
ACTS = {"shapesys": "in each bin (shapesys)", "normsys": "of all bins together (normsys)"}
"""How a systematic acts, in words."""
TRAINING = {
    "replicas": "training: spread of replicas",
    "training": "training: number of its events",
    "naive": "training: left out (naive)",
}
"""What the uncertainty of the generated background comes from besides its draws, in words."""


class ScanKind(NamedTuple):
    """What a scan's uncertainties are; the physics differs by it.

    Attributes:
        beta_type: how the systematic acts.
        amplification: what the uncertainty of the generated background comes from.
        injected: strength of the signal in the expected data.
    """

    beta_type: str
    amplification: str
    injected: float = 1.0

    def title(self, beta: float | None = None) -> str:
        """Both in two lines for a legend; with `beta`, the relative size of the systematic as a number."""
        size = r"$\beta$" if beta is None else _beta_words(beta)
        acts = ACTS.get(self.beta_type, self.beta_type)
        return f"{size} {acts}\n{TRAINING.get(self.amplification, self.amplification)}"


def draw_strength(points: Sequence[ScanPoint], parameter: str, kind: ScanKind) -> Figure:
    """Fitted strength and its uncertainty against luminosity: most generated events, and the simulated reference.

    Args:
        points: of the scan; drawn is the middle one of its sizes of the systematic.
        parameter: the name of the strength.
        kind: what the uncertainties are, for the legend.
    """
    largest = max(_sizes(points))
    beta = _middle(points)
    figure, axes = _figure()
    rows = _where(points, largest, beta)
    x, y = [it.luminosity for it in rows], [it.fitted for it in rows]
    low, high = np.subtract(y, _spreads(rows)), np.add(y, _spreads(rows))
    axes.fill_between(x, low, high, color=SERIES[0], alpha=0.25, lw=0, label=r"$\pm 1\sigma$")
    axes.plot(x, y, "o-", color=SERIES[0], label=_size_words(largest))
    reference = _where(points, None, beta)
    axes.errorbar(
        [it.luminosity * 1.03 for it in reference],
        [it.fitted for it in reference],
        _spreads(reference),
        fmt="s", color="k", ms=4, lw=1, label=SIMULATED,
    )  # fmt: skip
    axes.axhline(kind.injected, color="k", lw=1, ls=":", label="injected")
    axes.set(xscale="log", xlabel=r"Integrated luminosity [fb$^{-1}$]", ylabel=f"Fitted {symbol(parameter)}")
    _legend(axes, kind.title(beta))
    return figure


def _spreads(points: Sequence[ScanPoint]) -> list[float]:
    """The uncertainties of the fitted strengths; NaN, which is not drawn, where there is none."""
    return [math.nan if it.uncertainty is None else it.uncertainty for it in points]


def draw_limits(points: Sequence[ScanPoint], parameter: str, kind: ScanKind) -> Figure:
    """Median expected upper limit against luminosity, for each size of the generated sample."""
    beta = _middle(points)
    figure, axes = _figure()
    for size, colour in zip(_sizes(points), cycle(SERIES), strict=False):
        rows = _where(points, size, beta)
        axes.plot([it.luminosity for it in rows], [it.expected for it in rows], "o-", color=colour, ms=4,
                  label=_size_words(size))  # fmt: skip
    rows = _where(points, None, beta)
    axes.plot([it.luminosity for it in rows], [it.expected for it in rows], "ks--", ms=4, label=SIMULATED)
    axes.set(xscale="log", xlabel=r"Integrated luminosity [fb$^{-1}$]")
    axes.set_ylabel(f"Expected upper limit on {symbol(parameter)}")
    low, high = axes.dataLim.intervaly
    if high > FEW * low:
        axes.set_yscale("log")
        _plain_numbers(axes.yaxis)
    _legend(axes, kind.title(beta))
    return figure


def draw_difference(points: Sequence[ScanPoint], parameter: str, kind: ScanKind) -> Figure:
    """What the generated background costs beside the simulated one, against its size, at the middle luminosity."""
    levels = sorted({it.luminosity for it in points})
    luminosity = levels[len(levels) // 2]
    figure, axes = _figure()
    for beta, colour in zip(sorted({it.beta for it in points}), cycle(SERIES), strict=False):
        reference = next(it for it in _where(points, None, beta) if it.luminosity == luminosity)
        rows = [it for size in _sizes(points) for it in _where(points, size, beta) if it.luminosity == luminosity]
        axes.plot(_sizes(rows), [it.expected - reference.expected for it in rows], "o-",
                  color=colour, ms=4, label=_beta_words(beta))  # fmt: skip
    axes.axhline(0, color="k", lw=1)
    name = symbol(parameter)
    axes.set(xscale="log", xlabel="Generated events", ylabel=f"Limit on {name}, generated $-$ simulated")
    _legend(axes, kind.title() + rf", at {luminosity:g} fb$^{{-1}}$")
    return figure


def _plain_numbers(axis: Axis) -> None:
    """1, 2, 5, 10 in place of powers of ten, of which a short axis has none."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _legend(axes: Axes, title: str) -> None:
    """A legend with room of its own, above everything that is drawn."""
    n_entries = len(axes.get_legend_handles_labels()[1])
    n_columns = 1 if n_entries <= MANY_ENTRIES else 2
    share = LINE * (title.count("\n") + 1.5 + np.ceil(n_entries / n_columns))
    room = share / (1 - share)
    low, high = axes.get_ylim()
    is_log = axes.get_yscale() == "log"
    axes.set_ylim(low, high * (high / low) ** room if is_log else high + room * (high - low))
    axes.legend(title=title, title_fontsize=11, loc="upper right", alignment="left", ncols=n_columns)


def _figure() -> tuple[Figure, Axes]:
    """An empty figure with one pair of axes, of the size of all plots here."""
    figure = Figure(figsize=(7, 5.5))
    figure.subplots_adjust(left=0.2, right=0.97, bottom=0.13, top=0.97)
    return figure, figure.add_subplot()


def _sizes(points: Sequence[ScanPoint]) -> list[int]:
    """The sizes of the generated samples, increasing, without the simulated reference."""
    return sorted({it.generated for it in points if it.generated is not None})


def _middle(points: Sequence[ScanPoint]) -> float:
    """The middle one of the sizes of the systematic."""
    betas = sorted({it.beta for it in points})
    return betas[len(betas) // 2]


def _where(points: Sequence[ScanPoint], generated: int | None, beta: float) -> list[ScanPoint]:
    """The points with a template of so many generated events (None: simulated) and this size of the systematic."""
    return [it for it in points if (it.generated, it.beta) == (generated, beta)]


def _size_words(size: int) -> str:
    return f"{size:,} generated".replace(",", "\u202f")


def _beta_words(beta: float) -> str:
    return rf"$\beta$ = {100 * beta:g} %"
