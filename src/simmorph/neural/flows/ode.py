"""Ordinary differential equations from time 0 to 1, solved for every event by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

Velocity = Callable[["Tensor", "Tensor"], "Tensor"]
"""Takes states (n_events, n) and times (n_events, 1); returns dx/dt (n_events, n)."""


class Tableau(NamedTuple):
    """A Runge-Kutta method, as Butcher writes it.

    Attributes:
        stages: the weights of the slopes before each stage.
        weights: of the slopes in the step.
        order: the error of a step goes as its length to the power of order + 1.
        embedded: weights of a step of one order less, for an estimate of the error.
    """

    stages: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    order: int
    embedded: tuple[float, ...] = ()


TABLEAUS = {
    "euler": Tableau(((),), (1.0,), 1),
    "midpoint": Tableau(((), (0.5,)), (0.0, 1.0), 2),
    "rk4": Tableau(((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6), 4),
    "adaptive": Tableau(
        (
            (),
            (1 / 5,),
            (3 / 40, 9 / 40),
            (44 / 45, -56 / 15, 32 / 9),
            (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
            (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
            (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
        ),
        (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0),
        5,
        (5179 / 57600, 0.0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40),
    ),
}
"""By name; the adaptive one is that of Dormand and Prince, J. Comput. Appl. Math. 6 (1980) 19."""

MAX_STEPS = 1000
SAFETY, LEAST_GROWTH, MOST_GROWTH = 0.9, 0.2, 5.0


def solve(velocity: Velocity, start: Tensor, solver: str, n_steps: int, tolerance: float) -> Tensor:
    """The states at time 1.

    Args:
        velocity: computes each event's slope from this event alone.
        start: (n_events, n), the states at time 0.
        solver: one of TABLEAUS.
        n_steps: equal steps of the solvers that are not adaptive.
        tolerance: largest error of one step of the adaptive solver, in units of the state.
    """
    if solver == "adaptive":
        return _adaptive(velocity, start, tolerance)
    state, step = start, start.new_full((len(start), 1), 1 / n_steps)
    for number in range(n_steps):
        state = state + step * _slope(TABLEAUS[solver], velocity, state, number * step, step)[0]
    return state


def _slope(
    tableau: Tableau, velocity: Velocity, state: Tensor, time: Tensor, step: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """The mean slope of a step, and those of its stages."""
    slopes: list[Tensor] = []
    for stage in tableau.stages:
        moved = _weighted(stage, slopes, state)
        slopes.append(velocity(state + step * moved, time + step * sum(stage)))
    return _weighted(tableau.weights, slopes, state), slopes


def _weighted(weights: tuple[float, ...], slopes: list[Tensor], state: Tensor) -> Tensor:
    """The sum of slopes times weights, one step of a Runge-Kutta method; added in a fixed order."""
    total = torch.zeros_like(state)
    for weight, slope in zip(weights, slopes, strict=True):
        total = total + weight * slope
    return total


def _adaptive(velocity: Velocity, start: Tensor, tolerance: float) -> Tensor:
    """Each event takes steps of its own length, so that its result does not depend on what else is in its block.

    Events that are done, or whose state is not a number, wait for the others. What is not done after MAX_STEPS comes
    out as NaN.
    """
    tableau = TABLEAUS["adaptive"]
    state, time = start, start.new_zeros(len(start), 1)
    step = torch.full_like(time, 0.1)
    for _ in range(MAX_STEPS):
        running = time < 1
        if not bool(running.any()):
            return state
        step = torch.minimum(step, 1 - time)
        mean, slopes = _slope(tableau, velocity, state, time, step)
        error = (step * (mean - _weighted(tableau.embedded, slopes, state))).abs().amax(dim=1, keepdim=True) / tolerance
        lost = ~torch.isfinite(error)
        accepted = running & ((error <= 1) | lost)
        state = torch.where(accepted, state + step * mean, state)
        time = torch.where(lost, torch.ones_like(time), torch.where(accepted, _arrived(time + step), time))
        growth = (SAFETY * error.clamp(min=1e-10) ** (-1 / tableau.order)).clamp(LEAST_GROWTH, MOST_GROWTH)
        step = torch.where(running & ~lost, step * growth, step)
    return torch.where(time < 1, torch.nan, state)


def _arrived(time: Tensor) -> Tensor:
    """The time, 1 where rounding alone keeps it from that."""
    return torch.where(time > 1 - 1e-9, torch.ones_like(time), time)
