"""Intervals against the tables of Feldman and Cousins."""

from __future__ import annotations

from typing import Any

import pytest

from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.report.injection_plots import draw_interval
from simmorph.limits.review.feldman_cousins import UnifiedInterval, interval_of_mean, unified_interval
from simmorph.pipeline.limits.infer import LimitsOptions, infer
from simmorph.pipeline.limits.toys import ToyOptions
from tests.limits.conftest import minuit_of_pyhf, workspace

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


def interval_by_toys(spec: dict[str, Any], number: int = 2000, jobs: int = 1) -> UnifiedInterval:
    options = LimitsOptions(level=0.9, interval="feldman-cousins", toys=ToyOptions(number=number), jobs=jobs)
    found = infer(measurement_of(spec), options).unified
    assert found is not None
    return found


@pytest.mark.parametrize(("count", "background"), [(3, 0.5), (10, 5.0)])
def test_toys_with_a_nuisance_parameter_that_is_known_find_the_published_table(count: int, background: float) -> None:
    nearly = {**SCALE, "data": {"hi": 1 + 1e-6, "lo": 1 - 1e-6}}
    found = interval_by_toys(workspace([1.0], [background], [float(count)], nearly))
    assert found.number == pytest.approx(2000, abs=10)
    for end, error, known in zip((found.low, found.high), found.errors, TABLE[count, background], strict=True):
        assert 0 < error < 0.05 * (found.high - found.low)
        assert end == pytest.approx(known, abs=4 * error + 0.0055)


def test_of_many_events_it_is_where_the_deviance_has_risen() -> None:
    spec = workspace([100.0, 50.0], [2000.0, 1000.0], [2250.0, 1120.0], {**SCALE, "data": {"hi": 1.03, "lo": 0.97}})
    found = interval_by_toys(spec)
    minuit = minuit_of_pyhf(spec)
    minuit.minos(cl=0.9)
    errors = minuit.merrors["mu"]
    best = minuit.values["mu"]
    assert found.low == pytest.approx(max(best + errors.lower, 0.0), abs=4 * found.errors[0] + 0.05)
    assert found.high == pytest.approx(best + errors.upper, abs=4 * found.errors[1] + 0.05)


def test_bins_without_nuisance_parameters_need_no_toys() -> None:
    one = interval_of_mean(7, 3.0, 0.9)
    split = interval_by_toys(workspace([0.5, 0.5], [1.5, 1.5], [4.0, 3.0]))
    assert (split.number, split.errors) == (0, (0.0, 0.0))
    # The sum of both counts has all that the strength depends on; more data sets fill the level better.
    assert (split.low, split.high) == pytest.approx(one, abs=0.25)


def test_the_numbers_do_not_depend_on_the_processes() -> None:
    spec = workspace([5.0], [10.0], [17.0], SCALE)
    assert interval_by_toys(spec, 401, jobs=2) == interval_by_toys(spec, 401)
