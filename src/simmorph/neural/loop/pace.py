"""How many steps a training takes, how large they are, and how many it needs: steps are what counts, not epochs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from simmorph.config.training import TrainingSettings

FEWEST_IN_BATCH, FEWEST_STEPS_OF_EPOCH = 64, 4
FEW_EVENTS, MANY_EVENTS = 8_000, 30_000
"""Below the one, and above the other, the number of steps goes with the square root of that of the events; above it
batches grow as well."""
LARGEST_GROWTH = 8.0
LEAST_PATIENCE = 10
TOO_FEW = 0.5
"""Of the steps that are needed; below a warning is due."""


class Need(NamedTuple):
    """What a method needs to learn, where the recipe leaves it open.

    Attributes:
        steps: of the optimizer in each stage, for FEW_EVENTS to MANY_EVENTS events.
        batch_size: events of each sample in one step.
        learning_rate: step size of the optimizer at the start.
    """

    steps: int = 1000
    batch_size: int = 512
    learning_rate: float = 2e-3


USUAL = Need()


class Pace(NamedTuple):
    """What a stage of training does.

    Attributes:
        epochs: passes over the larger sample, at most.
        epoch_steps: steps in each of them.
        batch_size: events of each sample in one step.
        learning_rate: step size of the optimizer at the start.
        patience: epochs without better weights after which training comes to its end; None for no end before the last.
        needed_steps: what the method needs in all.
    """

    epochs: int
    epoch_steps: int
    batch_size: int
    learning_rate: float
    patience: int | None
    needed_steps: int

    @property
    def remark(self) -> str:
        """What to tell a user whose settings leave too few steps; empty if they do not."""
        steps = self.epochs * self.epoch_steps
        if steps >= TOO_FEW * self.needed_steps:
            return ""
        enough = math.ceil(self.needed_steps / self.epoch_steps)
        return (
            f"{self.epochs} epochs of {self.epoch_steps} steps are {steps:,} steps, and some {self.needed_steps:,} are "
            f"needed: leave training.epochs and training.batch_size to `auto`, or train {enough:,} epochs"
        )


def pace_of(settings: TrainingSettings, need: Need, n_events: int) -> Pace:
    """The pace of a stage by its settings; what they leave to `auto` follows from the method and its events.

    Args:
        settings: of the training.
        need: of the method.
        n_events: of the largest sample, to train on.

    >>> from simmorph.config.training import TrainingSettings
    >>> pace_of(TrainingSettings(), Need(steps=1000, batch_size=512), 10_240)
    Pace(epochs=50, epoch_steps=20, batch_size=512, learning_rate=0.002, patience=13, needed_steps=1000)
    """
    growth = min(max(n_events / MANY_EVENTS, 1.0) ** 0.5, LARGEST_GROWTH)
    needed = math.ceil(need.steps * growth * min(n_events / FEW_EVENTS, 1.0) ** 0.5)
    batch_size = (
        _batch_size(need.batch_size * growth, n_events) if settings.batch_size == "auto" else settings.batch_size
    )
    epoch_steps = math.ceil(n_events / batch_size)
    epochs = math.ceil(needed / epoch_steps) if settings.epochs == "auto" else settings.epochs
    rate = need.learning_rate if settings.learning_rate == "auto" else settings.learning_rate
    patience = max(LEAST_PATIENCE, math.ceil(epochs / 4)) if settings.patience == "auto" else settings.patience
    return Pace(epochs, epoch_steps, batch_size, rate, patience, needed)


def _batch_size(wanted: float, n_events: int) -> int:
    """A power of two, near to what is wanted and such that an epoch has a few steps."""
    largest = max(n_events / FEWEST_STEPS_OF_EPOCH, FEWEST_IN_BATCH)
    return 1 << int(math.log2(min(wanted, largest)))
