"""What noise alone makes of a number: samples drawn again as if both came from one distribution.

Where two samples agree, a distance is as large as their fluctuations make it, and these are known from the samples:
each event adds its weight times its difference to the mean. Multiplied with random numbers of mean 0 and variance 1,
the sums of these fluctuate like the samples, whatever weights are, signed ones too, and whatever the sizes. Events are
put into groups at random that have one multiplier each, so that a draw takes no longer for a million events.
(Multiplier bootstrap: van der Vaart, Wellner, Weak Convergence and Empirical Processes, 1996, chapter 3.6.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from simmorph.data.estimates import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simmorph.data.events import Events, FloatArray, IntArray

N_DRAWS = 500
N_GROUPS = 500
ENOUGH_DRAWS = 25
"""So many draws beyond a number tell how probable that is."""
NO_SKEW = 1e-3
"""Below this skewness the distribution of a number is taken for normal."""


class BesideNull(NamedTuple):
    """A number, and what it would be if the samples agreed.

    Attributes:
        found: the number.
        null: what noise alone makes of it: mean and standard deviation.
        p_value: the probability that noise alone makes it as large.
    """

    found: Estimate
    null: Estimate
    p_value: float


class Noise(NamedTuple):
    """The fluctuations of one sample.

    Attributes:
        share: (n_events,), of the sum of weights.
        group: (n_events,), the group of each event.
        multipliers: (n_groups, N_DRAWS).
    """

    share: FloatArray
    group: IntArray
    multipliers: FloatArray

    @classmethod
    def of(cls, events: Events, rng: np.random.Generator) -> Self:
        """Those of a sample.

        Args:
            events: with a positive sum of weights.
            rng: forms the groups and draws.
        """
        n_events = len(events)
        n_groups = min(n_events, N_GROUPS)
        group = rng.permutation(n_events) % n_groups
        return cls(events.weights / np.sum(events.weights), group, rng.normal(size=(n_groups, N_DRAWS)))

    def in_bins(self, places: IntArray, n_bins: int) -> FloatArray:
        """(n_bins, N_DRAWS), what the shares of bins differ by from those of the sample.

        Args:
            places: (n_events,), the bin of each event.
            n_bins: how many there are.
        """
        n_groups = len(self.multipliers)
        sums = np.bincount(self.group * n_bins + places, self.share, n_groups * n_bins).reshape(n_groups, n_bins)
        centred = sums - sums.sum(axis=1, keepdims=True) * sums.sum(axis=0)
        return np.asarray(centred.T @ self.multipliers)

    def of_means(self, quantities: Iterable[FloatArray]) -> FloatArray:
        """(n_quantities, N_DRAWS), what the weighted means of quantities, (n_events,) each, differ by."""
        sums = [
            np.bincount(self.group, self.share * (quantity - self.share @ quantity), len(self.multipliers))
            for quantity in quantities
        ]
        return np.asarray(np.stack(sums) @ self.multipliers)


def both(template: Events, target: Events, rng: np.random.Generator) -> tuple[Noise, Noise]:
    """The fluctuations of the template and of the target."""
    return Noise.of(template, rng), Noise.of(target, rng)


def beside_null(found: Estimate, draws: FloatArray, observed: float | None = None) -> BesideNull:
    """A number beside what noise alone makes of it; see `probability`.

    Args:
        found: the number.
        draws: (n_draws,), of it by noise alone.
        observed: what is compared to the draws, where that is a little less than the number.
    """
    observed = found.value if observed is None else observed
    unit = found.value / observed if observed > 0 else 1.0
    null = Estimate(float(np.mean(draws)) * unit, float(np.std(draws)) * unit)
    return BesideNull(found, null, probability(draws, observed))


def probability(draws: FloatArray, observed: float) -> float:
    """The probability that noise alone makes a number at least as large as the observed one; NaN without noise.

    It is the share of the draws that are as large; where these are few, that of a shifted gamma distribution with the
    mean, variance and skewness of all draws, which is exact for a chi2 and reaches further than their number.

    Args:
        draws: (n_draws,), of the number by noise alone.
        observed: the number.
    """
    from scipy.special import gammaincc, ndtr  # noqa: PLC0415 - takes its time

    mean, spread = float(np.mean(draws)), float(np.std(draws))
    if not (spread > 0 and np.isfinite(observed)):
        return float("nan")
    n_larger = int(np.count_nonzero(draws >= observed))
    if n_larger >= ENOUGH_DRAWS:
        return (n_larger - 0.5) / len(draws)
    skewness, deviations = float(np.mean(((draws - mean) / spread) ** 3)), (observed - mean) / spread
    if skewness < NO_SKEW:
        return float(ndtr(-deviations))
    shape = 4 / skewness**2
    return float(gammaincc(shape, max(shape + deviations * shape**0.5, 0.0)))
