"""Each basket is decompressed once, whatever the chunks, and the values are those of uproot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest
import uproot

from simmorph.data.ntuples import baskets
from simmorph.data.ntuples.contents import describe
from simmorph.data.ntuples.reading import iterate
from simmorph.data.ntuples.types import type_of
from simmorph.data.ntuples.writer import METADATA
from simmorph.data.samples import SampleReader

if TYPE_CHECKING:
    from pathlib import Path

N_ENTRIES = 1000


@pytest.fixture(params=[[1000], [700, 300], [1] * 20 + [80] * 12 + [20], [137] * 7 + [41]])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A number and a list of each entry, in baskets of these sizes."""
    numbers = np.arange(N_ENTRIES)
    lists = ak.unflatten(np.arange(2 * N_ENTRIES) * 0.5, np.tile([0, 1, 3, 4], N_ENTRIES // 4))
    path = tmp_path / "in.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("events", {"x": numbers.dtype, "y": lists.type.content})
        start = 0
        for size in request.param:
            tree.extend({"x": numbers[start : start + size], "y": lists[start : start + size]})
            start += size
    return str(path)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each basket that is read and decompressed from now on."""
    basket, found = uproot.models.TBasket.Model_TBasket, []
    read_members = basket.read_members

    def counting(self: Any, *rest: Any) -> Any:
        found.append(1)
        return read_members(self, *rest)

    monkeypatch.setattr(basket, "read_members", counting)
    return found


@pytest.mark.parametrize("step", [61, 333, 1000])
@pytest.mark.parametrize("kept", [0, 3000, baskets.KEPT_BYTES])
def test_chunks_of_any_size_give_all_entries(path: str, step: int, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baskets, "KEPT_BYTES", kept)
    with uproot.open(path) as file:
        expected = file["events"].arrays(["x", "y"])
    chunks = list(iterate(path, "events", ["x", "y"], step))
    assert [start for start, _ in chunks] == list(range(0, N_ENTRIES, step))
    assert {len(columns["x"]) for _, columns in chunks[:-1]} <= {step}
    assert np.concatenate([columns["x"] for _, columns in chunks]).tolist() == expected["x"].tolist()
    assert ak.concatenate([columns["y"] for _, columns in chunks]).tolist() == expected["y"].tolist()


def test_a_basket_is_decompressed_once(path: str, read: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    with uproot.open(path) as file:
        n_baskets = sum(file["events"][name].num_baskets for name in ("x", "y"))
    list(iterate(path, "events", ["x", "y"], 61))
    assert len(read) == n_baskets
    monkeypatch.setattr(baskets, "KEPT_BYTES", 0)
    list(iterate(path, "events", ["x", "y"], 61))
    assert len(read) > 2 * n_baskets


@pytest.mark.parametrize("step", [61, 333])
def test_a_basket_of_a_friend_is_decompressed_once(path: str, step: int, read: list[int], tmp_path: Path) -> None:
    """The friend stands beside the last entries of a tree that is twice as long, and says so."""
    with uproot.recreate(tmp_path / "own.root") as file:
        file.mktree("own", {"z": "int64"}).extend({"z": np.arange(300)})
    uuid = describe(str(tmp_path / "own.root")).uuid
    said = {"inputs": [{"n_entries": N_ENTRIES - 300, "uuid": "another"}, {"n_entries": 300, "uuid": uuid}]}
    with uproot.update(path) as file:
        file[METADATA] = json.dumps(said)
    n_needed = 0
    with uproot.open(path) as file:
        for name in ("x", "y"):
            n_needed += sum(stop > N_ENTRIES - 300 for stop in file["events"][name].entry_offsets[1:])
    read.clear()
    chunks = [it for _, it in iterate(f"{tmp_path}/own.root++{path}:events", "own", ["x", "z", "y"], step)]
    assert len(read) == n_needed + 1
    assert np.concatenate([it["x"] - it["z"] for it in chunks]).tolist() == [N_ENTRIES - 300] * 300
    assert list(chunks[0]) == ["x", "z", "y"]


def test_the_first_entries_alone_are_read_where_no_more_are_wanted(path: str, read: list[int]) -> None:
    with uproot.open(path) as file:
        n_needed = sum(start < 100 for start in file["events"]["x"].entry_offsets[:-1])
    (table,) = SampleReader([path], "events", ["x"]).chunks(first=100)
    assert (len(table), len(read)) == (100, n_needed)


def test_every_kind_of_branch_keeps_its_type_over_baskets(tmp_path: Path) -> None:
    """Arrays of fixed size, texts, conditions and lists, in baskets of 300 and chunks of 100 and 700."""
    columns = {
        "pair": np.arange(1800.0).reshape(900, 2),
        "word": ak.Array([f"no{at}" for at in range(900)]),
        "good": np.arange(900) % 3 == 0,
        "lists": ak.values_astype(ak.unflatten(np.arange(1800), np.full(900, 2)), np.int16),
    }
    path = tmp_path / "in.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("events", {name: ak.Array(it).type.content for name, it in columns.items()})
        for start in (0, 300, 600):
            tree.extend({name: it[start : start + 300] for name, it in columns.items()})
    for step in (100, 700):
        for start, found in iterate(str(path), "events", list(columns), step):
            for name, column in columns.items():
                assert type_of(found[name]) == type_of(column)
                assert found[name].tolist() == column[start : start + step].tolist()


def test_a_part_of_lists_does_not_hold_the_others(tmp_path: Path) -> None:
    path = tmp_path / "in.root"
    with uproot.recreate(path) as file:
        lists = ak.unflatten(np.arange(2000.0), np.full(1000, 2))
        file.mktree("events", {"y": lists.type.content}).extend({"y": lists})
    for _, columns in iterate(str(path), "events", ["y"], 100):
        assert len(columns["y"].layout.content) == 200
