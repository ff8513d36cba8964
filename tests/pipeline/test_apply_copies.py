"""A copy of several files holds what each of them holds: every branch, every value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest
import uproot

from simmorph.config.recipe import load_recipe
from simmorph.data.ntuples.contents import describe
from simmorph.data.ntuples.reading import iterate
from simmorph.errors import InputError
from simmorph.pipeline.train import train_model
from tests.pipeline.applying import apply_model

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def trained(write_recipe: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder with a quantile map in model/."""
    train_model(load_recipe(write_recipe()))
    return tmp_path


@pytest.fixture
def write(tmp_path: Path, flat_columns: Callable[..., Any], write_ntuple: Callable[..., Path]) -> Callable[..., str]:
    """Write the events that the model needs, some branches changed, added, or left out where they are None."""

    def written(name: str, n_events: int = 3, **changes: Any) -> str:
        columns = {**flat_columns(n_events=n_events), **changes}
        path = write_ntuple(tmp_path / name, {key: it for key, it in columns.items() if it is not None})
        return str(path)

    return written


def _read(path: Path) -> dict[str, Any]:
    _, columns = next(iterate(str(path), "events", list(describe(str(path), "events").branches)))
    return columns


def applied(trained: Path, *inputs: str, **how: Any) -> dict[str, Any]:
    apply_model(inputs, trained / "model", trained / "out.root", **how)
    return _read(trained / "out.root")


def test_types_that_differ_between_files_lose_no_digit(trained: Path, write: Callable[..., str]) -> None:
    """Later files were cast to the types of the first: 5000000499 became 705033203, 300 became 44, 30.7 became 30."""
    first = write(
        "a.root", event=np.arange(3, dtype=np.int32), category=np.ones(3, np.int8), met=np.arange(3, dtype=np.int32)
    )
    later = write(
        "b.root",
        event=np.full(3, 5000000499),
        category=np.full(3, 300, np.int32),
        met=np.full(3, 30.7, np.float32),
    )
    for inputs, at in (((first, later), slice(3, 6)), ((later, first), slice(0, 3))):
        columns = applied(trained, *inputs, force=True)
        assert columns["event"][at].tolist() == [5000000499] * 3
        assert columns["category"][at].tolist() == [300] * 3
        assert columns["met"][at].tolist() == [float(np.float32(30.7))] * 3
        assert [columns[name].dtype for name in ("event", "category", "met")] == [np.int64, np.int32, np.float64]


def test_lists_and_conditions_are_promoted_too(trained: Path, write: Callable[..., str]) -> None:
    first = write(
        "a.root", good=np.array([True, False, True]), ids=ak.values_astype(ak.Array([[1], [], [2]]), np.int32)
    )
    later = write("b.root", good=np.array([7, 8, 9], np.int32), ids=ak.Array([[2**40], [], []]))
    columns = applied(trained, first, later)
    assert columns["good"].tolist() == [1, 0, 1, 7, 8, 9]
    assert columns["ids"].tolist() == [[1], [], [2], [2**40], [], []]


def test_an_event_number_beyond_the_signed_range_is_kept(trained: Path, write: Callable[..., str]) -> None:
    large = np.array([2**63 + 1, 2**64 - 1, 0], np.uint64)
    assert applied(trained, write("a.root", event=large))["event"].tolist() == large.tolist()


def test_types_without_a_common_one_are_refused_in_one_line(
    trained: Path, write: Callable[..., str], simmorph: Callable[..., Any]
) -> None:
    first, later = write("a.root", event=np.arange(3)), write("b.root", event=np.arange(3, dtype=np.uint64))
    outcome = simmorph("apply", first, later, "--model", trained / "model", "-o", trained / "out.root")
    assert outcome.code == 4
    (line,) = outcome.stderr.splitlines()
    for part in ("'event'", f"int64 in {first}", f"uint64 in {later}", "types that none holds exactly"):
        assert part in line
    assert not (trained / "out.root").exists()


