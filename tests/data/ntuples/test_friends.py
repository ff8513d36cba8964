"""A tree beside that of another file is read with it, and only if it is the friend of that file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest

from simmorph.config.recipe import load_recipe
from simmorph.data.ntuples.contents import describe
from simmorph.data.ntuples.files import checksum_of, expand_inputs
from simmorph.data.ntuples.reading import iterate
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.units import read_units
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write(path: Path, tree: str = "events", metadata: Any = None, **columns: Any) -> str:
    with create_ntuple(path, tree, metadata=metadata) as ntuple:
        ntuple.extend(columns)
    return str(path)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two files and, in the folder `out`, a friend of both; of the second alone; and one that says nothing."""
    (tmp_path / "out").mkdir()
    records = []
    for name, start, n in (("a", 0, 30), ("b", 100, 50)):
        path = write(tmp_path / f"{name}.root", x=np.arange(start, start + n), y=np.zeros(n))
        records.append({"path": path, "n_entries": n, "uuid": describe(path).uuid})
    x = np.concatenate([np.arange(30), np.arange(100, 150)])
    lists = ak.unflatten(np.repeat(x, 2), np.full(80, 2))
    said = {"inputs": records, "units": {"z": "GeV"}}
    write(tmp_path / "out" / "both.root", "morphed", said, z=x + 0.5, y=np.ones(80), jets=lists)
    write(tmp_path / "out" / "b.root", "morphed", {"inputs": records[1:]}, z=x[30:] + 0.25)
    write(tmp_path / "plain.root", "t", w=np.arange(30) ** 2)
    return tmp_path


@pytest.mark.parametrize("step", [7, 1000])
def test_each_file_has_its_own_entries_of_a_friend_of_several(files: Path, step: int) -> None:
    for name, start, n in (("a", 0, 30), ("b", 100, 50)):
        path = f"{files}/{name}.root++{files}/out/both.root:morphed"
        chunks = [chunk for _, chunk in iterate(path, "events", ["x", "z", "y", "jets"], step)]
        x = np.concatenate([chunk["x"] for chunk in chunks])
        np.testing.assert_array_equal(x, np.arange(start, start + n))
        np.testing.assert_array_equal(np.concatenate([chunk["z"] for chunk in chunks]), x + 0.5)
        assert ak.concatenate([chunk["jets"] for chunk in chunks]).tolist() == [[it, it] for it in x]
        assert not np.concatenate([chunk["y"] for chunk in chunks]).any()
        (alone,) = [chunk for _, chunk in iterate(path, "events", ["z"])]
        np.testing.assert_array_equal(alone["z"], x + 0.5)


def test_friends_of_their_own_are_found_by_what_they_were_made_of(files: Path) -> None:
    path = f"{files}/b.root++{files}/out/b*.root"
    assert next(iterate(path, "events", ["z"]))[1]["z"][0] == 100.25
    assert list(describe(path, "events").branches) == ["x", "y", "z"]
    two = f"{files}/a.root++{files}/out/both.root++{files}/plain.root:t"
    columns = next(iterate(two, "events", ["x", "z", "w"]))[1]
    np.testing.assert_array_equal(columns["w"], columns["x"] ** 2)
    assert read_units(two) == {"z": "GeV"}


def test_a_glob_has_friends_file_by_file_and_their_content_counts(files: Path) -> None:
    given = f"{files}/[ab].root++{files}/out/both.root"
    paths = expand_inputs([given])
    assert paths == [f"{files}/{name}.root++{files}/out/both.root" for name in "ab"]
    before = checksum_of(paths[0])
    assert len({before, checksum_of(paths[1]), checksum_of(f"{files}/a.root")}) == 3
    (files / "out" / "both.root").write_bytes(b"another")
    assert checksum_of(paths[0]) != before


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a.root++out/b.root", "out/b.root: was not made of .*a.root; give the friend that `simmorph apply` wrote"),
        ("b.root++plain.root:t", "plain.root: has 30 entries, and 50 stand beside it in .*b.root"),
        ("a.root++plain.root:morphed", "there is no tree 'morphed'"),
        ("a.root++nothing.root", "nothing.root: no file there"),
    ],
)
def test_a_friend_of_another_file_is_refused(
    files: Path, monkeypatch: pytest.MonkeyPatch, path: str, message: str
) -> None:
    monkeypatch.chdir(files)
    with pytest.raises(InputError, match=message):
        list(iterate(path, "events", ["x"]))


def test_a_file_that_was_written_anew_is_no_longer_that_of_its_friend(files: Path) -> None:
    (files / "b.root").unlink()
    write(files / "b.root", x=np.arange(50), y=np.zeros(50))
    with pytest.raises(InputError, match=r"b\.root: was not made of"):
        list(iterate(f"{files}/b.root++{files}/out/b.root", "events", ["z"]))


def test_the_chain_reads_what_apply_wrote_beside_its_input(tmp_path: Path, simmorph: Callable[..., Any]) -> None:
    """Trained and applied with a friend, and the same limit from the friend as from a full copy."""
    rng = np.random.default_rng(1)
    for name, scale in (("mc", 20.0), ("data", 25.0)):
        write(tmp_path / f"{name}.root", pt=30 + rng.exponential(scale, 800), one=np.ones(800))
        record = {"path": "", "n_entries": 800, "uuid": describe(str(tmp_path / f"{name}.root")).uuid}
        write(tmp_path / f"{name}-w.root", "t", {"inputs": [record]}, weight=rng.uniform(0.5, 1.5, 800))
    (tmp_path / "recipe.yaml").write_text(
        f"# a test\nsource: {{files: {tmp_path}/mc.root, friends: '{tmp_path}/mc-w.root:t'}}\n"
        f"target: {tmp_path}/data.root++{tmp_path}/data-w.root:t\nfeatures: [pt]\nweight: weight\n"
        f"method: {{name: quantile}}\nmodel: {tmp_path}/model\n"
    )
    recipe = load_recipe(tmp_path / "recipe.yaml")
    source = f"{tmp_path}/mc.root++{tmp_path}/mc-w.root:t"
    assert recipe.source == [source]
    assert simmorph("train", "-c", tmp_path / "recipe.yaml", "-q").code == 0
    for name, more in (("copy", []), ("friend", ["--friend"])):
        outcome = simmorph("apply", source, "--model", tmp_path / "model", "-o", tmp_path / f"{name}.root", "-q", *more)
        assert outcome.code == 0, outcome.stderr
    found = {}
    for name, files in (
        ("copy", tmp_path / "copy.root"),
        ("friend", f"{{files: {tmp_path}/mc.root, friends: {tmp_path}/friend.root}}"),
    ):
        limits = tmp_path / f"{name}.yaml"
        limits.write_text(
            f"# a test\nlimits:\n  observable: pt\n  binning: {{range: [30, 150], bins: 6}}\n"
            f"  signal: {{input: {tmp_path}/data.root, observable: pt / 10 + 70}}\n"
            f"  background: {{input: {files}, morphed: true}}\n"
        )
        outcome = simmorph("limits", "-c", limits, "--json", "-q")
        assert outcome.code == 0, outcome.stderr
        found[name] = json.loads(outcome.stdout)["expected"]
    assert found["friend"] == found["copy"]
