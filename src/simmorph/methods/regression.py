"""The mean of each feature at each context, moved from that of the source to that of the target."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from simmorph.config.training import HiddenLayers  # noqa: TC001 - read from the signature
from simmorph.methods.base import Method
from simmorph.neural.loop.minimize import minimize
from simmorph.neural.networks import Perceptron
from simmorph.neural.reach import Reach

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from simmorph.data.events import Events
    from simmorph.neural.loop.batches import Batch
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training


class Regression(Method):
    """Adds to each feature the difference of its mean in target and source at the event's context.

    Two networks are fitted with the mean squared error, whose minimum is the mean given the context: one to the source
    and one to the target. Then x' = x + E_target[x | c] - E_source[x | c].

    Only the mean is calibrated, as with every regression: widths, tails and correlations at a given context stay those
    of the source, but that no event goes further than the target has events near its context. Without context it is
    one shift of each feature. The mean is that of the preprocessed feature, so a feature that is proposed a logarithm
    gets its logarithm's mean right.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        hidden: hidden layers of each network.

    References:
        Coelho Lopes de Sa, "Machine learning: simulation and data", HSF-India training, 2023.
    """

    def __init__(self, n_features: int, n_context: int, *, hidden: HiddenLayers = (64, 64)) -> None:
        super().__init__(n_features, n_context)
        self.reach = Reach(n_features, n_context)
        self.of_source = Perceptron(n_context, hidden, n_features, zero_start=True)
        self.of_target = Perceptron(n_context, hidden, n_features, zero_start=True)

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Fit both means."""
        of_source, of_target = how.parts(source, target)
        score = how.score(self.transform, source, target)
        return {
            "source": minimize(self.of_source, _squared_error(self.of_source), [of_source], how, "source"),
            "target": minimize(self.of_target, _squared_error(self.of_target), [of_target], how, "target", score=score),
        }

    def _transform(self, events: Events) -> Events:
        """The features, shifted by the difference of the means."""
        of_source, of_target = (
            self._by_row(copy.deepcopy(network).double(), events.context)
            for network in (self.of_source, self.of_target)
        )
        return events.with_features(events.features + (of_target - of_source))


def _squared_error(network: Perceptron) -> Callable[[Batch], Tensor]:
    """The weighted mean squared error over the features."""

    def loss(sample: Batch) -> Tensor:
        squares: Tensor = (network(sample.context) - sample.features) ** 2
        return (sample.weights * squares.mean(dim=1)).mean()

    return loss
