"""Limits of models as they are in pyhf's documentation and in analyses, against pyhf's own CLs at these limits."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pyhf
import pytest

from simmorph.limits.fits.inference import AsymptoticCls, Limits, upper_limits
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.workspace import Measurement, measurement_of

MU = {"name": "mu", "type": "normfactor", "data": None}
LUMI = {"name": "lumi", "type": "lumi", "data": None}


def normsys(name: str, high: float, low: float) -> dict[str, Any]:
    return {"name": name, "type": "normsys", "data": {"hi": high, "lo": low}}


def histosys(name: str, high: list[float], low: list[float]) -> dict[str, Any]:
    return {"name": name, "type": "histosys", "data": {"hi_data": high, "lo_data": low}}


def per_bin(kind: str, name: str, sizes: list[float]) -> dict[str, Any]:
    return {"name": name, "type": kind, "data": sizes}


def channel(counts: list[float], **samples: tuple[list[float], list[dict[str, Any]]]) -> dict[str, Any]:
    """Counts, and each sample's yields and modifiers."""
    return {"counts": counts, "samples": samples}


def workspace(*parameters: dict[str, Any], **channels: dict[str, Any]) -> dict[str, Any]:
    def samples_of(its: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"name": name, "data": data, "modifiers": how} for name, (data, how) in its["samples"].items()]

    return {
        "version": "1.0.0",
        "channels": [{"name": name, "samples": samples_of(its)} for name, its in channels.items()],
        "observations": [{"name": name, "data": its["counts"]} for name, its in channels.items()],
        "measurements": [{"name": "first", "config": {"poi": "mu", "parameters": list(parameters)}}],
    }


SIGNAL = ([5.0, 10.0], [MU])
MODELS = {
    "a correlated background": workspace(
        only=channel([51, 48], signal=([12, 11], [MU]), background=([50, 52], [histosys("tilt", [45, 57], [55, 47])]))
    ),
    "no uncertainty at all": workspace(only=channel([48, 66], signal=SIGNAL, background=([50.0, 60.0], []))),
    "a control channel that knows the background": workspace(
        signal=channel([60, 70], signal=SIGNAL, background=([55.0, 60.0], [normsys("scale", 1.3, 0.75)])),
        control=channel([120], background=([100.0], [normsys("scale", 1.3, 0.75)])),
    ),
    "a shape that is shared, asymmetric, and pulled hard": workspace(
        first=channel([75, 85], signal=SIGNAL, background=([50, 60], [histosys("tilt", [60, 68], [48, 50])])),
        second=channel([170], background=([100], [histosys("tilt", [125], [92]), normsys("other", 1.1, 0.9)])),
    ),
    "one name for a scale here and a shape there": workspace(
        first=channel([52, 61], signal=SIGNAL, background=([50, 60], [normsys("energy", 1.1, 0.88)])),
        second=channel([40, 20], signal=([1, 1], [MU]), other=([38, 22], [histosys("energy", [41, 21], [35, 23])])),
    ),
    "two signals, one of them uncertain": workspace(
        only=channel(
            [58, 66], ggH=SIGNAL, VBF=([1, 4], [MU, normsys("theory", 1.2, 0.8)]), background=([50, 60], [])
        )
    ),
    "empty bins and few events": workspace(
        only=channel(
            [0, 1, 0], signal=([1, 2, 3], [MU]), other=([0.4, 0.8, 0.1], [per_bin("staterror", "s", [0.2, 0.2, 0.1])])
        )
    ),
    "a deficit that wants a negative signal": workspace(
        only=channel([30, 35], signal=SIGNAL, background=([50, 60], [per_bin("shapesys", "bins", [5, 12])]))
    ),
    "statistics shared by two samples, luminosity, and a fixed parameter": workspace(
        {"name": "lumi", "auxdata": [1.0], "sigmas": [0.05], "bounds": [[0.5, 1.5]], "inits": [1.0]},
        {"name": "frozen", "fixed": True, "inits": [0.5]},
        only=channel(
            [62, 80],
            signal=([5, 10], [MU, LUMI]),
            ttbar=([30, 40], [LUMI, per_bin("staterror", "s", [3, 4]), normsys("frozen", 1.2, 0.8)]),
            singletop=([20, 20], [per_bin("staterror", "s", [2, 6])]),
        ),
    ),
    "a constraint away from its nominal value, a start and bounds": workspace(
        {"name": "scale", "auxdata": [0.7], "inits": [0.2], "bounds": [[-2.0, 1.1]]},
        {"name": "mu", "inits": [0.3], "bounds": [[0.0, 0.4]]},
        only=channel([58, 70], signal=SIGNAL, background=([50, 60], [normsys("scale", 1.15, 0.9)])),
    ),
    "a shape from data, tied by a control channel": workspace(
        signal=channel([55, 68], signal=SIGNAL, background=([50, 60], [per_bin("shapefactor", "free", [])])),
        control=channel([510, 590], background=([500, 600], [per_bin("shapefactor", "free", [])])),
    ),
}  # fmt: skip
for _channel in MODELS["a shape from data, tied by a control channel"]["channels"]:
    _channel["samples"][-1]["modifiers"][0]["data"] = None


