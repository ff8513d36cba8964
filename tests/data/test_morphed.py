"""What a morphed file holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from simmorph.data import morphed
from simmorph.data.events import Events


def test_the_columns_written_are_those_whose_names_are_promised() -> None:
    after = Events.of(np.array([[1.0, 2.0]]))
    types: dict[str, type[np.floating[Any]]] = {"pt": np.float32, "eta": np.float64}
    columns = morphed.new_columns(types, after, np.array([4]), np.array([0.5]))
    assert list(columns) == morphed.new_branches(["pt", "eta"], reweights=True)
    assert [column.dtype.name for column in columns.values()] == ["float32", "float64", "float64", "float64", "int32"]
    assert morphed.features_in(columns) == ["pt", "eta"]


def test_entries_that_were_not_selected_are_not_a_number_and_say_so() -> None:
    columns = morphed.new_columns({"pt": np.float32}, Events.of(np.array([[1.0], [2.0]])), np.array([0, 4]))
    found = morphed.spread(columns, np.array([1, 3]), 4)
    np.testing.assert_array_equal(found["pt_morphed"], np.array([np.nan, 1, np.nan, 2], np.float32))
    np.testing.assert_array_equal(found["weight_morphed"], [np.nan, 1, np.nan, 1])
    assert found["morph_status"].tolist() == [1, 0, 1, 4]


def test_a_score_is_a_half_where_nothing_changes_and_one_where_only_the_target_is() -> None:
    np.testing.assert_allclose(morphed.score_of(np.array([0.0, 1.0, 3.0])), [0.0, 0.5, 0.75])
