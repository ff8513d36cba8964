"""Normal scores of features at a given context: Phi^-1(F(x | context)), and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import log_ndtr, ndtr, ndtri
from torch import Tensor, nn

from simmorph.data.cells import CellTree
from simmorph.data.preprocessing.samples import weighted_quantiles
from simmorph.neural.networks import aligned, product

if TYPE_CHECKING:
    from simmorph.data.events import Events, FloatArray, IntArray
    from simmorph.neural.smooth import SmoothBasis

FEW_EVENTS, MORE_EVENTS, MAX_HALVINGS = 4, 32, 14
"""The regression sees events in cells of the context: it begins with large ones, and ends with small ones."""
N_QUANTILES = 2000
LEAST_FREE = 0.3
"""Share of a feature's variance that the context must leave open; with less it is taken relative to its mean."""
EVENTS_BEYOND = 100
"""Events beyond the last point of a distribution whose dependence on the context is learnt."""
MAX_SCORE = 6.0
N_SCORING_STEPS, SMALLEST_STEP = 40, 1e-3
SMALLEST_GAIN = 0.1
"""Steps that gain less log-likelihood than this end the regression; one standard deviation is worth 0.5."""


class ConditionalScores(nn.Module):
    """The distribution of each feature as a function of the context.

    A feature that the context nearly determines is first taken relative to its mean there. Each feature then becomes
    a normal score of its distribution over all contexts together, through a fine table of quantiles, which knows its
    gaps and edges. Then distribution regression: at each of a row of points t a probit regression on smooth functions
    of the context learns P(score <= t | context). It is exact for features that are normal around a smooth function of
    the context, and follows what is not normal, such as point masses whose share depends on the context. Between the
    points there are straight lines; beyond the last point that has enough events behind it the distribution goes on as
    it does for all contexts together, and beyond the last event with slope 1.

    Args:
        n_features: number of features.
        n_functions: number of functions of the context.
        n_points: points at which regressions are made, and tails continued.

    References:
        Chernozhukov, Fernandez-Val, Melly, "Inference on counterfactual distributions", 2013, arXiv 0904.0951.
    """

    locations: Tensor
    quantiles: Tensor
    points: Tensor
    coefficients: Tensor

    def __init__(self, n_features: int, n_functions: int, n_points: int) -> None:
        super().__init__()
        self.n_points, self.n_tail = n_points, n_points // 6
        self.register_buffer("locations", torch.zeros(n_features, n_functions, dtype=torch.float64))
        self.register_buffer("quantiles", torch.zeros(n_features, N_QUANTILES, dtype=torch.float64))
        self.register_buffer("points", torch.linspace(-1, 1, n_points, dtype=torch.float64))
        shape = n_features, n_points, n_functions
        self.register_buffer("coefficients", torch.zeros(shape, dtype=torch.float64))

    def fit(self, events: Events, basis: SmoothBasis) -> None:
        """Learn the distributions of a sample of positive weights."""
        size = round_size(events.effective_size)
        weights = events.weights * (size / np.sum(events.weights))
        levels = _levels(size, self.n_points, self.n_tail)
        self.points.copy_(torch.from_numpy(levels))
        grid = ndtr(np.linspace(levels[0], levels[-1], N_QUANTILES))
        functions = basis.values(events.context)
        self.locations.copy_(torch.from_numpy(_locations(events.features, functions, weights, basis.stiffness)))
        centred = events.features - functions @ self.locations.numpy().T
        found = [weighted_quantiles(values, weights, grid) for values in centred.T]
        self.quantiles.copy_(torch.from_numpy(np.stack(found)))
        scores = self._unconditional(torch.from_numpy(centred)).numpy()
        small, large = (_Cells.of(events.context, weights, functions, n) for n in (FEW_EVENTS, MORE_EVENTS))
        asked = levels[self.n_tail : self.n_points - self.n_tail]
        for feature, values in enumerate(scores.T):
            fine, coarse = (_Probit(cells, values, asked, basis.stiffness) for cells in (small, large))
            bulk = _climbed(_climbed(coarse.start(), coarse, coarse), fine, coarse)
            self.coefficients[feature] = torch.from_numpy(_with_tails(bulk, levels, self.n_tail))

    def scores(self, features: Tensor, functions: Tensor) -> Tensor:
        """(n_events, n_features), normal variables if the features are distributed as in the sample fitted."""
        table = self._table(functions)
        points = self.points.expand_as(table).contiguous()
        unconditional = self._unconditional(features - product(functions, self.locations.T))
        return straight_lines(unconditional[..., None], points, table)[..., 0]

    def values(self, scores: Tensor, functions: Tensor) -> Tensor:
        """The inverse of `scores`."""
        table = self._table(functions)
        found = straight_lines(scores[..., None], table, self.points.expand_as(table))[..., 0]
        centred = straight_lines(found.T.contiguous(), self._grid(), self.quantiles).T
        return centred + product(functions, self.locations.T)

    def _unconditional(self, features: Tensor) -> Tensor:
        """(n_events, n_features), normal scores over all contexts together."""
        values, grid = features.T.contiguous(), self._grid()
        # A value that many events share gets the middle of their scores.
        ends = [straight_lines(values, self.quantiles, grid, right=right) for right in (False, True)]
        return (0.5 * (ends[0] + ends[1])).T.contiguous()

    def _grid(self) -> Tensor:
        fractions = torch.linspace(0, 1, N_QUANTILES, dtype=self.points.dtype, device=self.points.device)
        return (self.points[0] + (self.points[-1] - self.points[0]) * fractions).expand_as(self.quantiles).contiguous()

    def _table(self, functions: Tensor) -> Tensor:
        """(n_events, n_features, n_points), the score of each point; sorted, since regressions may cross."""
        n_features, n_points, n_functions = self.coefficients.shape
        table = aligned(functions) @ self.coefficients.reshape(-1, n_functions).T
        return table.view(-1, n_features, n_points).sort(dim=2).values


