"""The deviance and its derivatives, where local parameters follow the global ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simmorph.limits.fits.inference import AsymptoticCls
from simmorph.limits.model.workspace import Measurement, measurement_of
from tests.limits.engine.test_random_models import lowest_by_minuit

NORM = {"name": "norm", "type": "normsys", "data": {"hi": 1.2, "lo": 0.8}}
MU = {"name": "mu", "type": "normfactor", "data": None}


def measured(first: list[dict[str, Any]], second: list[dict[str, Any]], counts: list[float]) -> Measurement:
    """A model of two bins, two backgrounds and their modifiers."""
    samples = [
        {"name": "signal", "data": [3.0, 2.0], "modifiers": [MU, NORM]},
        {"name": "first", "data": [20.0, 30.0], "modifiers": first},
        {"name": "second", "data": [8.0, 5.0], "modifiers": second},
    ]
    spec = {
        "version": "1.0.0",
        "channels": [{"name": "mass", "samples": samples}],
        "observations": [{"name": "mass", "data": counts}],
        "measurements": [{"name": "limit", "config": {"poi": "mu", "parameters": []}}],
    }
    return measurement_of(spec)


STATISTICS = {"name": "statistics", "type": "staterror", "data": [2.0, 1.0]}
SHAPES = {"name": "shapes", "type": "shapesys", "data": [4.0, 3.0]}
FREE = {"name": "free", "type": "shapefactor", "data": None}


@pytest.mark.parametrize(
    ("first", "second", "auxiliary"),
    [
        ([NORM, SHAPES], [], 0.0),
        ([NORM, SHAPES], [NORM], 0.0),
        ([NORM, SHAPES], [NORM, STATISTICS], 0.0),
        ([NORM, SHAPES], [NORM, STATISTICS], None),
        ([NORM, FREE], [NORM], None),
        ([NORM, FREE], [NORM, STATISTICS], None),
        ([NORM, STATISTICS], [NORM, STATISTICS], None),
    ],
)
def test_second_derivatives_are_those_of_differences(
    first: list[dict[str, Any]], second: list[dict[str, Any]], auxiliary: float | None
) -> None:
    found = measured(first, second, [27.0, 41.0])
    likelihood, data = found.likelihood, found.data
    if auxiliary is not None:  # a count of which nothing was seen, as toys have it
        data = data._replace(auxiliary=np.where(likelihood.gaussian, data.auxiliary, auxiliary))
    objective = likelihood.problem(data, likelihood.bounds(is_signed=True)).objective
    at = likelihood.at(0.7)[likelihood.yields.shared] + 0.05
    point, step = objective.at(at), 1e-4
    moves = step * np.eye(len(at))
    gradients = np.array([(objective.at(at + move).deviance - objective.at(at - move).deviance) for move in moves])
    np.testing.assert_allclose(point.gradient, gradients / (2 * step), rtol=1e-5, atol=1e-5)
    rows = [(objective.at(at + move).gradient - objective.at(at - move).gradient) / (2 * step) for move in moves]
    np.testing.assert_allclose(point.hessian, rows, rtol=1e-5, atol=1e-5)
    values = [
        (objective.at(at + move).local.values - objective.at(at - move).local.values) / (2 * step) for move in moves
    ]
    np.testing.assert_allclose(point.response.by_shared().T * point.local.inside, values, rtol=1e-4, atol=1e-5)


def test_a_free_parameter_beside_others_of_its_bin_is_fitted_too() -> None:
    found = measured([FREE], [STATISTICS], [27.0, 41.0])
    test = AsymptoticCls(found.likelihood, found.data)
    counts = np.concatenate(found.data)
    for fit, poi in ((test.best, None), (test.observed.at(1.5), 1.5)):
        ours = -2 * float(found.likelihood.model.logpdf(fit.parameters, counts)[0])
        assert ours == pytest.approx(lowest_by_minuit(found, counts, poi, seed=1), abs=1e-4)
