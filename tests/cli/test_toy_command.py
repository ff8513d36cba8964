"""Promises of `simmorph toy`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_json_on_stdout_names_the_files(simmorph: Callable[..., Any], tmp_path: Path) -> None:
    outcome = simmorph("toy", "hgg", "-o", tmp_path / "toy", "--events", 50, "--seed", 7, "--json", "-q")
    answer = json.loads(outcome.stdout)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert [file["n_events"] for file in answer["files"]] == [50, 50, 10]
    assert [file["path"] for file in answer["files"]] == [str(p) for p in sorted((tmp_path / "toy").glob("*.root"))]


def test_text_on_stdout_and_notes_on_stderr(simmorph: Callable[..., Any], tmp_path: Path) -> None:
    outcome = simmorph("toy", "hgg", "-o", tmp_path / "toy", "--events", 50)
    assert outcome.code == 0
    assert "data.root" in outcome.stdout
    assert "seed 1" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hhg", "-o", "toy"), "did you mean 'hgg'"),
        (("hgg",), "output"),
        (("hgg", "-o", "toy", "--events", 0), "events"),
        (("hgg", "-o", "toy", "--seed", -1), "seed"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(
    simmorph: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = simmorph("toy", *arguments)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_needs_force(simmorph: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    assert simmorph("toy", "hgg", "-o", tmp_path / "toy", "--events", 20).code == 2
    assert simmorph("toy", "hgg", "-o", tmp_path / "toy", "--events", 20, "--force").code == 0
