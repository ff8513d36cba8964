"""Weighted means and standard deviations of a sample; weights may be negative."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from simmorph.data.events import Events, FloatArray


def spread_of(events: Events) -> FloatArray:
    """(n_features,), the weighted standard deviation of each feature; 1 for a feature without spread."""
    share = events.weights / np.sum(events.weights)
    variance = share @ (events.features - share @ events.features) ** 2
    rounding = 1e-12 * np.abs(events.features).max(axis=0, initial=0)
    return np.where(variance > rounding**2, np.sqrt(np.abs(variance)), 1.0)