@dataclass(frozen=True, eq=False)
class _Cells:
    """Events gathered in cells of the context, in which a regression sees them.

    Attributes:
        labels: (n_events,), the cell of each event.
        weights: (n_events,).
        totals: (n_cells,), sums of weights.
        functions: (n_cells, n_functions), weighted means of the functions of the context.
    """

    labels: IntArray
    weights: FloatArray
    totals: FloatArray
    functions: FloatArray

    @classmethod
    def of(cls, context: FloatArray, weights: FloatArray, functions: FloatArray, n_events: int) -> _Cells:
        """Cells with about `n_events` events each."""
        n_halvings = int(np.clip(np.log2(max(len(weights), 1) / n_events), 0, MAX_HALVINGS))
        found = CellTree.fit(context, weights, n_halvings).labels(context)
        labels = np.unique(found, return_inverse=True)[1].astype(np.int64)
        totals = np.maximum(np.bincount(labels, weights), 1e-300)
        sums = [np.bincount(labels, weights * column) for column in functions.T]
        return cls(labels, weights, totals, np.stack(sums, axis=1) / totals[:, None])

    def below(self, values: FloatArray, points: FloatArray) -> FloatArray:
        """(n_cells, n_points), the weight of each cell below each point; an event on it counts half."""
        edges, n_cells = len(points) + 1, len(self.totals)
        counts = [
            np.bincount(self.labels * edges + np.searchsorted(points, values, side), self.weights, n_cells * edges)
            for side in ("left", "right")
        ]
        return np.cumsum(0.5 * (counts[0] + counts[1]).reshape(n_cells, edges), axis=1)[:, :-1]


def round_size(effective_size: float) -> float:
    """The power of two below an effective number of events, at least 2.

    What depends on it, such as points and ridges, jumps when the sample doubles, and so stays as it is when a few
    weights change.
    """
    return float(2.0 ** np.floor(np.log2(max(effective_size, 2.0))))


def _levels(size: float, n_points: int, n_tail: int) -> FloatArray:
    """Scores at which the points lie: even in the bulk, and even in the tails as far as there are events."""
    bulk = float(ndtri(1 - min(EVENTS_BEYOND / size, 0.2)))
    reach = max(float(ndtri(1 - 0.5 / size)), bulk + 0.1)
    tail = np.linspace(bulk, reach, n_tail + 1)[1:]
    return np.concatenate([-tail[::-1], np.linspace(-bulk, bulk, n_points - 2 * n_tail), tail])


def _locations(features: FloatArray, functions: FloatArray, weights: FloatArray, stiffness: FloatArray) -> FloatArray:
    """(n_features, n_functions), coefficients of the mean of the features that the context nearly determines, else 0.

    For such a feature the distribution at one context is narrow beside the distance of the points, which do not move.
    """
    weighted = functions * weights[:, None]
    matrix = weighted.T @ functions + np.diag(stiffness + 1e-9)
    coefficients = np.linalg.solve(matrix, weighted.T @ features).T
    means = np.average(features, axis=0, weights=weights)
    left = np.average((features - functions @ coefficients.T) ** 2, axis=0, weights=weights)
    total = np.average((features - means) ** 2, axis=0, weights=weights)
    return np.where((left < LEAST_FREE * total)[:, None], coefficients, 0.0)


