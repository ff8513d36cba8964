"""One flow on samples whose optimal map is known."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from scipy.stats import spearmanr

from simmorph.config.learning import MethodSettings
from simmorph.config.recipe import Recipe
from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.errors import ConfigError, InputError
from simmorph.evaluation.metrics.classifier.c2st import auc
from simmorph.methods.one_flow import OneFlow, feature_orders
from simmorph.model import Model
from simmorph.neural.loop.training import Training

SETTINGS = TrainingSettings(epochs=15, batch_size=500, learning_rate=5e-3, device="cpu", holdout=0)


def gaussian(n_events: int, mean: list[float], covariance: list[list[float]], seed: int) -> Events:
    return Events.of(np.random.default_rng(seed).multivariate_normal(mean, covariance, n_events))


def test_a_shift_and_a_scale_are_learnt() -> None:
    rng = np.random.default_rng(1)
    source, target = Events.of(rng.normal(0, 1, (6000, 1))), Events.of(rng.normal(0.6, 0.7, (4000, 1)))
    method = OneFlow(1, 0, layers=2, hidden=(16,), bins=6)
    method.fit(source, target, Training(SETTINGS))
    grid = np.linspace(-1.5, 1.5, 31)[:, None]
    morphed = method.transform(Events.of(grid)).features
    np.testing.assert_allclose(morphed, 0.6 + 0.7 * grid, atol=0.12)


@pytest.mark.slow
def test_a_correlation_is_learnt_and_events_move_little() -> None:
    source = gaussian(12_000, [0, 0], [[1, 0.6], [0.6, 1]], 1)
    target = gaussian(12_000, [0.4, -0.2], [[0.7, -0.1], [-0.1, 1.2]], 2)
    method = OneFlow(2, 0, layers=4, hidden=(32,), bins=6)
    method.fit(source, target, Training(SETTINGS))
    unseen = gaussian(20_000, [0, 0], [[1, 0.6], [0.6, 1]], 3)
    morphed = method.transform(unseen).features
    np.testing.assert_allclose(morphed.mean(axis=0), [0.4, -0.2], atol=0.06)
    np.testing.assert_allclose(np.cov(morphed.T), [[0.7, -0.1], [-0.1, 1.2]], atol=0.09)
    assert min(spearmanr(unseen.features[:, at], morphed[:, at])[0] for at in (0, 1)) > 0.7


@pytest.mark.slow
def test_the_map_follows_the_context() -> None:
    rng = np.random.default_rng(4)
    context = rng.uniform(-1, 1, (2, 12_000, 1))
    source = Events.of(rng.normal(size=(12_000, 1)), context[0])
    target = Events.of(rng.normal(size=(12_000, 1)) + context[1], context[1])
    method = OneFlow(1, 1, layers=2, hidden=(32,), bins=6)
    method.fit(source, target, Training(SETTINGS))
    values = np.linspace(-1, 1, 9)[:, None]
    for mass in (-0.8, 0.0, 0.8):
        morphed = method.transform(Events.of(values, np.full_like(values, mass))).features
        np.testing.assert_allclose(morphed, values + mass, atol=0.15)


def test_weights_of_the_training_sample_decide_where_events_go() -> None:
    rng = np.random.default_rng(5)
    flat = rng.uniform(-2, 2, (6000, 1))
    weights = np.exp(-0.5 * ((flat[:, 0] - 0.5) / 0.5) ** 2)
    method = OneFlow(1, 0, layers=2, hidden=(16,), bins=8)
    source = Events.of(rng.normal(0, 0.5, (6000, 1)))
    method.fit(source, Events.of(flat, weights=weights), Training(SETTINGS))
    assert method.transform(source).features.mean() == pytest.approx(0.5, abs=0.06)


def test_outside_the_box_features_stay_as_they_are() -> None:
    method = OneFlow(2, 0, layers=2, hidden=(8,), bins=4, tail_bound=3.0, start="identity")
    source, target = gaussian(500, [0, 0], [[1, 0], [0, 1]], 1), gaussian(500, [0.3, 0], [[1, 0], [0, 1]], 2)
    method.fit(source, target, Training(SETTINGS.model_copy(update={"epochs": 2})))
    far = Events.of(np.array([[3.5, -4.0], [100.0, 7.0]]))
    np.testing.assert_array_equal(method.transform(far).features, far.features)


@pytest.mark.parametrize(("start", "n_events", "is_linear"), [
    ("gaussian", 3000, True), ("identity", 300, False), ("auto", 1999, True), ("auto", 2000, False),
])  # fmt: skip
def test_a_flow_that_has_learnt_nothing_is_the_linear_map_or_the_identity(
    start: Literal["auto", "identity", "gaussian"], n_events: int, is_linear: bool
) -> None:
    method = OneFlow(2, 0, layers=2, hidden=(8,), start=start)
    before, wanted = [[1, 0.5], [0.5, 2]], [[2, -0.5], [-0.5, 1]]
    source, target = gaussian(n_events, [1, 0], before, 1), gaussian(n_events, [0, 1], wanted, 2)
    still = SETTINGS.model_copy(update={"epochs": 1, "learning_rate": 1e-12, "validation": 0.0})
    method.fit(source, target, Training(still))
    template = method.transform(source).features
    expected = target.features if is_linear else source.features
    assert template.mean(axis=0) == pytest.approx(expected.mean(axis=0), abs=1e-6)
    assert np.cov(template.T) == pytest.approx(np.cov(expected.T), abs=1e-6)


@pytest.mark.parametrize("transform", ["spline", "affine"])
def test_autoregressive_flows_learn_a_shift_and_a_scale_too(transform: str) -> None:
    rng = np.random.default_rng(1)
    source, target = Events.of(rng.normal(0, 1, (4000, 2))), Events.of(rng.normal(0.6, 0.7, (4000, 2)))
    method = OneFlow(2, 0, transform=transform, layers=2, hidden=(16,), bins=6, marginal_bins=0)  # type: ignore[arg-type]
    method.fit(source, target, Training(SETTINGS))
    morphed = method.transform(source).features
    np.testing.assert_allclose(morphed.mean(axis=0), 0.6, atol=0.08)
    np.testing.assert_allclose(morphed.std(axis=0), 0.7, atol=0.08)


def test_several_orders_are_averaged_and_their_spread_is_told() -> None:
    source = gaussian(2000, [0, 0], [[1, 0.8], [0.8, 1]], 1)
    target = gaussian(2000, [0, 0], [[1, -0.8], [-0.8, 1]], 2)
    method = OneFlow(2, 0, transform="affine", layers=2, hidden=(16,), marginal_bins=0, orders=2, start="identity")
    history = method.fit(source, target, Training(SETTINGS))
    assert list(history) == ["fit", "order2"]
    template = method.transform(source)
    apart = [method._by_flow(flow, source).features for flow in method._flows]
    np.testing.assert_array_equal(template.features, (apart[0] + apart[1]) / 2)
    # Each keeps the first feature of its own order where it is, so they disagree on which one turns.
    assert method.notes(source, template).numbers["orders_spread"] == pytest.approx(
        np.sqrt(np.mean((apart[0] - apart[1]) ** 2 / 2))
    )
    assert method.notes(source, template).numbers["orders_spread"] > 0.1


def test_orders_are_different_and_the_first_two_are_forwards_and_backwards() -> None:
    orders = feature_orders(4, 5)
    assert orders[:2] == [[0, 1, 2, 3], [3, 2, 1, 0]]
    assert len({tuple(order) for order in orders}) == 5
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    with pytest.raises(ConfigError, match="2 features have no 3 different orders; lower `orders` to 2 at most"):
        OneFlow(2, 0, orders=3)


def on_a_plane(shape: str, n_events: int, seed: int) -> np.ndarray:
    """Moons, four circles or a checkerboard, (n_events, 2), of about unit size."""
    rng = np.random.default_rng(seed)
    angle, noise = rng.uniform(0, np.pi, n_events), rng.normal(0, 0.08, (n_events, 2))
    upper = rng.random(n_events) < 0.5
    if shape == "moons":
        points = np.column_stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25])
        return np.where(upper[:, None], points, -points) * 1.1 + noise
    if shape == "circles":
        centre = rng.choice([-0.8, 0.8], (n_events, 2))
        return centre + 0.4 * np.column_stack([np.cos(2 * angle), np.sin(2 * angle)]) + 0.5 * noise
    row, column = rng.integers(0, 4, n_events), rng.integers(0, 2, n_events)
    cell = np.column_stack([2 * column + row % 2, row]) + rng.random((n_events, 2))
    return (cell - 2) / 1.2


def domain(shape: str, number: float, n_events: int, seed: int) -> Events:
    return Events.of(on_a_plane(shape, n_events, seed), np.full((n_events, 1), number))


@pytest.mark.slow
def test_one_flow_morphs_three_domains_into_one_of_them() -> None:
    boards, circles = domain("checkerboard", 0, 6000, 1), domain("circles", 1, 6000, 2)
    method = OneFlow(2, 1, layers=6, hidden=(32, 32), bins=8, domains=3)
    source = Events.concatenate([boards, circles])
    source = Events.of(source.features, source.context)
    settings = SETTINGS.model_copy(update={"epochs": 15, "batch_size": 800})
    method.fit(source, domain("moons", 2, 6000, 3), Training(settings))
    moons, rng = Events.of(on_a_plane("moons", 8000, 4)), np.random.default_rng(1)
    for shape, number in (("checkerboard", 0), ("circles", 1)):
        unseen = domain(shape, number, 8000, 5)
        before = auc(Events.of(unseen.features), moons, rng).value
        after = auc(Events.of(method.transform(unseen).features), moons, rng).value
        assert before > 0.85
        assert after < 0.7


def small_three_way(target: Events, domains: int = 3) -> OneFlow:
    method = OneFlow(2, 1, layers=2, hidden=(8,), bins=4, domains=domains)
    source = Events.concatenate([domain("checkerboard", 0, 300, 1), domain("circles", 1, 300, 2)])
    method.fit(source, target, Training(SETTINGS.model_copy(update={"epochs": 1})))
    return method


def test_an_event_of_the_targets_own_domain_stays_and_one_of_no_domain_is_not_morphed() -> None:
    method = small_three_way(domain("moons", 2, 300, 3))
    events = Events.of(on_a_plane("moons", 3, 4), np.array([[2.0], [1.0], [7.0]]))
    morphed = method.transform(events).features
    np.testing.assert_allclose(morphed[0], events.features[0], atol=1e-6)
    assert np.abs(morphed[1] - events.features[1]).max() > 1e-6
    assert np.isnan(morphed[2]).all()


def test_domains_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(InputError, match="has 2 values, and there are 3 domains; set `domains`"):
        small_three_way(domain("moons", 1, 300, 3))
    mixed = Events.concatenate([domain("moons", 2, 300, 3), domain("circles", 1, 300, 4)])
    with pytest.raises(InputError, match="has events of 2 domains, and a map leads to one"):
        small_three_way(mixed)
    with pytest.raises(ConfigError, match="numbered by a context variable, and there is none"):
        OneFlow(2, 0, domains=3)


def with_zeros(share: float, threshold: float, n_events: int, seed: int) -> Events:
    rng = np.random.default_rng(seed)
    tail = threshold + rng.exponential(1.0, n_events)
    return Events.of(np.where(rng.random(n_events) < share, 0.0, tail)[:, None])


@pytest.mark.slow
def test_zeros_that_the_target_does_not_have_are_lifted_into_its_tail_the_same_ones_each_time() -> None:
    source, target = with_zeros(0.5, 0.5, 12_000, 1), with_zeros(0.25, 0.8, 12_000, 2)
    settings = SETTINGS.model_copy(update={"holdout": 0.3})
    method = MethodSettings(name="one_flow", layers=2, hidden=[16])
    model = Model.fit(Recipe(features=["isolation"], method=method, training=settings), source, target)
    unseen = with_zeros(0.5, 0.5, 20_000, 3)
    morphed = model.transform(unseen).events.features[:, 0]
    assert np.mean(morphed == 0) == pytest.approx(0.25, abs=0.02)
    assert not np.any((morphed > 0) & (morphed < 0.79))
    assert morphed[morphed > 0].mean() == pytest.approx(1.8, abs=0.1)
    lifted = (unseen.features[:, 0] == 0) & (morphed > 0)
    assert lifted.mean() == pytest.approx(0.25, abs=0.02)
    np.testing.assert_array_equal(model.transform(unseen[::-1]).events.features[::-1, 0], morphed)
