"""Two densities that know nothing of each other; the map goes through the normal distribution under both."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from simmorph.methods.base import Method
from simmorph.methods.parts.transport import BASE, DensitySettings

if TYPE_CHECKING:
    from torch import Tensor

    from simmorph.data.events import Events
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training


class DoubleBase(Method):
    """One flow for the density of the source, another for that of the target: T = F_target^-1 F_source.

    F takes a sample to a normal distribution. The simplest scheme, and the one to be beaten: since the flows share
    nothing, events move further than they need, and where the context was not trained on each flow goes wrong in its
    own way, so that the errors do not cancel.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        base: each of the densities.

    References:
        Mastandrea, Nachman, "Efficiently Moving Instead of Reweighting Collider Events with Machine Learning", 2022,
        arXiv 2212.06155, section 2, scheme 1.
    """

    own_steps = True

    def __init__(self, n_features: int, n_context: int, *, base: DensitySettings = BASE) -> None:
        super().__init__(n_features, n_context)
        self.base_settings = base
        self.of_source = base.build(n_features, n_context)
        self.of_target = base.build(n_features, n_context)

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Train one flow after the other."""
        pairs = {"source": (self.of_source, source), "target": (self.of_target, target)}
        return {
            stage: self.base_settings.train(density, events, how, stage) for stage, (density, events) in pairs.items()
        }

    def _transform(self, events: Events) -> Events:
        """The features, taken to the normal distribution and back in float64 precision."""
        of_source, of_target = (copy.deepcopy(flow).double() for flow in (self.of_source, self.of_target))

        def move(features: Tensor, context: Tensor) -> Tensor:
            return of_target.from_base(of_source.to_base(features, context), context)

        return events.with_features(self._by_row(move, events.features, events.context))
