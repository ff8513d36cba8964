"""What is drawn is what was measured: curves, error bars, legends and the numbers behind them."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from simmorph.data.events import Events
from simmorph.evaluation.metrics.c2st import judge
from simmorph.evaluation.metrics.density_ratio import DensityRatio, density_ratios
from simmorph.evaluation.metrics.estimates import Estimate
from simmorph.evaluation.metrics.profiles import Means, Profile, ProfileTest
from simmorph.evaluation.plots.classifier import LONGEST_NAME, plot_density_ratio, plot_regions, plot_roc
from simmorph.evaluation.plots.frontier import GENERATOR, REWEIGHTING, plot_frontier, points_of
from simmorph.evaluation.plots.movement import displacement_field, field_rows, plot_movement
from simmorph.evaluation.plots.profiles import conditions_of, plot_profiles, profile_rows
from simmorph.evaluation.plots.style import NULL, TEMPLATE
from simmorph.evaluation.scores import ChosenPairs, Moved, RegionScore, Score, Value, ranked
from simmorph.evaluation.verdict import Verdict

GRID = np.linspace(0, 1, 11)
AUCS = {"source_vs_target": Estimate(0.7, 0.01), "target_vs_target": Estimate(0.5, 0.01)}


def test_a_roc_curve_is_drawn_with_its_excess_over_the_diagonal_and_its_auc() -> None:
    rocs = {"source_vs_target": (GRID, np.sqrt(GRID)), "target_vs_target": (GRID, GRID)}
    above, below = plot_roc(rocs, AUCS, "AUC of the classifier").axes
    np.testing.assert_array_equal(above.lines[0].get_ydata(), np.sqrt(GRID))
    assert np.asarray(below.lines[0].get_ydata()) == pytest.approx(np.sqrt(GRID) - GRID)
    assert not np.any(below.lines[1].get_ydata())
    legend = above.get_legend()
    assert legend is not None
    words = [text.get_text() for text in legend.get_texts()]
    assert words[0] == "source against target: 0.700 ± 0.010"
    assert words[1].endswith(": 0.500 ± 0.010")
    assert legend.get_title().get_text() == "AUC of the classifier"


@pytest.fixture(scope="module")
def weights() -> dict[str, DensityRatio]:
    rng = np.random.default_rng(1)
    template, target = (Events.of(rng.normal(shift, 1, (1500, 1))) for shift in (0.8, 0.0))
    return density_ratios({"template_vs_target": [judge(template, target, rng)]}, rng)


def test_the_weights_are_drawn_on_logarithmic_axes_with_their_tails_in_words(weights: dict[str, DensityRatio]) -> None:
    (axes,) = plot_density_ratio(weights).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    found = weights["template_vs_target"]
    share = 100 * (found.tails["< 0.5"].value + found.tails["> 2"].value)
    legend = axes.get_legend()
    assert legend is not None
    assert f"{share:.2f} ± " in legend.get_texts()[0].get_text()
    assert axes.get_xlim() == pytest.approx(tuple(np.exp(found.histogram.edges[[0, -1]])))


def verdict_of(template: float) -> Verdict:
    return Verdict("auc", "AUC of trees", Estimate(0.7, 0.02), Estimate(template, 0.01), Estimate(0.5, 0.005))


def test_each_region_has_its_auc_beside_the_null_and_long_names_are_cut() -> None:
    long = "a very long name of a region " * 3
    (axes,) = plot_regions({"signal": verdict_of(0.52), long: verdict_of(0.6)}).axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] == "signal"
    assert len(names[1]) == LONGEST_NAME
    assert names[1].endswith("…")
    lines = [line.get_xdata() for line in axes.lines]
    assert any(np.array_equal(line, [0.7, 0.7]) for line in lines)
    assert any(np.array_equal(line, [0.52, 0.6]) for line in lines)
    assert axes.get_xlabel() == "AUC of trees"


def test_without_a_source_its_points_are_left_out() -> None:
    (axes,) = plot_regions({"all": verdict_of(0.52)._replace(source=None)}).axes
    assert not any(np.array_equal(line.get_xdata(), [0.7]) for line in axes.lines)


def score(title: str, kind: str, auc: float, moved: float | None, repeat: int = 0) -> Score:
    there = None if moved is None else Moved(mean=moved, quantile_95=1, largest=2, retention={"x": 0.9})
    pairs = ChosenPairs(worst=None, worst_pair=None, others=None, noise_floor=0.01)
    found = RegionScore(
        events=100, auc={"all": Value(value=auc, uncertainty=0.01)}, metrics={}, distances={}, pairs=pairs, moved=there
    )
    return Score.model_validate(
        {"title": title, "method": title, "kind": kind, "repeat": repeat, "regions": {"all": found}}
    )


ROWS = ranked(
    [
        score("target", "null", 0.5, None),
        score("unmorphed", "unmorphed", 0.7, 0.0),
        score("map", "morph", 0.52, 0.3),
        score("map", "morph", 0.54, 0.5, 1),
        score("weights", "reweight", 0.55, None),
        score("drawn", "generate", 0.56, None),
    ]
)


def test_a_point_is_the_mean_over_the_repeats_with_its_spread() -> None:
    points = {point.title: point for point in points_of(ROWS, "all", "all")}
    found = points["map"]
    assert found.excess == pytest.approx(0.03)
    assert found.movement is not None
    assert (found.movement.mean, found.movement.spread) == pytest.approx((0.4, 0.2 / 2**0.5))
    assert (found.colour, points["weights"].colour, points["drawn"].colour) == (TEMPLATE, REWEIGHTING, GENERATOR)


def test_what_moves_nothing_stands_beside_what_does_and_the_null_is_a_band_in_both() -> None:
    figure = plot_frontier(ROWS, "all", "all", "A toy")
    maps, others = figure.axes
    assert maps.get_title("left") == "A toy"
    assert "0.200 at no distance" in maps.get_title("right")
    assert others.get_xlabel() == "weights or new events"
    for axes in (maps, others):
        assert any(line.get_color() == NULL for line in axes.lines)


def profile(variable: str, p_value: float = 0.5) -> Profile:
    means = {name: Means(np.array([1.0, 2.0]) + shift, np.array([0.1, 0.2])) for name, shift in SHIFTS.items()}
    tests = {"template_vs_target": ProfileTest(3.0, 2, p_value)}
    return Profile("mass", variable, np.array([0.0, 1.0, 3.0]), np.array([0.5, 2.0]), means, tests)


SHIFTS = {"source": 0.5, "template": 0.1, "target": 0.0}


def test_profiles_have_every_sample_with_its_errors_and_the_test_in_words() -> None:
    figure = plot_profiles([profile("x"), profile("y")], {"mass": "m [GeV]", "x": "x [cm]"})
    first, second = (axes for axes in figure.axes if axes.get_title("right"))
    assert (first.get_xlabel(), first.get_ylabel()) == ("m [GeV]", "mean x [cm]")
    assert second.get_ylabel() == "mean y"
    assert first.get_title("right") == r"template: $\chi^2$/ndf = 3.0/2, p = 0.5"
    drawn = {it.get_label(): it.lines[0].get_ydata() for it in first.containers if isinstance(it, ErrorbarContainer)}
    assert set(drawn) == set(SHIFTS)
    assert np.asarray(drawn["source"]) == pytest.approx([1.5, 2.5])


def test_the_numbers_behind_profiles_are_a_row_for_each_bin() -> None:
    rows = profile_rows([profile("x")])
    assert len(rows) == 2
    assert rows[1] == {
        "condition": "mass", "variable": "x", "low": 1.0, "high": 3.0, "centre": 2.0,
        "source": 2.5, "source_uncertainty": 0.2, "template": 2.1, "template_uncertainty": 0.2,
        "target": 2.0, "target_uncertainty": 0.2,
    }  # fmt: skip


def test_profiles_are_sorted_by_their_condition() -> None:
    other = profile("x")._replace(condition="jets")
    found = conditions_of([profile("x"), other, profile("y")])
    assert {name: [one.variable for one in its] for name, its in found.items()} == {"mass": ["x", "y"], "jets": ["x"]}


def test_the_numbers_behind_arrows_are_a_row_for_each_cell_with_the_error_of_the_mean() -> None:
    rng = np.random.default_rng(2)
    source = Events.of(rng.uniform(size=(6000, 2)))
    steps = rng.normal([0.5, 0.0], 0.2, (6000, 2))
    field = displacement_field(source, source.with_features(source.features + steps), np.array([0.5, 1.0]), (0, 1))
    rows = field_rows(field, ("x", "y"))
    assert len(rows) == len(field.n_events) > 50
    pulls = [(row["step_first"] - 0.5) / row["uncertainty_first"] for row in rows]  # type: ignore[operator]
    assert np.std(pulls) == pytest.approx(1, abs=0.3)
    assert np.mean([row["distance"] for row in rows]) == pytest.approx(1.0, abs=0.1)
    assert sum(row["events"] for row in rows) < 6000  # type: ignore[misc]


def test_the_map_of_each_feature_counts_every_event_once() -> None:
    source = Events.of(np.random.default_rng(3).normal(size=(500, 2)))
    figure = plot_movement(source, source.with_features(source.features + 1), ["x", "y"])
    drawn = [axes for axes in figure.axes if axes.images]
    assert [(axes.get_xlabel(), axes.get_ylabel()) for axes in drawn] == [
        ("source x", "template x"), ("source y", "template y"),
    ]  # fmt: skip
    logarithms: np.ndarray = np.ma.masked_invalid(np.ma.asarray(drawn[0].images[0].get_array())).compressed()
    assert np.sum(10**logarithms) == pytest.approx(500, rel=0.02)
