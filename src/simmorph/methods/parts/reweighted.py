"""A method that learns from a source whose context was made to agree with the target's first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from simmorph.data.events import Events
from simmorph.methods.base import Method, Notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training

PREFIX = "reweight"


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
        self.kind, self.own_steps = method.kind, method.own_steps
        self.reweighting, self.columns, self.method = reweighting, list(columns), method

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Learn the factors, then the rest."""
        of_context = self.reweighting.fit(self._shown(source), self._shown(target), _apart(how))
        history = {f"{PREFIX}-{stage}": replace(it, stage=f"{PREFIX}-{stage}") for stage, it in of_context.items()}
        return history | self.method.fit(self._reweighted(source), target, how)

    def _transform(self, events: Events) -> Events:
        """The events with their factors in the weights, transformed."""
        return self.method.transform(self._reweighted(events))

    def notes(self, source: Events, template: Events) -> Notes:
        """What both have to say; see Method. What is left after the factors is `reweight_effective_fraction`."""
        shown = self._shown(source)
        first = self.reweighting.notes(shown, self.reweighting.transform(shown))
        then = self.method.notes(self._reweighted(source), template)
        numbers = {f"{PREFIX}_{name}": value for name, value in first.numbers.items()}
        return Notes(numbers | then.numbers, list(dict.fromkeys([*first.warnings, *then.warnings])))

    def _shown(self, events: Events) -> Events:
        """The chosen columns of the context in the place of features."""
        return Events.of(events.context[:, self.columns], None, events.weights, events.ids)

    def _reweighted(self, events: Events) -> Events:
        return events.with_weights(self.reweighting.transform(self._shown(events)).weights)


def _apart(how: Training) -> Training:
    """The same training with checkpoints and log lines of its own."""

    def progress(record: Mapping[str, Any]) -> None:
        how.progress({**record, "stage": f"{PREFIX}-{record['stage']}"})

    return replace(how, checkpoint=how.checkpoint and how.checkpoint / PREFIX, progress=progress)
