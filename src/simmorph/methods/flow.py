"""A normalizing flow as a generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from simmorph.config.training import HiddenLayers, PositiveFloat, PositiveInt  # noqa: TC001 - read from the signature
from simmorph.methods.parts.generator import DensityGenerator
from simmorph.neural.flows.autoregressive import FlowKind, build_flow
from simmorph.neural.flows.flow import FlowShape

if TYPE_CHECKING:
    from torch import Tensor


class FlowGenerator(DensityGenerator):
    """The density of the target by a normalizing flow, which carries it to independent normal numbers and back.

    Three kinds of layers. `coupling` moves half of the features by splines that depend on the other half: as fast in
    drawing as in training. `affine` shifts and stretches each feature as those before it say (a masked autoregressive
    flow, MAF); `spline` bends it too. Autoregressive layers are drawn from feature by feature.

    The sizes of the papers take a GPU: `{transform: spline, layers: 10, hidden: [512, 512], bins: 32, tail_bound: 5}`
    and `{transform: affine, layers: 10, hidden: [512, 512]}`, both with `marginal_bins: 0`, for 18 features of HIGGS;
    `{transform: affine, layers: 10, hidden: [16], marginal_bins: 0}` for the exercise on two moons.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        transform: the kind of its layers.
        layers: how many of them; those of coupling come in pairs.
        hidden: hidden layers of the network in each layer.
        bins: bins of each spline.
        tail_bound: splines act within [-tail_bound, tail_bound] in units of the preprocessed features, which are about
            standard deviations; beyond it features stay as they are.
        marginal_bins: bins of the splines that shape each feature on its own; 0 for none.

    References:
        Gavranovic, Kersevan, "Systematic evaluation of generative machine learning capability to simulate
        distributions of observables at the large hadron collider", Eur. Phys. J. C 84 (2024) 911; the same,
        "Normalizing Flows for Physics Data Analyses". Papamakarios, Pavlakou, Murray, "Masked Autoregressive Flow for
        Density Estimation", 2017, arXiv 1705.07057. Durkan, Bekasov, Murray, Papamakarios, "Neural Spline Flows",
        2019, arXiv 1906.04032.
    """

    def __init__(  # noqa: PLR0913 - the keys of the recipe
        self,
        n_features: int,
        n_context: int,
        *,
        transform: FlowKind = "coupling",
        layers: PositiveInt = 8,
        hidden: HiddenLayers = (64, 64),
        bins: Annotated[int, Field(ge=2, le=256)] = 8,
        tail_bound: PositiveFloat = 5.0,
        marginal_bins: Annotated[int, Field(ge=0, le=1024)] = 32,
    ) -> None:
        super().__init__(n_features, n_context, n_noise=n_features)
        shape = FlowShape(layers, hidden, bins, tail_bound, marginal_bins)
        self.flow = build_flow(transform, n_features, n_context, shape)

    def draw(self, noise: Tensor, context: Tensor) -> Tensor:
        """Noise through the inverse of the flow; see Generator."""
        return self.flow.from_base(noise, context)

    def log_density_of(self, features: Tensor, context: Tensor) -> Tensor:
        """The logarithm of the density of each event; see DensityGenerator."""
        return self.flow.log_density(features, context)
