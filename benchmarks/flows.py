"""Flows: ours against nflows', with the same layers, networks, bins and batches."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from benchmarks import peers
from benchmarks.measure import Row, compare
from simmorph.errors import ConfigError
from simmorph.neural.flows.autoregressive import AutoregressiveFlow
from simmorph.neural.flows.flow import ConditionalFlow, FlowOverNormal, FlowShape
from simmorph.neural.loop.batches import Batch, batch_indices
from simmorph.neural.loop.compilation import compiled_or_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nflows.flows.base import Flow

N_FEATURES, N_CONTEXT, BATCH = 6, 1, 4096
COUPLING = FlowShape(layers=8, hidden=(64, 64), bins=8, tail_bound=5.0, marginal_bins=0)
AFFINE = FlowShape(layers=10, hidden=(128, 128), bins=8, tail_bound=5.0, marginal_bins=0)
N_STEPS = 8
"""Steps of an epoch whose data are fed."""


class Likelihood(nn.Module):
    """What training makes small."""

    def __init__(self, flow: FlowOverNormal) -> None:
        super().__init__()
        self.flow = flow

    def loss(self, batch: Batch) -> torch.Tensor:
        return -(batch.weights * self.flow.log_density(batch.features, batch.context)).mean()


def rows() -> Iterator[Row]:
    """Training steps, inverses, and what it costs to feed a step."""
    torch.manual_seed(1)
    coupling = ConditionalFlow(N_FEATURES, N_CONTEXT, COUPLING)
    yield from _against("spline coupling", COUPLING, coupling, peers.spline_coupling)
    yield from _compiled(coupling)
    affine = AutoregressiveFlow(N_FEATURES, N_CONTEXT, AFFINE, "affine")
    yield from _against("MAF", AFFINE, affine, peers.affine_autoregressive)
    spline = AutoregressiveFlow(N_FEATURES, N_CONTEXT, COUPLING, "spline")
    yield from _against("autoregressive splines", COUPLING, spline, peers.spline_autoregressive)
    yield _feeding(coupling)


def a_sample(n_events: int) -> Batch:
    return Batch(torch.randn(n_events, N_FEATURES), torch.ones(n_events, N_CONTEXT), torch.ones(n_events))


def _size(shape: FlowShape) -> str:
    widths = " and ".join(map(str, shape.hidden))
    return f"{N_FEATURES} features, {shape.layers} layers with hidden layers of {widths}, {BATCH} events"


def _against(name: str, shape: FlowShape, ours: FlowOverNormal, peer: Callable[..., Flow]) -> Iterator[Row]:
    theirs = peer(N_FEATURES, N_CONTEXT, shape)
    batch = a_sample(BATCH)

    def invert_ours() -> None:
        with torch.no_grad():
            ours.from_base(batch.features, batch.context)

    def invert_theirs() -> None:
        with torch.no_grad():
            theirs._transform.inverse(batch.features, batch.context)

    train = _step(Likelihood(ours).loss, batch), _step(_loss_of(theirs), batch)
    yield compare(f"{name}, training step ({_size(shape)})", "nflows 0.14", *train)
    yield compare(f"{name}, inverse ({_size(shape)})", "nflows 0.14", invert_ours, invert_theirs)


def _loss_of(flow: Flow) -> Callable[[Batch], torch.Tensor]:
    def loss(batch: Batch) -> torch.Tensor:
        mean: torch.Tensor = (batch.weights * flow.log_prob(batch.features, context=batch.context)).mean()
        return -mean

    return loss


def _step(loss: Callable[[Batch], torch.Tensor], batch: Batch) -> Callable[[], None]:
    def step() -> None:
        loss(batch).backward()  # type: ignore[no-untyped-call]

    return step


def _compiled(flow: FlowOverNormal) -> Iterator[Row]:
    """`training.compile: always` against nflows and against our own eager step; nothing without a compiler."""
    module, batch = Likelihood(flow), a_sample(BATCH)
    eager, theirs = _step(module.loss, batch), _step(_loss_of(peers.spline_coupling(N_FEATURES, 1, COUPLING)), batch)

    def switched(training: bool) -> Callable[[], None]:
        def step() -> None:
            module.train(training)  # compiled splines are for training mode
            eager()

        return step

    try:
        with compiled_or_plain("always", [module.loss], [batch], module, 1):
            what = f"spline coupling, compiled training step ({_size(COUPLING)})"
            yield compare(what, "nflows 0.14", switched(True), theirs)
            yield compare(what, "simmorph, not compiled", switched(True), switched(False))
    except ConfigError as error:
        logging.getLogger(__name__).warning("%s", error)


def _feeding(flow: FlowOverNormal) -> Row:
    """Dealing and gathering the batches of an epoch, against the steps that use them."""
    sample = a_sample(N_STEPS * BATCH)
    generator = torch.Generator().manual_seed(1)
    step = _step(Likelihood(flow).loss, a_sample(BATCH))

    def feed() -> None:
        n_steps = math.ceil(sample.n_events / BATCH)
        for rows in batch_indices(sample.n_events, n_steps, BATCH, generator):
            sample.rows(rows)

    def steps() -> None:
        for _ in range(N_STEPS):
            step()

    return compare(f"data feeding of {N_STEPS} steps of {BATCH} events", "the steps themselves", feed, steps, turns=5)
