"""`simmorph limits` on the command line."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parents[2] / "cli-examples"
REFERENCE = EXAMPLES / "workspace" / "two-bins.json"


@pytest.fixture
def in_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES.parent)


def test_json_has_the_limits_of_a_workspace(simmorph: Callable[..., Any]) -> None:
    outcome = simmorph("limits", REFERENCE, "--json")
    assert outcome.code == 0
    found = json.loads(outcome.stdout)
    assert found["parameter"] == "mu"
    assert found["cl"] == 0.95
    assert found["observed"] == pytest.approx(1.01156939, rel=1e-4)
    published = [0.5600747, 0.75702605, 1.06234693, 1.50116923, 2.05078912]
    assert found["expected"] == pytest.approx(published, rel=5e-4)
    assert found["workspace"] == str(REFERENCE)
    assert "expected limit" in outcome.stderr


def test_the_table_for_people_says_the_same(simmorph: Callable[..., Any]) -> None:
    outcome = simmorph("limits", REFERENCE, "-q")
    assert "observed 95 % CL upper limit on mu  1.0116" in outcome.stdout
    assert outcome.stderr == ""


def test_a_workspace_can_come_from_a_pipe(simmorph: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(REFERENCE.read_bytes())))
    outcome = simmorph("limits", "-", "--json", "-q")
    assert json.loads(outcome.stdout)["observed"] == pytest.approx(1.01157, rel=1e-4)


def test_the_level_can_be_chosen(simmorph: Callable[..., Any]) -> None:
    found = json.loads(simmorph("limits", REFERENCE, "--json", "--cl", "0.9").stdout)
    assert found["cl"] == 0.9
    assert found["observed"] < 1.01


def test_the_reference_is_what_pyhf_accepts() -> None:
    program = str(Path(sys.executable).with_name("pyhf"))
    printed = subprocess.run([program, "inspect", str(REFERENCE)], check=True, capture_output=True, text=True).stdout
    assert "uncorrelated" in printed


def test_a_workspace_without_a_signal_says_that_there_is_no_limit(simmorph: Callable[..., Any], tmp_path: Path) -> None:
    spec = json.loads(REFERENCE.read_text())
    spec["channels"][0]["samples"][0]["data"] = [0.0, 0.0]
    (tmp_path / "zero.json").write_text(json.dumps(spec))
    outcome = simmorph("limits", tmp_path / "zero.json", "-o", tmp_path / "out")
    assert outcome.code == 4
    assert "so there is no limit on it" in outcome.stderr
    assert outcome.stdout == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "there is nothing to do; give either WORKSPACE.json or --config RECIPE.yaml"),
        ((str(REFERENCE), "--config", "x.yaml"), 2, "WORKSPACE.json and --config RECIPE.yaml exclude each other"),
        ((str(REFERENCE), "--set", "limits.cl=0.9"), 2, "a workspace has no recipe"),
        (("--config", "x.yaml", "--measurement", "m"), 2, "a recipe has one measurement"),
        (("--config", "nowhere.yaml"), 3, "no such file"),
        (("nowhere.json",), 4, "no such file"),
        ((str(EXAMPLES / "workspace" / "README.md"),), 4, "is not a model of any format"),
        ((str(REFERENCE), "--measurement", "other"), 4, "no measurement 'other'"),
        ((str(REFERENCE), "--cl", "95"), 2, "--cl"),
        ((str(REFERENCE), "--group", "nothing"), 4, "no nuisance parameter that is fitted is called 'nothing*'"),
        ((str(REFERENCE), "--profile", "nu"), 4, "no parameter 'nu'; it has 'mu', 'uncorrelated[0]'"),
        ((str(REFERENCE), *("--profile", "mu") * 2), 2, "give one parameter, or two different ones"),
        ((str(REFERENCE), "--inject", "0,x"), 2, "'0,x' is no list of numbers"),
        ((str(REFERENCE), "--inject=-1,0"), 2, "a strength is at least 0"),
        ((str(REFERENCE), "--parameter", "nu"), 4, "no normalisation 'nu' that could be of interest"),
        ((str(REFERENCE), "--group", "=a"), 2, "give each a name of its own"),
        ((str(REFERENCE), "--group", "total=a"), 2, "'total' is a part of every uncertainty"),
    ],
)
def test_a_mistake_is_one_line_and_its_exit_code(
    simmorph: Callable[..., Any], arguments: tuple[str, ...], code: int, message: str
) -> None:
    outcome = simmorph("limits", *arguments)
    assert outcome.code == code
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert outcome.stdout == ""


def test_an_output_that_exists_needs_force(simmorph: Callable[..., Any], tmp_path: Path) -> None:
    output = tmp_path / "limits"
    assert simmorph("limits", REFERENCE, "-o", output, "-q").code == 0
    assert sorted(path.name for path in output.glob("*.json")) == [
        "correlation.json", "limits.json", "workspace.json", "workspace.json.provenance.json",
    ]  # fmt: skip
    refused = simmorph("limits", REFERENCE, "-o", output, "-q")
    assert (refused.code, "already exists" in refused.stderr) == (2, True)
    assert simmorph("limits", REFERENCE, "-o", output, "-q", "--force").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["limits"]


def test_nothing_in_blinded_results_depends_on_the_observed_counts(
    simmorph: Callable[..., Any], tmp_path: Path
) -> None:
    given, output = tmp_path / "workspace.json", tmp_path / "limits"
    results = []
    for counts in ([51.0, 48.0], [5000.0, 3.0]):
        spec = json.loads(REFERENCE.read_text())
        spec["observations"][0]["data"] = counts
        given.write_text(json.dumps(spec))
        outcome = simmorph("limits", given, "--asimov", "--impacts", "--json", "-o", output, "--force")
        written = {
            str(path.relative_to(output)): _without_times(path.read_bytes())
            for path in sorted(output.rglob("*"))
            if path.is_file()
        }
        results.append((outcome.code, _without_times(outcome.stdout.encode()), outcome.stderr, written))
    assert results[0] == results[1]
    found = json.loads(results[0][1])
    assert (found["data"], found["asimov"]) == ("asimov", 0.0)
    assert found["observed"] == pytest.approx(found["expected"][2], rel=1e-4)
    assert results[0][3].keys() >= {"limits.json", "workspace.json", "spectrum_signal_region.png", "impacts.csv"}
    assert json.loads(results[0][3]["workspace.json"])["observations"][0]["data"] == [50.0, 52.0]


def _without_times(content: bytes) -> bytes:
    """Without when something was written, and how long fits took."""
    return re.sub(rb'("(written|fit_seconds)": )[^,\n]*', rb"\1 0", content)


def test_a_strength_of_expected_data_is_given_behind_the_option(simmorph: Callable[..., Any]) -> None:
    found = json.loads(simmorph("limits", REFERENCE, "--asimov", "2", "--json", "-q").stdout)
    assert found["mu_hat"] == pytest.approx(2, abs=1e-4)
    assert found["asimov"] == 2.0
    assert "Asimov 95 % CL upper limit" in simmorph("limits", REFERENCE, "--asimov", "-q").stdout


@pytest.mark.usefixtures("in_repository")
def test_a_recipe_is_blinded_too(simmorph: Callable[..., Any]) -> None:
    outcome = simmorph("limits", "--config", "cli-examples/atlas-hgg/hgg.yaml", "--asimov", "1", "--json")
    found = json.loads(outcome.stdout)
    assert found["mu_hat"] == pytest.approx(1, abs=1e-3)
    assert "data:" not in outcome.stderr


@pytest.mark.usefixtures("in_repository")
def test_real_atlas_data_give_a_signal_strength_of_one(tmp_path: Path) -> None:
    shell = shutil.which("sh")
    assert shell is not None
    path = str(Path(sys.executable).parent)
    command = [shell, "cli-examples/atlas-hgg/run.sh", str(tmp_path / "limits")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": path})
    found = json.loads(done.stdout)
    assert found["mu_hat"] == pytest.approx(0.956, abs=0.005)
    assert found["mu_hat_uncertainty"] == pytest.approx(0.372, abs=0.005)
    assert found["observed"] == pytest.approx(1.571, abs=0.01)
    assert found["expected"][2] == pytest.approx(0.726, abs=0.005)
    assert found["sidebands"]["chi2"] == pytest.approx(18.7, abs=0.1)
    assert found["sidebands"]["n_degrees"] == 20
    assert "data: 76394 events" in done.stderr
    assert (tmp_path / "limits" / "spectrum.png").stat().st_size > 10_000


@pytest.mark.usefixtures("in_repository")
def test_the_recipe_can_be_overridden(simmorph: Callable[..., Any]) -> None:
    config = "cli-examples/atlas-hgg/hgg.yaml"
    outcome = simmorph(
        "limits", "--config", config, "--set", "limits.cl=0.9", "--set", "limits.parameter=strength", "--json"
    )
    found = json.loads(outcome.stdout)
    assert (found["parameter"], found["cl"], found["workspace"]) == ("strength", 0.9, None)


def asymmetric_workspace(folder: Path) -> Path:
    """A workspace with a normalisation that goes further up than down."""
    spec = json.loads(REFERENCE.read_text())
    size = {"name": "size", "type": "normsys", "data": {"hi": 1.4, "lo": 0.95}}
    spec["channels"][0]["samples"][1]["modifiers"].append(size)
    (folder / "asymmetric.json").write_text(json.dumps(spec))
    return folder / "asymmetric.json"


def test_the_interpolation_can_be_chosen_and_is_said(simmorph: Callable[..., Any], tmp_path: Path) -> None:
    path = asymmetric_workspace(tmp_path)
    usual, other = (
        json.loads(simmorph("limits", path, "--json", *more).stdout)
        for more in ((), ("--interpolation", "normsys=code1"))
    )
    assert other["observed"] != pytest.approx(usual["observed"], rel=1e-3)
    assert other["interpolation"] == {"normsys": "code1", "histosys": "code4p"}
    assert "interpolation" not in usual


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("normsys=code2", "should be 'code4', 'code1' or 'combine', not 'code2'"),
        ("normsy=code1", "did you mean 'normsys'"),
        ("code1", "unknown key 'code1'"),
    ],
)
def test_an_unknown_interpolation_is_a_mistake_of_usage(simmorph: Callable[..., Any], given: str, message: str) -> None:
    outcome = simmorph("limits", REFERENCE, "--interpolation", given)
    assert (outcome.code, message in outcome.stderr) == (2, True)


@pytest.mark.usefixtures("in_repository")
def test_a_recipe_and_the_command_line_choose_the_interpolation_alike(simmorph: Callable[..., Any]) -> None:
    start = ("limits", "--config", "cli-examples/combine-hgg/hgg.yaml", "--json")
    by_option = simmorph(*start, "--interpolation", "normsys=code1,histosys=code0")
    by_key = simmorph(*start, "--set", "limits.interpolation={normsys: code1, histosys: code0}")
    found, same = json.loads(by_option.stdout), json.loads(by_key.stdout)
    assert found["interpolation"] == same["interpolation"] == {"normsys": "code1", "histosys": "code0"}
    assert found["observed"] == same["observed"]


def test_the_model_of_a_card_is_written_as_hs3_and_has_the_same_limit(
    simmorph: Callable[..., Any], tmp_path: Path
) -> None:
    card, model = EXAMPLES / "workspace" / "card.txt", tmp_path / "model.json"
    first = simmorph("limits", card, "--hs3", model, "--json", "-q")
    assert (first.code, first.stderr) == (0, "")
    second = json.loads(simmorph("limits", model, "--json", "-q").stdout)
    assert second["observed"] == pytest.approx(json.loads(first.stdout)["observed"], rel=1e-6)
    assert simmorph("limits", card, "--hs3", model, "-q").code == 2
    assert simmorph("limits", card, "--hs3", model, "-q", "--force").code == 0


def test_pseudo_experiments_can_be_those_of_a_card(simmorph: Callable[..., Any]) -> None:
    card = EXAMPLES / "workspace" / "card.txt"
    outcome = simmorph("coverage", card, "--toys", "4", "--json", "-q")
    assert (outcome.code, json.loads(outcome.stdout)["complete"]) == (0, True)
    refused = simmorph("limits", card, "--interpolation", "normsys=code1")
    assert (refused.code, "says itself how it interpolates" in refused.stderr) == (2, True)
