"""The example of weights against maps, with settings that make it quick."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "cli-examples" / "reweighting"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.slow
def test_weights_are_worth_few_events_and_maps_keep_all_of_them(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "cli-examples" / "reweighting")
    done = subprocess.run(
        ["sh", "cli-examples/reweighting/run.sh"],
        cwd=tmp_path,
        env={**os.environ, "PATH": PATH, "PYTHON": sys.executable, "QUICK": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    table = (tmp_path / "build" / "reweighting" / "compare" / "table.csv").read_text()
    rows = {row["method"]: row for row in csv.DictReader(table.splitlines())}
    area = {title: float(row["auc all all"]) for title, row in rows.items()}
    worth = {title: float(row["ess_fraction"]) for title, row in rows.items() if row["ess_fraction"]}
    assert area["unmorphed"] > 0.85
    assert abs(area["regression"] - area["unmorphed"]) < 0.03
    assert area["copula"] < area["quantile"] - 0.15
    assert area["conditional quantile"] < 0.6
    assert worth["bdt"] < 0.3
    assert worth["copula"] == worth["conditional quantile"] == 1
    assert "AUC of the best possible classifier 0.90" in done.stdout
