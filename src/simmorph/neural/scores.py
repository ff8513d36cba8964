"""Normal scores of features at a given context: Phi^-1(F(x | context)), and back."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import ndtr, ndtri
from torch import Tensor, nn

from simmorph.neural.networks import aligned, product

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.data.events import Events, FloatArray, IntArray
    from simmorph.neural.smooth import SmoothBasis

N_SEGMENTS = 32
"""Segments of a score's dependence on the score over all contexts; an even number, so that 0 is a knot."""
LEAST_FREE = 0.3
"""Share of a feature's variance that the context must leave open; with less it is taken relative to its mean."""
EVENTS_BEYOND = 100
"""Events beyond the last knot of a distribution whose dependence on the context is learnt."""
LEVEL_STIFFNESS, SHARED_STIFFNESS = 50.0, 1.0
"""How many events it takes to believe that the context changes two neighbouring segments differently, and that they
differ at all contexts together."""
LIKENESS, LIKENESS_OF_LEVELS = 50.0, 3.0
"""How much stiffer one sample's differences from both together are than the functions of both together."""
N_STEPS, N_MEMORY, SMALLEST_GAIN = 80, 20, 1e-6
"""Steps of L-BFGS at most, how many it remembers, and the relative gain with which it ends; it takes 10 to 30."""
MAX_LOG_SLOPE = 300.0
"""Up to here a slope's square is a finite number, and makes a step of L-BFGS that went too far a bad one."""
LEAST_WIDTH = 1e-3
OUTSIDE = 0.005
"""Share of the events, at each end, beyond whose shifts and slopes no other context goes."""
CHANCE = 1.5
"""Standard deviations by which a quantile may miss a straight line by chance."""
UNLIKELY = 10.0
"""A stretch without events in which so many are expected is a gap."""
LEAST_MASS, LEAST_COUNT = 0.01, 5.0
"""A value is a point mass if this share of the weight, and of the events so many, have it."""


