"""A velocity field that carries source to target along nearly straight ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from simmorph.config.training import HiddenLayers, PositiveFloat, PositiveInt  # noqa: TC001 - read from the signature
from simmorph.data.events import Events
from simmorph.methods.base import Method
from simmorph.neural.flows.ode import solve
from simmorph.neural.loop.batches import Batch, Parts
from simmorph.neural.loop.minimize import minimize
from simmorph.neural.loop.pace import Need
from simmorph.neural.networks import Perceptron
from simmorph.neural.pairing import optimal_pairs

if TYPE_CHECKING:
    from torch import Tensor

    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training

GOLDEN_RATIO = 0.6180339887498949


class FlowMatching(Method):
    """Flow matching from source to target, with pairs from optimal transport of batches.

    Before training every source event is paired with a target event: within cells of the context, and in batches, by
    the assignment of least total squared distance. Events are drawn into the pairs by their weights, so that each pair
    counts the same. A network v(x, t, c) learns the mean velocity x_1 - x_0 of the pairs whose straight way passes x
    at time t, by a squared loss without any Jacobian. The solution of dx/dt = v from t = 0 to 1 then has the
    distribution of the target, and since the ways hardly cross, it is close to the optimal map; larger batches bring
    it closer. Both ends of a pair differ a little in context: on the way c goes from one to the other, so that each
    end is learnt at its own context.

    Features are moved in the space of the preprocessing, where bounded ones and angles have no bounds, and are mapped
    back inside. An angle does not move across its seam, which lies where the fewest events are.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        hidden: hidden layers of the network.
        pairings: how often all source events are paired; one epoch passes over all these pairs.
        pairing_batch: events in one assignment; its time goes as the third power.
        context_weight: how much a distance in the context counts in a pairing, compared with one between features.
        solver: how the equation is solved: steps of equal length, or adaptive ones (Dormand-Prince) for each event.
        steps: of the solvers with equal steps.
        tolerance: largest error of an adaptive step, in units of the preprocessed features.

    References:
        Lipman, Chen, Ben-Hamu, Nickel, Le, "Flow matching for generative modeling", 2023, arXiv 2210.02747; Tong et
        al., "Improving and generalizing flow-based generative models with minibatch optimal transport", 2024, arXiv
        2302.00482.
    """

    needs: ClassVar[Need] = Need(steps=1500, batch_size=512, learning_rate=2e-3)
    own_steps = True

    def __init__(  # noqa: PLR0913 - the keys of the recipe
        self,
        n_features: int,
        n_context: int,
        *,
        hidden: HiddenLayers = (128, 128, 128),
        pairings: PositiveInt = 2,
        pairing_batch: Annotated[int, Field(ge=1, le=10_000)] = 512,
        context_weight: Annotated[float, Field(ge=0)] = 10.0,
        solver: Literal["euler", "midpoint", "rk4", "adaptive"] = "midpoint",
        steps: PositiveInt = 6,
        tolerance: PositiveFloat = 1e-4,
    ) -> None:
        super().__init__(n_features, n_context)
        self.pairings, self.pairing_batch, self.context_weight = pairings, pairing_batch, context_weight
        self.solver, self.steps, self.tolerance = solver, steps, tolerance
        self.velocity = Perceptron(n_features + n_context + 1, hidden, n_features, zero_start=True)

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Pair events, then train the velocity."""
        rng = np.random.default_rng(how.seed)
        both = zip(*how.halves(source, target), strict=True)
        training, validation = (self._paired(before, wanted, how, rng) for before, wanted in both)
        score = how.score(self.transform, source, target)
        return {"fit": minimize(self, self._loss, [Parts(training, validation)], how, score=score)}

    def _transform(self, events: Events) -> Events:
        """The features at the end of their way."""

        def morph(exact: Tensor, context: Tensor) -> Tensor:
            features, context = exact.float(), context.float()

            def velocity(state: Tensor, time: Tensor) -> Tensor:
                return self.velocity(torch.cat([state, context, time], dim=1))  # type: ignore[no-any-return]

            # As a shift of the exact features: where nothing moves, no digit changes.
            moved = solve(velocity, features, self.solver, self.steps, self.tolerance)
            return exact + (moved - features).double()

        return events.with_features(self._by_row(morph, events.features, events.context))

    def _paired(self, source: Events, target: Events, how: Training, rng: np.random.Generator) -> Batch:
        """Pairs as one sample: both ends beside each other, each with weight 1."""
        if not (len(source) and len(target)):
            return how.sample(Events.of(np.empty((0, 2 * self.n_features)), np.empty((0, 2 * self.n_context))))
        rounds = []
        for _ in range(self.pairings):
            pairs = optimal_pairs(source, target, self.pairing_batch, self.context_weight, rng)
            first, last = source[pairs.source], target[pairs.target]
            both = np.hstack([first.features, last.features]), np.hstack([first.context, last.context])
            rounds.append(Events.of(*both))
        return how.sample(Events.concatenate(rounds))

    def _loss(self, pairs: Batch) -> Tensor:
        """The mean squared distance between the network's velocity and that of the pairs."""
        first, last = pairs.features.tensor_split(2, dim=1)
        context, last_context = pairs.context.tensor_split(2, dim=1)
        time = self._times(pairs)
        here, context = torch.lerp(first, last, time), torch.lerp(context, last_context, time)
        expected = self.velocity(torch.cat([here, context, time], dim=1))
        squares: Tensor = (expected - (last - first)).square()
        return squares.sum(dim=1).mean()

    def _times(self, pairs: Batch) -> Tensor:
        """(n_pairs, 1), random in training, evenly spread in validation, so that its loss does not fluctuate."""
        if self.training:
            return torch.rand_like(pairs.weights)[:, None]
        numbers = torch.arange(pairs.n_events, device=pairs.weights.device, dtype=torch.float64)
        return torch.frac(numbers * GOLDEN_RATIO).to(pairs.weights.dtype)[:, None]
