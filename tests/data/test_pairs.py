"""The same events are found in two samples, in whatever order they stand there."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.data.events import Events
from simmorph.data.pairs import NO_PARTNER, is_in_first_half, known_by, pairs_of, partner_rows
from simmorph.errors import InputError


def events(ids: list[int]) -> Events:
    """Events whose feature is their id."""
    return Events.of(np.array(ids, np.float64)[:, None], None, None, np.array(ids))


def test_partners_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(1)
    source, target = (rng.choice(10**12, 2000, replace=False) for _ in range(2))
    target[:1500] = rng.permutation(source)[:1500]
    found = partner_rows(source, target)
    rows = {number: row for row, number in enumerate(target.tolist())}
    assert found.tolist() == [rows.get(number, NO_PARTNER) for number in source.tolist()]
    assert np.count_nonzero(found != NO_PARTNER) == 1500


def test_pairs_have_the_order_of_the_source_and_say_what_is_left_out() -> None:
    source, target, remark = pairs_of(events([5, 1, 9, 7]), events([7, 5, 2, 1, 3]))
    assert source.ids.tolist() == target.ids.tolist() == [5, 1, 7]
    assert target.features[:, 0].tolist() == [5, 1, 7]
    assert "1 source and 2 target events have no partner" in remark
    assert pairs_of(events([1, 2]), events([2, 1])).remark == ""


@pytest.mark.parametrize(("source", "target", "name"), [([1, 1, 2], [1, 2], "source"), ([1, 2], [2, 2, 1], "target")])
def test_a_number_that_is_there_twice_is_refused(source: list[int], target: list[int], name: str) -> None:
    with pytest.raises(InputError, match=f"^{name}: 1 events have the number of another one"):
        pairs_of(events(source), events(target))


def test_samples_without_a_common_event_are_refused() -> None:
    with pytest.raises(InputError, match="no event in common"):
        pairs_of(events([1, 2]), events([3, 4]))


def test_events_are_known_by_their_numbers_whatever_the_type() -> None:
    run, event = np.array([1, 1, 2], np.int32), np.array([7, 2**63 + 5, 7], np.uint64)
    wide = known_by("x", ["run", "event"], [run.astype(np.int64), event])
    assert known_by("x", ["run", "event"], [run, event]).tolist() == wide.tolist()
    assert len(set(wide.tolist())) == 3
    with pytest.raises(InputError, match="'mass', by which `pairs` tells events apart, is not a whole number"):
        known_by("x", ["mass"], [np.array([1.5])])


def test_halves_belong_to_events_and_are_equal_in_size() -> None:
    ids = np.arange(100_000)
    first = is_in_first_half(ids)
    assert first.mean() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(is_in_first_half(ids[::-1]), first[::-1])
