"""Events that are there twice are counted, against a set of tuples that Python keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simmorph.data.quality import duplicates
from simmorph.data.quality.duplicates import Duplicates

EVENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), max_size=30)
TYPES = ["int8", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64"]


def counted(files: list[list[tuple[int, int]]], chunk: int = 7, types: list[str] | None = None) -> Duplicates:
    found = Duplicates()
    for i, events in enumerate(files):
        numbers = np.array(events, types[i] if types else np.int64).reshape(-1, 2)
        for start in range(0, len(numbers), chunk):
            found.add(f"f{i}.root", numbers[start : start + chunk].T)
    return found


def by_hand(files: list[list[tuple[int, int]]]) -> dict[str, int]:
    seen: set[tuple[int, int]] = set()
    counts: dict[str, int] = {}
    for i, events in enumerate(files):
        for at, event in enumerate(events):
            if at and events[at - 1] == event:
                continue
            if event in seen:
                counts[f"f{i}.root"] = counts.get(f"f{i}.root", 0) + 1
            seen.add(event)
    return counts


@given(st.lists(EVENTS, max_size=5), st.integers(1, 40), st.lists(st.sampled_from(TYPES), min_size=5, max_size=5))
def test_counts_are_those_of_a_set_whatever_the_types_of_the_files(
    files: list[list[tuple[int, int]]], chunk: int, types: list[str]
) -> None:
    assert counted(files, chunk, types).counts == by_hand(files)


@given(
    st.lists(st.floats(allow_nan=False) | st.integers(-(2**63), 2**63 - 1), max_size=20, unique=True),
    st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_a_number_is_known_again_in_another_type(values: list[float], is_float: list[bool]) -> None:
    """Python compares and hashes numbers by value, whatever their types."""
    found = Duplicates()
    for value in values:
        found.add("a.root", [np.array([value])])
    assert found.counts == {}
    again = [float(it) if is_one else it for it, is_one in zip(values, is_float, strict=False)]
    for at, value in enumerate(again):
        found.add(f"{at}.root", [np.array([value])])
    earlier = [{*values, *again[:at]} for at in range(len(again))]
    assert found.counts == {f"{at}.root": 1 for at, it in enumerate(again) if it in earlier[at]}


def test_every_nan_is_the_same() -> None:
    found = Duplicates()
    nans = np.array([0x7FF8000000000000, 0xFFF8000000000000], np.uint64).view(np.float64)
    found.add("a.root", [np.array([1]), nans[:1]])
    found.add("b.root", [np.array([1]), nans[1:]])
    assert found.counts == {"b.root": 1}


def test_many_different_events_are_no_duplicates_and_a_copy_is() -> None:
    numbers = np.arange(300_000)
    found = Duplicates()
    for start in range(0, len(numbers), 20_000):
        part = numbers[start : start + 20_000]
        found.add("a.root", [part // 1000 + 300_000, part])
    assert found.counts == {}
    assert found.warnings() == []
    assert len(found._seen) < 8, "few arrays are looked through"
    found.add("copy.root", [numbers // 1000 + 300_000, numbers])
    assert found.counts == {"copy.root": 300_000}
    assert found.warnings() == [
        "300000 events are there twice, by run and event number, in copy.root: is a file a copy?"
    ]


def test_rows_of_one_event_are_one_event() -> None:
    event = np.repeat([7, 8, 9], [3, 1, 2])
    assert counted([[(1, int(it)) for it in event]], chunk=2).counts == {}


def test_what_is_compared_distinguishes_events() -> None:
    run, event, pt = np.array([1, 1]), np.array([5, 5]), np.array([30.0, 40.0])
    found = Duplicates()
    found.add("mc.root", [run, event, pt])
    assert found.counts == {}
    found.add("mc2.root", [run, event, np.array([-0.0, 30.0])])
    assert found.counts == {"mc2.root": 1}


@pytest.mark.parametrize("kind", [np.uint64, np.int64, np.int32])
def test_large_numbers_keep_every_bit(kind: type[np.integer]) -> None:
    largest = np.iinfo(kind).max
    event = np.array([largest, largest - 1], kind)
    found = Duplicates()
    found.add("a.root", [np.ones(2, np.int64), event])
    assert found.counts == {}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MOST", 100)
    found = Duplicates()
    for _ in range(2):
        for start in range(0, 1000, 50):
            found.add("a.root", [np.arange(start, start + 50)])
        assert found.n_remembered == 100
    assert found.counts == {"a.root": 100}
