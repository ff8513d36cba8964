"""Outputs appear whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from simmorph.data.files.outputs import (
    OutputError,
    provenance_path,
    refuse_existing,
    sha256_of,
    whole_file,
    whole_folder,
    write_json,
    write_provenance,
)
from simmorph.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


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
from simmorph.data.files.outputs import whole_file
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


HOLD = """
import sys, time
from pathlib import Path
from simmorph.data.files.outputs import whole_file
with whole_file(Path(sys.argv[1]), force=True) as temporary:
    temporary.write_text("half")
    print("begun", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_left_goes_when_the_output_is_written_again(tmp_path: Path) -> None:
    killed, other, running = (
        subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / name], stdout=subprocess.PIPE)
        for name in ("out.txt", "other.txt", "out.txt")
    )
    for process in (killed, other, running):
        assert process.stdout
        assert process.stdout.readline()
    for process in (killed, other):
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(list(tmp_path.iterdir())) == 3
    with whole_file(tmp_path / "out.txt") as temporary:
        temporary.write_text("whole")
    left = {path.name.split(".txt.")[0] for path in tmp_path.iterdir()}
    assert left == {"out.txt", ".other", ".out"}, "those of another output and of a running process stay"
    running.kill()
    for process in (killed, other, running):
        process.communicate()


def test_an_output_on_a_server_is_refused_and_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("root://eosuser.cern.ch//eos/user/a.root", "https://example.org/a.root"):
        with pytest.raises(UsageError, match="is on a server; write the output on this machine and copy it"):
            refuse_existing(Path(url), force=True)
        with pytest.raises(UsageError, match="is on a server"), whole_folder(Path(url)):
            pass
    assert not list(tmp_path.iterdir())


def test_a_pipe_is_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for whole in (whole_file, whole_folder):
        with pytest.raises(UsageError, match="is a device or pipe"), whole(pipe, force=True):
            pass
    assert pipe.is_fifo()
    for name in ("null", "stdout", "fd/1"):
        with pytest.raises(UsageError, match="is a device or pipe"):
            refuse_existing(Path("/dev") / name, force=True)


@pytest.mark.parametrize(("length", "is_allowed"), [(220, True), (240, False), (300, False)])
def test_a_name_that_is_too_long_is_refused_before_the_work(tmp_path: Path, length: int, is_allowed: bool) -> None:
    path = tmp_path / ("\u00e9" + "n" * (length - 2))
    if is_allowed:
        with whole_file(path) as temporary:
            temporary.write_text("whole")
        write_provenance(path, {})
        assert provenance_path(path).is_file()
    else:
        with pytest.raises(UsageError, match=f"a name of {length} bytes is too long"):
            refuse_existing(path, force=False)


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_a_link(tmp_path: Path, exists: bool) -> None:
    for whole, write, name in (
        (whole_file, lambda path: path.write_text("new"), "file"),
        (whole_folder, lambda path: (path / "x").touch(), "folder"),
    ):
        link, target = tmp_path / f"{name}-link", tmp_path / name
        link.symlink_to(target)
        if exists:
            _make(whole, target, write)
        _make(whole, link, write, force=exists)
        assert link.is_symlink()
        assert target.is_file() if name == "file" else (target / "x").is_file()


def _make(whole: Callable[..., Any], path: Path, write: Callable[[Path], Any], *, force: bool = False) -> None:
    with whole(path, force=force) as temporary:
        write(temporary)


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from simmorph.data.files.outputs import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    with whole_file(Path(sys.argv[1])) as path: path.write_bytes(bytes(5000))\n"
        "except OutputError as error: print(error)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "out"], capture_output=True, text=True, check=True
    ).stdout
    assert printed == f"{tmp_path / 'out'}: file too large; nothing was written\n"
    assert not list(tmp_path.iterdir())
