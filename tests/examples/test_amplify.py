"""The example of generators of background events, with settings that make it quick."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from simmorph.config.compare import load_compare_recipe
from simmorph.data.toys.higgs import NAMES
from tests.conftest import read_columns

AMPLIFY = Path(__file__).parents[2] / "cli-examples" / "amplify"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.slow
def test_every_generator_is_in_both_tables(tmp_path: Path) -> None:
    shutil.copytree(AMPLIFY, tmp_path / "cli-examples" / "amplify")
    done = subprocess.run(
        ["sh", "cli-examples/amplify/run.sh"],
        cwd=tmp_path,
        env={**os.environ, "PATH": PATH, "PYTHON": sys.executable, "QUICK": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    titles = [method.title for method in load_compare_recipe(AMPLIFY / "higgs.yaml").methods]
    written = tmp_path / "build" / "amplify"
    for table in ("table", "divergences"):
        rows = list(csv.DictReader((written / "compare" / f"{table}.csv").read_text().splitlines()))
        assert list(dict.fromkeys(row["method"] for row in rows)) == ["target", *titles]
    assert {row["variable"] for row in rows} == set(NAMES)
    assert all(0 <= float(row["Hellinger"]) < 0.5 for row in rows)
    real = list(csv.DictReader((written / "real" / "table.csv").read_text().splitlines()))
    assert [row["method"] for row in real] == ["target", "mademog"]


def test_the_real_rows_are_those_of_the_public_data_set() -> None:
    columns = read_columns([str(AMPLIFY / "data" / "higgs.root")], "events", [*NAMES, "label"])
    assert len(columns["label"]) == 15_977
    assert columns["label"].mean() == pytest.approx(0.532, abs=0.001)
    assert all(np.isfinite(values).all() for values in columns.values())
    assert np.median(columns["m_lv"]) == pytest.approx(0.99, abs=0.002)


def test_both_recipes_learn_the_same_variables() -> None:
    toy, real = (load_compare_recipe(AMPLIFY / f"{name}.yaml") for name in ("higgs", "real"))
    assert tuple(toy.features) == tuple(real.features) == NAMES
    assert toy.source is None
