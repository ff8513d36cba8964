"""Training: how a method asks for it, and `minimize`, the only training loop of the project."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from simmorph.data.splits import HOLDOUT, VALIDATION, part_of
from simmorph.errors import ConfigError, InputError
from simmorph.neural.history import History
from simmorph.neural.samples import Parts, Sample
from simmorph.neural.stage import Stage, Turn, Watch, seed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from torch import nn

    from simmorph.config.training import TrainingSettings
    from simmorph.data.estimates import Estimate
    from simmorph.data.events import Events
    from simmorph.neural.stage import Loss

__all__ = ["History", "Training", "Turn", "minimize"]

MEMBER_STRIDE = 1_000_003
"""Between the seeds of an ensemble's members; a prime, so that neighbouring seeds of a user do not meet it."""


def _never() -> bool:
    return False


def _silently(record: Mapping[str, Any]) -> None:
    """The default of `on_epoch`: tell nobody."""


@dataclass(frozen=True)
class Training:
    """How a method is to be trained, handed to its `fit`.

    Attributes:
        settings: the recipe's `training:` block.
        checkpoint: folder for checkpoints, one file for each stage; without it nothing is saved on the way.
        deadline: value of `time.monotonic()` at which to save and stop.
        stop_requested: tells whether to save and stop at once, as after SIGTERM.
        on_epoch: is told of every epoch: stage, epoch, epochs, loss, validation_loss, learning_rate, seconds, and what
            the method observes.
        member: the number of this method in an ensemble; each begins with other random numbers.
        judge: tells a template from a target, for `select_on: auc`: 0.5 if it cannot, up to 1, with its error.
    """

    settings: TrainingSettings
    checkpoint: Path | None = None
    deadline: float | None = None
    stop_requested: Callable[[], bool] = _never
    on_epoch: Callable[[Mapping[str, Any]], None] = _silently
    member: int = 0
    judge: Callable[[Events, Events], Estimate] | None = None

    @property
    def seed(self) -> int:
        """Where the method's random numbers start; the deal of events into parts is the same for all members."""
        return self.settings.seed + MEMBER_STRIDE * self.member

    @property
    def device(self) -> torch.device:
        """Where to train.

        Raises:
            ConfigError: a GPU was asked for and there is none.
        """
        there = torch.cuda.is_available()
        if self.settings.device == "cuda" and not there:
            raise ConfigError("training.device", "there is no CUDA device here", "use `device: auto`")
        return torch.device("cuda" if there and self.settings.device != "cpu" else "cpu")

    def split(self, events: Events) -> tuple[Events, Events]:
        """The training and the validation part; events of the hold-out part are in neither."""
        settings = self.settings
        parts = part_of(events.ids, settings.seed, settings.validation, settings.holdout)
        return events[(parts != VALIDATION) & (parts != HOLDOUT)], events[parts == VALIDATION]

    def sample(self, events: Events) -> Sample:
        """Events as tensors on the device, with weights of mean 1.

        Raises:
            InputError: there are events, but their weights sum to nothing.
        """
        mean = float(events.weights.mean()) if len(events) else 1.0
        if not mean > 0:
            raise InputError("training", "the weights of a sample do not sum to more than zero")
        arrays = events.features, events.context, events.weights / mean
        return Sample(*(torch.as_tensor(array, dtype=torch.float32, device=self.device) for array in arrays))

    def parts(self, *samples: Events) -> list[Parts]:
        """The training part and the validation part of each sample, as tensors.

        Raises:
            InputError: a sample has no events to train on.
        """
        halves = [self.split(events) for events in samples]
        if not all(len(training) for training, _ in halves):
            raise InputError("training", "a sample has no events to train on", "select more events or hold out fewer")
        return [Parts(self.sample(training), self.sample(validation)) for training, validation in halves]

    def score(
        self, transform: Callable[[Events], Events], source: Events, target: Events
    ) -> Callable[[], float] | None:
        """With `select_on: auc`, what decides on the best weights: how well the judge tells template from target.

        Only the validation part is looked at. A generator gives the target itself as source.

        Args:
            transform: the method's own.
            source: all events that training was given.
            target: likewise.

        Returns:
            A function for `minimize`; None where the loss decides.

        Raises:
            ConfigError: there is no validation part.
            ValueError: there is no judge.
        """
        if self.settings.select_on == "loss":
            return None
        if self.judge is None:
            raise ValueError("select_on: auc needs Training.judge")
        judge, before, wanted = self.judge, self.split(source)[1], self.split(target)[1]
        if not (len(before) and len(wanted)):
            raise ConfigError("training.select_on", "auc needs events to judge by", "raise training.validation")
        return lambda: judge(transform(before), wanted).value

    def should_stop(self) -> bool:
        """Whether to save and stop now."""
        late = self.deadline is not None and time.monotonic() >= self.deadline
        return late or self.stop_requested()


def minimize(  # noqa: PLR0913 - one keyword for each thing that a method may want
    module: nn.Module,
    loss: Loss | Sequence[Turn],
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
    gradients, and batches from permuted indices. An epoch passes once over the largest sample; a smaller one is dealt
    again, so that every batch holds as many events of each. If there is a checkpoint of the same work, it goes on from
    there, and ends with the same bits as if it had never stopped; so whatever a loss remembers, such as a running mean,
    is a buffer of the module, changed only while the module is in training mode.

    In an alternating game each player takes its turn in each step, with its own optimizer. The losses reported, and
    the validation loss, are those of the last turn.

    Args:
        module: what is trained; every parameter that takes a gradient.
        loss: takes one batch of each sample, and returns the mean loss; or the turns of a game.
        data: the samples, from `how.parts`; with an empty validation part all epochs are trained and the last is kept.
        how: settings, checkpoint, deadline.
        stage: name of this stage of the method.
        score: decides on the best weights in place of the validation loss, from `how.score`.
        observe: further numbers for the history, looked at after each epoch.
        keep_best: end with the best weights, or else with the last; a game has no loss that tells which are best.

    Raises:
        Checkpointed: a stop was asked for; what was done is saved.
        SimmorphError: the loss is not finite any more.
    """
    turns = [Turn(loss, list(module.parameters()))] if callable(loss) else loss
    learning = [turn._replace(parameters=[it for it in turn.parameters if it.requires_grad]) for turn in turns]
    name = f"member{how.member + 1}-{stage}" if how.member else stage
    devices = [how.device] if how.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed_of(how.seed, name))
        watch = Watch(score, observe, keep_best or score is not None)
        return Stage(module, learning, data, how, name, watch).run()
