"""Pseudo-experiments: what is right covers, and what is not does not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.data.histograms import Histogram
from simmorph.limits.model.building import workspace_of
from simmorph.limits.model.workspace import Measurement, measurement_of
from simmorph.limits.modifiers.histosys import HistoSys
from simmorph.limits.modifiers.normsys import NormSys
from simmorph.limits.studies.coverage import ToyOutcome, Toys, coverage, from_model, from_truth, summary
from simmorph.limits.templates.amplification import eigen_variations, with_training_statistics
from simmorph.limits.templates.sample import Sample, Templates

if TYPE_CHECKING:
    from collections.abc import Callable

    from simmorph.limits.modifiers.base import Modifier

N_BINS, N_BACKGROUND, N_TRAINING, N_GENERATED = 10, 1e5, 1e4, 1e6
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
