"""A variational autoencoder as a generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import torch
from pydantic import Field
from torch.nn.functional import softplus

from simmorph.config.training import HiddenLayers, PositiveFloat, PositiveInt  # noqa: TC001 - read from the signature
from simmorph.methods.parts.generator import Generator
from simmorph.neural.loop.minimize import minimize
from simmorph.neural.loop.pace import Need
from simmorph.neural.networks import Perceptron

if TYPE_CHECKING:
    from torch import Tensor

    from simmorph.data.events import Events
    from simmorph.neural.loop.batches import Batch
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training

SMALLEST_WIDTH = 1e-3
"""Of a Gaussian, in standard deviations of the preprocessed features; a floor keeps the likelihood bounded."""


class VariationalAutoencoder(Generator):
    """Draws a hidden code from a normal distribution, and the features from Gaussians around what it is decoded to.

    An encoder gives the Gaussian of codes that an event may have come from; the decoder gives the Gaussian of features
    that belong to a code, whose width is learnt for each feature and code. Both are trained to make a lower bound of
    the likelihood large: how well an event is decoded, minus `beta` times how far its codes are from the normal
    distribution that new ones are drawn from. Fine structure is washed out: Gaussians add up to what is smooth.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        codes: numbers in a code; as many as there are features by default.
        hidden: hidden layers of the encoder, and of the decoder.
        beta: larger than 1 keeps the codes nearer to a normal distribution, at the price of the decoding.

    References:
        Kingma, Welling, "Auto-encoding variational Bayes", 2013, arXiv 1312.6114. Higgins et al., "beta-VAE", ICLR
        2017. Lopes de Sa, "Machine learning: simulation and data", HSF-India 2023.
    """

    needs: ClassVar[Need] = Need(steps=2000, batch_size=256, learning_rate=1e-3)

    def __init__(
        self,
        n_features: int,
        n_context: int,
        *,
        codes: PositiveInt | None = None,
        hidden: HiddenLayers = (128, 128),
        beta: Annotated[PositiveFloat, Field(le=1000)] = 1.0,
    ) -> None:
        n_codes = codes or n_features
        super().__init__(n_features, n_context, n_noise=n_codes + n_features)
        self.n_codes, self.beta = n_codes, beta
        self.encoder = Perceptron(n_features + n_context, hidden, 2 * n_codes)
        self.decoder = Perceptron(n_codes + n_context, hidden, 2 * n_features)

    def learn(self, target: Events, how: Training) -> dict[str, History]:
        """Maximise the lower bound of the likelihood; see Generator."""
        score = how.score(self.transform, target, target)
        return {"fit": minimize(self, self._loss, how.parts(target), how, score=score)}

    def draw(self, noise: Tensor, context: Tensor) -> Tensor:
        """A code, and features around what it is decoded to; see Generator."""
        code, placing = noise.tensor_split([self.n_codes], dim=1)
        means, widths = _gaussians(self.decoder, code, context)
        return means + widths * placing

    def _loss(self, target: Batch) -> Tensor:
        """The mean of minus the lower bound, with one code for each event."""
        features, context, weights = target
        middles, spreads = _gaussians(self.encoder, features, context)
        means, widths = _gaussians(self.decoder, middles + spreads * torch.randn_like(middles), context)
        decoding = (0.5 * ((features - means) / widths) ** 2 + torch.log(widths)).sum(1)
        surprise = (0.5 * (middles**2 + spreads**2 - 1) - torch.log(spreads)).sum(1)
        return (weights * (decoding + self.beta * surprise)).mean()


def _gaussians(network: Perceptron, values: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
    """Means and widths that a network gives."""
    means, widths = network(torch.cat([values, context], dim=1)).chunk(2, dim=1)
    return means, softplus(widths) + SMALLEST_WIDTH
