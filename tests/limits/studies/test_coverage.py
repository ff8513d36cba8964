"""Pseudo-experiments: what is right covers, and what is not does not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

from simmorph.data.histograms import Histogram
from simmorph.errors import SimmorphError
from simmorph.limits.fits.inference import AsymptoticCls
from simmorph.limits.fits.many import many_strengths
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.building import workspace_of
from simmorph.limits.model.workspace import Measurement, measurement_of
from simmorph.limits.modifiers.histosys import HistoSys
from simmorph.limits.modifiers.normsys import NormSys
from simmorph.limits.studies.coverage import (
    PseudoExperiment,
    ToyOutcome,
    Toys,
    bunches,
    coverage,
    from_model,
    from_truth,
    outcomes,
    summary,
)
from simmorph.limits.templates.amplification import eigen_variations, with_training_statistics
from simmorph.limits.templates.sample import Sample, Templates
from simmorph.limits.toys.draws import draws
from tests.limits.conftest import workspace
from tests.limits.engine.test_random_models import random_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from simmorph.limits.modifiers.base import Modifier

N_BINS, N_BACKGROUND, N_TRAINING, N_GENERATED = 10, 1e5, 1e4, 1e6
N_TOYS = 8
EDGES = np.linspace(0, 1, N_BINS + 1)


def share(rate: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The share of exp(rate x) in each bin."""
    filled = np.diff(np.exp(rate * EDGES))
    return np.asarray(filled / filled.sum(), np.float64)


SIGNAL = Histogram(EDGES, 0.05 * N_BACKGROUND * share(1.5), np.zeros(N_BINS), "signal")
TRUE = N_BACKGROUND * share(-2.5)


def model(background: Histogram, *shapes: Modifier) -> Measurement:
    samples = (
        Sample(SIGNAL, True),
        Sample.with_statistics(background).and_modifiers(NormSys.of_size("norm", 0.1), *shapes),
    )
    return measurement_of(workspace_of(Templates(samples, background, True, np.ones(N_BINS, np.bool_)), "mu"))


def learnt(rng: np.random.Generator) -> Histogram:
    """A density that repeats its training events: binned, and drawn from a million times."""
    trained = rng.poisson(N_TRAINING * share(-2.5))
    drawn = rng.multinomial(int(N_GENERATED), trained / trained.sum())
    return Histogram(EDGES, drawn.astype(np.float64), drawn.astype(np.float64), "background")


def scaled(histogram: Histogram) -> Histogram:
    return histogram.scaled(N_BACKGROUND / histogram.values.sum())


def with_replicas(rng: np.random.Generator) -> Measurement:
    """The spread of a bootstrap of what was learnt as variations of the shape."""
    nominal = learnt(rng)
    replicas = []
    for _ in range(40):
        again = rng.poisson(N_TRAINING * nominal.values / nominal.values.sum())
        replicas.append(scaled(Histogram(EDGES, again.astype(np.float64), np.zeros(N_BINS))))
    nominal = scaled(nominal)
    shifts = eigen_variations(nominal, replicas, shape_only=True)
    shapes = [HistoSys.of_shift(f"training_{i}", nominal, it) for i, it in enumerate(shifts)]
    return model(nominal, *shapes)


def of_surrogates(make: Callable[[np.random.Generator], Measurement], n_toys: int) -> Any:
    expected = TRUE + SIGNAL.values
    experiments = [from_truth(make(np.random.default_rng([7, number])), expected) for number in range(n_toys)]
    return coverage(experiments, Toys(n_toys))


@pytest.mark.slow
def test_draws_alone_are_far_too_sure_of_a_learnt_background() -> None:
    naive = of_surrogates(lambda rng: model(scaled(learnt(rng))), 60)
    assert naive.pull_width.value > 1.8
    assert naive.interval.value < 0.58


