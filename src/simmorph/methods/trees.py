"""Gradient-boosted trees as tensors of a fixed size, so that they are saved like any network."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from simmorph.methods.reweighting import Halves, Ratio
from simmorph.neural.history import History

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from simmorph.data.events import BoolArray, Events, FloatArray, IntArray
    from simmorph.neural.training import Training

N_BINS = 200
BLOCK = 8192
"""Rows that go through the trees together, few enough for the processor's cache."""
BITS_OF_SMALL = 16
WEIGHT_OF_SAMPLE = 2.0**20
"""Sum of weights in training: one number for all samples, so that an event of weight 2 is rounded as two events are."""


class TreeShape(NamedTuple):
    """How much the trees may hold.

    Attributes:
        trees: how many.
        leaves: of each tree.
        leaf_events: least number of training events in a leaf.
        shrinkage: the part of each tree that is taken.
    """

    trees: int
    leaves: int
    leaf_events: int
    shrinkage: float


class TreeRatio(Ratio):
    """The ratio of densities that gradient boosting learns as a classifier.

    The trees are grown by scikit-learn, on variables that are binned in quantiles, and kept as tables: for each node
    the feature it looks at, the largest value that goes left, both children, and what a leaf adds to the logarithm of
    the ratio. A leaf is its own child. Of the trees grown, those up to the lowest validation loss are kept.

    Args:
        n_inputs: number of variables.
        shape: how much the trees may hold.

    References:
        Ke et al., "LightGBM: a highly efficient gradient boosting decision tree", NeurIPS 2017.
    """

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    value: Tensor
    baseline: Tensor

    def __init__(self, n_inputs: int, shape: TreeShape) -> None:
        super().__init__()
        self.n_inputs, self.shape = n_inputs, shape
        size = shape.trees, 2 * shape.leaves - 1
        for name in ("feature", "left", "right"):
            self.register_buffer(name, torch.zeros(size, dtype=torch.int32))
        for name in ("threshold", "value"):
            self.register_buffer(name, torch.zeros(size, dtype=torch.float64))
        self.register_buffer("baseline", torch.zeros((), dtype=torch.float64))

    def learn(self, source: Halves, target: Halves, how: Training, stage: str) -> History:
        """Grow all trees, and keep those up to the lowest validation loss; see Ratio."""
        started = time.monotonic()
        training, validation = (_Labelled.of(*pair) for pair in zip(source, target, strict=True))
        edges = [_edges(column, training.weights) for column in training.inputs.T]
        training, validation = training.binned(edges), validation.binned(edges)
        classifier = self.grown(training, how.seed)
        self._take(classifier, edges)
        losses = _losses(classifier, training)
        validation_losses = _losses(classifier, validation) if validation.has_both else ()
        best = int(np.argmin(validation_losses)) + 1 if validation_losses else len(losses)
        self.value[best:] = 0
        history = History(stage, losses, validation_losses, best, time.monotonic() - started)
        how.on_epoch(self._record(history))
        return history

    def grown(self, data: _Labelled, seed: int) -> Any:
        """scikit-learn's classifier, fitted to binned inputs."""
        from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # noqa: PLC0415

        classifier = HistGradientBoostingClassifier(
            max_iter=self.shape.trees,
            learning_rate=self.shape.shrinkage,
            max_leaf_nodes=self.shape.leaves,
            min_samples_leaf=self.shape.leaf_events,
            early_stopping=False,
            random_state=seed % 2**32,
        )
        with threadpool_limits(1):  # sums in another order would be other trees
            return classifier.fit(data.inputs, data.is_target, sample_weight=data.weights)

    def log_ratio(self, inputs: FloatArray) -> FloatArray:
        """See Ratio."""
        total = np.full(len(inputs), self.baseline.item())
        forest = [table.sorted_out() for table in self._tables() if table.value.any()]
        for start in range(0, len(inputs), BLOCK):
            columns = np.ascontiguousarray(inputs[start : start + BLOCK].T)
            for tree in forest:
                total[start : start + BLOCK] += tree.values_of(columns)
        return total

    def _take(self, classifier: Any, edges: Sequence[FloatArray]) -> None:
        """Fill the tables from the trees of scikit-learn."""
        self.baseline.fill_(float(classifier._baseline_prediction.item()))
        for buffer in (self.feature, self.left, self.right, self.threshold, self.value):
            buffer.zero_()
        for at, (tree,) in enumerate(classifier._predictors):
            for name, column in _table(tree.nodes, edges)._asdict().items():
                getattr(self, name)[at, : len(column)] = torch.from_numpy(column)

    def _tables(self) -> Iterator[_Table]:
        names = _Table._fields
        return itertools.starmap(_Table, zip(*(getattr(self, name).cpu().numpy() for name in names), strict=True))

    def _record(self, history: History) -> dict[str, Any]:
        """What the log of training says, once for all trees."""
        return {
            "stage": history.stage,
            "epoch": history.epochs,
            "epochs": history.epochs,
            "loss": history.losses[history.best_epoch - 1],
            "validation_loss": min(history.validation_losses) if history.validation_losses else None,
            "learning_rate": self.shape.shrinkage,
            "seconds": round(history.seconds, 3),
        }


