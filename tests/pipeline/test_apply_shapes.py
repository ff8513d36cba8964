"""A copy of a tree of any shape holds its numbers and texts to the bit, and ROOT draws the same from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml

from simmorph.config.recipe import load_recipe
from simmorph.pipeline.train import train_model
from tests.pipeline.applying import apply_model

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = Path(__file__).parents[1] / "data" / "files"


@pytest.fixture
def model(tmp_path: Path, write_ntuple: Callable[..., Path]) -> Path:
    """A quantile map of the branch w, which all these files have."""
    for name, spread in (("source", 1.0), ("target", 1.2)):
        columns = {"w": np.random.default_rng(1).normal(5, spread, 1000).astype(np.float32)}
        write_ntuple(tmp_path / f"{name}.root", columns, units={})
    keys = {name: str(tmp_path / f"{name}.root") for name in ("source", "target")} | {"model": str(tmp_path / "model")}
    (tmp_path / "recipe.yaml").write_text(
        "# test\n" + yaml.safe_dump({**keys, "features": ["w"], "method": {"name": "quantile"}})
    )
    train_model(load_recipe(tmp_path / "recipe.yaml"))
    return tmp_path / "model"


def copied(tmp_path: Path, model: Path, *files: str) -> tuple[Any, dict[str, str]]:
    """The copy of some files, and what it lacks."""
    inputs = [str(FILES / file) for file in files]
    result = apply_model(inputs, model, tmp_path / "copy.root", tree="t", force=True)
    with uproot.open(tmp_path / "copy.root") as file:
        return {name: file["t"][name].array() for name in file["t"].keys()}, dict(result.left_out)  # noqa: SIM118


def test_a_copy_of_what_a_ttree_can_hold_is_exact(tmp_path: Path, model: Path) -> None:
    columns, left_out = copied(tmp_path, model, "shapes.root")
    assert set(left_out) == {"vv", "vs"}
    with uproot.open(FILES / "shapes.root") as file:
        read = {name: branch.array() for name, branch in file["t"].iteritems() if name not in left_out}
    structures = {name: read.pop(name) for name in ("ph", "cell")}
    read |= {f"{name}.{part}": array[part] for name, array in structures.items() for part in array.fields}
    for name, array in read.items():
        assert str(columns[name].type) == str(array.type), name
        assert columns[name].tolist() == array.tolist(), name
    assert columns["text"].tolist() == [f"ev{i}" for i in range(12)]
    assert columns["s"].tolist() == [chr(ord("a") + i) * i for i in range(12)]
    assert columns["u64"].tolist() == [2**64 - 1 - i for i in range(12)]


def test_a_copy_of_an_rntuple_is_exact_and_says_what_it_lacks(tmp_path: Path, model: Path) -> None:
    columns, left_out = copied(tmp_path, model, "shapes_rntuple.root")
    assert set(left_out) == {"oi", "ob", "vv", "va", "ov"}
    assert columns["s"].tolist() == ["x" * i for i in range(12)]
    assert columns["vu"].tolist() == [[2**63 + 1 + i] * (i % 2) for i in range(12)]
    assert columns["vb"].tolist() == [[i % 2 == 1] * (i % 4) for i in range(12)]
    assert columns["i8"].tolist() == [i - 100 for i in range(12)]
    assert columns["ab"].tolist() == [[i % 2 == 0, i % 3 == 0] for i in range(12)]
    assert str(columns["a"].type) == "12 * 3 * float32"
    assert ak.fill_none(ak.nan_to_none(columns["of"]), -1).tolist() == pytest.approx(
        [i / 3 if i % 2 else -1 for i in range(12)]
    )


def test_texts_and_arrays_that_a_file_lacks_are_empty_and_not_a_number(tmp_path: Path, model: Path) -> None:
    columns, _ = copied(tmp_path, model, "shapes.root", "clones.root")
    assert columns["s"].tolist()[11:] == ["l" * 11] + [""] * 8
    assert np.isnan(columns["m"][12:]).tolist() == [[[True] * 3] * 2] * 8
    assert columns["Photon_"].tolist() == [0] * 12 + [i % 3 for i in range(8)]
    assert columns["Photon.fPx"].tolist()[12:] == [[float(i + k) for k in range(i % 3)] for i in range(8)]


DRAWN = {
    "shapes.root": ["ph_pt", "ph_pt[1]", "m[1][2]", "x", "flags", "ph.pt", "ph.id", "cell.t", "i8", "u8", "u32", "i64",
                    "v", "vi", "vb", "w*(text==\"ev3\")", "w*(s==\"bb\")", "Length$(x)", "Sum$(x)"],
    "clones.root": ["Photon.fPx", "lv.fE", "lv.fP.fX", "Photon.fPdgCode", "Photon.fPx*w", "Length$(Photon.fPx)",
                    "Photon.fPx[1]"],
    "hits.root": ["x", "id", "e[1]", "ok", "in.a", "in.b", "cells", "small.x", "small.id", "hits.base", "hits.x",
                  "hits.ok", "hits.in.b", "smalls.id", "hits.x*w", "base"],
}  # fmt: skip


@pytest.mark.parametrize("file", list(DRAWN))
def test_root_draws_the_same_from_a_copy(tmp_path: Path, model: Path, file: str) -> None:
    root = pytest.importorskip("ROOT")
    copied(tmp_path, model, file)

    def drawn(path: Path, what: str) -> list[float]:
        opened = root.TFile.Open(str(path))
        tree = opened.Get("t")
        count = tree.Draw(what, "", "goff")
        assert count >= 0, what
        numbers = [tree.GetV1()[at] for at in range(count)]
        opened.Close()
        return numbers

    for what in DRAWN[file]:
        assert drawn(tmp_path / "copy.root", what) == drawn(FILES / file, what), what
