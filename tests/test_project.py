"""What the project's own files say agrees: version, date, addresses, pins, and what CI and the Makefile do."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from simmorph import __version__

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CITATION: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())


def normalised(name: str) -> str:
    """The name of a package as an index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> list[str]:
    """Everything that the project or one of its extras needs, without itself."""
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return [each for group in groups for each in group if not each.startswith("simmorph[")]


def steps() -> list[dict[str, Any]]:
    """Every step of every job of the workflow."""
    return [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def test_changelog_and_citation_agree_on_version_and_date() -> None:
    newest = re.search(r"^## (\S+) - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == CITATION["version"] == __version__
    assert newest[2] == CITATION.get("date-released", "unreleased")


def test_citation_and_metadata_agree() -> None:
    assert CITATION["license"] == PROJECT["license"]
    assert CITATION["repository-code"] == PROJECT["urls"]["Source"]
    assert [author["name"] for author in CITATION["authors"]] == [author["name"] for author in PROJECT["authors"]]


@pytest.mark.parametrize("requirement", requirements())
def test_what_is_needed_is_pinned(requirement: str) -> None:
    name = re.split(r"[\[<>=~! ]", requirement)[0]
    assert normalised(name) in {normalised(pinned) for pinned in PINS}


def test_ruff_is_the_same_before_a_commit_as_in_lint() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {hook["rev"] for hook in hooks if "ruff" in hook["repo"]} == {f"v{PINS['ruff']}"}


def test_python_versions_are_those_that_ci_tests() -> None:
    tested = WORKFLOW["jobs"]["tests"]["strategy"]["matrix"]["python-version"]
    named = [each.rpartition(" ")[2] for each in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", each)]
    assert tested == named
    assert PROJECT["requires-python"] == f">={tested[0]}"


def test_ci_only_reads_and_runs_what_exists() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    commands = " ".join(step.get("run", "") for step in steps())
    known = {"make": re.findall(r"^([\w-]+):", MAKEFILE, re.MULTILINE)}
    known["nox -s"] = re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), re.MULTILINE)
    for tool, names in known.items():
        assert set(re.findall(rf"{tool} (\w+)", commands)) <= {*names}
    assert set(re.findall(r"[?&|]+ '(\w+)'", commands)) == {"coverage", "test"} <= {*known["make"]}


def test_actions_are_pinned_to_a_major_version() -> None:
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]) for step in steps() if "uses" in step)


def test_every_page_of_the_site_is_in_its_navigation() -> None:
    docs = ROOT / "docs"
    listed = (docs / "index.md").read_text().split(":hidden:")[1].split("```")[0].split()
    pages = {page.stem for page in docs.glob("*.md")} - {"index"}
    assert pages == {name for name in listed if not name.startswith("api/")}
    assert "api/simmorph" in listed


def test_no_test_file_names_a_folder_of_the_machine_that_wrote_it() -> None:
    files = [path for path in (ROOT / "tests" / "data" / "files").iterdir() if path.is_file()]
    assert files
    for path in files:
        assert not re.search(rb"/(?:home|root|tmp|Users|var)/[\w.-]+/", path.read_bytes()), path
