"""How far the target goes near a context: what no map shall leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from simmorph.data.cells import CellTree
from simmorph.data.quality.holes import find_holes
from simmorph.neural.scores import round_size

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, Events, FloatArray, IntArray

CELL_EVENTS, MAX_HALVINGS = 250, 6
MARGIN = 0.2
"""How far a result may go beyond the events of its cell, as a fraction of their range on either side."""
MAX_HOLES = 8


class Reach(nn.Module):
    """The range of each feature in the target, in cells of the context of equal population.

    The events of a cell are a sample, and the next event may go a little further than all of them: by a fifth of their
    range, but never beyond all events of the target. In a hole of the context, where the target has no events, what is
    near is all of them.

    Args:
        n_features: number of features.
        n_context: number of context variables that are looked at; with 0 there is one range for all events.
    """

    variables: Tensor
    thresholds: Tensor
    ranges: Tensor
    holes: Tensor

    def __init__(self, n_features: int, n_context: int) -> None:
        super().__init__()
        self.n_context = n_context
        self.n_cells = 2**MAX_HALVINGS if n_context else 1
        self.register_buffer("variables", torch.zeros(self.n_cells - 1, dtype=torch.long))
        self.register_buffer("thresholds", torch.full((self.n_cells - 1,), torch.inf, dtype=torch.float64))
        # The last range is that of all events.
        everything = torch.tensor([-torch.inf, torch.inf], dtype=torch.float64)
        self.register_buffer("ranges", everything[:, None, None].repeat(1, self.n_cells + 1, n_features))
        self.register_buffer("holes", torch.full((n_context, MAX_HOLES, 2), torch.inf, dtype=torch.float64))

    def fit(self, target: Events) -> None:
        """Learn from a sample."""
        context, n_halvings = target.context[:, : self.n_context], 0
        if self.n_context:
            n_halvings = int(np.clip(np.log2(round_size(target.effective_size) / CELL_EVENTS), 0, MAX_HALVINGS))
        tree = CellTree.fit(context, target.weights, n_halvings)
        self.variables.zero_()
        self.thresholds.fill_(torch.inf)
        self.variables[: tree.n_cells - 1] = torch.from_numpy(tree.variables)
        self.thresholds[: tree.n_cells - 1] = torch.from_numpy(tree.thresholds)
        self.holes.fill_(torch.inf)
        for variable, values in enumerate(context.T):
            found = find_holes(values)[:MAX_HOLES]
            if found:
                self.holes[variable, : len(found)] = torch.tensor([[it.low, it.high] for it in found])
        self.ranges.copy_(torch.from_numpy(self._ranges(target.features, self._labels(context))))

    def hold(self, features: FloatArray, context: FloatArray) -> tuple[FloatArray, BoolArray]:
        """The features, none of them further than the target goes, and (n_events,) whether any was held back.

        Args:
            features: (n_events, n_features), after a map.
            context: (n_events, n_context or more).
        """
        cells = self._labels(context[:, : self.n_context])
        cells[self.in_a_hole(torch.from_numpy(context)).numpy()] = self.n_cells
        low, high = self.ranges.numpy()[:, cells]
        return np.clip(features, low, high), np.asarray(((features < low) | (features > high)).any(axis=1))

    def in_a_hole(self, context: Tensor) -> Tensor:
        """(n_events,), whether the target has no events around a context of shape (n_events, n_context or more)."""
        values = context[:, : self.n_context, None]
        return ((values > self.holes[..., 0]) & (values < self.holes[..., 1])).any(dim=2).any(dim=1)

    def _labels(self, context: FloatArray) -> IntArray:
        return CellTree(self.variables.numpy(), self.thresholds.numpy()).labels(context)

    def _ranges(self, features: FloatArray, cells: IntArray) -> FloatArray:
        """(2, n_cells + 1, n_features), least and largest values; where a cell has no events those of all."""
        ends = np.stack([features.min(axis=0), features.max(axis=0)])
        found = np.repeat(ends[:, None], self.n_cells + 1, axis=1)
        for cell in np.unique(cells):
            inside = features[cells == cell]
            low, high = inside.min(axis=0), inside.max(axis=0)
            margin = MARGIN * (high - low)
            found[:, cell] = np.maximum(low - margin, ends[0]), np.minimum(high + margin, ends[1])
        return found
