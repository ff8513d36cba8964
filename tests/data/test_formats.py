"""Parquet, CSV and HDF5 hold what a ROOT file holds, to the bit."""

from __future__ import annotations

import json
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from simmorph.data.ntuples.contents import describe, read_metadata, trees_in
from simmorph.data.ntuples.reading import iterate, open_tree
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.samples import SampleReader
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

N_EVENTS = 1000
rng = np.random.default_rng(1)
COLUMNS: dict[str, Any] = {
    "pt": rng.exponential(20, N_EVENTS),
    "big": np.arange(N_EVENTS) + 2**53 + 1,
    "huge": np.arange(N_EVENTS, dtype=np.uint64) + np.uint64(2**63 + 1),
    "charge": rng.choice([-1, 1], N_EVENTS).astype(np.int8),
    "tight": rng.random(N_EVENTS) < 0.5,
    "single": rng.normal(size=N_EVENTS).astype(np.float32),
}


def write(path: Path, columns: dict[str, Any] = COLUMNS) -> str:
    """A file of these columns, by the end of its name."""
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path, row_group_size=170)
    elif path.suffix == ".csv":
        lists = [
            [repr(float(it)) if isinstance(it, np.floating) else str(it) for it in column]
            for column in columns.values()
        ]
        path.write_text("\n".join(",".join(row) for row in [list(columns), *zip(*lists, strict=True)]) + "\n")
    else:
        with h5py.File(path, "w") as file:
            for name, column in columns.items():
                file[f"events/{name}"] = column
    return str(path)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "hdf5", "h5"])
@pytest.mark.parametrize("step", [99, 10_000])
def test_columns_come_back_in_their_types_whatever_the_chunks(tmp_path: Path, suffix: str, step: int) -> None:
    path = write(tmp_path / f"a.{suffix}")
    chunks = list(iterate(path, "events", list(COLUMNS), step))
    assert [start for start, _ in chunks] == list(range(0, N_EVENTS, step))
    assert all(len(chunk["pt"]) == step for _, chunk in chunks[:-1])
    for name, expected in COLUMNS.items():
        found = np.concatenate([chunk[name] for _, chunk in chunks])
        np.testing.assert_array_equal(found, expected)
        if suffix != "csv":
            assert found.dtype == expected.dtype
    info = describe(path, "events")
    assert (info.n_entries, set(info.branches)) == (N_EVENTS, set(COLUMNS))
    assert read_metadata(path) == {}


def test_csv_has_the_types_that_all_its_rows_have(tmp_path: Path) -> None:
    """Integers stay integers unless a later row is none; the digits of no integer are lost."""
    path = write(tmp_path / "a.csv", {
        "a": np.array(["1"] * 9 + ["2.5"]), "b": np.array(["1"] * 9 + [str(2**64 - 1)]),
        "c": np.array(["true"] * 9 + ["x"]), "d": np.array([""] * 10), "e": np.array(["3"] * 9 + [""]),
    })  # fmt: skip
    ((_, found),) = iterate(path, "events", ["a", "b", "d", "e"])
    assert describe(path).branches == {"a": "double", "b": "uint64", "c": "string", "d": "double", "e": "int64"}
    assert found["b"][-1] == 2**64 - 1
    assert np.isnan(found["d"]).all()
    assert found["e"].tolist() == pytest.approx([3.0] * 9 + [np.nan], nan_ok=True)


TEXTS = ["1", "0", "-1", "7.5", "1e3", "true", "false", "x", "", str(2**53), str(2**53 + 1), str(2**64 - 1), str(2**64)]


def type_by_hand(texts: set[str]) -> str:
    """The type of all texts of a column at once; `inexact` where a float would round an integer."""
    texts = texts - {""}
    whole = [int(text) for text in texts if text.lstrip("-").isdecimal()]
    if len(whole) == len(texts) and texts:
        low, high = min(whole), max(whole)
        if low >= -(2**63) and high < 2**63:
            return "int64"
        if low >= 0 and high < 2**64:
            return "uint64"
    if not texts & {"true", "false", "x"}:
        return "double" if all(Fraction(float(it)) == it for it in whole) else "inexact"
    return "bool" if texts <= {"0", "1", "true", "false"} else "string"


