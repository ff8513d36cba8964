"""Fits of random models with all kinds of modifiers against Minuit, strategy 2, from several starts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from iminuit import Minuit

from simmorph.limits.engine.cells import modifiers_of
from simmorph.limits.fits.inference import AsymptoticCls, upper_limits
from simmorph.limits.model.workspace import Measurement, measurement_of

N_QUICK = 6
N_STARTS = 3
HUGE_CURVATURE, SAME_SIDE, ALL_FREE = 1028, 1031, 1037
"""Models whose curvatures differ by more than rounding leaves, with two minima on one side of a parameter's nominal
value, and with a free factor in every bin."""
STRENGTH = {"name": "mu", "type": "normfactor", "data": None}


def random_model(seed: int) -> dict[str, Any]:
    """One to three channels of one to four bins, some of them nearly empty, and counts near what is expected."""
    rng = np.random.default_rng(seed)
    channels, observations = [], []
    size = rng.choice([0.5, 5.0, 60.0])
    for number in range(rng.integers(1, 4)):
        n_bins = int(rng.integers(1, 5))
        samples = [{"name": "signal", "data": rng.uniform(1, 8, n_bins).tolist(), "modifiers": [STRENGTH]}]
        for name in ("first", "second", "third")[: rng.integers(1, 4)]:
            values = size * rng.uniform(0.3, 3, n_bins)
            samples.append({"name": name, "data": values.tolist(), "modifiers": modifiers(name, values, number, rng)})
        total = np.sum([sample["data"] for sample in samples[1:]], axis=0)
        counts = rng.poisson(total * rng.uniform(0.6, 1.5, n_bins))
        channels.append({"name": f"channel{number}", "samples": samples})
        observations.append({"name": f"channel{number}", "data": counts.astype(float).tolist()})
    uses_lumi = any(it["type"] == "lumi" for _, _, it in modifiers_of(channels))
    lumi = {"name": "lumi", "auxdata": [1.0], "sigmas": [0.03], "bounds": [[0.5, 1.5]], "inits": [1.0]}
    parameters = [lumi] if uses_lumi else []
    return {
        "version": "1.0.0",
        "channels": channels,
        "observations": observations,
        "measurements": [{"name": "limit", "config": {"poi": "mu", "parameters": parameters}}],
    }


def modifiers(
    sample: str, values: np.ndarray[Any, Any], channel: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """A random choice of all kinds; normal and asymmetric sizes, to one side and to both."""
    widths = rng.uniform(0.02, 0.3) * np.where(rng.random() < 0.3, 2.0, 1.0)
    up, down = 1 + widths * rng.normal(0, 1, 2)
    tilt, other = widths * rng.normal(0, 1, (2, len(values)))
    sides = {
        "hi_data": (values * np.maximum(1 + tilt, 0.05)).tolist(),
        "lo_data": (values * np.maximum(1 + other, 0.05)).tolist(),
    }
    known: list[dict[str, Any]] = [
        {
            "name": f"norm_{rng.choice(['a', 'b', sample])}",
            "type": "normsys",
            "data": {"hi": max(up, 0.1), "lo": max(down, 0.1)},
        },
        {"name": f"shape_{rng.choice(['a', sample])}", "type": "histosys", "data": sides},
        {"name": f"free_{sample}", "type": "normfactor", "data": None},
        {"name": f"bins_{sample}_{channel}", "type": "shapesys", "data": (values * rng.uniform(0.05, 0.4)).tolist()},
        {
            "name": f"statistics_{channel}",
            "type": "staterror",
            "data": (np.sqrt(values) * rng.uniform(0.1, 0.6)).tolist(),
        },
    ]
    known += [{"name": f"shapes_{sample}_{channel}", "type": "shapefactor", "data": None}]
    known += [{"name": "lumi", "type": "lumi", "data": None}]
    shares = [0.5, 0.5, 0.25, 0.25, 0.4, 0.1, 0.3]
    return [modifier for modifier, share in zip(known, shares, strict=True) if rng.random() < share]


def lowest_by_minuit(ready: Measurement, counts: np.ndarray[Any, Any], poi: float | None, seed: int) -> float:
    """The lowest -2 ln L that Minuit finds from the nominal parameters, opposite pulls, and random ones."""
    likelihood, rng = ready.likelihood, np.random.default_rng(seed)
    start = likelihood.start if poi is None else likelihood.at(poi)
    bounds = likelihood.bounds({} if poi is None else {likelihood.poi: poi})

    def deviance(values: np.ndarray[Any, Any]) -> float:
        with np.errstate(all="ignore"):
            found = -2 * float(likelihood.model.logpdf(values, counts)[0])
            # pyhf gives a finite probability to counts of which less than none are expected.
            is_possible = np.all(likelihood.model.main_model.expected_data(values) >= 0)
        return found if math.isfinite(found) and is_possible else 1e10

    found = []
    for number in range(N_STARTS):
        spread = rng.normal(0, 1.2, len(start)) * likelihood.free * (number > 0)
        begin = np.clip(start + np.where(np.abs(likelihood.lower) < 1, 0.2, 1.0) * spread, *bounds)
        minuit = Minuit(deviance, begin)
        minuit.errordef, minuit.strategy = 1, 2
        minuit.limits = list(zip(*bounds, strict=True))
        minuit.fixed = (bounds[0] == bounds[1]).tolist()
        minuit.migrad(ncall=20_000)
        found.append(float(minuit.fval))
    return min(found)


def differences(seed: int) -> dict[str, float]:
    """Our -2 ln L less that of Minuit: of the free fit, and at the limits, for observed and expected data."""
    ready = measurement_of(random_model(seed))
    test = AsymptoticCls(ready.likelihood, ready.data)
    limits = upper_limits(test)
    found = {}
    for name, profile, poi in (
        ("free", test.observed, None), ("observed", test.observed, limits.observed),
        ("expected", test.expected, limits.expected[2]), ("upper", test.expected, limits.expected[4]),
    ):  # fmt: skip
        fit = test.best if poi is None else profile.at(poi)
        counts = np.concatenate(profile.data)
        ours = -2 * float(ready.likelihood.model.logpdf(fit.parameters, counts)[0])
        found[name] = ours - lowest_by_minuit(ready, counts, poi, seed)
    return found


@pytest.mark.parametrize("seed", [*range(N_QUICK), HUGE_CURVATURE, SAME_SIDE, ALL_FREE])
def test_no_minimum_of_minuit_is_lower(seed: int) -> None:
    assert max(differences(seed).values()) < 1e-3
