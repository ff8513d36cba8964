"""Limits by pseudo-experiments from the command line: the same by any number of processes, and after a stop."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from simmorph.limits.formats.source import ModelFile
from simmorph.limits.toys.counting import every_data_set
from simmorph.pipeline.limits import toys
from simmorph.pipeline.limits.infer import LimitsOptions
from simmorph.pipeline.limits.toys import ToyOptions
from simmorph.pipeline.limits.workspace import limits_of_model, limits_of_workspace
from tests.limits.conftest import workspace

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = Path(__file__).parents[3] / "cli-examples" / "workspace" / "two-bins.json"
ZERO = Path(__file__).parents[2] / "limits" / "data" / "zero_observed.json"
TIMES = {"fit_seconds"}


def without_times(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key not in TIMES}


def by_toys(number: int = 400, *, jobs: int = 1, output: Path | None = None, seed: int = 1) -> dict[str, Any]:
    options = LimitsOptions(output=output, toys=ToyOptions("toys", number, seed), jobs=jobs)
    return limits_of_workspace(str(EXAMPLE), options).to_json()


@pytest.fixture(scope="module")
def one_process() -> dict[str, Any]:
    return by_toys()


def test_limits_have_errors_p_values_and_the_asymptotic_ones_beside_them(one_process: dict[str, Any]) -> None:
    numbers = one_process["toys"]
    assert one_process["calculator"] == "toys"
    assert (numbers["number"], numbers["exact"], numbers["complete"], numbers["invalid"]) == (400, False, True, 0)
    assert numbers["asymptotic"]["observed"] == pytest.approx(1.01157, rel=1e-4)
    for value, error, right in zip(
        [one_process["observed"], *one_process["expected"]],
        [numbers["observed_error"], *numbers["expected_errors"]],
        [1.0116, 0.5601, 0.7570, 1.0623, 1.5012, 2.0508],
        strict=True,
    ):
        assert value == pytest.approx(right, abs=4 * error + 0.02 * right)
        assert 0 < error < 0.2 * right
    assert numbers["at_observed"]["CLs"]["value"] == pytest.approx(0.05, abs=1e-4)
    assert one_process["cls_at_1"] == pytest.approx(numbers["at_1"]["CLs"]["value"])
    assert one_process["goodness_of_fit"]["p_value_toys"] == pytest.approx(0.685, abs=0.1)


def test_processes_give_the_same_numbers_as_one(one_process: dict[str, Any]) -> None:
    assert without_times(by_toys(jobs=2)) == without_times(one_process)


def test_the_seed_changes_them(one_process: dict[str, Any]) -> None:
    assert by_toys(seed=2)["observed"] != one_process["observed"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_stopped_run_prints_what_it_has_and_goes_on_from_there(tmp_path: Path, jobs: str) -> None:
    output = tmp_path / "out"
    arguments = [
        "limits",
        str(EXAMPLE),
        "--calculator",
        "toys",
        "--toys",
        "20000",
        "-o",
        str(output),
        "-j",
        jobs,
        "--json",
    ]
    running = subprocess.Popen(
        [sys.executable, "-m", "simmorph", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    partial = tmp_path / "out.partial.jsonl"
    for _ in range(1200):
        time.sleep(0.1)
        if partial.is_file() and partial.read_text().count("[[10, ") > 3:
            break
    running.send_signal(signal.SIGINT)
    printed, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    found = json.loads(printed)
    assert found["toys"]["complete"] is False
    assert 100 <= found["toys"]["number"] < 20_000
    assert not output.exists()
    kept = partial.read_text().splitlines()
    again = subprocess.run(
        [sys.executable, "-m", "simmorph", *arguments[:-1], "--max-minutes", "0.0001"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 75
    assert partial.read_text().splitlines()[: len(kept)] == kept


def test_limits_of_a_stopped_run_are_in_the_end_those_of_one_that_was_not(
    tmp_path: Path, one_process: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, n_calls = toys._fitted, 0

    def stops(*arguments: Any) -> Any:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 4:
            raise KeyboardInterrupt
        return fitted(*arguments)

    monkeypatch.setattr(toys, "_fitted", stops)
    with pytest.raises(KeyboardInterrupt):
        by_toys(output=tmp_path / "out")
    monkeypatch.setattr(toys, "_fitted", fitted)
    kept = (tmp_path / "out.partial.jsonl").read_text().count("\n")
    whole = by_toys(output=tmp_path / "out")
    assert kept == 4
    assert whole["observed"] == one_process["observed"]
    assert not (tmp_path / "out.partial.jsonl").exists()
    assert json.loads((tmp_path / "out" / "limits.json").read_text())["toys"] == one_process["toys"]


def test_few_events_are_told_and_the_mend_is_right() -> None:
    spec = json.loads(ZERO.read_text())
    plain = limits_of_model(ModelFile(spec, "zero.json"), "zero.json", LimitsOptions())
    assert any("too optimistic" in it and "--calculator toys" in it for it in plain.warnings)
    spec["channels"][0]["samples"][1]["modifiers"] = []
    found = limits_of_model(ModelFile(spec, "zero.json"), "zero.json", LimitsOptions(toys=ToyOptions("toys", 100)))
    assert not any("optimistic" in it for it in found.warnings)
    assert found.limits.observed == pytest.approx(2.9957 / 1.2, rel=1e-4)
    assert found.toys is not None
    assert found.toys.is_exact
    assert "exact sum over" in found.to_text()


def test_a_background_that_is_not_known_makes_the_limit_no_better() -> None:
    options = LimitsOptions(toys=ToyOptions("toys", 1000))
    found = limits_of_model(ModelFile(json.loads(ZERO.read_text()), "zero.json"), "zero.json", options)
    assert found.toys is not None
    assert found.limits.observed == pytest.approx(2.50, abs=5 * found.toys.errors.observed)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--toys", "200"], "--calculator toys"),
        (["--seed", "2"], "--calculator toys"),
        (["--calculator", "asymptotics", "--toys", "200"], "--calculator toys"),
    ],
)
def test_options_of_toys_without_toys_are_refused(
    simmorph: Callable[..., Any], arguments: list[str], what: str
) -> None:
    outcome = simmorph("limits", EXAMPLE, *arguments)
    assert outcome.code == 2
    assert what in outcome.stderr


def test_the_goodness_of_fit_is_printed_and_compared_with_toys(simmorph: Callable[..., Any]) -> None:
    plain = simmorph("limits", EXAMPLE, "-q").stdout
    assert "0.165 / 1, p = 0.685" in plain
    found = json.loads(simmorph("limits", EXAMPLE, "--goodness-toys", "400", "--json").stdout)
    assert "toys" not in found
    assert found["goodness_of_fit"]["p_value_toys"] == pytest.approx(0.685, abs=0.1)


def test_a_limit_far_from_1_says_that_toys_do_not_reach_it() -> None:
    spec = workspace([600.0, 300.0], [50.0, 52.0], [51, 48], {"name": "u", "type": "shapesys", "data": [3, 7]})
    found = limits_of_model(ModelFile(spec, "strong.json"), "strong.json", LimitsOptions(toys=ToyOptions("toys", 200)))
    assert found.cls_at_1 is None
    assert found.to_json()["toys"]["at_1"] is None
    assert "beyond the toys" in found.to_text()


def test_many_bins_without_other_parameters_are_sampled() -> None:
    spec = workspace([2.0] * 8, [20.0] * 8, [20] * 8)
    found = limits_of_model(ModelFile(spec, "bins.json"), "bins.json", LimitsOptions(toys=ToyOptions("toys", 500)))
    assert found.toys is not None
    assert not found.toys.is_exact
    assert every_data_set(found.toys.cls.test.likelihood, found.toys.cls.test.data, 5.0) is None
    assert found.limits.observed == pytest.approx(found.toys.asymptotic.observed, rel=0.08)