@settings(max_examples=40)
@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_types_of_csv_are_those_of_the_whole_file_whatever_stands_first(texts: list[str], random: Random) -> None:
    """With the padding each text is read in a batch of its own."""
    random.shuffle(texts)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_text("x,pad\n" + "".join(f"{text},{'p' * 1_100_000}\n" for text in texts))
        expected = type_by_hand(set(texts))
        assert describe(str(path)).branches["x"] == expected.replace("inexact", "double")
        if expected == "inexact":
            with pytest.raises(InputError, match="no float is this integer; write integers alone into a column"):
                list(iterate(str(path), "events", ["x"]))
            return
        is_large = expected.endswith("int64") and any(abs(int(it)) > 2**53 for it in texts if it)
        if "" in texts and (expected == "bool" or is_large):
            with pytest.raises(InputError, match="some values are missing"):
                list(iterate(str(path), "events", ["x"]))
            return
        ((_, found),) = iterate(str(path), "events", ["x"])
        if expected in {"int64", "uint64", "double"}:
            number = float if expected == "double" or "" in texts else int
            np.testing.assert_array_equal(found["x"], np.array([number(it or "nan") for it in texts], found["x"].dtype))


def test_missing_numbers_are_nan_in_every_chunk(tmp_path: Path) -> None:
    columns = {"x": pa.array([1.5, None, 2.5], pa.float32()), "n": pa.array([1, 2, None], pa.int64())}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    chunks = [chunk for _, chunk in iterate(str(tmp_path / "a.parquet"), "events", ["x", "n"], 1)]
    assert [chunk["n"].dtype.name for chunk in chunks] == ["float64"] * 3
    assert [chunk["x"].dtype.name for chunk in chunks] == ["float32"] * 3
    table = SampleReader([str(tmp_path / "a.parquet")], "events", ["x", "n"]).read()
    np.testing.assert_array_equal(table.columns["x"], np.array([1.5, np.nan, 2.5], np.float32))
    np.testing.assert_array_equal(table.columns["n"], [1, 2, np.nan])


