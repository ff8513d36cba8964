"""Distances of whole distributions: sliced Wasserstein, maximum mean discrepancy, Fréchet.

All are taken in standard deviations of the target, so that no feature counts for its unit. None is 0 where the samples
agree, but as large as finite samples make it: compare each to the null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simmorph.data.estimates import Estimate
from simmorph.evaluation.metrics.marginals import Grid, drawn_area, wasserstein_with_influence
from simmorph.evaluation.metrics.moments import variance_of_influence, variance_of_mean
from simmorph.evaluation.metrics.noise import N_DRAWS, BesideNull, Noise, beside_null, both

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simmorph.data.events import BoolArray, Events, FloatArray

N_DIRECTIONS = 32
MAX_KERNEL_EVENTS = 1500
"""Events of each sample in a kernel matrix, whose size grows with the square."""
MAX_PROJECTED = 30_000
"""Events of each sample that are projected."""
ROWS_OF_THE_MEDIAN = 300
SMALLEST_SPREAD = 1e-12
Moments = tuple["FloatArray", "FloatArray"]
"""Mean and covariance, of one sample or of several draws."""


def sliced_wasserstein(template: Events, target: Events, rng: np.random.Generator) -> Estimate:
    """The mean Wasserstein distance of projections onto random directions.

    The uncertainty follows from each event's influence on the mean; where the samples agree it is a scale, not an
    interval. No bins; 32 directions, the same for both samples.

    Null: positive, about that of the Wasserstein distance of one feature, 1.3 sqrt(1/n + 1/m) for normal samples.
    Source: Bonneel et al., J. Math. Imaging Vis. 51 (2015) 22.
    """
    template, target = (_fewer(sample, rng, MAX_PROJECTED) for sample in (template, target))
    values, influences = [], np.zeros(len(template) + len(target))
    for ours, theirs in _projections(template, target, rng):
        distance, influence = wasserstein_with_influence(ours, theirs, template.weights, target.weights)
        values.append(distance)
        influences += influence / N_DIRECTIONS
    variance = variance_of_influence(influences, template.weights, target.weights)
    return Estimate(float(np.mean(values)), float(np.sqrt(variance)))


def sliced_wasserstein_tested(template: Events, target: Events, rng: np.random.Generator) -> BesideNull:
    """The same beside its null, of all directions together."""
    template, target = (_fewer(sample, rng, MAX_PROJECTED) for sample in (template, target))
    seed, noises = int(rng.integers(2**31)), both(template, target, rng)
    projections = _projections(template, target, np.random.default_rng(seed))
    areas = [drawn_area(Grid.of(*pair, noises)) for pair in projections]
    observed, draws = float(np.mean([area for area, _ in areas])), np.mean([its for _, its in areas], axis=0)
    return beside_null(sliced_wasserstein(template, target, np.random.default_rng(seed)), draws, observed)


def _projections(template: Events, target: Events, rng: np.random.Generator) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Both samples on each of N_DIRECTIONS random directions, in standard deviations of the target."""
    samples = _standardised(template, target)
    directions = rng.normal(size=(N_DIRECTIONS, samples[0].shape[1]))
    for direction in directions / np.linalg.norm(directions, axis=1, keepdims=True):
        yield samples[0] @ direction, samples[1] @ direction


def mmd(template: Events, target: Events, rng: np.random.Generator) -> Estimate:
    """The squared maximum mean discrepancy, unbiased, with a Gaussian kernel as wide as the median distance.

    No more than MAX_KERNEL_EVENTS events of each sample are looked at. The uncertainty holds both the spread of each
    event's part, and what is left of it where the samples agree.

    Null: 0 on average, negative about as often as positive.
    Source: Gretton et al., J. Mach. Learn. Res. 13 (2012) 723.
    """
    return mmd_tested(template, target, rng).found


def mmd_tested(template: Events, target: Events, rng: np.random.Generator) -> BesideNull:
    """The same beside its null: the quadratic form of the kernel with the fluctuations of both samples, less its mean.

    The kernel is exp(-d^2 / (2 m)), with d the distance of two events and m the median of d^2.
    Source: Chwialkowski, Sejdinovic, Gretton, NeurIPS 2014, arXiv 1408.5404.
    """
    template, target = (_fewer(sample, rng, MAX_KERNEL_EVENTS) for sample in (template, target))
    kernel = _kernel(np.concatenate(_standardised(template, target)))
    shares = [sample.weights / np.sum(sample.weights) for sample in (template, target)]
    signed = np.concatenate([shares[0], -shares[1]])
    is_template = np.arange(len(signed)) < len(template)
    drawn = [share[:, None] * _centred(share, rng.normal(size=(len(share), N_DRAWS))) for share in shares]
    fluctuations = np.concatenate([drawn[0], -drawn[1]])
    draws = np.sum(fluctuations * (kernel @ fluctuations), axis=0)
    towards = kernel @ signed
    value = -2 * float(shares[0] @ kernel[is_template][:, ~is_template] @ shares[1])
    variance = float(draws.var())
    for share, part in zip(shares, (is_template, ~is_template), strict=True):
        value += _within(kernel, share, part)
        variance += variance_of_mean(2 * towards[part], share)
    return beside_null(Estimate(value, float(np.sqrt(variance))), draws - draws.mean())


