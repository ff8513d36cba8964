"""One flow for both samples, which a boolean tells apart."""

from __future__ import annotations

import copy
import math
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from simmorph.config.training import HiddenLayers, PositiveFloat, PositiveInt  # noqa: TC001 - read from the signature
from simmorph.data.preprocessing.gaps import find_gaps
from simmorph.errors import ConfigError, InputError
from simmorph.methods.base import Method, Notes
from simmorph.neural.flows.autoregressive import FlowKind, build_flow
from simmorph.neural.flows.flow import FlowShape
from simmorph.neural.gaussian import GaussianTransport
from simmorph.neural.loop.minimize import minimize
from simmorph.neural.loop.pace import Need

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from simmorph.data.events import Events, FloatArray
    from simmorph.neural.flows.flow import FlowOverNormal
    from simmorph.neural.loop.batches import Batch
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training

SOURCE, TARGET = 0, 1
"""The values of the boolean."""
MAX_GAPS = 16
"""Gaps of a feature that are kept clear: the widest."""
FEW_EVENTS = 2000
"""Below so many events of a sample to train on the map begins as a linear one."""
SAME_DOMAIN = 1e-3
"""Values of the variable that numbers the domains, after preprocessing, that are nearer than this are the same."""


class OneFlow(Method):
    """One conditional flow for source and target; the map goes through the distribution that they share.

    The flow F is trained on both samples, with a boolean that tells them apart beside the context. An event is taken
    to the base distribution as a source event and comes back as a target event:
    T(x) = F^-1(F(x | context, 0) | context, 1). Since one network serves both samples, what they have in common
    cancels, and events move little.

    The map keeps an event's quantiles, each given the features before it: it depends on the order of the features, and
    is close to, but not, the optimal transport map. With several `orders` it is the mean of as many maps, whose
    spread `notes` reports: what is within it no data decide. The mean of maps that disagree is narrower than the
    target; where the spread is not small, take one order, and the spread as an uncertainty.

    Where the target has a gap, such as between exact zeros and a threshold, no event is left: a flow, being continuous,
    smears the edges of a gap, and an event that it puts inside goes to the nearer edge.

    The flow may learn what a linear map leaves over: with `start: gaussian` source events are first taken to the
    target's mean and covariance, in closed form. Of a few hundred events that is most of what can be known, and a flow
    that begins there ends near it.

    More than two domains: with `domains: 3`, the last context variable says by three values which domain an event
    belongs to, in source and target, and one flow learns all of them, told apart by as many booleans in place of the
    one. The source may hold events of several domains, the target those of the one that the map leads to. The values
    must stay apart: give the variable `preprocessing: {<variable>: standardise}`. It tells source from target, so leave
    it out of what judges the map.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        transform: coupling splines (quick in both directions), autoregressive splines (as in the paper), or affine
            autoregressive layers.
        layers: of this kind; coupling layers come in pairs. Auto takes two for each binary digit of the number of
            features, so that every two features meet, and four at least; of autoregressive splines three, else eight.
        hidden: hidden layers of the network in each layer.
        bins: bins of each spline.
        tail_bound: the flow acts within [-tail_bound, tail_bound] in units of the preprocessed features, which are
            about standard deviations; beyond it features stay as they are.
        marginal_bins: bins of the splines that shape each feature on its own, by a first layer; 0 for no such layer.
        start: where the map begins, as the identity or as the linear map between normal distributions; auto takes that
            with fewer than 2,000 events.
        orders: flows with different orders of the features, the first as in the recipe, the second backwards.
        domains: kinds of events that the last context variable numbers.

    Raises:
        ConfigError: there are fewer orders of the features, or there is no context variable to number the domains.

    References:
        Daumann, Donega, Erdmann, Galli, Spaeh, Valsecchi, "One flow to correct them all: improving simulations in
        high-energy physics with a single normalising flow and a switch", 2024, arXiv 2403.18582.
    """

    needs: ClassVar[Need] = Need(steps=2000, batch_size=512, learning_rate=5e-3)
    own_steps = True

    gaps: Tensor
    domain_values: Tensor
    destination: Tensor

    def __init__(  # noqa: PLR0913 - the keys of the recipe
        self,
        n_features: int,
        n_context: int,
        *,
        transform: FlowKind = "coupling",
        layers: PositiveInt | Literal["auto"] = "auto",
        hidden: HiddenLayers = (64, 64),
        bins: Annotated[int, Field(ge=2, le=256)] = 8,
        tail_bound: PositiveFloat = 5.0,
        marginal_bins: Annotated[int, Field(ge=0, le=1024)] = 0,
        start: Literal["auto", "identity", "gaussian"] = "auto",
        orders: PositiveInt = 1,
        domains: Annotated[int, Field(ge=2)] | None = None,
    ) -> None:
        super().__init__(n_features, n_context)
        if domains is not None and not n_context:
            mend = "name the branch last in `context`"
            raise ConfigError("method one_flow", "domains are numbered by a context variable, and there is none", mend)
        self.domains, self.start = domains, start
        self.linear = GaussianTransport(n_features, n_context)
        n_layers = layers_for(transform, n_features) if layers == "auto" else layers
        shape = FlowShape(n_layers, hidden, bins, tail_bound, marginal_bins)
        n_conditions = n_context + 1 if domains is None else n_context - 1 + domains
        self.flows = nn.ModuleList(
            OrderedFlow(order, build_flow(transform, n_features, n_conditions, shape))
            for order in feature_orders(n_features, orders)
        )
        self.register_buffer("gaps", torch.full((n_features, MAX_GAPS, 2), torch.inf, dtype=torch.float64))
        self.register_buffer("domain_values", torch.full((domains or 0,), torch.nan, dtype=torch.float64))
        self.register_buffer("destination", torch.zeros((), dtype=torch.float64))

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Train the flow on both samples at once, or one flow after the other."""
        if self.domains is not None:
            values, destination = _domains(source, target, self.domains)
            self.domain_values.copy_(torch.from_numpy(values))
            self.destination.fill_(destination)
        (of_source, _), (of_target, _) = how.halves(source, target)
        self.gaps.copy_(torch.from_numpy(_gaps_of(of_target.features)))
        if self._begins_linear(min(len(of_source), len(of_target))):
            self.linear.fit(of_source, of_target)
        data, history = how.parts(self._led(source), target), {}
        for number, flow in enumerate(self._flows):
            stage = f"order{number + 1}" if number else "fit"
            score = how.score(partial(self._by_flow, flow), source, target)
            history[stage] = minimize(flow, partial(self._loss, flow), data, how, stage, score=score)
        return history

    def _begins_linear(self, n_events: int) -> bool:
        """Whether the flow learns what a linear map leaves over; events of many domains have none in common."""
        return self.domains is None and (self.start == "gaussian" or (self.start == "auto" and n_events < FEW_EVENTS))

    def _led(self, events: Events) -> Events:
        """The events where the flow takes them up."""
        return events.with_features(self._by_row(self.linear, events.features, events.context))

    def _transform(self, events: Events) -> Events:
        """The features, morphed in float64 precision."""
        morphed = np.mean([self._by_flow(flow, events).features for flow in self._flows], axis=0)
        for column, gaps in zip(morphed.T, self.gaps.cpu().numpy(), strict=True):
            for low, high in gaps:
                inside = (column > low) & (column < high)
                column[inside] = np.where(column[inside] - low < high - column[inside], low, high)
        return events.with_features(morphed)

    def notes(self, source: Events, template: Events) -> Notes:
        """How far the maps of different orders are apart, as a root mean square of preprocessed units; see Method."""
        numbers, warnings = super().notes(source, template)
        if len(self.flows) > 1 and len(source):
            moved = np.stack([self._by_flow(flow, source).features for flow in self._flows])
            numbers["orders_spread"] = float(np.sqrt(np.nanmean(moved.var(axis=0, ddof=1))))
        return Notes(numbers, warnings)

    @property
    def _flows(self) -> list[OrderedFlow]:
        """The flows, with the type that torch's list does not keep."""
        return [flow for flow in self.flows if isinstance(flow, OrderedFlow)]

    def _by_flow(self, flow: OrderedFlow, events: Events) -> Events:
        """The events as one of the flows moves them."""
        # In float64, where the inversion is exact to 1e-8 however steep the splines are.
        exact, linear, there = copy.deepcopy(flow).double(), self.linear, float(self.destination)

        def morph(features: Tensor, context: Tensor) -> Tensor:
            noise = exact.to_base(linear(features, context), self._labelled(context, SOURCE))
            return exact.from_base(noise, self._labelled(context, TARGET, there))

        return events.with_features(self._by_row(morph, events.features, events.context))

    def _labelled(self, context: Tensor, sample: int, domain: float | None = None) -> Tensor:
        """The context, with the boolean or the booleans of the domain: the event's own, unless another is given."""
        if self.domains is None:
            return torch.cat([context, context.new_full((len(context), 1), sample)], dim=1)
        context, number = context.tensor_split([self.n_context - 1], dim=1)
        values = self.domain_values.to(context.dtype)
        is_known = ((number - values).abs() < SAME_DOMAIN).any(dim=1, keepdim=True)
        own_or_given = number if domain is None else torch.full_like(number, domain)
        booleans = ((own_or_given - values).abs() < SAME_DOMAIN).to(context.dtype)
        # An event of no known domain cannot be morphed.
        booleans = torch.where(is_known, booleans, torch.nan)
        return torch.cat([context, booleans], dim=1)

    def _loss(self, flow: OrderedFlow, source: Batch, target: Batch) -> Tensor:
        """The mean negative log-likelihood of both samples, each counting the same."""
        features = torch.cat([source.features, target.features])
        context = torch.cat([self._labelled(source.context, SOURCE), self._labelled(target.context, TARGET)])
        weighted = torch.cat([source.weights, target.weights]) * flow.log_density(features, context)
        of_source, of_target = weighted.tensor_split([source.n_events])
        return -0.5 * (of_source.mean() + of_target.mean())


