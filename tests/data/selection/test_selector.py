"""A selection does to a chunk what a physicist would do event by event."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest

from simmorph.config.documents import Document
from simmorph.config.selection.files import read_selection, shipped_selections
from simmorph.config.selection.selection import Selection
from simmorph.data.expressions.functions import FUNCTIONS
from simmorph.data.selection.selector import Selector
from simmorph.errors import ConfigError, InputError

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS: dict[str, Any] = {
    "pt": ak.Array([[30_000.0, 50_000.0, 10_000.0], [40_000.0], [], [60_000.0, 45_000.0]]),
    "eta": ak.Array([[0.1, -0.2, 0.3], [1.4], [], [2.0, -2.0]]),
    "tight": ak.Array([[True, True, True], [True], [], [True, False]]),
    "met": np.array([1000.0, 2000.0, 3000.0, 4000.0], np.float32),
    "trigger": np.array([True, True, True, False]),
    "mc": np.array([1.0, -0.5, 2.0, 0.0]),
    "number": np.array([11, 12, 13, 2**40], np.uint64),
}
SELECTION: dict[str, Any] = {
    "tree": "mini",
    "units": {"energy": "MeV"},
    "energies": ["met"],
    "event": "number",
    "objects": {
        "photon": {
            "branches": {"pt": "pt", "eta": "eta", "tight": "tight"},
            "energies": ["pt"],
            "cuts": ["tight", "pt > 20", "abs(eta) < 1.37 or abs(eta) > 1.52"],
            "order_by": "pt",
        }
    },
    "variables": {"pt1": "photon_pt[0]", "ratio": "photon_pt[1] / pt1", "n": "count(photon_pt)", "met": "met"},
    "cuts": {"trigger": "trigger", "a photon": "n >= 1"},
    "regions": {"hard": "pt1 > 45", "pair": "n == 2"},
    "weight": {"simulation": "mc * 2", "data": 1, "data_if": "mc == 0"},
}


def selector(**changes: Any) -> Selector:
    content = {**SELECTION, **changes}
    return Selector.of(Selection.model_validate(content), Document("test.yaml", content))


def test_objects_are_cleaned_ordered_and_in_gev() -> None:
    chosen = selector(cuts={}).run(COLUMNS)
    assert chosen.columns["pt1"].tolist() == pytest.approx([50, np.nan, np.nan, 60], nan_ok=True)
    assert chosen.columns["n"].tolist() == [2, 0, 0, 1]
    assert chosen.columns["ratio"][0] == pytest.approx(0.6)
    assert chosen.columns["met"].tolist() == [1, 2, 3, 4]


def test_the_cutflow_counts_events_weights_and_squares() -> None:
    chosen = selector(weight={"simulation": "mc * 2"}).run(COLUMNS, "simulation")
    assert chosen.cutflow.tolist() == [[4, 5, 21], [3, 5, 21], [1, 2, 4]]
    assert chosen.rows.entries.tolist() == [0]


def test_data_and_simulation_are_told_apart_by_rule_and_by_hand() -> None:
    def weights(sample: Any) -> list[float]:
        return selector(cuts={}).run(COLUMNS, sample).columns["weight"].tolist()  # type: ignore[no-any-return]

    assert weights("auto") == [2, -1, 4, 1]
    assert weights("simulation") == [2, -1, 4, 0]
    assert weights("data") == [1, 1, 1, 1]
    assert selector().run(COLUMNS).n_data == 1


def test_a_missing_branch_can_tell_data() -> None:
    chooser = selector(weight={"simulation": "genWeight", "data_if_missing": "genWeight"})
    assert chooser.sample_of(COLUMNS) == "data"
    assert "genWeight" not in chooser.branches("data")
    assert chooser.sample_of([*COLUMNS, "genWeight"]) == "simulation"
    assert "genWeight" in chooser.branches("simulation")


def test_only_the_branches_that_are_needed_are_read() -> None:
    assert selector().branches() == ["eta", "mc", "met", "number", "pt", "tight", "trigger"]
    slim = selector(objects={"photon": {"branches": {"pt": "pt", "eta": "eta", "e": "energy"}}})
    assert slim.branches("data") == ["met", "number", "pt", "trigger"]


def test_kinematics_are_single_weights_double_and_event_numbers_whole() -> None:
    columns = selector(cuts={}).run(COLUMNS).columns
    kinds = {name: values.dtype.name for name, values in columns.items()}
    assert kinds == {
        "pt1": "float32", "ratio": "float32", "n": "int64", "met": "float32", "in_hard": "bool", "in_pair": "bool",
        "weight": "float64", "event": "uint64",
    }  # fmt: skip
    assert columns["event"].tolist() == [11, 12, 13, 2**40]
    assert columns["in_hard"].tolist() == [True, False, False, True]


def test_an_object_cut_may_use_a_branch_of_the_event() -> None:
    objects = {"photon": {"branches": {"pt": "pt"}, "energies": ["pt"], "cuts": ["met > 1.5"]}}
    chosen = selector(objects=objects, cuts={}).run(COLUMNS)
    assert chosen.columns["n"].tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize(("unit", "scale", "likely"), [("MeV", 1e-3, "GeV"), ("GeV", 1.0, "MeV")])
def test_energies_off_by_a_thousand_are_refused(unit: str, scale: float, likely: str) -> None:
    columns = {**COLUMNS, "pt": COLUMNS["pt"] * scale}
    with pytest.raises(InputError, match=f"set `units: {{energy: {likely}}}`"):
        selector(units={"energy": unit}).run(columns, check_unit=True)


def test_energies_in_the_right_unit_pass_the_check() -> None:
    assert len(selector().run(COLUMNS, check_unit=True).rows) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pt": np.arange(4.0)}, "'pt': is not a list of photons per event"),
        ({"number": ak.Array([[1], [2], [3], [4]])}, "'number': is not one number per event"),
        ({"tight": ak.Array([[], [], [], []])}, "'tight': differs in length"),
        ({"mc": np.array([1.0, np.nan, 1.0, 1.0])}, "1 events is not finite, first of entry 1"),
    ],
)
def test_input_that_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        selector().run({**COLUMNS, **changes})


def test_a_weight_of_data_that_is_not_finite_is_that_of_data() -> None:
    weight = {"simulation": "mc", "data": "1 / (mc - mc)", "data_if": "mc > 0"}
    with pytest.raises(InputError, match=r"weight '1 / \(mc - mc\)': the weight of 4 events is not finite"):
        selector(weight=weight).run({**COLUMNS, "mc": np.ones(4)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cuts": {"count": "n"}}, "'n' is not true or false"),
        ({"cuts": {"list": "photon_pt > 20"}}, "is not true or false for each event; choose one with"),
        ({"variables": {"all": "photon_pt"}}, "is not one number per event"),
        (
            {"objects": {"photon": {"branches": {"pt": "pt"}, "cuts": ["branch('other') > 1"]}}},
            "is not one value for each object",
        ),
        ({"regions": {"bad": "import os"}}, "is not an expression"),
        ({"weight": {"simulation": "tight", "data_if": "n > 9"}}, "is not one number per event"),
        ({"weight": {"simulation": "mc", "data_if": "n"}}, "'n' is not true or false"),
    ],
)
def test_expressions_of_the_wrong_kind_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        selector(**changes).run({**COLUMNS, "other": ak.Array([[1], [2], [3], [4]])})


def test_every_shipped_selection_is_valid_and_says_which_analysis() -> None:
    shipped = shipped_selections()
    assert {"atlas-opendata-2020-hgg", "atlas-opendata-2025-hgg", "cms-nanoaod-diphoton"} <= shipped.keys()
    assert {"diphoton-demo", "diphoton-unpaired"} <= shipped.keys()
    for name, path in shipped.items():
        assert Selector.of(*read_selection(name)).branches()
        assert path.read_text().startswith("# ")


def test_the_documented_example_is_valid(tmp_path: Path) -> None:
    text = (shipped_selections()["diphoton-demo"].parent / "README.md").read_text()
    (tmp_path / "example.yaml").write_text(text.split("```yaml\n")[1].split("```")[0])
    assert "met_et" in Selector.of(*read_selection(str(tmp_path / "example.yaml"))).branches()


def test_the_documentation_names_every_selection_and_function() -> None:
    text = (shipped_selections()["diphoton-demo"].parent / "README.md").read_text()
    assert all(f"`{name}`" in text for name in shipped_selections())
    words = set(re.findall(r"[a-z][a-z0-9_]*", text.split("## Expressions")[1]))
    assert set(FUNCTIONS) - {"minimum", "maximum"} <= words


def test_an_unknown_selection_names_the_likest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'diphoton-demo'"):
        read_selection("diphoton-dem")
    with pytest.raises(ConfigError, match=r"nothing\.yaml: no such file"):
        read_selection("nothing.yaml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("order_by: pt", "order_by: et", r"'et' is not one of its properties"),
        ("energy: MeV", "energy: TeV", r"units.energy: should be 'MeV' or 'GeV', not 'TeV'"),
        ("  pt1:", "  weight:", r"variable 'weight' has the name of another output branch"),
        ("regions:", "region:", r"unknown key 'region'; did you mean 'regions'"),
        ("  signal: 120", "  sig nal: 120", r"'sig nal' is not a name"),
    ],
)
def test_mistakes_in_a_selection_are_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = shipped_selections()["diphoton-unpaired"].read_text()
    assert old in text
    (tmp_path / "mine.yaml").write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        read_selection(str(tmp_path / "mine.yaml"))


ROWS = {
    "rows": "photon",
    "variables": {
        "pt": "photon_pt",
        "share": "pt / sum(photon_pt)",
        "met": "met",
        "n": "count(photon_pt)",
        "leading": "photon_pt[0]",
        "central": "where(abs(photon_eta) < 1, 1, 0)",
    },
    "cuts": {},
    "regions": {"hard": "pt > 45", "pair": "n == 2"},
    "weight": {"simulation": "2 * photon_pt / met"},
}


def test_a_row_is_an_object_with_its_numbers_beside_those_of_its_event() -> None:
    """By hand: in the first event the third photon fails pt > 20, in the last the second is not tight."""
    chosen = selector(**ROWS).run(COLUMNS)
    expected = {
        "pt": [50, 30, 60],
        "share": [5 / 8, 3 / 8, 1],
        "met": [1, 1, 4],
        "n": [2, 2, 1],
        "leading": [50, 50, 60],
        "central": [1, 1, 0],
        "in_hard": [True, False, True],
        "in_pair": [True, True, False],
        "weight": [100, 60, 30],
        "event": [11, 11, 2**40],
    }
    assert {name: values.tolist() for name, values in chosen.columns.items()} == {
        name: pytest.approx(values) for name, values in expected.items()
    }
    assert {name: values.tolist() for name, values in chosen.rows.source(100).items()} == {
        "source_entry": [100, 100, 103],
        "source_object": [1, 0, 0],
    }
    assert chosen.cutflow.tolist() == [[3, 190, 100**2 + 60**2 + 30**2]]


def test_a_cut_of_rows_is_about_events_or_about_objects() -> None:
    of_events = selector(**ROWS | {"cuts": {"pair": "count(photon_pt) == 2"}}).run(COLUMNS)
    of_objects = selector(**ROWS | {"cuts": {"trigger": "trigger", "hard": "photon_pt > 40"}}).run(COLUMNS)
    assert of_events.columns["pt"].tolist() == [50, 30]
    assert of_objects.columns["pt"].tolist() == [50]
    assert of_objects.cutflow[:, 0].tolist() == [3, 2, 1]


def test_rows_go_back_to_their_places_in_the_file() -> None:
    rows = selector(**ROWS).run(COLUMNS).rows
    assert (rows.places.tolist(), rows.n_places) == ([1, 0, 4], 6)
    shaped = rows.shaped({"x": np.arange(6)})["x"]
    assert shaped.tolist() == [[0, 1, 2], [3], [], [4, 5]]


def test_rows_of_which_nothing_is_read_but_their_number() -> None:
    plain = {"photon": {"branches": {"pt": "pt", "eta": "eta"}}}
    keys = {"variables": {"met": "met"}, "regions": {}, "weight": {"simulation": 1}, "objects": plain}
    found = selector(**ROWS | keys)
    assert found.branches() == ["met", "number", "pt"]
    assert found.run(COLUMNS).columns["met"].tolist() == [1, 1, 1, 2, 4, 4]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variables": {"x": "jet_pt"}}, "'jet_pt' is neither one value for each event nor one for each object"),
        ({"cuts": {"x": "jet_pt > 3"}}, "'jet_pt > 3' is neither"),
        ({"weight": {"simulation": "jet_pt"}}, "'jet_pt' is neither"),
        ({"cuts": {"x": "photon_pt"}}, "is not true or false for each event"),
    ],
)
def test_lists_of_something_else_are_no_rows(changes: dict[str, Any], message: str) -> None:
    """Not even where they happen to be as long as those of the photons that are left."""
    with pytest.raises(ConfigError, match=message):
        selector(**{**ROWS, "regions": {}, **changes}).run({**COLUMNS, "jet_pt": ak.Array([[1, 2], [], [], [3]])})


def test_a_definition_does_not_know_those_below_it_in_rows_either() -> None:
    """`other` is a branch with lists as long as those of the photons that are left, and below it a property of them."""
    below = {"variables": {"x": "other", "other": "photon_pt"}, "regions": {}}
    above = {"variables": {"other": "photon_pt", "x": "other"}, "regions": {}}
    assert selector(**ROWS | above).run(COLUMNS).columns["x"].tolist() == [50, 30, 60]
    with pytest.raises(ConfigError, match="'other' is neither one value for each event nor one for each object"):
        selector(**ROWS | below).run({**COLUMNS, "other": ak.Array([[1, 2], [], [], [3]])})


def test_rows_are_of_a_kind_of_object_that_there_is() -> None:
    with pytest.raises(ValueError, match="rows: 'photons' is none of its objects; did you mean 'photon'"):
        selector(rows="photons")
