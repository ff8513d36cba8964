"""The method of multipliers on a problem whose multiplier is known."""

from __future__ import annotations

import pytest
import torch

from simmorph.neural.loop.mdmm import ConstraintKind, Multiplier


def solved(kind: ConstraintKind, bound: float, *, noise: float = 0.0, memory: float = 0.0) -> tuple[float, float]:
    """x and lambda where (x - 2)^2 is smallest under a bound on x; without a bound x would be 2."""
    multiplier = Multiplier(kind=kind, damping=1.0, rate=0.05, memory=memory)
    multiplier.aim(bound)
    x = torch.tensor(0.0, requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=0.02)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3000):
        optimizer.zero_grad()
        multiplier((x - 2) ** 2, x + noise * torch.randn((), generator=generator)).backward()
        optimizer.step()
    return float(x.detach()), float(multiplier.value)


# With L = (x - 2)^2 + lambda (x - bound) the multiplier is 2 (2 - bound).
@pytest.mark.parametrize(
    ("kind", "bound", "x", "multiplier"),
    [
        ("equality", 1.0, 1.0, 2.0),
        ("equality", 3.0, 3.0, -2.0),
        ("inequality", 1.0, 1.0, 2.0),
        ("inequality", 3.0, 2.0, 0.0),
    ],
)
def test_both_sides_of_a_bound_end_at_the_known_multiplier(
    kind: ConstraintKind, bound: float, x: float, multiplier: float
) -> None:
    assert solved(kind, bound) == pytest.approx((x, multiplier), abs=1e-3)


def test_a_noisy_constraint_is_met_on_average() -> None:
    assert solved("inequality", 1.0, noise=1.0, memory=0.99) == pytest.approx((1.0, 2.0), abs=0.15)


def test_the_pull_grows_as_long_as_the_bound_is_violated() -> None:
    multiplier = Multiplier(memory=0.0)
    multiplier.aim(1.0)
    pulls = []
    for _ in range(5):
        secondary = torch.tensor(1.5, requires_grad=True)
        multiplier(torch.tensor(0.0), secondary).backward()
        assert secondary.grad is not None
        pulls.append(float(secondary.grad))
    assert pulls == sorted(pulls)
    assert pulls[0] > 0
    assert pulls[4] > pulls[0]


def test_being_better_than_asked_costs_nothing() -> None:
    multiplier = Multiplier(memory=0.0)
    multiplier.aim(1.0)
    secondary = torch.tensor(0.2, requires_grad=True)
    multiplier(torch.tensor(0.0), secondary).backward()
    assert secondary.grad == 0
    assert float(multiplier.value) == 0


def test_nothing_moves_outside_of_training() -> None:
    multiplier = Multiplier()
    multiplier.aim(1.0)
    before = {name: values.clone() for name, values in multiplier.state_dict().items()}
    multiplier.eval()(torch.tensor(1.0), torch.tensor(5.0))
    assert all(torch.equal(values, before[name]) for name, values in multiplier.state_dict().items())


def test_no_optimizer_can_touch_lambda_and_every_checkpoint_holds_it() -> None:
    multiplier = Multiplier()
    assert list(multiplier.parameters()) == []
    multiplier.aim(0.0)
    multiplier(torch.tensor(1.0), torch.tensor(5.0))
    again = Multiplier()
    again.load_state_dict(multiplier.state_dict())
    assert again.observed() == multiplier.observed()
    assert again.observed()["lambda"] > 0


def test_running_means_are_plain_means_at_first() -> None:
    multiplier = Multiplier(memory=0.99)
    for value in (1.0, 2.0, 6.0):
        multiplier(torch.tensor(0.0), torch.tensor(value))
    assert multiplier.observed()["constraint"] == pytest.approx(3.0)


def test_violations_count_in_units_of_their_spread() -> None:
    multiplier = Multiplier(damping=0.0, rate=1.0, memory=0.0)
    multiplier.aim(1.0, unit=0.5)
    multiplier(torch.tensor(0.0), torch.tensor(2.0))
    assert float(multiplier.value) == pytest.approx(2.0)
