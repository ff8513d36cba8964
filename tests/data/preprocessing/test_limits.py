"""A fence shuts corrupt values out, and nothing that a variable of physics can be."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from simmorph.config.preprocessing import PeriodicSettings, VariableSettings
from simmorph.data.events import Events
from simmorph.data.preprocessing.chain import Preprocessing
from simmorph.data.preprocessing.limits import NO_LIMITS, Limits, limits_of, remarks_on_limits

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]
TAILS: dict[str, tuple[Draw, float]] = {
    "normal": (lambda rng, n: rng.normal(size=n), 0),
    "uniform": (lambda rng, n: rng.random(n), 0),
    "exponential": (lambda rng, n: rng.exponential(size=n), 0),
    "lognormal": (lambda rng, n: rng.lognormal(0, 1, n), 0),
    "wide lognormal": (lambda rng, n: rng.lognormal(0, 3, n), 5e-4),
    "t, 3 degrees of freedom": (lambda rng, n: rng.standard_t(3, n), 1e-4),
    "Pareto": (lambda rng, n: rng.pareto(1.5, n), 2e-4),
    "Cauchy": (lambda rng, n: rng.standard_cauchy(n), 1e-3),
    "angle": (lambda rng, n: rng.uniform(-np.pi, np.pi, n), 0),
    "number of jets": (lambda rng, n: rng.poisson(2, n).astype(np.float64), 0),
    "a sentinel in a third": (lambda rng, n: np.where(rng.random(n) < 0.33, -999.0, rng.exponential(20, n)), 0),
    "a sentinel nearly always": (lambda rng, n: np.where(rng.random(n) < 0.95, -999.0, rng.exponential(20, n)), 0),
    "zeros and a threshold": (lambda rng, n: np.where(rng.random(n) < 0.4, 0, 0.8 + rng.exponential(1, n)), 0),
    "a rare trigger": (lambda rng, n: (rng.random(n) < 3e-3).astype(np.float64), 0),
}


@pytest.mark.parametrize("n_events", [2000, 20_000])
@pytest.mark.parametrize("name", TAILS)
def test_what_is_legitimate_stays(name: str, n_events: int) -> None:
    draw, share = TAILS[name]
    rng, n_repeats = np.random.default_rng(1), 10
    n_beyond = 0
    for _ in range(n_repeats):
        limits = Limits.fit(draw(rng, n_events))
        n_beyond += int(limits.beyond(draw(rng, n_events)).sum())
    assert n_beyond <= share * n_repeats * n_events


@pytest.mark.parametrize("corrupt", [-1e6, 1e9, 1e300])
@pytest.mark.parametrize("n_corrupt", [1, 4])
@pytest.mark.parametrize("name", sorted(set(TAILS) - {"a rare trigger"}))
def test_corrupt_values_are_shut_out_and_become_the_last_one_inside(name: str, n_corrupt: int, corrupt: float) -> None:
    clean = TAILS[name][0](np.random.default_rng(2), 5000)
    limits = Limits.fit(np.concatenate([clean, corrupt * np.linspace(1, 2, n_corrupt)]))
    assert limits.held(np.array([corrupt]))[0] == (clean.min() if corrupt < 0 else clean.max())
    np.testing.assert_array_equal(limits.held(clean), clean)


def test_a_value_that_several_events_share_counts_once_until_it_is_a_point_mass() -> None:
    values = np.random.default_rng(3).normal(size=20_000)
    for n_placeholders, is_out in ((3, True), (150, True), (400, False)):
        values[:n_placeholders] = -999
        assert Limits.fit(values).beyond(np.array([-999.0]))[0] == is_out


def test_a_far_group_of_more_events_than_can_be_corrupt_stays() -> None:
    rng = np.random.default_rng(4)
    prompt, displaced = 0.01 * rng.normal(size=50_000), 5 + rng.exponential(20, 60)
    assert not Limits.fit(np.concatenate([prompt, displaced])).beyond(displaced).any()


def test_a_sentence_counts_what_is_beyond_once_for_a_variable() -> None:
    values = np.random.default_rng(5).normal(size=(1000, 2))
    values[3:5, 1] = -1e6, 2e7
    found = [*remarks_on_limits("source", ["x", "y"], values, limits_of(values, [None, None]))]
    assert len(found) == 1
    assert found[0].startswith("source: y is beyond all that it can be in 2 of 1000 events, the farthest 2e+07: ")


def test_too_few_events_and_a_constant_have_no_fence() -> None:
    for values in (np.arange(20.0), np.full(1000, 7.0)):
        assert Limits.fit(values) == NO_LIMITS


def test_a_chain_keeps_its_limits_and_an_angle_has_none() -> None:
    values = np.random.default_rng(6).uniform(-np.pi, np.pi, (1000, 2))
    chains = Preprocessing.fit(
        ["x", "phi"], {"phi": VariableSettings(steps=[PeriodicSettings()])}, Events.of(values), seed=1
    ).within(limits_of(values, [None] * 2))
    again = Preprocessing.from_json(json.loads(json.dumps(chains.to_json())))
    beyond, last = np.array([[1e6, 8.0]]), np.array([[values[:, 0].max(), 8.0]])
    np.testing.assert_array_equal(again.beyond(beyond), [[True, False]])
    np.testing.assert_array_equal(again.forward(beyond, np.arange(1)), chains.forward(last, np.arange(1)))
    assert np.isneginf(again.log_slope(beyond, np.arange(1)))[0]
