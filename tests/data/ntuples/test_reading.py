"""Branches are read by exact names and never evaluated, in chunks of any size."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from simmorph.data.ntuples.contents import describe
from simmorph.data.ntuples.reading import iterate, open_tree
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.errors import InputError
from tests.conftest import read_columns

FILES = Path(__file__).parents[1] / "files"
ATLAS = str(FILES / "data_A_10events.GamGam.root")


def test_columns_keep_their_types() -> None:
    columns = read_columns([ATLAS, ATLAS], "mini", ["runNumber", "trigP", "met_et"])
    assert [columns[name].dtype for name in columns] == [np.int32, np.bool_, np.float32]
    assert columns["runNumber"].tolist() == [297730] * 20


def test_chunks_of_any_size_give_the_same_events() -> None:
    starts, parts = zip(*iterate(ATLAS, "mini", ["photon_pt"], step=4), strict=True)
    whole = next(iterate(ATLAS, "mini", ["photon_pt"]))[1]["photon_pt"]
    assert starts == (0, 4, 8)
    assert ak.concatenate([part["photon_pt"] for part in parts]).tolist() == whole.tolist()


def test_a_list_of_numbers_is_no_flat_column() -> None:
    with pytest.raises(InputError, match="'photon_pt' is not one number per event"):
        read_columns([ATLAS], "mini", ["photon_pt"])


def test_a_planted_alias_is_never_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="lacks 'photon_pt'; did you mean 'photon_phi'"):
        list(iterate(str(FILES / "planted-alias.root"), "mini", ["photon_pt"]))
    assert "photon_pt" not in describe(str(FILES / "planted-alias.root")).branches
    assert list(tmp_path.iterdir()) == []


def test_names_are_never_expressions(tmp_path: Path) -> None:
    path = tmp_path / "odd.root"
    names = ["cutBased >= 0", "a*b", "../x", "\x1b[31mred", "met_et + 1", "x[0]"]
    with create_ntuple(path, "events") as ntuple:
        ntuple.extend({name: np.full(3, float(i)) for i, name in enumerate(names)})
    columns = read_columns([str(path)], "events", names)
    assert [columns[name].tolist() for name in names] == [[float(i)] * 3 for i in range(len(names))]
    for expression in ("met_et * 2", "mini", "*", "photon_*", "/.*/"):
        with pytest.raises(InputError, match="lacks"):
            list(iterate(ATLAS, "mini", [expression]))


def test_an_rntuple_is_read() -> None:
    path = str(FILES / "Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root")
    ((start, columns),) = iterate(path, "Events", ["Muon_pt"])
    assert start == 0
    assert len(columns["Muon_pt"]) == describe(path).n_entries == 1000
    assert columns["Muon_pt"].ndim == 2


def test_an_empty_tree_gives_empty_columns() -> None:
    path = str(FILES / "uproot-empty.root")
    assert describe(path).n_entries == 0
    assert read_columns([path], "tree", [next(iter(describe(path).branches))])


def test_an_open_tree_tells_its_branches_without_reading_them() -> None:
    with open_tree(ATLAS, "mini") as tree:
        assert tree.n_entries == 10
        assert "photon_pt" in tree.branches
