"""Events that no bin of a histogram holds, counted and weighed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, FloatArray


class Left(NamedTuple):
    """Some events.

    Attributes:
        events: how many; None if that is not known, as of a histogram in a file.
        weighted: their sum of weights.
    """

    events: int | None = 0
    weighted: float = 0.0

    @classmethod
    def of(cls, weights: FloatArray, chosen: BoolArray) -> Self:
        """The events that are chosen, with (n_events,) weights; a weight that is not finite counts 0."""
        return cls(int(np.count_nonzero(chosen)), float(np.nan_to_num(weights[chosen], posinf=0, neginf=0).sum()))

    def plus(self, other: Left) -> Self:
        """Both together."""
        is_known = self.events is not None and other.events is not None
        return type(self)(
            (self.events or 0) + (other.events or 0) if is_known else None, self.weighted + other.weighted
        )

    def to_text(self, where: str) -> str:
        """How many there are, with the sum of weights in brackets, or what there is of weights; empty for nothing."""
        if self.events is None:
            return f"{self.weighted:.6g} {where}" if self.weighted else ""
        return f"{self.events} {where} ({self.weighted:.6g})" if self.events else ""


class Outside(NamedTuple):
    """Events of a sample that are in no bin.

    Attributes:
        below: of the first edge.
        above: of the last edge.
        not_finite: NaN or infinite, and so in no bin at all.
    """

    below: Left = Left()
    above: Left = Left()
    not_finite: Left = Left()

    @classmethod
    def of(cls, edges: FloatArray, observable: FloatArray, weights: FloatArray) -> Self:
        """What bins with these edges do not hold.

        >>> Outside.of(np.array([0.0, 1.0]), np.array([-1.0, 0.5, np.nan]), np.array([2.0, 1.0, 0.5])).to_text()
        '1 below (2), 1 not finite (0.5)'

        Args:
            edges: (n_bins + 1,).
            observable: (n_events,).
            weights: (n_events,).
        """
        finite = np.isfinite(observable)
        below, above = finite & (observable < edges[0]), finite & (observable > edges[-1])
        return cls(*(Left.of(weights, chosen) for chosen in (below, above, ~finite)))

    def plus(self, other: Outside) -> Self:
        """Both together."""
        return type(self)(*(mine.plus(its) for mine, its in zip(self, other, strict=True)))

    def scaled(self, factor: float) -> Self:
        """With all weights times a factor."""
        return type(self)(*(left._replace(weighted=left.weighted * factor) for left in self))

    def to_json(self) -> dict[str, dict[str, float | None]]:
        """By name."""
        return {name: left._asdict() for name, left in self._asdict().items()}

    def to_text(self) -> str:
        """What there is, with the sums of weights in brackets; empty if there is nothing."""
        words = (left.to_text(name.replace("_", " ")) for name, left in self._asdict().items())
        return ", ".join(filter(None, words))
