"""Branches under other names: the first that is there, several together, or a default; a typing error is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest
import uproot

from simmorph.config.documents import Document
from simmorph.config.selection.selection import Selection
from simmorph.data.ntuples.contents import read_metadata
from simmorph.data.ntuples.types import type_of
from simmorph.data.selection.selector import Selector
from simmorph.errors import InputError
from simmorph.pipeline.select import select_events

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS: dict[str, Any] = {
    "Photon_pt": ak.Array([[30.0, 50.0], [], [40.0]]),
    "photon_pt": ak.Array([[1.0, 2.0], [], [3.0]]),
    "Photon_tight": ak.Array([[True, False], [], [True]]),
    "HLT_A": np.array([True, False, False]),
    "HLT_B": np.array([False, False, True]),
    "met": np.array([1.0, 2.0, 3.0]),
}


def taken(columns: dict[str, Any] = COLUMNS, **changes: Any) -> tuple[list[Any], dict[str, str]]:
    """The variables `x` of each event, and what was taken for the names."""
    content = {"tree": "Events", "units": {"energy": "GeV"}, "variables": {"x": "name"}, **changes}
    whole = Selector.of(Selection.model_validate(content), Document("test.yaml", content))
    sample = whole.sample_of(columns)
    chosen = whole.of_file("a.root", "Events", columns, sample)
    read = {name: columns[name] for name in chosen.branches(sample)}
    found = chosen.run(read, sample, n_events=3)
    return found.columns["x"].tolist(), found.taken


def photons(**branches: Any) -> dict[str, Any]:
    """A selection of what is in these branches."""
    return {"objects": {"photon": {"branches": branches}}}


def test_the_first_name_that_the_file_has_is_taken() -> None:
    found, names = taken(branches={"name": ["MET", "met", "HLT_A"]})
    assert (found, names) == ([1, 2, 3], {"name": "met"})
    pt = ["Photon_pt", "photon_pt"]
    assert taken(**photons(pt=pt), variables={"x": "sum(photon_pt)"}) == ([80, 0, 40], {"photon.pt": "Photon_pt"})
    assert taken(**photons(pt=pt[::-1]), variables={"x": "sum(photon_pt)"})[0] == [3, 0, 3]
    assert taken(branches={"name": {"first_of": ["HLT_B", "HLT_A"]}})[0] == [False, False, True]


def test_of_several_triggers_any_counts_that_the_file_has() -> None:
    every = {"any_of": ["HLT_A", "HLT_C", "HLT_B"], "missing": False}
    assert taken(branches={"name": every}) == ([True, False, True], {"name": "HLT_A or HLT_B"})
    without = {name: it for name, it in COLUMNS.items() if not name.startswith("HLT")}
    assert taken(without, branches={"name": every}) == ([False] * 3, {"name": "missing, False"})
    with pytest.raises(InputError, match=r"branch 'met': is not true or false, .*use `first_of`"):
        taken(branches={"name": {"any_of": ["HLT_A", "met"]}})


def test_a_default_stands_for_each_object() -> None:
    branches = {"pt": "Photon_pt", "iso": {"first_of": ["Photon_iso"], "missing": 0.5}}
    assert taken(**photons(**branches), variables={"x": "sum(photon_iso)"})[0] == [1, 0, 0.5]
    cut = {"photon": {"branches": branches, "cuts": ["iso > 0.1", "pt > 35"]}}
    assert taken(objects=cut, variables={"x": "count(photon_iso)"})[0] == [1, 0, 1]


@pytest.mark.parametrize("missing", [5000, 5000.0])
def test_a_default_of_an_energy_is_in_the_unit_of_the_branch(missing: float) -> None:
    """In GeV as each branch of the same numbers would be, of objects and of events."""
    of_objects = {"pt": "Photon_pt", "iso": {"first_of": ["Photon_iso"], "missing": missing}}
    changes: dict[str, Any] = {
        "units": {"energy": "MeV"},
        "objects": {"photon": {"branches": of_objects, "energies": ["pt", "iso"], "cuts": ["iso < 6", "pt > 0.035"]}},
    }
    there = COLUMNS | {"Photon_iso": ak.Array([[5000.0, 5000.0], [], [5000.0]])}
    for columns in (COLUMNS, there):
        assert taken(columns, **changes, variables={"x": "sum(photon_iso)"})[0] == [5, 0, 5]
    of_events: dict[str, Any] = {"branches": {"name": {"first_of": ["MET"], "missing": missing}}, "energies": ["name"]}
    assert taken(**of_events, units={"energy": "MeV"})[0] == [5, 5, 5]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"branches": {"name": ["MET", "mets"]}}, r"a\.root: tree 'Events' has none of 'MET' and 'mets'.*'name' needs"),
        ({"variables": {"x": "mets + 1"}}, r"lacks 'mets', which 'mets \+ 1' needs; did you mean 'met'"),
        ({"cuts": {"c": "2 > photon_ptt"}, "variables": {"x": "1"}, **photons(pt="Photon_pt")}, "'photon_pt'"),
        (
            {
                "objects": {"photon": {"branches": {"pt": "Photon_pt"}, "cuts": ["ptt > 1"]}},
                "variables": {"x": "count(photon_pt)"},
            },
            r"lacks 'ptt', which 'ptt > 1' needs; did you mean 'pt'",
        ),
        ({"variables": {"x": "late + 1", "late": "met"}}, "'late' is defined below: move it up"),
        ({**photons(pt=["pt", "pts"]), "variables": {"x": "sum(photon_pt)"}}, "has none of 'pt' and 'pts'"),
    ],
)
def test_what_a_file_has_under_no_name_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        taken(**changes)


def test_what_nothing_needs_may_be_missing() -> None:
    branches = {"pt": "Photon_pt", "e": "Photon_e"}
    assert taken(**photons(**branches), branches={"other": ["gone"]}, variables={"x": "count(photon_pt)"})[0] == [
        2,
        0,
        1,
    ]


@pytest.mark.parametrize("choice", [{}, {"first_of": ["a"], "any_of": ["b"]}, {"missing": 1}, []])
def test_a_choice_names_branches_in_one_way(choice: Any) -> None:
    with pytest.raises(ValueError, match=r"under `first_of` or under `any_of`|at least 1 item"):
        taken(branches={"name": choice})


def test_a_name_has_one_type_in_all_files(tmp_path: Path) -> None:
    """Of a float and a default that is an integer, of an integer and a float, and of lists of them."""
    numbers = {"pu": np.array([0.5, 2.0], np.float32), "n": np.array([1, 2], np.int32)}
    lists = {"it": ak.values_astype(ak.Array([[1, 2], [3]]), np.int32)}
    files = {
        "a.root": {**numbers, **lists},
        "b.root": {"N": np.array([1.5, 2.5], np.float32), "IT": ak.values_astype(ak.Array([[0.5], []]), np.float32)},
    }
    for name, columns in files.items():
        with uproot.recreate(tmp_path / name) as file:
            kinds = {it: type_of(values) for it, values in columns.items()}
            file.mktree("Events", {it: getattr(kind, "primitive", kind) for it, kind in kinds.items()}).extend(columns)
    (tmp_path / "mine.yaml").write_text("""# one name
