"""Promises of the layout: the branches of ATLAS Open Data 2020, with their types."""

from __future__ import annotations

import csv
from pathlib import Path

import awkward as ak
import numpy as np

from simmorph.data.toys.layout import SCALARS, VECTORS, complete, jagged

SCHEMA = Path(__file__).parents[1] / "files" / "schema_2020_GamGam_mini_tree.csv"
TYPES: dict[type[np.generic], str] = {
    np.int32: "int32_t",
    np.uint32: "uint32_t",
    np.float32: "float",
    np.bool_: "bool",
}


def test_layout_is_that_of_the_open_data() -> None:
    ours = {name: TYPES[kind] for name, kind in SCALARS.items()}
    ours |= {name: f"std::vector<{TYPES[kind]}>" for name, kind in VECTORS.items()}
    with SCHEMA.open() as file:
        assert ours == {row["branch"]: row["uproot_typename"] for row in csv.DictReader(file)}


def test_jagged_keeps_what_is_present_in_order() -> None:
    present = np.array([[True, False, True], [False, False, False], [False, True, False]])
    lists = jagged(np.arange(9).reshape(3, 3), present, np.float32)
    assert lists.tolist() == [[0.0, 2.0], [], [7.0]]
    assert str(lists.type) == "3 * var * float32"


def test_complete_adds_what_is_missing_and_keeps_what_is_not_in_the_layout() -> None:
    branches = complete({"mcWeight": np.array([1, 2]), "truth": np.array([3, 4])}, 2)
    assert list(branches) == [*SCALARS, *VECTORS, "truth"]
    assert branches["mcWeight"].dtype == np.float32
    assert branches["lep_n"].tolist() == [0, 0]
    assert branches["tau_charge"].tolist() == [[], []]
    assert ak.type(branches["tau_charge"]).content.content.primitive == "int32"
