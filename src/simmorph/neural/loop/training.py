"""How a method is to be trained."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from simmorph.data.splits import HOLDOUT, VALIDATION, part_of
from simmorph.errors import ConfigError, InputError
from simmorph.neural.loop.batches import Batch, Parts
from simmorph.neural.loop.pace import USUAL, Need, Pace, pace_of
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from simmorph.config.training import TrainingSettings
    from simmorph.data.estimates import Estimate
    from simmorph.data.events import Events
    from simmorph.progress import Progress

MEMBER_STRIDE = 1_000_003
"""Between the seeds of an ensemble's members; a prime, so that neighbouring seeds of a user do not meet it."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Training:
    """How a method is to be trained, handed to its `fit`.

    Attributes:
        settings: the recipe's `training:` block.
        checkpoint: folder for checkpoints, one file for each stage; without it nothing is saved on the way.
        deadline: value of `time.monotonic()` at which to save and stop.
        stop_requested: whether to save and stop at once, as after SIGTERM.
        progress: called after every epoch with stage, epoch, epochs, loss, validation_loss, learning_rate, seconds,
            and what the method observes.
        member: the number of this method in an ensemble; each begins with other random numbers.
        learning: identity of what is learnt, if it is known; training goes on from no checkpoint of another learning.
        judge: the AUC of a classifier between a template and a target, for `select_on: auc`, with its error.
        need: what the method needs, where the settings leave it open.
    """

    settings: TrainingSettings
    checkpoint: Path | None = None
    deadline: float | None = None
    stop_requested: Callable[[], bool] = _never
    progress: Progress = silent
    member: int = 0
    learning: str = ""
    judge: Callable[[Events, Events], Estimate] | None = None
    need: Need = USUAL

    @property
    def seed(self) -> int:
        """Where the method's random numbers start; the split of the events into parts is the same for all members."""
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

    def pace(self, n_events: int) -> Pace:
        """How a stage goes on so many events to train on."""
        return pace_of(self.settings, self.need, n_events)

    def split(self, events: Events) -> tuple[Events, Events]:
        """The training and the validation part; events of the hold-out part are in neither."""
        settings = self.settings
        parts = part_of(events.ids, settings.seed, settings.validation, settings.holdout)
        return events[(parts != VALIDATION) & (parts != HOLDOUT)], events[parts == VALIDATION]

    def halves(self, *samples: Events) -> list[tuple[Events, Events]]:
        """The training and the validation part of each sample.

        Raises:
            InputError: a sample has no events to train on.
        """
        halves = [self.split(events) for events in samples]
        if not all(len(training) for training, _ in halves):
            raise InputError("training", "a sample has no events to train on", "select more events or hold out fewer")
        return halves

    def sample(self, events: Events) -> Batch:
        """Events as tensors on the device, with weights of mean 1.

        Raises:
            InputError: there are events, but their weights sum to nothing.
        """
        mean = float(events.weights.mean()) if len(events) else 1.0
        if not mean > 0:
            raise InputError("training", "the weights of a sample do not sum to more than zero")
        arrays = events.features, events.context, events.weights / mean
        return Batch(*(torch.as_tensor(array, dtype=torch.float32, device=self.device) for array in arrays))

    def parts(self, *samples: Events) -> list[Parts]:
        """The training part and the validation part of each sample, as tensors.

        Raises:
            InputError: a sample has no events to train on.
        """
        return [Parts(*(self.sample(part) for part in halves)) for halves in self.halves(*samples)]

    def score(
        self, transform: Callable[[Events], Events], source: Events, target: Events
    ) -> Callable[[], float] | None:
        """With `select_on: auc`, what decides on the best weights: the AUC of the judge between template and target.

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
