"""Processes side by side: the same numbers as by one, and none of them is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from simmorph.pipeline.limits.infer import LimitsOptions
from simmorph.pipeline.limits.workspace import limits_of_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

TWO_BINS = Path(__file__).parents[3] / "cli-examples" / "workspace" / "two-bins.json"


def test_impacts_and_the_count_of_fits_are_those_of_one_process() -> None:
    one, two = (limits_of_workspace(str(TWO_BINS), LimitsOptions(impacts=True, jobs=jobs)).to_json() for jobs in (1, 2))
    assert len(one["impacts"]) == 2
    assert {**one, "fit_seconds": 0} == {**two, "fit_seconds": 0}


@pytest.mark.parametrize("arguments", [("limits", TWO_BINS), ("limits", TWO_BINS, "--inject", "0,1")])
def test_processes_with_nothing_to_share_are_refused(
    simmorph: Callable[..., Any], arguments: tuple[str | Path, ...]
) -> None:
    outcome = simmorph(*arguments, "-j", 2)
    assert outcome.code == 2
    assert "--jobs: nothing is done side by side; give --calculator toys" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


def test_ctrl_c_ends_all_processes_and_keeps_what_they_found(tmp_path: Path) -> None:
    output = tmp_path / "out"
    kept = output.with_name("out.partial.jsonl")
    command = ["coverage", str(TWO_BINS), "--toys", "1000000", "-o", str(output), "-j", "2", "--json"]
    running = subprocess.Popen(
        [sys.executable, "-m", "simmorph", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 240
    while not kept.is_file() or len(kept.read_text().splitlines()) < 100:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    children = children_of(running.pid)
    assert len(children) >= 2
    running.send_signal(signal.SIGINT)
    printed, said = running.communicate(timeout=120)
    assert running.returncode == 130, said
    assert json.loads(printed)["n_toys"] >= 99
    deadline = time.monotonic() + 20
    while left := [it for it in children if Path(f"/proc/{it}").exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def children_of(process: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                status = (folder / "stat").read_text()
            except OSError:
                continue
            if int(status.rpartition(")")[2].split()[1]) == process:
                found.append(int(folder.name))
    return found