def test_a_feature_in_two_precisions_is_morphed_in_the_better_one(trained: Path, write: Callable[..., str]) -> None:
    precise = np.array([30.123456789012, 40.123456789012, 50.123456789012])
    inputs = write("a.root"), write("b.root", pt1=precise)
    for friend in (False, True):
        result = apply_model(inputs, trained / "model", trained / "out.root", force=True, friend=friend)
        _, columns = next(iterate(result.output, result.tree, ["pt1_morphed"]))
        alone = apply_model(inputs[1:], trained / "model", trained / "alone.root", force=True, friend=friend)
        _, expected = next(iterate(alone.output, alone.tree, ["pt1_morphed"]))
        assert columns["pt1_morphed"].dtype == np.float64
        assert columns["pt1_morphed"][3:].tolist() == expected["pt1_morphed"].tolist()


def test_a_branch_that_some_files_lack_is_filled_and_named(
    trained: Path, write: Callable[..., str], simmorph: Callable[..., Any]
) -> None:
    extra = {
        "met": np.array([1.5, 2.5, 3.5], np.float32),
        "trigger": np.array([True, False, True]),
        "charge": np.array([1, -1, 1], np.int8),
        "bits": np.array([1, 2, 3], np.uint16),
        "jets": ak.values_astype(ak.Array([[1.0], [], [2.0, 3.0]]), np.float32),
        "pair": np.arange(6, dtype=np.float32).reshape(3, 2),
    }
    defaults = {"trigger": [False] * 3, "charge": [-128] * 3, "bits": [65535] * 3, "jets": [[]] * 3, "njets": [0] * 3}
    with_them, without = write("a.root", **extra), write("b.root")
    for inputs, filled in (([with_them, without], slice(3, 6)), ([without, with_them], slice(0, 3))):
        outcome = simmorph(
            "apply", *inputs, "--model", trained / "model", "-o", trained / "out.root", "--force", "--json"
        )
        columns, own = _read(trained / "out.root"), slice(0, 3) if filled.start else slice(3, 6)
        assert json.loads(outcome.stdout)["filled"] == {without: [*list(extra)[:4], "njets", *list(extra)[4:]]}
        assert (
            f"{without} lacks 'met', 'trigger', 'charge', 'bits', 'njets', 'jets', 'pair': in its rows stands NaN"
            in outcome.stderr
        )
        for name, values in extra.items():
            assert columns[name][own].tolist() == values.tolist()
        assert np.isnan(columns["met"][filled]).all()
        assert np.isnan(ak.to_numpy(columns["pair"][filled])).all()
        assert {name: columns[name][filled].tolist() for name in defaults} == defaults


def test_a_branch_that_some_files_lack_is_dropped_on_request(
    trained: Path, write: Callable[..., str], simmorph: Callable[..., Any]
) -> None:
    inputs = [write("a.root", met=np.zeros(3)), write("b.root", other=np.zeros(3))]
    outcome = simmorph(
        "apply", *inputs, "--model", trained / "model", "-o", trained / "out.root", "--missing-branches", "drop"
    )
    assert f"branch 'met' is left out: it is not in {inputs[1]}" in outcome.stderr
    assert f"branch 'other' is left out: it is not in {inputs[0]}" in outcome.stderr
    assert not {"met", "other"} & _read(trained / "out.root").keys()


def test_a_branch_that_the_model_needs_must_be_in_every_file(trained: Path, write: Callable[..., str]) -> None:
    with pytest.raises(InputError, match=r"b\.root: tree 'events' lacks 'pt1'"):
        applied(trained, write("a.root"), write("b.root", pt1=None))


def _flip_a_bit(path: str, branch: str) -> None:
    """Damage the first basket of a branch in its compressed content."""
    with uproot.open(path) as file:
        basket = file["events"][branch].basket(0)
        start = int(file["events"][branch].member("fBasketSeek")[0]) + basket.member("fKeylen") + 30
    content = bytearray(Path(path).read_bytes())
    content[start] ^= 4
    Path(path).write_bytes(content)


