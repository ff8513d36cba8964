"""A measured number with its uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


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


def mean_estimate(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of repeated estimates, such as those of random splits of one sample; a single one is returned as it is.

    Its uncertainty is the standard deviation of one estimate over the square root of their number. A handful of
    estimates knows that deviation poorly, so it is taken from the scatter or from the uncertainties that the estimates
    state (their root mean square), whichever is larger.
    """
    values, stated = np.array(estimates, np.float64).reshape(-1, 2).T
    deviation = float(np.sqrt(np.mean(stated**2)))
    if len(values) > 1:
        deviation = float(np.fmax(deviation, values.std(ddof=1)))
    return Estimate(float(values.mean()), deviation / len(values) ** 0.5)
