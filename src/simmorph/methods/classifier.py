"""Weights from a classifier's likelihood ratio."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch.nn.functional import softplus

from simmorph.config.training import HiddenLayers, PositiveFloat  # noqa: TC001 - read from the signature
from simmorph.methods.base import Kind, Method, Notes
from simmorph.neural.blocks import in_blocks
from simmorph.neural.networks import Perceptron, initialise
from simmorph.neural.training import minimize

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from simmorph.data.events import BoolArray, Events, FloatArray
    from simmorph.neural.samples import Sample
    from simmorph.neural.training import History, Training


class Classifier(Method):
    """Reweights the source by the likelihood ratio that a classifier learns: w = s / (1 - s), with its output s.

    Both samples count the same in training, whatever their sizes, so that s / (1 - s) is the ratio of their normalised
    densities. Context is conditioned on: a second classifier learns the ratio of the contexts alone, and the weight is
    the quotient of both, the ratio of the densities of the features at a given context. So the source keeps its
    spectrum of contexts, as it does under a morph.

    The weights change shapes, not the normalisation: their mean over the source trained on, in its own weights, is 1.
    A factor multiplies an event's weight, so a signed weight stays signed.

    It cannot put events where the source has none, and costs statistical power; see `notes`.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        hidden: hidden layers of each classifier.
        max_factor: larger factors are set to this one; `notes` tells how many.

    References:
        Cranmer, Pavez, Louppe, "Approximating likelihood ratios with calibrated discriminative classifiers", 2015,
        arXiv 1506.02169.
    """

    kind: ClassVar[Kind] = "reweight"
    mean_factor: Tensor

    def __init__(
        self, n_features: int, n_context: int, *, hidden: HiddenLayers = (64, 64), max_factor: PositiveFloat = 100.0
    ) -> None:
        super().__init__(n_features, n_context)
        self.max_factor = max_factor
        self.of_events = Perceptron(n_features + n_context, hidden, 1)
        self.of_context = Perceptron(n_context, hidden, 1) if n_context else None
        self.register_buffer("mean_factor", torch.ones((), dtype=torch.float64))

    def fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Train the classifier of events, then that of contexts if there are any; see Method."""
        initialise(self, how.seed)
        self.to(how.device)
        data = how.parts(source, target)
        history = {"fit": minimize(self.of_events, _loss(self.of_events, _everything), data, how)}
        if self.of_context is not None:
            loss = _loss(self.of_context, _context_alone)
            history["context"] = minimize(self.of_context, loss, data, how, "context")
        self.cpu()
        training, _ = how.split(source)
        self.mean_factor.fill_(float(np.average(self._capped(training)[0], weights=training.weights)))
        return history

    def transform(self, events: Events) -> Events:
        """The events with their weights multiplied by the likelihood ratio; see Method."""
        factors = self._capped(events)[0] / self.mean_factor.item()
        return events.with_weights(np.where(np.isfinite(factors), events.weights * factors, events.weights))

    def notes(self, source: Events, template: Events) -> Notes:
        """How many events the weights are worth, and how many factors were capped; see Method."""
        numbers, warnings = super().notes(source, template)
        factors, was_capped = self._capped(source)
        numbers["largest_factor"] = float(np.nanmax(factors, initial=0.0) / self.mean_factor.item())
        numbers["capped_fraction"] = float(np.mean(was_capped)) if len(was_capped) else 0.0
        if was_capped.any():
            share = f"{100 * numbers['capped_fraction']:.2g} %"
            warnings = [*warnings, f"{share} of the weights were capped at max_factor {self.max_factor:g}"]
        return Notes(numbers, warnings)

    def _capped(self, events: Events) -> tuple[FloatArray, BoolArray]:
        """The likelihood ratio of each event, and whether it was larger than allowed."""
        twin = copy.deepcopy(self).double()
        rows = np.hstack([events.features, events.context])
        log_ratio = in_blocks(twin._log_ratio, rows, self)[:, 0]
        largest = np.log(self.max_factor)
        return np.exp(np.minimum(log_ratio, largest)), log_ratio > largest

    def _log_ratio(self, rows: Tensor) -> Tensor:
        joint: Tensor = self.of_events(rows)
        return joint if self.of_context is None else joint - self.of_context(rows[:, self.n_features :])


def _everything(sample: Sample) -> Tensor:
    return torch.cat([sample.features, sample.context], dim=1)


def _context_alone(sample: Sample) -> Tensor:
    return sample.context


def _loss(network: Perceptron, inputs: Callable[[Sample], Tensor]) -> Callable[[Sample, Sample], Tensor]:
    """The weighted binary cross-entropy of a network that returns log(s / (1 - s)), each sample counting the same."""

    def loss(source: Sample, target: Sample) -> Tensor:
        of_source = source.weights * softplus(network(inputs(source))[:, 0])
        of_target = target.weights * softplus(-network(inputs(target))[:, 0])
        return 0.5 * (of_source.mean() + of_target.mean())

    return loss
