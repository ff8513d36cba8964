"""Convex networks: convex whatever their weights, and the identity at the start."""

from __future__ import annotations

import pytest
import torch

from simmorph.neural.convex import ConvexPotential
from simmorph.neural.networks import initialise


def a_potential(n_context: int, spread: float) -> ConvexPotential:
    potential = ConvexPotential(3, n_context, (8, 8)).double()
    initialise(potential, 1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in potential.parameters():
            parameter.add_(spread * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return potential


def rows(n_context: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    drawn = torch.randn(40, 3 + n_context, generator=generator, dtype=torch.float64)
    return drawn[:, :3].clone(), 2 * drawn[:, 3:]


@pytest.mark.parametrize("n_context", [0, 2])
def test_it_is_convex_in_the_features_whatever_the_weights(n_context: int) -> None:
    potential, (features, context) = a_potential(n_context, 1.0), rows(n_context)
    others = features.flip(0)
    for share in (0.1, 0.5, 0.8):
        between = potential(share * features + (1 - share) * others, context)
        chord = share * potential(features, context) + (1 - share) * potential(others, context)
        assert (chord - between).min() > -1e-9


@pytest.mark.parametrize("n_context", [0, 2])
def test_its_gradient_is_nearly_the_identity_at_the_start(n_context: int) -> None:
    features, context = rows(n_context)
    found = a_potential(n_context, 0.0).gradient(features, context)
    torch.testing.assert_close(found, features, atol=0.02, rtol=0)


def test_the_gradient_is_that_of_the_potential_and_depends_on_the_context() -> None:
    potential, (features, context) = a_potential(2, 0.5), rows(2)
    found = potential.gradient(features, context).detach()
    step = 1e-6 * torch.eye(3, dtype=torch.float64)
    for at in range(3):
        rise = potential(features + step[at], context) - potential(features - step[at], context)
        torch.testing.assert_close(rise.detach() / 2e-6, found[:, at], atol=1e-6, rtol=1e-6)
    assert (potential.gradient(features, context + 1) - found).abs().max() > 0.1


def test_the_gradient_works_where_gradients_are_off() -> None:
    potential, (features, context) = a_potential(0, 0.5), rows(0)
    with torch.no_grad():
        found = potential.gradient(features, context)
    assert not found.requires_grad
    torch.testing.assert_close(found, potential.gradient(features, context).detach())
