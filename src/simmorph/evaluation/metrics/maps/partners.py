"""How far each event is from the same event in the target, where the samples have the same events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simmorph.evaluation.metrics.maps.movement import displacement
from simmorph.evaluation.metrics.moments import mean_of, spread_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from simmorph.data.estimates import Estimate
    from simmorph.data.events import Events, FloatArray


class PartnerDistance(NamedTuple):
    """The mean Euclidean distance of events to their partners, in standard deviations of the target.

    Attributes:
        n_events: how many have a partner.
        before: of the source.
        after: of what the map makes of it.
        features: the mean distance of each feature alone after the map.
    """

    n_events: int
    before: Estimate
    after: Estimate
    features: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "unit": "standard deviations of the target",
            "n_events": self.n_events,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "features": dict(self.features),
        }


def partner_distance(
    rows: tuple[Events, Events, Events],
    partners: FloatArray,
    names: Collection[str],
    periodic: Collection[int] = (),
) -> PartnerDistance | None:
    """How far events are from their partners before and after a map, with the weights of the source.

    Zero where the map finds for each event what the target has for it. A map that only makes the distributions agree
    is off by what it exchanges among events.

    Args:
        rows: source, the same events after the map, and the target, whose spread is the unit of distance.
        partners: (n_source, n_features), the features of the same events in the target; NaN without a partner.
        names: of the features.
        periodic: the columns that are angles.

    Returns:
        None if no event has a partner.
    """
    source, moved, target = rows
    known = np.asarray(np.isfinite(partners).all(axis=1))
    if not known.any():
        return None
    weights = source.weights[known]
    distances = [
        np.abs(displacement(source[known].with_features(partners[known]), events[known], periodic)) / spread_of(target)
        for events in (source, moved)
    ]
    before, after = (mean_of(np.linalg.norm(its, axis=1), weights) for its in distances)
    alone = {name: mean_of(column, weights).value for name, column in zip(names, distances[1].T, strict=False)}
    return PartnerDistance(int(np.count_nonzero(known)), before, after, alone)
