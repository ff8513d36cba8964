"""Workspaces with known limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
