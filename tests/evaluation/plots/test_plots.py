"""Bins, labels and tables, as people see them."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.data.estimates import Estimate
from simmorph.data.events import Events
from simmorph.evaluation.metrics.correlations import correlations
from simmorph.evaluation.metrics.samples import Samples
from simmorph.evaluation.plots.binned import distribution
from simmorph.evaluation.plots.correlations import plot_correlations
from simmorph.evaluation.plots.style import Heading, style
from simmorph.evaluation.report.tables import Table


def samples_of(values: np.ndarray) -> Samples:
    events = Events.of(values[:, None])
    return Samples(("x",), 1, events, events, events, events, events[:0])


def test_gap_of_a_detector_is_a_bin_of_its_own() -> None:
    eta = np.random.default_rng(1).uniform(-2.4, 2.4, 50_000)
    kept = eta[(np.abs(eta) < 1.37) | (np.abs(eta) > 1.52)]
    shown = distribution(samples_of(kept), 0)
    for edge in (-1.52, -1.37, 1.37, 1.52):
        assert np.min(np.abs(shown.edges - edge)) < 0.002
    assert np.sum(~shown.has_ratio) == 2
    assert not shown.is_steep


def test_tail_is_merged_until_a_ratio_makes_sense_and_falls_on_a_logarithmic_axis() -> None:
    shown = distribution(samples_of(20 + np.random.default_rng(1).exponential(20, 5000)), 0)
    assert shown.target.values.min() >= 25
    assert np.diff(shown.edges)[-1] > 2 * np.diff(shown.edges)[0]
    assert shown.is_steep


@pytest.mark.parametrize("seed", range(5))
def test_few_events_have_bins_that_are_merged_towards_the_ends_and_never_a_single_one(seed: int) -> None:
    shown = distribution(samples_of(np.random.default_rng(seed).normal(size=400)), 0)
    assert len(shown.edges) >= 7
    assert np.diff(shown.edges)[[0, -1]].min() > np.diff(shown.edges).min()
    assert np.mean(shown.has_ratio) > 0.8


def test_exact_zeros_beside_a_gap_are_in_a_bin_of_usual_width() -> None:
    rng = np.random.default_rng(5)
    tail = 0.5 + rng.exponential(size=20_000)
    found = distribution(samples_of(np.concatenate([np.zeros(10_000), tail])), 0)
    widths = np.diff(found.edges)
    assert np.all(np.isfinite(found.density))
    assert widths.min() > 0.1 * np.median(widths)
    assert found.target.values[0] >= 10_000


def test_whole_numbers_have_bins_around_them() -> None:
    shown = distribution(samples_of(np.repeat([0.0, 1.0, 2.0, 3.0], 100)), 0)
    assert shown.edges.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5]


def test_long_labels_of_correlations_stay_on_the_page_and_apart() -> None:
    labels = [f"ECAL isolation {number} [GeV]" for number in range(8)]
    found = correlations(Events.of(np.random.default_rng(1).normal(size=(500, 8))))
    with style():
        of_samples = dict.fromkeys(("target", "source", "template"), found)
        figure = plot_correlations(of_samples, of_samples, labels, Heading("Label", "", "region x"))
        figure.draw_without_rendering()
    page = figure.bbox
    for axes in figure.axes[:3]:
        ticks = axes.get_xticklabels() + (axes.get_yticklabels() if axes is figure.axes[0] else [])
        for tick in ticks:
            box = tick.get_window_extent()
            assert box.x0 >= page.x0
            assert box.y0 >= page.y0


@pytest.mark.parametrize(
    ("name", "escaped"), [("pt_1", r"pt\_1"), ("95 %", r"95 \%"), ("a & b", r"a \& b"), ("x < 3", "x $<$ 3")]
)
def test_special_characters_of_latex_are_escaped(name: str, escaped: str) -> None:
    text = Table("A table.", ["name", "value"], [[name, Estimate(0.5, 0.1)], [name, 14960.2]]).to_latex()
    assert text.count(escaped) == 2
    assert "$14{,}960$" in text


def test_large_numbers_have_their_thousands_apart_on_the_page_and_not_in_the_csv() -> None:
    table = Table("A table.", ["sample", "sum"], [["target", 14960.0]])
    assert table.texts() == [["target", "14,960"]]
    assert "14960" in table.to_csv()
