"""Gradient-boosted trees; the only module that knows xgboost.

The judges of two-sample tests, the `bdt` method and the treatment of negative weights grow trees here. They use one
thread, so that the order of sums is fixed and equal rows give equal trees.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray
    from xgboost import Booster, QuantileDMatrix

    from simmorph.data.events import BoolArray, FloatArray

Objective = Literal["binary:logistic", "reg:squarederror"]
CURVATURE: dict[Objective, float] = {"binary:logistic": 0.25, "reg:squarederror": 1.0}
"""Second derivative of each loss for an event of weight 1 that nothing is known of: what xgboost counts in a leaf."""
LARGEST = 3e38
"""Inputs beyond the range of float32, infinite ones too, are cut off here, which no tree can see."""


class TreeShape(NamedTuple):
    """How much the trees may hold.

    Attributes:
        trees: how many.
        leaves: of each tree; 0 for no bound.
        leaf_events: least number of events of weight 1 in a leaf.
        shrinkage: the part of each tree that is taken.
        depth: most splits above a leaf; 0 for no bound.
    """

    trees: int
    leaves: int
    leaf_events: int
    shrinkage: float
    depth: int = 0


class Rows(NamedTuple):
    """What trees learn from.

    Attributes:
        inputs: (n_events, n_inputs).
        labels: (n_events,), the class to tell from the other one, or numbers.
        weights: (n_events,), not negative, of mean 1.
    """

    inputs: FloatArray
    labels: BoolArray | FloatArray
    weights: FloatArray


class Node(NamedTuple):
    """A node of a tree.

    Attributes:
        number: of the node in its tree.
        feature: the input that it looks at.
        threshold: what is below goes left.
        left: the number of a child; a leaf is its own child.
        right: of the other one.
        value: what a leaf adds to the score.
    """

    number: int
    feature: int
    threshold: float
    left: int
    right: int
    value: float


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees that were grown.

    Attributes:
        booster: the trees.
        losses: of the rows grown from, after each tree.
        validation_losses: of the other rows; empty without them.
        best: how many trees are kept: all, or those up to the lowest validation loss.
    """

    booster: Booster
    losses: tuple[float, ...]
    validation_losses: tuple[float, ...]
    best: int

    def scores(self, inputs: FloatArray) -> FloatArray:
        """(n_events,), the logarithm of the odds of the class, or the number; of each row alone."""
        with _one_thread():
            return np.asarray(self.booster.inplace_predict(single(inputs), predict_type="margin"), np.float64)

    def nodes(self) -> list[list[Node]]:
        """The nodes of each tree, from its root."""
        return [list(_nodes(json.loads(text))) for text in self.booster.get_dump(dump_format="json")]


def grow(
    rows: Rows,
    shape: TreeShape,
    validation: Rows | None = None,
    patience: int | None = None,
    objective: Objective = "binary:logistic",
) -> Forest:
    """Trees that tell the classes apart, or that give the mean of the labels; the same bits for the same rows.

    Args:
        rows: to learn from.
        shape: how much the trees may hold.
        validation: rows that decide how many of the trees are kept.
        patience: trees without a lower validation loss after which no more are grown.
        objective: the binary cross-entropy, or the squared error.

    References:
        Chen, Guestrin, "XGBoost: a scalable tree boosting system", 2016, arXiv 1603.02754.
    """
    import xgboost  # noqa: PLC0415 - seconds that few commands need

    start = 0.5 if objective == "binary:logistic" else float(np.average(rows.labels, weights=rows.weights))
    options = _options(shape, objective) | {"base_score": start}
    history: dict[str, dict[str, Any]] = {}
    with _one_thread():
        matrices = [xgboost.QuantileDMatrix(single(rows.inputs), rows.labels, weight=rows.weights)]
        if validation is not None:
            inputs, labels, weights = validation
            matrices.append(xgboost.QuantileDMatrix(single(inputs), labels, weight=weights, ref=matrices[0]))
        booster = xgboost.train(
            options,
            matrices[0],
            shape.trees,
            evals=list(zip(matrices, ("training", "validation"), strict=False)),
            evals_result=history,
            early_stopping_rounds=patience,
            verbose_eval=False,
        )
    losses, *others = (tuple(next(iter(found.values()))) for found in history.values())
    validation_losses = others[0] if others else ()
    best = int(np.argmin(validation_losses)) + 1 if validation_losses else len(losses)
    return Forest(booster[:best], losses, validation_losses, best)


@dataclass(frozen=True, eq=False)
class Binned:
    """Rows whose inputs are put into bins once, which takes as long as growing trees, and grown from many times.

    Attributes:
        inputs: (n_events, n_inputs).
    """

    inputs: FloatArray

    @cached_property
    def _matrix(self) -> QuantileDMatrix:
        """The inputs in bins of equal shares."""
        import xgboost  # noqa: PLC0415 - seconds that few commands need

        with _one_thread():
            return xgboost.QuantileDMatrix(single(self.inputs))

    def grow(self, labels: BoolArray, weights: FloatArray, shape: TreeShape) -> Forest:
        """Trees that tell the classes apart; see `grow`.

        Args:
            labels: (n_events,), the class to tell from the other one.
            weights: (n_events,), not negative; rows of weight 0 are not learnt from.
            shape: how much the trees may hold.
        """
        import xgboost  # noqa: PLC0415 - seconds that few commands need

        with _one_thread():
            self._matrix.set_info(label=labels, weight=weights)
            options = _options(shape, "binary:logistic") | {"base_score": 0.5}
            booster = xgboost.train(options, self._matrix, shape.trees)
        return Forest(booster, (), (), shape.trees)


def _options(shape: TreeShape, objective: Objective) -> dict[str, Any]:
    """The shape in xgboost's words."""
    return {
        "objective": objective,
        "tree_method": "hist",
        "grow_policy": "lossguide" if shape.leaves else "depthwise",
        "max_leaves": shape.leaves,
        "max_depth": shape.depth,
        "min_child_weight": CURVATURE[objective] * shape.leaf_events,
        "learning_rate": shape.shrinkage,
        "reg_lambda": 0.0,
    }


def _nodes(tree: dict[str, Any]) -> Iterator[Node]:
    """The nodes below one of xgboost's JSON, itself first."""
    number = tree["nodeid"]
    if "leaf" in tree:
        yield Node(number, 0, 0.0, number, number, tree["leaf"])
        return
    yield Node(number, int(tree["split"].removeprefix("f")), tree["split_condition"], tree["yes"], tree["no"], 0.0)
    for child in tree["children"]:
        yield from _nodes(child)


def single(inputs: FloatArray) -> NDArray[np.float32]:
    """The inputs as the trees see them."""
    return np.clip(inputs, -LARGEST, LARGEST).astype(np.float32)


def _one_thread() -> AbstractContextManager[None]:
    """Sums in another order would be other trees; and threads that were started once would hang a forked process."""
    import xgboost  # noqa: PLC0415 - seconds that few commands need

    return xgboost.config_context(nthread=1, verbosity=0)
