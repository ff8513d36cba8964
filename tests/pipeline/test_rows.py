"""Photons in place of events: from NanoAOD to one row for each, and back into lists of the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest

from simmorph.config.recipe import load_recipe
from simmorph.data.morphed import branch_of
from simmorph.data.ntuples.contents import describe
from simmorph.data.ntuples.reading import iterate
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.pipeline.select import select_events
from simmorph.pipeline.train import train_model
from tests.pipeline.applying import apply_model

if TYPE_CHECKING:
    from collections.abc import Callable

NANOAOD = Path(__file__).parents[1] / "data" / "files" / "nanoaod_v5_photons.root"
FEATURES = ["r9", "isolation"]
SELECTION = """# photons
tree: Events
units: {energy: GeV}
run: run
event: event
rows: photon
objects:
  photon:
    branches: {pt: Photon_pt, eta: Photon_eta, r9: Photon_r9, isolation: Photon_pfRelIso03_all}
    energies: [pt]
    cuts: [pt > 15, abs(eta) < 2.5]
    order_by: r9
variables:
  pt: photon_pt
  eta: photon_eta
  r9: photon_r9
  isolation: photon_isolation
  n_photons: count(photon_pt)
cuts: {some: n_photons >= 1, loose: r9 > 0.3}
regions: {barrel: abs(photon_eta) < 1.4442}
weight: {simulation: genWeight}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photons.yaml, the flat photons of NanoAOD, others with another shape, and a map between the two."""
    folder = tmp_path_factory.mktemp("rows")
    (folder / "photons.yaml").write_text(SELECTION)
    select_events([str(NANOAOD)], str(folder / "photons.yaml"), folder / "flat.root")
    flat = columns_in(folder / "flat.root", "events")
    changed = {**flat, "r9": flat["r9"] * 0.95, "isolation": np.where(flat["isolation"] < 0.1, 0, flat["isolation"])}
    with create_ntuple(folder / "other.root", "events") as ntuple:
        ntuple.extend(changed)
    recipe = {
        "source": folder / "flat.root",
        "target": folder / "other.root",
        "features": "[r9, isolation]",
        "context": "[pt]",
        "method": "{name: quantile}",
        "model": folder / "model",
    }
    (folder / "recipe.yaml").write_text("# photons\n" + "".join(f"{key}: {value}\n" for key, value in recipe.items()))
    train_model(load_recipe(folder / "recipe.yaml"))
    return folder


def columns_in(path: Path, tree: str) -> dict[str, Any]:
    names = [name for name in describe(str(path), tree).branches if not name.startswith("n") or name == "n_photons"]
    ((_, columns),) = iterate(str(path), tree, names)
    return columns


def by_hand() -> list[dict[str, Any]]:
    """The rows, by a loop over events and photons."""
    names = ["Photon_pt", "Photon_eta", "Photon_r9", "Photon_pfRelIso03_all", "genWeight", "run", "event"]
    ((_, columns),) = iterate(str(NANOAOD), "Events", names)
    rows = []
    for entry in range(len(columns["run"])):
        photons = zip(*(columns[name][entry].tolist() for name in names[:4]), strict=True)
        kept = [(place, *it) for place, it in enumerate(photons) if it[0] > 15 and abs(it[1]) < 2.5]
        for place, pt, eta, r9, isolation in sorted(kept, key=lambda it: -it[3]):
            if r9 > 0.3:
                values = {"pt": pt, "eta": eta, "r9": r9, "isolation": isolation, "n_photons": len(kept)}
                event = {"weight": columns["genWeight"][entry], "run": columns["run"][entry]}
                where = {"source_file": 0, "source_entry": entry, "source_object": place}
                others = {"event": columns["event"][entry], "in_barrel": abs(eta) < 1.4442}
                rows.append(values | event | where | others)
    return rows


def test_each_selected_photon_of_nanoaod_is_a_row(trained: Path) -> None:
    flat, expected = columns_in(trained / "flat.root", "events"), by_hand()
    assert len(expected) > 100
    assert set(flat) == set(expected[0])
    for name, values in flat.items():
        assert values.tolist() == [row[name] for row in expected], name


def test_the_cutflow_counts_photons_and_says_so(trained: Path, simmorph: Callable[..., Any], tmp_path: Path) -> None:
    options = ["--selection", trained / "photons.yaml", "-o", tmp_path / "out.root"]
    outcome = simmorph("select", NANOAOD, *options)
    assert outcome.code == 0
    expected = by_hand()
    header, first, *_, last = outcome.stdout.splitlines()
    assert header.split()[:2] == ["cut", "photons"]
    assert int(last.split()[1].replace(",", "")) == len(expected)
    ((_, raw),) = iterate(str(NANOAOD), "Events", ["Photon_pt", "Photon_eta"])
    n_clean = int(ak.sum((raw["Photon_pt"] > 15) & (abs(raw["Photon_eta"]) < 2.5)))
    assert first.split()[:2] == ["all", f"{n_clean:,}"]
    assert f"{len(expected)} of {n_clean} photons selected" in outcome.stderr


@pytest.mark.parametrize("step", [7, 100_000])
def test_each_photon_of_the_file_gets_what_it_gets_in_the_flat_ntuple(trained: Path, tmp_path: Path, step: int) -> None:
    """Equal to the bit, noise of point masses included; lists as long as those of the file, in its order."""
    model, new = trained / "model", [*map(branch_of, FEATURES), "weight_morphed", "morph_status"]
    apply_model([str(trained / "flat.root")], model, tmp_path / "flat.root", friend=True)
    result = apply_model(
        [str(NANOAOD)], model, tmp_path / "friend.root", selection=str(trained / "photons.yaml"), step=step
    )
    flat, friend = columns_in(tmp_path / "flat.root", "morphed"), columns_in(tmp_path / "friend.root", "morphed")
    ((_, raw),) = iterate(str(NANOAOD), "Events", ["nPhoton_pt"])
    place = columns_in(trained / "flat.root", "events")
    assert list(friend) == new
    assert np.any(place["isolation"] == 0)
    for name in new:
        lists = friend[name]
        assert ak.num(lists).tolist() == raw["nPhoton_pt"].tolist()
        assert ak.to_numpy(ak.flatten(lists)).dtype == flat[name].dtype
        places = zip(place["source_entry"], place["source_object"], strict=True)
        assert [lists[entry][at] for entry, at in places] == flat[name].tolist()
    n_photons = int(sum(raw["nPhoton_pt"]))
    unselected = ak.flatten(friend["morph_status"]) == 1
    assert int(ak.sum(unselected)) == n_photons - len(place["run"]) == result.n_not_selected
    assert np.isnan(ak.to_numpy(ak.flatten(friend["r9_morphed"])[unselected])).all()
    assert (result.n_events, result.counted) == (n_photons, "photon")
    assert f"{n_photons} photons in" in result.to_text()


def test_root_draws_morphed_photons_beside_those_of_the_file(trained: Path, tmp_path: Path) -> None:
    root = pytest.importorskip("ROOT")
    selection, out = str(trained / "photons.yaml"), tmp_path / "friend.root"
    apply_model([str(NANOAOD)], trained / "model", out, selection=selection)
    file, friend = root.TFile(str(NANOAOD)), root.TFile(str(out))
    tree = file.Get("Events")
    tree.AddFriend(friend.Get("morphed"))
    n_drawn = tree.Draw("r9_morphed:Photon_r9", "morph_status == 0", "goff")
    drawn = [[vector[i] for i in range(n_drawn)] for vector in (tree.GetV1(), tree.GetV2())]
    lists = columns_in(out, "morphed")
    ((_, raw),) = iterate(str(NANOAOD), "Events", ["Photon_r9"])
    good = ak.flatten(lists["morph_status"]) == 0
    assert drawn[0] == ak.flatten(lists["r9_morphed"])[good].tolist()
    assert drawn[1] == ak.flatten(raw["Photon_r9"])[good].tolist()


def test_the_shipped_selection_of_photons_takes_photons_of_pairs_and_others(tmp_path: Path) -> None:
    """Each photon of a selected pair is a row too, with the same numbers."""
    select_events([str(NANOAOD)], "cms-nanoaod-photons", tmp_path / "photons.root")
    select_events([str(NANOAOD)], "cms-nanoaod-diphoton", tmp_path / "pairs.root")
    photons, pairs = (columns_in(tmp_path / f"{name}.root", "events") for name in ("photons", "pairs"))
    of_photons = set(zip(photons["source_entry"], photons["pt"], photons["r9"], strict=True))
    for which in ("1", "2"):
        assert set(zip(pairs["source_entry"], pairs[f"pt{which}"], pairs[f"r9_{which}"], strict=True)) <= of_photons
    assert len(photons["run"]) > 2 * len(pairs["run"])


def test_a_full_copy_has_the_branches_of_the_file_and_the_lists_of_a_friend(
    trained: Path, tmp_path: Path, simmorph: Callable[..., Any]
) -> None:
    selection = trained / "photons.yaml"
    apply_model([str(NANOAOD)], trained / "model", tmp_path / "friend.root", selection=str(selection))
    options = ["--selection", selection, "--model", trained / "model", "-o", tmp_path / "copy.root", "--full-copy"]
    outcome = simmorph("apply", NANOAOD, *options)
    assert outcome.code == 0, outcome.stderr
    friend, copy = columns_in(tmp_path / "friend.root", "morphed"), columns_in(tmp_path / "copy.root", "Events")
    original = columns_in(NANOAOD, "Events")
    assert set(copy) == {*original, *friend}
    for name, column in {**original, **friend}.items():
        assert ak.array_equal(copy[name], column, equal_nan=True), name


def test_replicas_of_photons_are_lists_too(trained: Path, tmp_path: Path, simmorph: Callable[..., Any]) -> None:
    assert simmorph("train", "-c", trained / "recipe.yaml", "--replicas", 2, "-q").code == 0
    options = ["--selection", trained / "photons.yaml", "--model", trained / "model", "-q", "--replicas"]
    assert simmorph("apply", NANOAOD, *options, "branches", "-o", tmp_path / "all.root").code == 0
    assert simmorph("apply", NANOAOD, *options, "files", "-o", tmp_path / "one.root").code == 0
    in_branches = columns_in(tmp_path / "all.root", "morphed")
    of_file = columns_in(tmp_path / "one.replica02.root", "morphed")
    for name, lists in of_file.items():
        assert ak.array_equal(in_branches[f"{name}_r02"], lists, equal_nan=True)
    assert not ak.array_equal(in_branches["r9_morphed_r02"], in_branches["r9_morphed"], equal_nan=True)
