"""Replicas of a model: from training to the uncertainty of a limit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.card import Origin
from simmorph.data.events import Events
from simmorph.pipeline.train import TrainingSamples
from tests.conftest import read_columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Fixture = Callable[..., Any]


def trained(write_recipe: Fixture, simmorph: Fixture, n_replicas: int = 3) -> Path:
    recipe: Path = write_recipe()
    outcome = simmorph("train", "-c", recipe, "--replicas", n_replicas, "--json", "-q")
    assert outcome.code == 0, outcome.stderr
    assert len(json.loads(outcome.stdout)["replicas"]) == n_replicas
    return recipe


def test_replicas_differ_and_more_of_them_can_be_added(
    write_recipe: Fixture, simmorph: Fixture, tmp_path: Path
) -> None:
    recipe = trained(write_recipe, simmorph)
    folders = sorted((tmp_path / "model.replicas").iterdir())
    tensors = {(folder / "tensors.safetensors").read_bytes() for folder in [*folders, tmp_path / "model"]}
    assert len(tensors) == 4
    outcome = simmorph("train", "-c", recipe, "--replicas", 4, "--json", "-q")
    assert json.loads(outcome.stdout)["kept"] == 3
    assert len(list((tmp_path / "model.replicas").iterdir())) == 4
    for folder in folders:
        assert (folder / "tensors.safetensors").read_bytes() in tensors


def test_replicas_of_another_recipe_are_not_mixed_in(write_recipe: Fixture, simmorph: Fixture, tmp_path: Path) -> None:
    recipe = trained(write_recipe, simmorph)
    outcome = simmorph("train", "-c", recipe, "--set", "training.seed=5", "--replicas", 3, "-q")
    assert outcome.code == 2
    assert "--force" in outcome.stderr
    assert simmorph("train", "-c", recipe, "--set", "training.seed=5", "--force", "-q").code == 0
    outcome = simmorph("train", "-c", recipe, "--set", "training.seed=5", "--replicas", 3, "-q")
    assert outcome.code == 4
    assert "replica of another model" in outcome.stderr


def test_apply_writes_one_file_for_each_replica_or_none_at_all(
    write_recipe: Fixture, simmorph: Fixture, tmp_path: Path
) -> None:
    trained(write_recipe, simmorph, 2)
    command = ["apply", tmp_path / "source.root", "--model", tmp_path / "model", "-o", tmp_path / "out.root", "-q"]
    (tmp_path / "out.replica02.root").write_text("somebody's")
    assert simmorph(*command, "--replicas").code == 2
    assert not (tmp_path / "out.root").exists()
    assert simmorph(*command, "--replicas", "--force").code == 0
    files = [tmp_path / name for name in ("out.root", "out.replica01.root", "out.replica02.root")]
    morphed = [read_columns([str(path)], "events", ["pt1_morphed"])["pt1_morphed"] for path in files]
    assert 0 < np.abs(morphed[1] - morphed[0]).mean() < 5
    assert not np.array_equal(morphed[1], morphed[2])


def test_a_model_without_replicas_says_how_to_train_them(
    write_recipe: Fixture, simmorph: Fixture, tmp_path: Path
) -> None:
    assert simmorph("train", "-c", write_recipe(), "-q").code == 0
    command = ["apply", tmp_path / "source.root", "--model", tmp_path / "model", "-o", tmp_path / "out.root"]
    outcome = simmorph(*command, "--replicas")
    assert outcome.code == 4
    assert "simmorph train --replicas" in outcome.stderr
    assert not (tmp_path / "out.root").exists()


LIMITS = """# a test
features: [pt1]
limits:
  observable: pt1
  binning: {{range: [25, 145], bins: 6}}
  signal: {{input: {folder}/target.root, observable: pt1 / 10 + 70, scale: 2}}
  background: {{input: {folder}/out.root, morphed: true, scale: 100, replicas: {folder}/out.replica*.root}}
