"""Objects in their order, whatever order the file has them in."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simmorph.config.selection.objects import ObjectSettings
from simmorph.data.selection.objects import Kept, Objects

NUMBERS = st.sampled_from([-1.0, 0.0, 1.0, 2.0, np.nan])


@pytest.mark.parametrize("order", ["descending", "ascending"])
@given(lists=st.lists(st.lists(NUMBERS, max_size=4), max_size=5))
def test_lists_in_order_are_left_and_all_others_ordered(order: str, lists: list[list[float]]) -> None:
    """Against Python's stable sort, NaN last."""
    settings = ObjectSettings.model_validate({"branches": {"pt": "pt"}, "order_by": "pt", "order": order})
    sign = -1 if order == "descending" else 1
    keys = ak.values_astype(ak.Array([[], *lists])[1:], np.float64)
    found = Objects("photon", settings).ordered(keys)
    expected = [sorted(range(len(it)), key=lambda at: (np.isnan(it[at]), sign * it[at])) for it in lists]
    as_they_are = [list(range(len(it))) for it in lists]
    if any(np.isnan(value) for it in lists for value in it):
        assert found is not None
    assert (as_they_are if found is None else found.tolist()) == expected
    assert found is not None or expected == as_they_are


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=4), max_size=6))
def test_objects_that_are_kept_are_those_of_each_event_one_after_the_other(
    events: list[list[tuple[int, bool]]],
) -> None:
    """By Python's lists: what is marked is kept, then ordered."""
    counts = np.array([len(event) for event in events], np.int64)
    values = ak.unflatten(np.array([number for event in events for number, _ in event], np.int64), counts)
    marks = np.array([is_kept for event in events for _, is_kept in event], np.bool_)
    kept = Kept.passing(marks, counts)
    expected = [[number for number, is_kept in event if is_kept] for event in events]
    assert kept.of(values).to_list() == expected
    ordered = kept.ordered(ak.argsort(kept.of(values), axis=1, ascending=False, stable=True))
    assert ordered.of(values).to_list() == [sorted(event, reverse=True) for event in expected]
    assert Kept.all(counts).of(values).to_list() == values.to_list()
