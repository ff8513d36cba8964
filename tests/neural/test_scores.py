"""Normal scores at a given context, by smooth regressions and in cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import ndtri

from simmorph.data.events import Events
from simmorph.neural.blocks import in_blocks
from simmorph.neural.cell_scores import CellScores
from simmorph.neural.scores import ConditionalScores, fit_alike, straight_lines
from simmorph.neural.smooth import SmoothBasis

N_EVENTS = 12_000


def learnt(events: Events) -> tuple[ConditionalScores, SmoothBasis]:
    basis = SmoothBasis(events.context.shape[1], 6)
    basis.fit(events.context, events.weights)
    scores = ConditionalScores(events.features.shape[1], basis.n_functions, 40)
    fit_alike([scores], [events], basis)
    return scores, basis


def scores_of(events: Events, scores: ConditionalScores, basis: SmoothBasis) -> np.ndarray:
    n_features = events.features.shape[1]
    rows = np.hstack([events.features, events.context])
    return in_blocks(lambda it: scores.scores(it[:, :n_features], basis(it[:, n_features:])), rows, basis)


def test_a_normal_variable_around_a_curve_is_standardised_at_every_context() -> None:
    rng = np.random.default_rng(1)
    context = rng.uniform(-2, 2, (N_EVENTS, 2))
    width = np.exp(0.3 * context[:, 1])
    normal = rng.normal(size=N_EVENTS)
    events = Events.of((context[:, 0] ** 2 + width * normal)[:, None], context)
    found = scores_of(events, *learnt(events))[:, 0]
    assert np.corrcoef(found, normal)[0, 1] > 0.98
    assert np.abs(found - normal).mean() < 0.12


def test_scores_are_exact_without_context() -> None:
    values = np.random.default_rng(2).exponential(size=(N_EVENTS, 1))
    events = Events.of(values)
    expected = ndtri(1 - np.exp(-values[:, 0]))
    found = scores_of(events, *learnt(events))[:, 0]
    bulk = np.abs(expected) < 2
    assert np.abs(found - expected)[bulk].max() < 0.05


def test_values_undo_scores() -> None:
    rng = np.random.default_rng(3)
    events = Events.of(rng.normal(size=(2000, 3)), rng.normal(size=(2000, 1)))
    scores, basis = learnt(events)
    functions = basis(torch.from_numpy(events.context))
    features = torch.from_numpy(events.features)
    back = scores.values(scores.scores(features, functions), functions)
    torch.testing.assert_close(back, features, atol=1e-6, rtol=0)


def test_a_gap_stays_empty_and_shares_follow_the_context() -> None:
    rng = np.random.default_rng(4)
    context = rng.uniform(0, 1, (N_EVENTS, 1))
    low = rng.random(N_EVENTS) < 0.2 + 0.6 * context[:, 0]
    events = Events.of(np.where(low, rng.uniform(0, 1, N_EVENTS), rng.uniform(3, 4, N_EVENTS))[:, None], context)
    scores, basis = learnt(events)
    for place in (0.1, 0.5, 0.9):
        functions = basis(torch.full((4000, 1), place, dtype=torch.float64))
        drawn = scores.values(torch.from_numpy(rng.normal(size=(4000, 1))), functions).numpy()
        assert np.mean((drawn > 1.02) & (drawn < 2.98)) < 0.003
        assert np.mean(drawn < 2) == pytest.approx(0.2 + 0.6 * place, abs=0.06)


@pytest.mark.parametrize("seed", range(3))
def test_scores_and_values_grow_at_any_context_however_far_from_training(seed: int) -> None:
    rng = np.random.default_rng(seed)
    context = np.stack([25 + rng.exponential(15, 1500), rng.uniform(-2.5, 2.5, 1500)], axis=1)
    width = np.exp(rng.normal(0, 1) * np.abs(context[:, 1]))
    events = Events.of((np.sin(context[:, 0]) + width * rng.normal(size=1500))[:, None], context)
    scores, basis = learnt(events)
    places = torch.from_numpy(rng.normal(0, 10.0 ** rng.uniform(0, 6, (200, 1)), (200, 2)))
    functions = basis(places)
    grid = torch.linspace(-6, 6, 101, dtype=torch.float64)
    values = torch.stack([scores.values(level.expand(200, 1), functions)[:, 0] for level in grid])
    back = torch.stack([scores.scores(row[:, None], functions)[:, 0] for row in values])
    assert torch.isfinite(values).all()
    assert (values.diff(dim=0) >= 0).all()
    assert (back.diff(dim=0) >= 0).all()
    # The middle of the distribution lies where some of it was seen.
    assert scores.values(torch.zeros(200, 1).double(), functions).abs().max() < np.abs(events.features).max()


def test_two_samples_that_bend_alike_are_learnt_alike_in_a_hole_of_the_context() -> None:
    def sample(seed: int) -> Events:
        rng = np.random.default_rng(seed)
        context = np.concatenate([rng.uniform(0, 0.35, 3000), rng.uniform(0.65, 1, 3000)])[:, None]
        return Events.of(np.sin(8 * context) + 0.5 * rng.normal(size=(6000, 1)), context)

    samples = [sample(seed) for seed in (1, 2)]
    basis = SmoothBasis(1, 7)
    basis.fit(np.concatenate([it.context for it in samples]), np.ones(12_000))
    models = [ConditionalScores(1, basis.n_functions, 64) for _ in samples]
    fit_alike(models, samples, basis)
    inside = basis(torch.linspace(0.35, 0.65, 50, dtype=torch.float64)[:, None])
    first, second = (model.values(torch.zeros(50, 1).double(), inside) for model in models)
    # In units of the width of 0.5, over a hole that is as wide as either side.
    assert (first - second).abs().max() < 0.15


def test_a_constant_takes_no_part() -> None:
    events = Events.of(np.ones((500, 1)), np.random.default_rng(1).normal(size=(500, 1)))
    scores, basis = learnt(events)
    functions = basis(torch.from_numpy(events.context))
    found = scores.values(torch.linspace(-2, 2, 500, dtype=torch.float64)[:, None], functions)
    torch.testing.assert_close(found, torch.ones(500, 1, dtype=torch.float64))


def test_the_table_of_a_small_normal_sample_does_not_copy_its_fluctuations() -> None:
    events = Events.of(np.random.default_rng(7).normal(size=(500, 1)))
    scores, basis = learnt(events)
    levels = torch.linspace(-1.5, 1.5, 301, dtype=torch.float64)[:, None]
    slopes = scores.values(levels, basis(torch.zeros(301, 0).double())).diff(dim=0) / levels.diff(dim=0)
    assert 0.7 < slopes.min() < slopes.max() < 1.4


def test_weights_count_as_events() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(N_EVENTS, 1))
    events = Events.of(values, weights=np.where(values[:, 0] > 0, 3.0, 1.0))
    found = scores_of(events, *learnt(events))[:, 0]
    assert found[np.argmin(np.abs(values[:, 0]))] == pytest.approx(ndtri(0.25), abs=0.02)


def test_straight_lines_go_on_with_slope_one() -> None:
    knots, images = torch.tensor([[0.0, 1.0, 3.0]]), torch.tensor([[5.0, 6.0, 7.0]])
    found = straight_lines(torch.tensor([[-2.0, 0.5, 2.0, 4.0]]), knots, images)
    torch.testing.assert_close(found, torch.tensor([[3.0, 5.5, 6.5, 8.0]]))


def test_cells_learn_what_smooth_functions_miss_and_leave_alone_what_is_chance() -> None:
    rng = np.random.default_rng(6)
    conditions, weights = rng.uniform(0, 1, (N_EVENTS, 1)), np.ones(N_EVENTS)
    stripes = np.floor(8 * conditions[:, 0]) % 2
    cells = CellScores(1, 6)
    cells.fit(rng.normal(size=N_EVENTS) + 0.6 * stripes, conditions, weights, 150)
    grid = torch.tensor([[0.06], [0.19], [0.31], [0.44]], dtype=torch.float64)
    zeros = torch.zeros(4, 1, dtype=torch.float64)
    np.testing.assert_allclose(cells.values(zeros, grid)[:, 0].numpy(), [0, 0.6, 0, 0.6], atol=0.2)
    torch.testing.assert_close(cells.scores(cells.values(zeros, grid), grid), zeros, atol=1e-9, rtol=0)
    plain = CellScores(1, 6)
    plain.fit(rng.normal(size=N_EVENTS), conditions, weights, 150)
    # Unshrunk, the median of 150 events fluctuates by 0.1.
    assert plain.values(torch.zeros(500, 1).double(), torch.rand(500, 1).double()).abs().mean() < 0.03
