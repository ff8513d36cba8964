"""Transport of events between two samples by a flow over a density that was learnt first, and stays as it is."""

from __future__ import annotations

import copy
from abc import ABC
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, Self

import torch
from pydantic import Field
from torch import nn

from simmorph.config.documents import Section
from simmorph.config.training import HiddenLayers, PositiveFloat, PositiveInt
from simmorph.methods.base import Method
from simmorph.neural.flows.autoregressive import build_flow
from simmorph.neural.flows.flow import ConditionalFlow, FlowShape
from simmorph.neural.loop.minimize import minimize
from simmorph.neural.networks import ZeroLinear

if TYPE_CHECKING:
    from torch import Tensor

    from simmorph.data.events import Events
    from simmorph.neural.flows.flow import FlowOverNormal
    from simmorph.neural.loop.batches import Batch
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training

Bins = Annotated[int, Field(ge=2, le=256)]
Start = Literal["random", "trained", "exact"]


class DensitySettings(Section):
    """A flow that learns the density of a sample, over a normal distribution."""

    kind: Literal["autoregressive", "coupling"] = "autoregressive"
    """Splines of each feature given those before it, or of half of the features given the others."""
    layers: PositiveInt = 8
    """Layers, each with splines of its own."""
    hidden: HiddenLayers = (64, 64)
    """Hidden layers of the network in each layer."""
    bins: Bins = 10
    """Bins of each spline."""
    tail_bound: PositiveFloat = 5.0
    """The splines act within [-tail_bound, tail_bound], in units of the preprocessed features."""
    marginal_bins: Annotated[int, Field(ge=0, le=1024)] = 0
    """Bins of splines that shape each feature on its own; 0 for none."""
    epochs: PositiveInt | None = None
    """Epochs of this stage; without it those of `training`."""
    learning_rate: PositiveFloat | None = None
    """Learning rate of this stage; without it that of `training`."""

    def build(self, n_features: int, n_context: int) -> FlowOverNormal:
        """The flow, untrained."""
        shape = FlowShape(self.layers, self.hidden, self.bins, self.tail_bound, self.marginal_bins)
        return build_flow("spline" if self.kind == "autoregressive" else self.kind, n_features, n_context, shape)

    def train(self, density: FlowOverNormal, events: Events, how: Training, stage: str) -> History:
        """Fit the flow to a sample by maximum likelihood, with this stage's own settings."""
        own = {"epochs": self.epochs, "learning_rate": self.learning_rate}
        settings = how.settings.model_copy(update={key: value for key, value in own.items() if value is not None})

        def loss(sample: Batch) -> Tensor:
            return -(sample.weights * density.log_density(sample.features, sample.context)).mean()

        return minimize(density, loss, how.parts(events), replace(how, settings=settings), stage)


class TransportSettings(Section):
    """A small flow between the two samples, which are similar already."""

    layers: PositiveInt = 2
    """Coupling layers; they come in pairs."""
    hidden: HiddenLayers = (16, 16)
    """Hidden layers of the network in each of them."""
    bins: Bins = 4
    """Bins of each spline."""
    tail_bound: PositiveFloat = 5.0
    """The splines act within [-tail_bound, tail_bound]; beyond it features stay as they are."""
    marginal_bins: Annotated[int, Field(ge=0, le=1024)] = 0
    """Bins of the splines of a first layer, which shapes each feature given the context alone; 0 for none, which
    extrapolates better."""

    def build(self, n_features: int, n_context: int) -> FlowOverNormal:
        """The flow, which is the identity as it is built."""
        shape = FlowShape(self.layers, self.hidden, self.bins, self.tail_bound, self.marginal_bins)
        return ConditionalFlow(n_features, n_context, shape)


BASE, TRANSPORT = DensitySettings(), TransportSettings()
"""The sizes of the paper."""


class Transport(Method, ABC):
    """A morph that takes the source to the target by the inverse of a flow f over the density of the source.

    The density p of the source is learnt first, and stays as it is. Then f, which takes the target to the source, is
    trained on the target: it makes the mean of log p(f(x) | context) + log |det df/dx| large. The morph is its inverse.

    Which map it finds among all that make the densities agree depends on where f begins and on what `_loss` adds.

    Implementing a scheme:
        A subclass hands its options on, and says by `start` where f begins: at random weights, at the exact identity,
        or at weights that were trained to take the source to itself.
    """

    def __init__(
        self, n_features: int, n_context: int, base: DensitySettings, transport: TransportSettings, start: Start
    ) -> None:
        super().__init__(n_features, n_context)
        self.base_settings, self.start = base, start
        self.base = base.build(n_features, n_context)
        self.transport = transport.build(n_features, n_context)

    def _begin(self, seed: int) -> None:
        super()._begin(seed)
        if self.start != "exact":
            _draw_outputs(self.transport, seed)

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Learn the density of the source, then the way from there to the target."""
        history = {"base": self.base_settings.train(self.base, source, how, "base")}
        self.base.requires_grad_(requires_grad=False)
        if self.start == "trained":
            history["identity"] = minimize(self, self._likelihood_loss, how.parts(source), how, "identity")
        score = how.score(self.transform, source, target)
        history["transport"] = minimize(self, self._loss, how.parts(source, target), how, "transport", score=score)
        self.base.requires_grad_(requires_grad=True)
        return history

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the transport; the base is trained by itself, before."""
        super().train(mode)
        self.base.eval()
        return self

    def _transform(self, events: Events) -> Events:
        """The features, taken by the inverse of the flow in float64 precision."""
        exact = copy.deepcopy(self.transport).double()
        return events.with_features(self._by_row(exact.from_base, events.features, events.context))

    def _loss(self, source: Batch, target: Batch) -> Tensor:  # noqa: ARG002 - for subclasses
        """What is made small in the last stage."""
        return self._likelihood_loss(target)

    def _likelihood_loss(self, sample: Batch) -> Tensor:
        """The mean negative log-likelihood of a sample that the flow takes to the source."""
        moved, log_determinant = self.transport.transform(sample.features, sample.context)
        log_density: Tensor = self.base.log_density(moved, sample.context) + log_determinant
        return -(sample.weights * log_density).mean()


def _draw_outputs(flow: nn.Module, seed: int) -> None:
    """Draw the weights that are zero at the start, so that the flow does not begin at the identity.

    They are made smaller by the square root of the layer's width, as in nflows, which the authors use.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)
        for layer in flow.modules():
            if isinstance(layer, ZeroLinear):
                nn.Linear.reset_parameters(layer)
                layer.weight.mul_(layer.in_features**-0.5)
                layer.bias.mul_(layer.in_features**-0.5)
