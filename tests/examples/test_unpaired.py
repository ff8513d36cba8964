"""The example without pairs, with settings that make it quick."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from simmorph.config.compare import load_compare_recipe
from tests.examples.test_examples import EXAMPLES, run_example

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_the_quick_comparison_prints_its_table_and_draws_how_lambda_went(tmp_path: Path) -> None:
    printed = run_example("unpaired", tmp_path, QUICK="1")
    work = tmp_path / "build" / "unpaired-quick"
    rows = json.loads((work / "compare" / "compare.json").read_text())["methods"]
    assert {"target", "unmorphed", "copula", "mdmm", "nll"} <= set(rows)
    assert "mdmm" in printed
    report = json.loads((work / "report" / "report.json").read_text())
    assert len(report["training"]["fit"]["observed"]["lambda"]) == 2
    assert (work / "report" / "training-fit.png").stat().st_size > 10_000
    assert "training stage fit" in (work / "report" / "report.html").read_text()


def test_the_papers_recipe_is_what_the_paper_prints() -> None:
    recipe = load_compare_recipe(EXAMPLES / "unpaired" / "paper.yaml")
    training = recipe.training
    assert (training.epochs, training.batch_size, training.optimizer) == (1000, 25600, "rmsprop")
    assert (training.schedule, training.learning_rate, training.final_learning_rate) == ("square_root", 1e-3, 1e-5)
    options = {method.title: method.options for method in recipe.methods}
    assert options["mdmm"]["epsilon"] == 2.01
    assert recipe.training_of(recipe.methods[3]).batch_size == 1000


def test_the_scan_varies_damping_and_bound_alone() -> None:
    methods = load_compare_recipe(EXAMPLES / "unpaired" / "scan.yaml").methods
    varied = [{k: v for k, v in method.options.items() if k in {"damping", "margin"}} for method in methods]
    rest = [{k: v for k, v in method.options.items() if k not in {"damping", "margin"}} for method in methods]
    assert all(options == rest[0] for options in rest)
    assert len({tuple(options.items()) for options in varied}) == len(methods)
