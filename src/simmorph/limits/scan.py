"""What an amplified background is worth: limits against luminosity, generated events, and the size of a systematic.

The three studies of Gavranovic and Kersevan, "Normalizing flows for physics data analyses" (2023): the fitted strength
against luminosity, its upper limit against luminosity for several sizes of the generated sample, and what a generated
background costs beside a simulated one, against that size. The data are expected ones (Asimov): the closure events,
scaled, and the signal. The simulated reference is the template that these data come from: it closes by construction.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.limits.building import workspace_of
from simmorph.limits.inference import AsymptoticCls, fitted_strength, upper_limits
from simmorph.limits.templates import Sample, Templates
from simmorph.limits.workspace import measurement_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from simmorph.config.limits import ScanSettings
    from simmorph.limits.histograms import Histogram

SYSTEMATIC = "beta"


class Point(NamedTuple):
    """One limit of a scan.

    Attributes:
        luminosity: in 1/fb.
        generated: how many generated events the template comes from; None for the simulated reference.
        beta: relative size of the systematic uncertainty of the background.
        fitted: strength.
        uncertainty: of the fitted strength.
        observed: upper limit, with the injected signal in the data.
        expected: median upper limit without a signal.
    """

    luminosity: float
    generated: int | None
    beta: float
    fitted: float
    uncertainty: float
    observed: float
    expected: float


def scan_points(  # noqa: PLR0913 - what is scanned, and over what
    settings: ScanSettings,
    *,
    signal: Histogram,
    generated: Mapping[int, Sample],
    simulated: Histogram,
    parameter: str = "mu",
    level: float = 0.95,
    note: Callable[[str], None] = lambda _: None,
) -> Iterator[Point]:
    """A limit for each luminosity, size of the generated sample, and size of the systematic.

    Args:
        settings: the grid, and how many events a luminosity brings.
        signal: its shape; the number of events comes from the settings.
        generated: by the number of generated events, the template with its uncertainties.
        simulated: the closure events: reference template and expected data.
        parameter: what the strength is called.
        level: confidence level.
        note: is told of each luminosity.
    """
    named = {number: _background(sample) for number, sample in generated.items()}
    rows: list[tuple[int | None, Sample]] = [*named.items(), (None, _background(Sample(simulated, False)))]
    for luminosity in settings.luminosity:
        n_background = settings.background_per_fb * luminosity
        true = simulated.scaled(n_background / simulated.values.sum())
        strength_1 = replace(signal, name="signal").scaled(
            settings.signal_fraction * n_background / signal.values.sum()
        )
        data = replace(true, values=true.values + settings.injected * strength_1.values, name="Asimov data")
        for beta in settings.beta:
            for number, sample in rows:
                background = sample.scaled(n_background / sample.histogram.values.sum())
                background = _with_systematic(background, beta, settings.beta_type)
                samples = (Sample(strength_1, True, statistics=False), background)
                templates = Templates(samples, data, True, np.ones(len(data.values), np.bool_))
                ready = measurement_of(workspace_of(templates, parameter), "scan")
                limits = upper_limits(AsymptoticCls(ready.likelihood, ready.data), level)
                found = fitted_strength(ready.likelihood, ready.data, sides=False)
                yield Point(
                    *(luminosity, number, beta, found.value, found.uncertainty, limits.observed, limits.expected[2])
                )
        note(f"luminosity {luminosity:g}/fb: {n_background:g} background events")


def _background(sample: Sample) -> Sample:
    return replace(sample, histogram=replace(sample.histogram, name="background"))


def _with_systematic(sample: Sample, beta: float, kind: str) -> Sample:
    if kind == "normsys":
        return replace(sample, scalings={**(sample.scalings or {}), SYSTEMATIC: beta})
    return replace(sample, uncorrelated={**(sample.uncorrelated or {}), SYSTEMATIC: beta})
