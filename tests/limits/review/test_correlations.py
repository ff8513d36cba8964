"""Correlations of a fit, against Minuit on pyhf's likelihood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings

from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.report.correlation_plots import draw_correlations
from simmorph.limits.review import correlations
from simmorph.limits.review.correlations import FitCorrelations, fit_correlations
from tests.limits.conftest import minuit_of_pyhf, workspace, workspaces

if TYPE_CHECKING:
    import pytest

    Workspace = dict[str, Any]


def found_in(spec: Workspace) -> FitCorrelations:
    ready = measurement_of(spec)
    return fit_correlations(ready.likelihood, ready.data, fitted_strength(ready.likelihood, ready.data))


@settings(max_examples=12, deadline=None, derandomize=True)
@given(workspaces())
def test_correlations_and_uncertainties_are_those_of_minuit_on_pyhfs_likelihood(spec: Workspace) -> None:
    found, minuit = found_in(spec), minuit_of_pyhf(spec)
    assert found.parameters == minuit.parameters
    assert minuit.covariance is not None
    assert np.all(np.abs(found.values - minuit.values) < 0.01 * found.uncertainties)
    np.testing.assert_allclose(found.uncertainties, np.sqrt(np.diag(minuit.covariance)), rtol=5e-3)
    np.testing.assert_allclose(found.matrix, minuit.covariance.correlation(), atol=5e-3)


def free_background(observed: list[float]) -> Workspace:
    return workspace([5, 10], [50, 50], observed, {"name": "norm", "type": "normfactor", "data": None})


def test_what_is_fixed_or_at_a_bound_or_undetermined_is_left_out_and_said() -> None:
    spec = free_background([52, 61])
    spec["measurements"][0]["config"]["parameters"] = [{"name": "norm", "fixed": True}]
    assert dict(found_in(spec).left_out) == {"norm": "fixed"}
    spec["measurements"][0]["config"]["parameters"] = [{"name": "norm", "bounds": [[0.0, 0.5]], "inits": [0.4]}]
    assert dict(found_in(spec).left_out) == {"norm": "at a bound"}
    alike = workspace([50], [50], [60], {"name": "norm", "type": "normfactor", "data": None})
    assert dict(found_in(alike).left_out) == dict.fromkeys(("mu", "norm"), "not determined by the data")


def test_a_strength_at_an_edge_has_no_correlations() -> None:
    spec = workspace([5, 10], [50, 0.5], [52, 0], {"name": "u", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}})
    found = found_in(spec)
    assert (found.parameters, list(found.left_out)) == (("u",), ["mu"])


def test_a_model_of_many_bins_has_the_correlations_of_its_global_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"name": "u", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
    spec = workspace([5, 9], [50, 40], [52, 55], known, {"name": "bins", "type": "shapesys", "data": [3, 4]})
    whole = found_in(spec)
    monkeypatch.setattr(correlations, "MOST_PARAMETERS", 3)
    part = found_in(spec)
    its = [whole.parameters.index(name) for name in part.parameters]
    assert set(part.parameters) == {"mu", "u"}
    assert set(part.left_out) == {"bins[0]", "bins[1]"}
    np.testing.assert_allclose(part.matrix, whole.matrix[np.ix_(its, its)])
    np.testing.assert_allclose(part.uncertainties, whole.uncertainties[its])


def test_the_plot_shows_the_parameter_of_interest_and_the_largest_correlations() -> None:
    n = 40
    matrix = np.eye(n)
    matrix[3, 38] = matrix[38, 3] = -0.9
    matrix[4, 5:30] = matrix[5:30, 4] = 0.1
    names = ("mu", *(f"p{i}" for i in range(1, n)))
    found = FitCorrelations(names, np.zeros(n), np.ones(n), matrix, {}, "mu")
    shown = found.shown()
    assert len(shown.parameters) == correlations.N_SHOWN
    assert {"mu", "p3", "p38"} <= set(shown.parameters)
    assert shown.matrix[shown.parameters.index("p3"), shown.parameters.index("p38")] == -0.9
    figure = draw_correlations(found)
    assert [it.get_text() for it in figure.axes[0].get_yticklabels()][1:] == list(shown.parameters)[1:]
    assert "20 of 40 parameters" in figure.texts[-1].get_text()
    assert len(found.to_json()["correlation"]) == n
    matrix[4, 5:30] = matrix[5:30, 4] = 0.001
    assert found.shown().parameters == ("mu", "p3", "p38")
