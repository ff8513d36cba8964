"""Pulls and impacts of nuisance parameters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from simmorph.limits.fits.impacts import impacts
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.report.impact_plots import draw_impacts

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., dict[str, Any]]


def test_one_bin_has_the_impact_that_its_uncertainty_implies(make_workspace: Make) -> None:
    # A 10 % uncertainty on 100 events, and no constraint from the data: the signal of 20 takes it all.
    scale = {"name": "scale", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
    ready = measurement_of(make_workspace([20.0], [100.0], [120.0], scale))
    found = fitted_strength(ready.likelihood, ready.data)
    (row,) = impacts(ready.likelihood, ready.data, found)
    assert row.parameter == "scale"
    assert row.pull == pytest.approx(0, abs=1e-4)
    assert row.constraint == pytest.approx(1, abs=1e-3)
    assert row.up == pytest.approx(-0.5, abs=1e-3)
    assert row.down == pytest.approx(0.5, abs=1e-3)
    assert math.hypot(row.up, math.sqrt(120) / 20) == pytest.approx(found.uncertainty, rel=0.01)


def test_data_pull_and_constrain_what_they_know(make_workspace: Make) -> None:
    scale = {"name": "scale", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
    ready = measurement_of(make_workspace([20.0, 0.0], [100.0, 10_000.0], [120.0, 10_500.0], scale))
    found = fitted_strength(ready.likelihood, ready.data)
    (row,) = impacts(ready.likelihood, ready.data, found)
    assert row.pull == pytest.approx(0.5, abs=0.03)
    assert row.constraint == pytest.approx(0.1, abs=0.02)


def test_the_strongest_parameter_comes_first_and_all_are_named_in_the_plot(reference: dict[str, Any]) -> None:
    ready = measurement_of(reference)
    rows = impacts(ready.likelihood, ready.data, fitted_strength(ready.likelihood, ready.data))
    assert [row.size for row in rows] == sorted((row.size for row in rows), reverse=True)
    assert {row.parameter for row in rows} == {"u[0]", "u[1]"}
    left = draw_impacts(rows, "mu").axes[0]
    assert [label.get_text() for label in left.get_yticklabels()] == [row.parameter for row in rows][::-1]
