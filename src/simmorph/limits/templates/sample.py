"""Samples of a limit: a histogram and what is uncertain of it.

All is frozen: `part`, `scaled` and `moved_to` give new samples in which histogram, modifiers, replicas and truth
changed together, so that none is left in other bins or units than the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Self

from simmorph.limits.modifiers.histosys import HistoSys
from simmorph.limits.modifiers.staterror import StatError
from simmorph.limits.templates.amplification import eigen_variations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simmorph.data.events import BoolArray, FloatArray
    from simmorph.data.histograms import Histogram
    from simmorph.data.quality.outside import Outside
    from simmorph.limits.modifiers.base import Modifier
    from simmorph.limits.templates.sideband import SidebandFit


@dataclass(frozen=True, eq=False)
class Sample:
    """One template and its uncertainties.

    Attributes:
        histogram: the yields.
        is_signal: whether the parameter of interest scales it.
        modifiers: its uncertainties, and its normalisation if that is fitted.
        training: what the training of its method leaves uncertain, as variations of its bins.
        replicas: the template from each replica of the method that generated it.
        spread: how the spread of these replicas became `training`; None if it did not.
        retrained: the template from the method trained on other events, with the same sum.
        truth: (n_bins,), what the template is tested against, with the same sum; None if nothing is known.
    """

    histogram: Histogram
    is_signal: bool
    modifiers: tuple[Modifier, ...] = ()
    training: tuple[Modifier, ...] = ()
    replicas: tuple[Histogram, ...] = ()
    spread: ReplicaSpread | None = None
    retrained: tuple[Histogram, ...] = ()
    truth: FloatArray | None = None

    @classmethod
    def with_statistics(cls, histogram: Histogram) -> Self:
        """A background of which nothing but its finite number of events is uncertain."""
        return cls(histogram, False, (StatError.of(histogram),))

    def part(self, bins: BoolArray) -> Sample:
        """The bins that are marked."""
        truth = None if self.truth is None else self.truth[bins]
        return self._changed(lambda it: it.part(bins), lambda it: it.part(bins), truth)

    def scaled(self, factor: float) -> Sample:
        """With all yields times a factor."""
        truth = None if self.truth is None else self.truth * factor
        return self._changed(lambda it: it.scaled(factor), lambda it: it.scaled(factor), truth)

    def _changed(
        self,
        histogram: Callable[[Histogram], Histogram],
        modifier: Callable[[Modifier], Modifier],
        truth: FloatArray | None,
    ) -> Sample:
        """With every histogram and every modifier changed."""
        return replace(
            self,
            histogram=histogram(self.histogram),
            modifiers=tuple(map(modifier, self.modifiers)),
            training=tuple(map(modifier, self.training)),
            replicas=tuple(map(histogram, self.replicas)),
            retrained=tuple(map(histogram, self.retrained)),
            truth=truth,
        )

    def moved_to(self, other: Histogram) -> Sample:
        """With other yields and their statistics, and the same further uncertainties; shapes shift along."""
        histogram = replace(self.histogram, values=other.values, variances=other.variances)
        modifiers, training = (
            tuple(it.moved(self.histogram, histogram) for it in some) for some in (self.modifiers, self.training)
        )
        return replace(self, histogram=histogram, modifiers=modifiers, training=training)

    def and_modifiers(self, *modifiers: Modifier) -> Sample:
        """With further modifiers."""
        return replace(self, modifiers=(*self.modifiers, *modifiers))

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

    def variations(self, nominal: Histogram, replicas: Sequence[Histogram]) -> list[HistoSys]:
        """A variation for each principal component."""
        shifts = eigen_variations(nominal, replicas, **self._asdict())
        return [HistoSys.of_shift(f"{nominal.name}_training_{i + 1}", nominal, it) for i, it in enumerate(shifts)]


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
    """

    samples: tuple[Sample, ...]
    data: Histogram
    is_asimov: bool
    used: BoolArray
    sideband_fit: SidebandFit | None = None
    outside: Mapping[str, Outside] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def in_likelihood(self) -> Templates:
        """Only the bins that enter the likelihood."""
        samples = tuple(sample.part(self.used) for sample in self.samples)
        return replace(self, samples=samples, data=self.data.part(self.used), used=self.used[self.used])
