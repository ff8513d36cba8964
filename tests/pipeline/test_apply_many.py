"""Many files in one run of apply: each is looked at once, and a bad one stops nothing but itself."""

from __future__ import annotations

import collections
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from simmorph.config.recipe import load_recipe
from simmorph.data.ntuples.contents import describe
from simmorph.data.ntuples.reading import iterate
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.pipeline.replicas import train_replicas
from simmorph.pipeline.train import train_model
from tests.pipeline.applying import apply_model
from tests.pipeline.conftest import _columns
from tests.pipeline.test_apply import SELECTION, _original
from tests.pipeline.test_apply_copies import _flip_a_bit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TABLE = "samples: {mc: {files: 'original*.root', cross_section: 2 pb}}\nluminosity: 3 /pb\n"
SUMMED = TABLE + "sum_of_weights: {sum: mcWeight}\n"


@pytest.fixture
def trained(write_recipe: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder with source.root, target.root and a quantile map in model/."""
    train_model(load_recipe(write_recipe()))
    return tmp_path


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> collections.Counter[str]:
    """How often each ROOT file was opened, by its path."""
    counts: collections.Counter[str] = collections.Counter()
    real = uproot.open

    def counting(path: Any, *others: Any, **options: Any) -> Any:
        counts[str(next(iter(path)) if isinstance(path, dict) else path)] += 1
        return real(path, *others, **options)

    monkeypatch.setattr(uproot, "open", counting)
    return counts


def read(path: Path, tree: str = "events", names: Iterable[str] | None = None) -> dict[str, Any]:
    _, columns = next(iterate(str(path), tree, list(names or describe(str(path), tree).branches)))
    return columns


def damaged(path: Path) -> Path:
    """A file of the source's branches, of which one is found to be damaged only when it is read."""
    columns = _columns(n_events=300) | {"met": np.random.default_rng(1).integers(0, 20, 300)}
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        file.mktree("events", {name: it.dtype for name, it in columns.items()}).extend(columns)
    _flip_a_bit(str(path), "met")
    return path


@pytest.mark.parametrize("replicas", [False, True])
def test_a_bad_file_among_those_with_an_output_each_is_left_out_alone(
    trained: Path, simmorph: Callable[..., Any], replicas: bool
) -> None:
    """One is cut short, one has a damaged basket; those behind them are written as they would be alone."""
    (trained / "cut.root").write_bytes((trained / "source.root").read_bytes()[:-5000])
    bad = [trained / "cut.root", damaged(trained / "damaged.root")]
    inputs = [bad[0], trained / "source.root", bad[1], trained / "target.root"]
    more = ["--replicas"] if replicas else []
    if replicas:
        train_replicas(load_recipe(trained / "recipe.yaml"), 2)
    command = ["apply", *inputs, "--model", trained / "model", "--each", "--json", *more]
    assert simmorph(*command, "-o", trained / "stopped").code == 4
    outcome = simmorph(*command, "-o", trained / "out", "--on-bad-file", "skip")
    assert outcome.code == 0, outcome.stderr
    found = json.loads(outcome.stdout)
    assert set(found["skipped"]) == {str(path) for path in bad}
    assert all(f"no file for {path}, which was skipped" in outcome.stderr for path in bad)
    assert [Path(file["output"]).name for file in found["files"]] == ["source.root", "target.root"]
    assert [file["skipped"] for file in found["files"]] == [{}, {}]
    beside = [f"{name}.replica0{i}.root" for i in (1, 2) for name in ("source", "target")] if replicas else []
    assert [Path(path).name for path in found.get("replicas", [])] == beside
    assert {path.name for path in (trained / "out").glob("*.root")} == {"source.root", "target.root", *beside}
    apply_model([str(trained / "target.root")], trained / "model", trained / "alone.root")
    alone, among = read(trained / "alone.root"), read(trained / "out" / "target.root")
    for name, values in alone.items():
        np.testing.assert_array_equal(among[name], values)


def test_a_file_that_is_left_out_counts_nothing(tmp_path: Path, write_recipe: Callable[..., Path]) -> None:
    """Its last weight is bad, which is found once all before it is morphed."""
    train_model(load_recipe(write_recipe(preprocessing="{pt1: {bounds: [26, 90]}}")))
    good, bad = _columns(n_events=300), _columns(n_events=300)
    bad["weight"][-1] = np.nan
    for name, columns in {"good": good, "bad": bad}.items():
        with create_ntuple(tmp_path / f"{name}.root", "events") as ntuple:
            ntuple.extend(columns)
    inputs = [str(tmp_path / f"{name}.root") for name in ("bad", "good")]
    result = apply_model(inputs, tmp_path / "model", tmp_path / "out.root", step=100, on_bad_file="skip")
    assert list(result.skipped) == inputs[:1]
    assert (result.n_events, result.n_morphed) == (300, 300)
    assert result.outside_bounds == {"pt1": np.count_nonzero((good["pt1"] < 26) | (good["pt1"] > 90))}


def test_nothing_but_bad_files_is_a_failure(trained: Path, simmorph: Callable[..., Any]) -> None:
    cut = trained / "cut.root"
    cut.write_bytes((trained / "source.root").read_bytes()[:-5000])
    command = ["apply", cut, "--model", trained / "model", "--each", "-o", trained / "out", "--on-bad-file", "skip"]
    outcome = simmorph(*command)
    assert outcome.code == 4
    assert "none of 1 files can be used" in outcome.stderr


def test_a_file_says_of_its_own_inputs_alone_what_was_skipped(trained: Path, simmorph: Callable[..., Any]) -> None:
    _original(trained, _columns)
    (trained / "selection.yaml").write_text(SELECTION + TABLE.replace("cross", "sum_of_weights: 1, cross"))
    (trained / "other.root").write_bytes((trained / "original.root").read_bytes())
    options = ["--selection", trained / "selection.yaml", "--each", "--on-bad-file", "skip", "--json"]
    inputs = [trained / "original.root", trained / "other.root"]
    outcome = simmorph("apply", *inputs, "--model", trained / "model", "-o", trained / "out", *options)
    assert outcome.code == 0, outcome.stderr
    found = json.loads(outcome.stdout)
    assert list(found["skipped"]) == [str(trained / "other.root")]
    assert [file["skipped"] for file in found["files"]] == [{}]


@pytest.mark.parametrize("n_files", [2, 5])
def test_files_are_opened_as_often_however_many_there_are(
    trained: Path, simmorph: Callable[..., Any], opened: collections.Counter[str], n_files: int
) -> None:
    """The sums of weights over all files were read anew for each output and each replica."""
    _original(trained, _columns)
    (trained / "selection.yaml").write_text(SELECTION + SUMMED)
    train_replicas(load_recipe(trained / "recipe.yaml"), 2)
    inputs = [trained / f"original{i}.root" for i in range(n_files)]
    for path in inputs:
        path.write_bytes((trained / "original.root").read_bytes())
    opened.clear()
    command = ["apply", *inputs, "--selection", trained / "selection.yaml", "--model", trained / "model"]
    assert simmorph(*command, "--each", "--replicas", "-o", trained / "out").code == 0
    of_inputs = {opened[str(path)] for path in inputs}
    assert of_inputs == {6}, "metadata, sum, first look, and the events for the model and each replica"


def test_a_flat_file_is_opened_three_times(trained: Path, opened: collections.Counter[str]) -> None:
    (trained / "new.root").write_bytes((trained / "source.root").read_bytes())
    apply_model([str(trained / "new.root")], trained / "model", trained / "out.root")
    assert opened[str(trained / "new.root")] == 3, "what is in it, first look, events"


def test_friends_are_looked_at_once(trained: Path, opened: collections.Counter[str]) -> None:
    inputs = []
    for i in range(4):
        path = trained / f"mc{i}.root"
        with uproot.recreate(path) as file:
            columns = _columns(seed=i, n_events=50)
            columns.pop("pt1")
            file.mktree("events", {name: it.dtype for name, it in columns.items()}).extend(columns)
        friend = trained / "friends" / path.name
        friend.parent.mkdir(exist_ok=True)
        with uproot.recreate(friend) as file:
            file.mktree("events", {"pt1": np.float32}).extend({"pt1": _columns(seed=i, n_events=50)["pt1"]})
            record = {"n_entries": 50, "uuid": str(uproot.open(path).file.uuid)}
            file["simmorph_metadata"] = json.dumps({"inputs": [record]})
        inputs.append(f"{path}++{friend.parent}/*.root")
    opened.clear()
    apply_model(inputs, trained / "model", trained / "out.root")
    assert max(opened.values()) <= 5
    np.testing.assert_array_equal(
        read(trained / "out.root")["pt1"], np.concatenate([_columns(seed=i, n_events=50)["pt1"] for i in range(4)])
    )


@pytest.mark.parametrize("suffix", ["parquet", "csv", "h5"])
def test_the_output_of_another_format_is_a_root_file_by_its_name(
    trained: Path, simmorph: Callable[..., Any], suffix: str
) -> None:
    columns = _columns(seed=3, n_events=200)
    path = trained / f"in.{suffix}"
    if suffix == "h5":
        with h5py.File(path, "w") as file:
            for name, values in columns.items():
                file[f"events/{name}"] = values
    elif suffix == "parquet":
        pq.write_table(pa.table(columns), path)
    else:
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        path.write_text("\n".join(",".join(map(str, row)) for row in [list(columns), *rows]) + "\n")
    command = ["apply", path, "--model", trained / "model"]
    assert simmorph(*command, "--each", "-o", trained / "out").code == 0
    assert {it.name for it in (trained / "out").iterdir()} == {"in.root", "in.root.provenance.json"}
    np.testing.assert_array_equal(read(trained / "out" / "in.root")["event"], columns["event"])
    outcome = simmorph(*command, "-o", trained / f"out.{suffix}")
    assert outcome.code == 2
    assert f"out.{suffix}: would be a ROOT file, whatever its name; let the name end in .root" in outcome.stderr
    assert not (trained / f"out.{suffix}").exists()


def test_a_full_copy_of_originals_drops_branches_on_request(trained: Path, simmorph: Callable[..., Any]) -> None:
    _original(trained, _columns)
    with uproot.open(trained / "original.root") as file:
        columns = {
            name: file["mini"][name].array() for name in ("photon_pt", "photon_isolation", "photon_phi", "mcWeight")
        }
    with uproot.recreate(trained / "more.root") as file:
        types = {name: it.type.content for name, it in columns.items()}
        file.mktree("mini", {**types, "extra": np.int32}).extend({**columns, "extra": np.arange(900, dtype=np.int32)})
    command = ["apply", trained / "original.root", trained / "more.root", "--model", trained / "model"]
    command += ["--selection", trained / "selection.yaml", "--full-copy"]
    for how in ("fill", "drop"):
        out = trained / f"{how}.root"
        outcome = simmorph(*command, "--missing-branches", how, "-o", out)
        assert outcome.code == 0, outcome.stderr
        assert ("extra" in describe(str(out), "mini").branches) == (how == "fill")
    assert simmorph(*command[:-1], "--missing-branches", "drop", "-o", trained / "friend.root").code == 2


def test_every_step_says_that_an_input_was_changed_and_goes_on(trained: Path, simmorph: Callable[..., Any]) -> None:
    """The file was written again by another program, as by a user who edits it."""
    source, recipe = trained / "source.root", trained / "recipe.yaml"
    columns = read(source)
    with uproot.recreate(source) as file:
        file.mktree("events", {name: it.dtype for name, it in columns.items()}).extend(columns)
    says = f"{source} has another content than source.root.provenance.json says: it is damaged, or was changed"
    outcome = simmorph("train", "-c", recipe, "-o", trained / "new", "--json")
    assert (outcome.code, f"warning: {says}" in outcome.stderr) == (0, True)
    assert says in json.loads(outcome.stdout)["warnings"]
    outcome = simmorph("apply", source, "--model", trained / "new", "-o", trained / "out.root", "--json")
    assert (outcome.code, f"warning: {says}" in outcome.stderr) == (0, True)
    assert json.loads(outcome.stdout)["changed"] == [says]
    options = ["--template", trained / "out.root", "-o", trained / "report", "--set", "evaluate.judges=[trees]"]
    outcome = simmorph("evaluate", "-c", recipe, "--set", f"model={trained}/new", *options, "--json")
    assert (outcome.code, f"warning: {says}" in outcome.stderr) == (0, True), outcome.stderr
    assert says in json.loads((trained / "report" / "report.json").read_text())["warnings"]
