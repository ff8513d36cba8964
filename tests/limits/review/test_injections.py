"""Injection tests."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from simmorph.limits.fits.inference import AsymptoticCls, upper_limits
from simmorph.limits.model.likelihood import Data
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.report.injection_plots import draw_injections
from simmorph.limits.review.injections import injections
from tests.limits.conftest import minuit_of_pyhf, workspace

SPEC = workspace([12, 11], [50, 52], [51, 48], {"name": "u", "type": "shapesys", "data": [3, 7]})


def test_what_the_model_expects_is_found_again_with_the_uncertainty_of_minuit() -> None:
    ready = measurement_of(SPEC)
    likelihood = ready.likelihood

    def expected(strength: float) -> Data:
        return likelihood.expected(likelihood.at(strength))

    found = injections(likelihood, expected, [0.0, 0.5, 2.0], 0.95, "as the model expects it")
    for test in found.tests:
        assert test.fitted == pytest.approx(test.injected, abs=1e-4)
        assert test.pull == pytest.approx(0, abs=1e-3)
        data = np.concatenate(expected(test.injected)).tolist()
        assert test.uncertainty == pytest.approx(minuit_of_pyhf(SPEC, data).errors["mu"], rel=5e-3)
        assert test.limit == upper_limits(AsymptoticCls(likelihood, expected(test.injected))).observed
    (fitted,) = (it for it in draw_injections(found).axes[0].containers if isinstance(it, ErrorbarContainer))
    assert np.asarray(fitted.lines[0].get_ydata()).tolist() == [test.fitted for test in found.tests]


def test_a_background_that_the_model_does_not_know_shows_as_a_pull() -> None:
    # One bin: 10 events more than the model expects are half a signal of 20, and sqrt(110) / 20 its uncertainty.
    ready = measurement_of(workspace([20.0], [100.0], [100.0]))

    def expected(strength: float) -> Data:
        return Data(np.array([110.0 + 20.0 * strength]), ready.data.auxiliary)

    (test,) = injections(ready.likelihood, expected, [0.0], 0.95, "closure events").tests
    assert test.fitted == pytest.approx(0.5)
    assert test.pull == pytest.approx(0.5 / (np.sqrt(110) / 20), rel=1e-3)
