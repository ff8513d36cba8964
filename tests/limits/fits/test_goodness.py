"""The goodness of fit by hand, by pyhf, and its distribution."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyhf
import pytest
from scipy.stats import chi2, kstest

from simmorph.limits.fits.goodness import GoodnessOfFit, goodness_of_fit, lowest_deviances, p_value_by_toys
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.toys.draws import draws
from tests.limits.conftest import model_of_pyhf, workspace

MODELS = Path(__file__).parents[1] / "data"
NORM = {"name": "norm", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}


def goodness(spec: dict[str, object]) -> GoodnessOfFit:
    ready = measurement_of(spec)
    return goodness_of_fit(ready.likelihood, ready.data, fitted_strength(ready.likelihood, ready.data))


def test_two_bins_and_one_strength_have_the_statistic_of_baker_and_cousins() -> None:
    counts = np.array([30.0, 18.0])
    found = goodness(workspace([5.0, 5.0], [20.0, 20.0], counts.tolist()))
    both = np.full(2, counts.mean())  # equal bins: the fit expects the mean in each
    right = 2 * float(np.sum(both - counts + counts * np.log(counts / both)))
    assert found.n_degrees == 1
    assert found.statistic == pytest.approx(right, abs=1e-7)
    assert found.p_value == pytest.approx(float(chi2.sf(right, 1)), abs=1e-7)


def test_the_statistic_is_that_of_the_saturated_model_of_pyhf(reference: dict[str, object]) -> None:
    model, data = model_of_pyhf(reference)
    bounds = [(-5, 10), (0.1, 5), (0.1, 5)]
    _, twice_nll = pyhf.infer.mle.fit(data, model, return_fitted_val=True, par_bounds=bounds)
    # The auxiliary counts are not whole numbers; pyhf continues the Poisson distribution to these.
    saturated = -2 * sum(n * math.log(n) - n - math.lgamma(n + 1) for n in data)
    found = goodness(reference)
    assert found.statistic == pytest.approx(float(twice_nll) - saturated, abs=1e-4)
    assert found.n_degrees == 1


@pytest.mark.parametrize(
    ("modifiers", "n_degrees"),
    [
        ((), 2),
        ((NORM,), 2),
        (({"name": "free", "type": "normfactor", "data": None},), 1),
        ((NORM, {"name": "u", "type": "shapesys", "data": [3.0, 2.0, 4.0]}), 2),
        (({"name": "s", "type": "staterror", "data": [3.0, 2.0, 4.0]},), 2),
        (({"name": "f", "type": "shapefactor", "data": None},), 0),
    ],
)
def test_constraints_have_a_measurement_each_and_free_parameters_none(
    modifiers: tuple[dict[str, object], ...], n_degrees: int
) -> None:
    found = goodness(workspace([2.0, 5.0, 3.0], [20.0, 30.0, 25.0], [25, 28, 26], *modifiers))
    assert found.n_degrees == n_degrees
    assert (found.p_value is None) is (n_degrees == 0)


def test_bins_in_which_nothing_can_be_do_not_count() -> None:
    spec = json.loads((MODELS / "empty_bins.json").read_text())
    n_bins = sum(len(it["data"]) for it in spec["observations"])
    assert goodness(spec).n_degrees < n_bins - 1


def test_p_values_of_a_right_model_are_uniform() -> None:
    centres = np.linspace(0, 1, 12)
    tilt = {"hi_data": (200 + 20 * centres).tolist(), "lo_data": (200 - 20 * centres).tolist()}
    modifiers = [NORM, {"name": "tilt", "type": "histosys", "data": tilt}]
    ready = measurement_of(workspace((10 * centres).tolist(), [200.0] * 12, [200] * 12, *modifiers))
    true = ready.likelihood.at(1.0)
    data = draws(ready.likelihood, true, (3,), range(500))
    found = lowest_deviances(ready.likelihood, data, true)
    assert kstest(chi2.sf(found, 12 - 1), "uniform").pvalue > 0.001
    assert kstest(chi2.sf(found, 12), "uniform").pvalue < 0.001


def test_the_p_value_by_toys_is_their_share() -> None:
    found = p_value_by_toys(3.0, np.array([1.0, 2.0, 3.0, 4.0]))
    assert found.value == 0.5
    assert 0.1 < found.uncertainty < 0.3
    assert p_value_by_toys(9.0, np.ones(100)).uncertainty > 0


def test_few_events_are_told() -> None:
    text = goodness(workspace([1.0, 1.0, 2.0], [1.0, 2.0, 1.0], [2, 1, 0])).to_text()
    assert "try --goodness-toys" in text


def test_toys_as_good_as_the_data_count_though_fits_end_a_little_apart() -> None:
    found = p_value_by_toys(1e-11, np.full(50, -5e-7))
    assert found.value == 1
