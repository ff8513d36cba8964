"""Arrays of fixed size, indices, bits, structures and missing values are selected as in a loop over events."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml

from simmorph.pipeline.select import select_events

FILES = Path(__file__).parents[1] / "data" / "files"
N_ENTRIES = 12
"""Of the files that hold formulae of the entry number."""


def selected(tmp_path: Path, file: str, tree: str, **selection: Any) -> dict[str, list[Any]]:
    """What a selection writes, by uproot."""
    path, output = tmp_path / "selection.yaml", tmp_path / "out.root"
    path.write_text("# test\n" + yaml.safe_dump({"tree": tree, "units": {"energy": "GeV"}, **selection}))
    select_events([str(FILES / file)], str(path), output, force=True)
    with uproot.open(output) as made:
        return {name: column.tolist() for name, column in made["events"].arrays(library="np").items()}


def same(found: list[Any], expected: list[Any]) -> bool:
    """Whether all are equal, NaN to NaN."""
    return len(found) == len(expected) and all(
        a == b or (isinstance(b, float) and math.isnan(b) and math.isnan(a))
        for a, b in zip(found, expected, strict=True)
    )


def test_arrays_of_fixed_size_are_the_objects_of_each_event(tmp_path: Path) -> None:
    """Entry i has photons of pt 10 + i and 50 - i, and ph_id = i % 4 - 1."""
    found = selected(
        tmp_path, "shapes.root", "t",
        objects={"photon": {"branches": {"pt": "ph_pt", "at": "idx"}, "energies": ["pt"], "cuts": ["pt > 15"],
                            "order_by": "pt"}},
        variables={"x": "ph_pt[ph_id]", "n": "count(photon_pt)", "pt1": "photon_pt[0]", "pt2": "photon_pt[1]",
                   "at1": "photon_at[0]", "total": "sum(ph_pt)", "by_event": "sum(ph_pt * w)"},
    )  # fmt: skip
    events = [(10.0 + i, 50.0 - i, i % 2, 1 - i % 3, i % 4 - 1) for i in range(N_ENTRIES)]
    kept = [sorted([it for it in ((a, k), (b, m)) if it[0] > 15], reverse=True) for a, b, k, m, _ in events]
    places = [place for *_, place in events]
    assert same(
        found["x"], [(a, b)[k] if 0 <= k < 2 else math.nan for (a, b, *_), k in zip(events, places, strict=True)]
    )
    assert found["n"] == [len(it) for it in kept]
    assert found["pt1"] == [it[0][0] for it in kept]
    assert same(found["pt2"], [it[1][0] if len(it) > 1 else math.nan for it in kept])
    assert found["at1"] == [it[0][1] for it in kept]
    assert found["total"] == [60.0] * N_ENTRIES
    assert found["by_event"] == pytest.approx([60 * (1 + 0.1 * i) for i in range(N_ENTRIES)], rel=1e-6)


def test_members_of_structures_are_read_by_the_names_that_root_draws(tmp_path: Path) -> None:
    found = selected(
        tmp_path, "shapes.root", "t",
        variables={"pt": 'branch("ph.pt")', "id": 'branch("ph.id")', "second": 'branch("cell.t")[1]',
                   "corner": "flags[2]"},
    )  # fmt: skip
    entries = range(N_ENTRIES)
    assert found["pt"] == [20.5 + i for i in entries]
    assert found["id"] == [-i for i in entries]
    assert found["second"] == [-i for i in entries]
    assert found["corner"] == [bool(i >> 2 & 1) for i in entries]


def test_collections_that_root_split_are_objects(tmp_path: Path) -> None:
    branches = {"px": "Photon.fPx", "py": "Photon.fPy"}
    found = selected(
        tmp_path, "clones.root", "t",
        objects={"photon": {"branches": branches, "cuts": ["px > 3"]}},
        variables={"n": "count(photon_px)", "px1": "photon_px[0]", "n_all": "Photon_", "energy": 'branch("lv.fE")'},
    )  # fmt: skip
    lists = [[float(i + k) for k in range(i % 3) if i + k > 3] for i in range(8)]
    assert found["n"] == [len(it) for it in lists]
    assert same(found["px1"], [it[0] if it else math.nan for it in lists])
    assert found["n_all"] == [i % 3 for i in range(8)]
    assert found["energy"] == [50.0] * 8


def test_a_tree_as_delphes_writes_it_is_selected_as_by_a_loop(tmp_path: Path) -> None:
    """Collections `Photon.PT` counted by `Photon_size`; its weight and missing energy are lists of one."""
    rng = np.random.default_rng(3)
    events = [
        [(float(rng.uniform(10, 90)), float(rng.uniform(-3, 3)), float(rng.uniform(-3, 3))) for _ in range(i % 4)]
        for i in range(60)
    ]
    met, weights = rng.exponential(30, len(events)), rng.normal(1, 1, len(events))
    names = ("PT", "Eta", "Phi", "E")
    lists = [[(pt, eta, phi, pt * math.cosh(eta)) for pt, eta, phi in event] for event in events]
    content = {
        "Photon": [[dict(zip(names, it, strict=True)) for it in event] for event in lists],
        "MissingET": [[{"MET": it}] for it in met], "Event": [[{"Weight": it}] for it in weights],
    }  # fmt: skip
    columns = {name: ak.Array(it) for name, it in content.items()}
    with uproot.recreate(tmp_path / "delphes.root") as file:
        named: Any = {"counter_name": "{}_size".format, "field_name": "{}.{}".format}
        file.mktree("Delphes", {name: it.type.content for name, it in columns.items()}, **named).extend(columns)
    branches = {"pt": "Photon.PT", "eta": "Photon.Eta", "phi": "Photon.Phi", "E": "Photon.E"}
    found = selected(
        tmp_path, str(tmp_path / "delphes.root"), "Delphes",
        objects={"photon": {"branches": branches, "energies": ["pt", "E"], "cuts": ["abs(eta) < 2.5"],
                            "order_by": "pt"}},
        variables={"pt1": "photon_pt[0]", "m": "mass(photon[0] + photon[1])", "n": "count(photon_pt)",
                   "all": "Photon_size", "met": 'branch("MissingET.MET")[0]'},
        weight={"simulation": 'branch("Event.Weight")[0]'},
    )  # fmt: skip
    kept = [sorted([it for it in event if abs(it[1]) < 2.5], reverse=True) for event in events]
    assert found["n"] == [len(it) for it in kept]
    assert found["all"] == [len(it) for it in events]
    assert found["pt1"] == pytest.approx([it[0][0] if it else math.nan for it in kept], rel=1e-6, nan_ok=True)
    assert found["m"] == pytest.approx([mass_of(*it[:2]) if len(it) > 1 else math.nan for it in kept], nan_ok=True)
    assert found["met"] == pytest.approx(met, rel=1e-6)
    assert found["weight"] == weights.tolist()


def mass_of(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """Of two massless particles, by their transverse momenta and directions."""
    (pt1, eta1, phi1), (pt2, eta2, phi2) = one, other
    return math.sqrt(2 * pt1 * pt2 * (math.cosh(eta1 - eta2) - math.cos(phi1 - phi2)))


def test_missing_values_of_nullable_fields_are_nan_and_pass_no_cut(tmp_path: Path) -> None:
    variables = {"whole": "oi", "float": "of", "n": "count(vo)", "first": "vo[0]", "both": "a[0] + ai[1]"}
    found = selected(
        tmp_path, "shapes_rntuple.root", "t",
        variables=variables, regions={"yes": "ob", "no": "not ob", "large": "oi > 4000", "not_large": "not oi > 4000"},
    )  # fmt: skip
    there = [i % 2 == 1 for i in range(N_ENTRIES)]
    assert same(found["whole"], [i * 1000.0 if known else math.nan for i, known in enumerate(there)])
    assert same(
        found["float"], [float(np.float32(i / np.float32(3))) if known else math.nan for i, known in enumerate(there)]
    )
    assert found["n"] == [i % 3 for i in range(N_ENTRIES)]
    assert same(found["first"], [float(i) if i % 3 else math.nan for i in range(N_ENTRIES)])
    assert found["both"] == [0.0] * N_ENTRIES
    assert found["in_yes"] == [known and i % 4 == 1 for i, known in enumerate(there)]
    assert found["in_no"] == [known and i % 4 != 1 for i, known in enumerate(there)]
    assert found["in_large"] == [known and i > 4 for i, known in enumerate(there)]
    assert found["in_not_large"] == [known and i <= 4 for i, known in enumerate(there)]


def test_the_generated_particle_of_each_photon_is_that_of_a_loop(tmp_path: Path) -> None:
    """Real NanoAOD: an index of -1 is no particle, in object cuts, in lists and for single photons."""
    is_true = "GenPart_pdgId[truth] == 22 and (GenPart_statusFlags[truth] & 1) == 1"
    loose = {"pt": "Photon_pt", "truth": "Photon_genPartIdx", "bits": "Photon_vidNestedWPBitmap"}
    found = selected(
        tmp_path, "nanoaod_v5_gen.root", "Events",
        objects={"photon": {"branches": loose, "order_by": "pt"},
                 "prompt": {"branches": dict(loose), "cuts": [is_true, "(bits & 3) != 0"]}},
        variables={
            "id1": "GenPart_pdgId[Photon_genPartIdx][0]",
            "id_of_leading": "GenPart_pdgId[photon_truth[0]]",
            "mother1": "entry(GenPart_pdgId, GenPart_genPartIdxMother[Photon_genPartIdx[0]], 0)",
            "n_prompt": "count(prompt_pt)",
            "n_unmatched": "count(Photon_genPartIdx < 0)",
            "jet_pt": "max(where(Photon_jetIdx < 0, 0, Jet_pt[Photon_jetIdx]))",
            "medium": "count((Photon_vidNestedWPBitmap >> 2 & 3) == 2)",
        },
    )  # fmt: skip
    with uproot.open(FILES / "nanoaod_v5_gen.root") as file:
        events = file["Events"].arrays(library="ak").tolist()
    loops: dict[str, list[Any]] = {name: [] for name in ("id1", "id_of_leading", "mother1", "n_prompt")}
    for event in events:
        at, ids = event["Photon_genPartIdx"], event["GenPart_pdgId"]
        loops["id1"].append(ids[at[0]] if at[0] >= 0 else math.nan)
        leading = max(range(event["nPhoton"]), key=lambda k: event["Photon_pt"][k])
        loops["id_of_leading"].append(ids[at[leading]] if at[leading] >= 0 else math.nan)
        mother = event["GenPart_genPartIdxMother"][at[0]] if at[0] >= 0 else -1
        loops["mother1"].append(ids[mother] if mother >= 0 else 0)
        loops["n_prompt"].append(sum(
            k >= 0 and ids[k] == 22 and event["GenPart_statusFlags"][k] & 1 == 1 and bits & 3 != 0
            for k, bits in zip(at, event["Photon_vidNestedWPBitmap"], strict=True)
        ))  # fmt: skip
    for name, expected in loops.items():
        assert same(found[name], expected), name
    assert found["n_unmatched"] == [sum(k < 0 for k in event["Photon_genPartIdx"]) for event in events]
    assert sum(found["n_unmatched"]) > 20
    jets = [[event["Jet_pt"][k] if k >= 0 else 0.0 for k in event["Photon_jetIdx"]] for event in events]
    assert found["jet_pt"] == [max(it) for it in jets]
    wps = [[bits >> 2 & 3 for bits in event["Photon_vidNestedWPBitmap"]] for event in events]
    assert found["medium"] == [it.count(2) for it in wps]
