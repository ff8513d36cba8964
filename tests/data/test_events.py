"""Events keep their rows together."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.data.events import Events


def test_rows_stay_together_when_events_are_cut_and_joined() -> None:
    events = Events.of(np.arange(6.0).reshape(3, 2), np.array([[7.0], [8.0], [9.0]]), np.array([1.0, -1.0, 2.0]))
    joined = Events.concatenate([events[2:], events[:2]])
    np.testing.assert_array_equal(joined.features[:, 0], [4, 0, 2])
    np.testing.assert_array_equal(joined.context[:, 0], [9, 7, 8])
    np.testing.assert_array_equal(joined.weights, [2, 1, -1])
    np.testing.assert_array_equal(joined.ids, [2, 0, 1])


@pytest.mark.parametrize(
    ("weights", "size"), [([1, 1, 1, 1], 4.0), ([1, 1, 1, -1], 1.0), ([2, 0, 0, 0], 1.0), ([0, 0], 0)]
)
def test_effective_size_counts_signs(weights: list[float], size: float) -> None:
    events = Events.of(np.zeros((len(weights), 1)), weights=np.array(weights, float))
    assert events.effective_size == pytest.approx(size)


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="one row for each"):
        Events.of(np.zeros((3, 1)), weights=np.ones(2))