def cls_of_pyhf(ready: Measurement, limits: Limits, value: float) -> list[float]:
    """Observed and expected CLs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        is_lone = ready.likelihood.model.config.npars == 1  # Minuit cannot fit nothing, once this one is fixed
        minuit = pyhf.optimize.minuit_optimizer(tolerance=1e-4, strategy=1)
        pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer() if is_lone else minuit)
        try:
            model, counts = ready.likelihood.model, np.concatenate(ready.data)
            bounds = [(low, min(high, 1e3)) for low, high in model.config.suggested_bounds()]
            bounds[model.config.poi_index] = (0.0, 5 * max(limits.observed, *limits.expected))
            options = {"par_bounds": bounds, "return_expected_set": True}
            observed, expected = pyhf.infer.hypotest(value, counts, model, **options)
        finally:
            pyhf.set_backend("numpy")
    return [float(observed), *map(float, expected)]


@pytest.mark.parametrize("name", MODELS)
def test_pyhf_has_the_same_limits(name: str) -> None:
    ready = measurement_of(MODELS[name])
    limits = upper_limits(AsymptoticCls(ready.likelihood, ready.data))
    assert ready.likelihood.tally.invalid == 0
    assert cls_of_pyhf(ready, limits, limits.observed)[0] == pytest.approx(0.05, abs=1e-4)
    assert cls_of_pyhf(ready, limits, limits.expected[2])[3] == pytest.approx(0.05, abs=1e-4)
    assert cls_of_pyhf(ready, limits, limits.expected[4])[5] == pytest.approx(0.05, abs=1e-4)


def test_each_measurement_has_its_own_parameter_of_interest() -> None:
    spec = copy.deepcopy(MODELS["two signals, one of them uncertain"])
    spec["channels"][0]["samples"][1]["modifiers"][0] = {**MU, "name": "mu_vbf"}
    spec["measurements"].append({"name": "second", "config": {"poi": "mu_vbf", "parameters": []}})
    by_name = {}
    for name in ("first", "second"):
        ready = measurement_of(spec, name=name)
        by_name[name] = limits = upper_limits(AsymptoticCls(ready.likelihood, ready.data))
        assert cls_of_pyhf(ready, limits, limits.observed)[0] == pytest.approx(0.05, abs=1e-4)
    assert by_name["second"].parameter == "mu_vbf"
    assert by_name["second"].observed > 2 * by_name["first"].observed


def test_a_deficit_ends_at_no_signal_or_below_it() -> None:
    ready = measurement_of(MODELS["a deficit that wants a negative signal"])
    assert AsymptoticCls(ready.likelihood, ready.data).best_value == 0.0
    assert fitted_strength(ready.likelihood, ready.data).value < -0.5


def test_the_pull_of_a_parameter_is_that_of_pyhf() -> None:
    ready = measurement_of(MODELS["a shape that is shared, asymmetric, and pulled hard"])
    best = ready.likelihood.fit(ready.data)
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-4))
    try:
        of_pyhf = pyhf.infer.mle.fit(np.concatenate(ready.data), ready.likelihood.model)
    finally:
        pyhf.set_backend("numpy")
    at = ready.likelihood.model.config.par_names.index("tilt")
    assert best.parameters[at] > 1.5
    np.testing.assert_allclose(best.parameters, of_pyhf, atol=2e-3)