@pytest.mark.slow
def test_training_statistics_cure_it() -> None:
    cured = of_surrogates(lambda rng: model(scaled(with_training_statistics(learnt(rng), N_GENERATED, N_TRAINING))), 60)
    assert cured.pull_width.value == pytest.approx(1, abs=0.25)
    assert cured.interval.value == pytest.approx(0.683, abs=0.15)


@pytest.mark.slow
def test_the_spread_of_replicas_cures_it() -> None:
    cured = of_surrogates(with_replicas, 60)
    assert cured.pull_width.value == pytest.approx(1, abs=0.25)
    assert cured.interval.value == pytest.approx(0.683, abs=0.15)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_a_right_model_covers(reference: dict[str, Any], strength: float) -> None:
    found = coverage([from_model(measurement_of(reference), strength)], Toys(200, strength))
    assert found.n_toys == 200
    assert found.bias.value == pytest.approx(0, abs=4 * found.bias.uncertainty)
    assert found.interval.value == pytest.approx(0.683, abs=0.11)
    assert found.limit.value > 0.9


def test_toys_of_one_template_are_wrong_together() -> None:
    rng = np.random.default_rng(9)
    offsets = rng.normal(0, 2, 20)
    found = {number: ToyOutcome(1 + offsets[number % 20] + rng.normal(), 1.0, True) for number in range(2000)}
    alone, together = (summary(found, Toys(2000), n_kinds) for n_kinds in (1, 20))
    assert together.bias.value == alone.bias.value == pytest.approx(np.mean(offsets), abs=0.1)
    assert together.bias.uncertainty == pytest.approx(np.std(offsets, ddof=1) / np.sqrt(20), rel=0.1)
    assert alone.bias.uncertainty == pytest.approx(np.sqrt(5 / 2000), rel=0.25)
    assert together.pull_spread.value == pytest.approx(np.sqrt(1 + np.var(offsets)), rel=0.05)
    assert together.interval.uncertainty > 4 * alone.interval.uncertainty


def test_eigen_variations_have_the_covariance_of_what_they_came_from() -> None:
    rng = np.random.default_rng(3)
    nominal = Histogram(EDGES, TRUE, np.zeros(N_BINS))
    modes = np.stack([np.sin(3 * nominal.centres), nominal.centres]) * 50
    replicas = [replace(nominal, values=TRUE + rng.normal(size=2) @ modes) for _ in range(2000)]
    shifts = np.array(eigen_variations(nominal, replicas))
    assert len(shifts) == 2
    np.testing.assert_allclose(shifts.T @ shifts, modes.T @ modes, atol=0.06 * (modes**2).sum(0).max())


def test_replicas_that_differ_by_their_draws_alone_vary_nothing_of_note() -> None:
    rng = np.random.default_rng(4)
    nominal = Histogram(EDGES, TRUE, TRUE)
    drawn = [rng.poisson(TRUE).astype(np.float64) for _ in range(200)]
    shifts = np.array(eigen_variations(nominal, [Histogram(EDGES, values, values) for values in drawn]))
    assert (shifts**2).sum() < 0.5 * TRUE.sum()


def toy_outcomes(n_toys: int, width: float, offset: float = 0.0, strength: float = 1.0) -> dict[int, ToyOutcome | None]:
    """Normal strengths of this true width about this offset, each quoted with an uncertainty of 1; a limit at 1.645."""
    fitted = strength + offset + width * np.random.default_rng(2).normal(size=n_toys)
    return {i: ToyOutcome(float(it), 1.0, bool(it + 1.645 > strength)) for i, it in enumerate(fitted)}


