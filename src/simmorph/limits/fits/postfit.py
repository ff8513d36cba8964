"""What the best fit expects in every bin: background with its uncertainty, signal, and each sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.limits.engine.yields import Expansion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.data.events import FloatArray
    from simmorph.limits.model.likelihood import Data, Likelihood


class FittedYields(NamedTuple):
    """Yields at the best fit.

    Attributes:
        background: (n_bins,), without the signal.
        uncertainty: (n_bins,), of the background, correlations of the parameters included.
        signal: (n_bins,), may be negative.
        samples: (n_bins,) of each sample of the background.
    """

    background: FloatArray
    uncertainty: FloatArray
    signal: FloatArray
    samples: Mapping[str, FloatArray]


def fitted_yields(likelihood: Likelihood, data: Data, parameters: FloatArray) -> dict[str, FittedYields]:
    """Background and signal in every bin of each channel at the fitted parameters.

    The variance of the background b is J^T V J, with J the derivatives of b by the nuisance parameters and V their
    covariance at the best fit, with the strength free. Samples that expect nothing in a channel are
    not listed there.

    Args:
        likelihood: of the model.
        data: what was fitted; the covariance depends on it.
        parameters: (n_parameters,), at the best fit.
    """
    without = likelihood.at(0.0, parameters)
    yields = likelihood.yields
    near, local = Expansion(yields, without), without[yields.local]
    background, slopes = yields.of_bins(near.sums, local), yields.of_bins(near.slopes(), local)
    slopes[:, yields.shared == likelihood.poi] = 0.0
    variances = likelihood.spread(data, parameters).of_bins(slopes, near.sums[yields.n_bins :])
    uncertainty = np.sqrt(np.maximum(variances, 0.0))
    signal = likelihood.expected(parameters).main - background
    by_sample = np.asarray(likelihood.model.main_model.expected_data(without, return_by_sample=True), np.float64)
    config, found = likelihood.model.config, {}
    for channel, place in config.channel_slices.items():
        parts = {name: row[place] for name, row in zip(config.samples, by_sample, strict=True)}
        parts = {name: values for name, values in parts.items() if np.any(values != 0)}
        found[channel] = FittedYields(background[place], uncertainty[place], signal[place], parts)
    return found
