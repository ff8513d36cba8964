"""Promises of methods that draw events: their densities are densities, and draws follow them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from simmorph.config.learning import MethodSettings
from simmorph.config.training import TrainingSettings
from simmorph.data.estimates import Estimate
from simmorph.data.events import Events
from simmorph.methods import build_method
from simmorph.methods.parts.ensemble import MapMixture
from simmorph.methods.parts.generator import DensityGenerator, Generator
from simmorph.neural.loop.training import Training
from simmorph.neural.networks import initialise

SETTINGS = TrainingSettings(epochs=15, batch_size=250, learning_rate=1e-2, device="cpu", holdout=0)
DENSITIES: dict[str, dict[str, Any]] = {
    "coupling": {"name": "flow", "layers": 2, "hidden": [16], "bins": 6, "marginal_bins": 8},
    "affine": {"name": "flow", "transform": "affine", "layers": 2, "hidden": [16], "marginal_bins": 8},
    "spline": {"name": "flow", "transform": "spline", "layers": 2, "hidden": [16], "bins": 6, "marginal_bins": 0},
    "mademog": {"name": "mademog", "components": 4, "hidden": [16]},
}
OTHERS: dict[str, dict[str, Any]] = {
    "vae": {"name": "vae", "hidden": [32], "codes": 2},
    "gan": {"name": "gan", "hidden": [32], "extra_noise": 1},
    "wgan": {"name": "gan", "hidden": [32], "wasserstein": True, "critic_steps": 2},
}


def built(options: dict[str, Any], n_features: int = 2, n_context: int = 0) -> Generator:
    method = build_method(MethodSettings(**options), n_features, n_context)
    assert isinstance(method, Generator)
    return method


def shaken(options: dict[str, Any], n_features: int = 2, n_context: int = 0) -> DensityGenerator:
    """A generator with weights that make it anything but a normal distribution."""
    method = built(options, n_features, n_context)
    assert isinstance(method, DensityGenerator)
    initialise(method, 3)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return method


def banana(n_events: int, seed: int = 1) -> Events:
    """A curved distribution whose second feature follows the context too."""
    rng = np.random.default_rng(seed)
    context = rng.uniform(-1, 1, (n_events, 1))
    first = rng.normal(size=n_events)
    second = 0.5 * first**2 - 0.5 + context[:, 0] + 0.4 * rng.normal(size=n_events)
    return Events.of(np.column_stack([first, second]), context, rng.uniform(0.5, 1.5, n_events))


@pytest.mark.parametrize("kind", DENSITIES)
def test_a_density_of_one_feature_integrates_to_one(kind: str) -> None:
    grid = np.linspace(-12, 12, 6001)[:, None]
    density = np.exp(shaken(DENSITIES[kind], n_features=1).log_density(Events.of(grid)))
    assert np.trapezoid(density, grid[:, 0]) == pytest.approx(1, abs=3e-3)


@pytest.mark.parametrize("kind", DENSITIES)
def test_draws_follow_the_density(kind: str) -> None:
    method = shaken(DENSITIES[kind], n_context=1)
    context = np.full((40_000, 1), 0.7)
    drawn = method.transform(Events.of(np.zeros((40_000, 2)), context)).features
    low, high = np.quantile(drawn, [0.2, 0.8], axis=0)
    inside = ((drawn > low) & (drawn < high)).all(axis=1).mean()
    axes = [np.linspace(*edges, 301) for edges in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(method.log_density(Events.of(grid, np.full((len(grid), 1), 0.7)))).reshape(301, 301)
    integral = np.trapezoid(np.trapezoid(density, axes[1], axis=1), axes[0])
    assert integral == pytest.approx(inside, abs=4 * np.sqrt(inside * (1 - inside) / 40_000) + 0.003)


@pytest.mark.parametrize("kind", DENSITIES)
def test_every_feature_answers_to_the_context(kind: str) -> None:
    method = shaken(DENSITIES[kind], n_context=1)
    blank = Events.of(np.zeros((100, 2)))
    low, high = (method.transform(blank.with_context(np.full((100, 1), value))).features for value in (-1.0, 1.0))
    assert (np.abs(low - high).mean(axis=0) > 1e-3).all()


def test_a_mixture_of_one_component_begins_as_the_normal_distribution() -> None:
    method = built({"name": "mademog", "components": 1, "hidden": [8]}, n_features=1)
    grid = np.linspace(-3, 3, 7)
    expected = -0.5 * grid**2 - 0.5 * np.log(2 * np.pi)
    found = method.log_density(Events.of(grid[:, None]))
    assert found is not None
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_the_width_of_a_component_has_a_floor() -> None:
    method = shaken({"name": "mademog", "components": 2, "hidden": [8], "smallest_width": 0.25})
    with torch.no_grad():
        method.network.output.bias[-4:] = -100.0  # type: ignore[union-attr, operator]
    density = method.log_density(Events.of(np.random.default_rng(1).normal(size=(1000, 2))))
    assert density.max() <= 2 * np.log(1 / (0.25 * np.sqrt(2 * np.pi))) + 1e-9


@pytest.mark.parametrize("kind", [*DENSITIES, *OTHERS])
def test_a_trained_generator_has_the_moments_of_the_target_at_each_context(kind: str) -> None:
    target = banana(6000)
    method = built({**DENSITIES, **OTHERS}[kind], n_context=1)
    rate = 5e-3 if kind == "wgan" else SETTINGS.learning_rate
    method.fit(target[:0], target, Training(SETTINGS.model_copy(update={"learning_rate": rate})))
    drawn = method.transform(target)
    for part in (target.context[:, 0] < 0, target.context[:, 0] > 0):
        wanted = np.average(target.features[part], axis=0, weights=target.weights[part])
        found = np.average(drawn.features[part], axis=0, weights=drawn.weights[part])
        np.testing.assert_allclose(found, wanted, atol=0.2)
    np.testing.assert_allclose(drawn.features.std(axis=0), target.features.std(axis=0), rtol=0.2)


@pytest.mark.parametrize("kind", ["coupling", "mademog"])
def test_weights_shape_what_is_learnt(kind: str) -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(6000, 1))
    tilted = Events.of(values, None, np.exp(0.5 * values[:, 0]))
    method = built(DENSITIES[kind], n_features=1)
    method.fit(tilted[:0], tilted, Training(SETTINGS))
    # A normal distribution with weights exp(x / 2) is one around 1/2.
    assert method.transform(tilted).features.mean() == pytest.approx(0.5, abs=0.08)


def test_only_some_generators_have_a_density() -> None:
    events = banana(10)
    assert built(OTHERS["vae"], n_context=1).log_density(events) is None
    assert built(DENSITIES["mademog"], n_context=1).log_density(events) is not None


def test_the_density_of_a_mixture_is_the_mean_of_its_members() -> None:
    members: list[DensityGenerator] = [shaken(DENSITIES["mademog"]), shaken(DENSITIES["coupling"])]
    events = Events.of(np.random.default_rng(1).normal(size=(50, 2)))
    expected = np.log(np.mean([np.exp(member.log_density(events)) for member in members], axis=0))
    found = MapMixture(members).log_density(events)
    assert found is not None
    np.testing.assert_allclose(found, expected)


def test_a_game_draws_with_a_running_mean_of_its_weights() -> None:
    target = banana(1000)
    method = built(OTHERS["gan"], n_context=1)
    method.fit(target[:0], target, Training(SETTINGS.model_copy(update={"epochs": 2})))
    now, mean = (dict(getattr(method, name).named_parameters()) for name in ("generator", "average"))
    assert any(not torch.equal(values, mean[name]) for name, values in now.items())
    assert not any(values.requires_grad for values in mean.values())


@pytest.mark.parametrize("kind", ["mademog", "gan"])
def test_the_best_epoch_can_be_chosen_by_a_judge(kind: str) -> None:
    seen = []

    def judge(template: Events, target: Events) -> Estimate:
        seen.append(np.array_equal(template.ids, target.ids))
        return Estimate(0.6 - 0.01 * len(seen) if len(seen) < 3 else 0.6, 0.01)

    target = banana(1000)
    settings = SETTINGS.model_copy(update={"epochs": 4, "select_on": "auc"})
    history = built({**DENSITIES, **OTHERS}[kind], n_context=1).fit(target[:0], target, Training(settings, judge=judge))
    assert history["fit"].best_epoch == 2
    assert all(seen)
