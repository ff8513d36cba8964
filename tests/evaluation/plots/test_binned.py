"""The bins of a variable and what they hold: equal sums, edges at the right places, exact counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simmorph.data.events import Events
from simmorph.data.histograms import Histogram
from simmorph.evaluation.metrics.samples import Samples
from simmorph.evaluation.plots.binned import (
    FEWEST_IN_TAIL,
    MOST_BINS,
    N_MAP_BINS,
    Distribution,
    distribution,
    moved_counts,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def events(values: np.ndarray, weights: np.ndarray | None = None) -> Events:
    return Events.of(values[:, None], weights=weights)


def samples(source: Events, template: Events, target: Events) -> Samples:
    return Samples(("x",), 1, source, template, template, target, target[:0])


def same(values: np.ndarray, weights: np.ndarray | None = None) -> Distribution:
    one = events(values, weights)
    return distribution(samples(one, one, one), 0)


def gaussians(seed: int = 1) -> tuple[Events, Events, Events]:
    rng = np.random.default_rng(seed)
    weights = rng.normal(1, 0.5, 30_000)
    return (
        events(rng.normal(0.3, 1, 30_000), weights),
        events(rng.normal(size=30_000)),
        events(rng.normal(size=20_000), np.full(20_000, 0.2)),
    )


def test_source_and_template_have_the_sum_of_the_target() -> None:
    source, template, target = gaussians()
    shown = distribution(samples(source, template, target), 0)
    for sample, drawn in ((source, shown.source), (template, shown.template)):
        assert drawn is not None
        inside = (sample.features[:, 0] >= shown.edges[0]) & (sample.features[:, 0] <= shown.edges[-1])
        share = sample.weights[inside].sum() / sample.weights.sum()
        assert drawn.values.sum() == pytest.approx(share * target.weights.sum())


def test_counts_are_sums_of_weights_and_errors_roots_of_sums_of_squares() -> None:
    source, template, target = gaussians()
    shown = distribution(samples(source, template, target), 0)
    expected, squares = (
        np.histogram(target.features[:, 0], shown.edges, weights=target.weights**power)[0] for power in (1, 2)
    )
    assert shown.target.values == pytest.approx(expected)
    assert shown.target.uncertainties == pytest.approx(np.sqrt(squares))


def test_a_spectrum_of_many_events_has_equal_bins_but_for_its_ends() -> None:
    widths = np.diff(same(np.random.default_rng(1).normal(size=100_000)).edges)
    middle = widths[5:-5]
    assert len(widths) > MOST_BINS - 8
    assert middle == pytest.approx(np.full(len(middle), np.median(widths)))


def test_all_samples_share_the_edges_that_the_target_gives() -> None:
    source, template, target = gaussians()
    shown = distribution(samples(source, template, target), 0)
    alone = distribution(samples(template, template, target), 0)
    assert shown.edges.tolist() == alone.edges.tolist()
    for one in shown.shown().values():
        assert one.edges.tolist() == shown.edges.tolist()


def test_rows_hold_every_number_of_every_bin() -> None:
    source, template, target = gaussians()
    shown = distribution(samples(source, template, target), 0)
    rows = shown.rows()
    assert len(rows) == len(shown.edges) - 1
    assert list(rows[0]) == [
        "low", "high", "target", "target_uncertainty", "source", "source_uncertainty", "source_pull",
        "template", "template_uncertainty", "template_pull",
    ]  # fmt: skip
    assert [row["high"] for row in rows[:-1]] == [row["low"] for row in rows[1:]]
    assert sum(row["target"] for row in rows) == pytest.approx(shown.target.values.sum())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 3000), st.sampled_from(["normal", "exponential", "uniform", "cauchy"]))
def test_any_spectrum_has_growing_edges_and_filled_ends(seed: int, n_events: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    drawn: dict[str, Callable[..., np.ndarray]] = {
        "normal": rng.normal, "exponential": rng.exponential, "uniform": rng.uniform, "cauchy": rng.standard_cauchy,
    }  # fmt: skip
    shown = same(drawn[kind](size=n_events))
    assert np.all(np.diff(shown.edges) > 0)
    assert np.all(np.isfinite(shown.density))
    fullest = int(np.argmax(shown.target.values))
    for end in {0, len(shown.target.values) - 1} - {fullest}:
        assert shown.target.values[end] ** 2 >= FEWEST_IN_TAIL * shown.target.variances[end]


@pytest.mark.parametrize("value", [0.0, 7.0, -1e6])
def test_a_constant_has_one_bin_around_it(value: float) -> None:
    shown = same(np.full(100, value))
    assert shown.edges.tolist() == [value - 0.5, value + 0.5]
    assert shown.target.values.tolist() == [100]


def test_negative_weights_are_counted_with_their_sign() -> None:
    rng = np.random.default_rng(1)
    weights = np.where(rng.uniform(size=20_000) < 0.2, -1.0, 1.0)
    shown = same(rng.normal(size=20_000), weights)
    inside = shown.target.values.sum()
    assert inside == pytest.approx(weights.sum(), rel=0.01)
    assert shown.target.variances.sum() == pytest.approx(20_000, rel=0.01)


@pytest.mark.parametrize(
    ("counts", "is_steep"),
    [([1000, 100, 10], True), ([1000, 900, 800], False), ([10, 100, 1000], False), ([9, 9, 0], False)],
)
def test_a_steep_spectrum_falls_far_from_its_first_bins_on(counts: list[int], is_steep: bool) -> None:
    values = np.array(counts, np.float64)
    target = Histogram(np.array([1.0, 2.0, 3.0, 4.0]), values, values)
    assert Distribution("x", target, target).is_steep is is_steep
    around_zero = Histogram(target.edges - 2.5, values, values)
    assert not Distribution("x", around_zero, around_zero).is_steep


def test_chi_square_of_independent_samples_is_as_large_as_its_degrees_of_freedom() -> None:
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        shown = distribution(samples(*(events(rng.normal(size=n)) for n in (4000, 4000, 3000))), 0)
        test = shown.chi_square(shown.template)
        found.append(test.value / test.n_degrees)
    assert np.mean(found) == pytest.approx(1, abs=4 * np.sqrt(2 / (40 * 30)))


def test_map_counts_every_event_where_it_comes_from_and_where_it_goes() -> None:
    before = np.random.default_rng(1).uniform(0, 1, 10_000)
    counts, edges = moved_counts(before, before + 0.5)
    assert counts.shape == (N_MAP_BINS, N_MAP_BINS)
    starts, ends = np.nonzero(counts)
    middle = (edges[:-1] + edges[1:]) / 2
    assert np.abs(middle[ends] - middle[starts] - 0.5).max() < 1.01 * (edges[1] - edges[0])
    assert 0.98 * 10_000 < counts.sum() <= 10_000


def test_map_of_a_constant_has_edges_too() -> None:
    counts, edges = moved_counts(np.zeros(10), np.zeros(10))
    assert np.all(np.diff(edges) > 0)
    assert counts[0, 0] == 10
