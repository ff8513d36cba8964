"""A real template analysis, against the same model built by hand for pyhf."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
import pytest
import uproot
from scipy.optimize import minimize

from tests.examples.test_examples import EXAMPLES, run_example

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

EDGES = np.linspace(100, 180, 81)
WINDOW = slice(15, 35)
LUMINOSITY = 138_000.0
TREES = {"photon_id": "photonID", "jet_energy": "JEC", "photon_scale": "scale", "photon_smearing": "smear"}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run_example("combine-hgg", tmp_path_factory.mktemp("combine")))
    return found


def counts(file: str, tree: str, power: int = 1) -> Array:
    with uproot.open(EXAMPLES / "combine-hgg" / "data" / file) as opened:
        events = opened[tree].arrays(["CMS_hgg_mass", "weight"], library="np")
    weights = events["weight"].astype(np.float64) ** power
    return np.asarray(np.histogram(events["CMS_hgg_mass"], EDGES, weights=weights)[0])


def curve(parameters: Array) -> Array:
    """The integral of exp(a + b x) over each bin, with x from -1 to 1."""
    offset, slope = parameters
    x = (EDGES - 140) / 40
    return np.asarray(np.diff(np.exp(offset + slope * x)) / slope)


def background(data: Array) -> tuple[Array, Array]:
    """An exponential fitted to the sidebands: yields, and their shift for one deviation of independent parameters."""
    aside = np.ones(80, bool)
    aside[WINDOW] = False

    def half_deviance(parameters: Array) -> float:
        expected = curve(parameters)[aside]
        return float(np.sum(expected - data[aside] * np.log(expected)))

    start = np.array([np.log(10_000 / 2), -1.5])
    found = minimize(half_deviance, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9}).x
    slopes = np.array([(curve(found + step) - curve(found - step)) / 2e-5 for step in 1e-5 * np.eye(2)])
    information = (slopes[:, aside] / curve(found)[aside]) @ slopes[:, aside].T
    return curve(found), np.linalg.cholesky(np.linalg.inv(information)).T @ slopes


def by_hand() -> tuple[Any, list[float]]:
    data = counts("data.root", "data_Tag0")
    signal = LUMINOSITY * counts("simulation.root", "ggH_Tag0")[WINDOW]
    spread = LUMINOSITY * np.sqrt(counts("simulation.root", "ggH_Tag0", 2)[WINDOW])
    modifiers: list[dict[str, Any]] = [{"name": "mu", "type": "normfactor", "data": None}]
    modifiers.append({"name": "statistics", "type": "staterror", "data": spread.tolist()})
    for name, tree in TREES.items():
        up, down = (counts("simulation.root", f"ggH_Tag0_{tree}{side}01Sigma")[WINDOW] for side in ("Up", "Down"))
        sides = {"hi_data": (LUMINOSITY * up).tolist(), "lo_data": (LUMINOSITY * down).tolist()}
        modifiers.append({"name": name, "type": "histosys", "data": sides})
    yields, shifts = (values[..., WINDOW] for values in background(data))
    sides_of_fit = [{"hi_data": (yields + it).tolist(), "lo_data": (yields - it).tolist()} for it in shifts]
    fit = [{"name": f"fit{i}", "type": "histosys", "data": sides} for i, sides in enumerate(sides_of_fit)]
    samples = [
        {"name": "signal", "data": signal.tolist(), "modifiers": modifiers},
        {"name": "background", "data": yields.tolist(), "modifiers": fit},
    ]
    model = pyhf.Model({"channels": [{"name": "Tag0", "samples": samples}]}, poi_name="mu")
    return model, [*data[WINDOW].tolist(), *model.config.auxdata]


def test_pyhf_by_hand_gives_the_same_strength_and_limits(printed: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, data = by_hand()
        bounds = model.config.suggested_bounds()
        bounds[model.config.poi_index] = (0.0, 10.0)
        pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-3))
        try:
            best = pyhf.infer.mle.fit(data, model, par_bounds=bounds)
            options = {"par_bounds": bounds, "return_expected_set": True}
            observed, _ = pyhf.infer.hypotest(printed["observed"], data, model, **options)
            _, expected = pyhf.infer.hypotest(printed["expected"][2], data, model, **options)
        finally:
            pyhf.set_backend("numpy")
    assert best[model.config.poi_index] == pytest.approx(printed["mu_hat"], abs=1e-3)
    assert float(observed) == pytest.approx(0.05, abs=1e-4)
    assert float(expected[2]) == pytest.approx(0.05, abs=1e-4)


def test_the_strength_is_that_of_the_parametric_fit_within_a_third_of_its_uncertainty(printed: dict[str, Any]) -> None:
    # The tutorial's unbinned fit without systematic uncertainties ends at 1.548.
    assert abs(printed["mu_hat"] - 1.548) < printed["mu_hat_uncertainty"] / 3
    assert printed["minima"]["invalid"] == 0
    assert {"photon_id", "jet_energy", "photon_scale", "photon_smearing"} <= {
        it["parameter"] for it in printed["impacts"]
    }
