"""Inputs stand for files in the order given, each once."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from simmorph.data.ntuples.files import expand_inputs, refuse_input
from simmorph.errors import InputError, UsageError


class TestInputs:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name in ("b.root", "a.root", "c[1].root", "notes.txt"):
            (tmp_path / name).touch()
        return tmp_path

    def test_files_keep_the_order_given_and_each_comes_once(self, folder: Path) -> None:
        names = [str(folder / name) for name in ("a.root", "b.root", "c[1].root")]
        assert expand_inputs([str(folder)]) == names
        assert expand_inputs([names[1], f"{folder}/*.root"]) == [names[1], names[0], names[2]]
        assert expand_inputs([names[2], names[1], names[2]]) == [names[2], names[1]]

    def test_files_of_a_glob_or_folder_are_in_natural_order(self, tmp_path: Path) -> None:
        names = [str(tmp_path / f"f{number}.root") for number in (1, 2, 10)]
        for name in reversed(names):
            Path(name).touch()
        assert expand_inputs([str(tmp_path)]) == expand_inputs([f"{tmp_path}/*.root"]) == names

    def test_urls_stay_as_they_are(self) -> None:
        urls = ["root://eos//x.root", "https://example.org/x?part=*", "https://example.org/folder"]
        assert expand_inputs(urls) == urls

    def test_dash_is_a_list_on_stdin(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{folder}/b.root\n\n# not this\n{folder}/a.root\n"))
        assert expand_inputs(["-"]) == [f"{folder}/b.root", f"{folder}/a.root"]

    @pytest.mark.parametrize("given", ["nothing*.root", "missing.root", "."])
    def test_what_matches_nothing_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(InputError, match="no file there"):
            expand_inputs([given])


def test_one_file_under_several_names_counts_once_and_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b.root", "a.root"):
        (tmp_path / name).write_bytes(b"root")
    (tmp_path / "link.root").symlink_to("a.root")
    (tmp_path / "hard.root").hardlink_to("b.root")
    notes: list[str] = []
    spellings = ["b.root", "a.root", "./a.root", str(tmp_path / "a.root"), "link.root", "hard.root", "b.root"]
    assert expand_inputs(spellings, notes.append) == ["b.root", "a.root"]
    assert notes == [
        "./a.root: is the same file as a.root, and counts once",
        f"{tmp_path}/a.root: is the same file as a.root, and counts once",
        "link.root: is the same file as a.root, and counts once",
        "hard.root: is the same file as b.root, and counts once",
        "b.root: is the same file as b.root, and counts once",
    ]


def test_one_url_in_two_spellings_counts_once() -> None:
    urls = ["root://eos.cern.ch//eos/a.root", "root://eos.cern.ch//eos/x/../a.root", "root://other.ch//eos/a.root"]
    assert expand_inputs(urls) == [urls[0], urls[2]]


def test_a_name_that_is_too_long_is_bad_input() -> None:
    with pytest.raises(InputError, match="file name too long; name files that can be read"):
        expand_inputs(["n" * 300])


def test_an_output_is_no_input_by_any_path_and_no_friend_of_one(tmp_path: Path) -> None:
    for name in ("a.root", "friend.root", "other.root"):
        (tmp_path / name).touch()
    (tmp_path / "link.root").symlink_to(tmp_path / "a.root")
    paths = [f"{tmp_path}/a.root++{tmp_path}/fri*.root:morphed"]
    for name in ("a.root", "link.root", "friend.root"):
        with pytest.raises(UsageError, match="is also an input"):
            refuse_input(tmp_path / name, paths)
    refuse_input(tmp_path / "other.root", paths)
    refuse_input(tmp_path / "new.root", paths)
