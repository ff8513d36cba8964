"""The modified differential method of multipliers: make one quantity small while another keeps its bound."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

ConstraintKind = Literal["inequality", "equality"]


class Multiplier(nn.Module):
    """Makes a primary loss small where a secondary one, h, is at most (or exactly) epsilon.

    With the violation g = (h - epsilon) / unit, the Lagrangian is primary + lambda g + damping g^2. The network
    descends on it, lambda ascends: it grows by rate * g in each step, so that the pull on h grows as long as h is above
    epsilon. Under an inequality neither lambda nor the pull fall below zero: being better than asked costs nothing.

    h is noisy, often more than the bound is tight. Lambda and the pull therefore follow the running mean of h over
    about 1 / (1 - memory) steps; the gradient is that of the present batch. Lambda is a buffer moved by plain steps
    here: no optimizer, weight decay or schedule touches it, and checkpoints and models hold it.

    Args:
        kind: whether h must be at most epsilon, or equal to it.
        damping: of the oscillation between network and multiplier.
        rate: of lambda's ascent.
        memory: share of the running mean that is kept in each step; 0 looks at the present batch alone.

    References:
        Platt, Barr, "Constrained differential optimization", 1987, NIPS 1, section 3.
    """

    value: Tensor
    epsilon: Tensor
    unit: Tensor
    primary: Tensor
    secondary: Tensor
    n_seen: Tensor

    def __init__(
        self, *, kind: ConstraintKind = "inequality", damping: float = 1.0, rate: float = 0.01, memory: float = 0.99
    ) -> None:
        super().__init__()
        self.kind, self.damping, self.rate, self.memory = kind, damping, rate, memory
        for name, start in {"value": 0.0, "epsilon": 0.0, "unit": 1.0, "primary": 0.0, "secondary": 0.0}.items():
            self.register_buffer(name, torch.tensor(start))
        self.register_buffer("n_seen", torch.tensor(0))

    def aim(self, epsilon: Tensor | float, unit: Tensor | float = 1.0) -> None:
        """Set the bound and the unit of its violation, and forget everything else."""
        self.epsilon.fill_(epsilon)
        self.unit.fill_(unit)
        for buffer in (self.value, self.primary, self.secondary, self.n_seen):
            buffer.zero_()

    def forward(self, primary: Tensor, secondary: Tensor) -> Tensor:
        """The loss to descend on; in training it also moves the running means and lambda."""
        if self.training:
            self._ascend(primary.detach(), secondary.detach())
        pull = self._bounded(self.value + 2 * self.damping * self._violation(self.secondary))
        return primary + pull * self._violation(secondary)

    def observed(self) -> dict[str, float]:
        """Running means of both losses, the bound, and lambda."""
        named = {"primary": self.primary, "constraint": self.secondary, "epsilon": self.epsilon, "lambda": self.value}
        return {name: float(buffer) for name, buffer in named.items()}

    @property
    def is_met(self) -> bool:
        """Whether the running mean keeps the bound, within twice its own spread."""
        violation = float(self._violation(self.secondary))
        return (violation if self.kind == "inequality" else abs(violation)) <= 2 * self.spread_of_mean

    @property
    def spread_of_mean(self) -> float:
        """Standard deviation of the running mean in units of that of one batch."""
        return math.sqrt((1 - self.memory) / (1 + self.memory))

    @torch.no_grad()
    def _ascend(self, primary: Tensor, secondary: Tensor) -> None:
        """Move the running means, which begin as plain means, and lambda."""
        self.n_seen += 1
        share = torch.clamp(1 / self.n_seen, min=1 - self.memory)
        self.primary.lerp_(primary, share)
        self.secondary.lerp_(secondary, share)
        self.value.copy_(self._bounded(self.value + self.rate * self._violation(self.secondary)))

    def _violation(self, secondary: Tensor) -> Tensor:
        """By how much the constraint is exceeded, in its `unit`; negative where it is met."""
        return (secondary - self.epsilon) / self.unit

    def _bounded(self, pull: Tensor) -> Tensor:
        """The pull of an inequality only acts from above; that of an equality from both sides."""
        return pull.clamp_min(0) if self.kind == "inequality" else pull
