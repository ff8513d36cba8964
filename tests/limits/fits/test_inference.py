"""Limits: known answers, agreement with pyhf, and the traps of other programs."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
import pytest

from simmorph.limits.fits.cautions import cautions
from simmorph.limits.fits.inference import (
    AsymptoticCls,
    Limits,
    NoLimitError,
    discovery,
    upper_limits,
)
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.engines import PyhfLikelihood
from simmorph.limits.model.workspace import Measurement, measurement_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Workspace = dict[str, Any]
    Make = Callable[..., Workspace]


def limits_of(spec: Workspace) -> Limits:
    return upper_limits(cls_of(spec))


def cls_of(spec: Workspace) -> AsymptoticCls:
    ready = measurement_of(spec)
    return AsymptoticCls(ready.likelihood, ready.data)


def pyhf_cls(spec: Workspace, value: float) -> list[float]:
    """Observed and expected CLs by pyhf with its minimiser Minuit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        workspace = pyhf.Workspace(spec)
        model = workspace.model()
        bounds = model.config.suggested_bounds()
        bounds[model.config.poi_index] = (0.0, 10 * value + 10)
        pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-3))
        try:
            observed, expected = pyhf.infer.hypotest(
                value, workspace.data(model), model, par_bounds=bounds, return_expected_set=True
            )
        finally:
            pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer())
    return [float(observed), *map(float, expected)]


def test_the_reference_of_pyhf_is_reproduced(reference: Workspace) -> None:
    limits = limits_of(reference)
    assert limits.observed == pytest.approx(1.01156939, rel=1e-4)
    published = [0.5600747, 0.75702605, 1.06234693, 1.50116923, 2.05078912]
    assert limits.expected == pytest.approx(published, rel=5e-4)


def test_cls_agrees_with_pyhf_at_every_value(reference: Workspace, falling_toy: Make) -> None:
    for spec, values in ((reference, (0.3, 1.0, 2.5)), (falling_toy(1e4, "normsys"), (1.2,))):
        test = cls_of(spec)
        for value in values:
            ours = [test.cls(value), *(math.exp(test.log_expected(value, band)) for band in (-2, -1, 0, 1, 2))]
            assert ours == pytest.approx(pyhf_cls(spec, value), rel=2e-3, abs=1e-5)


@pytest.mark.parametrize(
    ("kind", "n_background", "observed", "median"),
    [
        ("normsys", 1e4, 1.262, 0.289),
        ("normsys", 1e5, 1.085, 0.096),
        ("normsys", 1e6, 1.035, 0.042),
        ("shapesys", 1e4, 1.310, 0.372),
        ("shapesys", 1e5, 1.225, 0.297),
        ("none", 1e5, 1.070, 0.076),
    ],
)
def test_limits_of_the_25_bin_toy_are_the_known_ones(
    falling_toy: Make, kind: str, n_background: float, observed: float, median: float
) -> None:
    limits = limits_of(falling_toy(n_background, kind))
    assert limits.observed == pytest.approx(observed, rel=1e-2)
    assert limits.expected[2] == pytest.approx(median, rel=1e-2)


def test_few_simulated_events_weaken_the_limit_as_pyhf_says(falling_toy: Make) -> None:
    limits = limits_of(falling_toy(1e4, "normsys", n_simulated=1e4))
    assert limits.observed == pytest.approx(1.34519, rel=3e-4)
    assert limits.expected[2] == pytest.approx(0.42010, rel=3e-4)


def test_cls_of_one_expected_signal_is_a_half(falling_toy: Make) -> None:
    for kind in ("normsys", "shapesys", "none"):
        assert cls_of(falling_toy(1e4, kind)).cls(1.0) == pytest.approx(0.5, abs=1e-5)


def test_cls_at_the_limit_is_the_level(reference: Workspace) -> None:
    test = cls_of(reference)
    for level in (0.9, 0.95, 0.99):
        limits = upper_limits(test, level)
        assert test.cls(limits.observed) == pytest.approx(1 - level, rel=1e-4)
        for band, limit in zip((-2, -1, 0, 1, 2), limits.expected, strict=True):
            assert math.exp(test.log_expected(limit, band)) == pytest.approx(1 - level, rel=1e-4)


