"""Pseudo-experiments of a model, and how probable data are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import gammaln, xlogy

from simmorph.limits.model.likelihood import Data

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simmorph.data.events import FloatArray
    from simmorph.limits.model.likelihood import Likelihood


class Origin(NamedTuple):
    """Where some pseudo-experiments come from.

    Attributes:
        parameters: (n_parameters,), the true ones.
        number: how many there are.
        others: (n_others, n_parameters), where other minima may be.
    """

    parameters: FloatArray
    number: int
    others: FloatArray

    @property
    def starts(self) -> FloatArray:
        """(n_starts, n_parameters), where fits begin."""
        return np.vstack([self.parameters, self.others])


def draw(likelihood: Likelihood, expected: Data, rng: np.random.Generator) -> Data:
    """One pseudo-experiment: counts and auxiliary measurements fluctuate; those of fixed parameters stay.

    Args:
        likelihood: of the model.
        expected: at the true parameters.
        rng: random numbers.
    """
    normal, centre = likelihood.gaussian, expected.auxiliary
    auxiliary = np.where(
        normal, rng.normal(centre, np.where(normal, likelihood.widths, 1.0)), rng.poisson(np.where(normal, 0.0, centre))
    )
    auxiliary = np.where(likelihood.free[likelihood.constrained], auxiliary, centre)
    return Data(rng.poisson(expected.main).astype(np.float64), auxiliary)


def draws(likelihood: Likelihood, parameters: FloatArray, key: Sequence[int], numbers: Iterable[int]) -> Data:
    """Pseudo-experiments, each with random numbers of its own.

    Args:
        likelihood: of the model.
        parameters: (n_parameters,), the true ones.
        key: the seed, and what tells these from others of the same seed.
        numbers: which of them.

    Returns:
        (n, n_bins) counts and (n, n_auxiliary) auxiliary measurements.
    """
    expected, (seed, *room) = likelihood.expected(parameters), key
    rngs = (np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*room, number))) for number in numbers)
    return stacked([draw(likelihood, expected, rng) for rng in rngs])


def stacked(data: Sequence[Data]) -> Data:
    """Data in rows."""
    return Data(np.array([it.main for it in data]), np.array([it.auxiliary for it in data]))


def log_density(likelihood: Likelihood, data: Data, parameters: FloatArray) -> FloatArray:
    """(n,), the logarithm of the probability density of (n, ...) data, but for a constant of the widths.

    Args:
        likelihood: of the model.
        data: in rows.
        parameters: (n_parameters,), the true ones.
    """
    expected = likelihood.expected(parameters)
    found = _log_poisson(data.main, expected.main).sum(axis=1)
    free = likelihood.free[likelihood.constrained]
    normal, counted = free & likelihood.gaussian, free & ~likelihood.gaussian
    pulls = (data.auxiliary - expected.auxiliary)[:, normal] / likelihood.widths[normal]
    found -= (pulls**2).sum(axis=1) / 2
    found += _log_poisson(data.auxiliary[:, counted], expected.auxiliary[counted]).sum(axis=1)
    return np.asarray(found, np.float64)


def _log_poisson(counts: FloatArray, expected: FloatArray) -> FloatArray:
    return np.asarray(xlogy(counts, expected) - expected - gammaln(counts + 1), np.float64)
