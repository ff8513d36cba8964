"""Distances of whole distributions: sliced Wasserstein, maximum mean discrepancy, Fréchet.

All are taken in standard deviations of the target, so that no feature counts for its unit. None is 0 where the samples
agree, but as large as finite samples make it: compare each to the null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simmorph.evaluation.metrics.estimates import Estimate
from simmorph.evaluation.metrics.marginals import wasserstein_with_influence
from simmorph.evaluation.metrics.moments import variance_of_influence, variance_of_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.data.events import BoolArray, Events, FloatArray

N_DIRECTIONS = 32
MAX_KERNEL_EVENTS = 1500
"""Events of each sample in a kernel matrix, whose size grows with the square."""
N_PERMUTATIONS = 200
ROWS_OF_THE_MEDIAN = 300
N_BOOTSTRAPS = 30
SMALLEST_SPREAD = 1e-12


def sliced_wasserstein(template: Events, target: Events, rng: np.random.Generator) -> Estimate:
    """The mean Wasserstein distance of projections onto random directions.

    The uncertainty follows from each event's influence on the mean; where the samples agree it is a scale, not an
    interval. No bins; 32 directions, the same for both samples.

    Null: positive, about that of the Wasserstein distance of one feature, 1.3 sqrt(1/n + 1/m) for normal samples.
    Source: Bonneel et al., J. Math. Imaging Vis. 51 (2015) 22.
    """
    samples = _standardised(template, target)
    directions = rng.normal(size=(N_DIRECTIONS, samples[0].shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    values, influences = [], np.zeros(len(template) + len(target))
    for direction in directions:
        ours, theirs = (sample @ direction for sample in samples)
        distance, influence = wasserstein_with_influence(ours, theirs, template.weights, target.weights)
        values.append(distance)
        influences += influence / N_DIRECTIONS
    variance = variance_of_influence(influences, template.weights, target.weights)
    return Estimate(float(np.mean(values)), float(np.sqrt(variance)))


def mmd(template: Events, target: Events, rng: np.random.Generator) -> Estimate:
    """The squared maximum mean discrepancy, unbiased, with a Gaussian kernel as wide as the median distance.

    No more than MAX_KERNEL_EVENTS events of each sample are looked at. The uncertainty holds both the spread of each
    event's part, and what is left of it where the samples agree, from permutations.

    Null: 0 on average, negative about as often as positive.
    Source: Gretton et al., J. Mach. Learn. Res. 13 (2012) 723.
    """
    return _mmd_and_permutations(template, target, rng)[0]


def mmd_with_p_value(template: Events, target: Events, rng: np.random.Generator) -> tuple[Estimate, float]:
    """The same, and how probable so large a value is if the samples agree: the share of relabellings that exceed it.

    With N_PERMUTATIONS relabellings it is never below 1 / (1 + N_PERMUTATIONS).
    """
    found, permuted = _mmd_and_permutations(template, target, rng)
    return found, float((1 + np.sum(permuted >= found.value)) / (1 + len(permuted)))


def _mmd_and_permutations(template: Events, target: Events, rng: np.random.Generator) -> tuple[Estimate, FloatArray]:
    """The squared discrepancy with its uncertainty, and (N_PERMUTATIONS,) values of it after random relabellings.

    The kernel is exp(-d^2 / (2 m)), with d the distance of two events and m the median of d^2.
    """
    template, target = (_fewer(sample, rng) for sample in (template, target))
    rows = np.concatenate(_standardised(template, target))
    # With a mean of 1 in each sample, so that relabelled events count alike.
    weights = np.concatenate([sample.weights / np.mean(sample.weights) for sample in (template, target)])
    squares = np.sum(rows**2, axis=1)
    kernel = np.maximum(squares[:, None] + squares - 2 * rows @ rows.T, 0.0)
    # Some of the rows know the median well, and a matrix of this size is best changed where it is.
    median = float(np.median(kernel[:: max(len(rows) // ROWS_OF_THE_MEDIAN, 1)]))
    kernel /= -2 * max(median, SMALLEST_SPREAD)
    np.exp(kernel, out=kernel)
    np.fill_diagonal(kernel, 0.0)
    is_template = np.arange(len(rows)) < len(template)
    value = float(_mmd(kernel, weights, is_template[:, None])[0])
    labels = np.stack([rng.permutation(is_template) for _ in range(N_PERMUTATIONS)], axis=1)
    permuted = _mmd(kernel, weights, labels)
    variance = float(permuted.var()) + _linear_variance(kernel, weights, is_template)
    return Estimate(value, float(np.sqrt(variance))), permuted


def _mmd(kernel: FloatArray, weights: FloatArray, is_template: BoolArray) -> FloatArray:
    """The U-statistic for each labelling, (n_labellings,), of a kernel matrix without its diagonal.

    Mean kernel within the template, plus that within the target, less twice that across; each mean weighted by the
    product of both events' weights.

    Args:
        kernel: (n_events, n_events), with 0 on the diagonal.
        weights: (n_events,).
        is_template: (n_events, n_labellings).
    """
    first = weights[:, None] * is_template
    second = weights[:, None] * ~is_template
    towards = kernel @ first
    among_all = (kernel @ weights)[:, None]
    within = np.sum(first * towards, axis=0) / (first.sum(0) ** 2 - np.sum(first**2, axis=0))
    across = np.sum(second * towards, axis=0) / (first.sum(0) * second.sum(0))
    among = np.sum(second * (among_all - towards), axis=0) / (second.sum(0) ** 2 - np.sum(second**2, axis=0))
    return np.asarray(within + among - 2 * across, np.float64)


def _linear_variance(kernel: FloatArray, weights: FloatArray, is_template: BoolArray) -> float:
    """The variance from each event's own part of the statistic, which vanishes where the samples agree."""
    signed = np.where(is_template, weights / weights[is_template].sum(), -weights / weights[~is_template].sum())
    part = 2 * kernel @ signed
    return sum(variance_of_mean(part[chosen], weights[chosen]) for chosen in (is_template, ~is_template))


