"""A sample in another unit is refused wherever it is used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.config.recipe import load_recipe
from simmorph.data.units import read_units
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
    wrong = write_ntuple(folder / "mev.root", {**columns, "pt1": columns["pt1"] * np.float32(1000)}, units={})
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
    wrong = write_ntuple(folder / "wrong.root", {**columns, branch: columns[branch] * np.float32(factor)}, units={})
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


def _in_mev(write_ntuple: Callable[..., Path], columns: dict[str, Any], path: Path) -> Path:
    """A file that says, truly, that its momenta are in MeV."""
    columns = {**columns, "pt1": columns["pt1"] * np.float32(1000)}
    return write_ntuple(path, columns, units={"pt1": "MeV", "isolation": "GeV", "phi1": "rad"})


def test_every_step_refuses_files_whose_units_contradict(
    trained: Path, write_ntuple: Callable[..., Path], flat_columns: Callable[..., Any], simmorph: Callable[..., Any]
) -> None:
    folder = trained.parent
    wrong = _in_mev(write_ntuple, flat_columns(), folder / "mev.root")
    template, model = folder / "template.root", folder / "model"
    assert simmorph("apply", folder / "source.root", "--model", model, "-o", template).code == 0
    refused = "'pt1' is in MeV, and in GeV according to"
    for arguments, code, message in [
        (("train", "-c", trained, "--target", wrong, "-o", folder / "other"), 4, refused),
        (("apply", wrong, "--model", model, "-o", folder / "out.root"), 4, f"mev.root: {refused} the model"),
        (("evaluate", "-c", trained, "--template", template, "--target", wrong, "-o", folder / "report"), 4, refused),
        (("train", "-c", trained, "--set", "variables.pt1.unit=MeV", "-o", folder / "other"), 4, "the recipe"),
    ]:
        outcome = simmorph(*arguments)
        assert (outcome.code, outcome.stderr.count("\n")) == (code, 1), outcome.stderr
        assert message in outcome.stderr


def test_a_unit_in_the_recipe_reaches_card_and_report_and_trains_nothing_again(
    write_recipe: Callable[..., Path],
    write_ntuple: Callable[..., Path],
    flat_columns: Callable[..., Any],
    simmorph: Callable[..., Any],
) -> None:
    recipe = write_recipe(
        variables='{pt1: {label: "$p_T$", unit: TeV}, isolation: {label: I}}',
        evaluate="{derived: {double: 2 * pt1, ratio: isolation / pt1}, conditions: [double]}",
    )
    folder = recipe.parent
    for name, seed in (("source.root", 1), ("target.root", 2)):
        write_ntuple(folder / name, flat_columns(seed), units={})
    assert simmorph("train", "-c", recipe).code == 0
    assert "TeV" in simmorph("inspect", folder / "model").stdout
    template = folder / "template.root"
    assert simmorph("apply", folder / "source.root", "--model", folder / "model", "-o", template).code == 0
    assert read_units(str(template)) == {"pt1": "TeV", "pt1_morphed": "TeV"}
    options = ("--template", template, "-o", folder / "report")
    outcome = simmorph("evaluate", "-c", recipe, *options)
    assert outcome.code == 0, outcome.stderr
    variables = json.loads((folder / "report" / "report.json").read_text())["variables"]
    assert {name: it["axis"] for name, it in variables.items()} == {
        "pt1": "$p_T$ [TeV]", "isolation": "I", "phi1": "phi1", "double": "double [TeV]", "ratio": "ratio",
    }  # fmt: skip
    first = load_recipe(recipe)
    other = load_recipe(recipe, ["variables.pt1.label=other"])
    assert first.learning == other.learning
