"""The plot of one variable: what is drawn are the counts, ratios and pulls of the histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from simmorph.data.histograms import Histogram
from simmorph.evaluation.plots.binned import Distribution
from simmorph.evaluation.plots.distributions import plot_distribution, plot_ratios
from simmorph.evaluation.plots.style import Heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EDGES = np.array([0.0, 1.0, 2.0, 4.0])


def histogram(*values: float, variances: list[float] | None = None) -> Histogram:
    return Histogram(EDGES, np.array(values), np.array(values if variances is None else variances))


TARGET, TEMPLATE, SOURCE = histogram(100, 400, 100), histogram(110, 380, 90), histogram(150, 300, 150)
SHOWN = Distribution("x", TARGET, TEMPLATE, SOURCE)


def steps(axes: Axes, number: int) -> Any:
    """The heights of one stepped line or band of a panel."""
    return [patch for patch in axes.patches if isinstance(patch, StepPatch)][number].get_data()


def points(axes: Axes) -> tuple[Any, Any]:
    """Places and heights of the target's points."""
    line = axes.containers[0].lines[0]  # type: ignore[attr-defined]
    return line.get_xdata(), line.get_ydata()


def test_counts_are_those_for_a_bin_of_the_usual_width() -> None:
    axes = plot_distribution(SHOWN, "x [GeV]").axes[0]
    assert steps(axes, 0).values == pytest.approx([150, 300, 75])
    assert steps(axes, 2).values == pytest.approx([110, 380, 45])
    places, heights = points(axes)
    assert places == pytest.approx([0.5, 1.5, 3.0])
    assert heights == pytest.approx([100, 400, 50])
    assert axes.get_ylabel() == "events / 1 GeV"


def test_bands_are_one_standard_deviation_of_the_weights_around_the_counts() -> None:
    template = histogram(110, 380, 90, variances=[25.0, 16.0, 36.0])
    axes = plot_distribution(Distribution("x", TARGET, template), "x").axes[0]
    band = steps(axes, 1)
    assert band.values == pytest.approx([115, 384, 48])
    assert band.baseline == pytest.approx([105, 376, 42])


def test_ratio_is_that_of_the_counts_and_the_target_lies_at_one_with_its_relative_error() -> None:
    axes = plot_distribution(SHOWN, "x").axes[1]
    assert steps(axes, 0).values == pytest.approx([1.5, 0.75, 1.5])
    assert steps(axes, 2).values == pytest.approx([1.1, 0.95, 0.9])
    error = axes.containers[0].lines[2][0].get_segments()  # type: ignore[attr-defined]
    assert [segment[1][1] - 1 for segment in error] == pytest.approx([0.1, 0.05, 0.1])
    assert points(axes)[1] == pytest.approx([1, 1, 1])


def test_pulls_are_drawn_as_they_are_written() -> None:
    axes = plot_distribution(SHOWN, "x").axes[2]
    assert steps(axes, 1).values == pytest.approx([row["template_pull"] for row in SHOWN.rows()])
    assert steps(axes, 0).values == pytest.approx([row["source_pull"] for row in SHOWN.rows()])
    assert SHOWN.rows()[0]["template_pull"] == pytest.approx(10 / np.sqrt(210))


def test_bins_without_enough_of_the_target_have_neither_ratio_nor_pull() -> None:
    shown = Distribution("x", histogram(100, 400, 9), TEMPLATE, SOURCE)
    figure = plot_distribution(shown, "x")
    for axes in figure.axes[1:]:
        assert np.isnan(steps(axes, 0).values).tolist() == [False, False, True]
    assert not np.isnan(steps(figure.axes[0], 0).values).any()


def test_a_ratio_that_leaves_its_panel_has_an_arrow_at_the_border() -> None:
    template = histogram(500, 400, 100)
    axes = plot_distribution(Distribution("x", TARGET, template), "x").axes[1]
    arrows = [line for line in axes.lines if line.get_marker() == "^"]
    assert [np.asarray(line.get_xdata()).tolist() for line in arrows] == [[0.5]]
    low, high = axes.get_ylim()
    assert low < np.asarray(arrows[0].get_ydata())[0] < high < 5


def test_chi_square_of_each_sample_stands_in_the_legend() -> None:
    legend = plot_distribution(SHOWN, "x").axes[0].get_legend()
    assert legend is not None
    found = {text.get_text().split(",")[0]: text.get_text() for text in legend.get_texts()}
    for name, sample in (("source", SOURCE), ("template", TEMPLATE)):
        test = SHOWN.chi_square(sample)
        assert f"{test.value:.1f}/{test.n_degrees}" in found[name]
    assert SHOWN.chi_square(TEMPLATE).n_degrees == 2


def test_without_a_source_only_the_template_is_drawn_beside_the_target() -> None:
    figure = plot_distribution(Distribution("x", TARGET, TEMPLATE), "x")
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text().split(",")[0] for text in legend.get_texts()] == ["template", "target"]


@pytest.mark.parametrize("is_log", [False, True])
def test_every_count_is_inside_the_axis_with_room_for_the_legend(is_log: bool) -> None:
    axes = plot_distribution(SHOWN, "x", is_log=is_log).axes[0]
    low, high = axes.get_ylim()
    assert axes.get_yscale() == ("log" if is_log else "linear")
    assert low < 45
    assert high > 1.5 * 400


def test_samples_without_positive_counts_are_drawn_on_a_linear_axis() -> None:
    empty = histogram(0, 0, 0)
    figure = plot_distribution(Distribution("x", empty, empty), "x", is_log=True)
    figure.draw_without_rendering()
    assert figure.axes[0].get_yscale() == "linear"


def test_ratios_of_all_variables_have_a_panel_each() -> None:
    figure = plot_ratios({"x [GeV]": SHOWN, "y": SHOWN, "z": SHOWN, "u": SHOWN}, Heading("Toy", "", "region SR"))
    assert [axes.get_xlabel() for axes in figure.axes] == ["x [GeV]", "y", "z", "u"]
    for axes in figure.axes:
        assert axes.get_xlim() == (0.0, 4.0)
        assert steps(axes, 2).values == pytest.approx([1.1, 0.95, 0.9])
    assert figure.get_suptitle() == "Toy, region SR"


def test_weights_of_either_sign_keep_their_signs_in_ratio_and_pull() -> None:
    template = histogram(-100, 400, 100, variances=[100.0, 400.0, 100.0])
    shown = Distribution("x", TARGET, template)
    axes = plot_distribution(shown, "x").axes
    assert steps(axes[1], 0).values[0] == pytest.approx(-1)
    assert shown.pulls(template)[0] == pytest.approx(-200 / np.sqrt(200))


@pytest.mark.parametrize("factor", [0.1, 1.0, 1e6])
def test_pulls_do_not_depend_on_a_common_factor_of_all_weights(factor: float) -> None:
    scaled = Distribution("x", TARGET.scaled(factor), TEMPLATE.scaled(factor), SOURCE.scaled(factor))
    assert scaled.pulls(scaled.template) == pytest.approx(SHOWN.pulls(TEMPLATE))
    assert scaled.chi_square(scaled.template) == pytest.approx(SHOWN.chi_square(TEMPLATE))
    assert scaled.has_ratio.tolist() == SHOWN.has_ratio.tolist()
