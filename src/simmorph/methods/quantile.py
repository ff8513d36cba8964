"""Each feature on its own, from its quantiles in the source to its quantiles in the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from pydantic import Field
from scipy.special import ndtr, ndtri

from simmorph.data.events import Events
from simmorph.data.preprocessing.samples import weighted_quantiles
from simmorph.methods.base import Method
from simmorph.neural.reach import Reach

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training


class QuantileMap(Method):
    """The optimal transport map of each feature alone: T(x) = F_target^-1(F_source(x)).

    Every marginal distribution comes out right, and no correlation changes but by that: the cheap baseline that a map
    of all features together has to beat. Beyond the first and the last knot an event moves as far as at that knot, but
    not beyond the last event of the target. The context is not looked at.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        knots: points of each distribution, at equal distances of a normal variable, so that tails have their share.

    References:
        Villani, "Topics in Optimal Transportation", 2003, section 2.2: the monotone map is optimal on the line.
    """

    in_a_hole = ""
    source_quantiles: torch.Tensor
    target_quantiles: torch.Tensor

    def __init__(self, n_features: int, n_context: int, *, knots: Annotated[int, Field(ge=2)] = 200) -> None:
        super().__init__(n_features, n_context)
        self.knots = knots
        self.reach = Reach(n_features, 0)
        for name in ("source_quantiles", "target_quantiles"):
            self.register_buffer(name, torch.zeros(n_features, knots, dtype=torch.float64))

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Take the quantiles of both samples; there is nothing to iterate, and so no history."""
        samples = [Events.concatenate(halves) for halves in how.halves(source, target)]
        reach = float(ndtri(1 - 0.5 / max(2.0, *(events.effective_size for events in samples))))
        probabilities = ndtr(np.linspace(-reach, reach, self.knots))
        for buffer, events in zip((self.source_quantiles, self.target_quantiles), samples, strict=True):
            columns = [weighted_quantiles(column, events.weights, probabilities) for column in events.features.T]
            buffer.copy_(torch.from_numpy(np.stack(columns)))
        return {}

    def _transform(self, events: Events) -> Events:
        """The features, each moved to the same quantile of the target."""
        knots = zip(self.source_quantiles.cpu().numpy(), self.target_quantiles.cpu().numpy(), strict=True)
        columns = [_moved(events.features[:, at], *pair) for at, pair in enumerate(knots)]
        return events.with_features(np.stack(columns, axis=1))


def _moved(values: FloatArray, source: FloatArray, target: FloatArray) -> FloatArray:
    """Values at the same quantile of the target; beyond the last of the source they move by as much as it does.

    Args:
        values: (n_events,).
        source: (n_quantiles,), in order.
        target: (n_quantiles,), at the same probabilities.
    """
    inside = np.clip(values, source[0], source[-1])
    return np.interp(inside, source, target) + (values - inside)
