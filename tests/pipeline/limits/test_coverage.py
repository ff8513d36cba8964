"""Pseudo-experiments from a recipe or a workspace, whole and interrupted."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.data.histograms import Histogram
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.limits.templates.sample import ReplicaSpread, Sample
from simmorph.pipeline.limits.coverage import coverage_of_recipe
from simmorph.pipeline.limits.run import load_limits_recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

WORKSPACE = Path(__file__).parents[3] / "cli-examples" / "workspace" / "two-bins.json"
EDGES = np.linspace(0, 1, 7)
RECIPE = """\
# coverage
limits:
  observable: x
  binning: {{range: [0, 1], bins: 6}}
  signal: {{input: {folder}/signal.root, scale: 0.2}}
  background:
    input: {folder}/drawn.root
    replicas: {folder}/replica*.root
    retrained: {folder}/retrained*.root
    closure: {folder}/simulated.root
    scale: 2
  systematics: [{{name: norm, type: normsys, samples: background, size: 0.1}}]
"""
N_TRAINING, N_DRAWN, N_TRAININGS = 500, 20_000, 12


def written(path: Path, values: NDArray[Any]) -> None:
    with create_ntuple(path, "events") as ntuple:
        ntuple.extend({"x": values})


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator that repeats its training events: its error is known to be that of their number."""
    folder = tmp_path_factory.mktemp("coverage")
    rng = np.random.default_rng(8)

    def true(n_events: int) -> NDArray[Any]:
        return np.asarray(rng.beta(1, 2.5, n_events))

    learnt = true(N_TRAINING)
    written(folder / "signal.root", rng.beta(5, 3, 20_000))
    written(folder / "simulated.root", true(200_000))
    written(folder / "drawn.root", rng.choice(learnt, N_DRAWN))
    for number in range(N_TRAININGS):
        again = rng.choice(learnt, N_TRAINING)
        written(folder / f"replica{number}.root", rng.choice(again, N_DRAWN))
        written(folder / f"retrained{number}.root", rng.choice(true(N_TRAINING), N_DRAWN))
    (folder / "recipe.yaml").write_text(RECIPE.format(folder=folder))
    return folder / "recipe.yaml"


def test_naive_fails_on_trainings_of_other_events_and_the_default_cures_it(recipe: Path) -> None:
    naive = coverage_of_recipe(load_limits_recipe(recipe, ["limits.amplification=naive", "coverage.toys=48"]))
    cured = coverage_of_recipe(load_limits_recipe(recipe, ["coverage.toys=48"]))
    assert naive.truth == cured.truth
    assert "training on other events" in cured.truth
    assert naive.coverage.pull_width.value > 2
    assert naive.coverage.interval.value < 0.5
    assert cured.coverage.pull_width.value < 1.5
    assert cured.coverage.interval.value > 0.5


def test_replicas_alone_are_held_against_the_nominal_template(recipe: Path) -> None:
    changes = ["limits.background.retrained=null", "limits.amplification=replicas", "coverage.toys=24"]
    alone = load_limits_recipe(recipe, changes)
    found = coverage_of_recipe(alone)
    assert "the nominal template is true" in found.truth
    assert found.coverage.pull_width.value < 1.6


def test_a_replica_at_hand_is_not_explained_by_itself() -> None:
    nominal = np.full(6, 100.0)
    replicas = [nominal.copy() for _ in range(4)]
    replicas[0][5] += 50
    for number in (1, 2, 3):
        replicas[number][number] += 10
    histograms = tuple(Histogram(EDGES, values, np.zeros(6), "background") for values in replicas)
    sample = Sample(
        Histogram(EDGES, nominal, np.zeros(6), "background"),
        False,
        replicas=histograms,
        spread=ReplicaSpread(False, True),
    )
    at_hand = sample.as_replica(0)
    np.testing.assert_array_equal(at_hand.histogram.values, replicas[0])
    shapes = at_hand.training
    assert shapes
    for shape in shapes:
        assert shape.up[5] == pytest.approx(150)
    others = sample.as_replica(1).training
    assert any(abs(shape.up[5] - replicas[1][5]) > 1 for shape in others)


def test_retrained_templates_need_events_that_tell_what_is_true(recipe: Path) -> None:
    with pytest.raises(Exception, match="closure"):
        load_limits_recipe(recipe, ["limits.background.closure=null"])


def test_the_numbers_and_every_pseudo_experiment_are_written(simmorph: Callable[..., Any], tmp_path: Path) -> None:
    command = ["coverage", WORKSPACE, "--toys", 12, "--json"]
    outcome = simmorph(*command, "-o", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "coverage.json").read_text()) == json.loads(outcome.stdout)
    rows = list(csv.DictReader((tmp_path / "out" / "toys.csv").read_text().splitlines()))
    fitted = np.array([float(row["fitted"]) for row in rows])
    assert fitted.mean() - 1 == pytest.approx(json.loads(outcome.stdout)["bias"]["value"])
    assert simmorph(*command, "-o", tmp_path / "out").code == 2


def test_processes_give_the_same_numbers_as_one(simmorph: Callable[..., Any]) -> None:
    command = ["coverage", WORKSPACE, "--toys", 230, "--json"]
    assert simmorph(*command, "-j", 2).stdout == simmorph(*command).stdout


def test_processes_share_the_experiments_of_a_recipe(recipe: Path) -> None:
    ready = load_limits_recipe(recipe, ["coverage.toys=24"])
    assert coverage_of_recipe(ready, jobs=2) == coverage_of_recipe(ready)


def test_pseudo_experiments_go_on_after_sigterm_as_if_there_had_been_none(
    simmorph: Callable[..., Any], tmp_path: Path
) -> None:
    output, kept = tmp_path / "out", tmp_path / "out.partial.jsonl"
    command = [sys.executable, "-c", "from simmorph.cli.main import main; main()", "coverage", str(WORKSPACE)]
    options = ["--toys", "1000000", "-o", str(output), "--json"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not kept.exists() or len(kept.read_text().splitlines()) < 10:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 143
    printed = json.loads(stdout)
    assert not printed["complete"]
    assert printed["n_toys"] >= 9
    assert f"kept in {kept}" in stderr
    assert not output.exists()
    went_on = simmorph("coverage", WORKSPACE, "--toys", 15, "-o", output, "--json")
    anew = simmorph("coverage", WORKSPACE, "--toys", 15, "--json")
    assert went_on.stdout == anew.stdout
    assert not kept.exists()
