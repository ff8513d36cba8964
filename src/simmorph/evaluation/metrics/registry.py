"""The registry of metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simmorph.evaluation.metrics.c2st import auc
from simmorph.evaluation.metrics.correlations import pearson_mean, pearson_worst
from simmorph.evaluation.metrics.marginals import kolmogorov_worst, wasserstein_worst
from simmorph.evaluation.metrics.multivariate import frechet, mmd, mmd_with_p_value, sliced_wasserstein

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from simmorph.data.events import Events
    from simmorph.evaluation.metrics.estimates import Estimate, Metric

METRICS: dict[str, Metric] = {
    "auc": auc,
    "pearson_worst": pearson_worst,
    "pearson_mean": pearson_mean,
    "wasserstein_worst": wasserstein_worst,
    "kolmogorov_worst": kolmogorov_worst,
    "sliced_wasserstein": sliced_wasserstein,
    "mmd": mmd,
    "frechet": frechet,
}
"""Every metric by the name it has in `report.json`; a new one is a function of (template, target, rng)."""

P_VALUES: dict[str, Callable[[Events, Events, np.random.Generator], tuple[Estimate, float]]] = {"mmd": mmd_with_p_value}
"""Metrics of which random relabellings tell how probable so large a value is if the samples agree."""