def test_lists_of_parquet_are_lists(tmp_path: Path) -> None:
    lists = [[1.5, 2.5], [], [3.5]]
    columns = {"a": pa.array(lists, pa.list_(pa.float32())), "b": pa.array([[1], [], [2]], pa.large_list(pa.int16()))}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    ((_, found),) = iterate(str(tmp_path / "a.parquet"), "events", ["a", "b"])
    assert (found["a"].tolist(), str(found["a"].type)) == (lists, "3 * var * float32")
    assert str(found["b"].type) == "3 * var * int16"


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1, None, 2**53 + 1]), "integers that no float with NaN holds exactly; leave these rows out"),
        (pa.array([True, None]), "neither true nor false"),
        (pa.array([[1.0], None]), "1 lists are missing"),
        (pa.array([[1, None], [2]]), "1 values in lists are missing"),
        (pa.array(["x", "y"]), "is not one number per event"),
        (pa.array([1, 2], pa.timestamp("s")), "is not one number per event"),
    ],
)
def test_what_is_missing_or_no_number_is_refused_by_name(tmp_path: Path, column: Any, message: str) -> None:
    pq.write_table(pa.table({"n": column}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=message) as caught:
        SampleReader([str(tmp_path / "a.parquet")], "events", ["n"]).read()
    assert "a.parquet" in str(caught.value)
    assert "'n'" in str(caught.value)


def test_texts_are_what_they_are_and_missing_ones_empty(tmp_path: Path, simmorph: Callable[..., Any]) -> None:
    """`NA` is a text among texts, and a missing number among numbers; copies hold what the file does."""
    texts = ["a", "", "NA", "null", "x"]
    (tmp_path / "a.csv").write_text(
        "t,n,pt\n" + "".join(f"{text},{text},{at}.5\n" for at, text in enumerate(texts[1:4]))
    )
    (tmp_path / "b.csv").write_text("t,pt\n" + "".join(f"{text},{at}.5\n" for at, text in enumerate(texts)))
    ((_, found),) = iterate(str(tmp_path / "a.csv"), "events", ["n"])
    assert np.isnan(found["n"]).all()
    missing = pa.array([*texts[:4], None])
    for kind in (pa.string(), pa.large_string(), None):
        column = missing.dictionary_encode() if kind is None else missing.cast(kind)
        pq.write_table(pa.table({"t": column, "pt": np.arange(5) + 0.5}), tmp_path / "c.parquet", row_group_size=2)
        for path, last in ((tmp_path / "b.csv", "x"), (tmp_path / "c.parquet", "")):
            for step in (1, 9):
                chunks = [chunk["t"] for _, chunk in iterate(str(path), "events", ["t"], step)]
                assert [text for chunk in chunks for text in chunk.tolist()] == [*texts[:4], last]
                assert {str(chunk.type.content) for chunk in chunks} == {"string"}
    recipe = tmp_path / "r.yaml"
    pq.write_table(pa.table({"pt": rng.exponential(20, 500)}), tmp_path / "s.parquet")
    recipe.write_text(
        f"# a test\nsource: {tmp_path}/s.parquet\ntarget: {tmp_path}/s.parquet\nfeatures: [pt]\n"
        f"method: {{name: quantile}}\nmodel: {tmp_path}/m\n"
    )
    assert simmorph("train", "-c", recipe, "-q").code == 0
    inputs = [tmp_path / "b.csv", tmp_path / "c.parquet"]
    outcome = simmorph("apply", *inputs, "--model", tmp_path / "m", "-o", tmp_path / "out.root", "-q")
    assert outcome.code == 0, outcome.stderr
    with uproot.open(tmp_path / "out.root") as file:
        assert file["events"]["t"].array().tolist() == [*texts, *texts[:4], ""]


def test_hdf5_holds_columns_in_groups_and_in_records(tmp_path: Path) -> None:
    records = np.zeros(4, dtype=[("pt", ">f4"), ("n", "<i8")])
    records["pt"], records["n"] = [1, 2, 3, 4], [2**60, 2, 3, 4]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["records"], file["deep/group/x"], file["y"] = records, np.arange(3), np.arange(2)
    path = str(tmp_path / "a.h5")
    assert trees_in(path).keys() == {"records", "deep/group", "/"}
    ((_, found),) = iterate(path, "records", ["pt", "n"])
    assert (found["pt"].dtype, found["n"].tolist()) == (np.dtype(np.float32), [2**60, 2, 3, 4])
    assert next(iterate(path, "/", ["y"]))[1]["y"].tolist() == [0, 1]
    with pytest.raises(InputError, match="there is no group 'events'; say which with --tree; it has"):
        describe(path, "events")
    with pytest.raises(InputError, match="there is not one group with columns"):
        describe(path)


def test_records_of_hdf5_are_read_a_chunk_at_a_time(tmp_path: Path) -> None:
    """Only the rows and fields of a chunk are in memory; each chunk took all rows of each field."""
    n = 400_000
    records = np.zeros(n, dtype=[(name, "<f8") for name in "abcdefgh"])
    records["a"], records["h"] = np.arange(n), -np.arange(n)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("records", data=records, chunks=(10_000,))
    del records
    sums = np.zeros(2)
    tracemalloc.start()
    for start, chunk in iterate(str(tmp_path / "a.h5"), "records", ["h", "a"], 10_000):
        assert (chunk["a"][0], len(chunk["a"])) == (start, 10_000)
        sums += [chunk["a"].sum(), chunk["h"].sum()]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sums.tolist() == [n * (n - 1) / 2, -n * (n - 1) / 2]
    assert peak < 8 * n / 4, "a quarter of one field"


def test_hdf5_holds_lists_and_texts_and_what_is_neither_is_refused(tmp_path: Path) -> None:
    inner = np.dtype([("x", "<f4"), ("y", "<f4")])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        lists = file.create_dataset("g/lists", (3,), h5py.vlen_dtype(np.float32))
        lists[0], lists[2] = [1.5, 2.5], [3.5]
        file["g/names"], file["g/fixed"] = ["a", "", "\N{MICRO SIGN}"], np.array([b"ab", b"", b"c"])
        file["g/half"], file["g/long"] = np.array([0.5, 1, 2], np.float16), np.array([1, 2, 3], np.longdouble)
        file["g/pairs"], file["g/complex"] = np.zeros(3, [("p", inner)])["p"].view(inner), np.zeros(3, complex)
        file["g/opaque"] = np.zeros(3, "V4")
        file["e/names"] = np.array([], "S3")
    path = str(tmp_path / "a.h5")
    ((_, found),) = iterate(path, "g", ["lists", "names", "fixed", "half", "long"])
    assert (found["lists"].tolist(), str(found["lists"].type)) == ([[1.5, 2.5], [], [3.5]], "3 * var * float32")
    assert (found["names"].tolist(), found["fixed"].tolist()) == (
        ["a", "", "\N{MICRO SIGN}"],
        ["ab", "", "c"],
    )
    assert [found[name].dtype for name in ("half", "long")] == [np.float32, np.float64]
    for name in ("complex", "opaque"):
        with pytest.raises(InputError, match=f"column '{name}': is of type .*, not numbers or texts"):
            list(iterate(path, "g", [name]))
    with open_tree(path, "g") as table:
        assert set(table.writable().left_out) == {"complex", "opaque"}
    ((_, nothing),) = iterate(path, "e", ["names"])
    assert str(nothing["names"].type) == "0 * string"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"nothing of the kind", "cannot be read"),
        ("a.h5", b"nothing of the kind", "cannot be read"),
        ("a.csv", b"", "cannot be read"),
        ("a.csv", b"x,y\n1,2\n3\n", "cannot be read"),
        ("a.csv", b"x,x\n1,2\n", "two columns are called 'x'"),
        ("a.csv", b"y\n1\n", "the table lacks 'x'; it has 'y'"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        SampleReader([str(tmp_path / name)], "events", ["x"]).read()
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("suffix", "module"), [("parquet", "pyarrow"), ("csv", "pyarrow"), ("hdf5", "h5py")])
def test_what_a_plain_installation_lacks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, module: str
) -> None:
    path = write(tmp_path / f"a.{suffix}")
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with (
        pytest.raises(InputError, match=rf"without {module}; pip install 'simmorph\[{suffix}\]'"),
        open_tree(path, "x"),
    ):
        pass


