"""From templates to the workspace of pyhf."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simmorph.data.histograms import Histogram
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.building import CHANNEL, workspace_of, workspace_of_channels
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.modifiers.histosys import HistoSys
from simmorph.limits.modifiers.normfactor import NormFactor
from simmorph.limits.modifiers.normsys import NormSys
from simmorph.limits.templates.sample import Sample, Templates

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray
    from simmorph.limits.modifiers.base import Modifier


def histogram(values: list[float], name: str) -> Histogram:
    """Bins of width 1 with so many events of weight 1/2 that they add up to the values."""
    return Histogram(np.arange(len(values) + 1.0), np.array(values), np.array(values) / 2, name)


def templates(
    signal: list[float], background: list[float], *modifiers: Modifier, used: BoolArray | None = None
) -> Templates:
    """A signal, a background with its statistics and these modifiers, and data that are one event above it."""
    data = histogram([it + 1 for it in background], "data")
    sample = Sample.with_statistics(histogram(background, "background")).and_modifiers(*modifiers)
    chosen = np.ones(len(signal), np.bool_) if used is None else used
    return Templates((Sample(histogram(signal, "signal"), True), sample), data, False, chosen)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.floats(0.1, 50), st.floats(1, 1e4)), min_size=1, max_size=5),
    st.sampled_from(["mu", "strength", "mu-VBF"]),
)
def test_any_workspace_passes_the_schema_of_pyhf_and_gives_its_templates_back(
    bins: list[tuple[float, float]], parameter: str
) -> None:
    signal, background = map(list, zip(*bins, strict=True))
    spec = workspace_of(templates(signal, background, NormSys("scale", 1.1, 0.9)), parameter)
    spec = json.loads(json.dumps(spec))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pyhf.schema.validate(spec, "workspace.json")
        workspace = pyhf.Workspace(spec)
        model = workspace.model()
    assert model.config.poi_name == parameter
    for strength in (0.0, 2.0):
        point = np.array(model.config.suggested_init())
        point[model.config.poi_index] = strength
        np.testing.assert_allclose(
            model.expected_actualdata(point), np.array(background) + strength * np.array(signal), rtol=1e-12
        )
    np.testing.assert_allclose(workspace.data(model, include_auxdata=False), np.array(background) + 1)


def test_statistics_are_the_root_of_the_summed_squared_weights() -> None:
    (channel,) = workspace_of(templates([1.0, 2.0], [8.0, 18.0]), "mu")["channels"]
    (statistics,) = channel["samples"][1]["modifiers"]
    assert statistics == {"name": "background_statistics", "type": "staterror", "data": [2.0, 3.0]}


def test_only_the_signal_is_scaled_by_the_parameter() -> None:
    (channel,) = workspace_of(templates([1.0], [8.0], NormSys("scale", 1.1, 0.9)), "mu")["channels"]
    kinds = {it["name"]: [modifier["type"] for modifier in it["modifiers"]] for it in channel["samples"]}
    assert kinds == {"signal": ["normfactor"], "background": ["staterror", "normsys"]}
    assert channel["name"] == CHANNEL


def test_bins_out_of_the_window_are_left_out_of_yields_data_and_modifiers() -> None:
    values = [8.0, 18.0, 32.0, 50.0]
    shape = HistoSys("shape", np.array([9.0, 19.0, 33.0, 51.0]), np.array([7.0, 17.0, 31.0, 49.0]))
    used = np.array([False, True, True, False])
    spec = workspace_of(templates([1.0, 2.0, 3.0, 4.0], values, shape, used=used), "mu")
    signal, background = spec["channels"][0]["samples"]
    assert signal["data"] == [2.0, 3.0]
    assert background["data"] == [18.0, 32.0]
    statistics, cut = background["modifiers"]
    assert statistics["data"] == [3.0, 4.0]
    assert cut["data"] == {"hi_data": [19.0, 33.0], "lo_data": [17.0, 31.0]}
    assert spec["observations"][0]["data"] == [19.0, 33.0]


def test_what_has_one_name_in_two_channels_is_one_parameter() -> None:
    common: tuple[Modifier, ...] = (NormSys("scale", 1.1, 0.9), NormFactor("free", (0.5, 2.0)))
    channels = {name: templates([1.0], [8.0], *common) for name in ("near", "far")}
    spec = workspace_of_channels(channels, "mu")
    model: Any = measurement_of(spec).likelihood.model
    assert [it["name"] for it in spec["channels"]] == ["near", "far"]
    assert model.config.par_names.count("scale") == model.config.par_names.count("free") == 1
    assert spec["measurements"][0]["config"]["parameters"] == [{"name": "free", "inits": [1.0], "bounds": [[0.5, 2.0]]}]


@pytest.mark.parametrize("used", [[True, False, True], [False, False, False]])
def test_bins_with_a_gap_are_refused(used: list[bool]) -> None:
    with pytest.raises(ValueError, match="neighbouring bins"):
        workspace_of(templates([1.0] * 3, [8.0] * 3, used=np.array(used)), "mu")


def test_a_signal_with_a_strength_of_its_own_is_fitted_beside_that_of_interest() -> None:
    chosen = templates([5.0, 1.0, 0.5], [20.0, 30.0, 90.0], NormFactor("background_norm", (0.5, 2.0)))
    own = Sample(histogram([1.0, 6.0, 0.5], "own"), True, strength="mu_own")
    chosen = replace(chosen, samples=(*chosen.samples, own))
    for poi, others in (
        (None, ["mu_own", "background_norm"]),
        ("mu_own", ["mu", "background_norm"]),
        ("background_norm", ["mu", "mu_own"]),
    ):
        spec = workspace_of_channels({"": chosen}, "mu", poi)
        (measurement,) = spec["measurements"]
        assert measurement["config"]["poi"] == (poi or "mu")
        assert {it["name"] for it in measurement["config"]["parameters"]} == set(others)
        names = [sample["modifiers"][0]["name"] for sample in spec["channels"][0]["samples"]]
        assert (names[0], names[2]) == ("mu", "mu_own")
        found = fitted_strength((ready := measurement_of(spec)).likelihood, ready.data)
        assert ready.likelihood.model.config.poi_name == (poi or "mu")
        assert found.uncertainty > 0
