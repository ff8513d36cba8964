"""Figures show the numbers that they are given, each where it belongs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.patches import StepPatch

from simmorph.data.histograms import Histogram
from simmorph.limits.fits.impacts import Impact, shown_of
from simmorph.limits.fits.inference import Limits
from simmorph.limits.fits.postfit import FittedYields
from simmorph.limits.report.impact_plots import draw_impacts
from simmorph.limits.report.plots import BIN, Scan, Spectrum, draw_scan, draw_spectrum, symbol

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EDGES = np.array([100.0, 110.0, 120.0, 130.0])
DATA = Histogram(EDGES, np.array([25.0, 36.0, 0.0]), np.array([25.0, 36.0, 0.0]), "data")
FITTED = FittedYields(
    np.array([20.0, 30.0, 4.0]),
    np.array([2.0, 3.0, 1.0]),
    np.array([1.0, 12.0, 0.0]),
    {"small": np.array([2.0, 3.0, 1.0]), "large": np.array([18.0, 27.0, 3.0])},
    np.array([1.5, 4.0, 1.0]),
)
SPECTRUM = Spectrum(DATA, FITTED, "m_yy [GeV]", channel="near")
ALONE = SPECTRUM._replace(fitted=FITTED._replace(samples={"background": FITTED.background}))


def stairs(axes: Axes, label: str) -> Any:
    """Heights, edges and baseline of what has this label."""
    (found,) = (it for it in axes.patches if isinstance(it, StepPatch) and it.get_label() == label)
    return found.get_data()


def points(axes: Axes, label: str) -> np.ndarray[Any, Any]:
    """(n_points, 2), those with error bars of this label."""
    (found,) = (it for it in axes.containers if isinstance(it, ErrorbarContainer) and it.get_label() == label)
    return np.asarray(found.lines[0].get_xydata())


def test_pulls_are_data_less_fit_over_the_uncertainty_of_the_data_or_of_what_is_expected() -> None:
    assert SPECTRUM.pulls.tolist() == pytest.approx([4 / 5, -6 / 6, -4 / 2])


def test_a_spectrum_has_the_data_in_the_middle_of_their_bins_and_the_sum_of_the_fit() -> None:
    upper, middle, lower = draw_spectrum(SPECTRUM).axes
    assert points(upper, "Data").tolist() == [[105.0, 25.0], [115.0, 36.0], [125.0, 0.0]]
    assert stairs(upper, "Background + fitted signal").values.tolist() == [21.0, 42.0, 4.0]
    band = stairs(upper, "Background uncertainty")
    assert band.values.tolist() == [22.0, 33.0, 5.0]
    assert band.baseline.tolist() == [18.0, 27.0, 3.0]
    assert points(middle, "Data")[:, 1].tolist() == [5.0, 6.0, -4.0]
    assert lower.get_xlabel() == "m_yy [GeV]"
    assert lower.get_xlim() == (100.0, 130.0)
    assert upper.get_ylabel() == "Events / 10 GeV"


def test_samples_are_stacked_with_the_largest_on_top() -> None:
    upper = draw_spectrum(SPECTRUM).axes[0]
    small, large = stairs(upper, "small"), stairs(upper, "large")
    assert small.baseline.tolist() == [0.0, 0.0, 0.0]
    assert large.baseline.tolist() == small.values.tolist() == [2.0, 3.0, 1.0]
    assert large.values.tolist() == FITTED.background.tolist()
    assert stairs(draw_spectrum(ALONE).axes[0], "Fitted background").values.tolist() == FITTED.background.tolist()


@pytest.mark.parametrize(
    ("edges", "label", "words"),
    [
        (EDGES, "score", "Events / bin"),
        (np.array([0.0, 1.0, 3.0, 4.0]), "m [GeV]", "Events / bin"),
        (EDGES / 1000, "m [TeV]", "Events / 0.01 TeV"),
    ],
)
def test_the_width_of_bins_is_named_where_all_have_it_and_it_has_a_unit(edges: Any, label: str, words: str) -> None:
    spectrum = ALONE._replace(data=replace(DATA, edges=edges), label=label)
    assert draw_spectrum(spectrum).axes[0].get_ylabel() == words


def test_a_pull_beyond_the_panel_is_an_arrow_at_its_edge() -> None:
    data = replace(DATA, values=np.array([25.0, 90.0, 0.0]), variances=np.array([25.0, 9.0, 0.0]))
    lower = draw_spectrum(ALONE._replace(data=data)).axes[2]
    above, below = (line for line in lower.lines if line.get_marker() in {"^", "v"})
    assert np.asarray(above.get_xdata()).tolist() == [115.0]
    assert np.asarray(below.get_xdata()).tolist() == []


def test_bins_that_the_fit_used_have_a_ground() -> None:
    part = SPECTRUM._replace(used=np.array([False, True, False]))
    whole = SPECTRUM._replace(used=np.array([True, True, True]))
    n_patches = [len(draw_spectrum(it).axes[1].patches) for it in (part, whole, SPECTRUM)]
    assert n_patches[0] - 1 == n_patches[1] == n_patches[2]


def test_bins_without_an_observable_are_counted() -> None:
    ticks = (
        draw_spectrum(ALONE._replace(data=replace(DATA, edges=np.array([0.5, 1.5, 2.5, 3.5])), label=BIN))
        .axes[2]
        .get_xticks()
    )
    assert all(float(it).is_integer() for it in ticks)


def test_a_scan_shows_observed_and_expected_values_and_the_level() -> None:
    values = np.linspace(0, 2, 5)
    scan = Scan(values, np.exp(-values), np.exp(-np.outer(values, [2.0, 1.5, 1.2, 1.0, 0.8])))
    (axes,) = draw_scan(scan, Limits("mu", 0.9, 1.234, (1.0, 1.1, 1.5, 2.0, 2.5))).axes
    lines = {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in axes.lines}
    assert lines["Observed"] == scan.observed.tolist()
    assert lines["Expected"] == scan.expected[:, 2].tolist()
    assert [pytest.approx(0.1)] * 2 in lines.values()
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == "90 % CL upper limit: 1.23 (expected 1.5)"
    assert axes.get_xlabel() == symbol("mu") == r"$\mu$"


def test_impacts_stand_at_their_parameter_with_the_strongest_on_top() -> None:
    rows = [
        Impact("strong", 0.5, 0.8, 0.4, -0.3, 0.5, 0.8),
        Impact("weak", -1.0, 1.0, -0.1, 0.1, -1.0, 1.0),
        Impact("no", 0, 1, 1e-4, 0, 0, 1),
    ]
    left, right = draw_impacts(rows, "r").axes
    assert [it.get_text() for it in left.get_yticklabels()] == ["weak", "strong"]
    up, down = ([bar.get_width() for bar in it] for it in right.containers)
    assert up == [-0.1, 0.4]
    assert down == [0.1, -0.3]
    assert right.get_xlabel() == "Impact on fitted r"
    pulls = left.containers[0]
    assert isinstance(pulls, ErrorbarContainer)
    assert np.asarray(pulls.lines[0].get_xydata()).tolist() == [[-1.0, 0.0], [0.5, 1.0]]


def test_a_long_list_of_impacts_is_cut_after_twenty() -> None:
    rows = [Impact(str(i), 0.0, 1.0, 1.0 - i / 100, -1.0, 0.0, 1.0) for i in range(30)]
    assert [row.parameter for row in shown_of(rows)] == [str(i) for i in range(20)]
