"""What the best fit expects in every bin: background with its uncertainty, signal, and each sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.limits.engine.yields import Expansion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.data.events import FloatArray
    from simmorph.limits.engine.covariance import Covariance
    from simmorph.limits.engine.yields import Yields
    from simmorph.limits.model.likelihood import Data, Likelihood


class FittedYields(NamedTuple):
    """Yields at the best fit.

    Attributes:
        background: (n_bins,), without the signal.
        uncertainty: (n_bins,), of the background, correlations of the parameters included.
        signal: (n_bins,), may be negative.
        samples: (n_bins,) of each sample of the background.
        total_uncertainty: (n_bins,), of background and signal together: the band of the fit.
    """

    background: FloatArray
    uncertainty: FloatArray
    signal: FloatArray
    samples: Mapping[str, FloatArray]
    total_uncertainty: FloatArray


def fitted_yields(likelihood: Likelihood, data: Data, parameters: FloatArray) -> dict[str, FittedYields]:
    """Background and signal in every bin of each channel at the fitted parameters.

    The variance of an expected number is J^T V J, with J its derivatives by the parameters and V their covariance at
    the best fit, with the strength free. That of the background is without the derivative by the strength, so that of
    all together may be smaller. Samples that expect nothing in a channel are not listed there.

    Args:
        likelihood: of the model.
        data: what was fitted; the covariance depends on it.
        parameters: (n_parameters,), at the best fit.
    """
    without = likelihood.at(0.0, parameters)
    spread, poi = likelihood.spread(data, parameters), likelihood.poi_place
    total, of_total = _yields(likelihood.yields, spread, parameters)
    background, uncertainty = _yields(likelihood.yields, spread, without, constant=poi)
    by_sample = np.asarray(likelihood.model.main_model.expected_data(without, return_by_sample=True), np.float64)
    config, found = likelihood.model.config, {}
    for channel, place in config.channel_slices.items():
        parts = {name: row[place] for name, row in zip(config.samples, by_sample, strict=True)}
        parts = {name: values for name, values in parts.items() if np.any(values != 0)}
        signal = (total - background)[place]
        found[channel] = FittedYields(background[place], uncertainty[place], signal, parts, of_total[place])
    return found


def _yields(
    yields: Yields, spread: Covariance, parameters: FloatArray, constant: int | None = None
) -> tuple[FloatArray, FloatArray]:
    """(n_bins,), what is expected, and its uncertainty; one global parameter may be taken as known."""
    near, local = Expansion(yields, parameters), parameters[yields.local]
    slopes = yields.of_bins(near.slopes(), local)
    if constant is not None:
        slopes[:, constant] = 0.0
    variances = spread.of_bins(slopes, near.sums[yields.n_bins :])
    return yields.of_bins(near.sums, local), np.sqrt(np.maximum(variances, 0.0))
