"""Arrows and maps: their places, lengths and colours are those of the events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simmorph.data.events import Events
from simmorph.evaluation.plots.binned import N_MAP_BINS
from simmorph.evaluation.plots.movement import (
    FEWEST_IN_CELL,
    N_CELLS,
    displacement_field,
    field_rows,
    plot_fields,
    plot_movement,
)
from simmorph.evaluation.plots.style import Heading

ONES = np.ones(2)


def events(n_events: int = 20_000, seed: int = 1) -> Events:
    return Events.of(np.random.default_rng(seed).uniform(-1, 1, (n_events, 2)))


def test_arrows_of_a_rotation_are_those_of_its_closed_form() -> None:
    source, angle = events(100_000), 0.3
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    field = displacement_field(source, source.with_features(source.features @ turn), ONES, (0, 1))
    assert field.step == pytest.approx(field.start @ turn - field.start, abs=1e-9)
    assert field.distance == pytest.approx(2 * np.sin(angle / 2) * np.hypot(*field.start.T), abs=1e-9)


def test_error_of_an_arrow_is_the_spread_of_its_events_over_the_root_of_their_number() -> None:
    source = events(200_000)
    steps = np.random.default_rng(2).normal(0, [0.1, 0.4], source.features.shape)
    field = displacement_field(source, source.with_features(source.features + steps), ONES, (0, 1))
    expected = np.array([0.1, 0.4]) / np.sqrt(field.n_events[:, None])
    assert field.uncertainty == pytest.approx(expected, rel=0.15)
    pulls = field.step / field.uncertainty
    assert np.sqrt(np.mean(pulls**2)) == pytest.approx(1, abs=0.2)


def test_distance_is_in_standard_deviations_of_the_target() -> None:
    source = events()
    moved = source.with_features(source.features + np.array([0.3, 0.4]))
    assert displacement_field(source, moved, np.array([1.0, 1.0]), (0, 1)).distance == pytest.approx(0.5)
    assert displacement_field(source, moved, np.array([2.0, 2.0]), (0, 1)).distance == pytest.approx(0.25)


def test_cells_with_few_events_have_no_arrow() -> None:
    field = displacement_field(events(1200), events(1200), ONES, (0, 1))
    assert 0 < len(field.start) < N_CELLS**2
    assert field.n_events.min() >= FEWEST_IN_CELL
    assert len(displacement_field(events(20), events(20), ONES, (0, 1)).start) == 0


def test_cells_are_inside_the_edges_and_their_arrows_begin_there() -> None:
    field = displacement_field(events(), events(), ONES, (0, 1))
    for column, edges in enumerate(field.edges):
        assert len(edges) == N_CELLS + 1
        assert field.start[:, column].min() >= edges[0]
        assert field.start[:, column].max() <= edges[-1]


def test_rows_hold_every_arrow() -> None:
    source = events()
    field = displacement_field(source, source.with_features(source.features + 0.1), ONES, (0, 1))
    rows = field_rows(field, ("x", "y"))
    assert len(rows) == len(field.start)
    assert rows[3]["start_second"] == field.start[3, 1]
    assert rows[3]["step_first"] == pytest.approx(0.1)
    assert sum(float(row["events"]) for row in rows) == field.n_events.sum()


def test_arrows_are_drawn_from_their_cells_with_one_scale_of_colours() -> None:
    source = events()
    near, far = (
        displacement_field(source, source.with_features(source.features + step), ONES, (0, 1)) for step in (0.1, 0.5)
    )
    figure = plot_fields({("x", "y"): near, ("u", "v"): far}, Heading("Toy"))
    arrows: list[Any] = [axes.collections[0] for axes in figure.axes[:2]]
    assert np.asarray(arrows[0].get_offsets()) == pytest.approx(near.start)
    assert [one.get_clim() for one in arrows] == [(0, pytest.approx(0.5 * 2**0.5))] * 2
    assert [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes[:2]] == [("x", "y"), ("u", "v")]


def test_map_shows_where_each_feature_goes_beside_the_diagonal() -> None:
    source = events()
    moved = source.with_features(source.features * [1.0, -1.0])
    figure = plot_movement(source, moved, ["x [GeV]", "y"], Heading("Toy"))
    assert [axes.get_xlabel() for axes in figure.axes] == ["source x [GeV]", "source y"]
    drawn: list[Any] = [axes.images[0].get_array() for axes in figure.axes]
    kept, mirrored = (np.argwhere(np.isfinite(np.ma.filled(counts, np.nan))) for counts in drawn)
    assert np.abs(kept[:, 0] - kept[:, 1]).max() == 0
    assert np.abs(mirrored.sum(axis=1) - (N_MAP_BINS - 1)).max() <= 1
    for axes in figure.axes:
        line = axes.lines[0]
        assert np.asarray(line.get_xdata()).tolist() == np.asarray(line.get_ydata()).tolist()
