"""What a file is, by its content."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import uproot

from simmorph.errors import InputError, UsageError
from simmorph.limits.formats.reading import read_model

if TYPE_CHECKING:
    from pathlib import Path

    Workspace = dict[str, Any]

CARD = b"imax 1\nbin a\nobservation 3\nbin a a\nprocess s b\nprocess 0 1\nrate 1 2\n"


def test_the_name_of_a_file_says_nothing(tmp_path: Path, reference: Workspace) -> None:
    (tmp_path / "model.txt").write_text("\n " + json.dumps(reference))
    assert read_model(str(tmp_path / "model.txt")).spec == reference
    (tmp_path / "card.json").write_bytes(CARD)
    assert read_model(str(tmp_path / "card.json")).spec["observations"] == [{"name": "a", "data": [3.0]}]


def test_a_card_and_a_workspace_can_come_from_a_pipe(monkeypatch: pytest.MonkeyPatch, reference: Workspace) -> None:
    for content, name in ((json.dumps(reference).encode(), "channel"), (CARD, "a")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        found = read_model("-")
        assert (found.name, found.spec["channels"][0]["name"]) == ("stdin", name)


@pytest.mark.parametrize("text", ["{", '{"channels": ', "[" * 100_000])
def test_what_is_no_whole_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "workspace.json").write_text(text)
    with pytest.raises(InputError, match=r"not JSON"):
        read_model(str(tmp_path / "workspace.json"))


@pytest.mark.parametrize("text", ["", "nonsense", "\x00\xff", '"text"', "process\nrated\n"])
def test_what_is_of_no_known_format_is_refused_with_what_is_known(tmp_path: Path, text: str) -> None:
    (tmp_path / "model").write_text(text)
    with pytest.raises(InputError, match=r"no.* model of any format .*pyhf.*HS3.*HistFactory.*Combine"):
        read_model(str(tmp_path / "model"))


def test_lists_and_missing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[1, 2]")
    with pytest.raises(InputError, match="not a JSON object"):
        read_model(str(tmp_path / "list.json"))
    with pytest.raises(InputError, match=r"nowhere\.json: no such file"):
        read_model(str(tmp_path / "nowhere.json"))


def test_a_root_file_says_what_to_do_with_it(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "model.root") as file:
        file["h"] = np.histogram([0.5])
    with pytest.raises(InputError, match=r"a ROOT file.*RooJSONFactoryWSTool"):
        read_model(str(tmp_path / "model.root"))


def test_a_file_that_says_how_it_interpolates_is_not_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "card.txt").write_bytes(CARD)
    found = read_model(str(tmp_path / "card.txt"))
    assert found.interpolation is not None
    assert found.interpolated(None).normsys == "combine"
    with pytest.raises(UsageError, match="says itself how it interpolates"):
        found.interpolated(found.interpolation)
