"""A flow from the source to the target, over the learnt density of the source."""

from __future__ import annotations

from typing import Literal

from simmorph.methods.parts.transport import BASE, TRANSPORT, DensitySettings, Transport, TransportSettings


class BaseToData(Transport):
    """Learn the density of the source, then a flow between it and the target.

    What both samples have in common, such as a drift with the context, stands in the base density alone; the flow has
    to know only how they differ, and so holds where the context was not trained on. Nothing says that it should move
    events little, but a small flow between similar samples mostly does.

    The direction is that of the authors' code: the flow takes the target to the source, and the morph is its inverse.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        base: the density of the source.
        transport: the flow between the samples.
        start: where the flow begins, at random weights as in the paper, or at the exact identity.

    References:
        Mastandrea, Nachman, "Efficiently Moving Instead of Reweighting Collider Events with Machine Learning", 2022,
        arXiv 2212.06155, section 2, scheme 2.
    """

    own_steps = True

    def __init__(
        self,
        n_features: int,
        n_context: int,
        *,
        base: DensitySettings = BASE,
        transport: TransportSettings = TRANSPORT,
        start: Literal["random", "exact"] = "random",
    ) -> None:
        super().__init__(n_features, n_context, base, transport, start)
