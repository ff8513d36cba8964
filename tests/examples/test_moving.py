"""The example of moving events over a learnt base density, with settings that make it quick."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simmorph.config.compare import load_compare_recipe

MOVING = Path(__file__).parents[2] / "cli-examples" / "moving"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
SCHEMES = ["Double Base", "Base to Data", "Identity Init.", "Movement Penalty"]
BANDS = ["OB1", "SB1", "SR", "SB2", "OB2"]


@pytest.mark.slow
def test_the_table_has_every_scheme_in_every_band(tmp_path: Path) -> None:
    shutil.copytree(MOVING, tmp_path / "cli-examples" / "moving")
    subprocess.run(
        ["sh", "cli-examples/moving/run.sh"],
        cwd=tmp_path,
        env={**os.environ, "PATH": PATH, "QUICK": "1"},
        check=True,
        capture_output=True,
    )
    written = tmp_path / "build" / "moving" / "compare"
    rows = {row["method"]: row for row in csv.DictReader((written / "table.csv").read_text().splitlines())}
    assert [title for title in rows if title in SCHEMES] == SCHEMES
    for title in SCHEMES:
        assert all(0.4 < float(rows[title][f"auc {band} all"]) < 0.9 for band in BANDS)
        assert float(rows[title]["movement"]) > 0
    assert all(title in (written / "table.tex").read_text() for title in SCHEMES)
    assert len(json.loads((written / "compare.json").read_text())["methods"]) == 4 + len(SCHEMES)


@pytest.mark.parametrize("name", ["moving.yaml", "alpha.yaml"])
def test_the_signal_region_is_blinded(name: str) -> None:
    recipe = load_compare_recipe(MOVING / name)
    assert recipe.region == "in_sidebands"
    assert "in_sr" in recipe.judge.regions.values()
