"""What a metric is, and what it returns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from simmorph.data.estimates import Estimate, mean_estimate
from simmorph.data.events import Events

__all__ = ["Estimate", "Metric", "mean_estimate"]

Metric = Callable[[Events, Events, np.random.Generator], Estimate]
"""How far a template (first) is from its target (second); the generator is its only source of randomness."""