class OrderedFlow(nn.Module):
    """A flow that is shown the features in some order.

    Args:
        order: the features.
        flow: what sees them so.
    """

    order: Tensor
    back: Tensor

    def __init__(self, order: Sequence[int], flow: FlowOverNormal) -> None:
        super().__init__()
        self.register_buffer("order", torch.tensor(list(order)), persistent=False)
        self.register_buffer("back", torch.argsort(torch.tensor(list(order))), persistent=False)
        self.flow = flow

    def log_density(self, features: Tensor, context: Tensor) -> Tensor:
        """The logarithm of the density of each event, (n_events,)."""
        return self.flow.log_density(features.index_select(1, self.order), context)

    def to_base(self, features: Tensor, context: Tensor) -> Tensor:
        """The features as draws of the base distribution, in the flow's own order."""
        return self.flow.to_base(features.index_select(1, self.order), context)

    def from_base(self, noise: Tensor, context: Tensor) -> Tensor:
        """The inverse of `to_base`."""
        return self.flow.from_base(noise, context).index_select(1, self.back)


def layers_for(transform: FlowKind, n_features: int) -> int:
    """How many layers a flow of this kind needs for so many features.

    >>> [layers_for("coupling", n_features) for n_features in (1, 2, 6, 20)]
    [4, 4, 6, 10]
    """
    return {"coupling": max(4, 2 * (n_features - 1).bit_length()), "spline": 3, "affine": 8}[transform]


