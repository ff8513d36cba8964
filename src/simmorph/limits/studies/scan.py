"""What an amplified background is worth: limits against luminosity, generated events, and the size of a systematic.

The three studies of Gavranovic and Kersevan, "Normalizing flows for physics data analyses" (2023): the fitted strength
against luminosity, its upper limit against luminosity for several sizes of the generated sample, and what a generated
background costs beside a simulated one, against that size. The data are expected ones (Asimov): the closure events,
scaled, and the signal. The simulated reference is the template that these data come from: it closes by construction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.limits.fits.inference import AsymptoticCls, upper_limits
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.building import workspace_of
from simmorph.limits.model.workspace import AS_PYHF, measurement_of
from simmorph.limits.modifiers.base import Nominal, Size
from simmorph.limits.modifiers.registry import SYSTEMATICS
from simmorph.limits.templates.sample import Sample, Templates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.config.studies import ScanSettings
    from simmorph.config.values.interpolation import Interpolation
    from simmorph.data.histograms import Histogram

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


@dataclass(frozen=True, eq=False)
class Scan:
    """What is scanned, and over what; it can be sent to other processes.

    Every template is scaled to the background that the luminosity brings; the signal is a fixed fraction of it.

    Attributes:
        settings: the grid, and how many events a luminosity brings.
        signal: its shape; the number of events comes from the settings.
        generated: by the number of generated events, the template with its uncertainties.
        simulated: the closure events: reference template and expected data.
        parameter: what the strength is called.
        level: confidence level.
        interpolation: how the sides of the systematic are joined.
    """

    settings: ScanSettings
    signal: Histogram
    generated: Mapping[int, Sample]
    simulated: Histogram
    parameter: str = "mu"
    level: float = 0.95
    interpolation: Interpolation = AS_PYHF

    def grid(self) -> list[GridPoint]:
        """Every luminosity, size of the systematic, and size of the generated sample; the reference comes last."""
        numbers = [*self.generated, None]
        sizes = product(self.settings.luminosity, self.settings.beta, numbers)
        return [GridPoint(luminosity, number, beta) for luminosity, beta, number in sizes]

    def n_background(self, luminosity: float) -> float:
        """Expected background events."""
        return float(self.settings.background_per_fb * luminosity)

    def point(self, at: GridPoint) -> ScanPoint:
        """The limit with the background of a point, scaled to what is expected.

        Raises:
            InputError: a bin of a template expects nothing, or the signal is 0 everywhere.
            NoLimitError: CLs does not fall below `1 - level` for any strength.
        """
        signal, data = self._expected(at.luminosity)
        sample = Sample.with_statistics(self.simulated) if at.generated is None else self.generated[at.generated]
        sample = replace(sample, histogram=replace(sample.histogram, name="background"))
        background = sample.scaled(self.n_background(at.luminosity) / sample.histogram.values.sum())
        nominal = Nominal(background.histogram, "", lambda _: background.histogram.values)
        systematic = SYSTEMATICS[self.settings.beta_type].of_recipe(SYSTEMATIC, Size(size=at.beta), nominal)
        samples = (Sample(signal, True), background.and_modifiers(systematic))
        templates = Templates(samples, data, True, np.ones(len(data.values), np.bool_))
        ready = measurement_of(workspace_of(templates, self.parameter), "scan", interpolation=self.interpolation)
        limits = upper_limits(AsymptoticCls(ready.likelihood, ready.data), self.level)
        found = fitted_strength(ready.likelihood, ready.data, sides=False)
        return ScanPoint(*at, found.value, found.curvature, limits.observed, limits.expected[2])

    def _expected(self, luminosity: float) -> tuple[Histogram, Histogram]:
        """The signal at a strength of 1, and the Asimov data of it and the true background."""
        n_background, simulated = self.n_background(luminosity), self.simulated
        true = simulated.scaled(n_background / simulated.values.sum())
        n_signal = self.settings.signal_fraction * n_background
        at_1 = replace(self.signal, name="signal").scaled(n_signal / self.signal.values.sum())
        return at_1, replace(true, values=true.values + self.settings.injected * at_1.values, name="Asimov data")
