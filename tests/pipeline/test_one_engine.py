"""One metric more, by one function and its name, is everywhere: in the report and in the comparison."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.config.compare import CompareRecipe
from simmorph.config.recipe import Recipe
from simmorph.data.estimates import Estimate
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.evaluation.metrics import METRICS
from simmorph.pipeline.compare.run import compare
from simmorph.pipeline.evaluate.run import evaluate

if TYPE_CHECKING:
    from pathlib import Path

    from simmorph.data.events import Events

N_EVENTS, SHIFT = 1500, 0.6


def distance_of_means(template: Events, target: Events, rng: np.random.Generator) -> Estimate:
    """The largest difference of the weighted mean of a feature; null: about sqrt(1/n + 1/m)."""
    means = [sample.weights @ sample.features / sample.weights.sum() for sample in (template, target)]
    noise = sum(1 / sample.effective_size for sample in (template, target))
    return Estimate(float(np.max(np.abs(means[0] - means[1]))), float(np.sqrt(noise)))


@pytest.fixture(autouse=True)
def one_metric_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "distance_of_means", distance_of_means)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A source that is shifted, the same events moved onto the target, and the target."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(SHIFT, 1, N_EVENTS), rng.exponential(size=N_EVENTS)
    moved = {"x_morphed": x - SHIFT, "y_morphed": y, "weight_morphed": np.ones(N_EVENTS)}
    content: dict[str, dict[str, Any]] = {
        "source": {"x": x, "y": y},
        "template": {"x": x, "y": y, **moved, "morph_status": np.zeros(N_EVENTS, np.int32)},
        "target": {"x": rng.normal(size=N_EVENTS), "y": rng.exponential(size=N_EVENTS)},
    }
    for name, columns in content.items():
        with create_ntuple(tmp_path / f"{name}.root", "events") as ntuple:
            ntuple.extend(columns)
    return tmp_path


def test_the_report_has_it_with_its_null_and_significance(folder: Path) -> None:
    recipe = Recipe.model_validate(
        {
            "source": str(folder / "source.root"),
            "target": str(folder / "target.root"),
            "template": folder / "template.root",
            "features": ["x", "y"],
            "method": {"name": "quantile"},
            "evaluate": {"report": folder / "report"},
        }
    )
    evaluate(recipe)
    found = json.loads((folder / "report" / "report.json").read_text())["metrics"]["distance_of_means"]
    assert found["source_vs_target"]["value"] == pytest.approx(SHIFT, abs=0.15)
    assert found["source_vs_target"]["significance"] > 5 > abs(found["template_vs_target"]["significance"])
    assert found["target_vs_target"]["uncertainty"] > 0
    assert "distance of means" in (folder / "report" / "report.html").read_text()
    with (folder / "report" / "all" / "metrics.csv").open() as file:
        assert "distance of means" in {row["metric"] for row in csv.DictReader(file)}


def test_the_comparison_has_it_with_its_null_and_significance(folder: Path) -> None:
    recipe = CompareRecipe.model_validate(
        {
            "source": str(folder / "source.root"),
            "target": str(folder / "target.root"),
            "features": ["x", "y"],
            "training": {"holdout": 0.5},
            "methods": [{"name": "quantile"}],
            "output": folder / "compare",
        }
    )
    shown = compare(recipe).to_text()
    methods = json.loads((folder / "compare" / "compare.json").read_text())["methods"]
    found = {name: row["numbers"]["distance_of_means"] for name, row in methods.items()}
    assert found["unmorphed"]["mean"] == pytest.approx(SHIFT, abs=0.2)
    assert found["unmorphed"]["significance"] > 5 > abs(found["quantile"]["significance"])
    assert all(number["uncertainty"] > 0 for number in found.values())
    assert "significance" not in found["target"], "it is the null"
    with (folder / "compare" / "table.csv").open() as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert float(rows["unmorphed"]["distance_of_means significance"]) == pytest.approx(
        found["unmorphed"]["significance"]
    )
    assert float(rows["target"]["distance_of_means"]) == pytest.approx(found["target"]["mean"])
    assert "distance of means" in (folder / "compare" / "report.html").read_text()
    assert "distance of means" in (folder / "compare" / "metrics.tex").read_text()
    assert "distance of means" in shown


def test_what_was_measured_without_it_is_measured_again_and_not_trained_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {
        "source": str(folder / "source.root"), "target": str(folder / "target.root"), "features": ["x", "y"],
        "methods": [{"name": "quantile"}], "training": {"holdout": 0.5}, "output": folder / "compare",
    }  # fmt: skip
    recipe = CompareRecipe.model_validate(content)
    first = compare(recipe).report["methods"]["quantile"]
    monkeypatch.setitem(METRICS, "again", distance_of_means)
    second = compare(recipe).report["methods"]["quantile"]
    assert second["models"] == first["models"]
    assert second["scores"][0]["cost"] == first["scores"][0]["cost"]
    assert second["numbers"]["again"]["mean"] == first["numbers"]["distance_of_means"]["mean"]