class ConditionalScores(nn.Module):
    """The distribution of each feature as a function of the context, monotone at any context by construction.

    A feature that the context nearly determines is first taken relative to its mean there. Each feature then becomes
    the normal score u of its distribution over all contexts together, through a table that has a knot only where the
    quantiles leave a straight line by more than chance, and so knows gaps and edges without copying fluctuations. What
    is left is the conditional transformation

        H(u | c) = alpha(c) + sum_j exp(beta_j(c)) r_j(u),

    with ramps r_j that rise over one of several segments of u and are 0 at u = 0, and with smooth functions alpha and
    beta_j of the context. It grows with u whatever the functions are, so that no quantiles cross, and is learnt by
    maximum likelihood, as what makes H a standard normal variable: the mean of H**2 / 2 - log H' is least. The
    outermost segments go on with their slopes. The functions are penalised for their curvature over the whole range of
    the context, and for what they do differently in neighbouring segments; no context gets shifts or slopes that
    hardly any event of the sample has. Two samples that are to be mapped to each other are learnt together (see
    `fit_alike`): the functions of both together may bend, those of each differ from them by less.

    Args:
        n_features: number of features.
        n_functions: number of functions of the context.
        n_points: knots of each feature's distribution over all contexts, at most.

    References:
        Hothorn, Moest, Buehlmann, "Most likely transformations", Scand. J. Stat. 45 (2018) 110, arXiv 1508.06749.
    """

    locations: Tensor
    table: Tensor
    knots: Tensor
    coefficients: Tensor
    bounds: Tensor

    def __init__(self, n_features: int, n_functions: int, n_points: int) -> None:
        super().__init__()
        self.n_points = n_points
        shapes = {
            "locations": (n_features, n_functions),
            "table": (2, n_features, n_points),
            "coefficients": (n_features, 1 + N_SEGMENTS, n_functions),
            "bounds": (2, n_features, 1 + N_SEGMENTS),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("knots", torch.linspace(-2, 2, N_SEGMENTS + 1, dtype=torch.float64))

    def unconditional(self, events: Events, weights: FloatArray, basis: SmoothBasis) -> FloatArray:
        """(n_events, n_features), scores over all contexts together, with everything learnt but how these change."""
        functions = basis.values(events.context)
        self.locations.copy_(torch.from_numpy(_locations(events.features, functions, weights, basis.penalty)))
        centred = events.features - functions @ self.locations.numpy().T
        found = [_quantiles(values, weights, self.n_points) for values in centred.T]
        self.table.copy_(torch.from_numpy(np.stack(found, axis=1)))
        return self._unconditional(torch.from_numpy(centred)).numpy()

    def scores(self, features: Tensor, functions: Tensor) -> Tensor:
        """(n_events, n_features), normal variables if the features are distributed as in the sample fitted."""
        unconditional = self._unconditional(features - product(functions, self.locations.T))
        images = self._images(functions)
        return _lines(unconditional, self.knots.expand_as(images).contiguous(), images)

    def values(self, scores: Tensor, functions: Tensor) -> Tensor:
        """The inverse of `scores`."""
        images = self._images(functions)
        unconditional = _lines(scores, images, self.knots.expand_as(images))
        centred = straight_lines(unconditional.T.contiguous(), self.table[1], self.table[0]).T
        return centred + product(functions, self.locations.T)

    def _unconditional(self, features: Tensor) -> Tensor:
        """(n_events, n_features), normal scores over all contexts together."""
        values = features.T.contiguous()
        # A value that many events share gets the middle of their scores.
        ends = [straight_lines(values, self.table[0], self.table[1], right=right) for right in (False, True)]
        return (0.5 * (ends[0] + ends[1])).T.contiguous()

    def _images(self, functions: Tensor) -> Tensor:
        """(n_events, n_features, n_knots), the score at each knot, in order."""
        n_features, _, n_functions = self.coefficients.shape
        found = (aligned(functions) @ self.coefficients.reshape(-1, n_functions).T).view(len(functions), n_features, -1)
        found = torch.minimum(torch.maximum(found, self.bounds[0]), self.bounds[1])
        rises = found[..., 1:].exp() * self.knots.diff()
        middle = N_SEGMENTS // 2
        below = rises[..., :middle].flip(-1).cumsum(-1).flip(-1)
        steps = torch.cat([-below, torch.zeros_like(rises[..., :1]), rises[..., middle:].cumsum(-1)], dim=-1)
        return found[..., :1] + steps


def fit_alike(models: Sequence[ConditionalScores], samples: Sequence[Events], basis: SmoothBasis) -> None:
    """Learn the distributions of samples of positive weights, each sample's near those of all samples together.

    A map between them depends on their differences alone: what all share may follow every bend of the context, and its
    errors cancel, while the differences are drawn towards simple ones.

    Args:
        models: one for each sample, of the same shape.
        samples: with the same features and context.
        basis: fitted to all samples together.
    """
    sizes = [round_size(events.effective_size) for events in samples]
    weights = [events.weights * (size / np.sum(events.weights)) for events, size in zip(samples, sizes, strict=True)]
    begun = zip(models, samples, weights, strict=True)
    scores = [model.unconditional(events, its, basis) for model, events, its in begun]
    if basis.n_functions == 1:
        return
    reach = float(ndtri(1 - min(EVENTS_BEYOND / min(sizes), 0.2)))
    knots = np.linspace(-reach, reach, N_SEGMENTS + 1)
    functions = [basis.values(events.context) for events in samples]
    for model in models:
        model.knots.copy_(torch.from_numpy(knots))
    for feature in range(scores[0].shape[1]):
        columns = [its[:, feature] for its in scores]
        if not all(np.ptp(column) > 0 for column in columns):
            continue  # a constant has no distribution to depend on anything
        seen = [_Seen(*its) for its in zip(columns, functions, weights, strict=True)]
        shared = _learnt(_Seen(*map(np.concatenate, zip(*seen, strict=True))), knots, basis.penalty)
        for model, its in zip(models, seen, strict=True):
            own = _learnt(its, knots, basis.penalty, shared) if len(models) > 1 else shared
            ends = np.quantile(its.functions @ own.T, [OUTSIDE, 1 - OUTSIDE], axis=0)
            model.coefficients[feature], model.bounds[:, feature] = torch.from_numpy(own), torch.from_numpy(ends)


def round_size(effective_size: float) -> float:
    """The power of two below an effective number of events, at least 2.

    What depends on it, such as points and ridges, jumps when the sample doubles, and so stays as it is when a few
    weights change.
    """
    return float(2.0 ** np.floor(np.log2(max(effective_size, 2.0))))


def _locations(features: FloatArray, functions: FloatArray, weights: FloatArray, penalty: FloatArray) -> FloatArray:
    """(n_features, n_functions), coefficients of the mean of the features that the context nearly determines, else 0.

    Over all contexts such a feature looks nothing like it does at one of them.
    """
    coefficients = ridge(functions, features, weights, penalty).T
    means = np.average(features, axis=0, weights=weights)
    left = np.average((features - functions @ coefficients.T) ** 2, axis=0, weights=weights)
    total = np.average((features - means) ** 2, axis=0, weights=weights)
    return np.where((left < LEAST_FREE * total)[:, None], coefficients, 0.0)


def ridge(functions: FloatArray, values: FloatArray, weights: FloatArray, penalty: FloatArray) -> FloatArray:
    """(n_functions, n_values), coefficients of the weighted least-squares regression of values on functions."""
    weighted = functions * weights[:, None]
    matrix = weighted.T @ functions + penalty + 1e-9 * np.eye(len(penalty))
    return np.asarray(np.linalg.solve(matrix, weighted.T @ values))


def _quantiles(values: FloatArray, weights: FloatArray, n_points: int) -> FloatArray:
    """(2, n_points), values in order and their normal scores: a line as straight as the sample allows.

    Where the quantiles leave the line by more than chance it gets another knot, the worst place first. The last knot
    is repeated until there are `n_points`.
    """
    places, scores, errors = _empirical(values, weights)
    size = np.sum(weights)
    kept, waiting = [0, len(places) - 1], list[tuple[float, int, int, int]]()

    def look(first: int, last: int) -> None:
        if last - first < 2:
            return
        inside = slice(first, last + 1)
        line = np.interp(places[inside], places[[first, last]], scores[[first, last]])
        off = np.abs(line - scores[inside]) / (CHANCE * errors[inside])
        expected = np.diff(size * ndtr(line)) / UNLIKELY
        off[1:-1] = np.maximum(off[1:-1], np.maximum(expected[1:], expected[:-1]))
        worst = int(np.argmax(off[1:-1])) + 1
        heapq.heappush(waiting, (-off[worst], first, first + worst, last))

    look(0, len(places) - 1)
    while waiting and len(kept) < n_points:
        worst, first, at, last = heapq.heappop(waiting)
        if worst > -1:
            break
        kept.append(at)
        look(first, at)
        look(at, last)
    kept = sorted(kept) + [len(places) - 1] * (n_points - len(kept))
    return np.stack([places[kept], scores[kept]])


def _empirical(values: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Values in order, their normal scores, and the statistical errors of these; a point mass has its two ends."""
    size = np.sum(weights)
    unique, labels = np.unique(values, return_inverse=True)
    shares = np.bincount(labels, weights) / size
    above = np.cumsum(shares)
    below = above - shares
    wide = shares > max(LEAST_MASS, LEAST_COUNT / size)
    wide[[0, -1]] |= len(unique) == 1
    places = np.repeat(unique, 1 + wide)
    middles = 0.5 * (below + above)
    first = np.cumsum(1 + wide) - (1 + wide)
    fractions = np.repeat(middles, 1 + wide)
    fractions[first[wide]], fractions[first[wide] + 1] = below[wide], above[wide]
    fractions = np.clip(fractions, 0.5 / size, 1 - 0.5 / size)
    scores = ndtri(fractions)
    errors = np.sqrt(2 * np.pi * fractions * (1 - fractions) / size) * np.exp(scores**2 / 2)
    return places, scores, errors


class _Seen(NamedTuple):
    """What the dependence of a score on the context is learnt from.

    Attributes:
        scores: (n_events,), over all contexts together.
        functions: (n_events, n_functions), of the context.
        weights: (n_events,).
    """

    scores: FloatArray
    functions: FloatArray
    weights: FloatArray

    def moments(self, columns: FloatArray) -> FloatArray:
        """(n_columns, n_columns), weighted sums of products of two columns."""
        return np.asarray((columns * self.weights[:, None]).T @ columns)


def _learnt(seen: _Seen, knots: FloatArray, penalty: FloatArray, shared: FloatArray | None = None) -> FloatArray:
    """(1 + n_segments, n_functions), the most likely coefficients of alpha and of each beta.

    Args:
        seen: the events.
        knots: (n_segments + 1,), of the score over all contexts together.
        penalty: of the coefficients of one function; see `SmoothBasis`.
        shared: coefficients that these are drawn towards; 0 by default.
    """
    objective = _Objective(seen, knots, penalty, shared)
    start, white = (_normal(seen, len(knots), penalty) if shared is None else shared), objective.whitening()

    def whitened(flat: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = objective(start + white[0].T @ flat.reshape(start.shape) @ white[1])
        return value, (white[0] @ gradient @ white[1].T).ravel()

    options = {"maxiter": N_STEPS, "maxcor": N_MEMORY, "ftol": SMALLEST_GAIN}
    found = minimize(whitened, np.zeros(start.size), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(start + white[0].T @ found.x.reshape(start.shape) @ white[1])


class _Objective:
    """Minus the logarithm of the likelihood of scores, and the penalties; arguments as in `_learnt`."""

    def __init__(self, seen: _Seen, knots: FloatArray, penalty: FloatArray, shared: FloatArray | None) -> None:
        n_segments, is_below = len(knots) - 1, seen.scores < 0
        stiffer, stiffer_levels = (1.0, 1.0) if shared is None else (LIKENESS, LIKENESS_OF_LEVELS)
        self.seen, self.penalty, self.shared = seen, stiffer * penalty, 0.0 if shared is None else shared
        self.ramps, segments = _ramps(seen.scores, knots)
        inside = (segments[:, None] == np.arange(n_segments)) * seen.weights[:, None]
        self.shares, self.size = inside.sum(axis=0), float(np.sum(seen.weights))
        self.wanted = inside.T @ seen.functions
        self.steps = np.diff(np.eye(n_segments), axis=0)
        self.level_stiffness = stiffer_levels * LEVEL_STIFFNESS / self.size
        self.apart = self.level_stiffness * seen.moments(seen.functions)
        self.apart[0], self.apart[:, 0] = 0.0, 0.0
        self.apart[0, 0] = SHARED_STIFFNESS
        # The ramps of the other side of 0 are 0.
        columns = slice(0, n_segments // 2), slice(n_segments // 2, n_segments)
        self.sides = [
            (its, seen.functions[rows], seen.weights[rows], np.ascontiguousarray(self.ramps[rows, its]))
            for its, rows in zip(columns, (is_below, ~is_below), strict=True)
        ]

    def __call__(self, coefficients: FloatArray) -> tuple[float, FloatArray]:
        """The objective, and its derivatives by the coefficients."""
        off = coefficients - self.shared
        gradient = off @ self.penalty
        gradient[1:] += self.steps.T @ (self.steps @ off[1:] @ self.apart)
        value = 0.5 * float(np.sum(off * gradient)) - float(np.sum(self.wanted * coefficients[1:]))
        gradient[1:] -= self.wanted
        for columns, functions, weights, ramps in self.sides:
            rises = functions @ coefficients[1:][columns].T
            np.exp(np.minimum(rises, MAX_LOG_SLOPE, out=rises), out=rises)
            rises *= ramps
            heights = functions @ coefficients[0] + rises.sum(axis=1)
            pull = weights * heights
            value += 0.5 * float(pull @ heights)
            rises *= pull[:, None]
            gradient[0] += pull @ functions
            gradient[1:][columns] += rises.T @ functions
        return value, gradient

    def whitening(self) -> tuple[FloatArray, FloatArray]:
        """Factors for coefficients of levels and functions, with which second derivatives are near to the identity."""
        slopes = np.hstack([np.ones((len(self.ramps), 1)), self.ramps])
        by_level = self.seen.moments(slopes) / self.size
        by_level[1:, 1:] += np.diag(self.shares) / self.size + self.level_stiffness * self.steps.T @ self.steps
        return _whitening(by_level), _whitening(self.seen.moments(self.seen.functions) + self.penalty)


def _normal(seen: _Seen, n_levels: int, penalty: FloatArray) -> FloatArray:
    """(n_levels, n_functions), coefficients of a normal distribution of one width around its mean at each context."""
    means = ridge(seen.functions, seen.scores[:, None], seen.weights, penalty)[:, 0]
    variance = np.average((seen.scores - seen.functions @ means) ** 2, weights=seen.weights)
    width = max(float(np.sqrt(variance)), LEAST_WIDTH)
    found = np.zeros((n_levels, len(means)))
    found[0], found[1:, 0] = -means / width, -np.log(width)
    return found


def _whitening(matrix: FloatArray) -> FloatArray:
    """W with W matrix W^T = 1."""
    return np.asarray(np.linalg.inv(np.linalg.cholesky(matrix + 1e-9 * np.trace(matrix) * np.eye(len(matrix)))))


def _ramps(scores: FloatArray, knots: FloatArray) -> tuple[FloatArray, IntArray]:
    """What each segment contributes to H for a slope of 1, (n_events, n_segments), and the segment of each event."""
    segments = np.clip(np.searchsorted(knots, scores) - 1, 0, len(knots) - 2)
    low, high = knots[:-1].copy(), knots[1:].copy()
    low[0], high[-1] = -np.inf, np.inf
    nearest = np.clip(0.0, low, high)
    return np.clip(scores[:, None], low, high) - nearest, segments


def _lines(positions: Tensor, knots: Tensor, images: Tensor) -> Tensor:
    """Positions (n_events, n_features) carried from knots (..., n_knots) to images, the last segments continued."""
    inside = torch.minimum(torch.maximum(positions[..., None], knots[..., :1]), knots[..., -1:])
    segment = torch.searchsorted(knots, inside).clamp(1, knots.shape[-1] - 1)
    start, end, low, high = (table.gather(-1, index) for table in (knots, images) for index in (segment - 1, segment))
    slope = (high - low) / (end - start).clamp(min=1e-300)
    return (low + (positions[..., None] - start) * slope)[..., 0]


def straight_lines(positions: Tensor, knots: Tensor, images: Tensor, *, right: bool = False) -> Tensor:
    """Positions (..., n) carried from sorted knots (..., n_knots) to their images; slope 1 beyond the last ones.

    Of several equal knots a position takes the first, or with `right` the last.
    """
    inside = positions.clamp(knots[..., :1], knots[..., -1:])
    segment = torch.searchsorted(knots, inside, right=right).clamp(1, knots.shape[-1] - 1)
    start, end, low, high = (table.gather(-1, index) for table in (knots, images) for index in (segment - 1, segment))
    fraction = ((inside - start) / (end - start).clamp(min=1e-300)).clamp(0, 1)
    return low + fraction * (high - low) + (positions - inside)
