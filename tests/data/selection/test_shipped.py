"""Shipped selections of NanoAOD on real events give what a loop over events, written by hand, gives.

Each is run as it is, and with looser cuts, since of 300 events few pass.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import uproot

from simmorph.config.selection.files import read_selection, shipped_selections
from simmorph.data.selection.reading import SelectionReader
from simmorph.data.selection.selector import Selector
from simmorph.errors import InputError
from tests.data.selection.loop import delta_r, of_event, total

if TYPE_CHECKING:
    from collections.abc import Callable

NANOAOD = Path(__file__).parents[1] / "files" / "nanoaod_v5_objects.root"
Event = dict[str, Any]


def is_central(eta: float) -> bool:
    return abs(eta) < 1.4442 or 1.566 < abs(eta) < 2.5


def of_kind(event: Event, kind: str, *names: str) -> list[tuple[Any, dict[str, float]]]:
    """The objects of a kind with further properties of each, ordered by pT."""
    row = event["row"]
    values = [{name: row[f"{kind}_{name}"][at] for name in names} for at in range(len(row[f"{kind}_pt"]))]
    order = sorted(range(len(values)), key=lambda at: -row[f"{kind}_pt"][at])
    return list(zip(event[kind], (values[at] for at in order), strict=True))


def zee(event: Event, loose: bool) -> list[float] | None:
    least = (0, 5, 8) if loose else (3, 20, 35)
    good = [
        it
        for it in of_kind(event, "Electron", "cutBased", "r9")
        if it[1]["cutBased"] >= least[0] and it[0].pt > least[1] and is_central(it[0].eta)
    ]
    pairs = [
        (one, other)
        for at, one in enumerate(good)
        for other in good[at + 1 :]
        if one[0].charge + other[0].charge == 0 and one[0].pt > least[2]
    ]
    if not pairs or not (loose or event["row"]["HLT_Ele32_WPTight_Gsf"]):
        return None
    one, other = min(pairs, key=lambda it: abs(total(it[0][0], it[1][0]).mass - 91.1876))
    z = total(one[0], other[0])
    if not (loose or 60 < z.mass < 120):
        return None
    return [z.mass, z.pt, delta_r(one[0], other[0]), len(pairs), one[0].pt, one[1]["r9"], other[0].eta, other[1]["r9"]]


def photon_jet(event: Event, loose: bool) -> list[float] | None:
    photons = [
        it
        for it in of_kind(event, "Photon", "mvaID_WP90", "electronVeto", "pfRelIso03_all")
        if (loose or (it[1]["mvaID_WP90"] and it[1]["electronVeto"])) and it[0].pt > 20 and is_central(it[0].eta)
    ]
    jets = [
        it for it, more in of_kind(event, "Jet", "jetId") if int(more["jetId"]) & 2 and it.pt > 20 and abs(it.eta) < 2.4
    ]
    jets = [it for it in jets if all(delta_r(it, photon) > 0.4 for photon, _ in photons)]
    if not photons or not jets:
        return None
    photon, jet = photons[0][0]._replace(mass=0), jets[0]
    turn = abs(photon.phi - jet.phi)
    if min(turn, 2 * math.pi - turn) <= (1 if loose else 2.5):
        return None
    return [photon.pt, photons[0][1]["pfRelIso03_all"], jet.pt, total(photon, jet).mass, jet.pt / photon.pt, len(jets)]


def diphoton(event: Event, loose: bool) -> list[float] | None:
    good = [
        it
        for it in of_kind(event, "Photon", "electronVeto", "pfRelIso03_all")
        if (loose or it[1]["electronVeto"]) and it[0].pt > 20 and is_central(it[0].eta)
    ]
    if len(good) < 2:
        return None
    (one, _), (other, its) = good[:2]
    pair = total(one._replace(mass=0), other._replace(mass=0))
    if one.pt <= 0.333 * pair.mass or other.pt <= 0.25 * pair.mass or not 60 < pair.mass < 300:
        return None
    return [pair.mass, pair.pt, one.pt, its["pfRelIso03_all"]]


CASES: dict[str, tuple[Callable[[Event, bool], list[float] | None], str, dict[str, str], int]] = {
    "cms-nanoaod-zee": (
        zee,
        "m_ee pt_ee delta_r_ee n_pairs pt1 r9_1 eta2 r9_2",
        {
            "id >= 3": "id >= 0", "- pt > 20": "- pt > 5", "first_pt > 35": "first_pt > 8",
            "trigger: trigger": "trigger: trigger or not trigger", "60 < m_ee < 120": "m_ee > 0",
        },
        20,
    ),
    "cms-nanoaod-photon-jet": (
        photon_jet,
        "pt isolation pt_jet m_yj balance n_jets",
        {"tight and no_electron": "pt > 0", "> 2.5": "> 1"},
        60,
    ),
    "cms-nanoaod-diphoton": (diphoton, "m_yy pt_yy pt1 isolation2", {"- no_electron\n": "- pt > 0\n"}, 20),
}  # fmt: skip


def selected(chosen: Selector, path: Path = NANOAOD) -> tuple[list[int], np.ndarray[Any, Any]]:
    """The entries that pass, and their variables."""
    rows: list[int] = []
    parts = []
    for start, it in SelectionReader(chosen, "Events", step=64).chunks(str(path)):
        rows += [start + int(row) for row in it.rows.entries]
        parts.append(np.array([it.columns[name] for name in chosen.variables], np.float64).T)
    return rows, np.concatenate(parts)


@pytest.mark.parametrize("loose", [False, True])
@pytest.mark.parametrize("name", sorted(CASES))
def test_a_shipped_selection_gives_what_a_loop_gives(tmp_path: Path, name: str, loose: bool) -> None:
    loop, variables, looser, at_least = CASES[name]
    text = shipped_selections()[name].read_text()
    for old, new in looser.items() if loose else ():
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / "mine.yaml").write_text(text)
    chosen = Selector.of(*read_selection(str(tmp_path / "mine.yaml")))
    rows, found = selected(chosen)
    with uproot.open(NANOAOD) as file:
        events = file["Events"].arrays(library="ak").to_list()
    expected = {at: loop(of_event(event), loose) for at, event in enumerate(events)}
    expected = {at: values for at, values in expected.items() if values is not None}
    assert rows == list(expected)
    assert len(rows) >= (at_least if loose else 0)
    columns = [list(chosen.variables).index(it) for it in variables.split()]
    np.testing.assert_allclose(
        found[:, columns], np.reshape(list(expected.values()), (-1, len(columns))), rtol=2e-5, atol=1e-6
    )


RENAMED = {"Photon_pfRelIso03_all": "Photon_pfRelIso03_all_quadratic"}
DROPPED = {"Photon_mass", "Jet_jetId"}


def copy_of_events(path: Path, renamed: dict[str, str], dropped: set[str]) -> Path:
    """The real events under other names."""
    with uproot.open(NANOAOD) as file:
        columns = file["Events"].arrays(library="ak")
    kept = [name for name in columns.fields if name not in dropped and not name.startswith("n")]
    new = {renamed.get(name, name): columns[name] for name in kept}
    with uproot.recreate(path) as file:
        file.mktree("Events", {name: values.type.content for name, values in new.items()}).extend(new)
    return path


@pytest.mark.parametrize("name", ["cms-nanoaod-diphoton", "cms-nanoaod-photon-jet"])
def test_branches_of_version_15_are_taken_under_their_names(tmp_path: Path, name: str) -> None:
    path = copy_of_events(tmp_path / "v15.root", RENAMED, DROPPED)
    chosen = Selector.of(*read_selection(name))
    taken = [it.taken for _, it in SelectionReader(chosen, "Events").chunks(str(path))]
    assert taken[0]["photon.isolation"] == "Photon_pfRelIso03_all_quadratic"
    np.testing.assert_equal(selected(chosen, path), selected(chosen))


def test_a_file_without_any_trigger_of_the_selection_is_refused(tmp_path: Path) -> None:
    path = copy_of_events(tmp_path / "other.root", {}, {"HLT_Ele32_WPTight_Gsf"})
    with pytest.raises(InputError, match="has none of 'HLT_Ele27_WPTight_Gsf' and 'HLT_Ele30"):
        selected(Selector.of(*read_selection("cms-nanoaod-zee")), path)
