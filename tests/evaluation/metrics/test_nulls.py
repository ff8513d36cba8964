"""The null values that docstrings state: what each distance comes to where both samples are the same normal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from simmorph.data.events import Events
from simmorph.evaluation.metrics.correlations import pearson_mean
from simmorph.evaluation.metrics.divergences import N_BINS, chi_square, hellinger, jensen_shannon, kullback_leibler
from simmorph.evaluation.metrics.marginals import anderson_darling, kolmogorov, wasserstein
from simmorph.evaluation.metrics.multivariate import frechet

if TYPE_CHECKING:
    from collections.abc import Callable

    from simmorph.data.estimates import Estimate

N_TEMPLATE, N_TARGET, N_FEATURES = 1500, 3000, 3
NOISE = 1 / N_TEMPLATE + 1 / N_TARGET

NULLS: dict[str, tuple[Callable[[Events, Events], Estimate], float]] = {
    "wasserstein": (lambda first, second: wasserstein(first, second, 0), 1.29 * NOISE**0.5),
    "kolmogorov": (lambda first, second: kolmogorov(first, second, 0), 0.87 * NOISE**0.5),
    "anderson_darling": (lambda first, second: anderson_darling(first, second, 0), NOISE),
    "kullback_leibler": (lambda first, second: kullback_leibler(first, second, 0), (N_BINS - 1) / 2 * NOISE),
    "jensen_shannon": (lambda first, second: jensen_shannon(first, second, 0), (N_BINS - 1) / 8 * NOISE),
    "hellinger": (lambda first, second: hellinger(first, second, 0), ((N_BINS - 1) / 8 * NOISE) ** 0.5),
    "chi_square": (lambda first, second: chi_square(first, second, 0), 1.0),
    "frechet": (
        lambda first, second: frechet(first, second, np.random.default_rng(0)),
        N_FEATURES * (N_FEATURES + 5) / 4 * NOISE,
    ),
    "pearson_mean": (
        lambda first, second: pearson_mean(first, second, np.random.default_rng(0)),
        (2 / np.pi * NOISE) ** 0.5,
    ),
}


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Events, Events]]:
    rng = np.random.default_rng(1)
    return [
        (Events.of(rng.normal(size=(N_TEMPLATE, N_FEATURES))), Events.of(rng.normal(size=(N_TARGET, N_FEATURES))))
        for _ in range(60)
    ]


@pytest.mark.parametrize("name", NULLS)
def test_null_is_what_the_docstring_says(name: str, pairs: list[tuple[Events, Events]]) -> None:
    measure, null = NULLS[name]
    found = [measure(*pair).value for pair in pairs]
    error = np.std(found) / len(found) ** 0.5
    assert np.mean(found) == pytest.approx(null, abs=3 * error + 0.03 * null)
