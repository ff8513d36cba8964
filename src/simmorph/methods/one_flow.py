"""One flow for both samples, which a boolean tells apart."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field

from simmorph.config.training import HiddenLayers, PositiveFloat, PositiveInt  # noqa: TC001 - read from the signature
from simmorph.methods.base import Kind, Method
from simmorph.neural.blocks import in_blocks
from simmorph.neural.flows import ConditionalFlow, FlowShape
from simmorph.neural.networks import initialise
from simmorph.neural.training import minimize

if TYPE_CHECKING:
    from torch import Tensor

    from simmorph.data.events import Events
    from simmorph.neural.samples import Sample
    from simmorph.neural.training import History, Training

SOURCE, TARGET = 0.0, 1.0
"""The values of the boolean."""


class OneFlow(Method):
    """One conditional flow for source and target; the map goes through the distribution that they share.

    The flow F is trained on both samples, with a boolean that tells them apart beside the context. An event is taken
    to the base distribution as a source event and comes back as a target event:
    T(x) = F^-1(F(x | context, 0) | context, 1). Since one network serves both samples, what they have in common
    cancels, and events move little.

    The map follows the coupling order of the features, and is close to, but not, the optimal transport map.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        layers: coupling layers; they come in pairs.
        hidden: hidden layers of the network in each layer.
        bins: bins of each spline.
        tail_bound: the flow acts within [-tail_bound, tail_bound] in units of the preprocessed features, which are
            about standard deviations; beyond it features stay as they are.
        marginal_bins: bins of the splines that shape each feature on its own.

    References:
        Daumann, Donega, Erdmann, Galli, Spaeh, Valsecchi, "One flow to correct them all: improving simulations in
        high-energy physics with a single normalising flow and a switch", 2024, arXiv 2403.18582.
    """

    kind: ClassVar[Kind] = "morph"

    def __init__(  # noqa: PLR0913 - the keys of the recipe
        self,
        n_features: int,
        n_context: int,
        *,
        layers: PositiveInt = 8,
        hidden: HiddenLayers = (64, 64),
        bins: Annotated[int, Field(ge=2, le=256)] = 8,
        tail_bound: PositiveFloat = 5.0,
        marginal_bins: Annotated[int, Field(ge=2, le=1024)] = 32,
    ) -> None:
        super().__init__(n_features, n_context)
        shape = FlowShape(layers, hidden, bins, tail_bound, marginal_bins)
        self.flow = ConditionalFlow(n_features, n_context + 1, shape)

    def fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Train the flow on both samples at once; see Method."""
        initialise(self, how.seed)
        self.to(how.device)
        score = how.score(self.transform, source, target)
        history = minimize(self, self._loss, how.parts(source, target), how, score=score)
        self.cpu()
        return {"fit": history}

    def transform(self, events: Events) -> Events:
        """The features, morphed in float64 precision; see Method."""
        # In float64, where the inversion is exact to 1e-8 however steep the splines are.
        flow = copy.deepcopy(self.flow).double()

        def morph(rows: Tensor) -> Tensor:
            features, context = rows.tensor_split([self.n_features], dim=1)
            noise = flow.to_base(features, _labelled(context, SOURCE))
            return flow.from_base(noise, _labelled(context, TARGET))

        morphed = in_blocks(morph, np.hstack([events.features, events.context]), self)
        morphed[~np.isfinite(morphed).all(axis=1)] = np.nan
        return events.with_features(morphed)

    def _loss(self, source: Sample, target: Sample) -> Tensor:
        """The mean negative log-likelihood of both samples, each counting the same."""
        features = torch.cat([source.features, target.features])
        context = torch.cat([_labelled(source.context, SOURCE), _labelled(target.context, TARGET)])
        weighted = torch.cat([source.weights, target.weights]) * self.flow.log_density(features, context)
        of_source, of_target = weighted.tensor_split([source.n_events])
        return -0.5 * (of_source.mean() + of_target.mean())


def _labelled(context: Tensor, label: float) -> Tensor:
    return torch.cat([context, context.new_full((len(context), 1), label)], dim=1)
