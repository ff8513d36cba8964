"""Normal scores within cells of other variables: what a smooth regression leaves over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import ndtr
from torch import Tensor, nn

from simmorph.data.cells import CellTree
from simmorph.data.preprocessing.samples import weighted_quantiles
from simmorph.neural.scores import round_size, straight_lines

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray, IntArray

N_LEVELS, REACH = 25, 2.0


class CellScores(nn.Module):
    """The distribution of a nearly normal variable in cells of other variables.

    A cell of n events knows its quantiles to about 1 / sqrt(n). Each is therefore drawn towards that of the standard
    normal distribution, the more so the less the cells differ beyond what chance explains (empirical Bayes): where
    there is nothing to correct, nothing is, and small cells do no harm.

    Args:
        n_conditions: number of variables that the cells are made of.
        n_halvings: there are 2**n_halvings cells.

    References:
        Efron, Morris, "Stein's estimation rule and its competitors", J. Am. Stat. Assoc. 68 (1973) 117.
    """

    variables: Tensor
    thresholds: Tensor
    quantiles: Tensor
    levels: Tensor

    def __init__(self, n_conditions: int, n_halvings: int) -> None:
        super().__init__()
        self.n_conditions, self.n_halvings = n_conditions, n_halvings
        levels = torch.linspace(-REACH, REACH, N_LEVELS, dtype=torch.float64)
        self.register_buffer("levels", levels, persistent=False)
        self.register_buffer("variables", torch.zeros(2**n_halvings - 1, dtype=torch.long))
        self.register_buffer("thresholds", torch.full((2**n_halvings - 1,), torch.inf, dtype=torch.float64))
        self.register_buffer("quantiles", levels.repeat(2**n_halvings, 1))

    def fit(self, values: FloatArray, conditions: FloatArray, weights: FloatArray, n_events: int) -> None:
        """Learn the distribution in cells with at least `n_events` events each; fewer cells if there are too few."""
        size = round_size(float(np.sum(weights)) ** 2 / float(np.sum(weights**2)))
        n_halvings = int(np.clip(np.log2(max(size / n_events, 1)), 0, self.n_halvings))
        tree = CellTree.fit(conditions, weights, n_halvings)
        self.variables.zero_()
        self.thresholds.fill_(torch.inf)
        self.variables[: tree.n_cells - 1] = torch.from_numpy(tree.variables)
        self.thresholds[: tree.n_cells - 1] = torch.from_numpy(tree.thresholds)
        labels = CellTree(self.variables.numpy(), self.thresholds.numpy()).labels(conditions)
        self.quantiles.copy_(torch.from_numpy(_quantiles(values, weights, labels, 2**self.n_halvings)))

    def scores(self, values: Tensor, conditions: Tensor) -> Tensor:
        """(n_events, 1), the normal scores of values in their cells."""
        table = self._table(conditions)
        return straight_lines(values[..., None], table, self.levels.expand_as(table))[..., 0]

    def values(self, scores: Tensor, conditions: Tensor) -> Tensor:
        """The inverse of `scores`."""
        table = self._table(conditions)
        return straight_lines(scores[..., None], self.levels.expand_as(table).contiguous(), table)[..., 0]

    def _table(self, conditions: Tensor) -> Tensor:
        """(n_events, 1, N_LEVELS), the quantiles of the cell of each event."""
        node = conditions.new_zeros(len(conditions), dtype=torch.long)
        for _ in range(self.n_halvings if self.n_conditions else 0):
            value = conditions.gather(1, self.variables[node][:, None])[:, 0]
            node = 2 * node + 1 + (value > self.thresholds[node]).long()
        cell = (node - len(self.thresholds)).clamp(min=0)
        return self.quantiles[cell][:, None, :]


def _quantiles(values: FloatArray, weights: FloatArray, labels: IntArray, n_cells: int) -> FloatArray:
    """(n_cells, N_LEVELS), the quantiles of each cell at the levels, drawn towards the levels themselves."""
    levels = np.linspace(-REACH, REACH, N_LEVELS)
    shifts, variances = np.zeros((n_cells, N_LEVELS)), np.full((n_cells, N_LEVELS), np.inf)
    share = ndtr(levels)
    of_one_event = 2 * np.pi * share * (1 - share) * np.exp(levels**2)
    order = np.argsort(labels, kind="stable")
    edges = np.searchsorted(labels[order], np.arange(n_cells + 1))
    for cell in range(n_cells):
        rows = order[edges[cell] : edges[cell + 1]]
        total = np.sum(weights[rows])
        if total > 0:
            shifts[cell] = weighted_quantiles(values[rows], weights[rows], share) - levels
            variances[cell] = of_one_event * np.sum(weights[rows] ** 2) / total**2
    filled = np.isfinite(variances)
    beyond_chance = np.where(filled, shifts**2 - np.where(filled, variances, 0.0), 0.0)
    signal = np.maximum(beyond_chance.sum(axis=0) / np.maximum(filled.sum(axis=0), 1), 0.0)
    drawn = levels + shifts * signal / (signal + variances)
    return np.asarray(np.maximum.accumulate(drawn, axis=1))