def frechet(template: Events, target: Events, rng: np.random.Generator) -> Estimate:
    """The Fréchet distance of normal distributions with the samples' means and covariances; bootstrap uncertainty.

    It sees means, widths and linear correlations alone; with high-level features it is the Fréchet physics distance.

    Null: positive, d (d + 5) / 4 (1/n + 1/m) for d independent normal features.
    Source: Kansal et al., Phys. Rev. D 107 (2023) 076017, arXiv 2211.10295; without its extrapolation in n, since the
    null is at hand.
    """
    rows = _standardised(template, target)
    weights = template.weights, target.weights
    found = _frechet(rows, weights)
    again = []
    for _ in range(N_BOOTSTRAPS):
        counts = [rng.poisson(1.0, len(its)) for its in weights]
        again.append(_frechet(rows, [its * count for its, count in zip(weights, counts, strict=True)]))
    return Estimate(found, float(np.std(again, ddof=1)))


def _frechet(rows: list[FloatArray], weights: Sequence[FloatArray]) -> float:
    """|m - m'|^2 + tr C + tr C' - 2 tr sqrt(sqrt(C) C' sqrt(C)), with the means m and covariances C of two samples."""
    (mean, covariance), (other_mean, other) = (_moments(*pair) for pair in zip(rows, weights, strict=True))
    values, directions = np.linalg.eigh(covariance)
    root = (directions * np.sqrt(np.maximum(values, 0.0))) @ directions.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0.0)).sum()
    squared = np.sum((mean - other_mean) ** 2) + np.trace(covariance) + np.trace(other) - 2 * cross
    return float(max(squared, 0.0))


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


def _fewer(sample: Events, rng: np.random.Generator) -> Events:
    """No more events than a kernel matrix takes, drawn at random."""
    if len(sample) <= MAX_KERNEL_EVENTS:
        return sample
    return sample[np.sort(rng.choice(len(sample), MAX_KERNEL_EVENTS, replace=False))]
