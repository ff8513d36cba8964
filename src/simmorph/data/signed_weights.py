"""Samples with negative weights, made fit to be trained on: the one place where a weight's sign is ever changed.

A likelihood has no maximum with negative weights, so training needs positive ones. Only samples to train on come here:
`apply`, `evaluate` and `limits` carry signed weights exactly. Every treatment keeps the sum of the weights, and reports
what it did to the mean and the width of each variable. Where the signed density itself is negative no positive weights
are right, and that is said.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.data.splits import uniform_of
from simmorph.data.tilting import tilted
from simmorph.data.trees import Rows, TreeShape, grow
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simmorph.config.training import NegativeWeights
    from simmorph.data.events import Events, FloatArray, IntArray

N_FOLDS = 5
FIRST_NEIGHBOURS = 32
NOTABLE_SIGMAS = 3.0
SUSPECT_SIGMAS = 1.0
"""From where on a region of negative sum is told; trees that find one where there is none are rare already."""
TREES = TreeShape(trees=100, leaves=16, leaf_events=50, shrinkage=0.1)
COARSE_LEAF = 200, 100
"""Least number of events in a leaf where regions are looked for, and how many leaves of the sample it may be."""
CORRECTED = ("positive", "resample")
"""Treatments whose moments are put right where they are off by more than NOTABLE_SIGMAS."""
_FOLDS_STREAM = 0x5349_474E


class Positive(NamedTuple):
    """Weights without a negative one, and what was done for it.

    Attributes:
        weights: (n_events,), with the same sum as before.
        numbers: what was done, by name.
    """

    weights: FloatArray
    numbers: dict[str, float]


class Treated(NamedTuple):
    """A sample to train on, and what a user should know about it.

    Attributes:
        events: the same events, with other weights where some were negative.
        numbers: what was done, by name.
        warnings: one sentence each.
    """

    events: Events
    numbers: dict[str, float]
    warnings: list[str]


class Shift(NamedTuple):
    """What other weights do to the mean and the width of a variable; uncertainties in the variable's unit.

    Attributes:
        name: of the variable.
        mean: with the weights as they are.
        mean_shift: by how much it changes.
        mean_sigmas: the same in units of its statistical uncertainty.
        width: standard deviation with the weights as they are.
        width_shift: by how much it changes.
        width_sigmas: the same in units of its statistical uncertainty.
    """

    name: str
    mean: float
    mean_shift: float
    mean_sigmas: float
    width: float
    width_shift: float
    width_sigmas: float

    @property
    def largest(self) -> float:
        """The larger of both changes, in standard deviations of the statistics."""
        return max(abs(self.mean_sigmas), abs(self.width_sigmas))

    def to_text(self) -> str:
        """One line of the table."""
        mean = f"mean {self.mean:.5g} becomes {self.mean + self.mean_shift:.5g} ({self.mean_sigmas:+.1f} sigma)"
        width = f"width {self.width:.5g} becomes {self.width + self.width_shift:.5g} ({self.width_sigmas:+.1f} sigma)"
        return f"{self.name}: {mean}, {width}"


def treated(events: Events, treatment: NegativeWeights, sample: str, variables: Sequence[str], seed: int) -> Treated:
    """The events with weights that can be trained on, if some are negative and the treatment is not to refuse them.

    Args:
        events: a sample to train on, with finite values and a positive sum of weights.
        treatment: what to do with negative weights.
        sample: what to call it, such as source.
        variables: names of the features, then of the context.
        seed: of the folds of `positive`.
    """
    n_negative = int(np.count_nonzero(events.weights < 0))
    if treatment == "refuse" or not n_negative:
        return Treated(events, {}, [])
    weights, numbers = TREATMENTS[treatment](events, seed)
    table = shifts(events, weights, variables)
    head = f"{sample}: {n_negative} of {len(events)} weights are negative; {DONE[treatment]}"
    if treatment in CORRECTED and max(shift.largest for shift in table) > NOTABLE_SIGMAS:
        better = tilted(np.hstack([events.features, events.context]), weights, events.weights)
        numbers["tilted"] = float(better is not None)
        if better is not None:
            weights, table = better, shifts(events, better, variables)
            head += ", tilted since means or widths were off"
    region = negative_region(events, variables, seed)
    numbers = {"negative_fraction": n_negative / len(events), **numbers, **region.numbers, **_table_numbers(table)}
    found = [head, *(shift.to_text() for shift in table), *region.warnings(sample)]
    named = {f"{sample}_{name}": value for name, value in numbers.items()}
    return Treated(events.with_weights(weights), named, found)


class Region(NamedTuple):
    """Where events of negative weight outweigh the others.

    Attributes:
        share: the sum of weights there, of the whole sum.
        sigmas: how many standard deviations that is below zero.
        variable: the variable that tells most where it is.
        low: from where on, in the variable's unit; a twentieth of the region is below.
        high: up to where; a twentieth is above.
    """

    share: float = 0.0
    sigmas: float = 0.0
    variable: str = ""
    low: float = 0.0
    high: float = 0.0

    @property
    def numbers(self) -> dict[str, float]:
        """For the model's card."""
        return {"negative_density_share": self.share, "negative_density_sigmas": self.sigmas}

    def warnings(self, sample: str) -> list[str]:
        """One sentence, where chance is no likely reason."""
        if self.sigmas < SUSPECT_SIGMAS:
            return []
        verb = "is" if self.sigmas >= NOTABLE_SIGMAS else "may be"
        where = f"for {self.variable} from {self.low:.4g} to {self.high:.4g}"
        has = f"which has {100 * self.share:.2g} % of the sum of weights: no positive weights are right there"
        return [f"{sample}: the signed density {verb} negative ({self.sigmas:.1f} sigma) {where}, {has}"]


