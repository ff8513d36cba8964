"""A generative adversarial network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import torch
from pydantic import Field
from torch.nn.functional import softplus

from simmorph.config.training import HiddenLayers, PositiveInt  # noqa: TC001 - read from the signature
from simmorph.methods.parts.generator import Generator
from simmorph.neural.loop.minimize import minimize
from simmorph.neural.loop.pace import Need
from simmorph.neural.loop.stage import Player
from simmorph.neural.networks import Perceptron

if TYPE_CHECKING:
    from torch import Tensor

    from simmorph.data.events import Events
    from simmorph.neural.loop.batches import Batch
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training

MEMORY, FIRST_STEPS = 0.999, 10.0
"""The weights drawn with are a running mean over 1 / (1 - MEMORY) steps; over fewer at the start."""


class AdversarialNetwork(Generator):
    """Turns noise into events that a critic, trained at the same time, cannot tell from the target.

    Two forms of the game. By default the critic learns to classify, and the generator to be taken for the target (the
    non-saturating loss), while the critic's slope at the target is kept small. With `wasserstein` the critic's mean
    difference between both samples, at a bound slope between them, measures how far they are apart.

    The generator begins as no change of the noise, a number for each feature: preprocessed features are not far from
    that. A game ends in no minimum: it goes on around one. So events are drawn with a running mean of the generator's
    weights, and the last epoch is kept, or with `training.select_on: auc` the best one.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        extra_noise: random numbers that an event is made of, beside one for each feature.
        hidden: hidden layers of the generator, and of the critic.
        wasserstein: play for the Wasserstein distance.
        penalty: how strictly the critic's slope is bound.
        slope: what it is bound to in the Wasserstein game. At 1, as in the paper (with `penalty: 20` here), the critic
            estimates the Wasserstein distance itself, but goes on circling around the answer; at 0 it settles.
        critic_steps: steps of the critic for each one of the generator.

    References:
        Goodfellow et al., "Generative adversarial nets", 2014, arXiv 1406.2661. Gulrajani et al., "Improved training
        of Wasserstein GANs", 2017, arXiv 1704.00028. Mescheder, Geiger, Nowozin, "Which training methods for GANs do
        actually converge?", 2018, arXiv 1801.04406. Thanh-Tung, Tran, Venkatesh, "Improving generalization and
        stability of generative adversarial networks", 2019, arXiv 1902.03984. Lopes de Sa, "Machine learning:
        simulation and data", HSF-India 2023.
    """

    needs: ClassVar[Need] = Need(steps=3000, batch_size=256, learning_rate=1e-3)

    n_steps: Tensor

    def __init__(  # noqa: PLR0913 - the keys of the recipe
        self,
        n_features: int,
        n_context: int,
        *,
        extra_noise: Annotated[int, Field(ge=0)] = 0,
        hidden: HiddenLayers = (128, 128),
        wasserstein: bool = False,
        penalty: Annotated[float, Field(ge=0)] = 5.0,
        slope: Annotated[float, Field(ge=0)] = 0.0,
        critic_steps: PositiveInt = 1,
    ) -> None:
        super().__init__(n_features, n_context, n_noise=n_features + extra_noise)
        self.wasserstein, self.critic_steps = wasserstein, critic_steps
        self.penalty, self.slope = penalty, slope
        self.generator = Perceptron(self.n_noise + n_context, hidden, n_features, zero_start=True)
        self.average = Perceptron(self.n_noise + n_context, hidden, n_features).requires_grad_(requires_grad=False)
        self.critic = Perceptron(n_features + n_context, hidden, 1)
        self.register_buffer("n_steps", torch.zeros(()))

    def learn(self, target: Events, how: Training) -> dict[str, History]:
        """Play the game; see Generator."""
        self.average.load_state_dict(self.generator.state_dict())
        self.n_steps.zero_()
        players = [
            Player(self._critic_loss, list(self.critic.parameters())),
            Player(self._generator_loss, list(self.generator.parameters()), every=self.critic_steps),
        ]
        score = how.score(self.transform, target, target)
        return {"fit": minimize(self, players, how.parts(target), how, score=score, keep_best=False)}

    def draw(self, noise: Tensor, context: Tensor) -> Tensor:
        """What the averaged generator makes of noise; see Generator."""
        return _moved(self.average, noise, context)

    def _forged(self, target: Batch) -> Tensor:
        """New features at the contexts of these events."""
        noise = torch.randn(target.n_events, self.n_noise, device=target.features.device)
        return _moved(self.generator, noise, target.context)

    def _judged(self, features: Tensor, target: Batch) -> Tensor:
        """(n_events,), what the critic says; larger for the target."""
        judged: Tensor = self.critic(torch.cat([features, target.context], dim=1))[:, 0]
        return judged

    def _critic_loss(self, target: Batch) -> Tensor:
        """What the critic makes small: how badly it tells forged events from true ones, and the penalty on its slope.

        The first is the logistic loss or the negative Wasserstein estimate. The slope is taken at the target's events,
        or in the Wasserstein game at random places between target and forged ones.
        """
        forged = self._forged(target).detach()
        # Contexts and weights of both samples are the same events': only the features can tell them apart.
        of_target, of_forged = self._judged(target.features, target), self._judged(forged, target)
        if self.wasserstein:
            mixed = torch.lerp(target.features, forged, torch.rand_like(forged[:, :1]))
            steepness = 0.5 * (self._slope(mixed, target) - self.slope) ** 2
            return (target.weights * (of_forged - of_target + self.penalty * steepness)).mean()
        steepness = 0.5 * self._slope(target.features, target) ** 2
        return (target.weights * (softplus(of_forged) + softplus(-of_target) + self.penalty * steepness)).mean()

    def _generator_loss(self, target: Batch) -> Tensor:
        """What the generator makes small: how sure the critic is of forged events.

        In training, the generator's weights enter their running mean here.
        """
        judged = self._judged(self._forged(target), target)
        if self.training:
            self._remember()
        return (target.weights * (-judged if self.wasserstein else softplus(-judged))).mean()

    def _slope(self, features: Tensor, target: Batch) -> Tensor:
        """(n_events,), the length of the critic's gradient with respect to the features."""
        features = features.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self._judged(features, target).sum(), features, create_graph=True)
        return torch.sqrt((gradient**2).sum(1) + 1e-12)

    @torch.no_grad()
    def _remember(self) -> None:
        """Move the averaged weights a little towards the present ones."""
        self.n_steps += 1
        share = 1 - (self.n_steps / (self.n_steps + FIRST_STEPS)).clamp(max=MEMORY)
        for mean, now in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            mean.lerp_(now, share)


def _moved(network: Perceptron, noise: Tensor, context: Tensor) -> Tensor:
    """The noise, one number for each feature, plus what a network makes of all of it."""
    change: Tensor = network(torch.cat([noise, context], dim=1))
    return noise[:, : change.shape[1]] + change