@pytest.mark.parametrize("factor", [1e-7, 1e-4, 0.01, 100.0, 1e5])
def test_the_limit_scales_with_the_signal_far_beyond_any_scan(make_workspace: Make, factor: float) -> None:
    uncertainty = {"name": "u", "type": "shapesys", "data": [3, 7]}
    scaled = make_workspace([12 * factor, 11 * factor], [50, 52], [51, 48], uncertainty)
    limits = limits_of(scaled)
    assert limits.observed * factor == pytest.approx(1.01157, rel=1e-4)
    assert limits.expected[2] * factor == pytest.approx(1.06235, rel=1e-4)


def test_the_range_that_a_workspace_gives_mu_does_not_cut_the_limit(reference: Workspace) -> None:
    reference["measurements"][0]["config"]["parameters"] = [{"name": "mu", "bounds": [[0, 0.5]], "inits": [0.1]}]
    assert limits_of(reference).observed == pytest.approx(1.01157, rel=1e-4)


def test_one_bin_without_uncertainty_has_the_closed_form(make_workspace: Make) -> None:
    signal, background = 10.0, 1000.0
    limits = limits_of(make_workspace([signal], [background], [background]))

    def statistic(mu: float) -> float:
        expected = background + mu * signal
        return 2 * (expected - background + background * math.log(background / expected))

    assert math.sqrt(statistic(limits.expected[2])) == pytest.approx(1.959964, rel=1e-5)
    assert limits.observed == pytest.approx(limits.expected[2], rel=1e-5)


def test_a_parameter_that_changes_nothing_has_no_limit(make_workspace: Make) -> None:
    spec = make_workspace([10.0], [100.0], [100.0])
    # A second factor can take the signal away, whatever the parameter is.
    spec["channels"][0]["samples"][0]["modifiers"].append({"name": "off", "type": "normfactor", "data": None})
    spec["measurements"][0]["config"]["parameters"] = [{"name": "off", "bounds": [[0.0, 10.0]], "inits": [1.0]}]
    with pytest.raises(NoLimitError, match="there is no upper limit on 'mu'"):
        limits_of(spec)


def test_few_events_and_none_at_all_agree_with_pyhf(make_workspace: Make) -> None:
    uncertainty = {"name": "u", "type": "shapesys", "data": [0.2, 0.3]}
    for observed in ([0, 0], [0, 3], [1, 0]):
        spec = make_workspace([3.0, 1.0], [0.5, 0.9], observed, uncertainty)
        test = cls_of(spec)
        limit = upper_limits(test).observed
        assert pyhf_cls(spec, limit)[0] == pytest.approx(0.05, rel=5e-3)
        strength = fitted_strength(test.likelihood, test.data)
        assert strength.uncertainty > 0
        assert strength.up is not None


def strength_of(ready: Measurement, data: np.ndarray[Any, Any]) -> tuple[float, float]:
    likelihood, toy = ready.likelihood, ready.data._replace(main=data)
    parameters = likelihood.fit(toy, is_signed=True).parameters
    return float(parameters[likelihood.poi]), likelihood.uncertainty(toy, parameters)


@pytest.mark.parametrize("injected", [0.0, 1.0])
def test_an_injected_signal_is_found_on_average_and_its_uncertainty_covers(falling_toy: Make, injected: float) -> None:
    ready = measurement_of(falling_toy(1e4, "normsys"))
    parameters = ready.likelihood.start.copy()
    parameters[ready.likelihood.poi] = injected
    expected = ready.likelihood.expected(parameters).main
    rng = np.random.default_rng(1)
    found = np.array([strength_of(ready, rng.poisson(expected).astype(float)) for _ in range(40)])
    pulls = (found[:, 0] - injected) / found[:, 1]
    assert abs(pulls.mean()) < 4 / math.sqrt(40)
    assert 0.6 < pulls.std() < 1.3
    assert strength_of(ready, expected)[0] == pytest.approx(injected, abs=1e-4)


