"""Samples of a limit: a histogram and what is uncertain of it.

All is frozen: `part`, `scaled` and `moved_to` give new samples in which histogram, modifiers, replicas and truth
changed together, so that none is left in other bins or units than the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from simmorph.data.histograms import side_by_side
from simmorph.limits.modifiers.histosys import HistoSys
from simmorph.limits.modifiers.staterror import StatError
from simmorph.limits.templates.amplification import eigen_variations, principal_shifts
from simmorph.limits.templates.correction import Given, correction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simmorph.data.events import BoolArray, FloatArray
    from simmorph.data.histograms import Histogram
    from simmorph.data.quality.outside import Outside
    from simmorph.limits.modifiers.base import Modifier
    from simmorph.limits.templates.correction import Correction
    from simmorph.limits.templates.sideband import SidebandFit


SMALL = 1e-6
"""Relative change of a normalisation that is none."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One template and its uncertainties.

    Attributes:
        histogram: the yields.
        is_signal: whether a strength scales it.
        modifiers: its uncertainties, and its normalisation if that is fitted.
        training: what the training of its method leaves uncertain, as shifts of its bins.
        replicas: the template from each replica of the method that generated it.
        spread: how the spread of these replicas became `training`; None if it did not.
        retrained: the template from the method trained on other events, with the same sum.
        truth: (n_bins,), what the template is tested against, with the same sum; None if nothing is known.
        given: the simulated events that it is, or is to be, corrected by; None if it is taken as it is.
        drawn: itself before the correction; None if there was none.
        correction: what the simulated events said of it.
        strength: what scales a signal that has a strength of its own; empty if it is that of all.
    """

    histogram: Histogram
    is_signal: bool
    modifiers: tuple[Modifier, ...] = ()
    training: tuple[HistoSys, ...] = ()
    replicas: tuple[Histogram, ...] = ()
    spread: ReplicaSpread | None = None
    retrained: tuple[Histogram, ...] = ()
    truth: FloatArray | None = None
    given: Given | None = None
    drawn: Sample | None = None
    correction: Correction | None = None
    strength: str = ""

    @classmethod
    def with_statistics(cls, histogram: Histogram) -> Self:
        """A background of which nothing but its finite number of events is uncertain."""
        return cls(histogram, False, (StatError.of(histogram),))

    def part(self, bins: BoolArray) -> Sample:
        """The bins that are marked."""
        drawn = None if self.drawn is None else self.drawn.part(bins)
        truth = None if self.truth is None else self.truth[bins]
        return replace(self._changed(lambda it: it.part(bins)), truth=truth, drawn=drawn)

    def scaled(self, factor: float) -> Sample:
        """With all yields times a factor."""
        drawn = None if self.drawn is None else self.drawn.scaled(factor)
        truth = None if self.truth is None else self.truth * factor
        return replace(self._changed(lambda it: it.scaled(factor)), truth=truth, drawn=drawn)

    def _changed(self, change: Callable[[Any], Any]) -> Sample:
        """With every histogram and every modifier changed."""
        return replace(
            self,
            histogram=change(self.histogram),
            modifiers=tuple(map(change, self.modifiers)),
            training=tuple(map(change, self.training)),
            replicas=tuple(map(change, self.replicas)),
            retrained=tuple(map(change, self.retrained)),
            given=None if self.given is None else self.given.changed(change),
        )

    def normalised(self, bins: BoolArray) -> Sample:
        """With variations that have its own yield in these bins, as it is scaled to what was seen there."""
        return replace(
            self,
            modifiers=tuple(it.normalised(self.histogram.values, bins) for it in self.modifiers),
            training=tuple(it.normalised(self.histogram.values, bins) for it in self.training),
        )

    def moved_to(self, other: Histogram) -> Sample:
        """With other yields and their statistics, and the same further uncertainties; shapes shift along."""
        histogram = replace(self.histogram, values=other.values, variances=other.variances)
        return replace(
            self,
            histogram=histogram,
            modifiers=tuple(it.moved(self.histogram, histogram) for it in self.modifiers),
            training=tuple(it.moved(self.histogram, histogram) for it in self.training),
        )

    def and_modifiers(self, *modifiers: Modifier) -> Sample:
        """With further modifiers."""
        return replace(self, modifiers=(*self.modifiers, *modifiers))

    def corrected(self, signal: FloatArray, suffix: str = "") -> Sample:
        """Corrected by the simulated events that are given, with what is uncertain of that; see `correction`.

        Args:
            signal: (n_bins,), the yields of the signal.
            suffix: ends the names of the variations.

        Raises:
            ValueError: no events are given.
            InputError: their weights have no positive sum.
        """
        if self.given is None:
            raise ValueError("a correction needs simulated events")
        of_replicas = np.reshape([it.up - self.histogram.values for it in self.training], (-1, len(signal)))
        spread = of_replicas.T @ of_replicas if self.training else None
        found = correction(self.histogram, self.given, signal, spread)
        histogram = replace(self.histogram, values=found.values, variances=found.independent)
        shifts = principal_shifts(found.shared, found.values)
        of_sum = float(np.linalg.norm(of_replicas.sum(axis=1))) / self.histogram.values.sum()
        if of_sum > SMALL:  # simulated events tell of the shape alone
            shifts.append(of_sum * found.values)
        names = (f"{histogram.name}_training_{i + 1}{suffix}" for i in range(len(shifts)))
        training = tuple(HistoSys.of_shift(name, histogram, it) for name, it in zip(names, shifts, strict=True))
        return replace(self.moved_to(histogram), training=training, drawn=self, correction=found)

    def as_replica(self, number: int) -> Sample:
        """With this replica for a template, as if it were not among those whose spread is an uncertainty.

        A coverage study takes each replica in turn for the template: the others then have to cover its distance from
        the truth. With fewer than two others the variations of all stay.
        """
        others = [it for at, it in enumerate(self.replicas) if at != number]
        if self.spread is None or len(others) < 2:
            return self.moved_to(self.replicas[number])
        training = tuple(self.spread.variations(self.histogram, others))
        return replace(self, training=training).moved_to(self.replicas[number])


class ReplicaSpread(NamedTuple):
    """How the spread of replicas becomes an uncertainty; see `eigen_variations`.

    Attributes:
        shape_only: leave out what the replicas say of the normalisation.
        same_events: all replicas moved or weighted the same events.
    """

    shape_only: bool
    same_events: bool

    def variations(self, nominal: Histogram, replicas: Sequence[Histogram], suffix: str = "") -> list[HistoSys]:
        """A variation for each principal component, with this behind its name."""
        shifts = eigen_variations(nominal, replicas, **self._asdict())
        return [
            HistoSys.of_shift(f"{nominal.name}_training_{i + 1}{suffix}", nominal, it) for i, it in enumerate(shifts)
        ]

    def joint(self, samples: Sequence[Sample]) -> list[Sample]:
        """The samples of several channels, with components that move the bins of all of them together."""
        nominal = side_by_side([it.histogram for it in samples])
        replicas = [side_by_side(each) for each in zip(*(it.replicas for it in samples), strict=True)]
        ends = np.cumsum([len(it.histogram.values) for it in samples])[:-1]
        parts = [np.split(shift, ends) for shift in eigen_variations(nominal, replicas, **self._asdict())]
        return [
            replace(
                sample,
                training=tuple(
                    HistoSys.of_shift(f"{nominal.name}_training_{i + 1}", sample.histogram, part[at])
                    for i, part in enumerate(parts)
                ),
            )
            for at, sample in enumerate(samples)
        ]


@dataclass(frozen=True, eq=False)
class Templates:
    """All that a limit is made from.

    Attributes:
        samples: signals first, then backgrounds.
        data: the observed histogram, or the Asimov one.
        is_asimov: whether nothing was observed.
        used: (n_bins,), the bins that enter the likelihood.
        sideband_fit: the fitted curve, where the background is one.
        outside: the events of each sample and of the data that are in no bin.
        remarks: what is odd about their events.
        left_out: what of an uncertainty of a sample was too small, in words.
    """

    samples: tuple[Sample, ...]
    data: Histogram
    is_asimov: bool
    used: BoolArray
    sideband_fit: SidebandFit | None = None
    outside: Mapping[str, Outside] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    def with_sample(self, sample: Sample) -> Templates:
        """With this sample in place of the one of its name."""
        name = sample.histogram.name
        return replace(self, samples=tuple(sample if it.histogram.name == name else it for it in self.samples))

    def in_likelihood(self) -> Templates:
        """Only the bins that enter the likelihood."""
        samples = tuple(sample.part(self.used) for sample in self.samples)
        return replace(self, samples=samples, data=self.data.part(self.used), used=self.used[self.used])
