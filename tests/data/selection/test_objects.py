"""Objects that see each other, pairs and choices, on real events: what a loop over events gives, and nothing else."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import uproot

from simmorph.config.documents import Document
from simmorph.config.selection.files import read_selection, shipped_selections
from simmorph.config.selection.selection import Selection
from simmorph.data.selection.reading import SelectionReader
from simmorph.data.selection.selector import Selector
from simmorph.errors import ConfigError
from tests.data.selection.loop import Particle, delta_r, of_event, total

if TYPE_CHECKING:
    from collections.abc import Callable

ATLAS = Path(__file__).parents[1] / "files" / "data_A_10events.GamGam.root"
NANOAOD = Path(__file__).parents[1] / "files" / "nanoaod_v5_objects.root"
MOMENTUM = {"energies": ["pt", "mass"], "angles": ["phi"], "order_by": "pt"}
OBJECTS: dict[str, Any] = {
    kind.lower(): {
        "branches": {it: f"{kind}_{it}" for it in ("pt", "eta", "phi", "mass", *more)},
        **MOMENTUM,
    }
    for kind, more in {"Photon": (), "Electron": ("charge",), "Muon": ("charge",), "Jet": ()}.items()
}


def selector(variables: dict[str, str], **changes: Any) -> Selector:
    """A selection of NanoAOD with these variables."""
    content = {"tree": "Events", "units": {"energy": "GeV"}, "objects": OBJECTS, "variables": variables, **changes}
    return Selector.of(Selection.model_validate(content), Document("test.yaml", content))


def objects(**changes: dict[str, Any]) -> dict[str, Any]:
    """The objects of all tests, some with other keys, and further ones."""
    return {name: {**OBJECTS.get(name, {}), **changes.get(name, {})} for name in dict.fromkeys([*OBJECTS, *changes])}


def selected(chosen: Selector, step: int = 1000) -> dict[str, list[float]]:
    """Every variable of every event."""
    chunks = [it.columns for _, it in SelectionReader(chosen, "Events", step=step).chunks(str(NANOAOD))]
    return {name: np.concatenate([it[name] for it in chunks]).tolist() for name in chunks[0]}


def looped(compute: Callable[[dict[str, Any]], list[float]]) -> list[list[float]]:
    """What a function makes of one event after the other."""
    with uproot.open(NANOAOD) as file:
        rows = file["Events"].arrays(library="ak").to_list()
    return [compute(of_event(row)) for row in rows]


def same(found: dict[str, Any], expected: list[list[float]], at_least: int) -> bool:
    """Whether the variables are those of the loop, where at least so many events have each of them."""
    names = [name for name in found if name != "weight"]
    assert all(sum(math.isfinite(row[at]) for row in expected) >= at_least for at in range(len(names)))
    columns = np.array([found[name] for name in names], np.float64).T
    return bool(np.allclose(columns, np.array(expected, np.float64), rtol=2e-5, atol=2e-5, equal_nan=True))


def first(values: list[float]) -> float:
    return values[0] if values else math.nan


def test_jets_are_cleaned_of_photons_and_photons_of_electrons() -> None:
    def loop(event: dict[str, Any]) -> list[float]:
        electrons = [it for it in event["Electron"] if it.pt > 10]
        photons = [it for it in event["Photon"] if it.pt > 15 and all(delta_r(it, other) > 0.4 for other in electrons)]
        jets = [it for it in event["Jet"] if it.pt > 30 and not any(delta_r(it, other) < 0.4 for other in photons)]
        jets = [it for it in jets if it.pt > 0.5 * event["met"]]
        return [len(photons), len(jets), first([it.pt for it in jets]), sum(it.pt for it in jets)]

    chosen = selector(
        {"n_photons": "count(photon_pt)", "n_jets": "count(jet_pt)", "pt1": "jet_pt[0]", "ht": "sum(jet_pt)"},
        objects={
            "electron": {**OBJECTS["electron"], "cuts": ["pt > 10"]},
            "photon": {**OBJECTS["photon"], "cuts": ["pt > 15", "min_delta_r(electron) > 0.4"]},
            "jet": {
                **OBJECTS["jet"],
                "cuts": ["pt > 30", "not min_delta_r(photon) < 0.4", "pt > half_met"],
            },
        },
        define={"half_met": "0.5 * MET_pt"},
    )
    assert same(selected(chosen), looped(loop), 150)
    np.testing.assert_equal(selected(chosen, step=7), selected(chosen))


def test_the_best_pair_is_the_one_nearest_to_the_z() -> None:
    def loop(event: dict[str, Any]) -> list[float]:
        muons = event["Muon"]
        pairs = [
            (one, other)
            for at, one in enumerate(muons)
            for other in muons[at + 1 :]
            if one.charge + other.charge == 0 and one.pt > 5
        ]
        if not pairs:
            return [0, *[math.nan] * 6]
        best = min(pairs, key=lambda pair: abs(total(*pair).mass - 91.1876))
        z = total(*best)
        return [len(pairs), z.mass, z.pt, z.eta, z.phi, delta_r(*best), best[1].pt]

    pairs = {"pairs_of": ["muon", "muon"], "cuts": ["charge == 0", "first_pt > 5"], "order_by": "abs(mass - 91.1876)"}
    chosen = selector(
        {
            "n": "count(dimuon_mass)", "m": "dimuon_mass[0]", "pt": "dimuon_pt[0]", "eta": "dimuon_eta[0]",
            "phi": "dimuon_phi[0]", "dr": "dimuon_delta_r[0]", "pt2": "dimuon_second_pt[0]",
        },
        objects=objects(dimuon={**pairs, "order": "ascending"}),
    )  # fmt: skip
    assert same(selected(chosen), looped(loop), 20)
    units = {"m": "GeV", "pt": "GeV", "phi": "rad", "pt2": "GeV"}
    assert chosen.units() == units


def test_pairs_of_two_kinds_are_all_and_charges_add() -> None:
    def loop(event: dict[str, Any]) -> list[float]:
        pairs = [(one, other) for one in event["Electron"] for other in event["Muon"]]
        last = min((delta_r(*it) for it in pairs), default=math.nan)
        return [len(pairs), sum(one.charge + other.charge for one, other in pairs), last]

    chosen = selector(
        {"n": "count(emu_mass)", "charge": "sum(emu_charge)", "near": "min(emu_delta_r)"},
        objects=objects(emu={"pairs_of": ["electron", "muon"]}),
    )
    assert same(selected(chosen), looped(loop), 60)


def test_sums_of_momenta_and_distances_are_those_of_whole_objects() -> None:
    def loop(event: dict[str, Any]) -> list[float]:
        photons, jets = event["Photon"], event["Jet"]
        if not photons or len(jets) < 2:
            return [math.nan] * 4
        whole = total(photons[0], jets[0], jets[1])
        return [whole.mass, whole.pt, total(jets[0], jets[-1]).eta, delta_r(photons[0], jets[1])]

    chosen = selector(
        {
            "m": "mass(photon[0] + jet[0] + jet[1])",
            "pt": "pt(photon[0] + jet[0] + jet[1])",
            "eta": "where(count(photon_pt) > 0, eta(jet[0] + jet[-1]), nan)",
            "dr": "delta_r(photon[0], jet[1])",
        }
    )
    assert same(selected(chosen), looped(loop), 200)


def test_jets_of_atlas_open_data_have_momenta_from_their_energies(tmp_path: Path) -> None:
    """Ten real events in MeV, with energies in the place of masses."""
    (tmp_path / "mine.yaml").write_text("""# a photon and a jet
