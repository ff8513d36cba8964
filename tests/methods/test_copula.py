"""The copula map on samples whose optimal map is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import spearmanr

from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.data.toys.gaussian import samples
from simmorph.errors import InputError
from simmorph.evaluation.metrics.classifier.c2st import auc
from simmorph.methods.copula import Copula
from simmorph.neural.loop.training import Training

HOW = Training(TrainingSettings(validation=0.0, holdout=0.0))
SOURCE, TARGET = np.array([[1.0, 0.6], [0.6, 1.5]]), np.array([[2.0, -0.5], [-0.5, 0.8]])


def fitted(source: Events, target: Events) -> Copula:
    method = Copula(source.features.shape[1], source.context.shape[1], points=40)
    assert method.fit(source, target, HOW) == {}
    return method


def normal(covariance: np.ndarray, n_events: int, seed: int, mean: float = 0.0) -> Events:
    values = np.random.default_rng(seed).multivariate_normal([mean] * len(covariance), covariance, n_events)
    return Events.of(values)


def of_toy(file: str, n_events: int, *, drifts: bool) -> tuple[Events, np.ndarray]:
    content = next(next(it for it in samples(n_events, 1) if it.file == file).blocks())
    names = ("x1", "x2", "x3")
    context = content["c"][:, None] if drifts else None
    images = np.stack([content[f"{name}_optimal"] for name in names], axis=1)
    return Events.of(np.stack([content[name] for name in names], axis=1), context), images


def test_between_normal_distributions_it_is_the_optimal_map() -> None:
    method = fitted(normal(SOURCE, 20_000, 1), normal(TARGET, 20_000, 2, 1.0))
    root = sqrtm(SOURCE)
    inverse = np.linalg.inv(root)
    optimal = inverse @ sqrtm(root @ TARGET @ root) @ inverse
    places = np.random.default_rng(3).uniform(-1.5, 1.5, (200, 2))
    np.testing.assert_allclose(method.transform(Events.of(places)).features, 1 + places @ optimal, atol=0.15)


@pytest.mark.parametrize("drifts", [False, True])
def test_its_cost_on_the_toy_is_within_5_percent_of_the_optimum(drifts: bool) -> None:
    ending = "_drift" if drifts else ""
    source, images = of_toy(f"source{ending}.root", 8000, drifts=drifts)
    target, _ = of_toy(f"target{ending}.root", 8000, drifts=drifts)
    moved = fitted(source, target).transform(source).features
    costs = [np.mean(np.sum((image - source.features) ** 2, axis=1)) for image in (moved, images)]
    assert costs[0] / costs[1] == pytest.approx(1, abs=0.05)
    assert np.mean(np.linalg.norm(moved - images, axis=1)) < 0.15


def test_marginals_and_rank_correlations_become_the_targets_whatever_the_shapes() -> None:
    def curved(events: Events) -> Events:
        first, second = events.features.T
        return Events.of(np.stack([np.exp(first), second**3], axis=1))

    source, target = curved(normal(SOURCE, 20_000, 1)), curved(normal(TARGET, 20_000, 2))
    moved = fitted(source, target).transform(source)
    assert spearmanr(*moved.features.T)[0] == pytest.approx(spearmanr(*target.features.T)[0], abs=0.03)
    assert auc(moved, target, np.random.default_rng(1)).value < 0.52
    for at in range(2):
        expected = np.quantile(target.features[:, at], [0.1, 0.3, 0.5, 0.7, 0.9])
        found = np.quantile(moved.features[:, at], [0.1, 0.3, 0.5, 0.7, 0.9])
        np.testing.assert_allclose(found, expected, atol=0.06 * np.ptp(expected))


def test_correlations_follow_the_context() -> None:
    def sample(sign: float, seed: int) -> Events:
        rng = np.random.default_rng(seed)
        context, noise = rng.uniform(-1, 1, (20_000, 1)), rng.normal(size=(20_000, 2))
        slope = sign * 0.8 * context[:, 0]
        second = slope * noise[:, 0] + np.sqrt(1 - slope**2) * noise[:, 1]
        return Events.of(np.stack([noise[:, 0], second], axis=1), context)

    source, target = sample(1, 1), sample(-1, 2)
    moved = fitted(source, target).transform(source)
    for low, high in ((-1, -0.6), (-0.2, 0.2), (0.6, 1)):
        inside = (source.context[:, 0] > low) & (source.context[:, 0] < high)
        first, second = moved.features[inside].T
        found = np.mean(first * second) / (first.std() * second.std())
        assert found == pytest.approx(-0.8 * (low + high) / 2, abs=0.08)


def test_weights_of_both_samples_count() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=(20_000, 1))
    tilted = Events.of(values, weights=np.exp(0.5 * values[:, 0] - 0.125))
    plain = Events.of(rng.normal(size=(20_000, 1)))
    np.testing.assert_allclose(fitted(tilted, plain).transform(Events.of(np.zeros((1, 1)))).features, -0.5, atol=0.06)
    np.testing.assert_allclose(fitted(plain, tilted).transform(Events.of(np.zeros((1, 1)))).features, 0.5, atol=0.06)


def test_features_that_are_copies_of_each_other_stay_copies() -> None:
    rng = np.random.default_rng(5)
    source, target = rng.normal(size=(5000, 1)), rng.normal(1, 2, (5000, 1))
    method = fitted(Events.of(source[:, [0, 0]]), Events.of(target[:, [0, 0]]))
    moved = method.transform(Events.of(source[:, [0, 0]])).features
    np.testing.assert_allclose(moved[:, 0], moved[:, 1], atol=1e-6)
    assert moved[:, 0].std() == pytest.approx(2, abs=0.1)


def test_a_constant_feature_becomes_the_middle_of_the_target() -> None:
    rng = np.random.default_rng(6)
    source = Events.of(np.stack([rng.normal(size=3000), np.zeros(3000)], axis=1))
    target = Events.of(rng.normal(2, 1, (3000, 2)))
    moved = fitted(source, target).transform(source).features
    np.testing.assert_allclose(moved[:, 1], 2, atol=0.2)
    assert moved[:, 0].std() == pytest.approx(1, abs=0.1)


def test_no_events_are_refused() -> None:
    with pytest.raises(InputError, match="no events to train on"):
        Copula(1, 0).fit(Events.of(np.zeros((0, 1))), normal(np.eye(1), 100, 1), HOW)
