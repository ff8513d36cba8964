"""Profiles: the points are the means, and the rows beside the plot hold them too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simmorph.evaluation.metrics.profiles import Means, Profile, ProfileTest
from simmorph.evaluation.plots.profiles import conditions_of, drawn_profiles, plot_profiles, profile_rows
from simmorph.evaluation.plots.style import Heading

EDGES, CENTRES = np.array([0.0, 1.0, 2.0, 4.0]), np.array([0.6, 1.5, np.nan])
MEANS = {
    "source": Means(np.array([1.0, 2.0, np.nan]), np.array([0.1, 0.2, np.nan])),
    "template": Means(np.array([1.5, 2.5, np.nan]), np.array([0.3, 0.4, np.nan])),
    "target": Means(np.array([1.4, 2.6, np.nan]), np.array([0.5, 0.6, np.nan])),
}


def profile(variable: str, condition: str = "mass", p_value: float = 0.25) -> Profile:
    tests = {"template_vs_target": ProfileTest(3.4, 2, p_value)}
    return Profile(condition, variable, EDGES, CENTRES, dict(MEANS), tests)


def drawn(axes: Any) -> dict[str, tuple[Any, Any, Any]]:
    """Place, height and error of each sample's points."""
    return {
        container.get_label(): (
            container.lines[0].get_xdata(),
            container.lines[0].get_ydata(),
            [np.ptp(segment[:, 1]) / 2 for segment in container.lines[2][0].get_segments() if len(segment)],
        )
        for container in axes.containers
    }


def test_points_are_the_means_with_their_errors_and_stand_side_by_side() -> None:
    found = drawn(plot_profiles([profile("x")], {}).axes[0])
    assert list(found) == ["source", "template", "target"]
    for sample, (places, heights, errors) in found.items():
        assert heights[:2] == pytest.approx(MEANS[sample].values[:2])
        assert errors[:2] == pytest.approx(MEANS[sample].uncertainty[:2])
        assert places[:2] == pytest.approx(CENTRES[:2], abs=0.01)
    assert found["source"][0][0] < found["target"][0][0] == 0.6 < found["template"][0][0]


def test_axes_have_the_labels_of_variable_and_condition_and_the_test_above() -> None:
    axes = plot_profiles([profile("x")], {"x": "x [GeV]", "mass": "mass [GeV]"}).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("mass [GeV]", "mean x [GeV]")
    assert axes.get_title("right") == r"template: $\chi^2$/ndf = 3.4/2, p = 0.25"


def test_each_profile_has_its_panel() -> None:
    figure = plot_profiles([profile(name) for name in "xyzu"], {}, Heading("Toy", "", "SR"))
    assert [axes.get_ylabel() for axes in figure.axes] == [f"mean {name}" for name in "xyzu"]
    assert figure.get_suptitle() == "Toy, SR"


def test_a_condition_of_one_bin_is_drawn_too() -> None:
    means = Means(np.array([1.0]), np.array([0.1]))
    one = Profile("mass", "x", EDGES[:2], np.array([0.5]), {"template": means, "target": means}, {})
    one = one._replace(tests={"template_vs_target": ProfileTest(0.0, 1, float("nan"))})
    figure = plot_profiles([one], {})
    figure.draw_without_rendering()
    assert list(drawn(figure.axes[0])) == ["template", "target"]


def test_rows_hold_every_bin_of_every_profile() -> None:
    rows = profile_rows([profile("x"), profile("y")])
    assert [(row["variable"], row["low"], row["high"]) for row in rows[:4]] == [
        ("x", 0.0, 1.0), ("x", 1.0, 2.0), ("x", 2.0, 4.0), ("y", 0.0, 1.0),
    ]  # fmt: skip
    assert rows[1]["template"] == 2.5
    assert rows[1]["source_uncertainty"] == 0.2
    assert np.isnan(float(rows[2]["target"]))


def test_profiles_are_sorted_by_condition_in_their_order() -> None:
    found = [profile("x"), profile("x", "pt"), profile("y"), profile("y", "pt")]
    by_condition = conditions_of(found)
    assert list(by_condition) == ["mass", "pt"]
    assert [one.variable for one in by_condition["pt"]] == ["x", "y"]


def test_a_profile_without_a_p_value_is_the_last_to_be_drawn() -> None:
    found = [profile("unknown", p_value=float("nan")), *(profile(f"x{n}", p_value=n / 20) for n in range(9))]
    assert "unknown" not in {one.variable for one in drawn_profiles(found)}