def feature_orders(n_features: int, n_orders: int) -> list[list[int]]:
    """Different orders of the features: as they come, backwards, then at random, but always the same.

    Raises:
        ConfigError: there are not so many.
    """
    if n_orders > math.factorial(n_features):
        what = f"{n_features} features have no {n_orders} different orders"
        raise ConfigError("method one_flow", what, f"lower `orders` to {math.factorial(n_features)} at most")
    forwards = tuple(range(n_features))
    found, rng = dict.fromkeys([forwards, forwards[::-1]]), np.random.default_rng(n_features)
    while len(found) < n_orders:
        found[tuple(rng.permutation(n_features).tolist())] = None
    return [list(order) for order in found][:n_orders]


def _gaps_of(features: FloatArray) -> FloatArray:
    """(n_features, MAX_GAPS, 2), the last value below and the first above each gap; infinite where there is none."""
    gaps = np.full((features.shape[1], MAX_GAPS, 2), np.inf)
    for column, values in enumerate(features.T):
        widest = sorted(find_gaps(values), key=lambda gap: gap[0] - gap[1])[:MAX_GAPS]
        for at, (low, high) in enumerate(widest):
            gaps[column, at] = values[values <= low].max(), values[values >= high].min()
    return gaps


def _domains(source: Events, target: Events, n_domains: int) -> tuple[FloatArray, float]:
    """The values that stand for the domains, and that of the target.

    Raises:
        InputError: there are more or fewer, or the target has several.
    """
    of_source, of_target = (np.unique(events.context[:, -1]) for events in (source, target))
    values = np.union1d(of_source, of_target)
    if len(values) != n_domains or (len(values) > 1 and np.diff(values).min() < 2 * SAME_DOMAIN):
        what = f"the last context variable has {len(values)} values, and there are {n_domains} domains"
        mend = "set `domains` to their number, and keep the values apart by `preprocessing: {<variable>: standardise}`"
        raise InputError("source and target", what, mend)
    if len(of_target) != 1:
        what = f"has events of {len(of_target)} domains, and a map leads to one"
        raise InputError("target", what, "put the events of all others into the source")
    return values, float(of_target[0])
