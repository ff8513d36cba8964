"""A flow from the source to the target that begins as the identity."""

from __future__ import annotations

from typing import Literal

from simmorph.methods.parts.transport import BASE, TRANSPORT, DensitySettings, Transport, TransportSettings


class IdentityInit(Transport):
    """Like `base_to_data`, with a flow that begins where it moves nothing.

    In the paper the flow is first trained to take the source to the source, then the same flow is trained on: a
    likelihood that is at its maximum says only that the map keeps the density, so that the start is near the identity,
    not at it. Zeros in the last layer of each network give the exact identity at no cost.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        base: the density of the source.
        transport: the flow between the samples.
        start: `trained` from source to source as in the paper, which takes as many epochs once more, or `exact`.

    References:
        Mastandrea, Nachman, "Efficiently Moving Instead of Reweighting Collider Events with Machine Learning", 2022,
        arXiv 2212.06155, section 2, scheme 3; the exact start is that of Golling, Klein, Mastandrea, Nachman, Raine,
        "Morphing one dataset into another with maximum likelihood estimation", 2023, arXiv 2309.06472.
    """

    def __init__(
        self,
        n_features: int,
        n_context: int,
        *,
        base: DensitySettings = BASE,
        transport: TransportSettings = TRANSPORT,
        start: Literal["trained", "exact"] = "trained",
    ) -> None:
        super().__init__(n_features, n_context, base, transport, start)
