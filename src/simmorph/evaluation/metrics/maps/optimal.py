"""How near a map is to the optimal one, where a toy knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.evaluation.metrics.moments import spread_of

if TYPE_CHECKING:
    from simmorph.data.events import Events, FloatArray

SUFFIX = "_optimal"
"""What the branch of a feature's optimal image is called, behind the feature's name."""


class Optimality(NamedTuple):
    """A map beside the one that brings source to target at the least mean squared distance.

    Attributes:
        distance: mean Euclidean distance between the images of an event, in standard deviations of the target.
        cost: mean squared distance between an event and its image, over that of the optimal map; in the units of the
            features, in which the map is optimal. Below 1, the map does not arrive at the target.
    """

    distance: float
    cost: float


def optimality(source: Events, moved: Events, optimal: FloatArray, target: Events) -> Optimality:
    """Compare a map with the optimal one, event by event, with the weights of the source.

    Args:
        source: the events before the map.
        moved: the same events, in the same order, after it.
        optimal: (n_events, n_features), where the optimal map takes them.
        target: the sample whose spread is the unit of distance.

    Returns:
        Distance and cost; the cost is NaN where the optimal map moves nothing.
    """
    apart = (moved.features - optimal) / spread_of(target)
    share = source.weights / np.sum(source.weights)
    distance = float(share @ np.linalg.norm(apart, axis=1))
    costs = [float(share @ np.sum((image - source.features) ** 2, axis=1)) for image in (moved.features, optimal)]
    return Optimality(distance, costs[0] / costs[1] if costs[1] > 0 else float("nan"))
