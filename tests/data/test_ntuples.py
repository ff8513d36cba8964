"""Ntuples are read by exact names and never evaluated; what is written is whole, verified and a TTree."""

from __future__ import annotations

import gc
import io
import json
import os
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest
import uproot

from simmorph.data.ntuples import (
    create_ntuple,
    describe,
    expand_inputs,
    iterate,
    open_tree,
    read_metadata,
    trees_in,
)
from simmorph.data.outputs import OutputError, sha256_of
from simmorph.errors import InputError, UsageError
from tests.conftest import read_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = Path(__file__).parent / "files"
ATLAS = str(FILES / "data_A_10events.GamGam.root")


def test_a_file_with_one_tree_describes_itself() -> None:
    info = describe(ATLAS)
    assert (info.tree, info.n_entries, len(info.branches)) == ("mini", 10, 81)
    assert info.branches["photon_pt"] == "std::vector<float>"


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


def test_of_two_cycles_the_newest_is_read() -> None:
    path = str(FILES / "uproot-issue31.root")
    with uproot.open(path) as file:
        newest = file["T;2"].num_entries
    assert trees_in(path) == {"T": "TTree"}
    assert describe(path).n_entries == newest


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


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("uproot-nesteddirs.root", "it has 'one/two/tree', 'one/tree', 'three/tree'"),
        ("uproot-histograms.root", "there is not one tree"),
        ("uproot-issue70.root", "there is not one tree"),
        ("uproot-issue-586.root", "there is not one tree"),
        ("README.md", "not a ROOT file"),
        ("missing.root", "no such file"),
        (".", "is not a file"),
    ],
)
def test_a_file_without_one_tree_is_refused_in_one_line(name: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        describe(str(FILES / name))
    assert "\n" not in str(caught.value)


def test_a_tree_in_a_folder_is_read_by_its_path() -> None:
    path = str(FILES / "uproot-nesteddirs.root")
    assert describe(path, "one/two/tree").n_entries > 0
    with pytest.raises(InputError, match="there is no tree 'tree'"):
        describe(path, "tree")


def _damaged(raw: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(raw)
    for place in rng.integers(0, len(raw), 8):
        damaged[place] = rng.integers(256)
    return bytes(damaged[: rng.integers(len(raw) // 2, len(raw))] if rng.random() < 0.3 else damaged)


def _lengths(path: Path) -> set[int]:
    chunks = iterate(str(path), "mini", ["photon_pt", "mcWeight", "trigP"])
    return {len(column) for _, columns in chunks for column in columns.values()}


def test_every_damage_is_one_error_with_its_place(tmp_path: Path) -> None:
    """Flip bytes and cut the end off: the answer is an InputError or columns of one length, never anything else."""
    rng, path, refusals = np.random.default_rng(1), tmp_path / "bad.root", []
    for _ in range(120):
        path.write_bytes(_damaged(Path(ATLAS).read_bytes(), rng))
        try:
            lengths = _lengths(path)
        except InputError as error:
            refusals.append(str(error))
        else:
            assert len(lengths) <= 1
    assert len(refusals) > 20
    assert all(refusal.startswith(str(path)) for refusal in refusals)


def test_a_pipe_is_refused_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.root")
    with pytest.raises(InputError, match="is not a file"):
        describe(str(tmp_path / "pipe.root"))


def test_xrootd_defaults_are_set_only_where_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRD_REQUESTTIMEOUT", "77")
    monkeypatch.delenv("XRD_CONNECTIONRETRY", raising=False)
    with pytest.raises(InputError, match=r"root://nowhere.invalid//x.root"):
        describe("root://nowhere.invalid//x.root")
    assert (os.environ["XRD_REQUESTTIMEOUT"], os.environ["XRD_CONNECTIONRETRY"]) == ("77", "2")


class _RangeRequests(SimpleHTTPRequestHandler):
    """A file server that answers requests for a range of bytes, as those of open data do."""

    def do_GET(self) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if wanted is None or not path.exists():
            super().do_GET()
            return
        part = path.read_bytes()[int(wanted[1]) : int(wanted[2]) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {wanted[1]}-{wanted[2]}/{path.stat().st_size}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_RangeRequests, directory=str(FILES))) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_file_on_a_web_server_is_read(server: str) -> None:
    """Uproot leaves its sockets to the garbage collector, which says so."""
    columns = read_columns([f"{server}/data_A_10events.GamGam.root"], "mini", ["met_et"])
    assert columns["met_et"].tolist() == read_columns([ATLAS], "mini", ["met_et"])["met_et"].tolist()
    with pytest.raises(InputError, match="404"):
        describe(f"{server}/missing.root")
    gc.collect()


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
        assert expand_inputs(["root://eos//x*.root"]) == ["root://eos//x*.root"]

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


def test_an_open_tree_tells_its_branches_without_reading_them() -> None:
    with open_tree(ATLAS, "mini") as tree:
        assert tree.n_entries == 10
        assert "photon_pt" in tree.branches
