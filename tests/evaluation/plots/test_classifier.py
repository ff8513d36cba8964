"""What is drawn of the classifier: its ROC curves, its weights, and its AUC in every region."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from simmorph.data.estimates import Estimate
from simmorph.data.histograms import Histogram
from simmorph.evaluation.metrics.classifier.density_ratio import DensityRatio
from simmorph.evaluation.plots.classifier import plot_density_ratio, plot_regions, plot_roc
from simmorph.evaluation.plots.style import COMPARISON_STYLE, NULL, Heading
from simmorph.evaluation.verdict import Verdict

KEPT = np.linspace(0, 1, 11)
ROCS = {"source_vs_target": (KEPT, KEPT**0.5), "template_vs_target": (KEPT, KEPT), "target_vs_target": (KEPT, KEPT**2)}
AUCS = {
    "source_vs_target": Estimate(0.667, 0.01),
    "template_vs_target": Estimate(0.5, 0.02),
    "target_vs_target": Estimate(0.333, 0.03),
}


def texts(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_curves_and_their_heights_above_the_diagonal_are_drawn() -> None:
    above, below = plot_roc(ROCS, AUCS, "AUC", Heading("Toy", "", "region SR")).axes
    for line, difference, (kept, other) in zip(above.lines, below.lines, ROCS.values(), strict=True):
        assert np.asarray(line.get_xdata()) == pytest.approx(kept)
        assert np.asarray(line.get_ydata()) == pytest.approx(other)
        assert np.asarray(difference.get_ydata()) == pytest.approx(other - kept)
    assert (above.get_xlim(), above.get_ylim()) == ((0, 1), (0, 1))


def test_auc_of_each_comparison_stands_in_the_legend_in_its_colour() -> None:
    figure = plot_roc(ROCS, AUCS, "AUC of $x", Heading("Toy", "", "region SR"))
    assert texts(figure) == [
        "source against target: 0.667 ± 0.010",
        "template against target: 0.500 ± 0.020",
        "target against target: 0.333 ± 0.030",
    ]
    colours = [line.get_color() for line in figure.axes[0].lines]
    assert colours == [COMPARISON_STYLE[name][1] for name in ROCS]
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == "region SR\nAUC of \\$x"


def weights(values: list[float], tail: float = 0.01) -> DensityRatio:
    edges, shares = np.linspace(-1, 1, len(values) + 1), np.array(values)
    tails = {name: Estimate(tail, 0.003 if ">" in name else 0.004) for name in ("> 2", "> 5", "< 0.5", "< 0.2")}
    return DensityRatio(Estimate(1, 0), Estimate(0, 0), {}, tails, Histogram(edges, shares, shares**2 / 100))


def test_shares_are_drawn_against_the_weight_with_their_bands() -> None:
    axes = plot_density_ratio({"template_vs_target": weights([0.25, 0.5, 0.25])}).axes[0]
    steps, band = (patch.get_data() for patch in axes.patches)  # type: ignore[attr-defined]
    assert steps.values == pytest.approx([0.25, 0.5, 0.25])
    assert steps.edges == pytest.approx(np.exp([-1, -1 / 3, 1 / 3, 1]))
    assert band.values == pytest.approx([0.275, 0.55, 0.275])
    assert band.baseline == pytest.approx([0.225, 0.45, 0.225])
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_share_of_large_and_small_weights_is_their_sum_with_both_errors() -> None:
    figure = plot_density_ratio({"target_vs_target": weights([0.5, 0.5], tail=0.02)})
    assert texts(figure) == ["target against target: 4.00 ± 0.50 %"]


@pytest.mark.parametrize("shares", [[0.0, 1.0, 0.0], [-0.1, 1.1, 0.0], [1e-6, 1 - 2e-6, 1e-6]])
def test_weights_in_one_bin_or_of_either_sign_are_drawn(shares: list[float]) -> None:
    figure = plot_density_ratio({"template_vs_target": weights(shares)})
    figure.draw_without_rendering()
    low, high = figure.axes[0].get_ylim()
    assert 0 < low < high
    assert high > max(shares)
    assert high / low > 100


def test_weights_that_cancel_in_every_bin_are_drawn_on_a_linear_axis() -> None:
    figure = plot_density_ratio({"template_vs_target": weights([0.0, 0.0, 0.0])})
    figure.draw_without_rendering()
    assert figure.axes[0].get_yscale() == "linear"


def test_ticks_are_round_weights_inside_the_axis() -> None:
    axes = plot_density_ratio({"template_vs_target": weights([0.2, 0.6, 0.2])}).axes[0]
    ticks = axes.get_xticks()
    assert {0.5, 1.0, 2.0} <= set(ticks)
    assert axes.get_xlim()[0] <= min(ticks) < max(ticks) <= axes.get_xlim()[1]


def verdict(template: float, source: float | None = 0.7) -> Verdict:
    found = None if source is None else Estimate(source, 0.01)
    return Verdict("auc", "AUC of the classifier", found, Estimate(template, 0.02), Estimate(0.5, 0.005))


VERDICTS = {"control": verdict(0.51), "signal region with a very long name of its own": verdict(0.6)}


def test_each_region_has_its_point_its_error_and_the_band_of_its_null() -> None:
    axes = plot_regions(VERDICTS, Heading("Toy")).axes[0]
    source, template = (container.lines[0] for container in axes.containers)  # type: ignore[attr-defined]
    assert source.get_xdata() == pytest.approx([0.7, 0.7])
    assert template.get_xdata() == pytest.approx([0.51, 0.6])
    errors = axes.containers[1].lines[2][0].get_segments()  # type: ignore[attr-defined]
    assert [segment[:, 0].tolist() for segment in errors] == [pytest.approx([0.49, 0.53]), pytest.approx([0.58, 0.62])]
    bands = [band for band in axes.collections if isinstance(band, PolyCollection)]
    assert len(bands) == 2
    for band in bands:
        places = np.asarray(band.get_paths()[0].vertices)[:, 0]
        assert (places.min(), places.max()) == pytest.approx((0.495, 0.505))


def test_regions_stand_in_their_order_from_the_top_and_long_names_are_cut() -> None:
    axes = plot_regions(VERDICTS).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] == "control"
    assert names[1].startswith("signal region with")
    assert names[1].endswith("…")
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert axes.get_xlabel() == "AUC of the classifier"


def test_without_a_source_only_the_template_has_points() -> None:
    figure = plot_regions({"a": verdict(0.5, None), "b": verdict(0.6, None)})
    assert len(figure.axes[0].containers) == 1
    assert NULL not in {line.get_color() for line in figure.axes[0].lines}
