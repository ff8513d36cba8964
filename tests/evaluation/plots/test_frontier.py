"""The plot of closeness against movement: one point a method, and the null beside it."""

from __future__ import annotations

import pytest

from simmorph.evaluation.plots.frontier import GENERATOR, REWEIGHTING, plot_frontier, points_of
from simmorph.evaluation.plots.style import NULL, TEMPLATE
from simmorph.evaluation.scores import ChosenPairs, Moved, RegionScore, Score, Value, ranked


def score(title: str, kind: str, auc: float, moved: float | None, repeat: int = 0) -> Score:
    there = (
        None if moved is None else Moved(mean=moved, quantile_95=1, largest=2, trimmed_mean=moved, retention={"x": 0.9})
    )
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
