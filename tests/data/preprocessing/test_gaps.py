"""What a variable repeats and what it leaves empty."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.data.preprocessing.gaps import find_gaps, find_point_masses
from simmorph.data.preprocessing.samples import (
    lower_edge,
    representable_above,
    roundest,
    upper_edge,
    weighted_quantiles,
)

RNG = np.random.default_rng(8)


@pytest.mark.parametrize("n_events", [1000, 100_000])
def test_a_tail_has_no_gaps(n_events: int) -> None:
    for values in (RNG.normal(size=n_events), RNG.exponential(size=n_events), RNG.standard_cauchy(n_events)):
        assert find_gaps(values) == []
        assert len(find_point_masses(values)) == 0


def test_values_in_single_precision_are_not_taken_for_atoms() -> None:
    values = RNG.uniform(0, 1, 100_000).astype(np.float32).astype(np.float64)
    assert len(find_point_masses(values)) == 0


def test_a_gap_above_an_atom_starts_at_the_atom() -> None:
    values = np.concatenate([np.zeros(500), 0.5 + RNG.exponential(1, 5000)])
    gaps = find_gaps(values)
    assert [low for low, _ in gaps] == [0.0]
    assert gaps[0][1] == pytest.approx(0.5, abs=1e-3)


def test_two_bumps_far_apart_have_a_gap_between_them() -> None:
    values = np.concatenate([RNG.uniform(0, 1, 5000), RNG.uniform(3, 4, 5000)])
    np.testing.assert_allclose(find_gaps(values), [(1, 3)], rtol=1e-6)


@pytest.mark.parametrize(
    ("near", "far", "expected"),
    [
        (35.0002, 34.9991, 35.0),
        (-2.3699, -2.3703, -2.37),
        (2.3697, 2.385, 2.37),
        (0.2, -0.1, 0.0),
        (1499, 3300, 2000),
        (0.12341, 0.12349, 0.12345),
        (0.7, 0.7, 0.7),
    ],
)
def test_roundest_is_the_number_with_the_fewest_decimals(near: float, far: float, expected: float) -> None:
    assert min(near, far) <= roundest(near, far) <= max(near, far)
    assert roundest(near, far) == pytest.approx(expected, abs=6e-5)


def test_edges_hold_all_values() -> None:
    ordered = np.sort(RNG.uniform(25, 160, 10_000))
    assert (lower_edge(ordered), upper_edge(ordered)) == (25, 160)


def test_rounding_to_single_precision_never_goes_below() -> None:
    for value in (1.37, -1.37, 0.1, 1e-300, 160.0):
        assert value <= representable_above(value) == float(np.float32(representable_above(value)))


def test_weighted_quantiles_of_equal_weights_are_quantiles() -> None:
    values, probabilities = RNG.normal(size=1001), np.array([0.1, 0.5, 0.9])
    weighted = weighted_quantiles(values, np.full(1001, 2.5), probabilities)
    np.testing.assert_allclose(weighted, np.quantile(values, probabilities, method="hazen"))


def test_an_event_of_weight_two_counts_as_two() -> None:
    probabilities = np.linspace(0.1, 0.9, 9)
    values = np.sort(RNG.normal(size=5000))
    double = weighted_quantiles(values, np.full(5000, 2.0), probabilities)
    twice = weighted_quantiles(np.repeat(values, 2), np.ones(10_000), probabilities)
    np.testing.assert_allclose(double, twice, atol=2e-3)
