"""One feature after the other, each from a mixture of Gaussians."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field
from torch.nn.functional import log_softmax, softplus

from simmorph.config.training import HiddenLayers, PositiveFloat  # noqa: TC001 - read from the signature
from simmorph.methods.parts.generator import DensityGenerator
from simmorph.neural.flows.autoregressive import MaskedNetwork

if TYPE_CHECKING:
    from torch import Tensor


class Mademog(DensityGenerator):
    """The density of the target as a chain of mixtures of Gaussians (MADE with a mixture of Gaussians, MADEMOG).

    The density of each feature, given the features before it and the context, is a mixture of Gaussians whose shares,
    means and widths a masked network gives: log p(x) = sum_i log sum_k share_ik normal(x_i; mean_ik, width_ik). An
    event is drawn feature by feature. All mixtures begin near a standard normal distribution.

    The default is of a size that a processor trains in minutes. That of the paper is for a GPU: 30 residual blocks of
    two layers of 512 units and 32 components (here `{components: 32, hidden: [512, 512, 512, 512]}` comes near), Adam
    with 3e-4, batches of 1024, 150 epochs.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        components: Gaussians in each mixture.
        hidden: hidden layers of the masked network.
        smallest_width: a floor of the widths, in units of the preprocessed features; without one the likelihood has no
            maximum, since a width can shrink around a single event.

    References:
        Gavranovic, Kersevan, "Systematic evaluation of generative machine learning capability to simulate
        distributions of observables at the large hadron collider", Eur. Phys. J. C 84 (2024) 911. Germain, Gregor,
        Murray, Larochelle, "MADE: Masked Autoencoder for Distribution Estimation", 2015, arXiv 1502.03509.
    """

    starting_means: Tensor

    def __init__(
        self,
        n_features: int,
        n_context: int,
        *,
        components: Annotated[int, Field(ge=1, le=4096)] = 10,
        hidden: HiddenLayers = (128, 128, 128),
        smallest_width: PositiveFloat = 1e-4,
    ) -> None:
        super().__init__(n_features, n_context, n_noise=2 * n_features)
        self.components, self.smallest_width = components, smallest_width
        self.network = MaskedNetwork(n_features, n_context, hidden, 3 * components, zero_start=True)
        # Equal shares around quantiles of a normal distribution, as wide as makes their mixture's variance 1.
        means = torch.special.ndtri((torch.arange(components) + 0.5) / components)
        self.register_buffer("starting_means", means, persistent=False)
        self.starting_width = math.log(math.expm1(math.sqrt(1 - float((means**2).mean()))))

    def log_density_of(self, features: Tensor, context: Tensor) -> Tensor:
        """The logarithm of the density of each event; see DensityGenerator."""
        values = features.T
        log_shares, means, widths = self._mixtures(self.network(values, context.T if self.n_context else None))
        distances = (values - means) / widths
        of_components = log_shares - 0.5 * distances**2 - torch.log(widths)
        return torch.logsumexp(of_components, 0).sum(0) - 0.5 * self.n_features * math.log(2 * math.pi)

    def draw(self, noise: Tensor, context: Tensor) -> Tensor:
        """For each feature, one number of the noise chooses the component and one the place in it; see Generator."""
        choosing, placing = noise.T.chunk(2)

        def choose(feature: int, outputs: Tensor) -> Tensor:
            log_shares, means, widths = self._mixtures(outputs[:, None])
            upper = log_shares.exp().cumsum(0)[:-1, 0]
            chosen = (torch.special.ndtr(choosing[feature]) > upper).sum(0)[None]
            return (means[:, 0].gather(0, chosen) + widths[:, 0].gather(0, chosen) * placing[feature])[0]

        features: Tensor = self.network.feature_by_feature(choose, context.T)
        return features.T

    def _mixtures(self, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-shares, means and widths, (n_components, n_features, n_events) each, from three times as many outputs."""
        shares, shifts, widths = outputs.chunk(3)
        means = self.starting_means[:, None, None] + shifts
        return log_softmax(shares, 0), means, softplus(widths + self.starting_width) + self.smallest_width
