"""Plots: functions of numbers that return a Figure; nothing is shown, saved, or set globally here."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from simmorph.evaluation.histograms import moved_counts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.axes import Axes

    from simmorph.data.events import Events, FloatArray
    from simmorph.evaluation.comparison import Curve
    from simmorph.evaluation.correlations import Correlations
    from simmorph.evaluation.estimates import Estimate
    from simmorph.evaluation.histograms import Counts, Distribution

TARGET, SOURCE, TEMPLATE, NULL = "#000000", "#3f90da", "#bd1f01", "#717581"
"""Colours that people with any colour vision can tell apart (M. Petroff 2021, arXiv 2107.02270)."""
DASHED, SOLID, DOTTED = (0, (5, 2)), "-", ":"
ROOM_ABOVE = 0.6
"""Room for the legend above a distribution, as a share of its height."""

COMPARISON_STYLE = {
    "source_vs_target": ("source against target", SOURCE, DASHED),
    "template_vs_target": ("template against target", TEMPLATE, SOLID),
    "target_vs_target": ("target against target", TARGET, DOTTED),
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


def plot_distribution(
    shown: Distribution, label: str, experiment: str = "", region: str = "", *, is_log: bool = False
) -> Figure:
    """Target, source and template of one variable, and their ratio to the target with its statistical band."""
    figure = Figure(figsize=(6.2, 5.6))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.1], gridspec_kw={"hspace": 0.06})
    figure.subplots_adjust(left=0.15, right=0.97, top=0.94, bottom=0.12)
    _draw_counts(above, shown, is_log)
    above.set_ylabel(f"events / {_bin_width(shown.edges, label)}")
    above.legend(loc="upper right", title=region or None)
    _name(above, experiment)
    _draw_ratios(below, shown)
    below.set_xlabel(label)
    below.set_xlim(shown.edges[0], shown.edges[-1])
    figure.align_ylabels([above, below])
    return figure


def _lines(shown: Distribution) -> list[tuple[Counts, str, str, Any]]:
    if shown.source is None:
        return [(shown.template, "template", TEMPLATE, SOLID)]
    return [(shown.source, "source", SOURCE, DASHED), (shown.template, "template (morphed source)", TEMPLATE, SOLID)]


def _draw_counts(axes: Axes, shown: Distribution, is_log: bool) -> None:
    """Counts for a bin of the usual width, with room for the legend above."""
    density, centres = shown.density, _centres(shown)
    for counts, name, colour, line in _lines(shown):
        values = counts.values * density
        axes.stairs(values, shown.edges, color=colour, linestyle=line, linewidth=1.6, label=name)
        _band(axes, shown.edges, values, counts.uncertainty * density, colour)
    target = shown.target.values * density
    axes.errorbar(
        centres, target, shown.target.uncertainty * density, fmt="o", color=TARGET, markersize=3.5, label="target"
    )
    top = float(max((counts.values * density).max() for counts in shown.shown().values()))
    if is_log and top > 0:
        positive = target[target > 0]
        low = 0.5 * float(positive.min(initial=top))
        axes.set_yscale("log")
        axes.set_ylim(low, top * (top / low) ** ROOM_ABOVE)
    else:
        axes.set_ylim(min(0.0, float(target.min(initial=0))), (1 + ROOM_ABOVE) * max(top, 1e-9))


def _centres(shown: Distribution) -> FloatArray:
    return np.asarray((shown.edges[1:] + shown.edges[:-1]) / 2)


def _draw_ratios(axes: Axes, shown: Distribution) -> None:
    """Ratios to the target where it has enough events; arrows where one leaves the panel."""
    expected = np.where(shown.has_ratio, shown.target.values, np.nan)
    centres, ratios = _centres(shown), [counts.values / expected for counts, *_ in _lines(shown)]
    axes.axhline(1, color=NULL, linewidth=0.8)
    for (counts, _, colour, line), ratio in zip(_lines(shown), ratios, strict=True):
        axes.stairs(ratio, shown.edges, color=colour, linestyle=line, linewidth=1.6, baseline=None)
        _band(axes, shown.edges, ratio, counts.uncertainty / expected, colour)
    error = shown.target.uncertainty / expected
    axes.errorbar(centres, np.where(shown.has_ratio, 1.0, np.nan), error, fmt="o", color=TARGET, markersize=3)
    reach = _reach(np.abs(np.concatenate(ratios) - 1))
    for (_, _, colour, _), ratio in zip(_lines(shown), ratios, strict=True):
        for marker, is_outside, height in (("^", ratio > 1 + reach, 0.92), ("v", ratio < 1 - reach, 0.08)):
            heights = np.full(int(is_outside.sum()), 1 + (2 * height - 1) * reach)
            axes.plot(centres[is_outside], heights, marker, color=colour, markersize=5)
    axes.set_ylim(1 - reach, 1 + reach)
    axes.set_ylabel("ratio to target")


def _reach(deviations: FloatArray) -> float:
    """How far from 1 the ratios are shown: nearly all of them, a single wild one apart."""
    known = deviations[np.isfinite(deviations)]
    return float(np.clip(1.25 * np.quantile(known, 0.95), 0.1, 0.95)) if len(known) else 0.5


def _band(axes: Axes, edges: FloatArray, values: FloatArray, uncertainty: FloatArray, colour: str) -> None:
    axes.stairs(values + uncertainty, edges, baseline=values - uncertainty, fill=True, color=colour, alpha=0.25)


def _bin_width(edges: FloatArray, label: str) -> str:
    unit = re.search(r"\[(.+)\]", label)
    return f"{np.median(np.diff(edges)):.2g}" + (f" {unit.group(1)}" if unit else "")


def _name(axes: Axes, experiment: str) -> None:
    if experiment:
        axes.set_title(experiment, loc="left", fontweight="bold")


def plot_roc(
    rocs: Mapping[str, Curve], aucs: Mapping[str, Estimate], words: str, experiment: str = "", region: str = ""
) -> Figure:
    """The ROC curve of each comparison, and how far it is above the diagonal of samples that cannot be told apart."""
    figure = Figure(figsize=(5.6, 6.6))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.1], gridspec_kw={"hspace": 0.06})
    figure.subplots_adjust(left=0.16, right=0.95, top=0.94, bottom=0.1)
    for name, (target_kept, other_kept) in rocs.items():
        comparison, colour, line = COMPARISON_STYLE[name]
        label = f"{comparison}: {aucs[name].to_text(3)}"
        drawn: dict[str, Any] = {"color": colour, "linestyle": line, "zorder": 4 if line == DOTTED else 3}
        above.plot(target_kept, other_kept, label=label, **drawn)
        below.plot(target_kept, other_kept - target_kept, **drawn)
    above.set_ylabel("efficiency of the other sample")
    above.set_xlim(0, 1)
    above.set_ylim(0, 1)
    above.legend(loc="lower right", title="\n".join(word for word in (region, words) if word), fontsize=10)
    below.set_xlabel("target efficiency")
    below.set_ylabel("above diagonal")
    below.margins(y=0.15)
    figure.align_ylabels([above, below])
    _name(above, experiment)
    return figure


def plot_correlations(
    found: Mapping[str, Correlations], labels: Sequence[str], experiment: str = "", region: str = ""
) -> Figure:
    """Heat maps of the target's correlations, and of what source and template differ from them by."""
    target = found["target"].matrix
    others = [name for name in ("source", "template") if name in found]
    panels = {"target": (target, 1.0)} | {f"{name} - target": (found[name].matrix - target, 0.3) for name in others}
    short = [re.sub(r"\s*\[.*\]", "", label) for label in labels]
    # The layout leaves too little room for turned labels below axes of a fixed aspect: some more is kept free by hand.
    # Letters of a formula are mostly its markup.
    longest = max(len(label) if "$" not in label else 0 for label in short)
    size = 1.9 + 0.42 * len(labels) + 0.07 * longest
    figure = Figure(figsize=(len(panels) * size + 1, size + 0.5), layout="constrained")
    places = figure.subplots(1, len(panels), sharey=True)
    for axes, (title, (matrix, reach)) in zip(places, panels.items(), strict=True):
        image = axes.imshow(matrix, cmap="RdBu_r", vmin=-reach, vmax=reach)
        _annotate(axes, matrix, reach)
        axes.set_xticks(range(len(short)), short, rotation=90)
        axes.set_yticks(range(len(short)), short)
        axes.tick_params(which="both", length=0)
        axes.set_title(title)
        figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    head = ", ".join(word for word in (experiment, region) if word)
    figure.suptitle(head, x=0.01, ha="left", fontweight="bold")
    free = 0.35 / figure.get_figheight()
    figure.set_layout_engine("constrained", rect=(0, free, 1, 1 - free))
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
    figure = Figure(figsize=(4.1 * n_columns, 3.9 * n_rows + 0.3), layout="constrained")
    panels = np.atleast_1d(figure.subplots(n_rows, n_columns)).ravel()
    for column, (axes, label) in enumerate(zip(panels, labels, strict=False)):
        before, after = source.features[:, column], moved.features[:, column]
        counts, bins = moved_counts(before, after)
        mesh = np.where(counts > 0, np.log10(np.maximum(counts, 1)), np.nan).T
        axes.pcolormesh(bins, bins, mesh, cmap="viridis", rasterized=True)
        axes.plot(bins[[0, -1]], bins[[0, -1]], color="black", linewidth=0.8, linestyle=DASHED)
        axes.set_xlabel(f"source {label}")
        axes.set_ylabel(f"morphed {label}")
    for axes in panels[len(labels) :]:
        axes.set_axis_off()
    head = ", ".join(word for word in (experiment, region) if word)
    figure.suptitle(head, x=0.01, ha="left", fontweight="bold")
    return figure
