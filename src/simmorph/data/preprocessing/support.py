"""Where a sample has events: each variable on its own, and all of them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from simmorph.data.cells import CellTree
from simmorph.data.preprocessing.proposal import has_edge
from simmorph.data.preprocessing.samples import lower_edge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simmorph.data.events import BoolArray, FloatArray, IntArray

RARELY = 5e-4
"""The share of fresh events that variables on their own may leave outside, and as much all of them together."""
TWENTIETH, AGAIN = 20, 1.5
"""A sample goes on beyond its last value by AGAIN times its distance from the twentieth, so that of n fresh events of
an exponential or shorter tail less than one in 20 lies beyond; further where n is too small for RARELY."""
FAR = 1e308
"""Stands for infinity in JSON."""
CELL_EVENTS, MOST_HALVINGS, MOST_NUMBERS = 400, 6, 4096
"""Events in a cell at least, its halvings, and numbers of all matrices at most."""
LEAST_SPREAD = 1e-3
"""Of a direction in a cell, in units of the preprocessed features: events do not lie nearer to each other than this."""


class Support(NamedTuple):
    """Where the events of a sample are.

    Space is halved into cells of equal population. In each of them the distance of an event from the mean, in units of
    the covariance matrix (Mahalanobis), is at most what that of other events of the sample is: half of the events shape
    the cells, the others say how far from the mean an event of a cell can be. It is fitted to features alone, at
    whatever context. Of fresh events of the sample itself less than one in 1,000 is outside, and up to ten where the
    support was fitted to a few hundred events.

    Attributes:
        low: (n_features,), in physical units, where each variable begins.
        high: (n_features,), where each ends.
        tree: the cells, in preprocessed features.
        means: (n_cells, n_features).
        whitening: (n_cells, n_features, n_features), what makes the covariance of a cell the unit matrix.
        reach: (n_cells,), the largest distance.
    """

    low: FloatArray
    high: FloatArray
    tree: CellTree
    means: FloatArray
    whitening: FloatArray
    reach: FloatArray

    @classmethod
    def fit(cls, features: FloatArray, prepared: FloatArray) -> Self:
        """Where these events are.

        Args:
            features: (n_events, n_features), in physical units.
            prepared: (n_events, n_features), the same preprocessed.
        """
        share = RARELY / max(2 * features.shape[1], 1)
        ends = np.array([(_end(column, share), -_end(-column, share)) for column in features.T]).reshape(-1, 2)
        shaping, judging = prepared[::2], prepared[1::2]
        tree = CellTree.fit(shaping, np.ones(len(shaping)), _n_halvings(*prepared.shape))
        shapes = [_shape(shaping[rows]) for _, rows in _cells(tree, shaping)]
        means, whitening = (np.stack(each) for each in zip(*shapes, strict=True))
        reach = np.zeros(tree.n_cells)
        for cell, rows in _cells(tree, judging):
            reach[cell] = -_beyond(np.sort(-_distances(judging[rows], means[cell], whitening[cell])), RARELY)
        return cls(ends[:, 0], ends[:, 1], tree, means, whitening, reach)

    def outside(self, features: FloatArray, prepared: FloatArray) -> BoolArray:
        """(n_events,), which events lie where the sample has none; arguments as in `fit`."""
        found = np.asarray(((features < self.low) | (features > self.high)).any(axis=1))
        for cell, rows in _cells(self.tree, prepared):
            distances = _distances(prepared[rows], self.means[cell], self.whitening[cell])
            found[rows] |= distances > self.reach[cell]
        return found

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        parts = {**self._asdict(), **self.tree._asdict()}
        return {
            name: np.nan_to_num(it, posinf=FAR, neginf=-FAR).tolist() for name, it in parts.items() if name != "tree"
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The support that `to_json` wrote down.

        Raises:
            ValueError: it is none.
        """
        low, high, means, whitening, reach = (
            np.array(content[name], np.float64) for name in ("low", "high", "means", "whitening", "reach")
        )
        tree = CellTree(np.array(content["variables"], np.int64), np.array(content["thresholds"], np.float64))
        n_cells, n_features = tree.n_cells, len(low)
        shapes = [high.shape, means.shape, whitening.shape, reach.shape]
        expected = [(n_features,), (n_cells, n_features), (n_cells, n_features, n_features), (n_cells,)]
        if shapes != expected or len(tree.variables) != len(tree.thresholds):
            raise ValueError("the support of the target has arrays of other shapes")
        return cls(low, high, tree, means, whitening, reach)


def _n_halvings(n_events: int, n_features: int) -> int:
    """As many as leave enough events in a cell, and matrices small enough to be kept."""
    most = min(n_events / max(CELL_EVENTS, 100 * n_features), MOST_NUMBERS / n_features**2)
    return int(np.clip(np.log2(max(most, 1)), 0, MOST_HALVINGS))


def _cells(tree: CellTree, points: FloatArray) -> Iterator[tuple[int, IntArray]]:
    """Every cell with the rows of its points."""
    labels = tree.labels(points)
    order = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[order], np.arange(tree.n_cells + 1))
    for cell in range(tree.n_cells):
        yield cell, order[ends[cell] : ends[cell + 1]]


def _shape(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The mean of points and what makes their covariance the unit matrix."""
    centred = points - points.mean(axis=0)
    variances, directions = np.linalg.eigh(centred.T @ centred / len(points))
    return points.mean(axis=0), directions / np.sqrt(np.maximum(variances, LEAST_SPREAD**2))


def _distances(points: FloatArray, mean: FloatArray, whitening: FloatArray) -> FloatArray:
    """(n_events,), the distance of each from the mean, in units of the covariance."""
    return np.asarray(np.sqrt((((points - mean) @ whitening) ** 2).sum(axis=1)))


def _end(values: FloatArray, share: float) -> float:
    """Where values begin: at their edge, if they have one."""
    ordered = np.sort(values)
    return lower_edge(ordered) if has_edge(ordered) else _beyond(ordered, share)


def _beyond(ordered: FloatArray, share: float) -> float:
    """Below which value less than a share of fresh events lies, by sorted ones, as far as they tell."""
    k = min(TWENTIETH, len(ordered) - 1)
    if k < 1:
        return -FAR
    further = max((1 / (share * len(ordered) * k)) ** 0.5, 1.0)
    return float(ordered[0] - AGAIN * further * (ordered[k] - ordered[0]))
