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
    from simmorph.limits.histograms import Histogram

KEPT_VARIANCE = 0.99
"""Share of the variance between replicas that the variations keep."""
FEW_REPLICAS = 10
"""With fewer, the spread is known to no better than a quarter of itself."""


def with_training_statistics(histogram: Histogram, n_generated: float, n_training: float) -> Histogram:
    """The histogram with variances as if no generated event told more than the training events in its bin.

    This is right for a density that repeats its training events, and too large for one that smooths between them.

    Args:
        histogram: of the generated events, in their own weights.
        n_generated: how many were drawn, before any cut.
        n_training: how many were learnt from, before any cut.
    """
    return replace(histogram, variances=histogram.variances * (1 + n_generated / n_training))


def eigen_variations(
    nominal: Histogram, replicas: Sequence[Histogram], *, shape_only: bool = False, same_events: bool = False
) -> list[FloatArray]:
    """Shifts of all bins, (n_bins,) each, that one standard deviation of a parameter of its own stands for.

    They are the principal components of the spread between replicas of the method, each trained on a bootstrap sample
    of the training events. Where each replica draws events of its own, the fluctuation of these draws is taken off the
    spread, so that it is not counted a second time beside that of the nominal sample.

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
    values = np.stack([it.values * scale for it, scale in zip(replicas, scales, strict=True)])
    drawn = np.mean([it.variances * scale**2 for it, scale in zip(replicas, scales, strict=True)], axis=0)
    covariance = np.cov(values, rowvar=False).reshape(len(drawn), len(drawn))
    if not same_events:
        covariance -= np.diag(drawn)
    variances, directions = np.linalg.eigh(covariance)
    order = np.argsort(variances)[::-1]
    variances, directions = np.maximum(variances[order], 0.0), directions[:, order]
    if not variances.any():
        return []
    kept = int(np.searchsorted(np.cumsum(variances), KEPT_VARIANCE * variances.sum())) + 1
    return [np.sqrt(variances[i]) * directions[:, i] for i in range(kept) if variances[i] > 0]
