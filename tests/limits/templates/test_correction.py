"""Templates that simulated events correct: what is uncertain of them covers what is wrong with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from simmorph.data.histograms import Histogram
from simmorph.errors import InputError
from simmorph.limits.modifiers.staterror import StatError
from simmorph.limits.templates.correction import Correction, Given, correction, estimator
from simmorph.limits.templates.sample import ReplicaSpread, Sample

N_BINS, N_BACKGROUND = 20, 5e4
EDGES = np.linspace(0, 1, N_BINS + 1)
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2
TRUE = np.exp(-2 * CENTRES)
TRUE *= N_BACKGROUND / TRUE.sum()
SIGNAL = 2000 * np.exp(-0.5 * ((CENTRES - 0.5) / 0.08) ** 2) / np.sum(np.exp(-0.5 * ((CENTRES - 0.5) / 0.08) ** 2))
DRAWS = 1e7


def template(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Histogram:
    """So many draws that their statistics hardly count."""
    values = values * (N_BACKGROUND / values.sum())
    return Histogram(EDGES, values, values * N_BACKGROUND / DRAWS, "background")


def events(rng: np.random.Generator, n_events: float, name: str = "simulated") -> Histogram:
    counts = rng.poisson(n_events * TRUE / TRUE.sum()).astype(np.float64)
    return Histogram(EDGES, counts, counts, name)


BIASED = template(TRUE * (1 + 0.05 * np.sin(7 * CENTRES)) + 0.7 * SIGNAL)
"""Wrong by a smooth shape, and by .7 signals."""


@pytest.mark.parametrize("n_events", [2e3, 2e4])
def test_what_is_left_uncertain_covers_what_is_left_wrong(n_events: float) -> None:
    direction = estimator(TRUE, SIGNAL)
    pulls, before = [], []
    for seed in range(150):
        found = correction(BIASED, Given(None, events(np.random.default_rng(seed), n_events)), SIGNAL)
        pulls.append(direction @ (TRUE - found.values) / found.quoted)
        before.append(direction @ (TRUE - BIASED.values))
    assert np.mean(before) == pytest.approx(-0.7, abs=0.3)
    assert np.std(pulls) == pytest.approx(1, abs=0.2)
    assert abs(np.mean(pulls)) < 0.35


def test_along_the_signal_nothing_is_known_but_what_the_events_say() -> None:
    found = correction(template(TRUE), Given(None, events(np.random.default_rng(1), 1e4)), SIGNAL)
    # Least squares with a free normalisation, on 1e4 events of this shape scaled to the yields.
    design = np.stack([SIGNAL, TRUE], axis=1) * 1e4 / N_BACKGROUND
    weights = 1 / (1e4 * TRUE / TRUE.sum())
    expected = np.sqrt(np.linalg.inv(design.T @ (weights[:, None] * design))[0, 0])
    assert found.before.uncertainty == pytest.approx(expected, rel=0.01)
    assert found.quoted == pytest.approx(expected, rel=0.03)
    assert abs(found.after.strength) < 0.1 * expected


def test_without_a_signal_it_is_the_regression_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simmorph.limits.templates.correction.AMPLITUDES", (0.04,))
    monkeypatch.setattr("simmorph.limits.templates.correction.LENGTHS", (2.0,))
    wrong = template(TRUE * (1 + 0.05 * np.sin(12 * CENTRES)))
    given = events(np.random.default_rng(2), 1e5)
    found = correction(replace(wrong, variances=np.zeros(N_BINS)), Given(given, None), np.zeros(N_BINS))
    shape = wrong.values / wrong.values.sum()
    measured = given.values / (given.values.sum() * shape) - 1
    kernel = ConstantKernel(0.04**2) * RBF(2.0)
    process = GaussianProcessRegressor(kernel, alpha=1 / (given.values.sum() * shape), optimizer=None)
    bins = np.arange(N_BINS)[:, None]
    mean, covariance = process.fit(bins, measured).predict(bins, return_cov=True)
    # Ours keeps the sum of the yields, which takes one of twenty directions away.
    assert np.std(mean) > 0.02
    assert found.mean == pytest.approx(mean - shape @ mean, abs=0.004)
    assert np.diag(found.covariance) == pytest.approx(np.diag(covariance), rel=0.25)
    assert found.values.sum() == pytest.approx(N_BACKGROUND)


def test_the_unit_of_the_weights_does_not_matter() -> None:
    given = events(np.random.default_rng(3), 1e4)
    one, other = (correction(BIASED, Given(it, None), SIGNAL) for it in (given, given.scaled(0.02)))
    assert other.values == pytest.approx(one.values)
    assert other.covariance == pytest.approx(one.covariance, abs=1e-12)


def test_negative_weights_count_and_leave_more_uncertain() -> None:
    rng = np.random.default_rng(4)
    plain = events(rng, 3e4)
    # A fifth of the events negative: the sum is 3/5, and the noise that of all.
    negative = rng.binomial(plain.values.astype(np.int64), 0.2)
    signed = Histogram(EDGES, plain.values - 2 * negative, plain.values, "signed")
    one, other = (correction(template(TRUE), Given(None, it), SIGNAL) for it in (plain, signed))
    assert other.quoted == pytest.approx(one.quoted / 0.6, rel=0.1)
    with pytest.raises(InputError, match="no positive sum"):
        correction(template(TRUE), Given(None, plain.scaled(-1.0)), SIGNAL)


def test_what_is_independent_and_what_is_shared_add_up() -> None:
    few_draws = replace(BIASED, variances=BIASED.values * 0.5)
    found = correction(few_draws, Given(None, events(np.random.default_rng(5), 1e4)), SIGNAL)
    whole = found.covariance * np.outer(few_draws.values, few_draws.values)
    np.testing.assert_allclose(found.shared + np.diag(found.independent), whole, atol=1e-9)
    assert np.linalg.eigvalsh(found.shared)[0] > -1e-6
    # n / (n + draws) of the statistics is left: these are 2 for each of the 50,000 background events.
    assert found.independent / few_draws.variances == pytest.approx(1e5 / (1e5 + 1e4) * np.ones(N_BINS), rel=0.05)


def test_bins_in_which_nothing_was_drawn_are_told() -> None:
    hole = template(np.where(np.arange(N_BINS) == 3, 0.0, TRUE))
    found = correction(hole, Given(None, events(np.random.default_rng(6), 1e4)), SIGNAL)
    assert found.values[3] == 0
    assert found.missed == pytest.approx(TRUE[3] / TRUE.sum(), rel=0.15)
    assert any("where the template has none" in warning for warning in found.warnings())


def with_replicas(smoothing: int) -> Correction | None:
    """The correction of a generator that repeats its training events, or smooths some neighbours."""
    rng = np.random.default_rng(7)
    learnt = events(rng, 1e4, "learnt")
    kernel = np.ones(smoothing) / smoothing

    def of(counts: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Histogram:
        ratio = np.convolve(np.pad(counts / TRUE, smoothing // 2, mode="edge"), kernel, mode="valid")
        return template(ratio * TRUE)

    replicas = [of(rng.poisson(learnt.values).astype(np.float64)) for _ in range(60)]
    nominal = of(learnt.values)
    spread = ReplicaSpread(shape_only=True, same_events=True)
    sample = Sample(nominal, False, given=Given(learnt, None), training=tuple(spread.variations(nominal, replicas)))
    return sample.corrected(SIGNAL).correction


def test_a_generator_that_repeats_its_events_amplifies_nothing() -> None:
    memorised, smoothed = with_replicas(1), with_replicas(5)
    assert memorised is not None
    assert smoothed is not None
    assert memorised.amplification is not None
    assert smoothed.amplification is not None
    assert memorised.amplification.typical == pytest.approx(1, rel=0.3)
    assert memorised.amplification.strength == pytest.approx(1, rel=0.5)
    assert smoothed.amplification.typical == pytest.approx(5, rel=0.4)
    assert any("memorises" in warning for warning in memorised.warnings())
    assert not any("memorises" in warning for warning in smoothed.warnings())


def test_a_sample_is_corrected_with_all_that_belongs_to_it() -> None:
    given = Given(None, events(np.random.default_rng(8), 1e4))
    sample = replace(Sample.with_statistics(BIASED), given=given)
    found = sample.corrected(SIGNAL, "_east")
    (statistics,) = (it for it in found.modifiers if isinstance(it, StatError))
    np.testing.assert_allclose(statistics.uncertainties, found.histogram.uncertainties)
    assert all(it.name.endswith("_east") for it in found.training)
    shifts = np.array([it.up - found.histogram.values for it in found.training])
    assert found.correction is not None
    # Components that no data could see are left out.
    unit = np.sqrt(found.histogram.values)
    wanted = found.correction.shared / np.outer(unit, unit)
    np.testing.assert_allclose(
        shifts.T @ shifts / np.outer(unit, unit), wanted, atol=2e-3 * float(np.linalg.norm(wanted, 2))
    )
    half = found.part(np.arange(N_BINS) < 10).scaled(2)
    assert half.drawn is not None
    np.testing.assert_allclose(half.drawn.histogram.values, 2 * BIASED.values[:10])
