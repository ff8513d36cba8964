"""What a metric is, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from simmorph.data.events import Events


class Estimate(NamedTuple):
    """A number and its standard uncertainty.

    Attributes:
        value: the estimate.
        uncertainty: one standard deviation of its statistical error.
    """

    value: float
    uncertainty: float

    def to_json(self) -> dict[str, float | None]:
        """The estimate with JSON's null in place of what is not defined."""
        return {name: float(number) if np.isfinite(number) else None for name, number in self._asdict().items()}

    def to_text(self, digits: int = 4) -> str:
        """The estimate as people write it."""
        return f"{self.value:.{digits}f} ± {self.uncertainty:.{digits}f}"


Metric = Callable[[Events, Events, np.random.Generator], Estimate]
"""How far a template (first) is from its target (second); the generator is its only source of randomness."""
