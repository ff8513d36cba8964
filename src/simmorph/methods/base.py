"""What every method is: something learnt from two samples that turns events into events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import torch
from torch import nn

from simmorph.config.kind import Kind
from simmorph.data.events import Events
from simmorph.errors import InputError
from simmorph.neural.blocks import in_blocks
from simmorph.neural.loop.pace import USUAL, Need
from simmorph.neural.networks import initialise

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from simmorph.data.events import BoolArray, FloatArray
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training
    from simmorph.neural.reach import Reach

MIN_EFFECTIVE_FRACTION = 0.05


class Notes(NamedTuple):
    """What a user should know about a fitted map.

    Attributes:
        numbers: by name, such as the effective fraction of the events after reweighting.
        warnings: one sentence each.
    """

    numbers: dict[str, float]
    warnings: list[str]


class Moved(NamedTuple):
    """What a method made of events.

    Attributes:
        events: the same events in the same order.
        held: (n_events,), whether the map went beyond what the target has near the context, and was held back there.
    """

    events: Events
    held: BoolArray


class Method(nn.Module, ABC):
    """A map from events to events.

    Implementing a method:
        Write one file beside this one with a subclass: of this class if it moves features, of `Reweighting` or
        `Generator` otherwise. Its constructor takes `n_features` and `n_context`, then keyword arguments with defaults,
        the keys of the recipe's `method:` block. Write `_fit`, which calls `minimize()` once for each stage of
        training, and `_transform`, for which `_by_row` evaluates a function of tensors. Measure how many steps it
        takes, and say so in `needs`. Register every learnt number as a parameter or buffer, since the `state_dict` is
        all that is saved and the constructor is all that is called on loading. Add its name to METHODS. The contract
        test runs over it from then on.

    A map in closed form can leave all that it has seen. Its constructor sets `reach`, which `fit` teaches and which
    holds every result back.

    Events reach a method preprocessed (standardised, point masses spread, gaps closed); its result is transformed back.
    Weights are positive in `fit` (`refuse_negative_weights` sees to it), and of either sign in `transform`.
    """

    kind: Kind = Kind.MORPH
    needs: ClassVar[Need] = USUAL
    """Steps, batch and learning rate of each stage of training, where the recipe leaves them open."""
    own_steps: bool = False
    """Whether source and target may be preprocessed by steps of their own: a map between them then begins with marginal
    distributions that agree, and never leaves an edge of the target. Not for a method in which the identity has a
    meaning, or which looks at marginal distributions itself."""
    is_random: ClassVar[bool] = False
    """Whether `transform` draws random numbers, which are the event's own: see `data.splits.normal_of`."""
    needs_pairs: ClassVar[bool] = False
    """Whether it learns from the same events in source and target, which come in the same order."""
    in_a_hole: str = "what the map does there is a guess of its network, which no event checks"
    """What the map does where the context has a hole, as the end of a sentence; empty if it looks at no context."""
    noise_seed: Tensor

    def __init__(self, n_features: int, n_context: int) -> None:
        super().__init__()
        self.n_features, self.n_context = n_features, n_context
        self.reach: Reach | None = None
        if self.is_random:
            self.register_buffer("noise_seed", torch.zeros((), dtype=torch.int64))

    def fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Learn to make source look like target, from weights drawn anew.

        Args:
            source: the sample to be morphed.
            target: the sample it should look like.
            how: settings, the training and validation parts, where to checkpoint, when to stop.

        Returns:
            The loss history of each stage.
        """
        how = replace(how, need=self.needs)
        self._begin(how.seed)
        if self.is_random:
            self.noise_seed.fill_(how.seed)
        if next(self.parameters(), None) is not None:  # what is not learnt by gradients is counted on the processor
            self.to(how.device)
        history = self._fit(source, target, how)
        self.cpu()
        if self.reach is not None:
            self.reach.fit(Events.concatenate(how.halves(source, target)[1]))
        return history

    def transform(self, events: Events) -> Events:
        """The events, morphed or reweighted; the same events in give the same events out, in the same order.

        An event whose context or features are not finite, or what becomes of it, comes out of a morph or a generator
        with features of NaN, and out of a reweighting as it is. A generator does not look at the features that come in.
        """
        return self.moved(events).events

    def moved(self, events: Events) -> Moved:
        """The same as `transform`, and which events were held back."""
        known = _finite(events.features, events.context) if self.kind.needs_source else _finite(events.context)
        changed, weights = self._moved(events[known]), events.weights.copy()
        features = np.full_like(events.features, np.nan) if self.kind.changes_features else events.features.copy()
        worked = _finite(changed.events.features)
        features[known] = np.where(worked[:, None], changed.events.features, np.nan)
        weights[known] = np.where(np.isfinite(changed.events.weights), changed.events.weights, weights[known])
        held = np.zeros(len(events), np.bool_)
        held[known] = changed.held & worked
        return Moved(events.with_features(features).with_weights(weights), held)

    def _moved(self, events: Events) -> Moved:
        """What `_transform` makes of events, held back where there is a `reach`."""
        changed = self._transform(events)
        if self.reach is None:
            return Moved(changed, np.zeros(len(events), np.bool_))
        features, held = self.reach.hold(changed.features, events.context)
        return Moved(changed.with_features(features), held)

    def _stand_for(self, method: Method) -> None:
        """Be for callers what a method is that this one contains."""
        self.kind, self.own_steps, self.in_a_hole = method.kind, method.own_steps, method.in_a_hole

    def _begin(self, seed: int) -> None:
        """Draw the weights that training begins with."""
        initialise(self, seed)

    @abstractmethod
    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """See `fit`: the weights of all layers are drawn, and the module is on the device of `how`."""

    @abstractmethod
    def _transform(self, events: Events) -> Events:
        """See `transform`: context and features are finite, but for the features that a generator is given."""

    def log_density(self, events: Events) -> FloatArray | None:  # noqa: ARG002 - for those that have one
        """(n_events,), the logarithm of the density of each event's features; None if the method has none."""
        return None

    def _by_row(self, function: Callable[..., Tensor], *columns: FloatArray) -> FloatArray:
        """A function of tensors, (n_events, n_outputs), in float64 precision; of each event alone.

        Args:
            function: takes a tensor for each of the arrays.
            columns: (n_events, n_columns) each.
        """
        ends = np.cumsum([array.shape[1] for array in columns])[:-1].tolist()
        return in_blocks(lambda rows: function(*rows.tensor_split(ends, dim=1)), np.hstack(columns), self)

    def notes(self, source: Events, template: Events) -> Notes:  # noqa: ARG002 - for subclasses
        """What a user should know: here how many events the template's weights are worth.

        Args:
            source: events before the map.
            template: the same events after it.
        """
        fraction = template.effective_size / len(template) if len(template) else 0.0
        return Notes({"effective_fraction": fraction}, [] if self.kind.changes_features else poor_weights(fraction))


