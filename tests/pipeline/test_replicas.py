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
