"""Plots: functions of numbers that return a Figure; nothing is shown, saved, or set globally here."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.axes import Axes

    from simmorph.data.events import Events, FloatArray
    from simmorph.evaluation.c2st import Judgement
    from simmorph.evaluation.correlations import Correlations
    from simmorph.evaluation.histograms import Counts, Distribution

TARGET, SOURCE, TEMPLATE, NULL = "#000000", "#3f90da", "#bd1f01", "#717581"
"""Colours that people with any colour vision can tell apart (M. Petroff 2021, arXiv 2107.02270)."""
DASHED, SOLID, DOTTED = (0, (5, 2)), "-", ":"
LOG_FROM = 100.0
"""Ratio of the largest to the smallest bin from which on an axis is logarithmic."""

COMPARISON_STYLE = {
    "source_vs_target": ("source against target", SOURCE, DASHED),
    "template_vs_target": ("template against target", TEMPLATE, SOLID),
    "target_vs_target": ("target against target", NULL, DOTTED),
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The style of plots in particle physics, at the size of a page; hold it also while saving."""
    import mplhep  # noqa: PLC0415 - takes most of a second

    sizes: dict[str, Any] = {
        "font.size": 12,
        "axes.labelsize": 13,
        "axes.titlesize": 12,
        "xtick.labelsize": 11,
        "ytick.labelsize": 11,
        "legend.fontsize": 11,
        "legend.frameon": False,
        "lines.linewidth": 1.6,
        # Minor ticks take a third of the time to draw.
        "xtick.minor.visible": False,
        "ytick.minor.visible": False,
    }
    plain = {key: value for key, value in mplhep.style.ROOT.items() if not key.startswith(("figure.", "font.size"))}
    settings: Any = {**plain, **sizes}
    with mpl.rc_context(settings):
        yield


def label_of(name: str, given: Mapping[str, str]) -> str:
    """The axis label of a variable: as given, or a known quantity with its unit, or its name."""
    if name in given:
        return given[name]
    known = {
        r"pt_?(\d)": r"$p_\mathrm{{T,{0}}}$ [GeV]",
        r"eta_?(\d)": r"$\eta_{{{0}}}$",
        r"phi_?(\d)": r"$\phi_{{{0}}}$ [rad]",
        r"m_yy": r"$m_{{\gamma\gamma}}$ [GeV]",
        r"pt_yy": r"$p_\mathrm{{T}}^{{\gamma\gamma}}$ [GeV]",
        r"m_ee": r"$m_{{ee}}$ [GeV]",
        r"pt": r"$p_\mathrm{{T}}$ [GeV]",
        r"eta": r"$\eta$",
        r"phi": r"$\phi$ [rad]",
    }
    for pattern, label in known.items():
        match = re.fullmatch(pattern, name)
        if match:
            return label.format(*match.groups())
    return name


def plot_distribution(shown: Distribution, label: str, experiment: str = "", region: str = "") -> Figure:
    """Target, source and template of one variable, and their ratio to the target with its statistical band."""
    figure = Figure(figsize=(6.2, 5.6))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.1], gridspec_kw={"hspace": 0.06})
    figure.subplots_adjust(left=0.15, right=0.97, top=0.94, bottom=0.12)
    centres, half = (shown.edges[1:] + shown.edges[:-1]) / 2, np.diff(shown.edges) / 2
    for counts, name, colour, line in _lines(shown):
        above.stairs(counts.values, shown.edges, color=colour, linestyle=line, linewidth=1.6, label=name)
        _band(above, shown.edges, counts.values, counts.uncertainty, colour)
    above.errorbar(
        centres, shown.target.values, shown.target.uncertainty, fmt="o", color=TARGET, markersize=3.5, label="target"
    )
    _scale_counts(above, shown)
    above.set_ylabel(f"events / {_bin_width(shown.edges, label)}")
    above.legend(loc="upper right", title=region or None)
    _name(above, experiment)
    _draw_ratios(below, shown, centres, half)
    below.set_xlabel(label)
    figure.align_ylabels([above, below])
    return figure


def _lines(shown: Distribution) -> list[tuple[Counts, str, str, Any]]:
    return [(shown.source, "source", SOURCE, DASHED), (shown.template, "template (morphed source)", TEMPLATE, SOLID)]


def _draw_ratios(axes: Axes, shown: Distribution, centres: FloatArray, half: FloatArray) -> None:
    expected = np.where(shown.target.values > 0, shown.target.values, np.nan)
    error = shown.target.uncertainty / expected
    axes.axhline(1, color=NULL, linewidth=0.8)
    for counts, _, colour, line in _lines(shown):
        ratio = counts.values / expected
        axes.stairs(ratio, shown.edges, color=colour, linestyle=line, linewidth=1.6, baseline=None)
        _band(axes, shown.edges, ratio, counts.uncertainty / expected, colour)
    axes.errorbar(
        centres, np.where(np.isnan(expected), np.nan, 1.0), error, xerr=half * 0, fmt="o", color=TARGET, markersize=3
    )
    span = np.nanquantile(np.abs(np.concatenate([counts.values / expected - 1 for counts, *_ in _lines(shown)])), 0.9)
    reach = float(np.clip(1.3 * span, 0.08, 0.95)) if np.isfinite(span) else 0.5
    axes.set_ylim(1 - reach, 1 + reach)
    axes.set_ylabel("ratio to target")


