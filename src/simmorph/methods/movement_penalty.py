"""A flow from the source to the target that pays for every move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field

from simmorph.methods.parts.transport import BASE, TRANSPORT, DensitySettings, Start, Transport, TransportSettings

if TYPE_CHECKING:
    from torch import Tensor

    from simmorph.neural.loop.batches import Batch

SHORTEST = 1e-6
"""Added under the root of a plain distance, whose slope has no limit where nothing moves."""


class MovementPenalty(Transport):
    """Like `base_to_data`, with a penalty on how far events are moved.

    The loss is the negative log-likelihood plus alpha times the mean distance, in units of the preprocessed features,
    which are about standard deviations. A large alpha moves less and closes worse: scan it. The map tends to optimal
    transport only where the densities agree and alpha tends to zero.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        base: the density of the source.
        transport: the flow between the samples.
        start: where the flow begins: at random weights as in the paper, at the exact identity, or trained from source
            to source.
        alpha: the price of a squared standard deviation (of a standard deviation with the plain norm).
        norm: the squared distance as in the paper's text, or the distance as in the authors' code.
        direction: what is moved: events of the source by the morph, as in the paper's text, or events of the target by
            its inverse, as in the code, which costs less.

    References:
        Mastandrea, Nachman, "Efficiently Moving Instead of Reweighting Collider Events with Machine Learning", 2022,
        arXiv 2212.06155, section 2, scheme 4.
    """

    def __init__(  # noqa: PLR0913 - the keys of the recipe
        self,
        n_features: int,
        n_context: int,
        *,
        base: DensitySettings = BASE,
        transport: TransportSettings = TRANSPORT,
        start: Start = "random",
        alpha: Annotated[float, Field(ge=0)] = 1e-2,
        norm: Literal["squared", "plain"] = "squared",
        direction: Literal["source", "target"] = "source",
    ) -> None:
        super().__init__(n_features, n_context, base, transport, start)
        self.alpha, self.norm, self.direction = alpha, norm, direction

    def _loss(self, source: Batch, target: Batch) -> Tensor:
        """The likelihood's loss, and alpha times the mean movement."""
        return self._likelihood_loss(target) + self.alpha * self.movement(source, target)

    def movement(self, source: Batch, target: Batch) -> Tensor:
        """The mean distance that events of a batch go, by norm and direction."""
        if self.direction == "source":
            sample, moved = source, self.transport.from_base(source.features, source.context)
        else:
            sample, moved = target, self.transport.to_base(target.features, target.context)
        distance = (moved - sample.features).square().sum(dim=1)
        if self.norm == "plain":
            distance = torch.sqrt(distance + SHORTEST**2)
        return (sample.weights * distance).mean()
