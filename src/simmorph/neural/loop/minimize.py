"""`minimize`, the only training loop of the project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from simmorph.neural.loop.stage import Player, Stage, Watch, seed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import nn

    from simmorph.neural.loop.batches import Parts
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.stage import Loss
    from simmorph.neural.loop.training import Training


def minimize(  # noqa: PLR0913 - one keyword for each thing that a method may want
    module: nn.Module,
    loss: Loss | Sequence[Player],
    data: Sequence[Parts],
    how: Training,
    stage: str = "fit",
    *,
    score: Callable[[], float] | None = None,
    observe: Callable[[], Mapping[str, float]] | None = None,
    keep_best: bool = True,
) -> History:
    """Train a module, and leave it with its best weights.

    By the settings: Adam with decoupled weight decay or RMSProp, a learning rate that falls to its last value, clipped
    gradients, and batches from permuted indices. An epoch passes once over the largest sample; a smaller one is
    permuted again, so that every batch holds as many events of each. If there is a checkpoint of the same work, it goes
    on from there, and ends with the same bits as if it had never stopped; so whatever a loss remembers, such as a
    running mean, is a buffer of the module, changed only while the module is in training mode.

    In an alternating game each player moves once in each step, with its own optimizer. The losses reported, and
    the validation loss, are those of the last player.

    Args:
        module: what is trained; every parameter that takes a gradient.
        loss: takes one batch of each sample, and returns the mean loss; or the players of an alternating game.
        data: the samples, from `how.parts`; with an empty validation part all epochs are trained and the last is kept.
        how: settings, checkpoint, deadline.
        stage: name of this stage of the method.
        score: decides on the best weights in place of the validation loss, from `how.score`.
        observe: further numbers for the history, looked at after each epoch.
        keep_best: end with the best weights, or else with the last; no loss of a game says which are best.

    Raises:
        Checkpointed: a stop was asked for; what was done is saved.
        SimmorphError: the loss is not finite any more.
    """
    players = [Player(loss, list(module.parameters()))] if callable(loss) else loss
    learning = [player._replace(parameters=[it for it in player.parameters if it.requires_grad]) for player in players]
    name = f"member{how.member + 1}-{stage}" if how.member else stage
    devices = [how.device] if how.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed_of(how.seed, name))
        watch = Watch(score, observe, keep_best or score is not None)
        return Stage(module, learning, data, how, name, watch).run()
