"""Scans of limits from ntuples, whole and interrupted."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simmorph.data.ntuples.writing import create_ntuple
from simmorph.pipeline.limits.run import inputs_of, load_limits_recipe
from simmorph.pipeline.limits.scan import ScanResult, scan_of_recipe

RECIPE = """\
# a scan
limits:
  observable: x
  binning: {{range: [0, 1], bins: 5}}
  signal: {{input: {folder}/signal.root}}
  background: {{input: {folder}/generated.root, closure: {folder}/simulated.root}}
  systematics: [{{name: beta, type: normsys, samples: background, size: 0.3}}]
scan: {{luminosity: [10, 100], generated: [1000, 20000], beta: [0.1, 0.2]}}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scan")
    rng = np.random.default_rng(5)
    samples = {
        "signal": rng.beta(6, 3, 5000),
        "generated": rng.exponential(0.4, 30_000),
        "simulated": rng.exponential(0.4, 20_000),
    }
    for name, values in samples.items():
        with create_ntuple(folder / f"{name}.root", "events") as ntuple:
            ntuple.extend({"x": values})
    (folder / "recipe.yaml").write_text(RECIPE.format(folder=folder))
    return folder / "recipe.yaml"


@pytest.fixture(scope="module")
def whole(recipe: Path) -> ScanResult:
    return scan_of_recipe(load_limits_recipe(recipe))


def written_to(recipe: Path, output: Path, *overrides: str) -> Any:
    return load_limits_recipe(recipe, [f"scan.output={output}", *overrides])


class StopsAt:
    """A listener that presses Ctrl-C at the first note that begins so."""

    def __init__(self, beginning: str) -> None:
        self.beginning, self.notes = beginning, list[str]()

    def __call__(self, note: str) -> None:
        self.notes.append(note)
        if note.startswith(self.beginning):
            self.beginning = "never again"
            raise KeyboardInterrupt


def test_table_and_json_say_how_the_systematic_acts_and_what_was_uncertain(recipe: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    scan_of_recipe(written_to(recipe, output))
    found = json.loads((output / "scan.json").read_text())
    assert (found["beta_type"], found["amplification"], found["complete"]) == ("shapesys", "naive", True)
    rows = list(csv.DictReader((output / "scan.csv").read_text().splitlines()))
    assert len(rows) == len(found["points"]) == 2 * 3 * 2
    reference = {(row["luminosity"], row["beta"]): float(row["expected"]) for row in rows if not row["generated"]}
    for row in rows:
        known = float(row["expected"]) - reference[row["luminosity"], row["beta"]]
        assert float(row["difference"]) == pytest.approx(known, abs=1e-12)
    assert {path.suffix for path in output.glob("scan-*")} == {".png", ".pdf"}
    assert not output.with_name("out.partial.jsonl").exists()


def test_a_systematic_of_the_recipe_gives_way_to_the_scanned_one_of_its_name(recipe: Path, whole: ScanResult) -> None:
    without = scan_of_recipe(load_limits_recipe(recipe, ["limits.systematics=[]"]))
    assert without.points == whole.points


def test_processes_give_the_same_numbers_as_one(recipe: Path, whole: ScanResult) -> None:
    assert scan_of_recipe(load_limits_recipe(recipe), jobs=2) == whole


def test_a_scan_goes_on_where_it_was_interrupted(recipe: Path, whole: ScanResult, tmp_path: Path) -> None:
    output = tmp_path / "out"
    listener = StopsAt("luminosity 10/fb")
    stopped = scan_of_recipe(written_to(recipe, output), progress=listener)
    assert isinstance(stopped.stopped, KeyboardInterrupt)
    assert not stopped.to_json()["complete"]
    assert stopped.points == whole.points[:6]
    assert "6 parts are done; kept in" in listener.notes[-1]
    assert not output.exists()
    with output.with_name("out.partial.jsonl").open("a") as file:
        file.write("[100.0, 1000, 0.1, 1.")
    notes = list[str]()
    again = scan_of_recipe(written_to(recipe, output), progress=notes.append)
    assert again.stopped is None
    assert again.points == whole.points
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_was_kept_of_another_scan_is_not_taken(recipe: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    scan_of_recipe(written_to(recipe, output), progress=StopsAt("luminosity 10/fb"))
    fresh = scan_of_recipe(load_limits_recipe(recipe, ["scan.beta_type=normsys"]))
    assert scan_of_recipe(written_to(recipe, output, "scan.beta_type=normsys")).points == fresh.points


def test_every_file_that_a_limit_is_made_from_is_named(recipe: Path) -> None:
    settings = load_limits_recipe(recipe).limits
    assert settings is not None
    assert {Path(path).stem for path in inputs_of(settings)} == {"signal", "generated", "simulated"}


def test_an_interrupted_command_prints_what_it_has_and_exits_as_interrupted(
    recipe: Path, simmorph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simmorph.cli import scan  # noqa: PLC0415

    stop = StopsAt("luminosity 10/fb")
    monkeypatch.setattr(scan, "note", lambda text, **_: stop(text))
    outcome = simmorph("scan", "--config", recipe, "--json")
    assert outcome.code == 130
    assert len(json.loads(outcome.stdout)["points"]) == 6
