"""Normal scores of features at a given context: Phi^-1(F(x | context)), and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import ndtr, ndtri
from torch import Tensor, nn

from simmorph.data.cells import equal_cells
from simmorph.data.preprocessing.samples import weighted_quantiles

if TYPE_CHECKING:
    from simmorph.data.events import Events, FloatArray, IntArray
    from simmorph.neural.smooth import SmoothBasis

EVENTS_IN_CELL, MAX_HALVINGS = 24, 12
"""The regression sees events in cells of the context: at least so many in each, and so often halved at most."""
EVENTS_BEYOND = 100
"""Events beyond the last point of a distribution whose dependence on the context is learnt."""
MAX_SCORE = 6.0
N_SCORING_STEPS = 12


class ConditionalScores(nn.Module):
    """The distribution of each feature as a function of the context.

    Distribution regression: at each of a row of points t of a feature, a probit regression on smooth functions of the
    context learns P(x <= t | context). It is exact for features that are normal around a smooth function of the
    context, and follows atoms, gaps and edges, whose share may depend on the context. Between the points scores are
    interpolated by straight lines; beyond the last point that has enough events behind it, the distribution goes on
    as it does for all contexts together, and beyond the last of all with slope 1.

    Args:
        n_features: number of features.
        n_functions: number of functions of the context.
        n_points: points of each distribution.

    References:
        Chernozhukov, Fernandez-Val, Melly, "Inference on counterfactual distributions", 2013, arXiv 0904.0951.
    """

    points: Tensor
    coefficients: Tensor

    def __init__(self, n_features: int, n_functions: int, n_points: int) -> None:
        super().__init__()
        self.n_points, self.n_tail = n_points, n_points // 6
        self.register_buffer("points", torch.zeros(n_features, n_points, dtype=torch.float64))
        shape = n_features, n_points, n_functions
        self.register_buffer("coefficients", torch.zeros(shape, dtype=torch.float64))

    def fit(self, events: Events, basis: SmoothBasis) -> None:
        """Learn the distributions of a sample of positive weights."""
        size = max(events.effective_size, 2.0)
        weights = events.weights * (size / np.sum(events.weights))
        in_cells = _Cells.of(events.context, weights, basis.values(events.context))
        levels = _levels(size, self.n_points, self.n_tail)
        for feature, values in enumerate(events.features.T):
            points = _increasing(weighted_quantiles(values, weights, ndtr(levels)))
            below = in_cells.below(values, points[self.n_tail : self.n_points - self.n_tail])
            bulk = _probit(below, in_cells, basis.stiffness)
            self.points[feature] = torch.from_numpy(points)
            self.coefficients[feature] = torch.from_numpy(_with_tails(bulk, levels, self.n_tail))

    def scores(self, features: Tensor, functions: Tensor) -> Tensor:
        """(n_events, n_features), normal variables if the features are distributed as in the sample fitted."""
        table = self._table(functions)
        points = self.points.expand_as(table)
        return _straight_lines(features, points, table)

    def values(self, scores: Tensor, functions: Tensor) -> Tensor:
        """The inverse of `scores`."""
        table = self._table(functions)
        return _straight_lines(scores, table, self.points.expand_as(table))

    def _table(self, functions: Tensor) -> Tensor:
        """(n_events, n_features, n_points), the score of each point; sorted, since regressions may cross."""
        n_features, n_points, n_functions = self.coefficients.shape
        table = functions @ self.coefficients.reshape(-1, n_functions).T
        return table.view(-1, n_features, n_points).sort(dim=2).values


class _Cells:
    """Events gathered in cells of the context, in which a regression sees them.

    Attributes:
        labels: (n_events,), the cell of each event.
        weights: (n_events,).
        totals: (n_cells,), sums of weights.
        functions: (n_cells, n_functions), weighted means of the functions of the context.
    """

    def __init__(self, labels: IntArray, weights: FloatArray, functions: FloatArray) -> None:
        self.labels, self.weights = labels, weights
        self.n_cells = int(labels.max()) + 1
        self.totals = np.maximum(np.bincount(labels, weights, self.n_cells), 1e-300)
        sums = [np.bincount(labels, weights * column, self.n_cells) for column in functions.T]
        self.functions = np.stack(sums, axis=1) / self.totals[:, None]

    @classmethod
    def of(cls, context: FloatArray, weights: FloatArray, functions: FloatArray) -> _Cells:
        """As many cells as there are events for."""
        n_halvings = int(np.clip(np.log2(max(len(weights), 1) / EVENTS_IN_CELL), 0, MAX_HALVINGS))
        spread = context.std(axis=0)
        labels = equal_cells(context / np.where(spread > 0, spread, 1.0), weights, n_halvings)
        return cls(np.unique(labels, return_inverse=True)[1].astype(np.int64), weights, functions)

    def below(self, values: FloatArray, points: FloatArray) -> FloatArray:
        """(n_cells, n_points), the weight of each cell below each point; an event on it counts half."""
        edges = len(points) + 1
        counts = [
            np.bincount(self.labels * edges + np.searchsorted(points, values, side), self.weights, self.n_cells * edges)
            for side in ("left", "right")
        ]
        return np.cumsum(0.5 * (counts[0] + counts[1]).reshape(self.n_cells, edges), axis=1)[:, :-1]


def _levels(size: float, n_points: int, n_tail: int) -> FloatArray:
    """Scores at which the points lie: even in the bulk, and even in the tails as far as there are events.

    They jump when the size doubles, and so stay where they are when a few weights change.
    """
    size = 2.0 ** np.floor(np.log2(size))
    bulk = float(ndtri(1 - min(EVENTS_BEYOND / size, 0.2)))
    reach = max(float(ndtri(1 - 0.5 / size)), bulk + 0.1)
    tail = np.linspace(bulk, reach, n_tail + 1)[1:]
    return np.concatenate([-tail[::-1], np.linspace(-bulk, bulk, n_points - 2 * n_tail), tail])


def _increasing(points: FloatArray) -> FloatArray:
    """The points, those that repeat moved up by the smallest step."""
    step = 1e-9 * max(1.0, float(np.max(np.abs(points))))
    rising = step * np.arange(len(points))
    return np.asarray(np.maximum.accumulate(points - rising) + rising)


def _probit(below: FloatArray, cells: _Cells, stiffness: FloatArray) -> FloatArray:
    """(n_points, n_functions), coefficients of the score of each point, by Fisher scoring with a ridge."""
    share = np.clip(below.sum(axis=0) / cells.totals.sum(), 1e-6, 1 - 1e-6)
    coefficients = np.zeros((below.shape[1], cells.functions.shape[1]))
    coefficients[:, 0] = ndtri(share)
    if coefficients.shape[1] == 1:
        return coefficients
    for _ in range(N_SCORING_STEPS):
        scores = np.clip(cells.functions @ coefficients.T, -MAX_SCORE, MAX_SCORE)
        expected, density = ndtr(scores), np.exp(-0.5 * scores**2) / np.sqrt(2 * np.pi)
        slope = density / (expected * (1 - expected))
        gradient = ((below - cells.totals[:, None] * expected) * slope).T @ cells.functions - stiffness * coefficients
        information = cells.totals[:, None] * density * slope
        change = np.stack([_solved(cells, *pair, stiffness) for pair in zip(information.T, gradient, strict=True)])
        coefficients += change
        if np.max(np.abs(change)) < 1e-6:
            break
    return coefficients


def _solved(cells: _Cells, information: FloatArray, gradient: FloatArray, stiffness: FloatArray) -> FloatArray:
    matrix = (cells.functions * information[:, None]).T @ cells.functions + np.diag(stiffness + 1e-9)
    return np.asarray(np.linalg.solve(matrix, gradient))


def _with_tails(bulk: FloatArray, levels: FloatArray, n_tail: int) -> FloatArray:
    """The coefficients of all points: in the tails those of the last point of the bulk, shifted."""
    low = np.repeat(bulk[:1], n_tail, axis=0)
    low[:, 0] += levels[:n_tail] - levels[n_tail]
    high = np.repeat(bulk[-1:], n_tail, axis=0)
    high[:, 0] += levels[-n_tail:] - levels[-n_tail - 1]
    return np.concatenate([low, bulk, high])


def _straight_lines(positions: Tensor, knots: Tensor, images: Tensor) -> Tensor:
    """(n_events, n_features), positions carried from sorted knots to their images; slope 1 beyond the last ones."""
    inside = positions.clamp(knots[..., 0], knots[..., -1])
    segment = torch.searchsorted(knots.contiguous(), inside[..., None].contiguous()).clamp(1, knots.shape[-1] - 1)
    left, right, low, high = (
        table.gather(2, index)[..., 0] for table in (knots, images) for index in (segment - 1, segment)
    )
    fraction = ((inside - left) / (right - left).clamp(min=1e-300)).clamp(0, 1)
    return low + fraction * (high - low) + (positions - inside)
