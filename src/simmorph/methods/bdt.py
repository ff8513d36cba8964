"""Weights from the likelihood ratio of gradient-boosted trees."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simmorph.config.training import PositiveFloat, PositiveInt  # noqa: TC001 - read from the signature
from simmorph.data.trees import TreeShape
from simmorph.methods.parts.reweighting import Calibration, Reweighting
from simmorph.methods.parts.trees import TreeRatio


class BoostedTrees(Reweighting):
    """Reweights the source by the likelihood ratio that gradient-boosted trees learn: seconds, and nothing to tune.

    The same as `classifier` with trees in place of networks. A tree is what an epoch is to a network: all trees are
    grown, and those after the lowest validation loss are dropped. Of the recipe's `training:` block only the seed and
    the parts matter. See Reweighting for context, normalisation and where it is not valid.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        trees: how many are grown at most.
        leaves: leaves of a tree.
        leaf_events: least number of training events in a leaf, by their weights.
        shrinkage: part of each tree that is taken.
        calibration: isotonic, or none: the trees of all events, whose output is taken at its word.
        folds: how many forests there are for calibration; each learns from all events but its fold.
        max_factor: larger factors are set to this one; `notes` says how many, and what share of the weight it took.

    References:
        Rogozhnikov, "Reweighting with boosted decision trees", 2016, arXiv 1608.05806, for the use of trees; the loss
        here is the classifier's.
    """

    def __init__(  # noqa: PLR0913 - keys of the recipe
        self,
        n_features: int,
        n_context: int,
        *,
        trees: PositiveInt = 100,
        leaves: Annotated[int, Field(ge=2, le=64)] = 16,
        leaf_events: PositiveInt = 50,
        shrinkage: Annotated[float, Field(gt=0, le=1)] = 0.1,
        calibration: Calibration = "isotonic",
        folds: Annotated[int, Field(ge=2)] = 5,
        max_factor: PositiveFloat = 1000.0,
    ) -> None:
        shape = TreeShape(trees, leaves, leaf_events, shrinkage)
        n_folds = folds if calibration == "isotonic" else 1
        super().__init__(n_features, n_context, lambda _: TreeRatio(shape), n_folds, max_factor)
