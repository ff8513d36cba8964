"""A normalizing flow as a generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from simmorph.config.training import HiddenLayers, PositiveFloat, PositiveInt  # noqa: TC001 - read from the signature
from simmorph.methods.generator import DensityGenerator
from simmorph.neural.flows import ConditionalFlow, FlowShape

if TYPE_CHECKING:
    from torch import Tensor


class FlowGenerator(DensityGenerator):
    """The density of the target by a normalizing flow, which carries it to independent normal numbers and back.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        layers: coupling layers.
        hidden: hidden layers of the network in each layer.
        bins: bins of each spline.
        tail_bound: the flow acts within [-tail_bound, tail_bound] in units of the preprocessed features, which are
            about standard deviations; beyond it features stay as they are.
        marginal_bins: bins of the splines that shape each feature on its own.

    References:
        Gavranovic, Kersevan, "Normalizing Flows for Physics Data Analyses"; Eur. Phys. J. C 84 (2024) 911.
    """

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
        super().__init__(n_features, n_context, n_noise=n_features)
        self.flow = ConditionalFlow(n_features, n_context, FlowShape(layers, hidden, bins, tail_bound, marginal_bins))

    def draw(self, noise: Tensor, context: Tensor) -> Tensor:
        """Noise through the inverse of the flow; see Generator."""
        return self.flow.from_base(noise, context)

    def log_density_of(self, features: Tensor, context: Tensor) -> Tensor:
        """The logarithm of the density of each event; see DensityGenerator."""
        return self.flow.log_density(features, context)
