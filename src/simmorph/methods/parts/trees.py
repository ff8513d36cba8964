"""The ratio of densities that boosted trees learn, kept as tensors of a fixed size, like any network."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from simmorph.data.trees import Rows, TreeShape, grow, single
from simmorph.methods.parts.reweighting import Halves, Learnt, Ratio
from simmorph.neural.loop.history import History

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from simmorph.data.events import Events, FloatArray, IntArray
    from simmorph.data.trees import Forest
    from simmorph.neural.loop.training import Training

BLOCK = 8192
"""Rows that go through the trees together, few enough for the processor's cache."""
BITS_OF_SMALL = 16


class TreeRatio(Ratio):
    """The ratio of densities that gradient boosting learns as a classifier.

    The trees are kept as tables: for each node the input it looks at, the value below which events go left, both
    children, and what a leaf adds to the logarithm of the ratio. A leaf is its own child. Of the trees grown, those up
    to the lowest validation loss are kept.

    Args:
        shape: how much the trees may hold.
    """

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    value: Tensor

    def __init__(self, shape: TreeShape) -> None:
        super().__init__()
        self.shape = shape
        size = shape.trees, 2 * shape.leaves - 1
        for name in ("feature", "left", "right"):
            self.register_buffer(name, torch.zeros(size, dtype=torch.int32))
        for name in ("threshold", "value"):
            self.register_buffer(name, torch.zeros(size, dtype=torch.float32))

    def learn(self, source: Halves, target: Halves, how: Training, stage: str) -> Learnt:
        """Grow all trees, and keep those up to the lowest validation loss; see Ratio."""
        started = time.monotonic()
        training, validation = (_rows(*pair) for pair in zip(source, target, strict=True))
        has_both = len(set(validation.labels.tolist())) == 2
        forest = grow(training, self.shape, validation if has_both else None)
        self.take(forest)
        history = History(stage, forest.losses, forest.validation_losses, forest.best, time.monotonic() - started)
        how.progress(self._record(history))
        return Learnt(history)

    def take(self, forest: Forest) -> None:
        """Fill the tables from trees that were grown."""
        buffers = [getattr(self, name) for name in _Table._fields]
        for buffer in buffers:
            buffer.zero_()
        for tree, nodes in enumerate(forest.nodes()):
            numbers, *columns = zip(*nodes, strict=True)
            for buffer, column in zip(buffers, columns, strict=True):
                buffer[tree, list(numbers)] = torch.tensor(column, dtype=buffer.dtype)

    def log_ratio(self, inputs: FloatArray) -> FloatArray:
        """See Ratio."""
        total = np.zeros(len(inputs))
        forest = [table.sorted_out() for table in self._tables() if table.value.any()]
        for start in range(0, len(inputs), BLOCK):
            columns = np.ascontiguousarray(single(inputs[start : start + BLOCK]).T)
            for tree in forest:
                total[start : start + BLOCK] += tree.values_of(columns)
        return total

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
        nodes: input, threshold, and the leaves on the left as bits.
        leaves: their values.
    """

    nodes: list[tuple[int, float, int]]
    leaves: FloatArray

    def values_of(self, columns: NDArray[np.float32]) -> FloatArray:
        """The value of the leaf that each event falls into, (n_events,), for (n_inputs, n_events)."""
        kind: type[np.unsignedinteger[Any]] = np.uint64 if len(self.leaves) > BITS_OF_SMALL else np.uint16
        every = int(np.iinfo(kind).max)
        left_over: NDArray[Any] = np.full(columns.shape[1], every, kind)
        for feature, threshold, on_the_left in self.nodes:
            goes_left = columns[feature] < threshold
            left_over &= np.where(goes_left, kind(every), kind(every ^ on_the_left))
        # How many zeros stand below the lowest bit.
        leaf = np.bitwise_count((left_over & (~left_over + kind(1))) - kind(1))
        return np.asarray(self.leaves[leaf])


def _rows(source: Events, target: Events) -> Rows:
    """Both samples one after the other, each with half of the weight; a copy counts as more weight of its event."""
    half = sum(len(np.unique(sample.ids)) for sample in (source, target)) / 2
    weights = [sample.weights * (half / max(float(np.sum(sample.weights)), 1e-300)) for sample in (source, target)]
    is_target = np.repeat([False, True], [len(source), len(target)])
    return Rows(np.concatenate([source.features, target.features]), is_target, np.concatenate(weights))
