"""Holes of the context: stretches without events, such as a blinded region, between stretches that have some."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.data.preprocessing.gaps import NEIGHBOURS, find_gaps, find_point_masses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.data.events import Events, FloatArray


class Hole(NamedTuple):
    """A stretch of a variable without events.

    Attributes:
        low: where it begins.
        high: where it ends.
        expected: how many events would be there, if the density went on in a straight line from side to side.
    """

    low: float
    high: float
    expected: float

    def overlaps(self, other: Hole) -> bool:
        """Whether they have a stretch in common."""
        return self.low < other.high and other.low < self.high


def find_holes(values: FloatArray) -> list[Hole]:
    """The holes of a continuous variable; values that many events share, such as a number of jets, have none.

    >>> mass = np.concatenate([np.linspace(100, 115, 300), np.linspace(135, 160, 500)])
    >>> [(round(hole.low), round(hole.high), round(hole.expected, -1)) for hole in find_holes(mass)]
    [(115, 135, 400.0)]
    """
    rest = np.sort(values[~np.isin(values, find_point_masses(values))])
    return [
        Hole(low, high, _expected(rest, low, high))
        for low, high in find_gaps(rest)
        if not np.any((values > low) & (values < high))
    ]


def _expected(ordered: FloatArray, low: float, high: float) -> float:
    """Events between two ends, by the mean of the densities on either side."""
    below, above = ordered[ordered <= low][-NEIGHBOURS - 1 :], ordered[ordered >= high][: NEIGHBOURS + 1]
    densities = [(len(side) - 1) / (side[-1] - side[0]) for side in (below, above)]
    return float(np.mean(densities)) * (high - low)


def remarks_on_holes(samples: Mapping[str, Events], names: Sequence[str], what: str) -> list[str]:
    """A sentence for each hole of the context: where it is, how many events it lacks, and what a map does there.

    Args:
        samples: by name.
        names: of the context variables.
        what: what the map does in a hole.
    """
    remarks = []
    for column, name in enumerate(names):
        found = {sample: find_holes(events.context[:, column]) for sample, events in samples.items()}
        told: list[Hole] = []
        # The target comes last, and says most about what is not known there.
        for sample, holes in reversed(found.items()):
            for hole in holes:
                if any(hole.overlaps(other) for other in told):
                    continue
                told.append(hole)
                empty = [it for it, others in found.items() if any(hole.overlaps(other) for other in others)]
                remarks.append(
                    f"context {name!r}: no events of {' and '.join(empty)} from {hole.low:.4g} to {hole.high:.4g}, "
                    f"where about {hole.expected:,.0f} of the {sample} would be expected; {what}"
                )
    return remarks
