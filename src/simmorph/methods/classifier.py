"""Weights from a neural classifier's likelihood ratio."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field
from torch.nn.functional import softplus

from simmorph.config.training import HiddenLayers, PositiveFloat  # noqa: TC001 - read from the signature
from simmorph.methods.parts.reweighting import Calibration, Halves, Learnt, Ratio, Reweighting
from simmorph.neural.blocks import in_blocks
from simmorph.neural.loop.batches import Parts
from simmorph.neural.loop.minimize import minimize
from simmorph.neural.networks import Perceptron

if TYPE_CHECKING:
    from torch import Tensor

    from simmorph.data.events import Events, FloatArray
    from simmorph.neural.loop.batches import Batch
    from simmorph.neural.loop.training import Training


class Classifier(Reweighting):
    """Reweights the source by the likelihood ratio that a classifier learns: w = s / (1 - s), with its output s.

    Both samples count the same in training, whatever their sizes, so that s / (1 - s) is the ratio of their normalised
    densities. Networks are trained on all folds but one, and calibrated on that one: there the share of target events
    says what a score is worth. See Reweighting for context, normalisation and where it is not valid.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        hidden: hidden layers of each classifier.
        calibration: isotonic, or none: one classifier of all events, whose output is taken at its word.
        folds: how many classifiers there are for calibration; each learns from all events but its fold.
        max_factor: larger factors are set to this one; `notes` says how many, and what share of the weight it took.

    References:
        Cranmer, Pavez, Louppe, "Approximating likelihood ratios with calibrated discriminative classifiers", 2015,
        arXiv 1506.02169.
    """

    def __init__(  # noqa: PLR0913 - keys of the recipe
        self,
        n_features: int,
        n_context: int,
        *,
        hidden: HiddenLayers = (64, 64),
        calibration: Calibration = "isotonic",
        folds: Annotated[int, Field(ge=2)] = 3,
        max_factor: PositiveFloat = 1000.0,
    ) -> None:
        n_folds = folds if calibration == "isotonic" else 1
        super().__init__(n_features, n_context, lambda size: NetworkRatio(size, hidden), n_folds, max_factor)


class NetworkRatio(Ratio):
    """The ratio of densities that a network learns as a classifier.

    Args:
        n_inputs: number of variables.
        hidden: hidden layers.
    """

    def __init__(self, n_inputs: int, hidden: HiddenLayers) -> None:
        super().__init__()
        self.network = Perceptron(n_inputs, hidden, 1)

    def learn(self, source: Halves, target: Halves, how: Training, stage: str) -> Learnt:
        """Train with the binary cross-entropy, the target as the positive class; see Ratio."""
        data = [Parts(how.sample(sample.training), how.sample(sample.validation)) for sample in (source, target)]
        score = how.score(self._reweighted, source.validation, target.validation)
        return Learnt(minimize(self.network, self._loss, data, how, stage, score=score))

    def log_ratio(self, inputs: FloatArray) -> FloatArray:
        """See Ratio."""
        twin = copy.deepcopy(self.network).double()
        return in_blocks(twin, inputs, self)[:, 0]

    def _loss(self, source: Batch, target: Batch) -> Tensor:
        """The weighted binary cross-entropy of a network that returns log(s / (1 - s)); each sample counts half."""
        of_source = source.weights * softplus(self.network(source.features)[:, 0])
        of_target = target.weights * softplus(-self.network(target.features)[:, 0])
        return 0.5 * (of_source.mean() + of_target.mean())

    def _reweighted(self, events: Events) -> Events:
        return events.with_weights(events.weights * np.exp(self.log_ratio(events.features)))
