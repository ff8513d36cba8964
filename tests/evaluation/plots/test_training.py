"""The plot of what was observed in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.evaluation.plots.style import Heading, style
from simmorph.evaluation.plots.training import observed_stages, plot_trajectories, trajectory_rows

if TYPE_CHECKING:
    from pathlib import Path

HISTORY: dict[str, Any] = {
    "losses": [3.0, 2.0, 1.0],
    "validation_losses": [3.1, 2.2, 1.5],
    "observed": {"constraint": [0.3, 0.2, 0.1], "epsilon": [0.15] * 3, "lambda": [0.0, 1.0, 1.5]},
}


def test_every_observed_number_has_a_panel_and_the_constraint_shows_its_bound() -> None:
    figure = plot_trajectories(HISTORY, "fit", Heading("ATLAS"))
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["loss", "constraint", r"$\lambda$"]
    assert [len(axes.lines) for axes in figure.axes] == [2, 2, 1]
    assert np.array_equal(np.asarray(figure.axes[1].lines[1].get_ydata()), [0.15] * 3)


def test_the_numbers_behind_the_plot_have_one_row_for_each_epoch() -> None:
    rows = trajectory_rows(HISTORY)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[2] == {
        "epoch": 3, "loss": 1.0, "validation_loss": 1.5, "constraint": 0.1, "epsilon": 0.15, "lambda": 1.5,
    }  # fmt: skip


def test_a_training_without_validation_is_drawn_too(tmp_path: Path) -> None:
    history = HISTORY | {"validation_losses": []}
    with style():
        figure = plot_trajectories(history, "fit")
        figure.savefig(tmp_path / "training.png")
    assert len(figure.axes[0].lines) == 1
    assert "validation_loss" not in trajectory_rows(history)[0]


@pytest.mark.parametrize("record", [{"losses": [1.0]}, {"losses": [1.0], "observed": {}}])
def test_stages_in_which_nothing_was_observed_have_no_plot(record: dict[str, Any]) -> None:
    assert observed_stages({"fit": record, "game": HISTORY}) == {"game": HISTORY}
