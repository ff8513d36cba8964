"""Cells of equal population: a binning of several variables that adapts to where the events are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simmorph.data.preprocessing.samples import weighted_quantiles

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray, IntArray

_MIDDLE = np.array([0.5])


def equal_cells(points: FloatArray, weights: FloatArray, n_halvings: int) -> IntArray:
    """(n_events,), the cell of each event, from 0 to 2**n_halvings - 1, each with the same sum of weights.

    Every cell is halved at the weighted median of the variable that spreads most in it; a cell in which nothing
    spreads is not halved any more. Cells may be empty.

    Args:
        points: (n_events, n_variables), in comparable units; without variables all events are in one cell.
        weights: (n_events,), not negative.
        n_halvings: how often the cells are halved.
    """
    labels = np.zeros(len(points), np.int64)
    if not points.shape[1]:
        return labels
    members = [np.arange(len(points))]
    for _ in range(n_halvings):
        members = [half for cell in members for half in _halves(points, weights, cell)]
    for label, cell in enumerate(members):
        labels[cell] = label
    return labels


def _halves(points: FloatArray, weights: FloatArray, cell: IntArray) -> tuple[IntArray, IntArray]:
    """The events of a cell below, and at or above, the median of its widest variable."""
    if len(cell) < 2:
        return cell, cell[:0]
    inside = points[cell]
    widest = inside[:, int(np.argmax(inside.std(axis=0)))]
    below = widest <= weighted_quantiles(widest, weights[cell], _MIDDLE)[0]
    return cell[below], cell[~below]
