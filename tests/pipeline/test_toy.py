"""Promises of the toy step: whole folders that read back as they were drawn."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import uproot

from simmorph.data.files.outputs import OutputError, provenance_path
from simmorph.data.ntuples.contents import describe, read_metadata
from simmorph.data.ntuples.reading import iterate
from simmorph.data.toys import TOYS
from simmorph.errors import UsageError
from simmorph.pipeline.toy import ToyFile, ToyResult, write_toy

SCHEMA = Path(__file__).parents[1] / "data" / "files" / "schema_2020_GamGam_mini_tree.csv"
FILES = ["data.root", "mc_gamgam.root", "mc_ggH125_gamgam.root"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> ToyResult:
    return write_toy("hgg", tmp_path_factory.mktemp("toy") / "hgg", n_events=1500, seed=3)


def test_toy_writes_its_files_with_provenance_and_nothing_else(toy: ToyResult) -> None:
    paths = [Path(file.path) for file in toy.files]
    assert [path.name for path in paths] == FILES
    written = sorted(path.name for path in paths[0].parent.iterdir())
    assert written == sorted([*FILES, *(provenance_path(path).name for path in paths)])
    assert [file.n_events for file in toy.files] == [1500, 1500, 300]


@pytest.mark.parametrize("index", range(3), ids=FILES)
def test_branches_and_types_are_those_of_the_open_data(toy: ToyResult, index: int) -> None:
    branches = describe(toy.files[index].path, "mini").branches
    with SCHEMA.open() as file:
        for row in csv.DictReader(file):
            expected = row["uproot_typename"]
            if expected.startswith("std::vector<"):
                expected = expected.removeprefix("std::vector<").removesuffix(">") + "[]"
            assert branches[row["branch"]] == expected, row["branch"]


@pytest.mark.parametrize("index", range(3), ids=FILES)
def test_every_branch_reads_back_as_it_was_drawn(toy: ToyResult, index: int) -> None:
    sample = TOYS["hgg"](1500, 3)[index]
    drawn = sample.block(0, sample.n_events)
    [(_, read)] = list(iterate(toy.files[index].path, "mini", list(drawn)))
    for name, values in drawn.items():
        assert read[name].tolist() == values.tolist(), name


def test_counters_agree_with_the_lists_they_count(toy: ToyResult) -> None:
    with uproot.open(toy.files[1].path) as file:
        tree = file["mini"]
        counts = tree["photon_n"].array(library="np")
        assert counts.tolist() == [len(it) for it in tree["photon_pt"].array(library="np")]
        assert tree["jet_n"].array(library="np").tolist() == [len(it) for it in tree["jet_E"].array(library="np")]
        assert set(counts) >= {1, 2}


def test_data_have_no_truth_matches_and_simulation_has_one_a_photon(toy: ToyResult) -> None:
    lengths = []
    for file in toy.files:
        with uproot.open(file.path) as opened:
            matched, pt = (opened["mini"][name].array(library="np") for name in ("photon_truthMatched", "photon_pt"))
        lengths.append((sum(map(len, matched)), sum(map(len, pt))))
    assert lengths[0][0] == 0
    assert lengths[1][0] == lengths[1][1] > 0
    assert lengths[2][0] == lengths[2][1] > 0


def test_energies_are_in_mev(toy: ToyResult) -> None:
    [(_, read)] = list(iterate(toy.files[0].path, "mini", ["photon_pt", "photon_E", "photon_eta"]))
    pt, energy, eta = (np.concatenate(list(read[name])) for name in ("photon_pt", "photon_E", "photon_eta"))
    assert 30_000 < np.median(pt) < 60_000
    np.testing.assert_allclose(energy, pt * np.cosh(eta), rtol=1e-5)


def test_luminosity_and_yield_are_in_the_file_and_in_the_answer(toy: ToyResult) -> None:
    for file in toy.files:
        assert read_metadata(file.path).items() >= file.metadata.items()
    answer = toy.to_json()
    assert answer["files"][2]["metadata"]["luminosity_fb"] == 10.064
    assert "10.064/fb" in toy.to_text()


def test_a_file_of_several_blocks_holds_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simmorph.data.toys.samples.BLOCK", 400)
    result = write_toy("hgg", tmp_path / "toy", n_events=1000)
    [(_, read)] = list(iterate(result.files[0].path, "mini", ["eventNumber", "met_et"]))
    assert len(read["eventNumber"]) == 1000
    assert len(set(read["met_et"].tolist())) > 990


def test_an_existing_folder_is_replaced_only_by_force(tmp_path: Path) -> None:
    write_toy("hgg", tmp_path / "toy", n_events=20, seed=1)
    with pytest.raises(UsageError, match="already exists"):
        write_toy("hgg", tmp_path / "toy", n_events=20, seed=1)
    assert write_toy("hgg", tmp_path / "toy", n_events=30, seed=1, force=True).files[0].n_events == 30
    assert describe(str(tmp_path / "toy" / "data.root")).n_entries == 30


def test_force_spares_files_of_others(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"thesis\.tex"):
        write_toy("hgg", tmp_path, n_events=20, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_toy_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("simmorph.data.files.outputs.write_json", full)
    with pytest.raises(OutputError, match="no space left"):
        write_toy("hgg", tmp_path / "toy", n_events=20)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_toy_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'hgg'"):
        write_toy("hg", tmp_path / "toy")


def test_a_toy_without_luminosity_is_listed_without_expected_events() -> None:
    plain = ToyFile("toy/source.root", "events", 1200, {"toy": "gaussian"})
    assert ToyResult("gaussian", 1, (plain,)).to_text().split() == ["entries", "file", "1,200", "toy/source.root"]
