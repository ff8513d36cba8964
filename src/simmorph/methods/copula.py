"""Closed-form optimal transport between Gaussian copulas, at each context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from simmorph.data.events import Events
from simmorph.errors import InputError
from simmorph.methods.base import Kind, Method
from simmorph.neural.blocks import in_blocks
from simmorph.neural.scores import ConditionalScores
from simmorph.neural.smooth import SmoothBasis

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray
    from simmorph.neural.training import History, Training

SMALLEST_VARIANCE = 1e-4
"""Least eigenvalue of a correlation matrix; below it a direction is taken as fixed by the others."""
SMALLEST_SPREAD = 1e-6


class Copula(Method):
    """Every marginal distribution and every correlation made right at each context, without training.

    Each feature is turned into a normal score given the context, z = Phi^-1(F(x | c)). The correlation matrix of the
    scores is a smooth function of the context too. Between two normal distributions with covariances S and T, the
    optimal transport map is linear,

        A = S^-1/2 (S^1/2 T S^1/2)^1/2 S^-1/2,

    and this map carries the scores, in units of each feature's conditional spread, from source to target, where they
    become features again. It is the optimal map for Gaussian samples, and the yardstick for any network: dependences
    beyond the linear correlation of scores stay as they are in the source.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        points: points of each feature's distribution.
        context_knots: knots of the spline in each context variable.

    References:
        Gelbrich, "On a formula for the L2 Wasserstein metric between measures on Euclidean and Hilbert spaces", 1990;
        Takatsu, "Wasserstein geometry of Gaussian measures", 2011.
    """

    kind: ClassVar[Kind] = "morph"
    source_correlations: Tensor
    target_correlations: Tensor

    def __init__(
        self,
        n_features: int,
        n_context: int,
        *,
        points: Annotated[int, Field(ge=8)] = 60,
        context_knots: Annotated[int, Field(ge=3, le=64)] = 7,
    ) -> None:
        super().__init__(n_features, n_context)
        self.basis = SmoothBasis(n_context, context_knots)
        n_functions = self.basis.n_functions
        self.source = ConditionalScores(n_features, n_functions, points)
        self.target = ConditionalScores(n_features, n_functions, points)
        self.pairs = torch.triu_indices(n_features, n_features, 1)
        shape = n_functions, self.pairs.shape[1]
        for name in ("source_correlations", "target_correlations"):
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))

    def fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Regress distributions, then correlations, on the context; there is nothing to iterate, and so no history."""
        samples = [type(events).concatenate(how.split(events)) for events in (source, target)]
        if not all(len(events) for events in samples):
            raise InputError("training", "a sample has no events to train on", "select more events or hold out fewer")
        both = [events.with_weights(events.weights / np.sum(events.weights)) for events in samples]
        self.basis.fit(*_context_and_weights(Events.concatenate(both)))
        self._learn(samples[0], self.source, self.source_correlations)
        self._learn(samples[1], self.target, self.target_correlations)
        return {}

    def transform(self, events: Events) -> Events:
        """The features, carried by the optimal map of the Gaussian copulas; see Method."""
        rows = np.hstack([events.features, events.context])
        finite = np.asarray(np.isfinite(rows).all(axis=1))
        morphed = in_blocks(self._morph, np.where(finite[:, None], rows, 0.0), self)
        morphed[~(finite & np.isfinite(morphed).all(axis=1))] = np.nan
        return events.with_features(morphed)

    def _learn(self, events: Events, scores: ConditionalScores, correlations: Tensor) -> None:
        scores.fit(events, self.basis)
        rows = np.hstack([events.features, events.context])
        normal = in_blocks(lambda rows: scores.scores(*self._parted(rows)), rows, self)
        products = normal[:, self.pairs[0].numpy()] * normal[:, self.pairs[1].numpy()]
        size = events.effective_size
        weights = events.weights * (size / np.sum(events.weights))
        coefficients = _ridge(self.basis.values(events.context), products, weights, self.basis.stiffness)
        correlations.copy_(torch.from_numpy(coefficients))

    def _parted(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Features, and functions of the context."""
        features, context = rows.tensor_split([self.n_features], dim=1)
        return features, self.basis(context)

    def _morph(self, rows: Tensor) -> Tensor:
        features, functions = self._parted(rows)
        normal = self.source.scores(features, functions)
        # Without context there is one map for all events.
        shared = functions if self.n_context else functions[:1]
        spread, target_spread = _spread(self.source, shared), _spread(self.target, shared)
        source = self._matrix(self.source_correlations, shared)
        target = self._matrix(self.target_correlations, shared) * _outer(target_spread)
        carried = _bures(normal, source, spread, target) / target_spread
        return self.target.values(carried, functions)

    def _matrix(self, coefficients: Tensor, functions: Tensor) -> Tensor:
        """(n_events, n_features, n_features), the correlations of the scores."""
        matrix = torch.eye(self.n_features, dtype=functions.dtype, device=functions.device).repeat(len(functions), 1, 1)
        values = (functions @ coefficients).clamp(-1, 1)
        matrix[:, self.pairs[0], self.pairs[1]] = values
        matrix[:, self.pairs[1], self.pairs[0]] = values
        return matrix


def _context_and_weights(events: Events) -> tuple[FloatArray, FloatArray]:
    return events.context, events.weights


def _ridge(functions: FloatArray, values: FloatArray, weights: FloatArray, stiffness: FloatArray) -> FloatArray:
    """Coefficients of the weighted least-squares regression of values on functions."""
    weighted = functions * weights[:, None]
    return np.asarray(np.linalg.solve(weighted.T @ functions + np.diag(stiffness + 1e-9), weighted.T @ values))


def _spread(scores: ConditionalScores, functions: Tensor) -> Tensor:
    """(n_events, n_features), half the distance between the scores of -1 and 1: the conditional standard deviation."""
    ones = functions.new_ones(len(functions), len(scores.points))
    return (0.5 * (scores.values(ones, functions) - scores.values(-ones, functions))).clamp(min=SMALLEST_SPREAD)


def _outer(spread: Tensor) -> Tensor:
    return spread[:, :, None] * spread[:, None, :]


def _bures(normal: Tensor, correlations: Tensor, spread: Tensor, target: Tensor) -> Tensor:
    """Normal variables of these correlations, in units of `spread`, carried to the covariance `target`.

    With any L for which L L^T is the source's covariance, the optimal map is L^-T (L^T T L)^1/2 L^-1.
    """
    eigenvalues, directions = torch.linalg.eigh(correlations)
    roots = eigenvalues.clamp(min=SMALLEST_VARIANCE).sqrt()
    factor = spread[:, :, None] * directions * roots[:, None, :]
    values, vectors = torch.linalg.eigh(factor.mT @ target @ factor)
    whitened = (directions.mT @ normal[:, :, None]) / roots[:, :, None]
    middle = vectors @ (values.clamp(min=0).sqrt()[:, :, None] * (vectors.mT @ whitened))
    carried: Tensor = ((directions / roots[:, None, :]) @ middle)[:, :, 0] / spread
    return carried
