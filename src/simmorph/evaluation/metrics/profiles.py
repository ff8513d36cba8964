"""Profiles: the mean of each variable in bins of a condition, and the closure of the conditions themselves.

A map is conditioned on variables that it does not change, such as a mass. One that closes on average may still be wrong
at given values of them, with opposite signs that cancel; a profile shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simmorph.evaluation.metrics.samples import COMPARISONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.evaluation.metrics.samples import Samples

N_BINS = 10
FEWEST_EVENTS = 20
"""Fewer events of a sample in a bin have no mean worth a chi2."""
N_SPLITS = 5
"""Random halvings of the target that the null is the mean of."""


class Means(NamedTuple):
    """The weighted mean of a variable in each bin of a condition.

    Attributes:
        values: (n_bins,); NaN where there are too few events or no positive sum of weights.
        uncertainty: (n_bins,), one standard deviation of the mean's statistical error.
    """

    values: FloatArray
    uncertainty: FloatArray


class ProfileTest(NamedTuple):
    """Whether two profiles agree.

    Attributes:
        chi2: the sum of squared differences over their variances.
        n_bins: that it is a sum of: its degrees of freedom, since no normalisation is shared.
        p_value: the probability of so large a chi2 if the means agree; of a null, that of its mean chi2.
    """

    chi2: float
    n_bins: int
    p_value: float

    @property
    def reduced(self) -> float:
        """The chi2 for each degree of freedom: 1 where profiles agree."""
        return self.chi2 / self.n_bins if self.n_bins else float("nan")

    def to_json(self) -> dict[str, float | int | None]:
        """The numbers as JSON values."""
        return {
            "chi2": float(self.chi2),
            "ndf": self.n_bins,
            "chi2_per_ndf": _number(self.reduced),
            "p_value": _number(self.p_value),
        }


class Profile(NamedTuple):
    """The mean of one variable against one condition.

    Attributes:
        condition: its name.
        variable: its name.
        edges: (n_bins + 1,), of the condition; bins hold equal shares of the target's events.
        centres: (n_bins,), the target's mean of the condition in each bin.
        means: by sample: source (if there is one), template, target.
        tests: by comparison; `target_vs_target` is the mean over random halvings of the target.
    """

    condition: str
    variable: str
    edges: FloatArray
    centres: FloatArray
    means: dict[str, Means]
    tests: dict[str, ProfileTest]

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return {
            "condition": self.condition,
            "variable": self.variable,
            "edges": [float(it) for it in self.edges],
            "centres": [_number(it) for it in self.centres],
            **{
                name: {key: [_number(it) for it in its] for key, its in means._asdict().items()}
                for name, means in self.means.items()
            },
            "tests": {name: test.to_json() for name, test in self.tests.items()},
        }


def profiles(samples: Samples, rng: np.random.Generator) -> list[Profile]:
    """The profile of every variable against every condition but itself.

    The chi2 compares means alone, bin by bin: it does not see widths. An angle is taken as a number on a line. Not
    valid where the weights are so uneven that a mean is not normally distributed.

    Args:
        samples: with their conditions.
        rng: halves the target.
    """
    halves = [rng.permutation(len(samples.target)) % 2 == 0 for _ in range(N_SPLITS)]
    return [one for condition in samples.conditions for one in _of_condition(samples, condition, halves)]


def _of_condition(samples: Samples, condition: str, halves: list[BoolArray]) -> Iterator[Profile]:
    """The profile of each variable but the condition itself.

    Args:
        samples: with the condition's values.
        condition: its name.
        halves: for each halving of the target, (n_target,), which events are in the first half.
    """
    conditions = samples.conditions[condition]
    edges = _edges(conditions["target"])
    places = {name: _places(values, edges) for name, values in conditions.items()}
    n_bins = len(edges) - 1
    target = samples.target
    centres = _means(conditions["target"], target.weights, places["target"], n_bins).values
    for column, variable in enumerate(samples.names):
        if variable == condition:
            continue
        means = {
            name: _means(sample.features[:, column], sample.weights, places[name], n_bins)
            for name, sample in samples.by_name().items()
        }
        tests = {f"{name}_vs_target": _test(means[name], means["target"]) for name in means if name != "target"}
        values = target.features[:, column]
        parts = [
            [_means(values[half], target.weights[half], places["target"][half], n_bins) for half in (first, ~first)]
            for first in halves
        ]
        tests[COMPARISONS[-1]] = _mean_test([_test(*pair) for pair in parts])
        yield Profile(condition, variable, edges, centres, means, tests)


def _edges(values: FloatArray) -> FloatArray:
    """Between bins of equal shares; a condition of a few values gets a bin for each, and a constant one bin."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, N_BINS + 1)))
    known = np.unique(values[:10_000])
    if len(known) <= N_BINS and np.isin(values, known).all():
        edges = np.append(known, known[-1] + 1)
    return edges if len(edges) > 1 else np.array([edges[0], edges[0] + 1])


def _places(values: FloatArray, edges: FloatArray) -> IntArray:
    """(n_events,), the bin of each event; beyond the target's range it is the number of bins, which counts nowhere."""
    n_bins = len(edges) - 1
    inside = (values >= edges[0]) & (values <= edges[-1])
    return np.where(inside, np.clip(np.searchsorted(edges, values, side="right") - 1, 0, n_bins - 1), n_bins)


def _means(values: FloatArray, weights: FloatArray, places: IntArray, n_bins: int) -> Means:
    """The mean in each bin, and its error sqrt(sum w^2 (x - mean)^2) / sum w, which holds for signed weights too."""
    counts, total, first = (np.bincount(places, its, n_bins + 1)[:n_bins] for its in (None, weights, weights * values))
    known = (counts >= FEWEST_EVENTS) & (total > 0)
    mean = np.where(known, first / np.where(known, total, 1.0), np.nan)
    deviation = weights * (values - np.append(np.nan_to_num(mean), 0.0)[places])
    squares = np.bincount(places, deviation**2, n_bins + 1)[:n_bins]
    return Means(mean, np.where(known, np.sqrt(squares) / np.where(known, total, 1.0), np.nan))


def _test(first: Means, second: Means) -> ProfileTest:
    """The chi2 of two profiles over the bins in which both have a mean."""
    from scipy.stats import chi2 as chi_squared  # noqa: PLC0415 - takes a second

    variance = first.uncertainty**2 + second.uncertainty**2
    known = np.isfinite(variance) & (variance > 0)
    chi2 = float(np.sum((first.values - second.values)[known] ** 2 / variance[known]))
    n_bins = int(known.sum())
    return ProfileTest(chi2, n_bins, float(chi_squared.sf(chi2, n_bins)) if n_bins else float("nan"))


def _mean_test(tests: list[ProfileTest]) -> ProfileTest:
    """The mean chi2 and number of bins of several tests, and the probability of that chi2."""
    from scipy.stats import chi2 as chi_squared  # noqa: PLC0415

    chi2, n_bins = (float(np.mean(its)) for its in ([test.chi2 for test in tests], [test.n_bins for test in tests]))
    p_value = float(chi_squared.sf(chi2, n_bins)) if n_bins else float("nan")
    return ProfileTest(chi2, round(n_bins), p_value)


def _number(value: float) -> float | None:
    """The number, or None where it is not finite."""
    return float(value) if np.isfinite(value) else None
