"""What an amplified background is worth: limits against luminosity, generated events, and the size of a systematic.

The three studies of Gavranovic and Kersevan, "Normalizing flows for physics data analyses" (2023): the fitted strength
against luminosity, its upper limit against luminosity for several sizes of the generated sample, and what a generated
background costs beside a simulated one, against that size. The data are expected ones (Asimov): the closure events,
scaled, and the signal. The simulated reference is the template that these data come from: it closes by construction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.limits.fits.inference import AsymptoticCls, upper_limits
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.building import workspace_of
from simmorph.limits.model.workspace import AS_PYHF, measurement_of
from simmorph.limits.modifiers.base import Nominal, Size
from simmorph.limits.modifiers.registry import SYSTEMATICS
from simmorph.limits.templates.sample import Sample, Templates
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simmorph.config.limits import Interpolation
    from simmorph.config.studies import ScanSettings
    from simmorph.data.histograms import Histogram
    from simmorph.progress import Progress

SYSTEMATIC = "beta"
"""The name of the systematic uncertainty whose size is scanned."""


class GridPoint(NamedTuple):
    """Where in a scan a limit is: luminosity in 1/fb, generated events or None, and size of the systematic."""

    luminosity: float
    generated: int | None
    beta: float


class ScanPoint(NamedTuple):
    """One limit of a scan.

    Attributes:
        luminosity: in 1/fb.
        generated: how many generated events the template comes from; None for the simulated reference.
        beta: relative size of the systematic uncertainty of the background.
        fitted: strength.
        uncertainty: of the fitted strength; None at an edge, or where it is not determined.
        observed: upper limit, with the injected signal in the data.
        expected: median upper limit without a signal.
    """

    luminosity: float
    generated: int | None
    beta: float
    fitted: float
    uncertainty: float | None
    observed: float
    expected: float

    @property
    def at(self) -> GridPoint:
        """Where it is."""
        return GridPoint(self.luminosity, self.generated, self.beta)


def scan_points(  # noqa: PLR0913 - what is scanned, and over what
    settings: ScanSettings,
    *,
    signal: Histogram,
    generated: Mapping[int, Sample],
    simulated: Histogram,
    parameter: str = "mu",
    level: float = 0.95,
    interpolation: Interpolation = AS_PYHF,
    known: Mapping[GridPoint, ScanPoint] | None = None,
    progress: Progress = silent,
) -> Iterator[ScanPoint]:
    """A limit for each luminosity, size of the generated sample, and size of the systematic.

    Every template is scaled to the background that the luminosity brings; the signal is a fixed fraction of it.

    Args:
        settings: the grid, and how many events a luminosity brings.
        signal: its shape; the number of events comes from the settings.
        generated: by the number of generated events, the template with its uncertainties.
        simulated: the closure events: reference template and expected data.
        parameter: what the strength is called.
        level: confidence level.
        interpolation: how the sides of the systematic are joined.
        known: points that need not be made again.
        progress: called after each luminosity.

    Raises:
        InputError: a bin of a template expects nothing, or the signal is 0 everywhere.
        NoLimitError: CLs does not fall below `1 - level` for any strength.
    """
    named = {number: _background(sample) for number, sample in generated.items()}
    rows: list[tuple[int | None, Sample]] = [*named.items(), (None, _background(Sample.with_statistics(simulated)))]
    known = known or {}
    for luminosity in settings.luminosity:
        bench = _Bench.of(settings, luminosity, signal, simulated, parameter, level, interpolation)
        for beta in settings.beta:
            for number, sample in rows:
                at = GridPoint(luminosity, number, beta)
                yield known[at] if at in known else bench.point(at, sample)
        progress(f"luminosity {luminosity:g}/fb: {bench.n_background:g} background events")


@dataclass(frozen=True, eq=False)
class _Bench:
    """What all points at one luminosity share.

    Attributes:
        n_background: expected background events.
        signal: at a strength of 1.
        data: the expected ones, signal included.
        beta_type: how the systematic acts.
        parameter: what the strength is called.
        level: confidence level.
        interpolation: how the sides of the systematic are joined.
    """

    n_background: float
    signal: Histogram
    data: Histogram
    beta_type: str
    parameter: str
    level: float
    interpolation: Interpolation

    @classmethod
    def of(  # noqa: PLR0913, PLR0917
        cls, settings: ScanSettings, luminosity: float, signal: Histogram, simulated: Histogram,
        parameter: str, level: float, interpolation: Interpolation,
    ) -> _Bench:  # fmt: skip
        """Everything at one luminosity: true background, signal at a strength of 1, and the Asimov data of both."""
        n_background = settings.background_per_fb * luminosity
        true = simulated.scaled(n_background / simulated.values.sum())
        at_1 = replace(signal, name="signal").scaled(settings.signal_fraction * n_background / signal.values.sum())
        data = replace(true, values=true.values + settings.injected * at_1.values, name="Asimov data")
        return cls(n_background, at_1, data, settings.beta_type, parameter, level, interpolation)

    def point(self, at: GridPoint, sample: Sample) -> ScanPoint:
        """The limit with this background, scaled to what is expected."""
        background = sample.scaled(self.n_background / sample.histogram.values.sum())
        nominal = Nominal(background.histogram, "", lambda _: background.histogram.values)
        systematic = SYSTEMATICS[self.beta_type].of_recipe(SYSTEMATIC, Size(size=at.beta), nominal)
        samples = (Sample(self.signal, True), background.and_modifiers(systematic))
        templates = Templates(samples, self.data, True, np.ones(len(self.data.values), np.bool_))
        ready = measurement_of(workspace_of(templates, self.parameter), "scan", interpolation=self.interpolation)
        limits = upper_limits(AsymptoticCls(ready.likelihood, ready.data), self.level)
        found = fitted_strength(ready.likelihood, ready.data, sides=False)
        return ScanPoint(*at, found.value, found.curvature, limits.observed, limits.expected[2])


def _background(sample: Sample) -> Sample:
    """The sample under the one name that every point of the scan gives it."""
    return replace(sample, histogram=replace(sample.histogram, name="background"))
