"""The numbers behind the plots of distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from simmorph.data.events import Events, FloatArray
    from simmorph.evaluation.samples import Samples

N_BINS = 40
TAIL = 0.001
"""Share of the target's events left out at either end of an axis."""


class Counts(NamedTuple):
    """A sample in bins.

    Attributes:
        values: (n_bins,), sums of weights.
        uncertainty: (n_bins,), the root of the sum of squared weights.
    """

    values: FloatArray
    uncertainty: FloatArray

    def scaled(self, factor: float) -> Counts:
        """The same shape with another sum."""
        return Counts(self.values * factor, self.uncertainty * abs(factor))


class Distribution(NamedTuple):
    """One variable of all samples; source and template have the sum of the target.

    Attributes:
        name: of the variable.
        edges: (n_bins + 1,), of the bins.
        target: the target.
        source: the source.
        template: the template.
    """

    name: str
    edges: FloatArray
    target: Counts
    source: Counts
    template: Counts

    def rows(self) -> list[dict[str, float]]:
        """One row a bin, for a table."""
        columns: dict[str, FloatArray] = {"low": self.edges[:-1], "high": self.edges[1:]}
        for sample in ("target", "source", "template"):
            counts: Counts = getattr(self, sample)
            columns |= {sample: counts.values, f"{sample}_uncertainty": counts.uncertainty}
        return [
            {key: float(column[bin_number]) for key, column in columns.items()}
            for bin_number in range(len(self.edges) - 1)
        ]


def distribution(samples: Samples, column: int) -> Distribution:
    """One variable of the samples in equal bins between the target's tails."""
    edges = _edges(samples.target.features[:, column])
    target, source, template = (
        _counts(sample, column, edges) for sample in (samples.target, samples.source, samples.template)
    )
    total = samples.target.weights.sum()
    return Distribution(
        samples.names[column],
        edges,
        target,
        source.scaled(float(total / samples.source.weights.sum())),
        template.scaled(float(total / samples.template.weights.sum())),
    )


def _edges(values: FloatArray) -> FloatArray:
    """Equal bins without the tails; as wide as there are numbers for if the values are whole."""
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    if low == high:
        low, high = values.min() - 0.5, values.max() + 0.5
    return np.linspace(low, high, N_BINS + 1)


def _counts(sample: Events, column: int, edges: FloatArray) -> Counts:
    values = sample.features[:, column]
    summed, squares = (
        np.histogram(values, edges, weights=weights)[0] for weights in (sample.weights, sample.weights**2)
    )
    return Counts(summed, np.sqrt(squares))
