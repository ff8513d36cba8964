"""A sample in another unit is refused wherever it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.pipeline.units import differ_in_unit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [(50, 50_000, True), (50_000, 50, True), (50, 500, False), (0, 50_000, False), (0, 0, False)],
)
def test_thousands_are_another_unit_and_tens_another_spectrum(one: float, other: float, *, expected: bool) -> None:
    assert differ_in_unit(one, other) is expected


@pytest.fixture
def trained(write_recipe: Callable[..., Path], simmorph: Callable[..., Any]) -> Path:
    recipe = write_recipe()
    assert simmorph("train", "-c", recipe).code == 0
    return recipe


def test_apply_refuses_events_in_another_unit(
    trained: Path, write_ntuple: Callable[..., Path], flat_columns: Callable[..., Any], simmorph: Callable[..., Any]
) -> None:
    folder = trained.parent
    columns = flat_columns()
    wrong = write_ntuple(folder / "mev.root", {**columns, "pt1": columns["pt1"] * np.float32(1000)})
    outcome = simmorph("apply", wrong, "--model", folder / "model", "-o", folder / "out.root")
    assert (outcome.code, outcome.stderr.count("\n")) == (4, 1)
    assert "mev.root: the median of |pt1| is" in outcome.stderr
    assert "bring it to the unit of the model (GeV)" in outcome.stderr
    assert not (folder / "out.root").exists()


@pytest.mark.parametrize(
    ("branch", "factor", "message"),
    [("pt1", 1000, "the median of |pt1| is"), ("weight", np.nan, "target: 2000 of 2000 weights are not finite")],
)
def test_evaluate_refuses_a_target_that_cannot_be_compared(
    trained: Path,
    write_ntuple: Callable[..., Path],
    flat_columns: Callable[..., Any],
    simmorph: Callable[..., Any],
    *,
    branch: str,
    factor: float,
    message: str,
) -> None:
    folder = trained.parent
    columns = flat_columns()
    wrong = write_ntuple(folder / "wrong.root", {**columns, branch: columns[branch] * np.float32(factor)})
    template = folder / "template.root"
    assert simmorph("apply", folder / "source.root", "--model", folder / "model", "-o", template).code == 0
    options = ("--template", template, "--target", wrong, "-o", folder / "report")
    outcome = simmorph("evaluate", "-c", trained, *options)
    assert (outcome.code, outcome.stderr.count("\n")) == (4, 1), outcome.stderr
    assert message in outcome.stderr


def test_an_empty_tree_is_said_to_be_empty(
    trained: Path, write_ntuple: Callable[..., Path], flat_columns: Callable[..., Any], simmorph: Callable[..., Any]
) -> None:
    folder = trained.parent
    empty = write_ntuple(folder / "empty.root", {name: it[:0] for name, it in flat_columns().items()})
    outcome = simmorph("train", "-c", trained, "--source", empty, "-o", folder / "other")
    assert (outcome.code, outcome.stderr.count("\n")) == (5, 1)
    assert "empty.root: there are no entries" in outcome.stderr


def test_weights_whose_squares_overflow_are_refused(
    trained: Path, write_ntuple: Callable[..., Path], flat_columns: Callable[..., Any], simmorph: Callable[..., Any]
) -> None:
    folder = trained.parent
    columns = flat_columns()
    huge = write_ntuple(folder / "huge.root", {**columns, "weight": np.full(2000, 1e308)})
    outcome = simmorph("train", "-c", trained, "--source", huge, "-o", folder / "other")
    assert (outcome.code, outcome.stderr.count("\n")) == (4, 1), outcome.stderr
    assert "the weights are too large to be added up" in outcome.stderr
