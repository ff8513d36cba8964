"""What every generator is: a density of the target's features that events are drawn from."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from simmorph.config.kind import Kind
from simmorph.data.splits import normal_of
from simmorph.methods.base import Method
from simmorph.neural.loop.minimize import minimize

if TYPE_CHECKING:
    from torch import Tensor

    from simmorph.data.events import Events, FloatArray
    from simmorph.neural.loop.batches import Batch
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training


class Generator(Method):
    """A density of the target's features at a given context, learnt from the target alone.

    `transform` draws new features at the context of each event, whose own features are not looked at; `fit` does not
    look at the source, which may be empty.

    Implementing a generator:
        Write `learn`, which trains on the target, and `draw`, which turns standard normal numbers into features. Where
        the density can be evaluated, derive from DensityGenerator, which trains by the likelihood.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        n_noise: standard normal numbers that one event takes.
    """

    kind = Kind.GENERATE
    is_random: ClassVar[bool] = True

    def __init__(self, n_features: int, n_context: int, n_noise: int) -> None:
        super().__init__(n_features, n_context)
        self.n_noise = n_noise

    @abstractmethod
    def learn(self, target: Events, how: Training) -> dict[str, History]:
        """Train on the target; the module is on the device of `how`, with the weights that it begins with."""

    @abstractmethod
    def draw(self, noise: Tensor, context: Tensor) -> Tensor:
        """(n_events, n_features), one event for each row.

        Args:
            noise: (n_events, n_noise), standard normal.
            context: (n_events, n_context).
        """

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:  # noqa: ARG002 - a contract
        """Learn from the target alone; see Method."""
        return self.learn(target, how)

    def _transform(self, events: Events) -> Events:
        """New features at each event's context, drawn with the event's own random numbers in float64 precision."""
        noise = normal_of(events.ids, int(self.noise_seed), self.n_noise)
        return events.with_features(self._by_row(copy.deepcopy(self).double().draw, noise, events.context))


class DensityGenerator(Generator):
    """A generator whose density can be evaluated, and is learnt by the weighted likelihood of the target."""

    @abstractmethod
    def log_density_of(self, features: Tensor, context: Tensor) -> Tensor:
        """(n_events,), the logarithm of the density of the features at the context."""

    def learn(self, target: Events, how: Training) -> dict[str, History]:
        """Maximise the likelihood of the target; see Generator."""
        score = how.score(self.transform, target, target)
        return {"fit": minimize(self, self._loss, how.parts(target), how, score=score)}

    def log_density(self, events: Events) -> FloatArray:
        """(n_events,), the logarithm of the density of each event's features; see Generator."""
        exact = copy.deepcopy(self).double()

        def column(features: Tensor, context: Tensor) -> Tensor:
            return exact.log_density_of(features, context)[:, None]

        return self._by_row(column, events.features, events.context)[:, 0]

    def _loss(self, target: Batch) -> Tensor:
        """The mean negative log-likelihood."""
        return -(target.weights * self.log_density_of(target.features, target.context)).mean()