@pytest.mark.parametrize(("width", "offset"), [(1.0, 0.0), (2.0, 0.0), (1.0, 0.5), (0.5, -0.2)])
def test_normal_pulls_have_the_shares_of_the_normal_distribution(width: float, offset: float) -> None:
    found = summary(toy_outcomes(20_000, width, offset), Toys(20_000))
    inside = stats.norm.cdf((1 - offset) / width) - stats.norm.cdf((-1 - offset) / width)
    expected = {
        "bias": offset,
        "pull_mean": offset,
        "pull_width": np.hypot(width, offset),
        "pull_spread": width,
        "interval": inside,
        "limit": stats.norm.cdf((1.645 + offset) / width),
    }
    for name, value in expected.items():
        estimate = getattr(found, name)
        assert abs(estimate.value - value) < 4 * estimate.uncertainty, name
    assert found.bias.uncertainty == pytest.approx(width / np.sqrt(20_000), rel=0.03)
    assert found.pull_spread.uncertainty == pytest.approx(width / np.sqrt(2 * 20_000), rel=0.03)
    assert found.interval.uncertainty == pytest.approx(np.sqrt(inside * (1 - inside) / 20_000), rel=0.03)


def test_a_share_of_all_or_none_is_not_certain() -> None:
    found = summary({i: ToyOutcome(1.0 + 0.01 * i, 1.0, True) for i in range(10)}, Toys(10))
    assert found.limit.value == found.interval.value == 1
    assert 0.05 < found.limit.uncertainty < 0.2  # Agresti and Coull: 12 of 14
    assert found.limit.uncertainty == pytest.approx(np.sqrt(12 / 14 * 2 / 14 / 14))


def test_experiments_that_failed_are_counted_and_left_out() -> None:
    outcomes_of = toy_outcomes(50, 1.0) | dict.fromkeys((3, 7), None)
    found = summary(outcomes_of, Toys(50))
    assert (found.n_toys, found.n_failed) == (48, 2)
    rest = summary({i: it for i, it in outcomes_of.items() if it is not None}, Toys(50))
    assert found.bias == rest.bias
    with pytest.raises(SimmorphError, match="2 of 3 pseudo-experiments failed"):
        summary({0: None, 1: None, 2: ToyOutcome(1.0, 1.0, True)}, Toys(3))


def test_table_and_json_have_the_same_numbers() -> None:
    found = summary(toy_outcomes(200, 1.3), Toys(200, level=0.9), n_kinds=4)
    numbers, text = json.loads(json.dumps(found.to_json())), found.to_text()
    assert numbers["interval_should_be"] == pytest.approx(1 - 2 * stats.norm.sf(1), abs=1e-4)
    for name in ("bias", "pull_mean", "pull_width", "pull_spread", "interval", "limit"):
        value, uncertainty = numbers[name]["value"], numbers[name]["uncertainty"]
        assert f"{value:.4f} ± {uncertainty:.4f}" in text
    assert "200 at a true strength of 1 (0 failed)" in text
    assert "upper limit is above the truth (0.9)" in text
    (kinds,) = (line for line in text.splitlines() if line.startswith("templates"))
    assert kinds.split()[-1] == "4"


def test_each_experiment_has_a_seed_of_its_own_and_known_ones_are_not_made_again(reference: dict[str, Any]) -> None:
    experiments = [from_model(measurement_of(reference), 1.0)]
    few, many = (outcomes(experiments, Toys(n), range(n)) for n in (4, 8))
    assert {number: many[number] for number in few} == few
    assert len({it.fitted for it in many.values() if it is not None}) == 8
    other = outcomes(experiments, Toys(4, seed=2), range(4))
    assert all(other[number] != few[number] for number in few)
    assert bunches(experiments, 4, {0: None, 2: None}) == [[1, 3]]


def test_kinds_of_experiments_alternate_and_are_made_in_bunches_of_one_kind() -> None:
    ready = measurement_of(workspace([50.0], [100.0], [150.0]))
    together = from_model(ready, 1.0)

    def alone(rng: np.random.Generator) -> PseudoExperiment:
        return from_model(measurement_of(workspace([50.0], [100.0], [150.0])), 1.0)(rng)

    assert bunches([together, alone], 12) == [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9], [11]]
    found = coverage([together, alone], Toys(12))
    assert (found.n_kinds, found.n_toys) == (2, 12)


