"""The samples of one region, and what of them is compared with each other: equally large parts, or all that helps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.data.events import Events

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simmorph.data.events import BoolArray, FloatArray

COMPARISONS = SOURCE, TEMPLATE, NULL = "source_vs_target", "template_vs_target", "target_vs_target"
"""What is compared: the simulation as it was, as it became, and the target with itself: the null."""
N_SPLITS = 5
"""Random splits of the target that the null of a ranking is the mean of."""
MOST_TIMES = 10
"""So many times the events of the smaller sample: more of the larger one take time, and sharpen nothing."""

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
        n_conditions: how many of these the map is conditioned on; the others are there for named judges alone. All of
            them by default.
        conditions: what profiles are taken against: (n_events,) values by name and sample (source, template, target).
        cuts: of the acceptance, by name.
        optimal: (n_source, n_features), where the optimal map takes the source; None where it is not known.
        partners: (n_source, n_features), the same events in the target, NaN where it lacks one; None without `pairs`.
        doubts: what is wrong with them, so that their numbers say nothing.
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
    n_conditions: int | None = None
    optimal: FloatArray | None = None
    partners: FloatArray | None = None
    doubts: tuple[str, ...] = ()

    @property
    def has_source(self) -> bool:
        """Whether there is something that the template was made of."""
        return len(self.source) > 0

    @property
    def derived(self) -> tuple[str, ...]:
        """The names of the quantities that are derived from the features."""
        return self.names[self.n_features :]

    @property
    def condition_names(self) -> tuple[str, ...]:
        """The names of the context that the map is conditioned on."""
        return self.context_names[: self.n_conditions]

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

    def seen(self, events: Events, names: Sequence[str]) -> Events:
        """Events with the named columns as features, whatever these are, and no context."""
        known = [*self.names, *self.context_names]
        columns = np.hstack([events.features, events.context])[:, [known.index(name) for name in names]]
        return Events(columns, events.context[:, :0], events.weights, events.ids)

    def of_context(self) -> Samples:
        """The same with the context that the map is conditioned on in place of the features."""

        def view(events: Events) -> Events:
            return events.with_features(events.context[:, : self.n_conditions])

        names = self.condition_names
        return replace(
            self,
            names=names,
            n_features=len(names),
            source=view(self.source),
            template=view(self.template),
            moved=view(self.moved),
            target=view(self.target),
            spare=view(self.spare),
        )

    def conditioned(self, events: Events) -> Events:
        """Events with the context that the map is conditioned on."""
        return events.with_context(events.context[:, : self.n_conditions])


class ComparedSamples(NamedTuple):
    """Samples as they are compared with each other: in pairs.

    Attributes:
        pairs: the two samples of each comparison; the null has one pair for each split.
        null: where the pairs of the null came from, in words.
    """

    pairs: Mapping[str, tuple[Pair, ...]]
    null: str

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """The numbers of events of each comparison: of the sample, and of the target beside it."""
        return {name: (len(found[0][0]), len(found[0][1])) for name, found in self.pairs.items()}

    @property
    def size(self) -> int:
        """The number of events of the smallest sample."""
        return min(map(min, self.sizes.values()))

    def of(self, view: Callable[[Events], Events]) -> ComparedSamples:
        """The same pairs with each sample seen in another way."""
        found = {name: tuple((view(one), view(other)) for one, other in its) for name, its in self.pairs.items()}
        return self._replace(pairs=found)


def random_of(seed: Sequence[int], what: str) -> np.random.Generator:
    """The random numbers of one thing that is drawn or measured: they depend on no other one.

    Args:
        seed: start of the random numbers of all.
        what: its name; another name gives another sequence.
    """
    return np.random.default_rng([*seed, 0, *what.encode()])


def equal_samples(
    samples: Samples,
    max_events: int,
    seed: Sequence[int],
    comparisons: Sequence[str] = COMPARISONS,
    n_splits: int = N_SPLITS,
) -> ComparedSamples:
    """Equally large parts of source, template and target, and splits of the target for the null.

    Each split divides the whole target, and the events that training has seen if they are drawn alike, anew into two
    disjoint sets. Given the events, the splits are independent, and none favours either side: the mean over them has
    the noise of one divided by the root of their number. One split would add as much noise as the template itself.

    Args:
        samples: of one region.
        max_events: largest number of events of a sample.
        seed: start of the random numbers; the target's part is the same for all templates.
        comparisons: those to make; without a source there is none of it.
        n_splits: random splits of the target that the null is the mean of.
    """
    pool = Events.concatenate([samples.target, samples.spare])
    size = min(*map(len, samples.by_name().values()), len(pool) // 2, max_events)
    pairs: dict[str, tuple[Pair, ...]] = {}
    for name, events in ((SOURCE, samples.source), (TEMPLATE, samples.template)):
        if name in comparisons and len(events):
            target = _part(samples.target, size, random_of(seed, "target"))
            pairs[name] = ((_part(events, size, random_of(seed, name)), target),)
    if NULL in comparisons:
        rng = random_of(seed, NULL)
        pairs[NULL] = tuple(_split(pool, size, rng) for _ in range(n_splits))
    return ComparedSamples(pairs, _null_in_words(samples, n_splits, size))


def largest_samples(samples: Samples, max_events: int, seed: Sequence[int]) -> ComparedSamples:
    """Source and template beside the target with all of their events, and a split of the target for the null.

    The halves of the split are as large as leaves the noise of template and target, as far as the target goes.

    Args:
        samples: of one region.
        max_events: largest number of events of a sample.
        seed: start of the random numbers.
    """
    pool = Events.concatenate([samples.target, samples.spare])
    pairs: dict[str, tuple[Pair, ...]] = {}
    for name, events in ((SOURCE, samples.source), (TEMPLATE, samples.template)):
        if len(events) or name == TEMPLATE:
            most = min(max_events, MOST_TIMES * min(len(events), len(samples.target)))
            target = _part(samples.target, most, random_of(seed, "target"))
            pairs[name] = ((_part(events, most, random_of(seed, name)), target),)
    n_template, n_target = map(len, pairs[TEMPLATE][0])
    mean = 2 * n_template * n_target // max(n_template + n_target, 1)
    size = min(mean, len(pool) // 2)
    pairs[NULL] = (_split(pool, size, random_of(seed, NULL)),)
    return ComparedSamples(pairs, _null_in_words(samples, 1, size))


def _null_in_words(samples: Samples, n_splits: int, size: int) -> str:
    """Where the pairs of the null came from."""
    n_pool = len(samples.target) + len(samples.spare)
    splits = "a random split" if n_splits == 1 else f"the mean of {n_splits} random splits"
    null = f"{splits} of {n_pool:,} target events into two disjoint sets of {size:,}"
    if len(samples.spare):
        null += f" ({len(samples.spare):,} of them seen in training, which does not matter where no map is judged)"
    return null


def _split(pool: Events, size: int, rng: np.random.Generator) -> Pair:
    """Two disjoint sets of `size` events, drawn at random from all."""
    order = rng.permutation(len(pool))
    return pool[order[:size]], pool[order[size : 2 * size]]


def _part(events: Events, size: int, rng: np.random.Generator) -> Events:
    """So many events drawn at random without replacement, in the order that they had."""
    return events[np.sort(rng.permutation(len(events))[:size])]
