"""The example of optimal maps, with settings that make it quick."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.examples.test_examples import run_example

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_the_copula_is_nearly_optimal_and_the_quantile_map_is_not(tmp_path: Path) -> None:
    printed = run_example("gaussian", tmp_path, QUICK="1")
    assert printed.count("cost / optimum") == 2
    for recipe in ("fixed", "drift"):
        rows = json.loads((tmp_path / "build" / "gaussian" / recipe / "compare.json").read_text())["methods"]
        numbers = {name: row["numbers"] for name, row in rows.items()}
        assert numbers["unmorphed"]["optimal_cost"]["mean"] == 0
        assert numbers["copula"]["optimal_cost"]["mean"] == pytest.approx(1, abs=0.1)
        assert numbers["copula"]["optimal_distance"]["mean"] < 0.2
        assert numbers["quantile"]["optimal_distance"]["mean"] > 0.5
        assert numbers["flow matching"]["optimal_distance"] is not None
