"""A reweighting before or after another method: of the context first, or of what a morph leaves over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.data.events import Events
from simmorph.methods.base import Method, Moved, Notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training

BEFORE, AFTER = "reweight", "then"
"""What the stages, numbers and checkpoints of a reweighting begin with."""


class Reweighted(Method):
    """Two methods in a row: one reweights the source by its context alone, the other learns from what comes out.

    Map and reweighting are kept together: an event's weight is multiplied by its factor whenever it is transformed, so
    that a template is compared with the target at the target's spectrum of contexts.

    Args:
        reweighting: a reweighting whose features are the columns of the context.
        columns: of the context, those that are looked at.
        method: what is learnt after it, a morph or a reweighting.
    """

    def __init__(self, reweighting: Method, columns: Sequence[int], method: Method) -> None:
        super().__init__(method.n_features, method.n_context)
        self._stand_for(method)
        self.reweighting, self.columns, self.method = reweighting, list(columns), method

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Learn the factors, then the rest."""
        history = _fit_apart(self.reweighting, self._shown(source), self._shown(target), how, BEFORE)
        return history | self.method.fit(self._reweighted(source), target, how)

    def _transform(self, events: Events) -> Events:
        """The events with their factors in the weights, transformed."""
        return self._moved(events).events

    def _moved(self, events: Events) -> Moved:
        return self.method.moved(self._reweighted(events))

    def notes(self, source: Events, template: Events) -> Notes:
        """What both have to say; see Method. What is left after the factors is `reweight_effective_fraction`."""
        shown = self._shown(source)
        first = self.reweighting.notes(shown, self.reweighting.transform(shown))
        then = self.method.notes(self._reweighted(source), template)
        return _together(_renamed(first, BEFORE), then)

    def _shown(self, events: Events) -> Events:
        """The chosen columns of the context in the place of features."""
        return Events.of(events.context[:, self.columns], None, events.weights, events.ids)

    def _reweighted(self, events: Events) -> Events:
        return events.with_weights(self.reweighting.transform(self._shown(events)).weights)


class ThenReweighted(Method):
    """Two methods in a row: a morph, then a reweighting of what it leaves over.

    The reweighting is learnt between the morphed source and the target, from the same parts as the morph. It believes
    what it learns as far as its own folds confirm it, and is normalised by events that it has not seen; what the morph
    knows of single training events is not taken out. Features change as those of the morph, and each weight is
    multiplied by a factor, which costs statistical power: `then_effective_fraction` of it is left.

    Args:
        method: a morph.
        reweighting: a reweighting of the same features and context.
    """

    def __init__(self, method: Method, reweighting: Method) -> None:
        super().__init__(method.n_features, method.n_context)
        self._stand_for(method)
        self.method, self.reweighting = method, reweighting

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Learn the morph, then the factors."""
        history = self.method.fit(source, target, how)
        return history | _fit_apart(self.reweighting, _known(self.method.transform(source)), target, how, AFTER)

    def _transform(self, events: Events) -> Events:
        """The events, morphed, with their factors in the weights."""
        return self._moved(events).events

    def _moved(self, events: Events) -> Moved:
        moved = self.method.moved(events)
        return moved._replace(events=self.reweighting.transform(moved.events))

    def notes(self, source: Events, template: Events) -> Notes:
        """What both have to say; see Method."""
        moved = template.with_weights(source.weights)
        of_weights = self.reweighting.notes(_known(moved), _known(template))
        both = _together(self.method.notes(source, moved), _renamed(of_weights, AFTER))
        return _together(both, super().notes(source, template))


def _known(events: Events) -> Events:
    """Those events that a morph could morph."""
    return events[np.asarray(np.isfinite(events.features).all(axis=1))]


def _fit_apart(method: Method, source: Events, target: Events, how: Training, prefix: str) -> dict[str, History]:
    """Train a method whose stages, checkpoints and log lines have a prefix of their own."""

    def progress(record: Mapping[str, Any]) -> None:
        how.progress({**record, "stage": f"{prefix}-{record['stage']}"})

    apart = replace(how, checkpoint=how.checkpoint and how.checkpoint / prefix, progress=progress)
    trained = method.fit(source, target, apart)
    return {f"{prefix}-{stage}": replace(it, stage=f"{prefix}-{stage}") for stage, it in trained.items()}


def _renamed(notes: Notes, prefix: str) -> Notes:
    """The same with a prefix before the name of each number."""
    return notes._replace(numbers={f"{prefix}_{name}": value for name, value in notes.numbers.items()})


def _together(first: Notes, second: Notes) -> Notes:
    """All that both say; of a number that both have the second."""
    return Notes(first.numbers | second.numbers, list(dict.fromkeys([*first.warnings, *second.warnings])))