def test_a_damaged_branch_is_an_error_and_not_left_out(
    trained: Path, flat_columns: Callable[..., Any], simmorph: Callable[..., Any]
) -> None:
    """One flipped bit in a basket that no feature is in; the copy lacked the branch, with a warning only."""
    path = str(trained / "bad.root")
    columns = flat_columns() | {"met": np.random.default_rng(1).integers(0, 20, 2000)}
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        file.mktree("events", {name: it.dtype for name, it in columns.items()}).extend(columns)
    _flip_a_bit(path, "met")
    outcome = simmorph("apply", path, "--model", trained / "model", "-o", trained / "out.root")
    assert (outcome.code, (trained / "out.root").exists()) == (4, False)
    assert "branch 'met'" in outcome.stderr


def test_empty_trees_among_others_are_no_rows(trained: Path, write: Callable[..., str]) -> None:
    empty = write("empty.root", 0, jets=ak.values_astype(ak.Array([[]]), np.float32)[:0])
    full = write("full.root", jets=ak.values_astype(ak.Array([[1.0], [], [2.0]]), np.float32))
    for inputs in ([empty, full], [full, empty], [empty, full, empty]):
        columns = applied(trained, *inputs, force=True)
        assert columns["jets"].tolist() == [[1.0], [], [2.0]]
        assert len(columns["pt1_morphed"]) == 3


def test_an_empty_tree_with_a_branch_that_cannot_be_written(
    trained: Path, write: Callable[..., str], flat_columns: Callable[..., Any]
) -> None:
    odd = {"word": ak.Array(["one", "two"]), "nested": ak.Array([[[1.0], [2.0, 3.0]], []])}
    with uproot.recreate(trained / "odd.root") as file:
        file["events"] = {name: it[:0] for name, it in {**flat_columns(n_events=2), **odd}.items()}
    result = apply_model([str(trained / "odd.root"), write("full.root")], trained / "model", trained / "out.root")
    assert (result.n_events, set(result.left_out)) == (3, {"nested"})


def test_each_empty_tree_gets_a_file_without_rows(
    trained: Path, write: Callable[..., str], simmorph: Callable[..., Any]
) -> None:
    inputs = [write("empty.root", 0), write("full.root")]
    outcome = simmorph("apply", *inputs, "--model", trained / "model", "--each", "-o", trained / "all", "--json")
    assert outcome.code == 0, outcome.stderr
    assert [file["n_events"] for file in json.loads(outcome.stdout)["files"]] == [0, 3]
    empty = describe(str(trained / "all" / "empty.root"), "events")
    assert (empty.n_entries, empty.branches) == (0, describe(str(trained / "all" / "full.root"), "events").branches)


def with_more(path: str, run: int) -> str:
    """The same file with a tree of runs, as NanoAOD has it, and a histogram."""
    with uproot.update(path) as file:
        runs = {"run": np.array([run], np.uint32), "genEventSumw": np.array([run * 0.5])}
        file.mktree("Runs", {name: it.dtype for name, it in runs.items()}).extend(runs)
        file["h"] = np.histogram(np.arange(10.0), bins=5)
    return path


def test_other_trees_and_histograms_are_copied(trained: Path, write: Callable[..., str]) -> None:
    path = with_more(write("a.root"), 7)
    result = apply_model([path], trained / "model", trained / "out.root")
    with uproot.open(trained / "out.root") as file:
        assert file["Runs"]["genEventSumw"].array().tolist() == [3.5]
        assert file["h"].values().tolist() == [2.0] * 5
        assert file.classnames(cycle=False)["Runs"] == "TTree"
    assert result.not_copied == {}


def test_other_trees_of_several_files_follow_one_another(trained: Path, write: Callable[..., str]) -> None:
    inputs = [with_more(write("a.root"), 7), with_more(write("b.root"), 8), write("c.root")]
    result = apply_model(inputs, trained / "model", trained / "out.root")
    with uproot.open(trained / "out.root") as file:
        assert file["Runs"]["run"].array().tolist() == [7, 8]
    assert set(result.not_copied) == {"h"}
    assert "not copied: 'h' (a histogram" in "\n".join(result.warnings())


def test_a_friend_holds_no_other_trees(trained: Path, write: Callable[..., str]) -> None:
    apply_model([with_more(write("a.root"), 7)], trained / "model", trained / "out.root", friend=True)
    with uproot.open(trained / "out.root") as file:
        assert {name.split(";")[0] for name in file.keys()} == {"morphed", "simmorph_metadata"}  # noqa: SIM118
