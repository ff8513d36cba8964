"""Promises of the derivatives of preprocessing: what carries a density from one set of variables to another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simmorph.config.preprocessing import PeriodicSettings, VariableSettings
from simmorph.data.events import Events
from simmorph.data.preprocessing.chain import Preprocessing
from simmorph.data.preprocessing.steps import STEPS, step_from_json

STEP = 1e-6
FITTED: dict[str, tuple[dict[str, Any], tuple[float, float]]] = {
    "standardise": ({"mean": 3.0, "scale": 2.0}, (-5, 9)),
    "log": ({"shift": 1.0, "floor": 1e-3, "sign": 1.0}, (-0.9, 8)),
    "logit": ({"low": -1.0, "high": 3.0, "first": 1e-3, "last": 0.999}, (-0.9, 2.9)),
    "quantile": ({"values": [0.0, 1.0, 4.0], "normal": [-1.0, 0.0, 2.0]}, (-2, 6)),
    "periodic": ({"seam": 0.5}, (-3, 3)),
    "dequantise": ({"point_masses": [0.0], "widths": [2.0], "rest": 0.5}, (0.1, 3)),
    "gaps": ({"low": [1.0], "high": [2.0]}, (2.1, 4)),
}


@pytest.mark.parametrize("name", STEPS)
def test_the_slope_is_that_of_the_step(name: str) -> None:
    fields, (low, high) = FITTED[name]
    step = step_from_json({"name": name, **fields})
    values = np.random.default_rng(1).uniform(low, high, 200)
    if name in {"quantile", "periodic"}:  # away from kinks and seam
        values = values[(np.abs(values - 0.5) > 0.01) & (np.abs(values) > 0.01) & (np.abs(values - 1) > 0.01)]
    above, below = (step.forward(values + shift, lambda: np.zeros(len(values))) for shift in (STEP, -STEP))
    np.testing.assert_allclose(step.log_slope(values), np.log((above - below) / (2 * STEP)), atol=1e-4)


def test_a_density_is_normalised_in_physical_units_with_the_share_of_an_atom() -> None:
    rng = np.random.default_rng(2)
    values = np.where(rng.random(20_000) < 0.3, 0.0, rng.exponential(5, 20_000))
    preprocessing = Preprocessing.fit(["isolation"], {}, Events.of(values[:, None]), seed=1)

    def density(physical: np.ndarray) -> np.ndarray:
        """That of a normal distribution of the preprocessed variable."""
        ids = np.arange(len(physical))
        shown = preprocessing.forward(physical[:, None], ids)[:, 0]
        slopes = preprocessing.log_slope(physical[:, None], ids)
        return np.asarray(np.exp(-0.5 * shown**2 + slopes) / np.sqrt(2 * np.pi))

    tail = np.linspace(1e-6, 300, 600_001)
    total = np.trapezoid(density(tail), tail) + density(np.zeros(20_000)).mean()
    assert total == pytest.approx(1, abs=0.01)
    assert density(np.zeros(20_000)).mean() == pytest.approx(0.3, abs=0.02)


def test_an_angle_relative_to_another_adds_nothing() -> None:
    rng = np.random.default_rng(3)
    angles = rng.uniform(-3, 3, (500, 2))
    settings = {"phi2": VariableSettings(steps=[PeriodicSettings(relative_to="phi1")])}
    preprocessing = Preprocessing.fit(["phi1", "phi2"], settings, Events.of(angles), seed=1)
    ids = np.arange(500)
    shown = preprocessing.forward(angles, ids)
    jacobian = np.empty((500, 2, 2))
    for at in range(2):
        shift = np.zeros(2)
        shift[at] = STEP
        jacobian[:, :, at] = (preprocessing.forward(angles + shift, ids) - shown) / STEP
    determinant = np.abs(np.linalg.det(jacobian))
    inside = determinant < 1e4  # the seam is crossed nowhere
    found = preprocessing.log_slope(angles, ids)
    assert inside.mean() > 0.98
    assert np.median(np.abs(found[inside] - np.log(determinant[inside]))) < 1e-3
