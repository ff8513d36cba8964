"""Toy of Gaussians: two normal distributions, between which the optimal transport map is known in closed form.

Four files with N events each, tree `events`, variables `x1`, `x2`, `x3`. In `source.root` and `target.root` mean and
covariance are fixed. In `source_drift.root` and `target_drift.root` they change with a context `c`, uniform in (-1, 1):

    |              | source                              | target                              |
    |--------------|-------------------------------------|-------------------------------------|
    | mean         | 0.5 c (1, -1, 1)                    | that of the source + 0.6 (1, -1, 1) |
    | variances    | (1.0, 1.3, 0.7)                     | (1.44, 1.14, 1.74)                  |
    | deviations   | those of the first files, times exp(0.15 c)                               |
    | correlations | (.5, .2, -.3) (1 - 0.3 c)           | (-.2, .6, .3) (1 + 0.1 c)           |

(correlations of x1 x2, x1 x3, x2 x3; without context c is 0). Variances and shifts are such that source and target
together have the same spread in every variable, so that distances mean the same before and after standardisation.

Truth. `<variable>_optimal` is where the map of least mean squared distance takes an event of the source, at its c:
m_t + A (x - m_s) with A = S^-1/2 (S^1/2 T S^1/2)^1/2 S^-1/2 for covariances S and T. In the target it is the variable
itself. The metadata hold the mean squared distance of the map for infinitely many events, `optimal_cost`.

Source: Gelbrich, "On a formula for the L2 Wasserstein metric between measures on Euclidean and Hilbert spaces", Math.
Nachr. 147 (1990) 185.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.data.toys.samples import BLOCK, ToySample

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray

TREE = "events"
VARIABLES = ("x1", "x2", "x3")
SIGNS = np.array([1.0, -1.0, 1.0])
N_CONTEXTS = 2001


@dataclass(frozen=True)
class Population:
    """How one of the samples is distributed.

    Attributes:
        name: what its files are called after.
        stream: distinguishes its random numbers from those of the other sample.
        shift: mean at c = 0, times the signs.
        variances: at c = 0.
        correlations: of x1 x2, x1 x3, x2 x3 at c = 0.
        drift: relative change of the correlations with c.
    """

    name: str
    stream: int
    shift: float
    variances: tuple[float, float, float]
    correlations: tuple[float, float, float]
    drift: float

    def means(self, context: FloatArray) -> FloatArray:
        """(n_events, 3), given (n_events,) contexts."""
        return np.asarray((self.shift + 0.5 * context)[:, None] * SIGNS)

    def covariances(self, context: FloatArray) -> FloatArray:
        """(n_events, 3, 3), given (n_events,) contexts."""
        matrices = np.tile(np.eye(3), (len(context), 1, 1))
        first, second = np.triu_indices(3, 1)
        matrices[:, first, second] = (1 + self.drift * context)[:, None] * np.array(self.correlations)
        matrices[:, second, first] = matrices[:, first, second]
        deviations = np.sqrt(self.variances) * np.exp(0.15 * context)[:, None]
        return np.asarray(matrices * deviations[:, :, None] * deviations[:, None, :])


SOURCE = Population("source", 0, 0.0, (1.0, 1.3, 0.7), (0.5, 0.2, -0.3), -0.3)
TARGET = Population("target", 1, 0.6, (1.44, 1.14, 1.74), (-0.2, 0.6, 0.3), 0.1)


def samples(n_events: int, seed: int) -> list[ToySample]:
    """The four files, with `n_events` events each."""
    return [
        ToySample(
            f"{population.name}{'_drift' if drifts else ''}.root",
            TREE,
            n_events,
            {"toy": "gaussian", "seed": seed, "optimal_cost": optimal_cost(drifts=drifts)},
            partial(_block, population, drifts, seed),
        )
        for drifts in (False, True)
        for population in (SOURCE, TARGET)
    ]


def optimal(values: FloatArray, context: FloatArray) -> FloatArray:
    """(n_events, 3), where the optimal map takes events of the source.

    >>> optimal(np.zeros((1, 3)), np.zeros(1)).tolist()  # the mean goes to the mean
    [[0.6, -0.6, 0.6]]

    Args:
        values: (n_events, 3).
        context: (n_events,), c; 0 in the files without context.
    """
    maps = _bures(SOURCE.covariances(context), TARGET.covariances(context))
    centred = values - SOURCE.means(context)
    return np.asarray(TARGET.means(context) + (maps @ centred[:, :, None])[:, :, 0])


def optimal_cost(*, drifts: bool) -> float:
    """The mean squared distance of the optimal map: |m_s - m_t|^2 + tr(S + T - 2 (S^1/2 T S^1/2)^1/2)."""
    context = np.linspace(-1, 1, N_CONTEXTS) if drifts else np.zeros(1)
    source, target = SOURCE.covariances(context), TARGET.covariances(context)
    root = _power(source, 0.5)
    middle = _power(root @ target @ root, 0.5)
    apart = np.sum((TARGET.means(context) - SOURCE.means(context)) ** 2, axis=1)
    return float(np.mean(apart + np.trace(source + target - 2 * middle, axis1=1, axis2=2)))


def _bures(source: FloatArray, target: FloatArray) -> FloatArray:
    """(n_events, 3, 3), the matrices A of the optimal map between covariances; symmetric and positive."""
    root, inverse = _power(source, 0.5), _power(source, -0.5)
    return np.asarray(inverse @ _power(root @ target @ root, 0.5) @ inverse)


def _power(matrices: FloatArray, exponent: float) -> FloatArray:
    """Powers of symmetric positive matrices, (n_events, 3, 3)."""
    values, vectors = np.linalg.eigh(matrices)
    return np.asarray((vectors * values[:, None, :] ** exponent) @ vectors.transpose(0, 2, 1))


def _block(population: Population, drifts: bool, seed: int, index: int, n_events: int) -> dict[str, Any]:
    """All branches of one block; a shorter one holds the first events of the whole block."""
    rng = np.random.default_rng([seed, population.stream, int(drifts), index])
    context = rng.uniform(-1, 1, BLOCK)[:n_events] * drifts
    normal = rng.normal(size=(BLOCK, 3))[:n_events]
    factors = np.linalg.cholesky(population.covariances(context))
    values = population.means(context) + (factors @ normal[:, :, None])[:, :, 0]
    moved = optimal(values, context) if population is SOURCE else values
    columns = {name: values[:, at] for at, name in enumerate(VARIABLES)}
    columns |= {f"{name}_optimal": moved[:, at] for at, name in enumerate(VARIABLES)}
    return columns | ({"c": context} if drifts else {})
