"""What is written is whole, verified and a TTree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from simmorph.data.files.outputs import OutputError, sha256_of
from simmorph.data.ntuples.contents import describe, read_metadata, trees_in
from simmorph.data.ntuples.reading import iterate
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.errors import UsageError
from tests.conftest import read_columns

FILES = Path(__file__).parents[1] / "files"
ATLAS = str(FILES / "data_A_10events.GamGam.root")


def _write(path: Path, *pieces: dict[str, Any]) -> None:
    with create_ntuple(path, "events") as ntuple:
        for piece in pieces:
            ntuple.extend(piece)


class TestWriting:
    def test_every_kind_of_branch_comes_back_as_it_was(self, tmp_path: Path) -> None:
        path = tmp_path / "out.root"
        columns = {
            "x": np.array([1.5, -2.5, 3.5], np.float32),
            "weight": np.array([1.0, -1e300, 0.0]),
            "event": np.array([2**62, -1, 0], np.int64),
            "unsigned": np.array([2**64 - 1, 0, 1], np.uint64),
            "passed": np.array([True, False, True]),
            "pt": ak.Array([[1.0, 2.0], [], [3.0]]),
            "eta": ak.values_astype(ak.Array([[1], [2, 3], []]), np.int32),
            "npt": np.array([7, 8, 9], np.int32),
        }
        with create_ntuple(path, "events") as ntuple:
            ntuple.extend(columns)
            ntuple.extend({name: column[:1] for name, column in columns.items()})
        ((_, back),) = iterate(str(path), "events", list(columns))
        for name, column in columns.items():
            assert back[name].tolist() == [
                *column.tolist(),
                column[0] if name not in ("pt", "eta") else column[0].tolist(),
            ]
        assert trees_in(str(path)) == {"events": "TTree"}

    @pytest.mark.parametrize("compression", ["zstd", "zlib", "lz4", "lzma", "none"])
    def test_every_compression_is_the_one_asked_for_and_comes_back(self, tmp_path: Path, compression: Any) -> None:
        path, values = tmp_path / "out.root", np.repeat(np.arange(1000), 100)
        with create_ntuple(path, "events", compression=compression) as ntuple:
            ntuple.extend({"x": values})
        assert read_columns([str(path)], "events", ["x"])["x"].tolist() == values.tolist()
        with uproot.open(path) as file:
            assert type(file.file.compression).__name__.lower() == compression.replace("none", "nonetype")

    @pytest.mark.parametrize("compression", ["zstd", "lz4"])
    def test_root_reads_what_is_written(self, tmp_path: Path, compression: Any) -> None:
        root = pytest.importorskip("ROOT")
        path, values = tmp_path / "out.root", np.repeat(np.arange(1000), 100)
        with create_ntuple(path, "events", compression=compression) as ntuple:
            ntuple.extend({"x": values, "pt": values * 0.5})
        read = root.RDataFrame("events", str(path)).AsNumpy(["x", "pt"])
        assert read["x"].tolist() == values.tolist()
        assert read["pt"].tolist() == (values * 0.5).tolist()

    def test_small_pieces_become_large_baskets(self, tmp_path: Path) -> None:
        path = tmp_path / "out.root"
        with create_ntuple(path, "events") as ntuple:
            for start in range(0, 250_000, 5_000):
                ntuple.extend({"x": np.arange(start, start + 5_000)})
        assert read_columns([str(path)], "events", ["x"])["x"].tolist() == list(range(250_000))
        with uproot.open(path) as file:
            assert file["events"]["x"].num_baskets == 3

    def test_an_empty_tree_can_be_written(self, tmp_path: Path) -> None:
        with create_ntuple(tmp_path / "out.root", "events") as ntuple:
            ntuple.extend({"x": np.empty(0)})
        assert describe(str(tmp_path / "out.root")).n_entries == 0

    def test_metadata_and_histograms_come_with_it(self, tmp_path: Path) -> None:
        path = tmp_path / "out.root"
        with create_ntuple(path, "events", metadata={"a": [1, "x" * 1000]}) as ntuple:
            ntuple.extend({"x": np.arange(3)})
            ntuple.metadata["later"] = True
            ntuple.add_histogram("cutflow", "events", ["all", "two photons"], [3.0, 1.5], [4.0, 2.0])
        assert read_metadata(path) == {"a": [1, "x" * 1000], "later": True}
        assert read_metadata(ATLAS) == {}
        with uproot.open(path) as file:
            assert file.classnames(cycle=False)["cutflow"] == "TH1D"
            assert file["cutflow"].values().tolist() == [3.0, 1.5]
            assert file["cutflow"].variances().tolist() == [4.0, 2.0]
            assert list(file["cutflow"].axis().labels()) == ["all", "two photons"]
            labels = file["cutflow"].axis().member("fLabels")
            assert [label._bases[0].member("@fUniqueID") for label in labels] == [1, 2], "ROOT finds a label by its bin"

    def test_the_provenance_comes_last_with_the_sha256(self, tmp_path: Path) -> None:
        path = tmp_path / "out.root"
        with create_ntuple(path, "events", made_from={"inputs": ["a"]}) as ntuple:
            ntuple.extend({"x": np.arange(3)})
            assert not list(tmp_path.glob("out*"))
        written = json.loads((tmp_path / "out.root.provenance.json").read_text())
        assert (written["sha256"], written["inputs"]) == (sha256_of(path), ["a"])

    def test_a_failure_leaves_nothing_behind(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="one length"):
            _write(tmp_path / "out.root", {"x": np.arange(3)}, {"x": np.arange(3), "y": np.arange(4)})
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_does_not_come_out_whole_is_refused(self, tmp_path: Path) -> None:
        def miscount() -> None:
            with create_ntuple(tmp_path / "out.root", "events") as ntuple:
                ntuple.extend({"x": np.arange(3)})
                ntuple.n_rows += 1

        with pytest.raises(OutputError, match="of 3 entries, not a TTree of 4"):
            miscount()
        assert list(tmp_path.iterdir()) == []

    def test_nothing_is_replaced_without_force(self, tmp_path: Path) -> None:
        path = tmp_path / "out.root"
        path.write_text("mine")
        with pytest.raises(UsageError, match="already exists"), create_ntuple(path, "events") as ntuple:
            ntuple.extend({"x": np.arange(3)})
        assert path.read_text() == "mine"
        with create_ntuple(path, "events", force=True) as ntuple:
            ntuple.extend({"x": np.arange(3)})
        assert describe(str(path)).n_entries == 3

    def test_columns_that_change_are_a_bug(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="not in every call"):
            _write(tmp_path / "out.root", {"x": np.arange(3)}, {"y": np.arange(3)})

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (np.arange(3, dtype=np.int32), np.arange(3)),
            (np.arange(3), np.arange(3, dtype=np.int32)),
            (np.arange(3, dtype=np.float32), np.arange(3.0)),
            (np.arange(3), np.arange(3.0)),
            (np.arange(3, dtype=np.int32), ak.values_astype(ak.Array([[1], [2], []]), np.int32)),
            (ak.values_astype(ak.Array([[1], [2], []]), np.int32), ak.Array([[1], [2], []])),
        ],
    )
    def test_columns_of_another_type_are_never_cast(self, tmp_path: Path, one: Any, other: Any) -> None:
        with pytest.raises(ValueError, match="in the first call"):
            _write(tmp_path / "out.root", {"x": one}, {"x": other})
        assert list(tmp_path.iterdir()) == []
