"""A method that learns from a source whose context was made to agree with the target's first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from simmorph.data.events import Events
from simmorph.errors import ConfigError
from simmorph.methods.base import Kind, Method, Notes
from simmorph.methods.registry import build_method

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.config.learning import ReweightSettings
    from simmorph.neural.history import History
    from simmorph.neural.training import Training

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

    kind: ClassVar[Kind] = "morph"

    def __init__(self, reweighting: Method, columns: Sequence[int], method: Method) -> None:
        super().__init__(method.n_features, method.n_context)
        self.reweighting, self.columns, self.method = reweighting, list(columns), method

    def fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Learn the factors, then the rest; see Method."""
        of_context = self.reweighting.fit(self._shown(source), self._shown(target), _apart(how))
        history = {f"{PREFIX}-{stage}": replace(it, stage=f"{PREFIX}-{stage}") for stage, it in of_context.items()}
        return history | self.method.fit(self._reweighted(source), target, how)

    def transform(self, events: Events) -> Events:
        """The events with their factors in the weights, transformed; see Method."""
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


class ReweightedTwice(Reweighted):
    """The same with a reweighting as second method: the features stay where they are."""

    kind: ClassVar[Kind] = "reweight"


def with_reweighting(method: Method, settings: ReweightSettings | None, context: Sequence[str]) -> Method:
    """The method after the reweighting that a recipe asks for; without one the method itself.

    Args:
        method: what is learnt, untrained.
        settings: the recipe's `reweight:` block.
        context: the names of all context variables.

    Raises:
        ConfigError: this is no reweighting, or its options are wrong, or a generator would follow.
    """
    if settings is None:
        return method
    columns = [list(context).index(name) for name in settings.variables or context]
    reweighting = build_method(settings, len(columns), 0)
    if reweighting.kind != "reweight":
        what = f"{settings.name!r} is no reweighting"
        raise ConfigError("recipe: reweight", what, "choose a method that changes weights, such as histogram")
    if method.kind == "generate":
        raise ConfigError("recipe: reweight", "a generator learns from no source", "leave `reweight` out")
    kind = ReweightedTwice if method.kind == "reweight" else Reweighted
    return kind(reweighting, columns, method)


def _apart(how: Training) -> Training:
    """The same training with checkpoints and log lines of its own."""

    def tell(record: Mapping[str, Any]) -> None:
        how.on_epoch({**record, "stage": f"{PREFIX}-{record['stage']}"})

    return replace(how, checkpoint=how.checkpoint and how.checkpoint / PREFIX, on_epoch=tell)
