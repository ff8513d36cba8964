# ruff: noqa: ARG001 - all peers are called alike
"""What others would do to make a source look like a target, each within the CPU seconds that it is given."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
import zuko
from hep_ml.reweight import GBReweighter
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from simmorph.data.events import Events, FloatArray

    Map = Callable[[Events], Events]

BATCH, RATE = 512, 2e-3


def nothing(source: Events, target: Events, seconds: float) -> Map:
    """Leaves events as they are."""
    return lambda events: events


def zuko_flows(source: Events, target: Events, seconds: float) -> Map:
    """A neural spline flow of each sample: through that of the source to noise, and back by that of the target."""
    shape = source.features.shape[1], source.context.shape[1]
    scale, scale_context = _Scale(source.features, target.features), _Scale(source.context, target.context)
    flows = []
    for sample in (source, target):
        flow = zuko.flows.NSF(*shape, transforms=3, hidden_features=(64, 64))
        features, context = scale(sample.features), scale_context(sample.context)
        optimizer = torch.optim.Adam(flow.parameters(), lr=RATE)
        for rows in _steps(sample, seconds / 2, optimizer):
            loss = -flow(context[rows] if shape[1] else None).log_prob(features[rows]).mean()
            _descend(loss, optimizer)
        flows.append(flow.double())

    def morph(events: Events) -> Events:
        context = scale_context(events.context).double() if shape[1] else None
        with torch.no_grad():
            noise = flows[0](context).transform(scale(events.features).double())
            return events.with_features(scale.back(flows[1](context).transform.inv(noise)))

    return morph


def flow_matching(source: Events, target: Events, seconds: float) -> Map:
    """A velocity between pairs of optimal transport within each batch, near in the context; 20 steps of Heun."""
    scale, scale_context = _Scale(source.features, target.features), _Scale(source.context, target.context)
    first, last = scale(source.features), scale(target.features)
    of_first, of_last = scale_context(source.context), scale_context(target.context)
    n_features, n_context = first.shape[1], of_first.shape[1]
    network = torch.nn.Sequential(
        torch.nn.Linear(n_features + n_context + 1, 128), torch.nn.SiLU(),
        torch.nn.Linear(128, 128), torch.nn.SiLU(), torch.nn.Linear(128, n_features),
    )  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    for rows in _steps(source, seconds, optimizer):
        there = _drawn(target)
        places = torch.cat([first[rows], 3 * of_first[rows]], 1), torch.cat([last[there], 3 * of_last[there]], 1)
        there = there[linear_sum_assignment(cdist(*places, "sqeuclidean"))[1]]
        at = torch.rand(BATCH, 1)
        here = torch.lerp(first[rows], last[there], at)
        velocity = network(torch.cat([here, torch.lerp(of_first[rows], of_last[there], at), at], 1))
        _descend((velocity - (last[there] - first[rows])).square().sum(1).mean(), optimizer)

    def morph(events: Events) -> Events:
        state, context = scale(events.features), scale_context(events.context)
        with torch.no_grad():
            for step in range(20):
                times = [torch.full((len(state), 1), number / 20) for number in (step, step + 1)]
                slope = network(torch.cat([state, context, times[0]], 1))
                ahead = network(torch.cat([state + slope / 20, context, times[1]], 1))
                state = state + (slope + ahead) / 40
        return events.with_features(scale.back(state))

    return morph


def gb_reweighter(source: Events, target: Events, seconds: float) -> Map:
    """hep_ml's boosted weights, of features and context; it takes the time that it takes."""
    both = [np.hstack([events.features, events.context]) for events in (source, target)]
    found = GBReweighter(n_estimators=80, gb_args={"subsample": 0.8, "random_state": 1})
    found.fit(*both, original_weight=source.weights, target_weight=target.weights)
    return lambda events: events.with_weights(
        found.predict_weights(np.hstack([events.features, events.context]), events.weights)
    )


PEERS = {
    "nothing": nothing,
    "zuko": zuko_flows,
    "flow matching by hand": flow_matching,
    "hep_ml": gb_reweighter,
}


class _Scale:
    """Standardises both samples alike."""

    def __init__(self, *samples: FloatArray) -> None:
        self.mean, self.spread = (getattr(np.vstack(samples), name)(axis=0) for name in ("mean", "std"))

    def __call__(self, values: FloatArray) -> Tensor:
        return torch.as_tensor((values - self.mean) / self.spread, dtype=torch.float32)

    def back(self, values: Tensor) -> FloatArray:
        return np.asarray(values.double().numpy() * self.spread + self.mean)


def _steps(events: Events, seconds: float, optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    """The rows of each step, until the time is over; the learning rate falls as a cosine of it."""
    started = time.process_time()
    while (share := (time.process_time() - started) / seconds) < 1:
        optimizer.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * share))
        yield _drawn(events)


def _drawn(events: Events) -> Tensor:
    """The rows of a batch, drawn by weight."""
    return torch.multinomial(torch.as_tensor(events.weights), BATCH, replacement=True)


def _descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], 5.0)
    optimizer.step()
