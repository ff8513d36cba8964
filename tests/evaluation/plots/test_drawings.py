"""What the plots draw: pulls, arrows, weights, profiles and losses, against known answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simmorph.config.evaluation import EvaluateSettings
from simmorph.data.events import Events
from simmorph.data.histograms import Histogram
from simmorph.evaluation.metrics.profiles import Means, Profile, ProfileTest
from simmorph.evaluation.plots.binned import Distribution
from simmorph.evaluation.plots.distributions import plot_distribution
from simmorph.evaluation.plots.movement import displacement_field, field_rows, plot_fields
from simmorph.evaluation.plots.profiles import MOST_PANELS, drawn_profiles
from simmorph.evaluation.plots.style import heading, without_unit
from simmorph.evaluation.plots.training import loss_rows, plain_stages, plot_losses


def _counts(*values: float) -> Histogram:
    return Histogram(np.arange(len(values) + 1.0), np.array(values), np.abs(values))


def _shown(template: Histogram, source: Histogram | None = None) -> Distribution:
    return Distribution("x", _counts(100, 400, 4), template, source)


def test_pull_is_the_difference_over_both_uncertainties_where_the_target_has_enough() -> None:
    template = Histogram(np.arange(4.0), np.array([125.0, 380.0, 9.0]), np.array([0.0, 400.0, 9.0]))
    shown = _shown(template)
    pulls = shown.pulls(template)
    assert pulls[:2] == pytest.approx([25 / 10, -20 / np.hypot(20, 20)])
    assert np.isnan(pulls[2])
    test = shown.chi_square(template)
    assert test.value == pytest.approx(2.5**2 + 0.5)
    assert test.n_degrees == 1


def test_chi_square_of_equal_spectra_is_as_large_as_its_degrees_of_freedom() -> None:
    rng = np.random.default_rng(1)
    expected = np.full(41, 400.0)
    found = []
    for _ in range(300):
        target, template = (np.asarray(rng.poisson(expected), np.float64) for _ in range(2))
        template *= target.sum() / template.sum()
        shown = Distribution("x", _counts(*target), _counts(*template))
        found.append(shown.chi_square(shown.template).value)
    assert np.mean(found) == pytest.approx(40, abs=1.5)


def test_distribution_has_panels_of_counts_ratio_and_pull_and_tells_where_and_what() -> None:
    settings = EvaluateSettings(label="Toy", luminosity_fb=10, energy_tev=13)
    shown = _shown(_counts(110, 390, 5), _counts(150, 300, 5))
    figure = plot_distribution(shown, "x [GeV]", heading(settings, "region SR"))
    assert [axes.get_ylabel() for axes in figure.axes] == ["events / 1 GeV", "ratio", "pull"]
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == "region SR"
    assert [text.get_text().split(",")[0] for text in legend.get_texts()] == ["source", "template", "target"]
    assert figure.axes[0].get_title("left") == "Toy"
    assert figure.axes[0].get_title("right") == r"10 fb$^{-1}$ (13 TeV)"


def test_arrows_of_a_shift_all_have_its_length_and_direction() -> None:
    rng = np.random.default_rng(1)
    source = Events.of(rng.normal(size=(20_000, 3)))
    moved = source.with_features(source.features + np.array([0.3, 9.0, -0.4]))
    field = displacement_field(source, moved, np.array([1.0, 1.0, 2.0]), (0, 2))
    assert field.step == pytest.approx(np.tile([0.3, -0.4], (len(field.step), 1)))
    assert field.distance == pytest.approx(np.full(len(field.step), np.hypot(0.3, 0.2)))
    assert field.uncertainty == pytest.approx(np.zeros_like(field.step), abs=1e-6)
    assert field.n_events.min() >= 10
    assert field.n_events.sum() <= 20_000
    assert len(field_rows(field, ("a", "b"))) == len(field.step)


def test_angle_goes_the_short_way_round() -> None:
    rng = np.random.default_rng(1)
    angle = rng.uniform(-np.pi, np.pi, (5000, 2))
    turned = np.mod(angle + 0.1 + np.pi, 2 * np.pi) - np.pi
    field = displacement_field(Events.of(angle), Events.of(turned), np.ones(2), (0, 1), [0, 1])
    assert field.step == pytest.approx(np.full_like(field.step, 0.1))


@pytest.mark.parametrize(("step", "told"), [(0.0, ""), (0.01, "arrows 20 times as long"), (3.0, "")])
def test_short_arrows_are_magnified_and_the_plot_says_so(step: float, told: str) -> None:
    source = Events.of(np.random.default_rng(1).normal(size=(5000, 2)))
    moved = source.with_features(source.features + step)
    figure = plot_fields({("x", "y"): displacement_field(source, moved, np.ones(2), (0, 1))})
    assert figure.axes[0].get_title("right") == told


def test_constant_feature_has_a_field_too() -> None:
    source = Events.of(np.column_stack([np.ones(500), np.random.default_rng(1).normal(size=500)]))
    field = displacement_field(source, source, np.array([0.0, 1.0]), (0, 1))
    assert np.all(field.step == 0)
    assert len(plot_fields({("x", "y"): field}).axes) == 2


def _profile(variable: str, p_value: float) -> Profile:
    means = Means(np.array([1.0, 2.0]), np.array([0.1, 0.1]))
    test = ProfileTest(1.0, 2, p_value)
    samples = {"template": means, "target": means}
    edges, centres = np.array([0.0, 1.0, 2.0]), np.array([0.5, 1.5])
    return Profile("mass", variable, edges, centres, samples, {"template_vs_target": test})


def test_of_many_profiles_the_least_likely_are_drawn() -> None:
    found = [_profile(f"x{number}", number / 100) for number in range(30)]
    assert [one.variable for one in drawn_profiles(found[::-1])] == [f"x{number}" for number in range(9)][::-1]
    assert MOST_PANELS == 9
    assert drawn_profiles(found[:3]) == found[:3]


def test_losses_of_each_stage_mark_the_epoch_that_was_kept() -> None:
    history: dict[str, dict[str, Any]] = {
        "base": {"losses": [3.0, 2.0], "validation_losses": [3.1, 2.2], "best_epoch": 2, "observed": {}},
        "transport": {"losses": [500.0, 0.5, 0.4], "validation_losses": [], "best_epoch": 3, "observed": {}},
        "histogram": {"losses": [], "validation_losses": [], "best_epoch": 0, "observed": {}},
        "game": {"losses": [1.0], "validation_losses": [], "best_epoch": 1, "observed": {"auc": [0.5]}},
    }
    stages = plain_stages(history)
    assert list(stages) == ["base", "transport"]
    figure = plot_losses(stages)
    legends = [axes.get_legend() for axes in figure.axes]
    told = [[text.get_text() for text in legend.get_texts()] for legend in legends if legend is not None]
    assert told == [["training", "validation", "kept: epoch 2"], ["training", "kept: epoch 3"]]
    assert [axes.get_yscale() for axes in figure.axes] == ["linear", "log"]
    assert loss_rows(stages)[-1] == {"stage": "transport", "epoch": 3, "loss": 0.4, "validation_loss": ""}


def test_names_of_regions_and_labels_are_no_formulas() -> None:
    head = heading(EvaluateSettings(label="costs $5 and $6"), "region $x")
    figure = plot_distribution(_shown(_counts(100, 400, 4)), "x", head)
    figure.draw_without_rendering()
    assert figure.axes[0].get_title("left") == r"costs \$5 and \$6"


def test_a_label_has_a_unit_that_can_be_left_out() -> None:
    assert without_unit("mass [GeV]") == "mass"