class _Probit:
    """Probit regressions of the weight below each point on functions of the context, with a ridge."""

    def __init__(self, cells: _Cells, values: FloatArray, points: FloatArray, stiffness: FloatArray) -> None:
        self.functions, self.totals, self.stiffness = cells.functions, cells.totals[:, None], stiffness
        self.below = cells.below(values, points)

    def start(self) -> FloatArray:
        """(n_points, n_functions), the same distribution at every context."""
        coefficients = np.zeros((self.below.shape[1], self.functions.shape[1]))
        coefficients[:, 0] = ndtri(np.clip(self.below.sum(axis=0) / self.totals.sum(), 1e-6, 1 - 1e-6))
        return coefficients

    def loss(self, coefficients: FloatArray) -> FloatArray:
        """(n_points,), minus the logarithm of the likelihood, and the ridge."""
        scores = self.functions @ coefficients.T
        likelihood = self.below * log_ndtr(scores) + (self.totals - self.below) * log_ndtr(-scores)
        return np.asarray(0.5 * coefficients**2 @ self.stiffness - likelihood.sum(axis=0))

    def gradient(self, coefficients: FloatArray) -> FloatArray:
        """(n_points, n_functions), minus that of the loss."""
        scores, slope, _ = self._expected(coefficients)
        pull = (self.below - self.totals * ndtr(scores)) * slope
        return np.asarray(pull.T @ self.functions - self.stiffness * coefficients)

    def information(self, coefficients: FloatArray) -> list[FloatArray]:
        """For each point the expected second derivatives of the loss, (n_functions, n_functions)."""
        _, slope, density = self._expected(coefficients)
        ridge = np.diag(self.stiffness + 1e-9)
        weights = (self.totals * slope * density).T
        return [(self.functions * of_point[:, None]).T @ self.functions + ridge for of_point in weights]

    def _expected(self, coefficients: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        scores = np.clip(self.functions @ coefficients.T, -MAX_SCORE, MAX_SCORE)
        density = np.exp(-0.5 * scores**2) / np.sqrt(2 * np.pi)
        return scores, density / (ndtr(scores) * ndtr(-scores)), density


def _climbed(coefficients: FloatArray, probit: _Probit, coarse: _Probit) -> FloatArray:
    """The most likely coefficients, by Fisher scoring of all points at once.

    A step that makes a point less likely is halved, so that it cannot run away.

    Args:
        coefficients: (n_points, n_functions), where to begin.
        probit: what is to be likely.
        coarse: what gives the curvature; it may see fewer cells, since the curvature decides on the steps alone.
    """
    loss, size = probit.loss(coefficients), np.ones(len(coefficients))
    for _ in range(N_SCORING_STEPS):
        information = coarse.information(coefficients)
        change = np.linalg.solve(information, probit.gradient(coefficients)[..., None])[..., 0]
        size = np.minimum(2 * size, 1.0)
        tried = coefficients + size[:, None] * change
        loss_tried = probit.loss(tried)
        better = loss_tried < loss
        gain = np.max(np.where(better, loss - loss_tried, 0.0))
        coefficients, loss = np.where(better[:, None], tried, coefficients), np.where(better, loss_tried, loss)
        size[~better] *= 0.25
        if gain < SMALLEST_GAIN and np.all(better | (size < SMALLEST_STEP)):
            break
    return coefficients


def _with_tails(bulk: FloatArray, levels: FloatArray, n_tail: int) -> FloatArray:
    """The coefficients of all points: in the tails those of the last point of the bulk, shifted."""
    low = np.repeat(bulk[:1], n_tail, axis=0)
    low[:, 0] += levels[:n_tail] - levels[n_tail]
    high = np.repeat(bulk[-1:], n_tail, axis=0)
    high[:, 0] += levels[-n_tail:] - levels[-n_tail - 1]
    return np.concatenate([low, bulk, high])


def straight_lines(positions: Tensor, knots: Tensor, images: Tensor, *, right: bool = False) -> Tensor:
    """Positions (..., n) carried from sorted knots (..., n_knots) to their images; slope 1 beyond the last ones.

    Of several equal knots a position takes the first, or with `right` the last.
    """
    inside = positions.clamp(knots[..., :1], knots[..., -1:])
    segment = torch.searchsorted(knots, inside, right=right).clamp(1, knots.shape[-1] - 1)
    start, end, low, high = (table.gather(-1, index) for table in (knots, images) for index in (segment - 1, segment))
    fraction = ((inside - start) / (end - start).clamp(min=1e-300)).clamp(0, 1)
    return low + fraction * (high - low) + (positions - inside)