"""


def test_the_spread_of_replicas_weakens_the_limit(write_recipe: Fixture, simmorph: Fixture, tmp_path: Path) -> None:
    trained(write_recipe, simmorph, 4)
    command = ["apply", tmp_path / "source.root", "--model", tmp_path / "model", "-o", tmp_path / "out.root", "-q"]
    assert simmorph(*command, "--replicas").code == 0
    recipe = tmp_path / "limits.yaml"
    recipe.write_text(LIMITS.format(folder=tmp_path))
    found = {}
    for treatment in ("naive", "auto"):
        output = tmp_path / treatment
        outcome = simmorph(
            "limits",
            "-c",
            recipe,
            "--amplification",
            treatment,
            "-o",
            output,
            "--json",
            "--set",
            "limits.statistics=false",
        )
        assert outcome.code == 0, outcome.stderr
        found[treatment] = json.loads(outcome.stdout)["expected"][2]
    assert found["auto"] > 1.05 * found["naive"]
    assert "background_training_1" in (tmp_path / "auto" / "workspace.json").read_text()
    toys = simmorph("coverage", "-c", recipe, "--toys", 8, "--json", "-q")
    assert toys.code == 0, toys.stderr
    assert json.loads(toys.stdout)["amplification"] == {"background": "replicas"}
    assert "is a replica, its error the spread of the others" in json.loads(toys.stdout)["truth"]


def test_a_replica_is_the_sample_drawn_with_replacement() -> None:
    events = Events.of(np.zeros((1000, 1)), weights=np.full(1000, 2.0))
    samples = TrainingSamples(events, events, Origin())
    first, again = samples.resampled(1), samples.resampled(1)
    assert set(np.unique(first.source.weights)) >= {0.0, 2.0, 4.0}
    np.testing.assert_array_equal(first.source.weights, again.source.weights)
    assert not np.array_equal(first.source.weights, first.target.weights)
    assert samples.resampled(0) is samples


def test_branches_of_replicas_are_the_files_of_replicas(
    write_recipe: Fixture, simmorph: Fixture, tmp_path: Path
) -> None:
    """Every branch that a replica writes into a file of its own, and limits from them, to the bit."""
    trained(write_recipe, simmorph, 3)
    command = ["apply", tmp_path / "source.root", "--model", tmp_path / "model", "-q"]
    assert simmorph(*command, "-o", tmp_path / "out.root", "--replicas", "files").code == 0
    outcome = simmorph(*command, "-o", tmp_path / "both.root", "--replicas", "branches")
    assert outcome.code == 0, outcome.stderr
    assert "replicas: 3 in branches beside its own" in outcome.stdout
    assert len(list(tmp_path.glob("both*.root"))) == 1
    new = ["pt1_morphed", "isolation_morphed", "phi1_morphed", "weight_morphed", "morph_status"]
    for replica in ("01", "02", "03"):
        of_file = read_columns([str(tmp_path / f"out.replica{replica}.root")], "events", new)
        its = read_columns([str(tmp_path / "both.root")], "events", [f"{name}_r{replica}" for name in new])
        for name in new:
            np.testing.assert_array_equal(its[f"{name}_r{replica}"], of_file[name])
    recipe, found = tmp_path / "limits.yaml", {}
    recipe.write_text(LIMITS.format(folder=tmp_path))
    for name, keys in (("files", []), ("branches", [f"input={tmp_path}/both.root", "replicas=branches"])):
        settings = [it for key in keys for it in ("--set", f"limits.background.{key}")]
        outcome = simmorph("limits", "-c", recipe, "-o", tmp_path / name, "--json", "-q", *settings)
        assert outcome.code == 0, outcome.stderr
        found[name] = json.loads(outcome.stdout)
    assert found["branches"]["expected"] == found["files"]["expected"]
    models = [json.loads((tmp_path / name / "workspace.json").read_text())["channels"] for name in found]
    assert models[0] == models[1]
    assert "background_training_1" in json.dumps(models[1])


def test_weights_of_replicas_stand_in_branches_too(write_recipe: Fixture, simmorph: Fixture, tmp_path: Path) -> None:
    recipe = write_recipe(method="{name: histogram}")
    assert simmorph("train", "-c", recipe, "--replicas", 2, "-q").code == 0
    command = ["apply", tmp_path / "source.root", "--model", tmp_path / "model", "-q"]
    assert simmorph(*command, "-o", tmp_path / "out.root", "--replicas").code == 0
    assert simmorph(*command, "-o", tmp_path / "both.root", "--replicas", "branches", "--friend").code == 0
    new = ["weight_morphed", "morph_score"]
    of_file = read_columns([str(tmp_path / "out.replica02.root")], "events", new)
    its = read_columns([str(tmp_path / "both.root")], "morphed", [f"{name}_r02" for name in new])
    for name in new:
        np.testing.assert_array_equal(its[f"{name}_r02"], of_file[name])


def test_replicas_in_branches_are_refused_where_there_are_none(
    write_recipe: Fixture, simmorph: Fixture, tmp_path: Path
) -> None:
    trained(write_recipe, simmorph, 2)
    command = ["apply", tmp_path / "source.root", "--model", tmp_path / "model", "-q"]
    assert simmorph(*command, "-o", tmp_path / "out.root", "--replicas", "branches").code == 0
    recipe = tmp_path / "limits.yaml"
    recipe.write_text(LIMITS.format(folder=tmp_path))
    settings = ["--set", "limits.background.replicas=branches"]
    plain = "limits.background.morphed=false"
    unmorphed = simmorph("limits", "-c", recipe, *settings, "--set", plain, "-q")
    assert unmorphed.code == 4
    assert "out.root: replica 01 has none of the branches used: pt1; use what the map changes" in unmorphed.stderr
    other = f"limits.background.input={tmp_path}/source.root"
    without = simmorph("limits", "-c", recipe, *settings, "--set", other, "--set", plain, "-q")
    assert without.code == 4
    assert "background: needs branches of two replicas at least: 0 in " in without.stderr
    drawn = simmorph("apply", "--n-events", 5, "--model", tmp_path / "model", "-o", "x.root", "--replicas", "branches")
    assert drawn.code == 2
    assert "replicas draw events of their own" in drawn.stderr