def poor_weights(fraction: float) -> list[str]:
    """A warning, if the weights leave too small a fraction of the statistical power (ESS/N)."""
    sentence = (
        f"the weights leave {100 * fraction:.1f} % of the statistical power (ESS/N), which is below "
        f"{100 * MIN_EFFECTIVE_FRACTION:.0f} %: a few events decide everything; a method that moves events is safer"
    )
    return [sentence] if fraction < MIN_EFFECTIVE_FRACTION else []


def _finite(*columns: FloatArray) -> BoolArray:
    """(n_events,), whether all values of an event are finite."""
    return np.asarray(np.isfinite(np.hstack(columns)).all(axis=1))


def refuse_negative_weights(events: Events, name: str) -> None:
    """Fail if a sample to train on has negative weights.

    With them the likelihood has no maximum: an event of negative weight pushes its own density to zero and the loss to
    minus infinity. Absolute values or dropped events would train on another distribution than the one asked for;
    see data/signed_weights.py for what can be done.

    Args:
        events: a sample to train on.
        name: what to call it in the message, such as source.

    Raises:
        InputError: some weights are negative, or not finite, or they do not sum to more than zero.
    """
    n_negative = int(np.count_nonzero(events.weights < 0))
    if n_negative:
        raise InputError(
            name,
            f"{n_negative} of {len(events)} weights are negative, and the likelihood has no maximum with them",
            "choose a treatment, as with `training.negative_weights: positive`, or train on positive weights; "
            "apply, evaluate and limits carry signed weights exactly",
        )
    refuse_weights_without_sum(events, name)


def refuse_weights_without_sum(events: Events, name: str) -> None:
    """Fail if the weights of a sample to train on do not describe a density.

    Raises:
        InputError: some weights are not finite, or they do not sum to more than zero.
    """
    if not np.all(np.isfinite(events.weights)):
        raise InputError(name, "some weights are not finite", "repair them in the ntuple")
    if not np.sum(events.weights) > 0:
        raise InputError(name, "the weights do not sum to more than zero", "check the weight branch")
