"""The conditional quantile map on samples of any shape."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import cholesky

from simmorph.config.learning import MethodSettings
from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.data.toys import TOYS
from simmorph.errors import ConfigError, InputError
from simmorph.evaluation.metrics.classifier.c2st import auc
from simmorph.methods import build_method
from simmorph.methods.conditional_quantile import ConditionalQuantile
from simmorph.neural.loop.training import Training

HOW = Training(TrainingSettings(validation=0.0, holdout=0.0))
SOURCE, TARGET = np.array([[1.0, 0.6], [0.6, 1.5]]), np.array([[2.0, -0.5], [-0.5, 0.8]])


def normal(covariance: np.ndarray, n_events: int, seed: int) -> Events:
    return Events.of(np.random.default_rng(seed).multivariate_normal([0] * len(covariance), covariance, n_events))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_between_normal_distributions_it_is_the_triangular_map_of_its_order(order: tuple[int, int]) -> None:
    method = ConditionalQuantile(2, 0, order=order, points=40)
    assert method.fit(normal(SOURCE, 20_000, 1), normal(TARGET, 20_000, 2), HOW) == {}
    chain = np.ix_(order, order)
    lower = cholesky(TARGET[chain], lower=True) @ np.linalg.inv(cholesky(SOURCE[chain], lower=True))
    places = np.random.default_rng(3).uniform(-1.2, 1.2, (200, 2))
    expected = np.empty_like(places)
    expected[:, order] = places[:, order] @ lower.T
    np.testing.assert_allclose(method.transform(Events.of(places)).features, expected, atol=0.25)


def test_the_first_feature_of_the_chain_does_not_see_the_others() -> None:
    method = ConditionalQuantile(2, 0, order=(1, 0), points=20)
    method.fit(normal(SOURCE, 2000, 1), normal(TARGET, 2000, 2), HOW)
    places = np.stack([np.linspace(-1, 1, 9), np.full(9, 0.3)], axis=1)
    moved = method.transform(Events.of(places)).features
    assert np.ptp(moved[:, 1]) == 0
    assert np.ptp(moved[:, 0]) > 0.5


@pytest.mark.slow
def test_the_toy_of_the_reweighting_exercise_closes() -> None:
    samples = {it.file: next(it.blocks()) for it in TOYS["reweighting"](30_000, 1)}
    target, source = (
        Events.of(np.log(np.stack([samples[file]["var1"], samples[file]["var2"]], axis=1) + 4))
        for file in ("target.root", "source.root")
    )
    method = ConditionalQuantile(2, 0)
    method.fit(source[:15_000], target[:15_000], HOW)
    moved = method.transform(source[15_000:])
    assert auc(moved, target[15_000:], np.random.default_rng(1)).value < 0.545


def test_six_features_stay_sane() -> None:
    rng = np.random.default_rng(4)
    mixing = rng.normal(size=(6, 6))
    source, target = Events.of(rng.normal(size=(4000, 6))), Events.of(rng.normal(size=(4000, 6)) @ mixing)
    method = ConditionalQuantile(6, 0, points=20)
    method.fit(source, target, HOW)
    moved = method.transform(source).features
    covariance = np.cov(target.features.T)
    np.testing.assert_allclose(np.cov(moved.T), covariance, atol=0.1 * np.abs(covariance).max())


@pytest.mark.parametrize("order", [[0], [0, 0], [1, 2]])
def test_an_order_that_is_none_is_refused(order: list[int]) -> None:
    with pytest.raises(ConfigError, match="is no order of 2 features; give each number from 0 to 1 once"):
        build_method(MethodSettings.model_validate({"name": "conditional_quantile", "order": order}), 2, 0)


def test_no_events_are_refused() -> None:
    with pytest.raises(InputError, match="no events to train on"):
        ConditionalQuantile(1, 0).fit(Events.of(np.zeros((0, 1))), normal(np.eye(1), 100, 1), HOW)