def negative_region(events: Events, names: Sequence[str], seed: int) -> Region:
    """Where the mean weight is negative by coarse trees that have not seen the events, with their sum of weights.

    Without such a region the sum is positive but for chance, since an event's own weight has no part in the choice. A
    region narrower than a leaf (a hundredth of the sample, and 200 events) is not found.

    Args:
        events: some with negative weights.
        names: of the features, then of the context.
        seed: of the folds.
    """
    inputs = np.hstack([events.features, events.context])
    shape = TreeShape(30, 4, max(COARSE_LEAF[0], len(events) // COARSE_LEAF[1]), 0.2)
    inside = _out_of_fold(inputs, events.weights, events.ids, seed, shape) < 0
    if not inside.any():
        return Region()
    total = float(np.sum(events.weights[inside]))
    distances = [_distance(column[inside], column) for column in inputs.T]
    best = int(np.argmax(distances))
    low, high = np.quantile(inputs[inside, best], [0.05, 0.95]).tolist()
    sigmas = -total / _length(events.weights[inside])
    return Region(total / float(np.sum(events.weights)), sigmas, names[best], low, high)


def _distance(some: FloatArray, every: FloatArray) -> float:
    """The largest distance of two distribution functions (Kolmogorov, Smirnov), at the values of the first."""
    at = np.sort(some)
    return float(np.max(np.abs(np.arange(1, len(at) + 1) / len(at) - np.searchsorted(np.sort(every), at) / len(every))))


def absolute(events: Events, seed: int = 0) -> Positive:  # noqa: ARG001 - as the others
    """Absolute values, scaled to the same sum.

    Biased wherever the share of negative weights depends on a variable: it trains on another distribution than the one
    that the weights describe.
    """
    return Positive(_scaled(np.abs(events.weights), events.weights), {})


def tilted_absolute(events: Events, seed: int = 0) -> Positive:  # noqa: ARG001 - as the others
    """Absolute values, tilted so that they have the means, widths and correlations of the signed weights.

    It keeps most of the statistical power, and is right as far as the share of negative weights is smooth: a narrow
    stretch with many of them stays as absolute values have it.

    Raises:
        InputError: no such weights have these moments.
    """
    weights = tilted(np.hstack([events.features, events.context]), np.abs(events.weights), events.weights)
    if weights is None:
        what = "no tilt of the absolute weights gives the means and widths of the signed ones"
        raise InputError("training.negative_weights", what, "choose `positive` or `resample`")
    return Positive(_scaled(weights, events.weights), {})


def smooth_mean(events: Events, seed: int = 0) -> Positive:
    """The mean weight of events with the same variables, E[w|x], from gradient-boosted regression.

    The density that the events have with these weights is that of the signed ones; what the regression cannot resolve
    is smoothed. Every event's mean comes from trees that have not seen it. A mean below zero says that the density
    would be negative there, and is set to zero.

    Source: Nachman, Thaler, "Neural resampler for Monte Carlo reweighting with preserved uncertainties", 2020,
    arXiv 2007.11586, with trees for the network.
    """
    means = _out_of_fold(np.hstack([events.features, events.context]), events.weights, events.ids, seed)
    below = means < 0
    clipped = float(-np.sum(means[below]) / np.sum(np.abs(means)))
    numbers = {"clipped_fraction": float(np.mean(below)), "clipped_weight": clipped}
    return Positive(_scaled(np.maximum(means, 0), events.weights), numbers)


def cell_resampled(events: Events, seed: int = 0) -> Positive:  # noqa: ARG001 - as the others
    """Weights shared among neighbours, so that none is negative.

    Around each event of negative weight, from the most negative on, the smallest sphere with a sum that is not negative
    shares its sum in proportion to the absolute weights. What is coarser than the spheres stays as it is.

    Source: Andersen, Maier, "Unbiased elimination of negative weights in Monte Carlo samples", 2021, arXiv 2109.07851;
    the distance is Euclidean, in standard deviations of each variable.
    """
    from scipy.spatial import cKDTree  # noqa: PLC0415 - a tenth of a second that few commands need

    points = _standardised(np.hstack([events.features, events.context]))
    tree, weights = cKDTree(points), events.weights.copy()
    seeds = np.argsort(weights, kind="stable")[: np.count_nonzero(weights < 0)]

    def neighbours(at: IntArray, count: int) -> IntArray:
        """(n_seeds, n_neighbours), the nearest events, each event its own first neighbour."""
        return np.asarray(tree.query(points[at], k=np.arange(1, min(count, len(points)) + 1))[1])

    sizes = []
    for at, nearest in zip(seeds, neighbours(seeds, FIRST_NEIGHBOURS), strict=True):
        if weights[at] < 0:
            cell = _cell(weights, nearest, partial(neighbours, at))
            share = np.abs(weights[cell])
            weights[cell] = share * (max(np.sum(weights[cell]), 0.0) / np.sum(share))
            sizes.append(len(cell))
    numbers = {"cells": float(len(sizes)), "mean_cell_size": float(np.mean(sizes)), "largest_cell": float(max(sizes))}
    return Positive(_scaled(weights, events.weights), numbers)


TREATMENTS: Mapping[str, Callable[[Events, int], Positive]] = {
    "absolute": absolute,
    "tilt": tilted_absolute,
    "positive": smooth_mean,
    "resample": cell_resampled,
}
DONE: Mapping[NegativeWeights, str] = {
    "absolute": "training takes their absolute values, and so another distribution",
    "tilt": "training takes their absolute values, tilted to the same means, widths and correlations",
    "positive": "training takes the mean weight at each event's variables",
    "resample": "training takes weights shared among neighbours",
}


def shifts(events: Events, weights: FloatArray, names: Sequence[str]) -> list[Shift]:
    """What other weights do to each variable.

    Both means come from the same events; the uncertainty of their difference takes that into account.

    Args:
        events: with the weights as they are.
        weights: (n_events,), the others.
        names: of the features, then of the context.
    """
    columns = np.hstack([events.features, events.context]).T
    return [_shift(name, column, events.weights, weights) for name, column in zip(names, columns, strict=True)]


def _shift(name: str, values: FloatArray, before: FloatArray, after: FloatArray) -> Shift:
    """What other weights do to the mean and the width of one variable.

    Args:
        name: of the variable.
        values: (n_events,).
        before: (n_events,), the weights as they are.
        after: (n_events,), the others.
    """
    moments = [_Moments.of(values, weights) for weights in (before, after)]
    mean_shift, width_shift = moments[1].mean - moments[0].mean, moments[1].width - moments[0].width
    mean_error = _length(moments[1].of_mean - moments[0].of_mean)
    width_error = _length(moments[1].of_width - moments[0].of_width)
    return Shift(
        name,
        moments[0].mean,
        mean_shift,
        mean_shift / mean_error if mean_error > 0 else 0.0,
        moments[0].width,
        width_shift,
        width_shift / width_error if width_error > 0 else 0.0,
    )


class _Moments(NamedTuple):
    """Mean and standard deviation, and what each event adds to them to first order, (n_events,).

    Attributes:
        mean: weighted.
        width: 0 where signed weights give no positive variance.
        of_mean: (n_events,), share times distance from the mean.
        of_width: (n_events,), the same for the width.
    """

    mean: float
    width: float
    of_mean: FloatArray
    of_width: FloatArray

    @classmethod
    def of(cls, values: FloatArray, weights: FloatArray) -> _Moments:
        """The moments of (n_events,) values with these weights."""
        shares = weights / np.sum(weights)
        mean = float(np.sum(shares * values))
        variance = float(np.sum(shares * (values - mean) ** 2))
        width = float(np.sqrt(max(variance, 0.0)))
        slope = 0.5 / width if width > 0 else 0.0
        return cls(mean, width, shares * (values - mean), slope * shares * ((values - mean) ** 2 - variance))


def _length(values: FloatArray) -> float:
    """The root of the sum of squares."""
    return float(np.sqrt(np.sum(values**2)))


def _scaled(weights: FloatArray, wanted: FloatArray) -> FloatArray:
    """The weights with the sum of others."""
    return np.asarray(weights * (np.sum(wanted) / np.sum(weights)))


def _out_of_fold(
    inputs: FloatArray, values: FloatArray, ids: IntArray, seed: int, shape: TreeShape = TREES
) -> FloatArray:
    """The mean value at each event's inputs, from the other folds."""
    scale = float(np.mean(np.abs(values)))
    fold = (uniform_of(ids, seed, _FOLDS_STREAM) * N_FOLDS).astype(np.int64)
    means = np.full(len(values), float(np.mean(values)))
    for number in np.unique(fold):
        left_out = fold == number
        if left_out.all():
            break
        rows = Rows(inputs[~left_out], values[~left_out] / scale, np.ones(int(np.count_nonzero(~left_out))))
        means[left_out] = scale * grow(rows, shape, objective="reg:squarederror").scores(inputs[left_out])
    return means


def _standardised(values: FloatArray) -> FloatArray:
    """(n_events, n_variables), each in standard deviations from its mean; 0 for a constant."""
    width = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(width > 0, width, 1.0))


def _cell(weights: FloatArray, nearest: IntArray, more: Callable[[int], IntArray]) -> IntArray:
    """The nearest events, as few as give a sum that is not negative; all events if no fewer do."""
    while True:
        enough = np.flatnonzero(np.cumsum(weights[nearest]) >= 0)
        if len(enough):
            return nearest[: enough[0] + 1]
        if len(nearest) == len(weights):
            return nearest
        nearest = more(4 * len(nearest))


def _table_numbers(table: Sequence[Shift]) -> dict[str, float]:
    """Shifts and their significance by name, for the model's card."""
    return {
        f"{shift.name}_{name}": value
        for shift in table
        for name, value in shift._asdict().items()
        if name.endswith(("_shift", "_sigmas"))
    }