def _band(axes: Axes, edges: FloatArray, values: FloatArray, uncertainty: FloatArray, colour: str) -> None:
    axes.stairs(values + uncertainty, edges, baseline=values - uncertainty, fill=True, color=colour, alpha=0.25)


def _scale_counts(axes: Axes, shown: Distribution) -> None:
    """A logarithmic axis for steep distributions, and room for the legend above."""
    values = np.concatenate([shown.target.values, shown.source.values, shown.template.values])
    positive, top = shown.target.values[shown.target.values > 0], float(values.max(initial=1))
    if len(positive) and top / positive.min() > LOG_FROM:
        axes.set_yscale("log")
        axes.set_ylim(0.5 * positive.min(), top * (top / positive.min()) ** 0.35)
    else:
        axes.set_ylim(min(0.0, float(values.min(initial=0))), 1.6 * top)


def _bin_width(edges: FloatArray, label: str) -> str:
    unit = re.search(r"\[(.+)\]", label)
    return f"{edges[1] - edges[0]:.2g}" + (f" {unit.group(1)}" if unit else "")


def _name(axes: Axes, experiment: str) -> None:
    if experiment:
        axes.set_title(experiment, loc="left", fontweight="bold")


def plot_roc(judgements: Mapping[str, Judgement], experiment: str = "", region: str = "") -> Figure:
    """The ROC curve of each comparison: how much of the target is kept with how much of the other sample."""
    figure = Figure(figsize=(5.6, 5.4))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.14, right=0.96, top=0.93, bottom=0.13)
    axes.plot([0, 1], [0, 1], color="#cccccc", linewidth=1)
    for name, judgement in judgements.items():
        words, colour, line = COMPARISON_STYLE[name]
        auc = judgement.auc()
        axes.plot(*judgement.roc(), color=colour, linestyle=line, label=f"{words}\nAUC {auc.to_text()}")
    axes.set_xlabel("target efficiency")
    axes.set_ylabel("efficiency of the other sample")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.legend(loc="lower right", title=region or None)
    _name(axes, experiment)
    return figure


def plot_correlations(
    found: Mapping[str, Correlations], labels: Sequence[str], experiment: str = "", region: str = ""
) -> Figure:
    """Heat maps of the target's correlations, and of what source and template differ from them by."""
    target = found["target"].matrix
    panels = {
        "target": (target, 1.0),
        "source - target": (found["source"].matrix - target, 0.3),
        "template - target": (found["template"].matrix - target, 0.3),
    }
    size = 1.6 + 0.42 * len(labels)
    figure = Figure(figsize=(3 * size + 1, size + 0.4))
    short = [re.sub(r"\s*\[.*\]", "", label) for label in labels]
    for axes, (title, (matrix, reach)) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        image = axes.imshow(matrix, cmap="RdBu_r", vmin=-reach, vmax=reach)
        _annotate(axes, matrix, reach)
        axes.set_xticks(range(len(short)), short, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(short)), short)
        axes.tick_params(which="both", length=0)
        axes.set_title(title)
        figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    head = " ".join(word for word in (experiment, f"({region})" if region else "") if word)
    figure.suptitle(head, x=0.03, ha="left", fontweight="bold")
    figure.subplots_adjust(left=0.07, right=0.97, top=0.88, bottom=0.18, wspace=0.35)
    return figure


def _annotate(axes: Axes, matrix: FloatArray, reach: float) -> None:
    for row, column in zip(*np.triu_indices(len(matrix), 1), strict=True):
        value = matrix[column, row]
        colour = "white" if abs(value) > 0.6 * reach else "black"
        if np.isfinite(value):
            axes.text(
                float(row),
                float(column),
                f"{value + 0.0:.2f}".replace("-0.00", "0.00"),
                ha="center",
                va="center",
                fontsize=8,
                color=colour,
            )


def plot_movement(
    source: Events, moved: Events, labels: Sequence[str], experiment: str = "", region: str = ""
) -> Figure:
    """Where the map takes each feature: x against T(x), with the diagonal of events that stay."""
    n_columns = min(3, len(labels))
    n_rows = -(-len(labels) // n_columns)
    figure = Figure(figsize=(4.1 * n_columns, 3.9 * n_rows + 0.3))
    panels = np.atleast_1d(figure.subplots(n_rows, n_columns)).ravel()
    for column, (axes, label) in enumerate(zip(panels, labels, strict=False)):
        before, after = source.features[:, column], moved.features[:, column]
        low, high = np.quantile(np.concatenate([before, after]), [0.002, 0.998])
        bins = np.linspace(low, high if high > low else low + 1, 81)
        counts, _, _ = np.histogram2d(before, after, (bins, bins))
        mesh = np.where(counts > 0, np.log10(np.maximum(counts, 1)), np.nan).T
        axes.pcolormesh(bins, bins, mesh, cmap="viridis", rasterized=True)
        axes.plot([low, high], [low, high], color="black", linewidth=0.8, linestyle=DASHED)
        axes.set_xlabel(f"source {label}")
        axes.set_ylabel(f"morphed {label}")
    for axes in panels[len(labels) :]:
        axes.set_axis_off()
    head = " ".join(word for word in (experiment, f"({region})" if region else "") if word)
    margin = 0.75 / figure.get_figheight()
    figure.suptitle(head, x=0.03, ha="left", fontweight="bold")
    figure.subplots_adjust(left=0.09, right=0.98, top=1 - 0.6 * margin, bottom=margin, wspace=0.38, hspace=0.3)
    return figure