tree: mini
units: {energy: MeV}
objects:
  photon:
    branches: {pt: photon_pt, eta: photon_eta, phi: photon_phi, E: photon_E}
    energies: [pt, E]
    order_by: pt
  jet:
    branches: {pt: jet_pt, eta: jet_eta, phi: jet_phi, E: jet_E}
    energies: [pt, E]
    cuts: [min_delta_r(photon) > 0.4]
    order_by: pt
variables:
  m_yj: mass(photon[0] + jet[0])
  m_yy: mass(photon[0] + photon[1])
  n: count(jet_pt)
""")
    with uproot.open(ATLAS) as file:
        rows = file["mini"].arrays(filter_name=["photon_*", "jet_*"], library="ak").to_list()
    expected = [_of_atlas(row) for row in rows]
    reader = SelectionReader(Selector.of(*read_selection(str(tmp_path / "mine.yaml"))), "mini")
    ((_, chosen),) = reader.chunks(str(ATLAS))
    assert same(chosen.columns, expected, 5)
    assert chosen.columns["m_yy"][:3].tolist() == pytest.approx([170.2, 110.5, 79.6], abs=0.05)


def _of_atlas(row: dict[str, list[float]]) -> list[float]:
    kinds = {}
    for kind in ("photon", "jet"):
        lists = (row[f"{kind}_{name}"] for name in ("pt", "eta", "phi", "E"))
        found = sorted(zip(*lists, strict=True), reverse=True)
        masses = [math.sqrt(max((e / 1e3) ** 2 - (pt / 1e3 * math.cosh(eta)) ** 2, 0)) for pt, eta, _, e in found]
        kinds[kind] = [Particle(it[0] / 1e3, it[1], it[2], mass) for it, mass in zip(found, masses, strict=True)]
    photons = kinds["photon"]
    jets = [it for it in kinds["jet"] if all(delta_r(it, other) > 0.4 for other in photons)]
    m_yj = total(photons[0], jets[0]).mass if jets else math.nan
    return [m_yj, total(*photons[:2]).mass, len(jets)]


def test_all_objects_of_a_kind_have_a_sum() -> None:
    def loop(event: dict[str, Any]) -> list[float]:
        hard, photons = [it for it in event["Jet"] if it.pt > 30], event["Photon"]
        if not photons:
            return [total(*hard).pt if hard else 0, math.nan]
        return [total(*hard).pt if hard else 0, total(photons[0], *hard).mass]

    hard = "sum(jet[jet_pt > 30])"
    chosen = selector({"mht": f"pt({hard})", "m": f"mass(photon[0] + {hard})"})
    assert same(selected(chosen), looped(loop), 200)
    assert chosen.units() == {"mht": "GeV", "m": "GeV"}


def test_an_object_without_mass_takes_it_from_its_energy() -> None:
    energy = {"properties": {"E": "sqrt(mass2 + (pt * cosh(eta))**2)"}}
    massless = {"branches": {**OBJECTS["jet"]["branches"], "mass2": "Jet_mass"}, **energy}
    del massless["branches"]["mass"]
    massless["properties"] = {"E": "sqrt(mass2**2 + (pt * cosh(eta))**2)"}
    jet = {**OBJECTS["jet"], **massless, "energies": ["pt", "mass2"]}
    variables = {"m": "mass(jet[0] + jet[1])"}
    found, expected = selected(selector(variables, objects={"jet": jet})), selected(selector(variables))
    np.testing.assert_allclose(found["m"], expected["m"], rtol=1e-5)


def test_computed_properties_and_definitions_are_named_once_and_used_everywhere() -> None:
    def loop(event: dict[str, Any]) -> list[float]:
        kept = sorted((it for it in event["Photon"] if it.pt * math.cosh(it.eta) > 40), key=lambda it: abs(it.eta))
        central = [it.pt for it in kept if abs(it.eta) < 1.5]
        return [len(kept), first([it.pt * math.cosh(it.eta) for it in kept]), len(central), sum(central)]

    photon = {
        "properties": {"p": "pt * cosh(eta)"}, "cuts": ["photon_p > 40"], "order_by": "abs(eta)", "order": "ascending",
    }  # fmt: skip
    chosen = selector(
        {"n": "count(photon_p)", "p1": "photon_p[0]", "n_central": "count(central)", "sum": "sum(central)"},
        objects=objects(photon=photon),
        define={"central": "photon_pt[abs(photon_eta) < 1.5]"},
    )
    assert same(selected(chosen), looped(loop), 100)
    assert chosen.units() == {"p1": "GeV", "sum": "GeV"}


def test_the_nearest_and_the_largest_are_places_in_lists() -> None:
    def loop(event: dict[str, Any]) -> list[float]:
        photons, jets = event["Photon"], event["Jet"]
        if not photons:
            return [math.nan, math.nan]
        near = min(jets, key=lambda it: delta_r(it, photons[0]))
        return [near.pt, max(photons, key=lambda it: abs(it.eta)).pt]

    chosen = selector(
        {"pt": "near_pt[0]", "pt_far": "photon_pt[argmax(abs(photon_eta))]"},
        objects=objects(photon={"properties": {}}),
        define={"near_pt": "jet_pt[nearest(photon, jet)]"},
    )
    assert same(selected(chosen), looped(loop), 150)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"photon": {"cuts": ["min_delta_r(jet) > 1"]}}, "'jet' is defined below 'photon'; move 'jet' above it"),
        ({"photon": {"cuts": ["jet_pt[0] > 1"]}}, "uses 'jet_pt', and 'jet' is defined below"),
        ({"jet": {"cuts": ["pt > n_jets"]}}, r"in a circle: n_jets -> jet\.pt -> n_jets"),
        ({"jet": {"cuts": ["pt > photon_pt"]}}, "takes lists of jet and of photon entry by entry"),
        ({"jet": {"cuts": ["photon_pt > 20"]}}, "is a list of photon, and not one value for each jet"),
        ({"jet": {"properties": {"x": "y + 1", "y": "pt"}}}, "'y', which is not defined above it; move it up"),
        ({"jet": {"properties": {"x": "x + 1"}}}, "'x', which is not defined above it; give it another name"),
        ({"jet": {"properties": {"pt": "eta"}}}, "property 'pt' is defined twice"),
        ({"jet": {"order_by": "et"}}, "'et' is not one of its properties; did you mean 'eta'"),
        ({"zz": {"pairs_of": ["muon", "muons"]}}, "objects defined above, and 'muons' is none"),
        ({"zz": {"pairs_of": ["muon"]}}, "at least 2 items"),
        ({"zz": {"cuts": ["1 > 0"]}}, "either branches or `pairs_of`"),
        ({"jj": {"pairs_of": ["jet", "jet"], "cuts": ["charge == 0"]}}, "lacks 'charge'"),
        ({"jet": {"cuts": ["delta_r(photon[0], muon[0], jet) > 1"]}}, "delta_r is of two objects, and not of 3"),
        ({"jet": {"branches": {"pt": "Jet_pt", "mass": "Jet_mass"}, "cuts": ["nearest(muon) < 1"]}}, "'eta' of 'jet'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    def run() -> None:
        kinds = {**objects(**changes)}
        if "jet" in changes and "branches" in changes["jet"]:
            kinds["jet"]["angles"] = []
        selected(selector({"n_jets": "count(jet_pt)", "m": "count(jj_pt)" if "jj" in changes else "0"}, objects=kinds))

    with pytest.raises(Exception, match=message):
        run()


def test_the_documented_examples_run_on_real_events(tmp_path: Path) -> None:
    text = (shipped_selections()["diphoton-demo"].parent / "README.md").read_text()
    alternatives, example = text.split("```yaml\n")[2:4]
    header = "tree: Events\nunits: {energy: GeV}\n"
    (tmp_path / "pairs.yaml").write_text(header + example.split("```")[0])
    columns = selected(Selector.of(*read_selection(str(tmp_path / "pairs.yaml"))))
    assert all(np.isfinite(columns[name]).sum() > 5 for name in columns)
    (tmp_path / "names.yaml").write_text(header + alternatives.split("```")[0] + "variables: {x: met, y: trigger}\n")
    columns = selected(Selector.of(*read_selection(str(tmp_path / "names.yaml"))))
    assert sum(columns["y"]) == 35


def test_lists_of_different_objects_are_not_taken_entry_by_entry() -> None:
    with pytest.raises(ConfigError, match="takes lists of jet and of photon entry by entry; use min_delta_r"):
        selector({"n": "count(photon_pt > jet_pt)"})
    with pytest.raises(ConfigError, match="of photon and of photon with photon_pt > 20"):
        selector({"n": "sum(photon_pt[photon_pt > 20] * photon_eta)"})
    variables = {"n": "sum(photon_pt[photon_pt > 20] * photon_eta[photon_pt > 20])"}
    assert len(selected(selector(variables))["n"]) == 300


def test_without_a_mass_an_object_has_no_four_momentum() -> None:
    photon = {"branches": {"pt": "Photon_pt", "eta": "Photon_eta", "phi": "Photon_phi"}, "order_by": "pt"}
    with pytest.raises(ConfigError, match=r"'mass' of 'photon' is needed.*massless"):
        selector({"m": "mass(photon[0] + photon[1])"}, objects={"photon": photon})
    chosen = selector({"m": "mass(photon[0] + photon[1])"}, objects={"photon": {**photon, "properties": {"mass": 0}}})
    expected = selected(selector({"m": "mass(photon[0] + photon[1])"}))
    np.testing.assert_allclose(selected(chosen)["m"], expected["m"], rtol=1e-5)


@pytest.mark.parametrize(
    "text",
    [
        "mass(" * 90 + "photon" + ")" * 90,
        "pt(" + "photon+" * 700 + "photon)",
        "pt(" + "sum(photon)+" * 300 + "photon)",
        "-" * 4000 + "photon_pt",
        "pt(" + "-" * 900 + "photon)",
    ],
)
def test_expressions_of_whole_objects_are_bounded(text: str) -> None:
    with pytest.raises(ConfigError, match=r"too large|too deeply|not an expression|of a sum of up to 8 objects"):
        selector({"x": text})
