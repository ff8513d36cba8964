"""What every generator is: a density of the target's features that events are drawn from."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from simmorph.data.splits import normal_of
from simmorph.methods.base import Kind, Method

if TYPE_CHECKING:
    from torch import Tensor

    from simmorph.data.events import Events, FloatArray
    from simmorph.neural.training import History, Training


class Generator(Method):
    """A density of the target's features at a given context, learnt from the target alone.

    `transform` draws new features at the context of each event, whose own features are not looked at; `fit` does not
    look at the source, which may be empty.

    Implementing a generator:
        Write `learn` and `draw`; set `n_noise` to the standard normal numbers that one event takes. Where the density
        can be evaluated, override `log_density`.
    """

    kind: ClassVar[Kind] = "generate"
    is_random: ClassVar[bool] = True
    noise_seed: Tensor

    def __init__(self, n_features: int, n_context: int) -> None:
        super().__init__(n_features, n_context)
        self.n_noise = n_features
        self.register_buffer("noise_seed", torch.zeros((), dtype=torch.int64))

    def fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:  # noqa: ARG002 - a contract
        """Learn the target's density; see Method."""
        self.noise_seed.fill_(how.seed)
        self.to(how.device)
        history = self.learn(target, how)
        self.cpu()
        return history

    def transform(self, events: Events) -> Events:
        """New features at each event's context, drawn with the event's own random numbers; see Method."""
        noise = normal_of(events.ids, int(self.noise_seed), self.n_noise)
        drawn = self.draw(noise, events.context)
        drawn[~np.isfinite(np.hstack([drawn, events.context])).all(axis=1)] = np.nan
        return events.with_features(drawn)

    def log_density(self, events: Events) -> FloatArray | None:  # noqa: ARG002 - for subclasses
        """(n_events,), the logarithm of the density of each event's features; None if the method has none."""
        return None

    @abstractmethod
    def learn(self, target: Events, how: Training) -> dict[str, History]:
        """Train on the target; the module is on the device of `how`, and comes back from it afterwards."""

    @abstractmethod
    def draw(self, noise: FloatArray, context: FloatArray) -> FloatArray:
        """(n_events, n_features), one event for each row.

        Args:
            noise: (n_events, n_noise), standard normal.
            context: (n_events, n_context).
        """
