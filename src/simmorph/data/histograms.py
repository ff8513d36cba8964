"""Weighted histograms: sums of weights and of squared weights, signs included."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import boost_histogram as bh

    from simmorph.data.events import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class Histogram:
    """A weighted histogram.

    Attributes:
        edges: (n_bins + 1,), increasing, in the observable's unit.
        values: (n_bins,), sum of weights.
        variances: (n_bins,), sum of squared weights.
        name: of the sample, for messages.

    Raises:
        ValueError: the shapes do not belong together.
    """

    edges: FloatArray
    values: FloatArray
    variances: FloatArray
    name: str = "histogram"

    def __post_init__(self) -> None:
        if not len(self.edges) - 1 == len(self.values) == len(self.variances):
            raise ValueError("a histogram has one more edge than values and variances")

    @classmethod
    def empty(cls, edges: FloatArray, name: str = "histogram") -> Self:
        """A histogram without entries."""
        return cls(np.asarray(edges, np.float64), np.zeros(len(edges) - 1), np.zeros(len(edges) - 1), name)

    @property
    def centres(self) -> FloatArray:
        """(n_bins,), the middle of each bin."""
        return (self.edges[:-1] + self.edges[1:]) / 2

    @property
    def uncertainties(self) -> FloatArray:
        """(n_bins,), standard deviations from the sum of squared weights."""
        return np.sqrt(self.variances)

    @property
    def effective_entries(self) -> float:
        """How many events of equal weights would have the same relative uncertainty of their sum."""
        return float(self.values.sum() ** 2 / self.variances.sum())

    def filled(self, observable: FloatArray, weights: FloatArray) -> Self:
        """With more events in it; the last bin includes its upper edge, and what is outside is left out.

        >>> empty = Histogram.empty(np.array([100.0, 120.0, 140.0]))
        >>> empty.filled(np.array([99.0, 110.0, 140.0]), weights=np.array([1.0, 1.0, -0.5])).values.tolist()
        [1.0, -0.5]

        Args:
            observable: (n_events,).
            weights: (n_events,), may be negative.

        Raises:
            InputError: the weight of an event inside is not finite.
        """
        inside = (observable >= self.edges[0]) & (observable <= self.edges[-1])
        observable, weights = observable[inside], weights[inside]
        if not np.all(np.isfinite(weights)):
            n = int(np.sum(~np.isfinite(weights)))
            raise InputError(self.name, f"{n} event weights are not finite", "mend the weight branch")
        below = np.minimum(observable, np.nextafter(self.edges[-1], -np.inf))
        filled = self.to_boost().fill(below, weight=weights)
        return replace(self, values=filled.values(), variances=filled.variances())

    def to_boost(self, **metadata: str) -> bh.Histogram[bh.storage.Weight]:
        """The same for all libraries that take a histogram by the UHI protocol, such as hist and mplhep.

        Args:
            metadata: of the axis, such as its name and label.
        """
        import boost_histogram as bh  # noqa: PLC0415 - takes a while, and only here it is needed

        axis = bh.axis.Variable(self.edges, underflow=False, overflow=False, __dict__=metadata)
        boost = bh.Histogram(axis, storage=bh.storage.Weight())
        boost[...] = np.column_stack([self.values, self.variances])
        return boost

    def plus(self, other: Histogram) -> Self:
        """The sum of both.

        Raises:
            InputError: the bins differ.
        """
        if len(self.edges) != len(other.edges) or not np.allclose(self.edges, other.edges, rtol=1e-9):
            raise InputError(other.name, f"its bins differ from those of {self.name!r}", "use one binning for all")
        return replace(self, values=self.values + other.values, variances=self.variances + other.variances)

    def scaled(self, factor: float) -> Self:
        """With all weights times a factor."""
        return replace(self, values=self.values * factor, variances=self.variances * factor**2)

    def part(self, bins: BoolArray) -> Self:
        """The bins that are marked, which must be next to each other.

        Raises:
            ValueError: there is a gap between them.
        """
        chosen = np.flatnonzero(bins)
        if len(chosen) == 0 or chosen[-1] - chosen[0] + 1 != len(chosen):
            raise ValueError("a part of a histogram is one or more neighbouring bins")
        edges = self.edges[chosen[0] : chosen[-1] + 2]
        return replace(self, edges=edges, values=self.values[chosen], variances=self.variances[chosen])

    def without_negative_bins(self) -> Self:
        """With negative yields set to 0; their variances stay."""
        return replace(self, values=np.maximum(self.values, 0.0))

    def usable(self) -> Self:
        """Itself, if every bin can be an expected yield.

        Raises:
            InputError: a yield is not finite or negative, or all are zero.
        """
        for i in np.flatnonzero(~np.isfinite(self.values) | ~np.isfinite(self.variances) | (self.values < 0)):
            place = f"bin {i + 1} ({self.edges[i]:g} to {self.edges[i + 1]:g})"
            reason = f"the expected yield in {place} is {self.values[i]:g}"
            raise InputError(self.name, reason, "choose wider bins, so that none is negative")
        if not np.any(self.values > 0):
            raise InputError(self.name, "no events in any bin", "check region, observable and binning")
        return self


def summed(histograms: Iterable[Histogram], name: str) -> Histogram:
    """The sum of one or more histograms.

    Raises:
        InputError: the bins differ.
    """
    first, *others = histograms
    for other in others:
        first = first.plus(other)
    return replace(first, name=name)


def side_by_side(histograms: Iterable[Histogram]) -> Histogram:
    """The bins of all of them one after the other; its edges count the bins."""
    parts = list(histograms)
    values, variances = (np.concatenate([getattr(it, name) for it in parts]) for name in ("values", "variances"))
    return Histogram(np.arange(len(values) + 1.0), values, variances, parts[0].name)


def in_window(edges: FloatArray, window: tuple[float, float]) -> BoolArray:
    """(n_bins,), the bins that overlap the window; the others are the sidebands."""
    return (edges[1:] > window[0]) & (edges[:-1] < window[1])
