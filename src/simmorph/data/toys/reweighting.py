"""Toy of the reweighting exercise: two variables on which a reweighting has hardly any events left.

Two files with N events each, `target.root` (data) and `source.root` (simulation), tree `events`. The two variables are
drawn independently and then mixed, with the same mixture for both samples but other numbers:

    |                | target (data)                     | source (simulation)               |
    |----------------|-----------------------------------|-----------------------------------|
    | `truth_latent1`| 0.4 N(0, 0.1) + 0.6 N(0, 0.8)     | 0.3 N(0.1, 0.1) + 0.7 N(0, 1)     |
    | `truth_latent2`| exponential of rate 0.2           | exponential of rate 0.4           |
    | `var1`, `var2` | [[0.7, 0.3], [0.3, 0.7]] latent   | [[0.9, 0.1], [0.1, 0.9]] latent   |

(N(mean, standard deviation); the exercise draws 100,000 events of each.)

Truth. `truth_ratio` is the density of the target over that of the source at the event, in both files: the weight that a
perfect reweighting gives to an event of the source, and the best possible discriminant (AUC 0.906). It is infinite for
the 1.3 % of the target that lie where the source has no events, and above 1000 for 9.6 %. So the true weights of the
source have a mean of 0.95 at best, and leave about 1 % of its statistical power: their square has no finite mean, so
that this share differs from seed to seed and never settles. A map of events has no such limit. Where one that is
exactly right takes an event of the source (each latent variable to the same quantile, then the target's mixing) is in
`truth_var1_as_target` and `truth_var2_as_target`; in the target they are the variables themselves.

A trap of the original: its classifier is trained with label 1 for the simulation, so that with its output s the factor
s / (1 - s) is simulation over data, the inverse of the weight that its text announces, and its plots divide by it. Here
a weight is always target over source.

Source: R. Coelho Lopes de Sa, "Machine learning: simulation and data", HSF-India training, 2023, and its exercise on
reweighting by M. Fauci Giannelli, M. Bandieramonte and M. Javurkova.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr

from simmorph.data.toys.samples import BLOCK, ToySample

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray

TREE = "events"
N_GRID = 20_001
REACH = 9.0
"""Half the range of the table of the first latent variable's distribution: 9 standard deviations of the widest part."""


@dataclass(frozen=True)
class Population:
    """How one of the samples is distributed.

    Attributes:
        file: name of its file.
        stream: distinguishes its random numbers from those of the other sample.
        narrow_share: share of the narrow part of the first latent variable.
        narrow: mean and standard deviation of this part.
        wide: mean and standard deviation of the other part.
        rate: of the second latent variable, an exponential.
        mixing: share of the other latent variable in each of the variables.
    """

    file: str
    stream: int
    narrow_share: float
    narrow: tuple[float, float]
    wide: tuple[float, float]
    rate: float
    mixing: float

    def draw(self, n_events: int, rng: np.random.Generator) -> FloatArray:
        """Latent variables, (n_events, 2)."""
        is_narrow = rng.random(n_events) < self.narrow_share
        mean, width = (np.where(is_narrow, *pair) for pair in zip(self.narrow, self.wide, strict=True))
        return np.column_stack([rng.normal(mean, width), rng.exponential(1 / self.rate, n_events)])

    def mixed(self, latent: FloatArray) -> FloatArray:
        """The variables, (n_events, 2)."""
        return np.asarray((1 - self.mixing) * latent + self.mixing * latent[:, ::-1])

    def log_density(self, variables: FloatArray) -> FloatArray:
        """Logarithm of the density of the variables, minus infinity where there are no events."""
        determinant = 1 - 2 * self.mixing
        first, second = (((1 - self.mixing) * variables - self.mixing * variables[:, ::-1]) / determinant).T
        log_first = np.logaddexp(
            np.log(self.narrow_share) + _log_normal(first, *self.narrow),
            np.log(1 - self.narrow_share) + _log_normal(first, *self.wide),
        )
        log_second = np.where(second >= 0, np.log(self.rate) - self.rate * second, -np.inf)
        return np.asarray(log_first + log_second - np.log(determinant))

    def first_below(self, values: FloatArray) -> FloatArray:
        """Distribution function of the first latent variable."""
        narrow, wide = (ndtr((values - mean) / width) for mean, width in (self.narrow, self.wide))
        return np.asarray(self.narrow_share * narrow + (1 - self.narrow_share) * wide)


TARGET = Population("target.root", 0, 0.4, (0.0, 0.1), (0.0, 0.8), 0.2, 0.3)
SOURCE = Population("source.root", 1, 0.3, (0.1, 0.1), (0.0, 1.0), 0.4, 0.1)


def samples(n_events: int, seed: int) -> list[ToySample]:
    """The two files, with `n_events` events each."""
    metadata = {"toy": "reweighting", "seed": seed}
    return [
        ToySample(population.file, TREE, n_events, metadata, partial(_block, population, seed))
        for population in (TARGET, SOURCE)
    ]


def log_ratio(variables: FloatArray) -> FloatArray:
    """Logarithm of the density of the target over that of the source, (n_events,)."""
    of_source = SOURCE.log_density(variables)
    with np.errstate(invalid="ignore"):  # both are zero: no event of either sample lies there
        return TARGET.log_density(variables) - of_source


def as_target(latent: FloatArray) -> FloatArray:
    """Where an exact map takes events of the source with these latent variables: (n_events, 2) variables."""
    grid = np.linspace(-REACH, REACH, N_GRID)
    first = np.interp(latent[:, 0], grid, _first_as_target(grid))
    return TARGET.mixed(np.column_stack([first, latent[:, 1] * (SOURCE.rate / TARGET.rate)]))


def _first_as_target(values: FloatArray) -> FloatArray:
    """Values of the source's first latent variable at the same quantile of the target's, by bisection."""
    wanted = SOURCE.first_below(values)
    low, high = np.full_like(values, -2 * REACH), np.full_like(values, 2 * REACH)
    for _ in range(60):
        middle = (low + high) / 2
        is_below = TARGET.first_below(middle) < wanted
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return np.asarray((low + high) / 2)


def _block(population: Population, seed: int, index: int, n_events: int) -> dict[str, Any]:
    """All branches of one block; a shorter one holds the first events of the whole block."""
    rng = np.random.default_rng([seed, population.stream, index])
    latent = population.draw(BLOCK, rng)[:n_events]
    variables = population.mixed(latent)
    moved = variables if population is TARGET else as_target(latent)
    return {
        "var1": variables[:, 0],
        "var2": variables[:, 1],
        "truth_latent1": latent[:, 0],
        "truth_latent2": latent[:, 1],
        "truth_ratio": np.exp(log_ratio(variables)),
        "truth_var1_as_target": moved[:, 0],
        "truth_var2_as_target": moved[:, 1],
    }


def _log_normal(values: FloatArray, mean: float, width: float) -> FloatArray:
    """(n_events,), the logarithm of the density of a normal distribution."""
    return np.asarray(-0.5 * ((values - mean) / width) ** 2 - np.log(width) - 0.5 * np.log(2 * np.pi))
