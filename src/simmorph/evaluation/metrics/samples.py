"""The samples of one region, and the equally large parts of them that the metrics compare."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from simmorph.data.events import Events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.data.events import BoolArray, FloatArray

COMPARISONS = ("source_vs_target", "template_vs_target", "target_vs_target")
"""What is compared: the simulation as it was, as it became, and the target with itself: the null."""


N_SPLITS = 5
"""Random splits of the target that the null is the mean of."""

Pair = tuple[Events, Events]


@dataclass(frozen=True, eq=False)
class Cut:
    """A cut, and which events pass it.

    Attributes:
        expression: as text.
        is_automatic: whether it was read off the target and not given.
        passing: by sample (source, moved, template, target), (n_events,) each.
    """

    expression: str
    is_automatic: bool
    passing: Mapping[str, BoolArray]


@dataclass(frozen=True, eq=False)
class Samples:
    """What is compared in one region.

    Attributes:
        names: of the columns: the features, then the derived quantities.
        n_features: how many of the columns are features.
        source: events that training has not seen; none if a generator drew the template from nothing.
        template: the morphed source in this region, or what a generator drew.
        moved: the source's events, row by row, after the map; the same as `template` if the map moves none across the
            region's border.
        target: events that training has not seen.
        spare: further target events that are drawn like `target`, though training has seen them. They only enter the
            null, where no map is judged.
        context_names: of the context's columns.
        conditions: what profiles are taken against: (n_events,) values by name and sample (source, template, target).
        cuts: of the acceptance, by name.
    """

    names: tuple[str, ...]
    n_features: int
    source: Events
    template: Events
    moved: Events
    target: Events
    spare: Events
    context_names: tuple[str, ...] = ()
    conditions: Mapping[str, Mapping[str, FloatArray]] = field(default_factory=dict)
    cuts: Mapping[str, Cut] = field(default_factory=dict)

    @property
    def has_source(self) -> bool:
        """Whether there is something that the template was made of."""
        return len(self.source) > 0

    def by_name(self) -> dict[str, Events]:
        """The samples that are shown: three, or two without a source."""
        source = {"source": self.source} if self.has_source else {}
        return {**source, "template": self.template, "target": self.target}

    def rows(self) -> tuple[Events, Events, Events]:
        """Source, the same events after the map, and target: without the derived quantities."""
        source, moved, target = (
            it.with_features(it.features[:, : self.n_features]) for it in (self.source, self.moved, self.target)
        )
        return source, moved, target


@dataclass(frozen=True, eq=False)
class EqualSamples:
    """Parts of the samples with the same number of events, so that comparison and null are equally sensitive.

    Attributes:
        source: part of the source; empty if there is none.
        template: part of the template.
        target: part of the target.
        splits: disjoint pairs of parts of the target; each pair is a random split of its own.
        null: where those came from, in words.
    """

    source: Events
    template: Events
    target: Events
    splits: tuple[Pair, ...]
    null: str

    def __len__(self) -> int:
        return len(self.target)

    def pairs(self) -> dict[str, tuple[Pair, ...]]:
        """The two samples of each comparison; the null has one pair for each split."""
        one_each: list[tuple[Pair, ...]] = [((first, self.target),) for first in (self.source, self.template)]
        found = dict(zip(COMPARISONS, [*one_each, self.splits], strict=True))
        return {name: pairs for name, pairs in found.items() if len(pairs[0][0])}

    def of_context(self) -> EqualSamples:
        """The same parts with the context in place of the features."""
        return replace(
            self,
            source=_context(self.source),
            template=_context(self.template),
            target=_context(self.target),
            splits=tuple((_context(first), _context(second)) for first, second in self.splits),
        )


def equal_samples(samples: Samples, max_events: int, rng: np.random.Generator) -> EqualSamples:
    """Equally large parts of source, template and target, and splits of the target for the null.

    Each split deals the whole target, and the events that training has seen if they are drawn alike, anew into two
    disjoint sets. Given the events, the splits are independent, and none favours either side: the mean over them has
    the noise of one divided by the root of their number. One split would add as much noise as the template itself.
    """
    pool = Events.concatenate([samples.target, samples.spare])
    size = min(*map(len, samples.by_name().values()), len(pool) // 2, max_events)
    source, template, target = (_part(it, size, rng) for it in (samples.source, samples.template, samples.target))
    splits = tuple(_split(pool, size, rng) for _ in range(N_SPLITS))
    null = f"the mean of {N_SPLITS} random splits of {len(pool):,} target events into two disjoint sets of {size:,}"
    if len(samples.spare):
        null += f" ({len(samples.spare):,} of them seen in training, which does not matter where no map is judged)"
    return EqualSamples(source, template, target, splits, null)


def _split(pool: Events, size: int, rng: np.random.Generator) -> Pair:
    dealt = rng.permutation(len(pool))
    return pool[dealt[:size]], pool[dealt[size : 2 * size]]


def _part(events: Events, size: int, rng: np.random.Generator) -> Events:
    return events[np.sort(rng.permutation(len(events))[:size])]


def _context(events: Events) -> Events:
    return events.with_features(events.context)
