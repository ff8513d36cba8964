"""What the best fit expects in every bin."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray
    from simmorph.limits.likelihood import Data, Likelihood


class FittedYields(NamedTuple):
    """Yields at the best fit.

    Attributes:
        background: (n_bins,), without the signal.
        uncertainty: (n_bins,), of the background, correlations of the parameters included.
        signal: (n_bins,), may be negative.
    """

    background: FloatArray
    uncertainty: FloatArray
    signal: FloatArray


def fitted_yields(likelihood: Likelihood, data: Data, parameters: FloatArray) -> FittedYields:
    """Background and signal in every bin at the fitted parameters."""
    without = parameters.copy()
    without[likelihood.poi] = 0.0
    background, slopes = likelihood.yields.with_slopes(without)
    slopes[likelihood.poi] = 0.0
    variances = np.einsum("ib,ij,jb->b", slopes, likelihood.covariance(data, parameters), slopes)
    signal = likelihood.expected(parameters).main - background
    return FittedYields(background, np.sqrt(np.maximum(variances, 0.0)), signal)