class _Labelled(NamedTuple):
    """Both samples one after the other, each with the same sum of weights."""

    inputs: FloatArray
    is_target: BoolArray
    weights: FloatArray

    @classmethod
    def of(cls, source: Events, target: Events) -> _Labelled:
        both = [sample[sample.weights > 0] for sample in (source, target)]
        weights = [sample.weights * (WEIGHT_OF_SAMPLE / max(np.sum(sample.weights), 1e-300)) for sample in both]
        is_target = np.repeat([False, True], [len(sample) for sample in both])
        return cls(np.concatenate([sample.features for sample in both]), is_target, np.concatenate(weights))

    @property
    def has_both(self) -> bool:
        return bool(self.is_target.any()) and not bool(self.is_target.all())

    def binned(self, edges: Sequence[FloatArray]) -> _Labelled:
        """The number of the bin for each value; scikit-learn takes longer to find bins with weights than to grow."""
        columns = [np.searchsorted(*pair) for pair in zip(edges, self.inputs.T, strict=True)]
        return self._replace(inputs=np.column_stack(columns).astype(np.float64))


class _Table(NamedTuple):
    """One tree, (n_nodes,) each."""

    feature: IntArray
    threshold: FloatArray
    left: IntArray
    right: IntArray
    value: FloatArray

    def sorted_out(self) -> _Tree:
        """The tree in the form that is quick to evaluate."""
        nodes: list[tuple[int, float, int]] = []
        leaves: list[float] = []
        self._walk(0, nodes, leaves)
        return _Tree(nodes, np.array(leaves))

    def _walk(self, at: int, nodes: list[tuple[int, float, int]], leaves: list[float]) -> None:
        """Number the leaves from left to right, and note for each other node which leaves are on its left."""
        if self.left[at] == at:
            leaves.append(float(self.value[at]))
            return
        first = len(leaves)
        self._walk(int(self.left[at]), nodes, leaves)
        on_the_left = (1 << len(leaves)) - (1 << first)
        nodes.append((int(self.feature[at]), float(self.threshold[at]), on_the_left))
        self._walk(int(self.right[at]), nodes, leaves)


class _Tree(NamedTuple):
    """One tree as conditions that strike out leaves.

    An event that goes right at a node cannot end in a leaf on the left of it. What all nodes together leave over begins
    with the event's own leaf. So every node is a comparison of a whole column, and no event looks up its next node.
    (Lucchese et al., "QuickScorer", SIGIR 2015.)

    Attributes:
        nodes: feature, threshold, and the leaves on the left as bits.
        leaves: their values.
    """

    nodes: list[tuple[int, float, int]]
    leaves: FloatArray

    def values_of(self, columns: FloatArray) -> FloatArray:
        """The value of the leaf that each event falls into, (n_events,), for (n_inputs, n_events)."""
        kind: type[np.unsignedinteger[Any]] = np.uint64 if len(self.leaves) > BITS_OF_SMALL else np.uint16
        every = int(np.iinfo(kind).max)
        left_over: NDArray[Any] = np.full(columns.shape[1], every, kind)
        for feature, threshold, on_the_left in self.nodes:
            goes_left = columns[feature] <= threshold
            left_over &= np.where(goes_left, kind(every), kind(every ^ on_the_left))
        # How many zeros stand below the lowest bit.
        leaf = np.bitwise_count((left_over & (~left_over + kind(1))) - kind(1))
        return np.asarray(self.leaves[leaf])


def _losses(classifier: Any, data: _Labelled) -> tuple[float, ...]:
    """The binary cross-entropy after each tree."""
    sign = np.where(data.is_target, -1.0, 1.0)
    scores = classifier.staged_decision_function(data.inputs)
    return tuple(float(np.average(np.logaddexp(0, sign * score), weights=data.weights)) for score in scores)


def _edges(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Values between which bins of about equal weight lie; between all values, if there are few.

    They lie half-way between neighbours, so that an event of weight 2 gives the same bins as two events.
    """
    ordered, place = np.unique(values, return_inverse=True)
    below = np.arange(len(ordered) - 1)
    if len(ordered) > N_BINS:
        # Not at round numbers, where rounding would decide on which side of an event the edge lies.
        levels = (np.arange(1, N_BINS) - 0.5 / np.pi) / N_BINS
        shares = np.cumsum(np.bincount(place, weights)) / np.sum(weights)
        below = np.unique(np.searchsorted(shares, levels).clip(0, len(ordered) - 2))
    return (ordered[below] + ordered[below + 1]) / 2


def _table(nodes: Any, edges: Sequence[FloatArray]) -> _Table:
    """A tree in physical values: what is at most a bin's upper edge goes left.

    Args:
        nodes: scikit-learn's array of nodes, whose thresholds lie between the numbers of two bins.
        edges: of the bins of each variable.
    """
    is_leaf, here = nodes["is_leaf"] == 1, np.arange(len(nodes))
    feature = np.where(is_leaf, 0, nodes["feature_idx"])
    threshold = np.zeros(len(nodes))
    for at in np.flatnonzero(~is_leaf):
        threshold[at] = edges[feature[at]][int(np.floor(nodes["num_threshold"][at]))]
    return _Table(
        feature,
        threshold,
        np.where(is_leaf, here, nodes["left"]),
        np.where(is_leaf, here, nodes["right"]),
        np.where(is_leaf, nodes["value"], 0.0),
    )
