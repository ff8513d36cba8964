"""What every metric promises, and known answers of the simple ones."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import anderson_ksamp, ks_2samp, kstest, wasserstein_distance

from simmorph.data.events import Events
from simmorph.evaluation.metrics import METRICS
from simmorph.evaluation.metrics.correlations import correlations, noise_floor, pearson_worst
from simmorph.evaluation.metrics.divergences import chi_square, jensen_shannon
from simmorph.evaluation.metrics.maps.movement import movement
from simmorph.evaluation.metrics.marginals import anderson_darling, kolmogorov, wasserstein
from simmorph.evaluation.metrics.multivariate import (
    MAX_KERNEL_EVENTS,
    frechet,
    mmd,
    mmd_tested,
    sliced_wasserstein,
)

COVARIANCE = np.array([[1.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 1.0]])


def sample(n_events: int, seed: int, covariance: np.ndarray = COVARIANCE) -> Events:
    rng = np.random.default_rng(seed)
    return Events.of(rng.multivariate_normal(np.zeros(3), covariance, n_events))


@pytest.mark.parametrize("name", METRICS)
def test_metric_tells_a_wrong_sample_from_a_right_one(name: str) -> None:
    target = sample(4000, 1)
    right, rng = sample(4000, 2), np.random.default_rng(1)
    wrong = right.with_features(right.features[:, ::-1] * 1.3)
    null, seen = METRICS[name](right, target, rng), METRICS[name](wrong, target, rng)
    assert np.isfinite([*null, *seen]).all()
    assert null.uncertainty > 0
    assert seen.value - null.value > 5 * seen.uncertainty


@pytest.mark.parametrize("name", METRICS)
def test_metric_depends_on_weights_up_to_their_scale_only(name: str) -> None:
    template, target = sample(1000, 1), sample(1000, 2)
    rng = np.random.default_rng(3)
    weighted = template.with_weights(rng.choice([2.0, -1.0], 1000, p=[0.9, 0.1]))
    plain, scaled = (
        METRICS[name](weighted.with_weights(factor * weighted.weights), target, np.random.default_rng(1))
        for factor in (1.0, 8.0)
    )
    assert scaled == pytest.approx(plain, rel=1e-9)
    assert METRICS[name](template, target, np.random.default_rng(1)) != plain


def test_correlations_are_those_of_the_covariance_with_the_gaussian_error() -> None:
    found = correlations(sample(100_000, 1))
    assert np.max(np.abs(found.matrix - COVARIANCE)) < 4 / np.sqrt(100_000)
    assert found.uncertainty[0, 1] == pytest.approx((1 - 0.6**2) / np.sqrt(100_000), rel=0.02)
    assert found.of(1, 2).value == found.matrix[2, 1]


def test_correlations_take_a_negative_weight_as_the_removal_of_an_equal_event() -> None:
    events = sample(500, 1)
    odd = Events.of(np.full((1, 3), 9.0))
    more = Events.concatenate([events, odd, odd.with_weights(np.array([-1.0]))])
    assert np.allclose(correlations(more).matrix, correlations(events).matrix, rtol=1e-12, atol=1e-12)


def test_correlation_with_a_constant_is_undefined_and_does_not_hide_the_others() -> None:
    template, target = sample(2000, 1), sample(2000, 2)
    template.features[:, 2] = 1.0
    assert np.isnan(correlations(template).matrix[0, 2])
    assert np.isfinite(pearson_worst(template, target, np.random.default_rng(1)).value)


def test_noise_floor_is_the_mean_correlation_of_independent_features() -> None:
    events = Events.of(np.random.default_rng(1).normal(size=(2000, 25)))
    assert np.mean(np.abs(correlations(events).pairs()[0])) == pytest.approx(noise_floor(events), rel=0.1)


def test_one_dimensional_distances_are_scipys() -> None:
    rng = np.random.default_rng(1)
    template = Events.of(rng.normal(0.3, 1.2, (500, 1)), weights=rng.uniform(size=500))
    target = Events.of(rng.normal(0, 1, (600, 1)))
    found = wasserstein(template, target, 0)
    columns = template.features[:, 0], target.features[:, 0]
    expected = wasserstein_distance(*columns, template.weights) / columns[1].std()
    assert found.value == pytest.approx(expected, rel=1e-9)
    unweighted = kolmogorov(Events.of(template.features), target, 0)
    assert unweighted.value == pytest.approx(ks_2samp(*columns).statistic, rel=1e-9)


def test_wasserstein_error_of_a_shift_is_that_of_the_means() -> None:
    rng = np.random.default_rng(1)
    template, target = Events.of(rng.normal(2, 1, (900, 1))), Events.of(rng.normal(0, 1, (900, 1)))
    assert wasserstein(template, target, 0).uncertainty == pytest.approx(np.sqrt(2 / 900), rel=0.1)


def test_distance_of_samples_that_share_a_peak_ignores_the_order_within_it() -> None:
    values = np.repeat([0.0, 1.0], 50)[:, None]
    assert kolmogorov(Events.of(values), Events.of(values[::-1]), 0).value == 0
    assert wasserstein(Events.of(values), Events.of(values[::-1]), 0).value == 0


def test_movement_of_a_shift_is_its_size_and_keeps_the_order() -> None:
    source, target = sample(1000, 1), sample(1000, 2)
    moved = source.with_features(source.features + np.array([0.5, 0.0, 0.0]))
    found = movement(source, moved, target)
    assert found.features[0].retention == pytest.approx(1)
    assert found.features[0].mean == pytest.approx(0.5 / target.features[:, 0].std())
    assert found.mean == pytest.approx(found.quantile_95) == pytest.approx(found.largest)
    assert found.features[1].mean == 0


def test_movement_across_the_seam_of_an_angle_is_short() -> None:
    source = Events.of(np.array([[3.1], [0.0], [-3.1]]))
    moved = source.with_features(np.array([[-3.1], [0.1], [-3.0]]))
    found = movement(source, moved, source, periodic=[0])
    assert found.largest * source.features.std() == pytest.approx(0.1)
    assert found.features[0].retention == pytest.approx(1)


def test_movement_needs_the_same_rows() -> None:
    with pytest.raises(ValueError, match="one row"):
        movement(sample(10, 1), sample(9, 1), sample(10, 2))


def shifted_pair(n_template: int = 1000, n_target: int = 1200) -> tuple[Events, Events]:
    rng = np.random.default_rng(11)
    return Events.of(rng.normal(0.3, 1, (n_template, 1))), Events.of(rng.normal(0, 1, (n_target, 1)))


def test_the_anderson_darling_distance_is_scipys_statistic_over_the_number_of_events() -> None:
    template, target = shifted_pair()
    n_template, n_target = len(template), len(target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = anderson_ksamp([template.features[:, 0], target.features[:, 0]])
    statistic = anderson_darling(template, target, 0).value * n_template * n_target / (n_template + n_target)
    # scipy gives it less its mean, which is 1, over its standard deviation, which tends to 0.76.
    assert (statistic - 1) / 0.76 == pytest.approx(known.statistic, rel=0.02)


def test_a_weight_of_two_counts_as_two_events_in_every_distance() -> None:
    template, target = shifted_pair(2000, 2000)  # of fewer the effective size decides how many bins there are
    weights = np.where(template.ids % 3 == 0, 2.0, 1.0)
    copied = Events.concatenate([template, template[template.ids % 3 == 0]])
    for measure in (anderson_darling, jensen_shannon, kolmogorov):
        weighted = measure(template.with_weights(weights), target, 0).value
        assert weighted == pytest.approx(measure(copied, target, 0).value, rel=0.02), measure.__name__


def test_chi_square_over_degrees_is_1_where_samples_agree() -> None:
    rng = np.random.default_rng(5)
    samples = [Events.of(rng.normal(size=(2000, 1))) for _ in range(80)]
    found = [chi_square(first, second, 0) for first, second in zip(samples[::2], samples[1::2], strict=True)]
    assert np.mean([it.value for it in found]) == pytest.approx(1, abs=0.1)
    assert np.std([it.value for it in found]) == pytest.approx(np.mean([it.uncertainty for it in found]), rel=0.4)


def test_jensen_shannon_of_what_shares_the_outermost_bin_alone_is_nearly_log_2() -> None:
    near, far = (Events.of(np.linspace(low, low + 1, 20_000)[:, None]) for low in (0, 8))
    assert 0.6 < jensen_shannon(far, near, 0).value < np.log(2)


def test_the_frechet_distance_of_gaussians_is_the_closed_form() -> None:
    rng = np.random.default_rng(2)
    target = Events.of(rng.normal(size=(100_000, 2)))
    template = Events.of(rng.normal([0.5, 0], [1, 2], (100_000, 2)))
    assert frechet(template, target, rng).value == pytest.approx(0.5**2 + (2 - 1) ** 2, abs=0.03)


def test_mmd_is_unbiased_and_its_p_value_is_uniform_where_samples_agree() -> None:
    rng = np.random.default_rng(3)
    samples = [Events.of(rng.normal(size=(150, 2))) for _ in range(80)]
    pairs = list(zip(samples[::2], samples[1::2], strict=True))
    values = [mmd(first, second, rng).value for first, second in pairs]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0
    p_values = [mmd_tested(first, second, rng).p_value for first, second in pairs]
    assert kstest(p_values, "uniform").pvalue > 1e-3
    assert mmd_tested(*shifted_pair(), rng).p_value < 0.02


def test_the_mmd_of_gaussians_is_the_closed_form() -> None:
    # With a kernel exp(-d^2 / 2 s^2), E k(x, y) of a difference of variance v and mean m is
    # (1 + v / s^2)^-1/2 exp(-m^2 / 2 (v + s^2)).
    rng = np.random.default_rng(4)
    template, target = (Events.of(rng.normal(mean, 1, (MAX_KERNEL_EVENTS, 1))) for mean in (1.0, 0.0))
    rows = np.concatenate([template.features, target.features])[:, 0] / target.features.std()
    scale = np.median((rows[:, None] - rows) ** 2)

    def expected(mean: float) -> float:
        return float(np.exp(-(mean**2) / 2 / (2 + scale)) / np.sqrt(1 + 2 / scale))

    known = 2 * expected(0) - 2 * expected(1.0)
    found = mmd(template, target, rng)
    assert found.value == pytest.approx(known, abs=4 * found.uncertainty)
    assert found.uncertainty < 0.2 * known


def test_the_sliced_wasserstein_distance_of_a_shift_is_its_mean_projection() -> None:
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(5000, 2))
    found = sliced_wasserstein(Events.of(rows + np.array([1.0, 0.0])), Events.of(rows), rng)
    assert found.value == pytest.approx(2 / np.pi, abs=0.12)
