"""Closed-form optimal transport between Gaussian copulas, at each context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import pad

from simmorph.data.events import Events
from simmorph.methods.base import Method
from simmorph.neural.blocks import in_blocks
from simmorph.neural.networks import product
from simmorph.neural.reach import Reach
from simmorph.neural.scores import ConditionalScores, fit_alike, ridge, round_size
from simmorph.neural.smooth import SmoothBasis

if TYPE_CHECKING:
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training

SMALLEST_VARIANCE = 1e-4
"""Least eigenvalue of a correlation matrix; below it a direction is taken as fixed by the others."""
SMALLEST_SPREAD = 1e-6
CORRELATION_STIFFNESS = 3.0
"""How much more stiffly correlations depend on the context than distributions do."""
WIDTH_STEP = 4
"""Matrices have a multiple of so many rows, so that in a batch each begins at a multiple of 64 bytes. Libraries of
linear algebra choose their order of rounding by where a matrix begins."""


class Copula(Method):
    """Every marginal distribution and every correlation made right at each context, without training.

    Each feature is turned into a normal score given the context, z = Phi^-1(F(x | c)). The correlation matrix of the
    scores is a smooth function of the context too. Between two normal distributions with covariances S and T, the
    optimal transport map is linear,

        A = S^-1/2 (S^1/2 T S^1/2)^1/2 S^-1/2,

    and this map carries the scores, in units of each feature's conditional spread, from source to target, where they
    become features again. It is the optimal map for Gaussian samples, and the yardstick for any network: dependences
    beyond the linear correlation of scores stay as they are in the source. An event never goes further than the target
    has events near its context, and quantiles do not cross at any context: see `neural/scores.py`.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        points: knots of each feature's distribution over all contexts, at most.
        context_knots: knots of the spline in each context variable.

    References:
        Gelbrich, "On a formula for the L2 Wasserstein metric between measures on Euclidean and Hilbert spaces", 1990;
        Takatsu, "Wasserstein geometry of Gaussian measures", 2011.
    """

    in_a_hole = "the map goes across as smoothly as it can from side to side, which no event checks"

    def __init__(
        self,
        n_features: int,
        n_context: int,
        *,
        points: Annotated[int, Field(ge=8)] = 64,
        context_knots: Annotated[int, Field(ge=3, le=64)] = 7,
    ) -> None:
        super().__init__(n_features, n_context)
        self.reach = Reach(n_features, n_context)
        self.basis = SmoothBasis(n_context, context_knots)
        n_functions = self.basis.n_functions
        self.source = _Copula(n_features, n_functions, points)
        self.target = _Copula(n_features, n_functions, points)

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Regress distributions, then correlations, on the context; there is nothing to iterate, and so no history."""
        samples = [Events.concatenate(halves) for halves in how.halves(source, target)]
        both = [events.with_weights(events.weights / np.sum(events.weights)) for events in samples]
        together = Events.concatenate(both)
        self.basis.fit(together.context, together.weights)
        fit_alike([self.source.marginals, self.target.marginals], samples, self.basis)
        self.source.correlate(samples[0], self.basis)
        self.target.correlate(samples[1], self.basis)
        return {}

    def _transform(self, events: Events) -> Events:
        """The features, carried by the optimal map of the Gaussian copulas."""
        return events.with_features(self._by_row(self._carry, events.features, events.context))

    def _carry(self, features: Tensor, context: Tensor) -> Tensor:
        """(n_events, n_features), the scores of the source carried by A, as features of the target."""
        functions = self.basis(context)
        normal = self.source.marginals.scores(features, functions)
        # Without context there is one map for all events.
        shared = functions if self.n_context else functions[:1]
        spread, target_spread = self.source.spread(shared), self.target.spread(shared)
        covariance = self.target.correlation_matrix(shared) * target_spread[:, :, None] * target_spread[:, None, :]
        spare = pad(normal, (0, spread.shape[1] - self.n_features))
        carried = _bures(spare, self.source.correlation_matrix(shared), spread, covariance) / target_spread
        return self.target.marginals.values(carried[:, : self.n_features].contiguous(), functions)


class _Copula(nn.Module):
    """A sample as normal scores at each context, and their correlations.

    Matrices have rows to spare: variables of spread 1 that are correlated with nothing.
    """

    correlations: Tensor

    def __init__(self, n_features: int, n_functions: int, points: int) -> None:
        super().__init__()
        self.marginals = ConditionalScores(n_features, n_functions, points)
        self.n_features, self.pairs = n_features, torch.triu_indices(n_features, n_features, 1)
        self.width = n_features + -n_features % WIDTH_STEP
        shape = n_functions, self.pairs.shape[1]
        self.register_buffer("correlations", torch.zeros(shape, dtype=torch.float64))

    def correlate(self, events: Events, basis: SmoothBasis) -> None:
        """Learn the correlations of the scores, once the distribution of each feature is known."""

        def scores(rows: Tensor) -> Tensor:
            return self.marginals.scores(rows[:, : self.n_features], basis(rows[:, self.n_features :]))

        normal = in_blocks(scores, np.hstack([events.features, events.context]), self)
        first, second = self.pairs.numpy()
        weights = events.weights * (round_size(events.effective_size) / np.sum(events.weights))
        products = normal[:, first] * normal[:, second]
        found = ridge(basis.values(events.context), products, weights, CORRELATION_STIFFNESS * basis.penalty)
        self.correlations.copy_(torch.from_numpy(found))

    def spread(self, functions: Tensor) -> Tensor:
        """(n_events, width), half the distance between the scores -1 and 1: the conditional deviation."""
        ones = functions.new_ones(len(functions), self.n_features)
        values = self.marginals.values(ones, functions) - self.marginals.values(-ones, functions)
        return pad((0.5 * values).clamp(min=SMALLEST_SPREAD), (0, self.width - self.n_features), value=1.0)

    def correlation_matrix(self, functions: Tensor) -> Tensor:
        """(n_events, width, width)."""
        eye = torch.eye(self.width, dtype=functions.dtype, device=functions.device)
        matrix = eye.repeat(len(functions), 1, 1)
        values = product(functions, self.correlations).clamp(-1, 1)
        matrix[:, self.pairs[0], self.pairs[1]] = values
        matrix[:, self.pairs[1], self.pairs[0]] = values
        return matrix


def _bures(normal: Tensor, correlations: Tensor, spread: Tensor, target: Tensor) -> Tensor:
    """Normal variables of these correlations, in units of `spread`, carried to the covariance `target`.

    With any L for which L L^T is the source's covariance, the optimal map is L^-T (L^T T L)^1/2 L^-1.
    """
    eigenvalues, directions = torch.linalg.eigh(correlations)
    roots = eigenvalues.clamp(min=SMALLEST_VARIANCE).sqrt()
    factor = spread[:, :, None] * directions * roots[:, None, :]
    values, vectors = torch.linalg.eigh(factor.mT @ target @ factor)
    whitened = _times(directions.mT, normal) / roots
    middle = _times(vectors, values.clamp(min=0).sqrt() * _times(vectors.mT, whitened))
    return _times(directions / roots[:, None, :], middle) / spread


def _times(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Products of a matrix and a vector each, (n_events, width)."""
    return (matrices * vectors[:, None, :]).sum(dim=2)
