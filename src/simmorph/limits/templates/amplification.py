"""How well a background that was drawn from a learnt density is known.

A sample of N_ML generated events has two uncertainties. Drawing leaves one of relative size 1 / sqrt(N_ML), which more
draws make as small as one likes. Learning from N_train events leaves another, which no draw takes away: all events from
one density share it, it moves neighbouring bins together, and only more training events or a better method reduce it.
(Butter et al., "GANplifying event samples", 2021, arXiv 2008.06545; Bieringer et al., "Calomplification", 2022,
arXiv 2202.07352.)
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.data.events import FloatArray
    from simmorph.data.histograms import Histogram

SMALLEST_VARIANCE = 1e-3
"""Variations below this share of the largest variance, both over the expected yields, are left out."""
FEW_REPLICAS = 10
"""With fewer, the spread is known to no better than a quarter of itself."""


def with_training_statistics(histogram: Histogram, n_generated: float, n_training: float) -> Histogram:
    """The histogram with variances as if no generated event were worth more than the training events in its bin.

    The relative variance of a bin with k drawn events is 1 / k, that of the k N_train / N_ML training events which they
    stand for 1 / (k N_train / N_ML); the sum is (1 + N_ML / N_train) / k. This is right for a density that repeats its
    training events, and too large for one that smooths between them. Bins stay independent, though the error of a
    learnt density moves neighbours together.

    Args:
        histogram: of the generated events, in their own weights.
        n_generated: how many were drawn, before any cut.
        n_training: how many were learnt from, before any cut.
    """
    return replace(histogram, variances=histogram.variances * (1 + n_generated / n_training))


def principal_shifts(covariance: FloatArray, yields: FloatArray) -> list[FloatArray]:
    """Shifts of all bins, (n_bins,) each, by which a parameter of its own moves them at one standard deviation.

    They are the principal components of a covariance, with every bin in units of the root of its yield, which is what
    data can see: else a tail where the signal is would be lost beside well-filled bins.

    Args:
        covariance: (n_bins, n_bins), of the yields.
        yields: (n_bins,).
    """
    unit = np.sqrt(np.where(yields > 0, yields, 1.0))
    variances, directions = np.linalg.eigh(covariance / np.outer(unit, unit))
    kept = [i for i in np.argsort(variances)[::-1] if variances[i] > SMALLEST_VARIANCE * max(variances[-1], 0.0)]
    return [np.sqrt(variances[i]) * directions[:, i] * unit for i in kept]


def replica_covariance(
    nominal: Histogram, replicas: Sequence[Histogram], *, shape_only: bool = False, same_events: bool = False
) -> FloatArray:
    """(n_bins, n_bins), of the yields between replicas of the method, each trained on a bootstrap sample.

    Few replicas span few directions, and a template may be wrong in any; so the correlations between bins are shrunk as
    far as the replicas leave them uncertain, and the spread of each bin is kept. Where each replica draws events of its
    own, the fluctuation of these draws is taken off the spread, so that it is not counted a second time beside that of
    the nominal sample.

    Args:
        nominal: the template.
        replicas: the same from each replica, with its own weights.
        shape_only: leave out what the replicas say of the normalisation.
        same_events: all replicas moved or weighted the same events, so that there are no draws of their own.

    Raises:
        ValueError: there are fewer than two replicas.
    """
    if len(replicas) < 2:
        raise ValueError("the spread of replicas needs at least two of them")
    scales = [nominal.values.sum() / it.values.sum() if shape_only else 1.0 for it in replicas]
    covariance = shrunk_covariance(np.stack([it.values * scale for it, scale in zip(replicas, scales, strict=True)]))
    if not same_events:
        drawn = np.mean([it.variances * scale**2 for it, scale in zip(replicas, scales, strict=True)], axis=0)
        covariance -= np.diag(drawn)
    return covariance


def eigen_variations(nominal: Histogram, replicas: Sequence[Histogram], **how: bool) -> list[FloatArray]:
    """The shifts of a template, (n_bins,) each, that the spread of replicas gives; see `replica_covariance`."""
    return principal_shifts(replica_covariance(nominal, replicas, **how), nominal.values)


def shrunk_covariance(values: FloatArray) -> FloatArray:
    """(n_bins, n_bins), the covariance of the columns, with correlations shrunk by what is best for so few rows.

    The variances are those of the sample. All correlations are multiplied by one factor, which minimises the expected
    squared error of the matrix: 1 for many rows, 0 for so few that they say nothing of correlations. A constant
    column has none.

    Args:
        values: (n_replicas, n_bins), at least two rows.

    References:
        Ledoit, Wolf, J. Multivariate Anal. 88 (2004) 365; the estimate is that of Schafer, Strimmer, Stat. Appl. Genet.
        Mol. Biol. 4 (2005) 32.
    """
    n_rows, spread = len(values), values.std(axis=0, ddof=1)
    standard = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    products = standard[:, :, None] * standard[:, None, :]
    correlations = products.sum(axis=0) / (n_rows - 1)
    uncertainty = n_rows / (n_rows - 1) ** 3 * np.sum((products - products.mean(axis=0)) ** 2, axis=0)
    off = ~np.eye(len(spread), dtype=bool)
    size = float(np.sum(correlations[off] ** 2))
    shrinkage = min(float(np.sum(uncertainty[off])) / size, 1.0) if size > 0 and n_rows > 2 else 1.0
    correlations[off] *= 1 - shrinkage
    return np.asarray(correlations * np.outer(spread, spread))
