"""What every method is: something learnt from two samples that turns events into events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
from torch import nn

from simmorph.errors import InputError

if TYPE_CHECKING:
    from simmorph.data.events import Events
    from simmorph.neural.history import History
    from simmorph.neural.training import Training


Kind = Literal["morph", "reweight", "generate"]
"""What a method changes: features, weights, or everything."""

MIN_EFFECTIVE_FRACTION = 0.05


class Notes(NamedTuple):
    """What a user should know about a fitted map.

    Attributes:
        numbers: by name, such as the effective fraction of the events after reweighting.
        warnings: one sentence each.
    """

    numbers: dict[str, float]
    warnings: list[str]


class Method(nn.Module, ABC):
    """A map from events to events.

    Implementing a method:
        Write one file beside this one with a subclass whose constructor takes `n_features` and `n_context`, then
        keyword arguments with defaults; these are the keys of the recipe's `method:` block. Register every learnt
        number as a parameter or buffer, since the `state_dict` is all that is saved and the constructor is all that is
        called on loading. Call `minimize()` once for each stage of training. Add its name to METHODS. The contract
        test runs over it from then on.

    Events reach a method preprocessed (standardised, point masses spread, gaps closed); its result is transformed back.
    Weights are positive in `fit` (`refuse_negative_weights` sees to it), and of either sign in `transform`. An event
    whose features or context are not finite comes out of a morph as NaN, and with its own weight out of a reweighting.
    """

    kind: ClassVar[Kind]
    is_random: ClassVar[bool] = False
    """Whether `transform` draws random numbers, which are the event's own: see `data.splits.normal_of`."""

    def __init__(self, n_features: int, n_context: int) -> None:
        super().__init__()
        self.n_features, self.n_context = n_features, n_context

    @abstractmethod
    def fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Learn to make source look like target.

        Args:
            source: the sample to be morphed.
            target: the sample it should look like.
            how: settings, the training and validation parts, where to checkpoint, when to stop.

        Returns:
            The loss history of each stage.
        """

    @abstractmethod
    def transform(self, events: Events) -> Events:
        """The events, morphed or reweighted; the same events in give the same events out, in the same order."""

    def notes(self, source: Events, template: Events) -> Notes:  # noqa: ARG002 - for subclasses
        """What a user should know: here how many events the template's weights are worth.

        Args:
            source: events before the map.
            template: the same events after it.
        """
        fraction = template.effective_size / len(template) if len(template) else 0.0
        poor = self.kind == "reweight" and fraction < MIN_EFFECTIVE_FRACTION
        sentence = (
            f"the weights leave {100 * fraction:.1f} % of the statistical power (ESS/N), which is below "
            f"{100 * MIN_EFFECTIVE_FRACTION:.0f} %: a few events decide everything; a method that moves events is safer"
        )
        return Notes({"effective_fraction": fraction}, [sentence] if poor else [])


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
