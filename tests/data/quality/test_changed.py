"""A file that is not what was written is said to be so; one that is, or of which nothing is known, is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from simmorph.data.ntuples.reading import iterate
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.quality.changed import changes_in


def write(path: Path) -> str:
    with create_ntuple(path, "events", compression="none") as ntuple:
        ntuple.extend({"x": np.arange(1000.0)})
    return str(path)


def test_a_flipped_bit_that_no_reader_sees_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root")
    assert list(changes_in([path])) == []
    content = bytearray(Path(path).read_bytes())
    at = content.index(np.arange(500.0, 520.0).astype(">f8").tobytes())
    content[at + 1] ^= 1
    Path(path).write_bytes(content)
    ((_, found),) = iterate(path, "events", ["x"])
    assert found["x"][500] != 500.0, "read without a word"
    says = [f"{path} has another content than a.root.provenance.json says: it is damaged, or was changed"]
    assert list(changes_in([path, path])) == says
    beside = write(tmp_path / "b.root")
    assert list(changes_in([beside, f"{beside}++{path}:events"])) == says


@pytest.mark.parametrize("said", [None, "", "[]", "{", '{"sha256": 3}', '{"output": "b.root", "sha256": "0"}'])
def test_of_what_nothing_is_known_nothing_is_said(tmp_path: Path, said: str | None) -> None:
    path, provenance = write(tmp_path / "a.root"), tmp_path / "a.root.provenance.json"
    provenance.unlink()
    if said is not None:
        provenance.write_text(said)
    assert list(changes_in([path, "root://nowhere/a.root"])) == []
    provenance.write_text(json.dumps({"output": "a.root", "sha256": "0"}))
    assert len(list(changes_in([path]))) == 1
