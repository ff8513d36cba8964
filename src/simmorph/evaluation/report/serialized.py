"""Histograms as JSON in the layout that histogram libraries of the field exchange: UHI's, version 1 of its schema.

See https://uhi.readthedocs.io/en/latest/serialization.html; `hist` and `boost-histogram` read it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from boost_histogram.serialization import to_uhi

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.evaluation.metrics.classifier.density_ratio import DensityRatio
    from simmorph.evaluation.plots.binned import Distribution


def histograms_json(
    shown: Mapping[str, Distribution], labels: Mapping[str, str], found: Mapping[str, DensityRatio]
) -> str:
    """The histograms of a region as text.

    Args:
        shown: every variable, whose samples become `variable/sample`; all have the target's sum of weights.
        labels: of the axes, by variable.
        found: the classifier's weights, whose logarithms become `log_weight/comparison`.
    """
    histograms = {
        f"{name}/{sample}": counts.to_boost(name=name, label=labels.get(name, name))
        for name, one in shown.items()
        for sample, counts in one.shown().items()
    }
    axis = {"name": "log_weight", "label": "logarithm of the calibrated weight"}
    histograms |= {f"log_weight/{name}": one.histogram.to_boost(**axis) for name, one in found.items()}
    serialized = {name: to_uhi(histogram) for name, histogram in histograms.items()}
    return json.dumps(serialized, allow_nan=False, default=np.ndarray.tolist)
