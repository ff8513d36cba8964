"""Pearson correlations of pairs of variables, with the statistical error that signed weights and tails give.

Two questions are asked of a map: whether it gives the correlations that the target has (`worst_of`, `pearson_worst`),
and whether it makes some where the target has none (`mean_size`, to be read beside `noise_floor`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from simmorph.data.estimates import Estimate
from simmorph.evaluation.metrics.noise import N_DRAWS, BesideNull, beside_null, both

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from simmorph.data.events import Events, FloatArray

CORRELATED = 0.1
"""Pairs with a larger correlation in the target are named where the recipe names none."""
Columns = tuple[int, int]
"""The columns of a pair, the lower one first."""
UNDEFINED = Estimate(float("nan"), float("nan"))
MEAN_OF_FOLDED_NORMAL = (2 / np.pi) ** 0.5


@dataclass(frozen=True, eq=False)
class Correlations:
    """The Pearson correlations of one sample.

    Attributes:
        matrix: (n_features, n_features), the coefficients; NaN where a feature is constant.
        uncertainty: (n_features, n_features), one standard deviation of their statistical error.
    """

    matrix: FloatArray
    uncertainty: FloatArray

    def of(self, first: int, second: int) -> Estimate:
        """The coefficient of two features."""
        return Estimate(float(self.matrix[first, second]), float(self.uncertainty[first, second]))

    def pairs(self) -> tuple[FloatArray, FloatArray]:
        """Coefficient and uncertainty of every pair, once: (n_pairs,) each."""
        upper = np.triu_indices(len(self.matrix), 1)
        return self.matrix[upper], self.uncertainty[upper]


def correlations(events: Events) -> Correlations:
    """The weighted Pearson correlations of all features.

    The uncertainty is the spread of the coefficient's influence function u v - r (u^2 + v^2) / 2 with squared weights,
    u and v being the standardised features; for Gaussians of equal weight it is (1 - r^2) / sqrt(n).

    Args:
        events: with a positive sum of weights.

    Returns:
        (n_features, n_features) coefficients and uncertainties; NaN in the row and column of a constant feature.
    """
    standard = _standardised(events)
    share = events.weights / np.sum(events.weights)
    n_features = standard.shape[1]
    matrix, uncertainty = np.eye(n_features), np.zeros((n_features, n_features))
    for first, second in combinations(range(n_features), 2):
        u, v = standard[:, first], standard[:, second]
        r = float(np.sum(share * u * v))
        spread = float(np.sqrt(np.sum((share * (u * v - r * (u**2 + v**2) / 2)) ** 2)))
        matrix[first, second] = matrix[second, first] = r
        uncertainty[first, second] = uncertainty[second, first] = spread
    return Correlations(matrix, uncertainty)


def _standardised(events: Events) -> FloatArray:
    """The features with weighted mean 0 and variance 1; NaN for a feature without spread."""
    share = (events.weights / np.sum(events.weights))[:, None]
    centred = events.features - np.sum(share * events.features, axis=0)
    variance = np.sum(share * centred**2, axis=0)
    scale = np.abs(events.features).max(axis=0, initial=0)
    spread = np.where(variance > (1e-12 * scale) ** 2, np.sqrt(np.abs(variance)), np.nan)
    return np.asarray(centred / spread)


def pearson_worst(template: Events, target: Events, rng: np.random.Generator) -> Estimate:  # noqa: ARG001
    """The largest difference of a pair's Pearson coefficient between template and target.

    Null: positive, and larger the more pairs there are: about sqrt(1/n + 1/m) for a few. Outliers weigh heavily in it,
    unlike in rank correlations.
    Source: Pearson, Proc. R. Soc. 58 (1895) 240; error of the coefficient: see `correlations`.
    """
    difference, uncertainty = _differences(template, target)
    if not np.isfinite(difference).any():
        return UNDEFINED
    worst = int(np.nanargmax(difference))
    return Estimate(float(difference[worst]), float(uncertainty[worst]))


def pearson_mean(template: Events, target: Events, rng: np.random.Generator) -> Estimate:  # noqa: ARG001
    """The mean absolute difference of the Pearson coefficients over all pairs; its error takes pairs as independent.

    Null: positive, sqrt(2 / pi (1/n + 1/m)) for independent normal features, and less where they are correlated.
    """
    difference, uncertainty = _differences(template, target)
    defined = np.isfinite(difference)
    if not defined.any():
        return UNDEFINED
    return Estimate(
        float(difference[defined].mean()), float(np.sqrt(np.sum(uncertainty[defined] ** 2)) / defined.sum())
    )


def pearson_worst_tested(template: Events, target: Events, rng: np.random.Generator) -> BesideNull:
    """The same beside its null, of all pairs together."""
    return beside_null(
        pearson_worst(template, target, rng), np.nanmax(_drawn(template, target, rng), axis=0, initial=0.0)
    )


def pearson_mean_tested(template: Events, target: Events, rng: np.random.Generator) -> BesideNull:
    """The same beside its null, of all pairs together."""
    found = _drawn(template, target, rng)
    return beside_null(pearson_mean(template, target, rng), found.mean(axis=0) if len(found) else found.sum(axis=0))


def _drawn(template: Events, target: Events, rng: np.random.Generator) -> FloatArray:
    """(n_pairs, N_DRAWS), the absolute differences of coefficients that noise alone makes; defined ones only."""
    defined = np.isfinite(_differences(template, target)[0])
    every = combinations(range(target.features.shape[1]), 2)
    columns = [pair for pair, is_defined in zip(every, defined, strict=True) if is_defined]
    draws = []
    for sample, noise in zip((template, target), both(template, target, rng), strict=True):
        standard, found = _standardised(sample), correlations(sample).matrix
        draws.append(noise.of_means(_influences(standard, found, columns)) if columns else np.zeros((0, N_DRAWS)))
    return np.abs(draws[0] - draws[1])


def _influences(standard: FloatArray, matrix: FloatArray, columns: Sequence[Columns]) -> Iterator[FloatArray]:
    """(n_events,) for each pair, what an event does to the coefficient; see `correlations`."""
    for first, second in columns:
        u, v = standard[:, first], standard[:, second]
        yield u * v - matrix[first, second] * (u**2 + v**2) / 2


def _differences(template: Events, target: Events) -> tuple[FloatArray, FloatArray]:
    """The absolute difference of every pair's coefficient, (n_pairs,), and its uncertainty."""
    ours, theirs = correlations(template).pairs(), correlations(target).pairs()
    return np.abs(ours[0] - theirs[0]), np.hypot(ours[1], theirs[1])


