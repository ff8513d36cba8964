"""The documentation tells the truth: its commands run, its names exist, and what exists is named."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from simmorph import errors
from simmorph.cli.main import COMMANDS, simmorph
from simmorph.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("cli-examples/*/*.md")]
    if ".venv" not in path.parts
)
PAGE_IDS = [str(page.relative_to(ROOT)) for page in PAGES]
QUICKER = {
    "--events 20000": "--events 4000",
    "toy.events=20000": "toy.events=4000 --set evaluate.max_events=500",
    "training.epochs=3": "training.epochs=1",
    "simmorph evaluate": "simmorph evaluate --set evaluate.max_events=500",
}


def block(language: str, after: str) -> str:
    """The first fenced block of a language after a text."""
    found = re.search(rf"^```{language}\n(.*?)^```", README[README.index(after) :], re.MULTILINE | re.DOTALL)
    assert found is not None, f"README has no {language} block after {after!r}"
    return found[1]


def commands_of(text: str) -> list[str]:
    """The commands of a shell block, continued lines joined and comments left out."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def understood(words: list[str]) -> bool:
    """Whether the command line can parse these words after `simmorph`; raises if not."""
    command = simmorph.get_command(click.Context(simmorph), words[0])
    assert command is not None, words
    return bool(command.make_context(words[0], words[1:]).params)


@pytest.mark.slow
def test_the_commands_run_as_they_stand(tmp_path: Path) -> None:
    text = block("sh", "## The commands")
    for slow, quick in QUICKER.items():
        assert slow in text
        text = text.replace(slow, quick)
    for folder in ("cli-examples", "selections"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in commands_of(text):
        start = time.monotonic()
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            check=False,
            capture_output=True,
            text=True,
        )
        print(f"{time.monotonic() - start:6.1f} s  {command}")
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert done.stdout, command


def test_every_command_is_shown() -> None:
    shown = {shlex.split(line.rpartition("simmorph ")[2])[0] for line in commands_of(block("sh", "## The commands"))}
    assert shown == set(COMMANDS)


def test_the_recipe_is_the_one_that_the_demo_runs() -> None:
    assert (
        block("yaml", "This one is `cli-examples/demo/hgg.yaml`") == (ROOT / "cli-examples/demo/hgg.yaml").read_text()
    )


def test_no_placeholder_is_left() -> None:
    assert "<!--" not in README


def test_every_method_has_a_row() -> None:
    table = README[README.index("## Methods") : README.index("## Selections")]
    rows = set(re.findall(r"^\| `(\w+)` \|", table, re.M))
    assert rows == set(METHODS), "the table under `## Methods` in README.md has a row for each name in METHODS"


@pytest.mark.parametrize("page", ["README.md", "selections/README.md"])
def test_every_selection_has_a_row(page: str) -> None:
    text = (ROOT / page).read_text()
    for path in (ROOT / "selections").glob("*.yaml"):
        assert f"| `{path.stem}` |" in text


def test_every_example_has_a_row() -> None:
    for path in (ROOT / "cli-examples").iterdir():
        assert f"cli-examples/{path.name}" in README, path


def test_every_exit_code_is_explained() -> None:
    listed = README[README.index("Exit codes:") :].split("\n\n")[0]
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.SimmorphError)
    ]
    for code in {0, 130, *(kind.exit_code for kind in kinds)}:
        assert re.search(rf"\b{code}\s+\w+", listed), code


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_links_and_images_exist(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in link and not link.startswith("mailto:"):
            assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_files_of_the_project_that_are_named_exist(page: Path) -> None:
    for name in re.findall(r"(?:cli-examples|selections|schemas|src|tests)/[\w./-]*\w", page.read_text()):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_targets_of_make_exist(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^|`)make ([\w-]+)", page.read_text(), re.MULTILINE)
    assert set(named) <= targets


def help_examples() -> Iterator[str]:
    """Every `simmorph` command in the help of a command."""
    for name in COMMANDS:
        command = getattr(importlib.import_module(f"simmorph.cli.{name}"), f"{name}_command")
        for line in command.get_help(click.Context(command)).splitlines():
            for part in re.split(r" (?:\||&&) ", line):
                if part.strip().startswith("simmorph "):
                    yield part.strip().partition(" > ")[0]


@pytest.mark.parametrize("example", list(help_examples()))
def test_examples_in_help_are_understood_and_name_files_that_exist(example: str) -> None:
    words = shlex.split(example)
    assert understood(words[1:])
    for word in words:
        if word.startswith(("cli-examples/", "selections/")):
            assert (ROOT / word).exists(), word


def test_shell_commands_on_every_page_are_understood() -> None:
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        for line in re.findall(r"^ *(simmorph [a-z].*)", text, re.MULTILINE):
            words = shlex.split(re.split(r" [|<>] ", line)[0], comments=True)
            if words[1] in COMMANDS:
                assert understood(words[1:]), line
