"""Promises of `simmorph compare` on the screen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.data.ntuples.writing import create_ntuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECIPE = """# two clouds
source: source.root
target: target.root
features: [x]
training: {epochs: 1, holdout: 0.5}
methods:
  - {name: quantile, label: "quantile, coarse", knots: 20}
  - {name: classifier, label: diverges, training: {learning_rate: 1e30, clip_gradient: null}}
output: out
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rng = np.random.default_rng(1)
    for name, mean in {"source": 0.5, "target": 0.0}.items():
        with create_ntuple(tmp_path / f"{name}.root", "events") as ntuple:
            ntuple.extend({"x": rng.normal(mean, 1, 1500)})
    (tmp_path / "compare.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_table_is_the_result_and_progress_is_not(simmorph: Callable[..., Any], folder: Path) -> None:
    outcome = simmorph("compare", "-c", "compare.yaml", "--methods", "quantile, coarse")
    assert outcome.code == 0
    assert [line.split()[0] for line in outcome.stdout.splitlines()[:5]] == [
        "method", "target", "unmorphed", "copula", "quantile,",
    ]  # fmt: skip
    assert "repeat 1 of 1" in outcome.stderr
    again = simmorph("compare", "-c", "compare.yaml", "--methods", "quantile, coarse", "--json")
    assert json.loads(again.stdout) == json.loads((folder / "out" / "compare.json").read_text())
    assert again.stderr == "4 of 4 scores are up to date\n"


def test_a_method_that_fails_costs_the_exit_code_and_not_the_table(simmorph: Callable[..., Any], folder: Path) -> None:
    outcome = simmorph("compare", "-c", "compare.yaml", "--methods", "diverges", "-q")
    assert outcome.code == 1
    assert outcome.stderr.startswith("simmorph: diverges: failed: ")
    assert outcome.stderr.count("\n") == 1
    assert "quantile" in outcome.stdout
    assert "diverges: failed: " in outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--methods", "one_flow"), 2, "no method 'one_flow'"),
        (("--jobs", 0), 2, "--jobs"),
        (("--set", "output=null"), 3, "'output' is missing"),
        (("--set", "judge.regions={low: z < 3}"), 4, "'z'"),
        (("--source", "nowhere.root"), 4, "nowhere.root"),
    ],
)
def test_mistakes_are_one_line_and_their_exit_code(
    simmorph: Callable[..., Any], folder: Path, arguments: tuple[Any, ...], code: int, message: str
) -> None:
    outcome = simmorph("compare", "-c", "compare.yaml", *arguments)
    assert (outcome.code, outcome.stdout) == (code, "")
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert not (folder / "out").exists()
