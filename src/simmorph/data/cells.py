"""Cells of equal population: a binning of several variables that adapts to where the events are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.data.preprocessing.samples import weighted_quantiles

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray, IntArray

_MIDDLE = np.array([0.5])


class CellTree(NamedTuple):
    """Halvings of a space, each at a threshold of one variable.

    The children of node k are the nodes 2k + 1 (at or below the threshold) and 2k + 2; the leaves are the cells.

    Attributes:
        variables: (n_cells - 1,), the variable that each node looks at.
        thresholds: (n_cells - 1,); infinite where a cell is not halved any more.
    """

    variables: IntArray
    thresholds: FloatArray

    @classmethod
    def fit(cls, points: FloatArray, weights: FloatArray, n_halvings: int) -> CellTree:
        """Halve every cell at the weighted median of the variable that spreads most in it.

        Args:
            points: (n_events, n_variables); spreads are compared in units of those of all events.
            weights: (n_events,), not negative.
            n_halvings: how often; a cell in which nothing spreads is not halved any more.
        """
        n_nodes = 2**n_halvings - 1
        variables, thresholds = np.zeros(n_nodes, np.int64), np.full(n_nodes, np.inf)
        spread = points.std(axis=0)
        shown = points / np.where(spread > 0, spread, 1.0)
        members = [np.arange(len(points))] if points.shape[1] else []
        for node in range(n_nodes if members else 0):
            inside = members[node]
            below = np.ones(len(inside), np.bool_)
            if len(inside) > 1:
                variables[node] = np.argmax(shown[inside].std(axis=0))
                values = points[inside, variables[node]]
                middle = weighted_quantiles(values, weights[inside], _MIDDLE)[0]
                below = values <= middle
                thresholds[node] = middle if not below.all() else np.inf
            members += [inside[below], inside[~below]]
        return cls(variables, thresholds)

    @property
    def n_cells(self) -> int:
        """Leaves of the tree."""
        return len(self.thresholds) + 1

    def labels(self, points: FloatArray) -> IntArray:
        """(n_events,), the cell of each event, from 0 to n_cells - 1."""
        node = np.zeros(len(points), np.int64)
        rows = np.arange(len(points))
        while points.shape[1] and len(node) and node[0] < len(self.thresholds):
            above = points[rows, self.variables[node]] > self.thresholds[node]
            node = 2 * node + 1 + above
        return np.maximum(node - len(self.thresholds), 0)
