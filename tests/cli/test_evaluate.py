"""`simmorph evaluate`, from the command line to the report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from simmorph.cli.main import run
from simmorph.data.ntuples.writing import create_ntuple

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 600))
    for name, columns in {
        "source": {"x": x},
        "target": {"x": y},
        "template": {"x_morphed": x, "weight_morphed": np.ones(600), "morph_status": np.zeros(600, np.int32)},
    }.items():
        with create_ntuple(tmp_path / f"{name}.root", "events") as ntuple:
            ntuple.extend(columns)
    path = tmp_path / "x.yaml"
    path.write_text("# one feature\nfeatures: [x]\nmethod: {name: quantile}\n")
    return path


def arguments(recipe: Path, *more: str) -> list[str]:
    given = [f"--{name}={recipe.parent / name}.root" for name in ("source", "target", "template")]
    return ["evaluate", "-c", str(recipe), *given, "-o", str(recipe.parent / "report"), *more]


def test_json_is_the_report_and_nothing_else(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments(recipe, "--json")) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == json.loads((recipe.parent / "report" / "report.json").read_text())
    assert "not known which events" in shown.err


def test_text_is_a_short_table(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments(recipe, "-q")) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "AUC of the classifier" in shown.out
    assert "±" in shown.out
    assert str(recipe.parent / "report" / "report.html") in shown.out


def test_existing_report_is_a_usage_error(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (recipe.parent / "report").mkdir()
    assert run(arguments(recipe)) == 2
    assert "add --force" in capsys.readouterr().err


def test_recipe_without_a_template_is_a_config_error(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [word for word in arguments(recipe) if not word.startswith("--template")]
    assert run(given) == 3
    assert "--template" in capsys.readouterr().err


def test_missing_model_is_an_input_error(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments(recipe, "--model", str(recipe.parent / "nothing"))) == 4
    assert "no such model" in capsys.readouterr().err
    assert not (recipe.parent / "report").exists()
