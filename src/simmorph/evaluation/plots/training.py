"""How a training went: its losses, and whatever else was observed, epoch by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from simmorph.evaluation.plots.style import DASHED, DOTTED, NO_HEADING, NULL, SOURCE, TEMPLATE, Heading, panels_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

BOUND = "epsilon"
BOUNDED = "constraint"
"""What stays below a bound is drawn with it."""
FAR_ABOVE = 50.0
"""A first loss this many times the lowest would press all others onto the axis."""


def plot_losses(histories: Mapping[str, Mapping[str, Any]], head: Heading = NO_HEADING) -> Figure:
    """The loss of each epoch, one panel for each stage of training, the epoch marked whose weights were kept.

    Args:
        histories: by stage, as `History.to_json` gives them.
        head: of the plot.
    """
    figure, panels = panels_of(len(histories), (6.2 if len(histories) == 1 else 4.4, 3.4))
    for axes, (stage, history) in zip(panels, histories.items(), strict=True):
        _draw_losses(axes, history)
        axes.set_title(f"stage {stage}", loc="right", fontsize=11)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    head.over_all(figure)
    return figure


def plot_trajectories(history: Mapping[str, Any], stage: str, head: Heading = NO_HEADING) -> Figure:
    """The loss of each epoch, and below it one panel for each observed quantity; a constraint with its bound.

    Args:
        history: of one stage, as `History.to_json` gives it.
        stage: its name.
        head: of the plot.
    """
    observed: Mapping[str, Sequence[float]] = history["observed"]
    names = [name for name in observed if name != BOUND]
    n_panels = 1 + len(names)
    height = 1.1 + 1.9 * n_panels
    figure = Figure(figsize=(6.2, height))
    panels = figure.subplots(n_panels, 1, sharex=True, squeeze=False, gridspec_kw={"hspace": 0.07})[:, 0]
    figure.subplots_adjust(left=0.15, right=0.97, top=1 - 0.42 / height, bottom=0.65 / height)
    _draw_losses(panels[0], history)
    for axes, name in zip(panels[1:], names, strict=True):
        axes.plot(_epochs(observed[name]), observed[name], color=TEMPLATE, label=name, marker=_marker(observed[name]))
        if name == BOUNDED and BOUND in observed:
            axes.plot(_epochs(observed[BOUND]), observed[BOUND], color=NULL, linestyle=DASHED, label="bound")
            axes.legend(loc="upper right")
        axes.set_ylabel(r"$\lambda$" if name == "lambda" else name.replace("_", " "))
    panels[-1].set_xlabel("epoch")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.align_ylabels(panels)
    head._replace(region=f"training stage {stage}").over_all(figure)
    return figure


def _draw_losses(axes: Axes, history: Mapping[str, Any]) -> None:
    """Training and validation, and at which epoch the weights were kept."""
    losses, validation = history["losses"], history["validation_losses"]
    axes.plot(_epochs(losses), losses, color=SOURCE, label="training", marker=_marker(losses))
    if validation:
        axes.plot(
            _epochs(validation), validation, color=TEMPLATE, linestyle=DOTTED, label="validation",
            marker=_marker(validation),
        )  # fmt: skip
    best = history.get("best_epoch")
    if best:
        axes.axvline(best, color=NULL, linewidth=1.0, linestyle=DASHED, label=f"kept: epoch {best}")
    axes.set_ylabel("loss")
    axes.legend(loc="upper right", fontsize=10, frameon=True, framealpha=0.85, edgecolor="none")
    known = np.array([*losses, *validation], np.float64)
    known = known[np.isfinite(known)]
    if len(known) and known.min() > 0 and known.max() > FAR_ABOVE * known.min():
        axes.set_yscale("log")


def _marker(values: Sequence[float]) -> str | None:
    """A point for each epoch where there are so few that a line alone would not show them."""
    return "o" if len(values) <= 3 else None


def _epochs(values: Sequence[float]) -> range:
    """The numbers of the epochs, from 1."""
    return range(1, len(values) + 1)


def trajectory_rows(history: Mapping[str, Any]) -> list[dict[str, float | str]]:
    """The numbers behind the plot, one row for each epoch."""
    columns = {"loss": history["losses"], "validation_loss": history["validation_losses"], **history["observed"]}
    filled = {name: values for name, values in columns.items() if values}
    rows = zip(*filled.values(), strict=True)
    return [
        {"epoch": epoch, **dict(zip(filled, map(float, row), strict=True))} for epoch, row in enumerate(rows, start=1)
    ]


def loss_rows(histories: Mapping[str, Mapping[str, Any]]) -> list[dict[str, float | str]]:
    """The losses of all stages, one row for each epoch of each; without a validation part its column is empty."""
    rows: list[dict[str, float | str]] = []
    for stage, history in histories.items():
        validation = history["validation_losses"] or [""] * len(history["losses"])
        for epoch, (loss, other) in enumerate(zip(history["losses"], validation, strict=True), start=1):
            rows.append({"stage": stage, "epoch": epoch, "loss": loss, "validation_loss": other})
    return rows


def observed_stages(history: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The stages of a model's history in which something beside the loss was observed."""
    return {stage: record for stage, record in history.items() if record.get("observed")}


def plain_stages(history: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The stages in which the loss was all that was observed."""
    return {stage: record for stage, record in history.items() if record["losses"] and not record.get("observed")}
