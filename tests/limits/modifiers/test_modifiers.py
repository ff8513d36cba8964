"""Every kind of modifier: as JSON and back, as a part of a template, and in a likelihood against pyhf."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simmorph.data.histograms import Histogram
from simmorph.limits.model.building import workspace_of_channels
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.modifiers.histosys import HistoSys, Shifts
from simmorph.limits.modifiers.lumi import Lumi
from simmorph.limits.modifiers.normfactor import NormFactor
from simmorph.limits.modifiers.normsys import NormSys, Powers
from simmorph.limits.modifiers.registry import MODIFIERS, modifier_of
from simmorph.limits.modifiers.shapefactor import ShapeFactor
from simmorph.limits.modifiers.shapesys import ShapeSys
from simmorph.limits.modifiers.staterror import StatError
from simmorph.limits.templates.sample import Sample, Templates

if TYPE_CHECKING:
    from collections.abc import Callable

    from simmorph.limits.modifiers.base import Modifier

VALUES = np.array([20.0, 12.0, 7.0, 3.0])
HISTOGRAM = Histogram(np.arange(5.0), VALUES, VALUES / 4, "background")
SIGNAL = Histogram(np.arange(5.0), np.array([1.0, 2.0, 4.0, 3.0]), np.zeros(4), "signal")
LUMI = {"name": "lumi", "auxdata": [1.0], "sigmas": [0.05], "inits": [1.0], "bounds": [[0.5, 1.5]]}
EXAMPLES: dict[str, Modifier] = {
    "normfactor": NormFactor("norm", (0.1, 5.0)),
    "lumi": Lumi("lumi"),
    "normsys": NormSys("scale", 1.2, 0.7),
    "shapesys": ShapeSys("bins", np.array([0.1, 0.2, 0.3, 0.4])),
    "histosys": HistoSys("shape", VALUES * [1.2, 1.1, 0.9, 0.8], VALUES * [0.7, 0.9, 1.0, 1.3]),
    "shapefactor": ShapeFactor("free"),
    "staterror": StatError("counts", np.array([2.0, 1.5, 1.0, 0.8])),
}


def spec_of(*modifiers: Modifier, data: np.ndarray[Any, Any] | None = None) -> dict[str, Any]:
    """The workspace of a signal and a background with these modifiers."""
    background = Sample(HISTOGRAM, False, modifiers)
    observed = HISTOGRAM if data is None else Histogram(HISTOGRAM.edges, data, data, "data")
    templates = Templates((Sample(SIGNAL, True), background), observed, data is None, np.ones(4, np.bool_))
    spec = workspace_of_channels({"": templates}, "mu")
    spec["measurements"][0]["config"]["parameters"].append(LUMI)
    return spec


def model_of(*modifiers: Modifier) -> Any:
    return measurement_of(spec_of(*modifiers)).likelihood


def points(likelihood: Any, distance: float, n_points: int = 3) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(11)
    moved = likelihood.start + rng.normal(0, distance, (n_points, len(likelihood.start)))
    bounds = np.array(likelihood.model.config.suggested_bounds())
    return np.asarray(np.clip(moved, bounds[:, 0] + 1e-3, bounds[:, 1] - 1e-3))


def test_there_is_an_example_of_every_kind() -> None:
    assert list(EXAMPLES) == list(MODIFIERS)


@pytest.mark.parametrize("kind", MODIFIERS)
def test_json_of_pyhf_becomes_the_same_modifier(kind: str) -> None:
    described = EXAMPLES[kind].to_pyhf(VALUES)
    assert (described["type"], described["name"]) == (MODIFIERS[kind].kind, EXAMPLES[kind].name)
    again = modifier_of(json.loads(json.dumps(described)), VALUES)
    assert type(again) is MODIFIERS[MODIFIERS[kind].kind]
    assert again.to_pyhf(VALUES) == described


@pytest.mark.parametrize("kind", MODIFIERS)
@pytest.mark.parametrize("distance", [0.3, 2.5])
def test_yields_derivatives_and_likelihood_are_those_of_pyhf(kind: str, distance: float) -> None:
    likelihood = model_of(EXAMPLES[kind])
    model, yields = likelihood.model, likelihood.yields
    data = measurement_of(spec_of(EXAMPLES[kind])).data
    counts = np.concatenate(data)
    best = likelihood.expected(likelihood.start)
    np.testing.assert_allclose(np.concatenate(best), model.expected_data(likelihood.start), rtol=1e-12)
    saturated = float(model.logpdf(likelihood.start, counts)[0]) + likelihood.deviance(likelihood.start, data) / 2
    for point in points(likelihood, distance):
        found, slopes = yields.with_slopes(point)
        np.testing.assert_allclose(found, model.expected_actualdata(point), rtol=1e-11)
        assert float(model.logpdf(point, counts)[0]) == pytest.approx(
            saturated - likelihood.deviance(point, data) / 2, rel=1e-9
        )
        for i, slope in enumerate(slopes):
            step = np.zeros(len(point))
            step[i] = 1e-6
            difference = (yields.expected(point + step) - yields.expected(point - step)) / 2e-6
            np.testing.assert_allclose(slope, difference, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", MODIFIERS)
def test_a_part_is_what_the_bins_say(kind: str) -> None:
    bins = np.array([False, True, True, False])
    part, whole = EXAMPLES[kind].part(bins).to_pyhf(VALUES[bins]), EXAMPLES[kind].to_pyhf(VALUES)
    for one, all_of_it in zip(flat(part["data"]), flat(whole["data"]), strict=True):
        assert one == all_of_it or one == all_of_it[1:3]


def flat(data: Any) -> list[Any]:
    return list(data.values()) if isinstance(data, dict) else [data]


@pytest.mark.parametrize("kind", MODIFIERS)
def test_a_scaled_sample_expects_so_many_times_more_at_every_point(kind: str) -> None:
    def expected(sample: Sample, point: np.ndarray[Any, Any] | None = None) -> Any:
        templates = Templates((Sample(SIGNAL, True), sample), HISTOGRAM, True, np.ones(4, np.bool_))
        spec = workspace_of_channels({"": templates}, "mu")
        spec["measurements"][0]["config"]["parameters"].append(LUMI)
        likelihood = measurement_of(spec).likelihood
        point = points(likelihood, 0.5, 1)[0] if point is None else point
        point[likelihood.poi] = 0.0
        return likelihood.expected(point).main, point

    sample = Sample(HISTOGRAM, False, (EXAMPLES[kind],))
    nominal, point = expected(sample)
    np.testing.assert_allclose(expected(sample.scaled(3.5), point)[0], 3.5 * nominal, rtol=1e-12)


def test_with_other_yields_a_shape_shifts_a_size_stays_and_statistics_are_those_of_the_yields() -> None:
    other = Histogram(HISTOGRAM.edges, VALUES + 5, np.full(4, 9.0), "other")
    kinds = ("normsys", "shapesys", "histosys", "staterror")
    moved = Sample(HISTOGRAM, False, tuple(EXAMPLES[kind] for kind in kinds)).moved_to(other)
    scale, bins, shape, counts = (it.to_pyhf(moved.histogram.values)["data"] for it in moved.modifiers)
    assert scale == {"hi": 1.2, "lo": 0.7}
    np.testing.assert_allclose(bins, (VALUES + 5) * [0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(shape["hi_data"], VALUES * [1.2, 1.1, 0.9, 0.8] + 5)
    assert counts == [3.0] * 4
    assert moved.histogram.name == "background"


@pytest.mark.parametrize("seed", range(6))
def test_random_mixtures_of_all_kinds_have_the_likelihood_of_pyhf(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chosen = [kind for kind in EXAMPLES if kind != "shapefactor" and rng.random() < 0.8]
    data = rng.poisson(VALUES + 0.5 * SIGNAL.values).astype(np.float64)
    ready = measurement_of(spec_of(*(EXAMPLES[kind] for kind in chosen), data=data))
    likelihood, counts = ready.likelihood, np.concatenate(ready.data)
    twice = [-2 * float(likelihood.model.logpdf(point, counts)[0]) for point in points(likelihood, 0.4, 4)]
    ours = [likelihood.deviance(point, ready.data) for point in points(likelihood, 0.4, 4)]
    np.testing.assert_allclose(np.diff(ours), np.diff(twice), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_the_best_fit_of_a_mixture_is_that_of_pyhf_and_minuit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = rng.poisson(VALUES + SIGNAL.values).astype(np.float64)
    modifiers = [EXAMPLES[kind] for kind in ("normsys", "shapesys", "histosys", "staterror", "lumi")]
    ready = measurement_of(spec_of(*modifiers, data=data))
    likelihood = ready.likelihood
    found = likelihood.fit(ready.data)
    minuit = likelihood.minuit(ready.data, likelihood.start, likelihood.bounds())
    minuit.strategy, minuit.tol = 2, 1e-4
    minuit.migrad()
    assert minuit.valid
    assert found.deviance == pytest.approx(minuit.fval, abs=1e-5)
    counts = np.concatenate(ready.data)
    bounds = [
        (low, high if np.isfinite(high) else 1e3) for low, high in zip(likelihood.lower, likelihood.upper, strict=True)
    ]
    _, nll = pyhf.infer.mle.fit(counts, likelihood.model, par_bounds=bounds, return_fitted_val=True)
    ours = -2 * float(likelihood.model.logpdf(found.parameters, counts)[0])
    assert ours <= float(nll) + 1e-4


@given(hi=st.floats(0.05, 4), lo=st.floats(0.05, 4), at=st.floats(-3, 3))
def test_a_normalisation_is_a_power_outside_and_smooth_inside(hi: float, lo: float, at: float) -> None:
    powers = Powers(np.array([[hi, lo]]))

    def value(x: float) -> float:
        return float(powers.values(np.array([x]))[0])

    assert value(0.0) == pytest.approx(1, abs=1e-12)
    assert value(1.0) == pytest.approx(hi, rel=1e-9)
    assert value(-1.0) == pytest.approx(lo, rel=1e-9)
    if abs(at) >= 1:
        assert value(at) == pytest.approx(hi**at if at > 0 else lo ** (-at), rel=1e-9)
    slope = float(powers.slopes(np.array([at]))[0])
    assert slope == pytest.approx((value(at + 1e-6) - value(at - 1e-6)) / 2e-6, rel=1e-4, abs=1e-4)


@given(up=st.floats(-5, 5), down=st.floats(-5, 5), at=st.floats(-3, 3))
def test_a_shape_is_a_line_outside_and_smooth_inside(up: float, down: float, at: float) -> None:
    shifts = Shifts(np.array([[[up], [down]]]))

    def value(x: float) -> float:
        return float(shifts.values(np.array([x]))[0])

    assert value(0.0) == 0
    assert value(1.0) == pytest.approx(up, abs=1e-12)
    assert value(-1.0) == pytest.approx(-down, abs=1e-12)
    if abs(at) >= 1:
        assert value(at) == pytest.approx(at * (up if at > 0 else down), abs=1e-9)
    slope = float(shifts.slopes(np.array([at]))[0, 0])
    assert slope == pytest.approx((value(at + 1e-6) - value(at - 1e-6)) / 2e-6, rel=1e-4, abs=1e-4)


@settings(max_examples=30)
@given(
    yields=st.lists(st.floats(0.1, 1e4), min_size=1, max_size=6),
    share=st.floats(0.001, 0.9),
    make=st.sampled_from(["shapesys", "staterror", "histosys", "normsys"]),
)
def test_any_modifier_survives_writing_and_reading(yields: list[float], share: float, make: str) -> None:
    values = np.array(yields)
    makers: dict[str, Callable[[], Modifier]] = {
        "shapesys": lambda: ShapeSys("a", np.full(len(values), share)),
        "staterror": lambda: StatError("a", share * values),
        "histosys": lambda: HistoSys("a", values * (1 + share), values * (1 - share)),
        "normsys": lambda: NormSys.of_size("a", share),
    }
    described = makers[make]().to_pyhf(values)
    again = modifier_of(json.loads(json.dumps(described)), values).to_pyhf(values)
    for one, other in zip(flat(again["data"]), flat(described["data"]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)


def test_pyhf_has_no_uncertainty_in_a_bin_that_expects_nothing() -> None:
    found = modifier_of({"name": "a", "type": "shapesys", "data": [1.0, 2.0]}, np.array([4.0, 0.0]))
    assert found.data(np.array([4.0, 0.0])) == [1.0, 0.0]


def test_a_free_normalisation_has_its_range_in_the_measurement() -> None:
    parameters = spec_of(EXAMPLES["normfactor"])["measurements"][0]["config"]["parameters"]
    assert {"name": "norm", "inits": [1.0], "bounds": [[0.1, 5.0]]} in parameters
    assert NormFactor("mu").parameter() is None


@pytest.mark.parametrize(
    ("kind", "data", "least"),
    [
        ("normsys", {"hi": 1.1, "lo": 0.9}, 1e-300),
        ("histosys", {"hi_data": [1.0], "lo_data": [-1.0]}, -np.inf),
        ("staterror", [1.0], 0.0),
        ("normfactor", None, 0.0),
    ],
)
def test_only_the_sides_of_a_shape_may_be_negative_and_factors_are_positive(kind: str, data: Any, least: float) -> None:
    numbers = list(MODIFIERS[kind].numbers(data))
    assert all(its == least for _, its in numbers)
    assert sum(len(values) for values, _ in numbers) == (0 if data is None else len(flat(data)))
