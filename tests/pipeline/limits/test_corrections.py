"""Limits with a background that simulated events correct, from files to the result."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.data.ntuples.writing import create_ntuple
from simmorph.errors import ConfigError
from simmorph.pipeline.limits.coverage import coverage_of_recipe
from simmorph.pipeline.limits.run import limits_of_recipe, load_limits_recipe
from simmorph.pipeline.limits.scan import scan_of_recipe

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RECIPE = """\
# a background whose generator is wrong by half a signal
limits:
  observable: x
  binning: {{range: [0, 1], bins: 10}}
  signal: {{input: {folder}/signal.root, scale: 0.05}}
  background:
    input: {folder}/drawn.root
    replicas: {folder}/replica*.root
    learnt_from: {folder}/learnt.root
    closure: {folder}/simulated.root
    scale: 0.2
  systematics: [{{name: norm, type: normsys, samples: background, size: 0.1}}]
"""


def written(path: Path, values: NDArray[Any], **others: NDArray[Any]) -> None:
    with create_ntuple(path, "events") as ntuple:
        ntuple.extend({"x": values, **others})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corrections")
    rng = np.random.default_rng(8)

    def true(n_events: int) -> NDArray[Any]:
        return np.asarray(rng.beta(1, 2.5, n_events))

    def signal(n_events: int) -> NDArray[Any]:
        return np.asarray(rng.normal(0.6, 0.1, n_events))

    written(folder / "signal.root", signal(20_000))
    written(folder / "learnt.root", true(10_000))
    written(folder / "simulated.root", true(20_000))
    # 40,000 background events and 1,000 signals: half a signal is 500.
    written(folder / "drawn.root", np.concatenate([true(200_000), signal(2_500)]))
    for number in range(4):
        written(folder / f"replica{number}.root", np.concatenate([true(200_000), signal(2_500)]))
    written(folder / "morphed.root", true(30_000), x_morphed=true(30_000), weight_morphed=np.ones(30_000))
    (folder / "recipe.yaml").write_text(RECIPE.format(folder=folder))
    return folder


def test_the_default_is_corrected_and_says_by_how_much(folder: Path) -> None:
    output = folder / "limits"
    found = limits_of_recipe(load_limits_recipe(folder / "recipe.yaml", [f"limits.output={output}"]))
    assert (output / "correction_background.png").stat().st_size > 10_000
    rows = list(csv.DictReader((output / "correction_background.csv").read_text().splitlines()))
    assert sum(float(row["template"]) for row in rows) == pytest.approx(40_500, rel=0.01)
    its = found.to_json()["corrections"]["background"]
    before, after = its["spurious_before"], its["spurious_after"]
    # A template with more of the signal than there is: a fit finds less of it.
    assert before["strength"] == pytest.approx(-0.5, abs=3 * before["uncertainty"])
    assert abs(after["strength"]) < 0.3 * before["uncertainty"]
    assert its["strength_uncertainty"] == pytest.approx(its["strength_uncertainty_of_simulation"], rel=0.15)
    assert {"amplitude", "amplification", "amplification_strength"} <= its.keys()
    assert "spurious mu of background, before and after" in found.to_text()
    assert found.to_json()["uncertainties"]["of the training of background"].startswith("simulated events")
    naive = limits_of_recipe(load_limits_recipe(folder / "recipe.yaml", ["limits.amplification=naive"]))
    assert "corrections" not in naive.to_json()
    assert any("do not cover a bias" in warning for warning in naive.warnings)
    assert naive.limits.expected[2] < found.limits.expected[2]


def test_held_out_events_alone_do_too(folder: Path) -> None:
    overrides = ["limits.background.learnt_from=null", "limits.background.replicas=null"]
    both, alone = (limits_of_recipe(load_limits_recipe(folder / "recipe.yaml", it)) for it in ([], overrides))
    (ours, its) = (it.corrections["background"] for it in (both, alone))
    assert its.before.uncertainty == pytest.approx(ours.before.uncertainty * np.sqrt(30 / 20), rel=0.05)
    assert its.amplification is None


def test_what_a_morphed_background_should_look_like_is_read_as_it_is(folder: Path) -> None:
    notes: list[str] = []
    overrides = [
        f"limits.background={json.dumps({'input': str(folder / 'morphed.root'), 'morphed': True, 'scale': 2})}",
        f"limits.background.closure={folder / 'simulated.root'}",
        "features=[x]",
    ]
    recipe = load_limits_recipe(folder / "recipe.yaml", overrides)
    found = limits_of_recipe(recipe, progress=notes.append)
    assert any("has no morphed branches, and is read as it is" in note for note in notes)
    its = found.corrections["background"].before
    assert abs(its.strength) < 3 * its.uncertainty


def test_pseudo_experiments_simulate_anew(folder: Path) -> None:
    changes = ["limits.background.replicas=null", "coverage.toys=40"]
    found = coverage_of_recipe(load_limits_recipe(folder / "recipe.yaml", changes))
    assert "corrected template is true" in found.truth
    assert found.coverage.interval.value == pytest.approx(0.68, abs=0.22)
    naive = coverage_of_recipe(load_limits_recipe(folder / "recipe.yaml", [*changes, "limits.amplification=naive"]))
    assert naive.coverage.pull_width.value > 1.4 * found.coverage.pull_width.value


def test_a_scan_does_not_correct_by_what_it_compares_with(folder: Path) -> None:
    with pytest.raises(ConfigError, match="simulated events that a correction would use"):
        scan_of_recipe(load_limits_recipe(folder / "recipe.yaml", ["limits.amplification=corrected"]))


def test_a_correction_needs_events(folder: Path) -> None:
    overrides = [
        "limits.amplification=corrected",
        "limits.background.closure=null",
        "limits.background.learnt_from=null",
    ]
    with pytest.raises(ConfigError, match="closure"):
        load_limits_recipe(folder / "recipe.yaml", overrides)


def test_what_a_training_changes_it_changes_in_all_channels(folder: Path) -> None:
    channels = {"low": {"region": "x < 0.5"}, "high": {"region": "x >= 0.5"}}
    binning = {"edges": [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1]}
    empty = {"low": {"edges": binning["edges"][:6]}, "high": {"edges": binning["edges"][5:]}}
    overrides = ["limits.amplification=replicas", f"limits.output={folder / 'two'}"]
    overrides += [
        f"limits.channels.{name}={json.dumps(its | {'binning': empty[name]})}" for name, its in channels.items()
    ]
    limits_of_recipe(load_limits_recipe(folder / "recipe.yaml", overrides))
    spec = json.loads((folder / "two" / "workspace.json").read_text())
    shapes = []
    for channel in spec["channels"]:
        (background,) = (it for it in channel["samples"] if it["name"] == "background")
        shapes.append({it["name"]: it for it in background["modifiers"] if "training" in it["name"]})
    low, high = shapes
    assert low.keys() == high.keys()
    assert "background_training_1" in low
