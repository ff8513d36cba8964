"""The observable's distribution in each channel, data and best fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simmorph.data.histograms import Histogram
from simmorph.limits.fits.postfit import FittedYields, fitted_yields
from simmorph.limits.model.building import CHANNEL
from simmorph.limits.report.plots import BIN, Spectrum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.data.events import FloatArray
    from simmorph.limits.fits.strength import FittedStrength
    from simmorph.limits.model.workspace import Measurement
    from simmorph.limits.templates.sample import Templates

DATA, ASIMOV = "Data", "Asimov data"
"""What the points are called."""


def spectra_of(
    channels: Mapping[str, Templates], ready: Measurement, strength: FittedStrength, labels: Mapping[str, str]
) -> list[Spectrum]:
    """The spectrum of each channel of a recipe: the fit in the bins that it used, and the templates elsewhere.

    Args:
        channels: the templates.
        ready: the measurement.
        strength: fitted to it.
        labels: of the observable, by channel.
    """
    fits = fitted_yields(ready.likelihood, ready.data, strength.fit.parameters)
    spectra = []
    for name, templates in channels.items():
        fitted = _with_unused(templates, fits[name or CHANNEL], strength.value)
        data_label = ASIMOV if templates.is_asimov else DATA
        spectra.append(Spectrum(templates.data, fitted, labels[name], data_label, name, templates.used))
    return spectra


def _with_unused(templates: Templates, fit: FittedYields, strength: float) -> FittedYields:
    """What was fitted in the bins of the likelihood, and the templates before the fit in all others.

    The uncertainty outside is that of the number of events alone.

    Args:
        templates: of the channel, all bins.
        fit: (n_used,) yields.
        strength: by which the signal outside is multiplied.
    """
    used = templates.used

    def merged(elsewhere: FloatArray, in_fit: FloatArray) -> FloatArray:
        whole = np.array(elsewhere, np.float64)
        whole[used] = in_fit
        return whole

    backgrounds = [sample.histogram for sample in templates.samples if not sample.is_signal]
    signals = [sample.histogram for sample in templates.samples if sample.is_signal]
    spread = np.sqrt(np.sum([it.variances for it in backgrounds], axis=0))
    nothing = np.zeros(int(used.sum()))
    return FittedYields(
        merged(np.sum([it.values for it in backgrounds], axis=0), fit.background),
        merged(spread, fit.uncertainty),
        merged(strength * np.sum([it.values for it in signals], axis=0), fit.signal),
        {it.name: merged(it.values, fit.samples.get(it.name, nothing)) for it in backgrounds},
        merged(spread, fit.total_uncertainty),
    )


def spectra_of_bins(ready: Measurement, strength: FittedStrength, *, is_asimov: bool = False) -> list[Spectrum]:
    """The spectrum of each channel of a workspace, which knows bins but no observable.

    The bins are numbered from 1, with edges at half-integers, and the variances of the data are the counts.

    Args:
        ready: the measurement.
        strength: fitted to it.
        is_asimov: whether the counts are expected ones.
    """
    fits = fitted_yields(ready.likelihood, ready.data, strength.fit.parameters)
    places = ready.likelihood.model.config.channel_slices
    spectra = []
    for name, fitted in fits.items():
        counts = ready.data.main[places[name]]
        histogram = Histogram(np.arange(len(counts) + 1, dtype=np.float64) + 0.5, counts, counts, name)
        spectra.append(Spectrum(histogram, fitted, BIN, ASIMOV if is_asimov else DATA, channel=name))
    return spectra
