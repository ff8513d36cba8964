"""Intervals against the tables of Feldman and Cousins."""

from __future__ import annotations

from typing import Any

import pytest

from simmorph.errors import InputError
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.report.injection_plots import draw_interval
from simmorph.limits.review.feldman_cousins import check_countable, interval_of_mean, unified_interval
from tests.limits.conftest import workspace

TABLE = {
    (0, 0.0): (0, 2.44), (0, 0.5): (0, 1.94), (0, 1.0): (0, 1.61), (0, 1.5): (0, 1.33), (0, 2.0): (0, 1.26),
    (0, 2.5): (0, 1.18), (0, 3.0): (0, 1.08), (0, 4.0): (0, 1.01), (0, 5.0): (0, 0.98), (1, 0.0): (0.11, 4.36),
    (1, 0.5): (0, 3.86), (1, 3.0): (0, 1.88), (2, 0.0): (0.53, 5.91), (3, 0.0): (1.10, 7.42), (3, 0.5): (0.60, 6.92),
    (5, 0.0): (1.84, 9.99), (10, 0.0): (5.50, 16.50), (10, 5.0): (1.19, 11.50),
}  # fmt: skip
"""Phys. Rev. D 57 (1998) 3873, table IV: counts and backgrounds at 90 %."""


@pytest.mark.parametrize(("count", "background"), TABLE)
def test_the_published_table_is_found_again(count: int, background: float) -> None:
    assert interval_of_mean(count, background, 0.9) == pytest.approx(TABLE[count, background], abs=0.0055)


def test_a_strength_is_the_mean_over_the_signal_and_fixed_parameters_are_none() -> None:
    scale = {"name": "scale", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
    spec = workspace([2.0], [0.5], [3.0], scale)
    spec["measurements"][0]["config"]["parameters"] = [{"name": "scale", "fixed": True}]
    ready = measurement_of(spec)
    found = unified_interval(ready.likelihood, ready.data, 0.9)
    assert (2 * found.low, 2 * found.high) == pytest.approx((0.60, 6.92), abs=0.0055)
    assert draw_interval(found).axes[0].get_xlabel() == r"$\mu$"


SCALE = {"name": "scale", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        (workspace([2.0, 1.0], [5.0, 5.0], [3.0, 4.0]), "bins: 2, nuisance parameters: 0"),
        (workspace([2.0], [5.0], [3.0], SCALE), "bins: 1, nuisance parameters: 1"),
        (workspace([2.0], [5.0], [3.5]), "a count of 3.5"),
        (workspace([-2.0], [5.0], [3.0]), "takes events away"),
    ],
)
def test_what_has_no_exact_sum_is_refused(spec: dict[str, Any], what: str) -> None:
    ready = measurement_of(spec)
    with pytest.raises(InputError, match=what):
        check_countable(ready.likelihood, ready.data)
