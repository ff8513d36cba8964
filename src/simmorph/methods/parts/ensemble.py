"""Several methods of one kind that began with other random numbers, as one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from torch import nn

from simmorph.data.splits import uniform_of
from simmorph.methods.base import Method, Moved, Notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.data.events import Events, FloatArray
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training

MEMBER_STREAM = 0x454E_5345


class Ensemble(Method):
    """Methods that differ in their random start alone, trained one after the other on the same events.

    What a single training leaves to chance, such as where a flow stopped, averages out.

    Args:
        members: at least two, of the same kind and shape.
    """

    def __init__(self, members: Sequence[Method]) -> None:
        super().__init__(members[0].n_features, members[0].n_context)
        self._stand_for(members[0])
        self.members = nn.ModuleList(members)

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Train each member."""
        history: dict[str, History] = {}
        for number, member in enumerate(self.methods):
            trained = member.fit(source, target, replace(how, member=number))
            history |= {record.stage: record for record in trained.values()}
        return history

    def notes(self, source: Events, template: Events) -> Notes:
        """What the members say, averaged, and how far they disagree; see Method."""
        templates = [member.transform(source) for member in self.methods]
        said = [member.notes(source, its) for member, its in zip(self.methods, templates, strict=True)]
        numbers = {name: float(np.mean([it.numbers[name] for it in said])) for name in said[0].numbers}
        numbers |= super().notes(source, template).numbers
        if not self.methods[0].is_random:
            features = np.stack([its.features for its in templates])
            numbers["members_spread"] = float(np.sqrt(np.mean(features.var(axis=0, ddof=1)))) if len(source) else 0.0
        return Notes(numbers, list(dict.fromkeys(warning for it in said for warning in it.warnings)))

    @property
    def methods(self) -> list[Method]:
        """The members."""
        return [member for member in self.members if isinstance(member, Method)]


class MeanWeight(Ensemble):
    """Gives an event the mean of the weights of its members."""

    def _transform(self, events: Events) -> Events:
        """The events with their mean weights."""
        return events.with_weights(np.mean([member.transform(events).weights for member in self.methods], axis=0))


class MapMixture(Ensemble):
    """Leaves each event to one of its members, drawn by the event's id.

    The density that comes out is the mean of the members' densities, so that their errors average. The mean of their
    maps would be narrower than the target wherever they disagree, and fill gaps in which the target has no events.
    """

    is_random: ClassVar[bool] = True

    def _transform(self, events: Events) -> Events:
        """Each event as its member makes it."""
        return self._moved(events).events

    def _moved(self, events: Events) -> Moved:
        drawn = uniform_of(events.ids, int(self.noise_seed), MEMBER_STREAM)
        chosen = np.minimum((drawn * len(self.members)).astype(np.int64), len(self.members) - 1)
        features, held = events.features.copy(), np.zeros(len(events), np.bool_)
        for number, member in enumerate(self.methods):
            mine = chosen == number
            moved = member.moved(events[mine])
            features[mine], held[mine] = moved.events.features, moved.held
        return Moved(events.with_features(features), held)

    def log_density(self, events: Events) -> FloatArray | None:
        """(n_events,), the logarithm of the mean density of the members; None if they have none."""
        found = [member.log_density(events) for member in self.methods]
        known = [density for density in found if density is not None]
        return np.logaddexp.reduce(known, axis=0) - np.log(len(known)) if known else None


def ensemble_of(members: Sequence[Method]) -> Method:
    """The members as one method; a single one as it is."""
    if len(members) == 1:
        return members[0]
    return (MapMixture if members[0].kind.changes_features else MeanWeight)(members)