@pytest.mark.parametrize("seed", [2, 3, 10])
def test_what_is_fitted_together_is_as_fitted_alone(seed: int) -> None:
    likelihood = measurement_of(random_model(seed)).likelihood
    data = draws(likelihood, likelihood.at(1.0), (seed,), range(N_TOYS))
    together = many_strengths(likelihood, data, 1.0)
    assert together.is_sure.sum() > N_TOYS / 2
    for row in np.flatnonzero(together.is_sure).tolist():
        alone, test = fitted_strength(likelihood, data.rows(row)), AsymptoticCls(likelihood, data.rows(row))
        assert together.value[row] == pytest.approx(alone.value, abs=1e-4 * alone.uncertainty)
        assert together.uncertainty[row] == pytest.approx(alone.uncertainty, rel=1e-4)
        assert together.cls[row] == pytest.approx(test.cls(1.0), rel=1e-4)


def test_most_pseudo_experiments_of_an_ordinary_model_need_no_fit_of_their_own(reference: dict[str, Any]) -> None:
    ready = measurement_of(reference)
    likelihood = ready.likelihood
    data = draws(likelihood, likelihood.at(1.0), (1,), range(300))
    found = many_strengths(likelihood, data, 1.0)
    assert found.is_sure.mean() > 0.97
    assert likelihood.tally.fits == 0


def test_counts_and_auxiliary_measurements_fluctuate_as_the_model_says() -> None:
    bins = {"name": "bins", "type": "shapesys", "data": [20.0]}
    scale = {"name": "scale", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
    ready = measurement_of(workspace([10.0], [100.0], [100.0], bins, scale))
    make, rng = from_model(ready, 2.0), np.random.default_rng(6)
    data = [make(rng).data for _ in range(4000)]
    main, auxiliary = np.array([it.main for it in data])[:, 0], np.array([it.auxiliary for it in data])
    assert main.mean() == pytest.approx(120, abs=4 * np.sqrt(120 / 4000))
    assert main.var() == pytest.approx(120, rel=0.1)
    gaussian = ready.likelihood.gaussian
    assert auxiliary[:, gaussian].mean() == pytest.approx(0, abs=4 / np.sqrt(4000))
    assert auxiliary[:, gaussian].std() == pytest.approx(1, rel=0.05)
    counts = auxiliary[:, ~gaussian]  # (100 / 20)^2 events in a control region
    assert counts.mean() == pytest.approx(25, abs=4 * 5 / np.sqrt(4000))
    assert counts.var() == pytest.approx(25, rel=0.1)


def test_what_is_true_fluctuates_whatever_the_model_expects() -> None:
    scale = {"name": "scale", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
    ready = measurement_of(workspace([10.0], [100.0], [100.0], scale))
    make, rng = from_truth(ready, np.array([300.0])), np.random.default_rng(7)
    data = [make(rng).data for _ in range(2000)]
    assert np.mean([it.main for it in data]) == pytest.approx(300, abs=4 * np.sqrt(300 / 2000))
    assert {float(it.auxiliary[0]) for it in data} == {0.0}


@pytest.mark.parametrize("strength", [0.0, 2.0])
def test_of_many_events_intervals_and_limits_cover_as_they_claim(strength: float) -> None:
    ready = measurement_of(workspace([200.0], [1e4], [1e4]))
    found = coverage([from_model(ready, strength)], Toys(300, strength))
    assert abs(found.pull_mean.value) < 4 * found.pull_mean.uncertainty
    assert found.pull_width.value == pytest.approx(1, abs=4 * found.pull_width.uncertainty)
    assert found.quoted == pytest.approx(np.sqrt(1e4 + strength * 200) / 200, rel=0.01)
    assert abs(found.interval.value - 0.6827) < 4 * found.interval.uncertainty
    assert found.limit.value > 0.95 - 4 * found.limit.uncertainty
