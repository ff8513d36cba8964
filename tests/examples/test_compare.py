"""The comparison of methods on real electrons, with settings that make it quick."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.examples.test_examples import EXAMPLES, run_example

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_the_quick_comparison_prints_its_table_and_writes_its_page(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "cms-zee", tmp_path / "cli-examples" / "cms-zee")
    printed = run_example("compare", tmp_path, QUICK="1")
    folder = tmp_path / "build" / "compare-quick"
    rows = json.loads((folder / "compare.json").read_text())["methods"]
    assert list(rows) == ["target", "unmorphed", "quantile", "copula", "regression", "classifier"]
    assert [line.split()[0] for line in printed.splitlines()[1:7]] == list(rows)
    aucs = {name: row["numbers"]["auc all all"]["mean"] for name, row in rows.items()}
    assert aucs["copula"] < aucs["unmorphed"] - 0.1
    assert (folder / "report.html").stat().st_size > 50_000
