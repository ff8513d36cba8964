"""Every folder in cli-examples, run as its README says, with settings that make it quick."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simmorph.data.ntuples.contents import describe

EXAMPLES = Path(__file__).parents[2] / "cli-examples"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
TESTED_HERE = {
    "amplify",
    "atlas-hgg",
    "cms-zee",
    "combine-hgg",
    "compare",
    "demo",
    "gaussian",
    "higgs-limits",
    "lxplus",
    "moving",
    "one-flow",
    "photons",
    "reweighting",
    "unpaired",
    "workspace",
}


def run_example(name: str, folder: Path, *arguments: str, **environment: str) -> str:
    """Run an example in a folder that holds nothing but a copy of it, and return its stdout."""
    shutil.copytree(EXAMPLES / name, folder / "cli-examples" / name)
    return shell(["sh", f"cli-examples/{name}/run.sh", *arguments], folder, **environment)


def shell(command: list[str], folder: Path, **environment: str) -> str:
    surroundings = {**os.environ, "PATH": PATH, "PYTHON": sys.executable, **environment}
    done = subprocess.run(command, cwd=folder, env=surroundings, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{shlex.join(command)} exits with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def read_json(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def test_every_example_is_tested_here_and_says_how_to_run_it() -> None:
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}
    assert folders == TESTED_HERE
    for name in folders:
        assert (EXAMPLES / name / "run.sh").is_file(), name
        assert f"sh cli-examples/{name}/run.sh" in (EXAMPLES / name / "README.md").read_text(), name


def test_every_recipe_says_in_its_first_line_which_analysis_it_is() -> None:
    for path in EXAMPLES.rglob("*.yaml"):
        assert path.read_text().startswith("# "), path


def test_a_workspace_gives_its_documented_limits_from_a_file_and_from_a_pipe(tmp_path: Path) -> None:
    text, _, as_json = run_example("workspace", tmp_path).partition("{")
    piped = json.loads("{" + as_json)
    assert piped["observed"] == pytest.approx(1.0116, abs=2e-4)
    assert piped["expected"][2] == pytest.approx(1.0624, abs=2e-4)
    assert f"{piped['observed']:.5g}" in text
    assert "observed 95 % CL upper limit on r  1.6267" in text


def test_photons_come_back_to_the_lists_they_are_from(tmp_path: Path) -> None:
    few = ["--set", "toy.events=6000", "--set", "training.epochs=1", "--set", "method.layers=1"]
    printed = run_example("photons", tmp_path, *few)
    assert "the same numbers as in the template, photon by photon: yes" in printed
    assert "6000 events" in printed


def test_the_limit_from_real_atlas_data_is_the_one_in_its_readme(tmp_path: Path) -> None:
    printed = json.loads(run_example("atlas-hgg", tmp_path))
    limits = read_json(tmp_path / "build" / "atlas-hgg" / "limits.json")
    assert limits["observed"] == pytest.approx(printed["observed"])
    assert limits["observed"] == pytest.approx(1.57, abs=0.005)
    assert limits["expected"][2] == pytest.approx(0.73, abs=0.005)
    both = read_json(tmp_path / "build" / "atlas-hgg-categories" / "limits.json")
    assert (both["observed"], both["mu_hat"]) == (pytest.approx(1.61, abs=0.005), pytest.approx(1.01, abs=0.005))
    assert [round(both["sidebands"][it]["chi2"], 1) for it in ("central_unconverted", "rest")] == [17.1, 19.0]
    assert (tmp_path / "build" / "atlas-hgg" / "spectrum.png").stat().st_size > 10_000


@pytest.mark.slow
def test_most_of_the_distortion_of_real_electrons_is_removed(tmp_path: Path) -> None:
    run_example("cms-zee", tmp_path, "--set", "training.epochs=8", "--set", "evaluate.max_events=4000")
    report = read_json(tmp_path / "build" / "cms-zee" / "report" / "report.json")
    auc = {name: estimate["value"] for name, estimate in report["metrics"]["auc"].items()}
    source = report["held_out"]["events"]["source"]
    assert auc["source_vs_target"] > 0.68
    assert abs(auc["target_vs_target"] - 0.5) < 0.03
    assert report["regions"]["all"]["removed"]["value"] > 0.5
    assert report["held_out"]["known"]
    assert 0.35 < source["used"] / source["read"] < 0.45


@pytest.mark.slow
def test_the_demo_goes_from_toy_data_to_a_limit_and_then_has_nothing_to_do(tmp_path: Path) -> None:
    quick = ["toy.events=20000", "training.epochs=2", "evaluate.max_events=1000"]
    arguments = [word for key in quick for word in ("--set", key)]
    run_example("demo", tmp_path, *arguments)
    build = tmp_path / "build" / "demo"
    report, limits = read_json(build / "report" / "report.json"), read_json(build / "limits" / "limits.json")
    assert set(report["regions"]) == {"control", "signal"}
    assert report["regions"]["control"]["trained_on"]
    assert not report["regions"]["signal"]["trained_on"]
    assert 0 < limits["observed"] < 100
    again = shell(["sh", "cli-examples/demo/run.sh", *arguments], tmp_path)
    assert all("up to date" in line for line in again.splitlines() if line.startswith(("toy", "train", "limits")))
    assert again.count("up to date") == 8


@pytest.mark.slow
def test_the_submit_files_work_and_a_training_that_was_stopped_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    # With so little time every start trains one step, which is one epoch of so few events.
    printed = run_example("lxplus", tmp_path, EVENTS="4000", EPOCHS="3", MAX_MINUTES="0.0001")
    assert "train.sub job 0: exit code 0 after 2 restarts" in printed
    work = tmp_path / "build" / "lxplus"
    stops = (work / "logs" / "train-0.err").read_text().splitlines()
    found = [line.partition("stopped in ")[2][:12] for line in stops if "stopped in" in line]
    assert found == ["epoch 2 of 3", "epoch 3 of 3"]
    assert "some 773 are needed" in stops[-1]
    shell(["simmorph", "train", "-c", "hgg.yaml", "-o", "unstopped", "--set", "training.epochs=3", "-q"], work)
    cards = [read_json(work / name / "card.json") for name in ("model", "unstopped")]
    assert cards[0]["tensors_sha256"] == cards[1]["tensors_sha256"]
    morphed = describe(str(work / "morphed-0.root"))
    assert morphed.n_entries == describe(str(work / "source" / "0.root")).n_entries
    assert {"pt1_morphed", "weight_morphed", "morph_status"} <= set(morphed.branches)
