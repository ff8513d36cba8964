"""Pairs of source and target events that are near each other: optimal transport of small batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from simmorph.data.cells import CellTree
from simmorph.errors import InputError

if TYPE_CHECKING:
    from simmorph.data.events import Events, FloatArray, IntArray


MOST_EVENTS, FEWEST_IN_CELL = 1024, 64


class Pairs(NamedTuple):
    """Rows that belong together.

    Attributes:
        source: (n_pairs,), rows of the source.
        target: (n_pairs,), rows of the target.
    """

    source: IntArray
    target: IntArray


def optimal_pairs(source: Events, target: Events, batch: int, context_weight: float, rng: np.random.Generator) -> Pairs:
    """Each pair counts the same: events are drawn by weight, and those drawn are assigned at the least total cost.

    With a context events are first parted into cells of it. A cell gets as many events of the target as it has of the
    source, drawn by weight, so that the spectrum of contexts is the source's. In a cell batches are assigned by
    squared distance, the contexts' in units of their own spread and times `context_weight`.

    Args:
        source: with positive weights.
        target: likewise.
        batch: events of each sample that are assigned to each other at once; the larger, the shorter the ways.
        context_weight: how much a distance in the context counts, compared with one between features.
        rng: draws events and batches.

    Raises:
        InputError: the contexts of the samples have nothing in common.
    """
    drawn = _drawn(np.arange(len(source)), source.weights, len(source), rng)
    tree = CellTree.fit(source.context, source.weights, _n_halvings(len(drawn), batch, source.context.shape[1]))
    labels = tree.labels(source.context)[drawn]
    of_target = tree.labels(target.context)
    spread = np.where(source.context.std(axis=0) > 0, source.context.std(axis=0), 1.0)
    scale = np.sqrt(context_weight) / spread
    places = [np.hstack([events.features, events.context * scale]) for events in (source, target)]
    found = []
    for label in np.unique(labels):
        here = rng.permutation(drawn[labels == label])
        there = np.flatnonzero((of_target == label) & (target.weights > 0))
        if len(there):
            chosen = rng.permutation(_drawn(there, target.weights[there], len(here), rng))
            found += [
                _assigned(here[at : at + batch], chosen[at : at + batch], *places) for at in range(0, len(here), batch)
            ]
    if not found:
        raise InputError("training", "no source event has a context that the target has", "check the context variables")
    return Pairs(*(np.concatenate(rows) for rows in zip(*found, strict=True)))


def optimal_cost(source: FloatArray, target: FloatArray) -> float:
    """The mean squared distance of the best assignment of two samples of equal size."""
    costs = cdist(source, target, "sqeuclidean")
    return float(costs[linear_sum_assignment(costs)].mean())


def _n_halvings(n_events: int, batch: int, n_context: int) -> int:
    """Cells of at least one batch; without context there is one cell."""
    return int(np.log2(max(n_events / batch, 1))) if n_context else 0


def _drawn(rows: IntArray, weights: FloatArray, n_drawn: int, rng: np.random.Generator) -> IntArray:
    """Rows drawn by weight at even distances of the summed weights, which fluctuates least."""
    edges = np.cumsum(weights)
    places = (np.arange(n_drawn) + rng.random()) / n_drawn * edges[-1]
    return np.asarray(rows[np.minimum(np.searchsorted(edges, places, side="right"), len(rows) - 1)])


def _assigned(source: IntArray, target: IntArray, of_source: FloatArray, of_target: FloatArray) -> Pairs:
    """The assignment of least total squared distance between some events of both samples.

    Args:
        source: which events of the source.
        target: which of the target, as many.
        of_source: (n_source, n_columns), places of all events of the source.
        of_target: (n_target, n_columns), the same of the target.
    """
    rows, columns = linear_sum_assignment(cdist(of_source[source], of_target[target], "sqeuclidean"))
    return Pairs(source[rows], target[columns])


def movement_over_optimal(source: Events, template: Events) -> float:
    """The squared distance that events moved, over that of the best assignment of the same events to the same places.

    Both sums have the same events and places, so that no finite sample biases the ratio: it is 1 if the map is optimal
    between the source and its own image, and larger otherwise. With a context events are assigned within cells of it;
    what the cells do not resolve makes the ratio larger. The first events that came through are taken, 1024 at most.

    Args:
        source: events before the map.
        template: the same events after it.
    """
    known = np.flatnonzero(np.isfinite(np.hstack([source.features, source.context, template.features])).all(axis=1))
    before, after = source[known[:MOST_EVENTS]], template[known[:MOST_EVENTS]]
    n_halvings = _n_halvings(len(before), FEWEST_IN_CELL, before.context.shape[1])
    labels = CellTree.fit(before.context, np.ones(len(before)), n_halvings).labels(before.context)
    moved = float(np.sum((after.features - before.features) ** 2))
    cells = (labels == label for label in np.unique(labels))
    least = sum(np.sum(cell) * optimal_cost(before.features[cell], after.features[cell]) for cell in cells)
    return moved / float(least) if least > 0 else 1.0
