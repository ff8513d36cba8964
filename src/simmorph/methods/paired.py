"""Supervised calibration: what an event of the source looks like in the target, learnt from the same events in both."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from simmorph.config.training import HiddenLayers, PositiveFloat, PositiveInt  # noqa: TC001 - read from the signature
from simmorph.data.events import Events
from simmorph.data.splits import normal_of
from simmorph.errors import InputError
from simmorph.methods.base import Method
from simmorph.neural.flows.autoregressive import FlowKind, build_flow
from simmorph.neural.flows.flow import FlowShape
from simmorph.neural.loop.minimize import minimize
from simmorph.neural.networks import Perceptron, product

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray
    from simmorph.neural.loop.batches import Batch
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training

LEAST_WIDTH = 1e-4
"""Least conditional width, in units of the preprocessed features: a narrower one is taken as fixed."""
WIDEST = 10.0
"""Largest conditional width, in units of the width about the linear fit."""


class Paired(Method):
    """Draws the features that the target has for an event, given the features that the source has for it.

    Needs `pairs:` in the recipe: source and target are the same events, as in fast and full simulation of one set of
    generated events, or generated and reconstructed. First the mean and the width of each feature in the target are
    regressed on the event's features and context in the source, by the Gaussian likelihood: a linear function, which is
    solved for, plus a network. What is left over, in units of the width, is the density of a flow with the same
    conditions: tails, several modes, and the correlations that are left. An event is carried to its mean, plus its
    width times a draw from that flow with the event's own random numbers.

    Where the source fixes the target exactly the draw does nothing, and the map is a plain regression; where it says
    nothing the map is a generator. It holds for events of the population that it has learnt from, whatever selects
    them by their features in the source; data, in which no event has a partner, never enter.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        hidden: hidden layers of the network of means and widths, and of that in each layer of the flow.
        transform: the kind of the flow's layers; see `flow`.
        layers: of the flow.
        bins: bins of each spline.
        tail_bound: splines act within [-tail_bound, tail_bound] conditional widths.
        marginal_bins: bins of the splines that shape each feature on its own; 0 for none.

    References:
        Coelho Lopes de Sa, "Machine learning: simulation and data", HSF-India training, 2023, on regression as
        calibration. Nix, Weigend, "Estimating the mean and variance of the target probability distribution", 1994.
    """

    is_random: ClassVar[bool] = True
    needs_pairs: ClassVar[bool] = True
    slopes: Tensor
    offsets: Tensor

    def __init__(  # noqa: PLR0913 - the keys of the recipe
        self,
        n_features: int,
        n_context: int,
        *,
        hidden: HiddenLayers = (64, 64),
        transform: FlowKind = "coupling",
        layers: PositiveInt = 6,
        bins: Annotated[int, Field(ge=2, le=256)] = 8,
        tail_bound: PositiveFloat = 5.0,
        marginal_bins: Annotated[int, Field(ge=0, le=1024)] = 32,
    ) -> None:
        super().__init__(n_features, n_context)
        n_given = n_features + n_context
        self.register_buffer("slopes", torch.zeros(n_given, n_features, dtype=torch.float64))
        self.register_buffer("offsets", torch.zeros(2, n_features, dtype=torch.float64))
        self.moments = Perceptron(n_given, hidden, 2 * n_features, zero_start=True)
        shape = FlowShape(layers, hidden, bins, tail_bound, marginal_bins)
        self.rest = build_flow(transform, n_features, n_given, shape)

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Regress means and widths, then learn the density of what is left over."""
        pairs = _partners(source, target)
        self._solve(how.split(pairs)[0])
        history = {"moments": minimize(self.moments, self._gaussian, how.parts(pairs), how, "moments")}
        left = pairs.with_features(self._standardised(pairs))
        score = how.score(self.transform, source, target)
        return {**history, "rest": minimize(self.rest, self._density, how.parts(left), how, "rest", score=score)}

    def _solve(self, pairs: Events) -> None:
        """The weighted least-squares fit of the target's features to what is given, and its residual width."""
        given = np.hstack([pairs.context, np.ones((len(pairs), 1))])
        weighted = given * pairs.weights[:, None]
        solved = np.linalg.lstsq(weighted.T @ given, weighted.T @ pairs.features, rcond=1e-12)[0]
        residual = pairs.features - given @ solved
        width = np.sqrt(np.average(residual**2, axis=0, weights=pairs.weights))
        self.slopes.copy_(torch.from_numpy(solved[:-1]))
        offsets = np.stack([solved[-1], np.log(np.maximum(width, LEAST_WIDTH))])
        self.offsets.copy_(torch.from_numpy(offsets))

    def _conditional(self, given: Tensor) -> _Gaussian:
        """Mean and width of each feature in the target: the linear fit, corrected by the network in its widths."""
        shift, stretch = self.moments(given).tensor_split(2, dim=1)
        line, start = self.slopes.to(given.dtype), self.offsets.to(given.dtype)
        widths = start[1] + stretch.clamp(max=math.log(WIDEST))
        mean = product(given, line) + start[0] + shift * start[1].exp()
        return _Gaussian(mean, widths.exp().clamp(min=LEAST_WIDTH))

    def _gaussian(self, pairs: Batch) -> Tensor:
        """The mean negative Gaussian log-likelihood, but for constants."""
        mean, width = self._conditional(pairs.context)
        pulls = (pairs.features - mean) / width
        return (pairs.weights * (0.5 * pulls**2 + width.log()).sum(dim=1)).mean()

    def _density(self, left: Batch) -> Tensor:
        """The mean negative log-likelihood of what is left over."""
        return -(left.weights * self.rest.log_density(left.features, left.context)).mean()

    def _standardised(self, pairs: Events) -> FloatArray:
        """(n_events, n_features), the target's features in widths from their means."""
        exact = copy.deepcopy(self).double()

        def left_over(features: Tensor, given: Tensor) -> Tensor:
            mean, width = exact._conditional(given)
            return (features - mean) / width

        return self._by_row(left_over, pairs.features, pairs.context)

    def _transform(self, events: Events) -> Events:
        """The mean of each event's features in the target, plus a draw of what is left over, in float64 precision."""
        exact = copy.deepcopy(self).double()

        def drawn(noise: Tensor, given: Tensor) -> Tensor:
            mean, width = exact._conditional(given)
            return mean + width * exact.rest.from_base(noise, given)

        noise = normal_of(events.ids, int(self.noise_seed), self.n_features)
        return events.with_features(self._by_row(drawn, noise, np.hstack([events.features, events.context])))


class _Gaussian(NamedTuple):
    """Means and widths, (n_events, n_features) each."""

    mean: Tensor
    width: Tensor


def _partners(source: Events, target: Events) -> Events:
    """The target's features with what is given as context: features, then context of the same event in the source.

    Raises:
        InputError: the samples are not the same events in the same order.
    """
    if not np.array_equal(source.ids, target.ids):
        what = "are not the same events one by one"
        raise InputError("source and target", what, "name what tells events apart, as in `pairs: event`")
    return Events(target.features, np.hstack([source.features, source.context]), source.weights, source.ids)