def test_the_fitted_strength_may_be_negative(reference: Workspace) -> None:
    ready = measurement_of(reference)
    strength = fitted_strength(ready.likelihood, ready.data)
    assert strength.value == pytest.approx(-0.0669, abs=1e-3)
    assert strength.down is not None
    assert strength.up is not None
    assert -strength.down == pytest.approx(strength.uncertainty, rel=0.1)
    assert strength.up == pytest.approx(strength.uncertainty, rel=0.1)


def test_uncertainties_are_those_of_minuit(falling_toy: Make) -> None:
    ready = measurement_of(falling_toy(1e4, "shapesys"))
    found = fitted_strength(ready.likelihood, ready.data)
    minuit = ready.likelihood.minuit(ready.data, found.fit.parameters, ready.likelihood.bounds())
    minuit.hesse()
    minuit.minos("mu")
    assert found.uncertainty == pytest.approx(minuit.errors["mu"], rel=3e-3)
    assert (found.down, found.up) == pytest.approx((minuit.merrors["mu"].lower, minuit.merrors["mu"].upper), rel=2e-3)


@pytest.mark.parametrize("seed", range(6))
def test_newton_and_minuit_find_the_same_minimum(seed: int) -> None:
    """Random models with every kind of modifier."""
    rng = np.random.default_rng(seed)
    ready = measurement_of(random_workspace(rng))
    likelihood, data = ready.likelihood, ready.data
    for poi in (None, 0.0, 2.0):
        start = likelihood.start if poi is None else likelihood.at(poi)
        minuit = likelihood.minuit(data, start, likelihood.bounds({} if poi is None else {likelihood.poi: poi}))
        minuit.strategy = 2
        minuit.migrad(ncall=10_000)
        found = likelihood.fit(data, poi=poi)
        assert found.is_valid
        assert found.deviance <= minuit.fval + 1e-5


def random_workspace(rng: np.random.Generator) -> Workspace:
    """Two channels, two backgrounds, all modifiers, data far from what is expected."""
    channels, observations = [], []
    for name, n_bins in (("first", 4), ("second", 7)):
        signal, first, second = rng.uniform(0, 9, n_bins), rng.uniform(5, 90, n_bins), rng.uniform(1, 9, n_bins)
        norm = {"name": "norm", "type": "normsys", "data": {"hi": 1.2, "lo": 0.85}}
        tilt = rng.normal(0, 0.1, n_bins)
        shape = {"hi_data": (first * (1 + tilt)).tolist(), "lo_data": (first * (1 - 0.5 * tilt)).tolist()}
        of_first = [
            norm,
            {"name": "tilt", "type": "histosys", "data": shape},
            {"name": f"bins_{name}", "type": "shapesys", "data": (0.1 * first).tolist()},
        ]
        of_second = [
            {"name": f"stat_{name}", "type": "staterror", "data": (0.3 * second).tolist()},
            {"name": "free", "type": "normfactor", "data": None},
        ]
        samples = [
            {
                "name": "signal",
                "data": signal.tolist(),
                "modifiers": [norm, {"name": "mu", "type": "normfactor", "data": None}],
            },
            {"name": "one", "data": first.tolist(), "modifiers": of_first},
            {"name": "two", "data": second.tolist(), "modifiers": of_second},
        ]
        channels.append({"name": name, "samples": samples})
        observations.append({"name": name, "data": rng.poisson((first + second) * rng.uniform(0.7, 1.4)).tolist()})
    measurement = {"name": "limit", "config": {"poi": "mu", "parameters": []}}
    return {"version": "1.0.0", "channels": channels, "observations": observations, "measurements": [measurement]}


