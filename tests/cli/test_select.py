"""`simmorph select`: the cutflow on stdout, everything else on stderr, one exit code for each kind of mistake."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

FILES = Path(__file__).parents[1] / "data" / "files"
ATLAS = FILES / "data_A_10events.GamGam.root"
Simmorph = Any


def test_the_cutflow_is_a_table_on_stdout(tmp_path: Path, simmorph: Simmorph) -> None:
    code, table, notes = simmorph("select", ATLAS, "--selection", "diphoton-demo", "-o", tmp_path / "out.root")
    assert code == 0
    assert [line.split("  ")[0] for line in table.splitlines()][:4] == ["cut", "all", "trigger", "two photons"]
    assert "10 of 10 events selected" in notes
    assert (tmp_path / "out.root.provenance.json").exists()


def test_json_is_all_there_is_on_stdout(tmp_path: Path, simmorph: Simmorph) -> None:
    arguments = ("--selection", "diphoton-unpaired", "-o", tmp_path / "out.root", "--json", "-q")
    code, printed, notes = simmorph("select", ATLAS, *arguments)
    result = json.loads(printed)
    assert (code, notes) == (0, "")
    assert result["cutflow"][0] == {"cut": "all", "events": 10, "weighted": 10.0, "sum_squares": 10.0}
    assert (result["n_selected"], result["files"], result["skipped"]) == (10, [str(ATLAS)], {})


def test_a_list_comes_on_stdin(tmp_path: Path, simmorph: Simmorph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{ATLAS}\n"))
    code, _, _ = simmorph("select", "-", "--selection", "diphoton-demo", "-o", tmp_path / "out.root")
    assert code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.root", "--selection", "diphoton-demo"], 4, "no file there"),
        ([ATLAS, "--selection", "diphoton"], 3, "there is no selection of this name; did you mean 'diphoton-demo'"),
        ([ATLAS, "--selection", "cms-nanoaod-diphoton"], 4, "there is no tree 'Events'; it has 'mini'"),
        ([ATLAS, "--selection", "cms-nanoaod-diphoton", "--tree", "mini"], 4, "lacks 'Photon_eta'"),
        ([ATLAS, "--selection", "atlas-opendata-2020-hgg"], 5, "no event passed: all 10, trigger 10"),
        ([FILES / "planted-alias.root", "--selection", "diphoton-demo"], 4, "lacks 'photon_pt'"),
        ([ATLAS, "--selection", "diphoton-demo", "--on-bad-file", "ignore"], 2, "is not one of 'fail', 'skip'"),
        ([], 2, "Missing"),
    ],
)
def test_each_mistake_is_one_line_and_its_code(
    tmp_path: Path, simmorph: Simmorph, arguments: list[object], code: int, message: str
) -> None:
    outcome = simmorph("select", *arguments, "-o", tmp_path / "out.root", "-q")
    assert (outcome[0], outcome[1]) == (code, "")
    assert message in outcome[2]
    assert len(outcome[2].splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
