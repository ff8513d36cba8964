"""Weights that have the means, widths and correlations of others, and are as near to what they were as can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray

MAX_CROSSED = 20
"""Variables up to which correlations are kept too; of more, means and widths alone."""
MAX_STEPS = 50
CLOSE = 1e-8
"""Largest distance of a moment that is reached, in standard deviations."""
LEAST_POWER = 0.5
"""Part of the effective size that has to be left."""


def tilted(columns: FloatArray, weights: FloatArray, wanted: FloatArray) -> FloatArray | None:
    """Weights times exp(lambda . moments), with the first and second moments and the sum of other weights.

    Of all weights with these moments they have the least relative entropy to those that are tilted. lambda makes a
    convex function smallest, by Newton's method. None if there are no such weights, as where signed weights give a
    variance that is not positive, or if they leave less than half of the effective size.

    Args:
        columns: (n_events, n_variables).
        weights: (n_events,), not negative.
        wanted: (n_events,), may be negative, with a positive sum.

    References:
        Csiszar, "I-divergence geometry of probability distributions and minimization problems", Ann. Prob. 3, 1975.
    """
    moments, start = _moments(columns), weights / np.sum(weights)
    moments -= wanted @ moments / np.sum(wanted)
    tilt = np.zeros(moments.shape[1])
    for _ in range(MAX_STEPS):
        shares, height = _tilted(start, moments @ tilt)
        slope = shares @ moments
        if np.max(np.abs(slope)) < CLOSE:
            return _unless_poor(shares, weights, float(np.sum(wanted)))
        curvature = (moments * shares[:, None]).T @ moments - np.outer(slope, slope)
        step = np.linalg.lstsq(curvature, -slope, rcond=1e-12)[0]
        length = 1.0
        while not _tilted(start, moments @ (tilt + length * step))[1] < height + 1e-4 * length * (slope @ step):
            length /= 2
            if length < CLOSE:
                return None
        tilt = tilt + length * step
    return None


def _moments(columns: FloatArray) -> FloatArray:
    """(n_events, n_moments), each standardised variable, and the products of each two or the squares alone."""
    width = columns.std(axis=0)
    values = (columns - columns.mean(axis=0)) / np.where(width > 0, width, 1.0)
    n_variables = values.shape[1]
    every = np.arange(n_variables)
    one, other = np.triu_indices(n_variables) if n_variables <= MAX_CROSSED else (every, every)
    return np.hstack([values, values[:, one] * values[:, other]])


def _tilted(shares: FloatArray, exponents: FloatArray) -> tuple[FloatArray, float]:
    """The tilted shares, and the logarithm of what they summed to."""
    top = float(np.max(exponents))
    grown = shares * np.exp(exponents - top)
    total = float(np.sum(grown))
    return grown / total, top + float(np.log(total))


def _unless_poor(shares: FloatArray, before: FloatArray, total: float) -> FloatArray | None:
    """The shares as weights, unless a few events decide everything."""
    left = np.sum(before**2) / np.sum(before) ** 2 / np.sum(shares**2)
    return np.asarray(shares * total) if left > LEAST_POWER else None
