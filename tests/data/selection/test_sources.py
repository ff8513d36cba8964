"""Branches under other names: the first that is there, several together, or a default; a typing error is refused."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import pytest

from simmorph.config.documents import Document
from simmorph.config.selection.selection import Selection
from simmorph.data.selection.selector import Selector
from simmorph.errors import InputError

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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"branches": {"name": ["MET", "mets"]}}, r"a\.root: tree 'Events' has none of 'MET' and 'mets'.*'name' needs"),
        ({"variables": {"x": "mets + 1"}}, r"lacks 'mets', which 'mets \+ 1' needs; did you mean 'met'"),
        ({"cuts": {"c": "2 > photon_ptt"}, "variables": {"x": "1"}, **photons(pt="Photon_pt")}, "'photon_pt'"),
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
