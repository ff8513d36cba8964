"""Columns go in and come back in the same kind of container."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import pytest

from simmorph.data.columns import columns_of, length_of, with_columns
from simmorph.errors import InputError

COLUMNS: dict[str, Any] = {"x": np.array([1.5, 2.5]), "n": np.array([1, 2]), "list": ak.Array([[1.0], [2.0, 3.0]])}


@pytest.mark.parametrize("container", [COLUMNS, ak.Array(COLUMNS)], ids=["dict", "awkward"])
def test_further_columns_are_added_and_what_was_given_stays(container: Any) -> None:
    assert length_of(container) == 2
    found = columns_of(container, ["n", "x"])
    assert {name: values.tolist() for name, values in found.items()} == {"n": [1, 2], "x": [1.5, 2.5]}
    more = with_columns(container, {"y": np.array([3.0, 4.0])})
    assert type(more) is type(container)
    assert columns_of(more, ["y"])["y"].tolist() == [3, 4]
    assert ak.to_list(more["list"]) == [[1], [2, 3]]
    with pytest.raises(InputError, match="there is no 'y'"):
        columns_of(container, ["y"])


@pytest.mark.parametrize("container", [COLUMNS, ak.Array(COLUMNS)], ids=["dict", "awkward"])
def test_a_list_for_each_event_is_refused(container: Any) -> None:
    with pytest.raises(InputError, match="'list' is not one number per event"):
        columns_of(container, ["list"])


@pytest.mark.parametrize(
    "missing", [np.ma.array([1, 7], mask=[False, True]), ak.Array([1, None])], ids=["numpy", "awkward"]
)
def test_a_missing_number_is_nan(missing: Any) -> None:
    found = columns_of({"x": missing}, ["x"])["x"]
    assert found[0] == 1
    assert np.isnan(found[1])


@pytest.mark.parametrize("column", [np.ones((2, 1)), ak.Array(np.ones((2, 1))), ak.Array(np.ones((2, 2)))])
def test_an_array_of_fixed_size_is_no_column_of_numbers(column: Any) -> None:
    with pytest.raises(InputError, match="not one number per event"):
        columns_of({"x": column}, ["x"])


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="different lengths, such as 1 and 2"):
        length_of({"x": np.zeros(2), "y": np.zeros(1)})
    assert length_of({}) == 0
