"""Expected data in place of observed ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyhf
import pytest
from hypothesis import given, settings

from simmorph.errors import InputError
from simmorph.limits.fits.inference import AsymptoticCls, upper_limits
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.asimov import blinded
from simmorph.limits.model.workspace import measurement_of
from tests.limits.conftest import model_of_pyhf, workspace, workspaces

Workspace = dict[str, Any]


@settings(max_examples=8, deadline=None, derandomize=True)
@given(workspaces())
def test_the_counts_are_those_that_pyhf_expects_and_the_fit_gives_the_strength_back(spec: Workspace) -> None:
    model, _ = model_of_pyhf(spec)
    for strength in (0.0, 1.5):
        found, ready = blinded(spec, strength)
        parameters = np.array(model.config.suggested_init())
        parameters[model.config.poi_index] = strength
        np.testing.assert_allclose(np.concatenate(ready.data), model.expected_data(parameters), rtol=1e-9)
        again = measurement_of(found)
        np.testing.assert_allclose(np.concatenate(again.data), np.concatenate(ready.data), rtol=1e-12)
        assert fitted_strength(ready.likelihood, ready.data, sides=False).value == pytest.approx(strength, abs=1e-4)


def test_limits_are_those_of_pyhf_on_expected_data() -> None:
    spec = workspace([12, 11], [50, 52], [10_000, 0], {"name": "u", "type": "shapesys", "data": [3, 7]})
    _, ready = blinded(spec, 1.0)
    limits = upper_limits(AsymptoticCls(ready.likelihood, ready.data))
    model, _ = model_of_pyhf(spec)
    data = model.expected_data([1.0, *model.config.suggested_init()[1:]])
    assert pyhf.infer.hypotest(limits.observed, data, model) == pytest.approx(0.05, rel=2e-3)


@pytest.mark.parametrize("counts", [[3.0, 1e6], [-1.0, float("nan")], [1.0, 2.0, 3.0], []])
def test_nothing_depends_on_what_was_seen_not_even_a_refusal(counts: list[float]) -> None:
    spec = workspace([12, 11], [50, 52], [51, 48], {"name": "u", "type": "shapesys", "data": [3, 7]})
    expected, ready = blinded(spec, 0.5)
    spec["observations"] = [{"name": "channel", "data": counts}]
    found, other = blinded(spec, 0.5)
    assert found == expected
    np.testing.assert_array_equal(other.data.main, ready.data.main)


def test_parameters_are_where_they_were_measured_and_not_where_fits_begin() -> None:
    scale = {"name": "scale", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
    spec = workspace([10], [100], [0], scale)
    spec["measurements"][0]["config"]["parameters"] = [{"name": "scale", "inits": [2.0]}]
    assert blinded(spec, 1.0)[1].data.main.tolist() == pytest.approx([110.0])


def test_a_signal_where_nothing_else_is_expected_is_refused_as_in_data() -> None:
    spec = workspace([10, 10], [100, 0], [100, 0])
    assert blinded(spec, 0.0)[1].data.main.tolist() == [100.0, 0.0]
    with pytest.raises(InputError, match="bin 2 of channel 'channel' expects 0 events without a signal"):
        blinded(spec, 1.0)


def test_what_is_no_workspace_is_refused_as_without_blinding() -> None:
    with pytest.raises(InputError, match="not a pyhf workspace"):
        blinded({"version": "1.0.0", "channels": 3}, 0.0)
