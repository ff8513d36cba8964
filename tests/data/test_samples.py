"""The one reader of samples: which events, in which order, with which columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest

from simmorph.data.expressions.expression import parse, parse_all
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.samples import SampleReader
from simmorph.errors import ConfigError, EmptySelectionError, InputError

if TYPE_CHECKING:
    from pathlib import Path


def _write(path: Path, **columns: Any) -> str:
    with create_ntuple(path, "events") as ntuple:
        ntuple.extend(columns)
    return str(path)


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Two files whose names are not in the order of the alphabet, of 2 and 3 events."""
    x = [np.array([1, 2], np.int32), np.array([0.5, np.nan, 3.5], np.float32)]
    jets = [[[30.0, 20.0], []], [[50.0], [10.0, 11.0], []]]
    return [
        _write(tmp_path / name, x=x[at], x_morphed=x[at] + 10, jets=ak.Array(jets[at]), w=np.full(len(x[at]), 2.0 + at))
        for at, name in enumerate(("b.root", "a.root"))
    ]


def test_events_come_in_the_order_of_the_files_with_their_entry_numbers(paths: list[str]) -> None:
    table = SampleReader(paths, "events", ["x"], "w").read()
    np.testing.assert_array_equal(table.columns["x"], [1, 2, 0.5, np.nan, 3.5])
    assert table.columns["x"].dtype == np.float64
    assert table.weights.tolist() == [2, 2, 3, 3, 3]
    assert table.ids.tolist() == [0, 1, 0, 1, 2]
    assert list(table.of_files()) == [(paths[0], slice(0, 2)), (paths[1], slice(2, 5))]
    assert list(table.checksums()) == paths


def test_pieces_are_of_one_file_each_and_end_where_they_are_told_to(paths: list[str]) -> None:
    pieces = list(SampleReader(paths, "events", ["x"]).chunks(first=4, step=2))
    assert [(list(piece.files.items()), piece.ids.tolist()) for piece in pieces] == [
        ([(paths[0], 2)], [0, 1]),
        ([(paths[1], 2)], [0, 1]),
    ]


def test_derived_quantities_may_use_lists_and_each_other(paths: list[str]) -> None:
    derived = parse_all({"n": "count(jets)", "double": "2 * n + x", "has": "n > 0"}, "derived")
    table = SampleReader(paths, "events", ["x"], derived=derived).read()
    np.testing.assert_array_equal(table.columns["double"], [5, 2, 2.5, np.nan, 3.5])
    assert table.passes(parse("has")).tolist() == [True, False, True, True, False]
    np.testing.assert_array_equal(table.matrix(["has", "n"]), [[1, 2], [0, 0], [1, 1], [1, 2], [0, 0]])


def test_cuts_may_be_on_lists(paths: list[str]) -> None:
    cut = parse("any(jets > 25) and x < 5")
    assert SampleReader(paths, "events", cuts=[cut]).read().passes(cut).tolist() == [True, False, True, False, False]


def test_a_morphed_sample_has_the_values_after_the_map(paths: list[str]) -> None:
    table = SampleReader(paths, "events", ["x", "w"], is_morphed=True).read()
    np.testing.assert_array_equal(table.columns["x"], [11, 12, 10.5, np.nan, 13.5])
    assert table.columns["w"].tolist() == [2, 2, 3, 3, 3]


def test_a_missing_branch_is_named_with_what_needs_it(paths: list[str]) -> None:
    reader = SampleReader(paths, "events", ["x"], cuts=[parse("X1 > 2", "evaluate.regions.high")])
    with pytest.raises(InputError, match=r"b.root: tree 'events' lacks 'X1', which evaluate.regions.high needs; .*'x'"):
        reader.read()


def test_what_is_not_one_number_per_event_is_refused(paths: list[str]) -> None:
    with pytest.raises(InputError, match=r"branch 'jets' is not one number per event but var \* float64; make events"):
        SampleReader(paths, "events", ["jets"]).read()
    with pytest.raises(ConfigError, match=r"derived.j: 'jets' is not one number per event"):
        SampleReader(paths, "events", derived=parse_all({"j": "jets"}, "derived")).read()


def test_weights_that_are_not_finite_are_refused_where_they_count(paths: list[str]) -> None:
    table = SampleReader(paths, "events", weight="x").read()
    table.refuse_bad_weights("source", np.array([True, True, True, False, True]))
    with pytest.raises(InputError, match="source: 1 of 5 weights are not finite"):
        table.refuse_bad_weights("source")


def test_an_empty_sample_or_region_says_so(paths: list[str], tmp_path: Path) -> None:
    empty = SampleReader([_write(tmp_path / "empty.root", x=np.empty(0))], "events", ["x"], "x").read()
    assert (len(empty), empty.files) == (0, {str(tmp_path / "empty.root"): 0})
    with pytest.raises(EmptySelectionError, match=r"empty.root: there are no entries; give another target"):
        empty.inside(None, "target")
    with pytest.raises(EmptySelectionError, match="target: none of 5 events is in the region 'x > 9'"):
        SampleReader(paths, "events", ["x"]).read().inside(parse("x > 9"), "target")


def test_checking_a_file_looks_at_branches_and_cuts(paths: list[str]) -> None:
    SampleReader([], "events", ["x"], cuts=[parse("x > 1")]).check(paths[0])
    with pytest.raises(ConfigError, match="region: 'x' is not true or false"):
        SampleReader([], "events", cuts=[parse("x", "region")]).check(paths[0])
