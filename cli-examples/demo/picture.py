"""Draw the README's picture from what `make demo` left: `python cli-examples/demo/picture.py`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

HERE = Path(__file__).parent
REPORT = Path("build/demo/report")
REGION = "signal"
SOURCE, TEMPLATE = {"color": "#3f90da", "ls": "--"}, {"color": "#bd1f01", "ls": "-"}


def columns(name: str) -> dict[str, NDArray[np.float64]]:
    """The numbers behind a plot of the report."""
    with (REPORT / REGION / f"{name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {key: np.array([float(row[key] or "nan") for row in rows]) for key in rows[0]}


def draw_variable(top: Axes, bottom: Axes, name: str, label: str) -> None:
    """Source, template and target, and their ratios to the target."""
    table = columns(name)
    edges = np.append(table["low"], table["high"][-1])
    centres, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    target, error = np.where(table["target"] > 0, table["target"], np.nan), table["target_uncertainty"]
    for sample, style in (("source", SOURCE), ("template", TEMPLATE)):
        top.stairs(table[sample] / widths, edges, lw=1.6, **style)
        bottom.stairs(table[sample] / target, edges, baseline=None, lw=1.6, **style)
    top.errorbar(centres, target / widths, error / widths, fmt="k.", ms=5)
    bottom.errorbar(centres, np.ones_like(centres), error / target, fmt="k.", ms=5)
    bottom.set(xlabel=label, ylabel="ratio to data", ylim=(0.4, 1.6))
    top.set(ylabel="events per unit", ylim=(0, 1.35 * np.nanmax(target / widths)), xticklabels=[])


def draw_roc(axes: Axes) -> None:
    """How well a classifier tells each sample from the data, on events it has not seen."""
    table = columns("roc")
    region = json.loads((REPORT / "report.json").read_text())["regions"][REGION]
    auc = region["metrics"][region["judged_by"]]
    lines = {"source_vs_target": SOURCE, "template_vs_target": TEMPLATE, "target_vs_target": {"color": "k", "ls": ":"}}
    words = ("simulation", "morphed simulation", "data against data")
    for (comparison, style), word in zip(lines.items(), words, strict=True):
        value, uncertainty = auc[comparison]["value"], auc[comparison]["uncertainty"]
        label = f"{word}\nAUC {value:.3f} ± {uncertainty:.3f}"
        axes.plot(table["target_efficiency"], table[comparison], lw=1.8, label=label, **style)
    axes.set(xlabel="efficiency for data", ylabel="efficiency for the other sample", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False, loc="lower right", fontsize=9)


def main() -> None:
    """Draw three panels and keep them beside this file."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplot_mosaic(
        [["eta", "mass", "roc"], ["eta ratio", "mass ratio", "roc"]], height_ratios=[2.6, 1], width_ratios=[1, 1, 0.95]
    )
    draw_variable(axes["eta"], axes["eta ratio"], "eta1", "leading photon η")
    draw_variable(axes["mass"], axes["mass ratio"], "m_yy", "$m_{\\gamma\\gamma}$ [GeV]")
    axes["mass"].plot([], [], "k.", label="data")
    axes["mass"].plot([], [], lw=1.6, label="simulation", **SOURCE)
    axes["mass"].plot([], [], lw=1.6, label="morphed simulation", **TEMPLATE)
    axes["mass"].legend(frameon=False)
    for panel in ("mass", "mass ratio"):
        axes[panel].set_xlim(40, 300)
    draw_roc(axes["roc"])
    figure.savefig(HERE / "picture.png", dpi=110)


if __name__ == "__main__":
    main()