def test_every_format_trains_the_same_model_and_gives_the_same_events(
    tmp_path: Path, simmorph: Callable[..., Any]
) -> None:
    """Written from the same numbers; the morphed branches are those of ROOT, to the bit."""
    source = {"pt": rng.exponential(20, 500), "weight": np.ones(500), "n": np.arange(500) + 2**60}
    target = {"pt": rng.exponential(25, 500), "weight": np.ones(500), "n": np.arange(500)}
    found = {}
    for suffix in ("root", "parquet", "csv", "h5"):
        names = []
        for sample, columns in (("source", source), ("target", target)):
            path = tmp_path / f"{sample}.{suffix}"
            if suffix == "root":
                with create_ntuple(path, "events") as ntuple:
                    ntuple.extend(columns)
            else:
                write(path, columns)
            names.append(path)
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(
            f"# a test\nsource: {names[0]}\ntarget: {names[1]}\nfeatures: [pt]\nweight: weight\n"
            f"method: {{name: quantile}}\nmodel: {tmp_path}/model-{suffix}\n"
        )
        assert simmorph("train", "-c", recipe, "-q").code == 0
        out = tmp_path / f"out-{suffix}.root"
        outcome = simmorph("apply", names[0], "--model", tmp_path / f"model-{suffix}", "-o", out, "-q")
        assert outcome.code == 0, outcome.stderr
        ((_, found[suffix]),) = iterate(str(out), "events", ["pt", "n", "pt_morphed", "weight_morphed"])
    for suffix in ("parquet", "csv", "h5"):
        for name, expected in found["root"].items():
            np.testing.assert_array_equal(found[suffix][name], expected)
            assert found[suffix][name].dtype == expected.dtype