def test_the_significance_of_one_bin_has_the_closed_form(make_workspace: Make) -> None:
    signal, background, observed = 10.0, 50.0, 65.0
    ready = measurement_of(make_workspace([signal], [background], [observed]))
    test = AsymptoticCls(ready.likelihood, ready.data)
    found = discovery(test)

    def significance(n: float) -> float:
        return math.sqrt(2 * (n * math.log(n / background) - (n - background)))

    assert found.observed == pytest.approx(significance(observed), rel=1e-6)
    assert found.expected == pytest.approx(significance(signal + background), rel=1e-6)


def test_the_engine_of_pyhf_gives_the_same_limits(reference: Workspace) -> None:
    ready = measurement_of(reference)
    slow = PyhfLikelihood(ready.likelihood.model, ready.likelihood.yields)
    of_pyhf = upper_limits(AsymptoticCls(slow, ready.data))
    ours = upper_limits(AsymptoticCls(ready.likelihood, ready.data))
    np.testing.assert_allclose([ours.observed, *ours.expected], [of_pyhf.observed, *of_pyhf.expected], rtol=1e-4)
    assert slow.tally.fits > 10
    assert ready.likelihood.tally.invalid == 0


def test_the_lowest_of_two_minima_is_found(make_workspace: Make) -> None:
    # The yield rises by a fifth with the parameter up, and down: both senses describe an excess, one of them better.
    both = {"name": "both", "type": "normsys", "data": {"hi": 1.2, "lo": 1.19}}
    one = {"name": "both", "type": "histosys", "data": {"hi_data": [100.0, 52.0], "lo_data": [100.0, 48.0]}}
    ready = measurement_of(make_workspace([5.0, 1.0], [100.0, 50.0], [120, 62], both, one))
    likelihood, data = ready.likelihood, ready.data
    at = likelihood.model.config.par_names.index("both")
    start = likelihood.start.copy()
    start[at] = -1.0
    down = likelihood.fit(data, poi=0.0, start=start)
    lowest = likelihood.minima(data, down, poi=0.0)[0]
    assert down.parameters[at] < -0.5
    assert lowest.parameters[at] > 0.5
    assert lowest.deviance < down.deviance - 0.1


def test_limits_are_found_where_a_free_background_may_vanish_in_an_empty_bin(make_workspace: Make) -> None:
    # Nothing is seen and nothing need be expected: the deviance is 2 mu s, a straight line.
    spec = make_workspace([4.0], [9.0], [0], {"name": "free", "type": "normfactor", "data": None})
    limits = limits_of(spec)
    assert math.sqrt(2 * 4 * limits.expected[2]) == pytest.approx(1.959964, rel=1e-4)
    assert limits.observed == pytest.approx(limits.expected[2], rel=1e-4)


def test_a_limit_that_means_little_is_told(make_workspace: Make) -> None:
    def said(*spec: list[float]) -> str:
        test = cls_of(make_workspace(*spec))
        return "; ".join(cautions(test, upper_limits(test), fitted_strength(test.likelihood, test.data)))

    assert "as good as invisible" in said([1e-3], [100.0], [100])
    assert said([10.0], [100.0], [100]) == ""
    # Few events of hardly any background are a good search, but not one for asymptotic formulae.
    assert said([3.0], [0.01], [0]).startswith("only ")
    assert "invisible" not in said([3.0], [0.01], [0])


def test_a_saddle_at_the_nominal_parameters_is_left(make_workspace: Make) -> None:
    # Up and down take the same fifth away: nothing pulls the parameter from 0, where the deviance is highest.
    both = {"name": "both", "type": "normsys", "data": {"hi": 0.8, "lo": 0.8}}
    others = [{"name": f"other{i}", "type": "normsys", "data": {"hi": 1 + 1e-6, "lo": 1 - 1e-6}} for i in range(3)]
    ready = measurement_of(make_workspace([5.0], [100.0], [78], both, *others))
    fit = ready.likelihood.fit(ready.data, poi=0.0)
    at = ready.likelihood.model.config.par_names.index("both")
    assert abs(fit.parameters[at]) > 0.5
    assert fit.is_valid
