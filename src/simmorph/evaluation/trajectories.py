"""How a training went: its losses, and whatever else was observed, epoch by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from simmorph.evaluation.plots import DASHED, DOTTED, NULL, SOURCE, TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

BOUND = "epsilon"
BOUNDED = "constraint"
"""What stays below a bound is drawn with it."""


def plot_trajectories(history: Mapping[str, Any], stage: str, experiment: str = "") -> Figure:
    """The loss of each epoch, and below it one panel for each observed quantity; a constraint with its bound.

    Args:
        history: of one stage, as `History.to_json` gives it.
        stage: its name.
        experiment: the experiment's label.
    """
    observed: Mapping[str, Sequence[float]] = history["observed"]
    names = [name for name in observed if name != BOUND]
    n_panels = 1 + len(names)
    figure = Figure(figsize=(6.2, 1.0 + 1.9 * n_panels), layout="constrained")
    panels = figure.subplots(n_panels, 1, sharex=True, squeeze=False)[:, 0]
    _draw_losses(panels[0], history)
    for axes, name in zip(panels[1:], names, strict=True):
        axes.plot(_epochs(observed[name]), observed[name], color=TEMPLATE, label=name)
        if name == BOUNDED and BOUND in observed:
            axes.plot(_epochs(observed[BOUND]), observed[BOUND], color=NULL, linestyle=DASHED, label="bound")
            axes.legend(loc="upper right")
        axes.set_ylabel(r"$\lambda$" if name == "lambda" else name.replace("_", " "))
    panels[-1].set_xlabel("epoch")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.align_ylabels(panels)
    figure.suptitle(", ".join(word for word in (experiment, f"training stage {stage}") if word), x=0.01, ha="left")
    return figure


def _draw_losses(axes: Axes, history: Mapping[str, Any]) -> None:
    axes.plot(_epochs(history["losses"]), history["losses"], color=SOURCE, label="training")
    if history["validation_losses"]:
        losses = history["validation_losses"]
        axes.plot(_epochs(losses), losses, color=TEMPLATE, linestyle=DOTTED, label="validation")
    axes.set_ylabel("loss")
    axes.legend(loc="upper right")
    # A first epoch far above the others would press them onto the axis.
    if min(history["losses"]) > 0 and max(history["losses"]) > 50 * min(history["losses"]):
        axes.set_yscale("log")


def _epochs(values: Sequence[float]) -> range:
    return range(1, len(values) + 1)


def trajectory_rows(history: Mapping[str, Any]) -> list[dict[str, float | str]]:
    """The numbers behind the plot, one row for each epoch."""
    columns = {"loss": history["losses"], "validation_loss": history["validation_losses"], **history["observed"]}
    filled = {name: values for name, values in columns.items() if values}
    rows = zip(*filled.values(), strict=True)
    return [
        {"epoch": epoch, **dict(zip(filled, map(float, row), strict=True))} for epoch, row in enumerate(rows, start=1)
    ]


def observed_stages(history: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The stages of a model's history in which something beside the loss was observed."""
    return {stage: record for stage, record in history.items() if record.get("observed")}
