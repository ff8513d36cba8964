"""What every method is: something learnt from two samples that turns events into events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from simmorph.data.events import Events
    from simmorph.neural.training import History, Training


class Method(nn.Module, ABC):
    """A map from events to events.

    Implementing a method:
        Write one file beside this one with a subclass whose constructor takes `n_features` and `n_context`, then
        keyword arguments with defaults; these are the keys of the recipe's `method:` block. Register every learnt
        number as a parameter or buffer, since the `state_dict` is all that is saved and the constructor is all that is
        called on loading. Call `minimize()` once for each stage of training. Add its name to METHODS. The contract
        test runs over it from then on.

    Events reach a method preprocessed (standardised, without atoms and gaps); what it returns is transformed back.
    """

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
