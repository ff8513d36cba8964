"""The HTCondor submit files: what their README explains is there, and simmorph understands their arguments."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from simmorph.cli.main import simmorph
from simmorph.config.recipe import load_recipe

if TYPE_CHECKING:
    from types import ModuleType

LXPLUS = Path(__file__).parents[2] / "cli-examples" / "lxplus"
SUBMIT_FILES = sorted(LXPLUS.glob("*.sub"))
IN_EVERY_FILE = {"executable", "arguments", "MY.SendCredential", "+JobFlavour", "request_cpus", "request_memory",
                 "should_transfer_files", "when_to_transfer_output", "transfer_output_files",
                 "output", "error", "log"}  # fmt: skip
FLAVOURS = {"espresso", "microcentury", "longlunch", "workday", "tomorrow", "testmatch", "nextweek"}
MACROS = {"ClusterId": "1", "Process": "0", "ProcId": "0", "sample": "source", "ntuple": "a/source/0.root"}


@pytest.fixture
def local() -> ModuleType:
    """The example's script that runs submit files here."""
    specification = importlib.util.spec_from_file_location("run_locally", LXPLUS / "run_locally.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(params=SUBMIT_FILES, ids=lambda path: path.stem)
def job(request: pytest.FixtureRequest, local: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("HOME", "/home/you")
    commands: dict[str, str] = local.commands(request.param.read_text(), MACROS)
    return commands


def test_a_submit_file_has_every_line_that_a_job_on_lxplus_needs(job: dict[str, str]) -> None:
    assert set(job) >= IN_EVERY_FILE
    assert job["+JobFlavour"] in FLAVOURS
    assert (LXPLUS / job["executable"]).stat().st_mode & 0o111
    assert not any("$" in value for value in job.values())


def test_arguments_are_a_command_of_simmorph(job: dict[str, str]) -> None:
    words = shlex.split(job["arguments"])
    command = simmorph.get_command(click.Context(simmorph), words[0])
    assert command is not None
    assert command.make_context(words[0], words[1:]).params


def test_every_output_that_a_job_names_comes_home(job: dict[str, str], local: ModuleType) -> None:
    words = shlex.split(job["arguments"])
    if words[0] == "train":
        assert local.listed(job, "transfer_output_files") == [str(load_recipe(LXPLUS / "hgg.yaml").model)]
        return
    output = words[words.index("-o") + 1]
    assert local.listed(job, "transfer_output_files") == [output, f"{output}.provenance.json"]


def test_training_checkpoints_to_what_is_transferred_and_within_its_time(local: ModuleType) -> None:
    job = local.commands((LXPLUS / "train.sub").read_text(), MACROS)
    recipe = load_recipe(LXPLUS / "hgg.yaml")
    assert job["checkpoint_exit_code"] == "85"
    assert job["transfer_checkpoint_files"] == f"{recipe.model}.checkpoint"
    # With ON_EXIT_OR_EVICT an evicted job would be held, because its model is not there yet.
    assert job["when_to_transfer_output"] == "ON_EXIT"
    assert set(local.listed(job, "transfer_input_files")) == {
        "hgg.yaml",
        *(recipe.source or ()),
        *(recipe.target or ()),
    }


def test_no_queue_variable_is_a_submit_command() -> None:
    for path in SUBMIT_FILES:
        queue = path.read_text().splitlines()[-1]
        assert queue.startswith("queue")
        variables = re.split(r"\b(?:from|matching|in)\b", queue.removeprefix("queue"))[0]
        assert not {"input", "output", "error", "log", "arguments"} & set(re.findall(r"\w+", variables)), path


def test_every_line_of_inputs_names_a_sample_and_a_file(local: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(LXPLUS)
    jobs = list(local.queued((LXPLUS / "select.sub").read_text()))
    assert [job["sample"] for job in jobs] == ["source", "target"]
    assert all(job["ntuple"].startswith("root://") for job in jobs)


def test_every_line_that_the_readme_explains_is_in_a_submit_file() -> None:
    text = "\n".join(path.read_text() for path in SUBMIT_FILES)
    text = re.sub(r" +=", " =", text)
    table = re.findall(r"^\| `([^`]+)` \|", (LXPLUS / "README.md").read_text(), re.MULTILINE)
    assert len(table) > 8
    for line in table:
        assert line in text, line