def noise_floor(events: Events) -> float:
    """What the mean absolute correlation of uncorrelated features comes to in a sample of this effective size.

    That is sqrt(2 / pi) / sqrt(n), about 0.8 / sqrt(n), since the coefficient of independent features is normal with
    the width 1 / sqrt(n): a table that shows less than this shows noise.
    """
    return float(MEAN_OF_FOLDED_NORMAL / np.sqrt(max(events.effective_size, 1.0)))


def named_and_others(
    target: Correlations, wanted: Collection[Sequence[int]], pairs: Sequence[Columns]
) -> tuple[list[Columns], list[Columns]]:
    """Pairs that are to be named one by one, and all others.

    Args:
        target: its correlations.
        wanted: the pairs to name; without them those that the target correlates.
        pairs: all pairs to choose from; those to name may be others too.
    """
    if wanted:
        named = [(min(pair), max(pair)) for pair in wanted]
    else:
        named = [pair for pair in pairs if abs(target.matrix[pair]) > CORRELATED]
    return named, [pair for pair in pairs if pair not in named]


def worst_of(template: Correlations, target: Correlations, pairs: Sequence[Columns]) -> tuple[Estimate, Columns]:
    """The largest difference of the coefficients of some pairs, and the pair; an undefined one comes last."""
    differences = {
        pair: Estimate(
            abs(float(template.matrix[pair] - target.matrix[pair])),
            float(np.hypot(template.uncertainty[pair], target.uncertainty[pair])),
        )
        for pair in pairs
    }
    worst = max(pairs, key=lambda pair: np.nan_to_num(differences[pair].value, nan=-1.0))
    return differences[worst], worst


def mean_size(found: Correlations, pairs: Sequence[Columns]) -> Estimate:
    """The mean absolute coefficient of the pairs that have one; its error takes pairs as independent."""
    known = [estimate for estimate in (found.of(*pair) for pair in pairs) if np.isfinite(estimate.value)]
    if not known:
        return UNDEFINED
    spread = float(np.sqrt(sum(estimate.uncertainty**2 for estimate in known)))
    return Estimate(sum(abs(estimate.value) for estimate in known) / len(known), spread / len(known))
