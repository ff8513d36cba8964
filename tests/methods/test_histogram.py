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


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_the_sum_of_weights_stays_on_fresh_events(shift: float) -> None:
    rng = np.random.default_rng(1)
    # 343 cells for 3,000 events: what is learnt of chance gives the fresh source too much weight.
    source, target, fresh = (
        Events.of(rng.normal(mean, 1, (size, 3))) for mean, size in ((0, 3000), (shift, 3000), (0, 40_000))
    )
    factors = fitted(source, target, bins=7).transform(fresh).weights
    assert factors.mean() == pytest.approx(1, abs=0.05 if shift else 0.01)


def test_cells_are_held_back_as_far_as_their_ratios_are_chance() -> None:
    source, same, other = correlated(4000, 0.0, 1), correlated(4000, 0.0, 2), correlated(4000, 0.6, 3)
    assert fitted(source, same, bins=8).transform(source).weights.std() < 0.09  # bare counts: 0.18
    # No variable alone has a ratio but 1.
    fresh = correlated(20_000, 0.0, 4)
    factors = fitted(source, other, bins=8).transform(fresh).weights
    assert np.average(fresh.features.prod(axis=1), weights=factors) == pytest.approx(0.6, abs=0.15)


def test_cells_without_events_of_the_other_sample_are_told() -> None:
    rng = np.random.default_rng(3)
    source, target = Events.of(rng.uniform(0, 1, (2000, 1))), Events.of(rng.uniform(0.25, 1.25, (2000, 1)))
    method = fitted(source, target, bins=100)
    numbers, warnings = method.notes(source, method.transform(source))
    assert numbers["source_alone"] == pytest.approx(0.25, abs=0.03)
    assert numbers["target_alone"] == pytest.approx(0.2, abs=0.07)
    assert any("are in cells without an event of the other sample" in warning for warning in warnings)
    alike = fitted(source, source, bins=10)
    assert not any("cells" in warning for warning in alike.notes(source, source).warnings)


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
