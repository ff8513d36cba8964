"""Workspaces with known limits."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
import pytest
from hypothesis import strategies as st
from iminuit import Minuit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypothesis.strategies import DrawFn

    Workspace = dict[str, Any]


def workspace(
    signal: Sequence[float], background: Sequence[float], observed: Sequence[float], *modifiers: dict[str, Any]
) -> Workspace:
    """One channel with a signal scaled by mu and a background with modifiers."""
    strength = {"name": "mu", "type": "normfactor", "data": None}
    return {
        "version": "1.0.0",
        "channels": [
            {
                "name": "channel",
                "samples": [
                    {"name": "signal", "data": list(signal), "modifiers": [strength]},
                    {"name": "background", "data": list(background), "modifiers": list(modifiers)},
                ],
            }
        ],
        "observations": [{"name": "channel", "data": list(observed)}],
        "measurements": [{"name": "limit", "config": {"poi": "mu", "parameters": []}}],
    }


def model_of_pyhf(spec: Workspace) -> tuple[Any, list[float]]:
    """The model that pyhf builds from a workspace, and its data with the auxiliary ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pyhf 0.7 calls jsonschema by an old name
        its = pyhf.Workspace(spec)
        model = its.model()
    return model, its.data(model)


def minuit_of_pyhf(spec: Workspace, data: Sequence[float] | None = None) -> Minuit:
    """Minuit at the minimum of pyhf's own likelihood, with its covariance: the oracle, which knows nothing of ours."""
    model, observed = model_of_pyhf(spec)
    data = observed if data is None else list(data)
    config = model.config
    minuit = Minuit(
        lambda parameters: -2 * float(model.logpdf(parameters, data)[0]),
        np.array(config.suggested_init(), np.float64),
        name=config.par_names,
    )
    minuit.errordef, minuit.strategy, minuit.tol = Minuit.LEAST_SQUARES, 2, 1e-5
    minuit.limits = config.suggested_bounds()
    minuit.limits[config.poi_index] = (-100.0, 100.0)
    minuit.fixed = config.suggested_fixed()
    minuit.migrad()
    minuit.hesse()
    return minuit


@pytest.fixture
def make_workspace() -> Callable[..., Workspace]:
    return workspace


@pytest.fixture
def reference() -> Workspace:
    """The example of pyhf's documentation."""
    return workspace([12, 11], [50, 52], [51, 48], {"name": "u", "type": "shapesys", "data": [3, 7]})


@pytest.fixture
def falling_toy() -> Callable[..., Workspace]:
    """25 bins on [0, 1]: background exp(-2.5 x), signal exp(1.5 x), S/B = 5 %, one signal in the data."""

    def make(n_background: float, kind: str, size: float = 0.1, n_simulated: float = 1e6) -> Workspace:
        edges = np.linspace(0, 1, 26)
        shape, signal = (np.diff(np.exp(rate * edges)) / rate for rate in (-2.5, 1.5))
        background = n_background * shape / shape.sum()
        signal = 0.05 * n_background * signal / signal.sum()
        statistics = n_background * np.sqrt(shape / shape.sum() / n_simulated)
        modifiers = [{"name": "statistics", "type": "staterror", "data": statistics.tolist()}]
        if kind == "normsys":
            modifiers.append({"name": "norm", "type": "normsys", "data": {"hi": 1 + size, "lo": 1 - size}})
        if kind == "shapesys":
            modifiers.append({"name": "bins", "type": "shapesys", "data": (size * background).tolist()})
        return workspace(signal.tolist(), background.tolist(), (background + signal).tolist(), *modifiers)

    return make


def yields(n_bins: int, low: float, high: float) -> st.SearchStrategy[list[float]]:
    """Expected events in each bin."""
    return st.lists(st.floats(low, high), min_size=n_bins, max_size=n_bins)


@st.composite
def modifiers(draw: DrawFn, values: list[float], channel: str) -> list[dict[str, Any]]:
    """Some modifiers of a background: those of a bin belong to the channel, the others are shared by all channels."""
    n_bins, array = len(values), np.array(values)
    sizes = st.lists(st.floats(0.02, 0.2), min_size=n_bins, max_size=n_bins)
    tilt = array * np.linspace(-1, 1, n_bins) * draw(st.floats(0.02, 0.2))
    up, down = draw(st.floats(1.02, 1.2)), draw(st.floats(0.85, 0.98))
    known = [
        {"name": "scale", "type": "normsys", "data": {"hi": up, "lo": down}},
        {
            "name": "tilt",
            "type": "histosys",
            "data": {"hi_data": (array + tilt).tolist(), "lo_data": (array - 0.8 * tilt).tolist()},
        },
        {"name": f"bins_{channel}", "type": "shapesys", "data": (array * draw(sizes)).tolist()},
        {"name": f"statistics_{channel}", "type": "staterror", "data": (array * draw(sizes)).tolist()},
    ]
    chosen = draw(st.lists(st.booleans(), min_size=len(known), max_size=len(known)))
    return [modifier for modifier, is_chosen in zip(known, chosen, strict=True) if is_chosen]


@st.composite
def workspaces(draw: DrawFn, max_channels: int = 2, max_bins: int = 3) -> Workspace:
    """Valid workspaces with one minimum: yields well above 0, and data within a third of what is expected."""
    channels, observations = [], []
    for name in ("near", "far")[: draw(st.integers(1, max_channels))]:
        n_bins = draw(st.integers(1, max_bins))
        signal, background = draw(yields(n_bins, 2, 20)), draw(yields(n_bins, 20, 200))
        one = workspace(signal, background, background, *draw(modifiers(background, name)))
        observed = np.round(background * np.array(draw(yields(n_bins, 0.8, 1.3))))
        channels.append({**one["channels"][0], "name": name})
        observations.append({"name": name, "data": observed.tolist()})
    measurements = workspace([1.0], [1.0], [1.0])["measurements"]
    return {"version": "1.0.0", "channels": channels, "observations": observations, "measurements": measurements}
