"""The samples of one region, and the equally large parts of them that the metrics compare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simmorph.data.events import Events

COMPARISONS = ("source_vs_target", "template_vs_target", "target_vs_target")
"""What is compared: the simulation as it was, as it became, and the target with itself: the null."""


@dataclass(frozen=True, eq=False)
class Samples:
    """What is compared in one region.

    Attributes:
        names: of the columns: the features, then the derived quantities.
        n_features: how many of the columns are features.
        source: events that training has not seen.
        template: the morphed source in this region.
        moved: the source's events, row by row, after the map; the same as `template` if the map moves none across the
            region's border.
        target: events that training has not seen.
        spare: further target events that are drawn like `target`, though training has seen them. They only enter the
            null, where no map is judged.
    """

    names: tuple[str, ...]
    n_features: int
    source: Events
    template: Events
    moved: Events
    target: Events
    spare: Events

    def by_name(self) -> dict[str, Events]:
        """The three samples that are shown."""
        return {"source": self.source, "template": self.template, "target": self.target}

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
        source: part of the source.
        template: part of the template.
        target: part of the target.
        again: further events of the target.
        null: where those came from, in words.
    """

    source: Events
    template: Events
    target: Events
    again: Events
    null: str

    def __len__(self) -> int:
        return len(self.target)

    def pairs(self) -> dict[str, tuple[Events, Events]]:
        """The two samples of each comparison."""
        firsts = (self.source, self.template, self.again)
        return {name: (first, self.target) for name, first in zip(COMPARISONS, firsts, strict=True)}


def equal_samples(samples: Samples, max_events: int, rng: np.random.Generator) -> EqualSamples:
    """Equally large parts of source, template, target, and of the target again for the null.

    The null sets the target against further events of itself: those that training has seen, if they are drawn alike,
    and the other half of the target if not.
    """
    n_targets = len(samples.target) + len(samples.spare)
    size = min(len(samples.source), len(samples.template), len(samples.target), n_targets // 2, max_events)
    target = samples.target[rng.permutation(len(samples.target))]
    rest = Events.concatenate([samples.spare, target[size:]])
    null = f"{size} target events against {min(size, len(samples.spare))} that training has seen"
    if len(samples.spare) < size:
        null = f"two random, disjoint sets of {size} target events"
    source, template = _part(samples.source, size, rng), _part(samples.template, size, rng)
    return EqualSamples(source, template, target[:size], rest[:size], null)


def _part(events: Events, size: int, rng: np.random.Generator) -> Events:
    return events[np.sort(rng.permutation(len(events))[:size])]
