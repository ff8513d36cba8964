"""Sums over all counts: closed forms of one bin, and lists of two."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import poisson

from simmorph.limits.fits.inference import AsymptoticCls, upper_limits
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.toys.cls import ToyCls
from simmorph.limits.toys.counting import every_data_set
from simmorph.limits.toys.statistic import Counting
from tests.limits.conftest import workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.limits.fits.inference import Limits


def exact(signal: Sequence[float], background: Sequence[float], counts: Sequence[float]) -> tuple[ToyCls, Limits]:
    """CLs of a model without nuisance parameters, and its limits."""
    ready = measurement_of(workspace(signal, background, counts))
    test = AsymptoticCls(ready.likelihood, ready.data)
    asymptotic = upper_limits(test)
    highest = 4 * max(asymptotic.observed, *asymptotic.expected)
    sets = every_data_set(ready.likelihood, ready.data, highest)
    assert sets is not None
    cls = ToyCls(test, sets, highest)
    limits = cls.limits(0.95)
    assert limits is not None
    return cls, limits


def counting_limit(n: int, background: float) -> float:
    """The number of signal events at which P(N <= n) has fallen to .05 of its value without a signal."""
    goal = 0.05 * poisson.cdf(n, background)
    return float(brentq(lambda events: poisson.cdf(n, background + events) - goal, 0, 60, xtol=1e-10))


@pytest.mark.parametrize("background", [0.4, 3.0])
def test_nothing_seen_excludes_three_events(background: float) -> None:
    _, limits = exact([1.2], [background], [0])
    assert limits.observed == pytest.approx(-math.log(0.05) / 1.2, rel=1e-5)


@pytest.mark.parametrize(("n", "background"), [(1, 0.4), (3, 0.4), (3, 1.7), (1, 6.0), (9, 5.0)])
def test_one_bin_has_the_limit_of_the_poisson_distribution(n: int, background: float) -> None:
    cls, limits = exact([1.2], [background], [n])
    assert limits.observed == pytest.approx(counting_limit(n, background) / 1.2, rel=1e-5)
    tails = cls.tails(limits.observed)
    assert tails.without.value == pytest.approx(poisson.cdf(n, background), rel=1e-9)
    assert tails.with_signal.uncertainty == 0
    p0, _ = cls.discovery()
    assert p0.value == pytest.approx(poisson.sf(n - 1, background) if n > background else 1.0, rel=1e-9)


def test_expected_limits_are_those_of_the_counts_at_the_quantiles() -> None:
    _, limits = exact([1.0], [5.3], [5])
    shares = [0.022750131948, 0.158655253931, 0.5, 0.841344746069, 0.977249868052]
    counts = [int(poisson.ppf(share, 5.3)) for share in shares]
    assert limits.expected == pytest.approx([counting_limit(n, 5.3) for n in counts], rel=1e-5)


def test_two_bins_are_summed_over_all_pairs() -> None:
    signal, background, seen, strength = np.array([2.0, 1.0]), np.array([1.5, 3.0]), np.array([2.0, 2.0]), 1.3
    cls, _ = exact(signal.tolist(), background.tolist(), seen.tolist())

    def statistic(counts: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
        def deviance(value: float) -> float:
            return -2 * float(poisson.logpmf(counts, background + value * signal).sum())

        def score(value: float) -> float:
            return float(np.sum(signal * (counts / (background + value * signal) - 1)))

        best = 0.0 if score(0) <= 0 else float(brentq(score, 0, 100))
        return 0.0 if best >= strength else deviance(strength) - deviance(best)

    pairs = np.array([(i, j) for i in range(40) for j in range(40)], np.float64)
    beyond = np.array([statistic(pair) for pair in pairs]) >= statistic(seen) - 1e-9
    for value, found in ((strength, cls.tails(strength).with_signal), (0.0, cls.tails(strength).without)):
        share = float(np.exp(poisson.logpmf(pairs, background + value * signal).sum(axis=1))[beyond].sum())
        assert found.value == pytest.approx(share, rel=1e-9)


def test_other_parameters_or_many_counts_are_not_listed() -> None:
    known_to = {"name": "u", "type": "shapesys", "data": [0.3]}
    free = measurement_of(workspace([1.0], [2.0], [2], known_to))
    many = measurement_of(workspace([1.0] * 6, [50.0] * 6, [50] * 6))
    for ready in (free, many):
        assert every_data_set(ready.likelihood, ready.data, 5.0) is None


def test_a_strength_without_other_parameters_is_where_the_score_vanishes() -> None:
    rng = np.random.default_rng(5)
    background, signal = rng.uniform(0.2, 6, 4), np.array([0.0, 0.5, 2.0, 4.0])
    counts = rng.poisson(background + 0.7 * signal, (200, 4)).astype(float)
    found = Counting(background, signal, counts)
    expected = background + found.best[:, None] * signal
    score = ((counts / expected - 1) * signal).sum(axis=1)
    assert np.abs(score[found.best > 0]).max() < 1e-6
    assert (score[found.best == 0] <= 0).all()
    assert (found.best > 0).any()
    assert (found.best == 0).any()
