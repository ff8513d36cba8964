"""The optimal map between two normal distributions, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from simmorph.neural.networks import product

if TYPE_CHECKING:
    from simmorph.data.events import Events, FloatArray

LEAST_VARIANCE = 1e-4
"""Of a direction, as a share of the largest; below it the direction is taken to be as wide as this."""
HELD_BY = 10.0
"""Events that the slope of a mean with the context is held to zero by."""


class GaussianTransport(nn.Module):
    """The linear map that makes means, slopes with the context, and the covariance right, and moves events least.

    With covariances S and T of what the context does not explain, x goes to A (x - m(c)) + n(c), where m and n are the
    means of source and target as linear functions of the context, and A = S^-1/2 (S^1/2 T S^1/2)^1/2 S^-1/2. It begins
    as the identity.

    Args:
        n_features: number of features.
        n_context: number of context variables.

    References:
        Gelbrich, "On a formula for the L2 Wasserstein metric between measures on Euclidean and Hilbert spaces", 1990.
    """

    matrix: Tensor
    of_source: Tensor
    of_target: Tensor

    def __init__(self, n_features: int, n_context: int) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.eye(n_features, dtype=torch.float64))
        for name in ("of_source", "of_target"):
            self.register_buffer(name, torch.zeros(1 + n_context, n_features, dtype=torch.float64))

    def fit(self, source: Events, target: Events) -> None:
        """Take means and covariances from the samples, by their weights."""
        (of_source, before), (of_target, wanted) = map(_regressed, (source, target))
        self.of_source.copy_(torch.from_numpy(of_source))
        self.of_target.copy_(torch.from_numpy(of_target))
        self.matrix.copy_(torch.from_numpy(_optimal_map(before, wanted)))

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """(n_events, n_features), moved; in float64."""
        known = torch.cat([context.new_ones(len(context), 1), context], dim=1)
        return product(features - product(known, self.of_source), self.matrix) + product(known, self.of_target)


def _regressed(events: Events) -> tuple[FloatArray, FloatArray]:
    """Coefficients of the means, (1 + n_context, n_features), and the covariance of what they leave."""
    known = np.hstack([np.ones((len(events), 1)), events.context])
    weights = (events.weights * (events.effective_size / np.sum(events.weights)))[:, None]
    held = HELD_BY * np.diag([0.0] + [1.0] * events.context.shape[1])
    means = np.asarray(np.linalg.solve(known.T @ (weights * known) + held, known.T @ (weights * events.features)))
    left = events.features - known @ means
    return means, np.asarray(left.T @ (weights * left) / np.sum(weights))


def _optimal_map(source: FloatArray, target: FloatArray) -> FloatArray:
    """The symmetric matrix A with A S A = T."""
    root, inverse = _root(source)
    middle, _ = _root(root @ target @ root)
    return np.asarray(inverse @ middle @ inverse)


def _root(covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The symmetric square root of a covariance, and the inverse of that."""
    values, vectors = np.linalg.eigh(covariance)
    roots = np.sqrt(np.maximum(values, LEAST_VARIANCE * values[-1]))
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T
