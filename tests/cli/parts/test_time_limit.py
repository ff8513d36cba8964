"""`--max-minutes` ends a command with what it has."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import click
import pytest

from simmorph.cli.main import run
from simmorph.cli.parts import options
from simmorph.pipeline.partial import until_stopped

WORKSPACE = Path(__file__).parents[3] / "cli-examples" / "workspace" / "two-bins.json"


def test_coverage_prints_the_toys_of_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["coverage", str(WORKSPACE), "--toys", "100000", "--max-minutes", "0.15", "--json"])
    found = capsys.readouterr()
    assert code == 0
    assert "minutes are over" in found.err
    numbers = json.loads(found.out)
    assert 2 <= numbers["n_toys"] < 100_000
    assert numbers["complete"] is False


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the alarm may ring before a `with`
def test_limits_without_a_result_end_with_the_code_of_what_can_be_tried_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(["limits", str(WORKSPACE), "--max-minutes", "1e-6"])
    assert stopped.value.code == 75
    assert "minutes are over" in capsys.readouterr().err


def test_an_alarm_that_was_lost_rings_again_until_it_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "AGAIN_SECONDS", 0.05)
    with click.Context(click.Command("some")):
        options.end_in_time(0.001)
        with contextlib.suppress(options.TimeIsUp):
            time.sleep(60)
        stopped = until_stopped(lambda: time.sleep(60))
        time.sleep(0.2)
    assert isinstance(stopped, options.TimeIsUp)
