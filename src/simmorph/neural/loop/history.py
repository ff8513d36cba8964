"""What training did, epoch by epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.neural.loop.pace import Pace


@dataclass(frozen=True)
class History:
    """What one stage of training did.

    Attributes:
        stage: its name.
        losses: mean training loss of each epoch.
        validation_losses: loss on the validation part after each epoch; empty if there is no such part.
        best_epoch: the epoch, counted from 1, whose weights were kept.
        seconds: time spent, over all restarts.
        observed: further numbers after each epoch, by name, such as the held-out AUC or a multiplier.
        pace: epochs, steps, batch and learning rate that were set; None if nothing was learnt by steps.
    """

    stage: str
    losses: tuple[float, ...]
    validation_losses: tuple[float, ...]
    best_epoch: int
    seconds: float
    observed: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    pace: Pace | None = None

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return len(self.losses)

    def to_json(self) -> dict[str, Any]:
        """The history as plain values."""
        pace = self.pace and self.pace._asdict()
        return {"epochs": self.epochs, **asdict(self), "pace": pace}
