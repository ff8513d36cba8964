"""-999 and its like are found, and what variables of physics look like is not taken for them."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.data.quality.placeholders import placeholders, remarks_on

RNG = np.random.default_rng(3)
N = 3000
VARIABLES = {
    "energy": RNG.exponential(60, N) + 20,
    "pseudorapidity": RNG.normal(0, 1.2, N),
    "angle": RNG.uniform(-np.pi, np.pi, N),
    "score": RNG.beta(5, 1, N),
    "resolution": RNG.normal(0.01, 0.002, N),
}
PHYSICS = {
    **VARIABLES,
    "isolation with a point mass": np.where(RNG.random(N) < 0.4, 0, RNG.exponential(3, N) + 0.5),
    "number of jets": RNG.poisson(2, N),
    "boolean": RNG.random(N) < 0.1,
    "charge": RNG.choice([-1, 1], N),
    "sign with none": RNG.choice([-1, 0, 1], N, p=[0.05, 0.9, 0.05]),
    "constant": np.ones(N),
    "heavy tail": np.abs(RNG.standard_t(3, N)) ** 1.5,
    "clipped from above": np.minimum(RNG.exponential(60, N), 200),
    "clipped from below": np.maximum(RNG.normal(0, 1, N), -2),
    "two peaks": np.concatenate([RNG.normal(0, 1, N // 2), RNG.normal(10, 1, N // 2)]),
    "nothing": np.empty(0),
    "nothing finite": np.full(5, np.nan),
    "single": np.array([-999.0]),
    "year": RNG.choice([2016, 2017, 2018], N),
}


@pytest.mark.parametrize("name", PHYSICS)
def test_variables_of_physics_have_none(name: str) -> None:
    assert placeholders(np.asarray(PHYSICS[name], np.float64)) == []


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("value", [-999.0, -9999.0, -99999.0, 9999.0, -1e10, 1e30, -99.0, -1e4])
@pytest.mark.parametrize("n_events", [3, N // 3, N - 30])
def test_a_placeholder_is_counted(name: str, value: float, n_events: int) -> None:
    values = VARIABLES[name].copy()
    values[:n_events] = value
    assert placeholders(values) == [(value, n_events)]


def test_several_are_counted_apart() -> None:
    values = VARIABLES["energy"].copy()
    values[:7], values[7:9], values[9:20] = -999, 1e30, -9999
    assert sorted(placeholders(values)) == [(-9999, 11), (-999, 7), (1e30, 2)]


def test_one_event_far_away_is_an_outlier() -> None:
    values = VARIABLES["energy"].copy()
    values[5], values[6] = 1e7, np.nan
    assert [*remarks_on("target", {"e": values, "eta": VARIABLES["pseudorapidity"]})] == [
        "target: e is 1e+07 in 1 of 3000 events, far outside of all others: an outlier?"
    ]