tree: Events
units: {energy: GeV}
branches: {weight: {first_of: [pu], missing: 1}, k: {first_of: [n], missing: -1}, number: [n, N]}
objects: {object: {branches: {x: [it, IT], one: {first_of: [one], missing: 1}}}}
variables: {w: weight, k: k, number: number, x: "sum(object_x)", first: "object_x[0]", ones: sum(object_one)}
""")
    for order in (["a.root", "b.root"], ["b.root", "a.root"]):
        paths = [str(tmp_path / name) for name in order]
        result = select_events(paths, str(tmp_path / "mine.yaml"), tmp_path / "out.root", force=True)
        with uproot.open(tmp_path / "out.root") as file:
            columns = file["events"].arrays(library="np")
        by_file = np.argsort(columns["source_file"] != order.index("a.root"), kind="stable")
        rows = {name: values[by_file] for name, values in columns.items()}
        assert rows["w"].tolist() == [0.5, 2, 1, 1]
        assert rows["k"].tolist() == [1, 2, -1, -1]
        assert rows["k"].dtype.kind == "i"
        assert rows["number"].tolist() == [1, 2, 1.5, 2.5]
        assert rows["x"].tolist() == [3, 3, 0.5, 0]
        np.testing.assert_equal(rows["first"], [1, 3, 0.5, np.nan])
        assert rows["ones"].tolist() == [2, 1, 1, 0]
        assert result.branches["number"] == {"n": [order.index("a.root")], "N": [order.index("b.root")]}
        assert read_metadata(tmp_path / "out.root")["branches"] == result.branches


def test_what_is_taken_is_said_once(tmp_path: Path) -> None:
    for name in ("a.root", "b.root", "c.root"):
        with uproot.recreate(tmp_path / name) as file:
            file.mktree("Events", {"MET_pt": "float32"}).extend({"MET_pt": np.ones(2, np.float32)})
    text = "# met\ntree: Events\nunits: {energy: GeV}\nbranches: {met: [PuppiMET_pt, MET_pt]}\nvariables: {x: met}\n"
    (tmp_path / "mine.yaml").write_text(text)
    said: list[str] = []
    result = select_events([str(tmp_path)], str(tmp_path / "mine.yaml"), tmp_path / "out.root", progress=said.append)
    assert said.count("met is MET_pt") == 1
    assert result.branches == {"met": {"MET_pt": [0, 1, 2]}}
