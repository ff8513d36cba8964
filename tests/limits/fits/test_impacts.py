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


def test_a_free_normalisation_has_an_impact_by_its_own_uncertainty_and_no_pull(make_workspace: Make) -> None:
    # Only the second bin knows the background: 100 +- 1 % of it, and the signal of 20 takes what is left.
    free = {"name": "norm", "type": "normfactor", "data": None}
    ready = measurement_of(make_workspace([20.0, 0.0], [100.0, 10_000.0], [120.0, 10_000.0], free))
    found = fitted_strength(ready.likelihood, ready.data)
    (row,) = impacts(ready.likelihood, ready.data, found)
    assert (row.parameter, row.pull, row.constraint) == ("norm", None, None)
    assert row.value == pytest.approx(1, abs=1e-6)
    assert row.uncertainty == pytest.approx(0.01, rel=1e-3)
    assert (row.up, row.down) == pytest.approx((-0.05, 0.05), rel=1e-3)
    assert math.hypot(row.up, math.sqrt(120) / 20) == pytest.approx(found.uncertainty, rel=1e-3)
    axes = draw_impacts([row], "mu").axes[0]
    assert [it.get_text() for it in axes.texts] == [r"1 $\pm$ 0.01"]


@pytest.mark.parametrize("kind", ["shapesys", "staterror", "normsys"])
def test_every_kind_is_pulled_in_units_of_its_own_measurement(make_workspace: Make, kind: str) -> None:
    # 10 % of 100 events, which a bin of the same count without signal would have 20 % higher.
    data = {"hi": 1.1, "lo": 0.9} if kind == "normsys" else [0.0, 10.0]
    ready = measurement_of(
        make_workspace([20.0, 0.0], [100.0, 100.0], [100.0, 120.0], {"name": "u", "type": kind, "data": data})
    )
    (row,) = impacts(ready.likelihood, ready.data, fitted_strength(ready.likelihood, ready.data))
    assert row.pull == pytest.approx(1.0, abs=0.12)
    assert row.constraint == pytest.approx(0.72, abs=0.04)


def test_a_pull_is_measured_from_the_auxiliary_measurement_and_not_from_where_the_fit_begins(
    make_workspace: Make,
) -> None:
    scale = {"name": "scale", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
    spec = make_workspace([20.0], [100.0], [120.0], scale)
    spec["measurements"][0]["config"]["parameters"] = [{"name": "scale", "inits": [1.5]}]
    ready = measurement_of(spec)
    (row,) = impacts(ready.likelihood, ready.data, fitted_strength(ready.likelihood, ready.data))
    assert row.pull == pytest.approx(0, abs=1e-3)


def test_the_strongest_parameter_comes_first_and_all_are_named_in_the_plot(reference: dict[str, Any]) -> None:
    ready = measurement_of(reference)
    rows = impacts(ready.likelihood, ready.data, fitted_strength(ready.likelihood, ready.data))
    assert [row.size for row in rows] == sorted((row.size for row in rows), reverse=True)
    assert {row.parameter for row in rows} == {"u[0]", "u[1]"}
    left = draw_impacts(rows, "mu").axes[0]
    assert [label.get_text() for label in left.get_yticklabels()] == [row.parameter for row in rows][::-1]
