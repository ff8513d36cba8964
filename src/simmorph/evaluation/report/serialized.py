"""Histograms as JSON in the layout that histogram libraries of the field exchange: UHI's, version 1 of its schema.

See https://uhi.readthedocs.io/en/latest/serialization.html; `hist` and `boost-histogram` read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.data.events import FloatArray
    from simmorph.evaluation.metrics.density_ratio import DensityRatio
    from simmorph.evaluation.plots.binned import Distribution

UHI_SCHEMA = 1


def histogram_json(
    edges: FloatArray, values: FloatArray, uncertainty: FloatArray, metadata: Mapping[str, str]
) -> dict[str, Any]:
    """One histogram with a variance in each bin, and no bins for what lies outside.

    Args:
        edges: (n_bins + 1,).
        values: (n_bins,), sums of weights.
        uncertainty: (n_bins,), one standard deviation each.
        metadata: of the axis: its name and label.
    """
    axis = {
        "type": "variable",
        "edges": [float(edge) for edge in edges],
        "underflow": False,
        "overflow": False,
        "circular": False,
        "metadata": dict(metadata),
    }
    storage = {
        "type": "weighted",
        "values": [float(value) for value in values],
        "variances": [float(value) for value in np.square(uncertainty)],
    }
    writer = {"simmorph": {"version": __version__}}
    return {"uhi_schema": UHI_SCHEMA, "writer_info": writer, "axes": [axis], "storage": storage}


def distributions_json(shown: Mapping[str, Distribution], labels: Mapping[str, str]) -> dict[str, Any]:
    """Every sample of every variable, as `variable/sample`; source and template have the target's sum of weights."""
    return {
        f"{name}/{sample}": histogram_json(
            one.edges, counts.values, counts.uncertainty, {"name": name, "label": labels.get(name, name)}
        )
        for name, one in shown.items()
        for sample, counts in one.shown().items()
    }


def density_ratios_json(found: Mapping[str, DensityRatio]) -> dict[str, Any]:
    """The logarithm of the classifier's weights, as `log_weight/comparison`."""
    axis = {"name": "log_weight", "label": "logarithm of the calibrated weight"}
    return {f"log_weight/{name}": histogram_json(*one.histogram, axis) for name, one in found.items()}
