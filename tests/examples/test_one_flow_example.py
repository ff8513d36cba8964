"""The example of one flow for simulation and data, with settings that make it quick."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simmorph.config.compare import load_compare_recipe
from simmorph.config.recipe import load_recipe
from simmorph.methods.registry import build_map

ONE_FLOW = Path(__file__).parents[2] / "cli-examples" / "one-flow"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
METHODS = ["quantile", "copula", "one_flow", "one_flow autoregressive"]


@pytest.mark.slow
def test_both_tables_have_every_method_and_the_floor(tmp_path: Path) -> None:
    shutil.copytree(ONE_FLOW, tmp_path / "cli-examples" / "one-flow")
    environment = {**os.environ, "PATH": PATH, "PYTHON": sys.executable, "QUICK": "1"}
    command = ["sh", "cli-examples/one-flow/run.sh"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    table = (tmp_path / "build" / "one-flow" / "compare" / "table.csv").read_text()
    rows = {row["method"]: row for row in csv.DictReader(table.splitlines())}
    assert [title for title in rows if title in METHODS] == METHODS
    # No map moves the kinematics: with the same factors, all of them see the same.
    assert len({rows[title]["auc all kinematics"] for title in METHODS}) == 1
    judged = {line[:24].strip(): line[24:].split() for line in done.stdout.partition("deep trees, AUC")[2].splitlines()}
    assert {"unmorphed", "reweighted kinematics", "exact map", "copula", "one_flow"} <= set(judged)
    assert float(judged["exact map"][1]) < float(judged["quantile"][1]) + 0.05 < float(judged["unmorphed"][1])


def test_the_recipe_of_the_paper_has_its_numbers() -> None:
    recipe = load_recipe(ONE_FLOW / "paper.yaml")
    build_map(recipe)
    assert (recipe.method.options["layers"], recipe.method.options["hidden"]) == (6, [128, 128])
    assert recipe.reweight is not None
    assert recipe.reweight.options == {"bins": 30}
    compared = load_compare_recipe(ONE_FLOW / "compare.yaml")
    assert compared.reweight is not None
