"""The example on real CMS electrons, run as its README says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "cli-examples" / "cms-zee"


@pytest.mark.slow
def test_most_of_the_distortion_of_real_electrons_is_undone(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "cli-examples" / "cms-zee")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["sh", "cli-examples/cms-zee/run.sh", "--set", "training.epochs=8"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "PYTHON": sys.executable},
        check=True,
        capture_output=True,
    )
    report = json.loads((tmp_path / "build" / "cms-zee" / "report" / "report.json").read_text())
    auc = {name: estimate["value"] for name, estimate in report["metrics"]["auc"].items()}
    assert auc["source_vs_target"] > 0.68
    assert abs(auc["target_vs_target"] - 0.5) < 0.03
    assert report["regions"]["all"]["undone"] > 0.5
    assert report["held_out"]["known"]
    assert 0.35 < report["held_out"]["events"]["source"]["used"] / report["held_out"]["events"]["source"]["read"] < 0.45
