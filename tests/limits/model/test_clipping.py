"""What pyhf clips: by its own engine, against its own tests; our own fit refuses it."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
import pytest

from simmorph.config.values.interpolation import Clip
from simmorph.errors import InputError
from simmorph.limits.fits.inference import AsymptoticCls, upper_limits
from simmorph.limits.model.engines import PyhfLikelihood
from simmorph.limits.model.workspace import measurement_of
from tests.limits.conftest import workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHAPE = {"name": "shape", "type": "histosys", "data": {"hi_data": [6.0, 30.0], "lo_data": [-2.0, 22.0]}}
SPEC = workspace([3.0, 6.0], [0.4, 26.0], [1, 27], SHAPE)
"""One standard deviation down, the first bin would expect less than nothing."""


def of_pyhf(**clip: float | None) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pyhf 0.7 calls jsonschema by an old name
        return pyhf.Workspace(SPEC).model(**clip)


@pytest.mark.parametrize("clip", [{"samples": 0.0}, {"bins": 0.01}, {"samples": 0.05, "bins": 0.1}])
def test_expected_numbers_and_limits_are_those_of_pyhf(clip: dict[str, float]) -> None:
    ready = measurement_of(SPEC, clip=Clip.model_validate(clip))
    model = of_pyhf(clip_sample_data=clip.get("samples"), clip_bin_data=clip.get("bins"))
    likelihood = PyhfLikelihood(ready.likelihood.model, ready.likelihood.yields)
    points = np.array([[1.0, 0.2], [-2.0, 0.0], [0.5, 0.01]])
    points = points if model.config.poi_index == 1 else points[:, ::-1]
    known = np.array([model.main_model.expected_data(it) for it in points])
    np.testing.assert_allclose(likelihood.expected(points).main, known, rtol=1e-12)
    assert 0 in likelihood.clipped_bins(points[1])
    assert not len(likelihood.clipped_bins(points[0]))
    limit = upper_limits(AsymptoticCls(likelihood, ready.data)).observed
    counts = np.concatenate(ready.data)
    bounds = list(model.config.suggested_bounds())
    bounds[model.config.poi_index] = (0.0, 20 * limit)
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-3, strategy=1))
    try:
        cls = pyhf.infer.hypotest(limit, counts, model, par_bounds=bounds, test_stat="qtilde")
    finally:
        pyhf.set_backend("numpy")
    assert float(cls) == pytest.approx(0.05, abs=2e-4)


def test_what_is_negative_without_a_clip_is_refused() -> None:
    spec = workspace([3.0, 6.0], [-0.4, 26.0], [0, 27])
    with pytest.raises(InputError, match=r"expects -0\.4 events without a signal"):
        measurement_of(spec)
    assert measurement_of(spec, clip=Clip(samples=0.0)).likelihood.is_clipped


def test_our_own_fit_refuses_to_clip_and_a_wrong_key_is_named(simmorph: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(SPEC))
    refused = simmorph("limits", path, "--clip", "samples=0")
    assert (refused.code, "our own fit does not clip; give --engine pyhf" in refused.stderr) == (2, True)
    assert "sample" in simmorph("limits", path, "--clip", "sample=0", "--engine", "pyhf").stderr
    outcome = simmorph("limits", path, "--clip", "samples=0,bins=1e-6", "--engine", "pyhf", "--json")
    assert outcome.code == 0, outcome.stderr
    assert json.loads(outcome.stdout)["clip"] == {"samples": 0.0, "bins": 1e-6}
