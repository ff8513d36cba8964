"""Histograms keep signs, squares and edges."""

from __future__ import annotations

import json

import numpy as np
import pytest
from boost_histogram.serialization import from_uhi, to_uhi
from hypothesis import given
from hypothesis import strategies as st

from simmorph.data.histograms import Histogram, in_window, summed
from simmorph.errors import InputError

EDGES = np.array([0.0, 1.0, 2.0, 4.0])


def test_signed_weights_are_summed_exactly() -> None:
    filled = Histogram.empty(EDGES).filled(np.array([0.5, 0.6, 1.5, 3.0]), np.array([2.0, -0.5, -3.0, 1.0]))
    assert filled.values.tolist() == [1.5, -3.0, 1.0]
    assert filled.variances.tolist() == [4.25, 9.0, 1.0]


def test_the_last_edge_belongs_to_the_last_bin_and_the_rest_is_left_out() -> None:
    observable = np.array([-0.1, 0.0, 4.0, 4.1, np.nan, np.inf])
    filled = Histogram.empty(EDGES).filled(observable, np.ones(6))
    assert filled.values.tolist() == [1, 0, 1]


def test_sums_are_those_of_numpy() -> None:
    rng = np.random.default_rng(1)
    observable, weights = rng.normal(2, 1, 10_000), rng.normal(1, 2, 10_000)
    filled = Histogram.empty(EDGES).filled(observable, weights)
    assert filled.values == pytest.approx(np.histogram(observable, EDGES, weights=weights)[0])
    assert filled.variances == pytest.approx(np.histogram(observable, EDGES, weights=weights**2)[0])


def test_a_factor_scales_the_values_and_its_square_the_variances() -> None:
    scaled = Histogram(EDGES, np.array([1.0, -2.0, 3.0]), np.array([1.0, 4.0, 9.0])).scaled(-2.0)
    assert scaled.values.tolist() == [-2.0, 4.0, -6.0]
    assert scaled.uncertainties.tolist() == [2.0, 4.0, 6.0]


def test_other_libraries_read_the_same_edges_values_and_variances() -> None:
    histogram = Histogram(EDGES, np.array([1.5, -3.0, 1.0]), np.array([4.25, 9.0, 1.0]))
    boost = histogram.to_boost(name="x", label="x [GeV]")
    read = from_uhi(json.loads(json.dumps(to_uhi(boost), default=np.ndarray.tolist)))
    assert read.axes[0].edges.tolist() == EDGES.tolist()
    assert read.axes[0].__dict__ == {"name": "x", "label": "x [GeV]"}
    assert read.values(flow=True).tolist() == [1.5, -3.0, 1.0]
    assert np.asarray(read.variances(flow=True)).tolist() == [4.25, 9.0, 1.0]


@given(st.lists(st.tuples(st.floats(-1, 5), st.floats(-10, 10)), min_size=2, max_size=50), st.integers(1, 49))
def test_chunks_make_no_difference(events: list[tuple[float, float]], cut: int) -> None:
    observable, weights = np.array(events).T
    whole = Histogram.empty(EDGES).filled(observable, weights)
    parts = Histogram.empty(EDGES).filled(observable[:cut], weights[:cut]).filled(observable[cut:], weights[cut:])
    assert parts.values == pytest.approx(whole.values, abs=1e-9)
    assert parts.variances == pytest.approx(whole.variances, abs=1e-9)


def test_a_weight_that_is_not_a_number_is_refused_only_where_it_counts() -> None:
    empty = Histogram.empty(EDGES, "signal")
    assert empty.filled(np.array([9.0]), np.array([np.nan])).values.sum() == 0
    with pytest.raises(InputError, match="signal: 1 event weights are not finite"):
        empty.filled(np.array([0.5]), np.array([np.nan]))


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_yields_that_cannot_be_expected_are_refused(bad: float) -> None:
    histogram = Histogram(EDGES, np.array([1.0, bad, 1.0]), np.ones(3), "background")
    with pytest.raises(InputError, match=r"background: the expected yield in bin 2 \(1 to 2\) is"):
        histogram.usable()


def test_an_empty_histogram_is_refused() -> None:
    with pytest.raises(InputError, match="no events in any bin"):
        Histogram.empty(EDGES, "signal").usable()


def test_histograms_of_different_bins_do_not_add_up() -> None:
    with pytest.raises(InputError, match="its bins differ"):
        summed([Histogram.empty(EDGES), Histogram.empty(EDGES + 0.1)], "sum")


def test_bins_that_touch_the_window_belong_to_it() -> None:
    assert in_window(EDGES, (1.5, 2.0)).tolist() == [False, True, False]
    assert in_window(EDGES, (0.5, 1.5)).tolist() == [True, True, False]