def _centred(share: FloatArray, multipliers: FloatArray) -> FloatArray:
    """The multipliers, (n_events, n_draws), less their weighted mean."""
    return np.asarray(multipliers - share @ multipliers)


def _kernel(rows: FloatArray) -> FloatArray:
    """(n_events, n_events), the kernel of all pairs of rows."""
    squares = np.sum(rows**2, axis=1)
    kernel = np.maximum(squares[:, None] + squares - 2 * rows @ rows.T, 0.0)
    # Some of the rows know the median well, and a matrix of this size is best changed where it is.
    median = float(np.median(kernel[:: max(len(rows) // ROWS_OF_THE_MEDIAN, 1)]))
    kernel /= -2 * max(median, SMALLEST_SPREAD)
    np.exp(kernel, out=kernel)
    return np.asarray(kernel)


def _within(kernel: FloatArray, share: FloatArray, part: BoolArray) -> float:
    """The mean kernel of two different events of one sample, weighted by the product of their weights."""
    squares = float(np.sum(share**2))
    among = float(share @ kernel[part][:, part] @ share) - squares * float(kernel[0, 0])
    return among / (1 - squares)


def frechet(template: Events, target: Events, rng: np.random.Generator) -> Estimate:
    """The Fréchet distance of normal distributions with the samples' means and covariances; bootstrap uncertainty.

    It sees means, widths and linear correlations alone; with high-level features it is the Fréchet physics distance.

    Null: positive, d (d + 5) / 4 (1/n + 1/m) for d independent normal features.
    Source: Kansal et al., Phys. Rev. D 107 (2023) 076017, arXiv 2211.10295; without its extrapolation in n, since the
    null is at hand.
    """
    return frechet_tested(template, target, rng).found


def frechet_tested(template: Events, target: Events, rng: np.random.Generator) -> BesideNull:
    """The same beside its null, from the fluctuations of means and covariances."""
    noises, moments, changes = both(template, target, rng), [], []
    for rows, noise in zip(_standardised(template, target), noises, strict=True):
        mean, covariance = _moments(rows, noise.share)
        moments.append((mean, covariance))
        changes.append(_changes(rows - mean, noise))
    pooled = (moments[0][1] + moments[1][1]) / 2
    both_moved = zip(moments, changes, strict=True)
    drawn = _frechet(*((mean + its, covariance + change) for (mean, covariance), (its, change) in both_moved))
    null = _frechet(*((its, pooled + change) for its, change in changes))
    found = float(_frechet(*moments))
    return beside_null(Estimate(found, float(np.std(drawn, ddof=1))), null)


def _changes(centred: FloatArray, noise: Noise) -> tuple[FloatArray, FloatArray]:
    """What noise adds to mean and covariance: (N_DRAWS, n_features) and (N_DRAWS, n_features, n_features)."""
    n_features = centred.shape[1]
    first, second = np.triu_indices(n_features)
    means = noise.of_means(centred.T)
    products = noise.of_means(centred[:, one] * centred[:, other] for one, other in zip(first, second, strict=True))
    changes = np.empty((means.shape[1], n_features, n_features))
    changes[:, first, second] = changes[:, second, first] = products.T
    return means.T, changes


def _frechet(ours: Moments, theirs: Moments) -> FloatArray:
    """|m - m'|^2 + tr C + tr C' - 2 tr sqrt(sqrt(C) C' sqrt(C)), with the means m and covariances C of two samples."""
    (mean, covariance), (other_mean, other) = ours, theirs
    values, directions = np.linalg.eigh(covariance)
    root = (directions * np.sqrt(np.maximum(values, 0.0))[..., None, :]) @ np.swapaxes(directions, -1, -2)
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0.0)).sum(axis=-1)
    traces = np.trace(covariance, axis1=-2, axis2=-1) + np.trace(other, axis1=-2, axis2=-1)
    return np.asarray(np.maximum(np.sum((mean - other_mean) ** 2, axis=-1) + traces - 2 * cross, 0.0))


def _moments(rows: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The weighted mean, (n_features,), and covariance, (n_features, n_features), of rows."""
    share = weights / np.sum(weights)
    mean = share @ rows
    centred = rows - mean
    return mean, (share[:, None] * centred).T @ centred


def _standardised(template: Events, target: Events) -> list[FloatArray]:
    """The features of both in standard deviations of the target."""
    mean, covariance = _moments(target.features, target.weights)
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    spread = np.where(spread > SMALLEST_SPREAD, spread, 1.0)
    return [(sample.features - mean) / spread for sample in (template, target)]


def _fewer(sample: Events, rng: np.random.Generator, most: int) -> Events:
    """No more than so many events, drawn at random."""
    if len(sample) <= most:
        return sample
    return sample[np.sort(rng.choice(len(sample), most, replace=False))]