def test_files_of_several_formats_are_one_sample_and_an_empty_one_has_its_types(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"a.{suffix}") for suffix in ("parquet", "csv", "h5")]
    empty = write(tmp_path / "none.parquet", {name: column[:0] for name, column in COLUMNS.items()})
    table = SampleReader([*paths, empty], "events", ["pt", "charge"], "pt").read()
    np.testing.assert_array_equal(table.weights, np.tile(COLUMNS["pt"], 3))
    assert table.files == {**dict.fromkeys(paths, N_EVENTS), empty: 0}
    ((start, nothing),) = iterate(empty, "events", ["charge", "tight"])
    assert (start, nothing["charge"].dtype, nothing["tight"].dtype) == (0, np.int8, np.bool_)


def test_parquet_is_selected_and_evaluated(tmp_path: Path, simmorph: Callable[..., Any]) -> None:
    """Lists of photons in Parquet become rows, these a model, and the report compares them."""
    counts = rng.integers(0, 4, 600)
    for sample, scale in (("source", 20.0), ("target", 25.0)):
        lists = np.split(30 + rng.exponential(scale, counts.sum()), np.cumsum(counts)[:-1])
        table = pa.table({"g_pt": pa.array(lists, pa.list_(pa.float32())), "run": np.full(600, 7)})
        pq.write_table(table, tmp_path / f"{sample}-lists.parquet")
        selection = tmp_path / "s.yaml"
        selection.write_text(
            "# photons\ntree: any\nunits: {energy: GeV}\nrun: run\nrows: g\n"
            "objects: {g: {branches: {pt: g_pt}, energies: [pt]}}\nvariables: {pt: g_pt}\n"
        )
        out = tmp_path / f"{sample}.root"
        outcome = simmorph("select", tmp_path / f"{sample}-lists.parquet", "--selection", selection, "-o", out)
        assert outcome.code == 0, outcome.stderr
        ((_, found),) = iterate(str(out), "events", ["pt", "run", "weight"])
        np.testing.assert_array_equal(found["pt"], np.concatenate(lists).astype(np.float32))
        pq.write_table(pa.table(found), tmp_path / f"{sample}.parquet")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"# a test\nsource: {tmp_path}/source.parquet\ntarget: {tmp_path}/target.parquet\n"
        f"features: [pt]\nmethod: {{name: quantile}}\nmodel: {tmp_path}/model\n"
        f"template: {tmp_path}/out.root\nevaluate: {{report: {tmp_path}/report, judges: [trees]}}\n"
    )
    outcome = simmorph("run", "-c", recipe, "-q")
    assert outcome.code == 0, outcome.stderr
    assert (tmp_path / "report" / "report.json").exists()


def test_inspect_shows_what_is_in_a_file(tmp_path: Path, simmorph: Callable[..., Any]) -> None:
    for suffix in ("parquet", "csv", "hdf5"):
        outcome = simmorph("inspect", write(tmp_path / f"a.{suffix}"), "--json")
        assert outcome.code == 0, outcome.stderr
        (tree,) = json.loads(outcome.stdout)["trees"]
        assert (tree["entries"], set(tree["branches"])) == (N_EVENTS, set(COLUMNS))
    text = simmorph("inspect", tmp_path / "a.parquet").stdout
    assert "1,000 entries" in text
    assert "charge  int8" in text
