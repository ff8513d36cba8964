"""Limits of random models with every kind of modifier, against pyhf's own CLs."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pyhf
import pytest

from simmorph.limits.fits.inference import AsymptoticCls, upper_limits
from simmorph.limits.model.workspace import measurement_of

N_BINS = 4


def random_workspace(seed: int) -> dict[str, Any]:
    """Two channels, two backgrounds, correlated and uncorrelated modifiers, and data with an empty bin."""
    rng = np.random.default_rng(seed)
    channels, observations = [], []
    for number in range(2):
        yields = {"signal": rng.uniform(0, 8, N_BINS), "large": rng.uniform(5, 60, N_BINS)}
        yields["small"] = rng.uniform(0.5, 5, N_BINS)
        samples = [
            {"name": name, "data": values.tolist(), "modifiers": modifiers_of(name, values, number, rng)}
            for name, values in yields.items()
        ]
        counts = rng.poisson(yields["large"] + yields["small"] + rng.choice([0, 1]) * yields["signal"])
        counts[rng.integers(N_BINS)] *= seed % 2
        channels.append({"name": f"channel{number}", "samples": samples})
        observations.append({"name": f"channel{number}", "data": counts.astype(float).tolist()})
    lumi = {"name": "lumi", "auxdata": [1.0], "sigmas": [0.03], "bounds": [[0.5, 1.5]], "inits": [1.0]}
    config = {"poi": "mu", "parameters": [lumi]}
    return {
        "version": "1.0.0",
        "channels": channels,
        "observations": observations,
        "measurements": [{"name": "limit", "config": config}],
    }


def modifiers_of(sample: str, values: np.ndarray[Any, Any], channel: int, rng: np.random.Generator) -> list[Any]:
    modifiers: list[dict[str, Any]]
    if sample == "signal":
        modifiers = [{"name": "mu", "type": "normfactor", "data": None}, {"name": "lumi", "type": "lumi", "data": None}]
    else:
        modifiers = [{"name": f"statistics{channel}", "type": "staterror", "data": (0.3 * np.sqrt(values)).tolist()}]
    shape = values * rng.uniform(0.85, 1.15, N_BINS)
    modifiers.append({"name": "scale", "type": "normsys", "data": {"hi": 1.12, "lo": 0.9}})
    sides = {"hi_data": shape.tolist(), "lo_data": (2 * values - shape).tolist()}
    modifiers.append({"name": "shape", "type": "histosys", "data": sides})
    if sample == "large":
        modifiers.append({"name": f"bins{channel}", "type": "shapesys", "data": (0.1 * values).tolist()})
    return modifiers


@pytest.mark.parametrize("seed", range(5))
def test_cls_of_pyhf_at_our_limit_is_the_level(seed: int) -> None:
    ready = measurement_of(random_workspace(seed))
    limits = upper_limits(AsymptoticCls(ready.likelihood, ready.data))
    assert ready.likelihood.tally.invalid == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-3, strategy=1))
        try:
            model, counts = ready.likelihood.model, np.concatenate(ready.data)
            bounds = [(low, min(high, 1e3)) for low, high in model.config.suggested_bounds()]
            bounds[model.config.poi_index] = (0.0, 5 * limits.expected[4] + 5 * limits.observed)
            options = {"par_bounds": bounds, "test_stat": "qtilde", "return_expected_set": True}
            observed, expected = pyhf.infer.hypotest(limits.observed, counts, model, **options)
            _, at_median = pyhf.infer.hypotest(limits.expected[2], counts, model, **options)
        finally:
            pyhf.set_backend("numpy")
    assert float(observed) == pytest.approx(0.05, abs=1e-4)
    assert float(at_median[2]) == pytest.approx(0.05, abs=1e-4)
    assert len(expected) == len(limits.expected)
