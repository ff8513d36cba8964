"""Outputs appear whole or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from simmorph.data.outputs import (
    OutputError,
    provenance_path,
    sha256_of,
    whole_file,
    whole_folder,
    write_json,
    write_provenance,
)
from simmorph.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_appears_only_when_its_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "out.txt"
    with whole_file(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_nothing_and_costs_no_old_output(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(failure), whole_file(path, force=True) as temporary:  # noqa: PT012 - the block is the promise
        temporary.write_text("half")
        raise failure
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_existing_output_is_kept_without_force(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(UsageError, match="already exists; choose another output or add --force"), whole_file(path):
        pass
    with whole_file(path, force=True) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_an_output_that_came_into_being_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with pytest.raises(UsageError, match="meanwhile"), whole_file(path) as temporary:  # noqa: PT012
        temporary.write_text("mine")
        path.write_text("theirs")
    assert path.read_text() == "theirs"


WRITE_WHOLE = """
import sys
from pathlib import Path
from simmorph.data.outputs import whole_file
with whole_file(Path(sys.argv[1]), force=True) as temporary:
    temporary.write_text(sys.argv[2] * 100_000)
"""


def test_two_writers_of_one_name_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    writers = [subprocess.Popen([sys.executable, "-c", WRITE_WHOLE, path, letter]) for letter in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert path.read_text() in ("a" * 100_000, "b" * 100_000)


def test_a_folder_appears_whole_and_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "model"
    for text in ("old", "new"):
        with whole_folder(path, force=True) as temporary:
            (temporary / f"{text}.txt").write_text(text)
    assert [file.name for file in path.iterdir()] == ["new.txt"]
    with pytest.raises(RuntimeError), whole_folder(path, force=True) as temporary:
        raise RuntimeError
    assert [file.name for file in path.iterdir()] == ["new.txt"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another output"), whole_file(tmp_path / "file" / "out.txt"):
        pass


def test_provenance_names_the_content(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("content")
    write_provenance(path, {"inputs": ["a.root"]})
    written = json.loads(provenance_path(path).read_text())
    assert written["sha256"] == sha256_of(path)
    assert written["inputs"] == ["a.root"]


def test_json_refuses_what_other_readers_refuse(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"limit": float("nan")})


def test_force_replaces_only_a_folder_of_the_same_kind(tmp_path: Path) -> None:
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with (
        pytest.raises(UsageError, match=r"lacks 'card.json'; choose another output"),
        whole_folder(folder, force=True, marker="card.json"),
    ):
        pass
    assert (folder / "thesis.tex").read_text() == "years of work"
    (folder / "card.json").touch()
    with whole_folder(folder, force=True, marker="card.json") as temporary:
        (temporary / "card.json").touch()
    assert [path.name for path in folder.iterdir()] == ["card.json"]
