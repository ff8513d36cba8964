"""What counting in bins of equal population promises."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.config.learning import MethodSettings
from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.errors import ConfigError
from simmorph.methods import build_method
from simmorph.methods.histogram import HistogramRatio
from simmorph.neural.loop.training import Training

SETTINGS = TrainingSettings(device="cpu", validation=0, holdout=0)


def fitted(source: Events, target: Events, bins: int = 10) -> HistogramRatio:
    method = HistogramRatio(source.features.shape[1], source.context.shape[1], bins=bins)
    method.fit(source, target, Training(SETTINGS))
    return method


def correlated(n_events: int, correlation: float, seed: int) -> Events:
    covariance = [[1, correlation], [correlation, 1]]
    return Events.of(np.random.default_rng(seed).multivariate_normal([0, 0], covariance, n_events))


def test_factors_are_the_ratio_of_densities() -> None:
    rng = np.random.default_rng(1)
    source, target = Events.of(rng.uniform(0, 1, (200_000, 1))), Events.of(rng.beta(2, 1, (200_000, 1)))
    factors = fitted(source, target, bins=50).transform(source).weights
    np.testing.assert_allclose(factors, 2 * source.features[:, 0], atol=0.15)


def test_correlations_agree_afterwards() -> None:
    source, target = correlated(100_000, -0.4, 1), correlated(100_000, 0.4, 2)
    template = fitted(source, target, bins=20).transform(source)
    mean_product = np.average(template.features.prod(axis=1), weights=template.weights)
    assert mean_product == pytest.approx(0.4, abs=0.08)  # within a cell everybody has the same factor


def test_no_cell_is_empty_however_the_variables_are_correlated() -> None:
    source, target = correlated(20_000, 0.98, 1), correlated(20_000, 0.98, 2)
    template = fitted(source, target).transform(source)
    assert template.effective_size / len(template) > 0.98


def test_the_mean_factor_of_the_source_is_one() -> None:
    source, target = correlated(5000, 0.0, 1), correlated(3000, 0.5, 2)
    assert fitted(source, target).transform(source).weights.mean() == pytest.approx(1)


def test_given_a_context_its_spectrum_stays() -> None:
    rng = np.random.default_rng(1)
    mass = rng.normal(0, 1, (50_000, 1)), rng.normal(0.5, 1, (50_000, 1))
    source, target = (
        Events.of(rng.normal(shift, 1, (50_000, 1)), it) for shift, it in zip((0, 0.5), mass, strict=True)
    )
    template = fitted(source, target, bins=20).transform(source)
    assert np.average(template.context[:, 0], weights=template.weights) == pytest.approx(0, abs=0.03)
    assert np.average(template.features[:, 0], weights=template.weights) == pytest.approx(0.5, abs=0.03)


def test_where_nobody_was_the_factor_is_one_before_normalisation() -> None:
    source = Events.of(np.repeat([0.0, 1.0], 100)[:, None])
    method = fitted(source, Events.of(np.zeros((100, 1))), bins=2)
    factors = method.transform(Events.of(np.array([[0.0], [1.0], [np.nan]]))).weights
    assert factors[0] == pytest.approx(2, rel=0.02)
    assert 0 < factors[1] < 0.02
    assert factors[2] == 1


def test_too_many_cells_are_refused_with_their_number() -> None:
    with pytest.raises(ConfigError, match="100 bins in each of 5 variables are 10,000,000,000 cells; take fewer"):
        build_method(MethodSettings.model_validate({"name": "histogram", "bins": 100}), 5, 0)
