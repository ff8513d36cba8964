"""A type is common to several only if it holds every value of each."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simmorph.data.ntuples.types import agreed_types, as_types, common, is_writable, type_of
from simmorph.errors import InputError

NAMES = ["bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float32", "float64"]


def number(name: str) -> Any:
    return ak.types.NumpyType(name)


def exactly(name: str) -> list[Any]:
    """The values of a type at the ends of its range, as Python's numbers, which are exact."""
    if name == "bool":
        return [False, True]
    if name.startswith("float"):
        floats = np.finfo(name)
        return [float(value) for value in (floats.min, floats.max, floats.tiny, 1 + floats.eps, 0.5)]
    ends = np.iinfo(name)
    return [ends.min, ends.max, ends.max - 1, 0]


@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4))
def test_a_common_type_gives_back_every_value_of_each(names: list[str]) -> None:
    found = common(map(number, names))
    if found is None:
        wide = {"int64", "uint64"} & set(names)
        assert "uint64" in wide or "float32" in names or "float64" in names
        assert wide
        return
    for name in names:
        column = np.array(exactly(name), name)
        assert as_types({"x": column}, {"x": found})["x"].tolist() == column.tolist()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["int32", "float32"], "float64"),
        (["int8", "int32"], "int32"),
        (["int32", "int64"], "int64"),
        (["int16", "float32"], "float32"),
        (["bool", "int32"], "int32"),
        (["uint32", "int32"], "int64"),
        (["int32", "uint32", "float32"], "float64"),
        (["int64", "uint64"], None),
        (["int64", "float64"], None),
        (["int32", "uint64"], None),
    ],
)
def test_known_pairs(names: list[str], expected: str | None) -> None:
    for order in (names, names[::-1]):
        found = common(map(number, order))
        assert (found and found.primitive) == expected


def test_lists_are_common_where_their_numbers_are() -> None:
    one, other = (type_of(ak.values_astype(ak.Array([[1], []]), kind)) for kind in ("int32", "float32"))
    fixed = type_of(np.zeros((3, 2), np.float32))
    assert str(common([one, other])) == "var * float64"
    assert str(common([fixed, one])) == "var * float64"
    assert str(common([fixed, fixed])) == "2 * float32"
    assert str(common([type_of(np.zeros((3, 3), np.float32)), fixed])) == "var * float32"
    assert common([one, number("int32")]) is None
    assert common([type_of(ak.Array(["text"])), one]) is None
    lists = as_types(
        {"x": ak.values_astype(ak.Array([[1, 2], []]), "int32")}, {"x": ak.types.ListType(number("float64"))}
    )
    assert (str(type_of(lists["x"])), lists["x"].tolist()) == ("var * float64", [[1.0, 2.0], []])


def test_files_without_a_common_type_are_named() -> None:
    types = {"a.root": {"x": number("int32"), "event": number("int64")}, "b.root": {"event": number("uint64")}}
    with pytest.raises(InputError) as caught:
        agreed_types(types)
    assert str(caught.value) == (
        "b.root: branch 'event' has types that none holds exactly: int64 in a.root, uint64 in b.root; "
        "write them into files of their own"
    )
    assert agreed_types({"a.root": types["a.root"]}) == types["a.root"]


def test_a_column_that_its_type_does_not_hold_is_a_bug() -> None:
    with pytest.raises(ValueError, match="'x' is int64, which int32 does not hold exactly"):
        as_types({"x": np.arange(3)}, {"x": number("int32")})


def test_numbers_texts_and_lists_of_numbers_can_be_written() -> None:
    writable = [np.zeros(2), np.zeros((2, 3)), ak.Array([[1.0], []]), np.zeros(2, np.bool_), np.zeros((2, 3, 4))]
    writable.append(ak.Array(["text"]))
    others = [ak.Array([["text"]]), ak.Array([[[1.0]]]), ak.Array([{"x": 1.0}]), ak.Array([1.0, None])]
    assert [is_writable(type_of(column)) for column in writable] == [True] * 6
    assert [is_writable(type_of(column)) for column in others] == [False] * 4
