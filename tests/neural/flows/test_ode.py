"""Solvers of differential equations, on equations whose solution is known."""

from __future__ import annotations

import math

import pytest
import torch

from simmorph.neural.flows.ode import TABLEAUS, solve

START = torch.tensor([[1.0, 0.0], [0.3, -2.0], [0.0, 5.0]], dtype=torch.float64)


def turning(state: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    """A rotation that becomes faster: by 1.5 in all."""
    return (3 * time) * torch.stack([-state[:, 1], state[:, 0]], dim=1)


def turned() -> torch.Tensor:
    cosine, sine = math.cos(1.5), math.sin(1.5)
    return START @ torch.tensor([[cosine, sine], [-sine, cosine]], dtype=torch.float64)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_the_error_falls_with_the_order_of_the_solver(solver: str, order: int) -> None:
    errors = [(solve(turning, START, solver, steps, 0) - turned()).abs().max().item() for steps in (20, 40)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-9])
def test_the_adaptive_solver_keeps_its_tolerance(tolerance: float) -> None:
    assert (solve(turning, START, "adaptive", 0, tolerance) - turned()).abs().max() < 20 * tolerance


def test_an_event_does_not_depend_on_what_else_is_solved() -> None:
    stiff = torch.tensor([[2e3, 1e3]], dtype=torch.float64)
    together = solve(turning, torch.cat([START, stiff]), "adaptive", 0, 1e-6)[:3]
    torch.testing.assert_close(together, solve(turning, START, "adaptive", 0, 1e-6), atol=0, rtol=0)


def test_what_is_not_a_number_stays_alone() -> None:
    broken = START.clone()
    broken[1, 0] = torch.nan
    found = solve(turning, broken, "adaptive", 0, 1e-6)
    assert torch.isnan(found[1]).any()
    torch.testing.assert_close(found[[0, 2]], turned()[[0, 2]], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", TABLEAUS)
def test_the_weights_of_every_tableau_sum_to_one(name: str) -> None:
    tableau = TABLEAUS[name]
    assert sum(tableau.weights) == pytest.approx(1)
    assert sum(tableau.embedded) == pytest.approx(1 if tableau.embedded else 0)
    assert [len(stage) for stage in tableau.stages] == list(range(len(tableau.weights)))
