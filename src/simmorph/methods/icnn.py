"""The optimal transport map as the gradient of a convex network."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field

from simmorph.config.training import HiddenLayers, PositiveInt  # noqa: TC001 - read from the signature
from simmorph.data.cells import CellTree
from simmorph.methods.base import Method, Notes
from simmorph.neural.convex import ConvexPotential
from simmorph.neural.loop.minimize import minimize
from simmorph.neural.loop.pace import Need
from simmorph.neural.loop.stage import Player
from simmorph.neural.pairing import movement_over_optimal

if TYPE_CHECKING:
    from torch import Tensor

    from simmorph.data.events import Events
    from simmorph.neural.loop.batches import Batch
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training

CELL_EVENTS = 200


class ConvexTransport(Method):
    """Optimal transport for the squared distance, by a game of two convex potentials.

    Kantorovich's dual problem is to minimise E_target[f(y)] + E_source[f*(x)] over convex f. The conjugate f*(x), the
    largest <x, y> - f(y), is reached at y = grad g(x) for another convex function g. So g raises and f lowers

        E_target[f(y)] + E_source[<x, grad g(x)> - f(grad g(x))],

    and T = grad g is the map. Both begin at |x|^2 / 2, T as the identity. Given a context both are convex in the
    features only, f at the origin is 0 at every context, and the target is reweighted to the source's spectrum of
    contexts, in cells of it. `notes` compares the distance moved with that of the best assignment of the same events.

    No loss of a game shows when it is won: training takes all epochs, and ends with the last weights, or the
    best ones by `select_on: auc`. Its `losses` are those of f, which goes to minus a constant.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        hidden: layers of each convex network.
        map_steps: steps of g for each step of f.
        cycle: weight of E|grad f(grad g(x)) - x|^2, which is zero at the solution and steadies the way there.

    References:
        Makkuva, Taghvaei, Oh, Lee, "Optimal transport mapping via input convex neural networks", 2020, arXiv
        1908.10962; Korotin, Egiazarian, Asadulaev, Safin, Burnaev, "Wasserstein-2 generative networks", 2021, arXiv
        1909.13082, for the cycle; Lopes de Sa, HSF-India tutorial, 2023.
    """

    needs: ClassVar[Need] = Need(steps=2000, batch_size=256, learning_rate=5e-3)
    own_steps = True

    def __init__(
        self,
        n_features: int,
        n_context: int,
        *,
        hidden: HiddenLayers = (64, 64, 64),
        map_steps: PositiveInt = 2,
        cycle: Annotated[float, Field(ge=0)] = 0.0,
    ) -> None:
        super().__init__(n_features, n_context)
        self.map_steps, self.cycle = map_steps, cycle
        self.of_source = ConvexPotential(n_features, n_context, hidden)
        self.of_target = ConvexPotential(n_features, n_context, hidden)

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Play the game."""
        data = how.parts(source, _at_contexts_of(source, target))
        players = [
            Player(self._loss_of_map, list(self.of_source.parameters())),
            Player(self._loss_of_target, list(self.of_target.parameters()), every=self.map_steps),
        ]
        score = how.score(self.transform, source, target)
        return {"fit": minimize(self, players, data, how, score=score, keep_best=False)}

    def _transform(self, events: Events) -> Events:
        """The gradient of the source's potential, in float64 precision."""
        potential = copy.deepcopy(self.of_source).double()
        return events.with_features(self._by_row(potential.gradient, events.features, events.context))

    def notes(self, source: Events, template: Events) -> Notes:
        """How far events move, beside the least that would do; see Method."""
        numbers, warnings = super().notes(source, template)
        return Notes({**numbers, "movement_over_optimal": movement_over_optimal(source, template)}, warnings)

    def _loss_of_map(self, source: Batch, target: Batch) -> Tensor:  # noqa: ARG002 - every player sees both samples
        """What g lowers: f(grad g(x)) - <x, grad g(x)>, and the cycle."""
        with torch.enable_grad():
            moved = self.of_source.gradient(source.features, source.context)
            gain = (source.features * moved).sum(dim=1) - self.of_target(moved, source.context)
            loss: Tensor = source.weights * (self._cycle(moved, source) - gain)
            return loss.mean()

    def _loss_of_target(self, source: Batch, target: Batch) -> Tensor:
        """What f lowers: E_target[f] - E_source[f(grad g)], and the cycle."""
        with torch.enable_grad():
            moved = self.of_source.gradient(source.features, source.context).detach()
            of_source = self._anchored(moved, source.context) - self._cycle(moved, source)
            of_target = self._anchored(target.features, target.context)
            return (target.weights * of_target).mean() - (source.weights * of_source).mean()

    def _anchored(self, features: Tensor, context: Tensor) -> Tensor:
        """f, less its value at the origin, which is not determined and may differ between contexts."""
        values: Tensor = self.of_target(features, context)
        return values - self.of_target(torch.zeros_like(features), context) if self.n_context else values

    def _cycle(self, moved: Tensor, source: Batch) -> Tensor:
        """(n_events,), by how much grad f misses the way back."""
        if not self.cycle:
            return source.weights.new_zeros(())
        back = self.of_target.gradient(moved, source.context)
        return self.cycle * (back - source.features).square().sum(dim=1)


def _at_contexts_of(source: Events, target: Events) -> Events:
    """The target, weighted so that each cell of the context has the source's share."""
    if not source.context.shape[1]:
        return target
    n_halvings = int(np.clip(np.log2(max(min(len(source), len(target)) / CELL_EVENTS, 1)), 0, 12))
    tree = CellTree.fit(source.context, source.weights, n_halvings)
    labels, of_target = tree.labels(source.context), tree.labels(target.context)
    wanted = np.bincount(labels, source.weights, tree.n_cells)
    there = np.bincount(of_target, target.weights, tree.n_cells)
    factors = np.divide(wanted, there, out=np.zeros(tree.n_cells), where=there > 0)
    return target.with_weights(target.weights * factors[of_target])
