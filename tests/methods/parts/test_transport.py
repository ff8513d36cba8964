"""The schemes that move events over a learnt base density, on samples whose maps are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.errors import Checkpointed
from simmorph.methods.base_to_data import BaseToData
from simmorph.methods.double_base import DoubleBase
from simmorph.methods.identity_init import IdentityInit
from simmorph.methods.movement_penalty import MovementPenalty
from simmorph.methods.parts.transport import DensitySettings, Transport, TransportSettings
from simmorph.neural.loop.checkpoint import digest
from simmorph.neural.loop.training import Training

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from simmorph.methods.base import Method

SETTINGS = TrainingSettings(epochs=12, batch_size=500, learning_rate=5e-3, device="cpu", holdout=0)
QUICK = SETTINGS.model_copy(update={"epochs": 2, "patience": None})
BASE = DensitySettings(layers=2, hidden=(16,), bins=6, marginal_bins=8)
TRANSPORT = TransportSettings(layers=2, hidden=(8,), bins=4)
SCHEMES: list[tuple[type[Transport], dict[str, Any]]] = [
    (BaseToData, {"start": "random"}),
    (BaseToData, {"start": "exact"}),
    (IdentityInit, {"start": "trained"}),
    (IdentityInit, {"start": "exact"}),
    (MovementPenalty, {"norm": "squared", "direction": "source"}),
    (MovementPenalty, {"norm": "plain", "direction": "target"}),
]
"""Every scheme with a base that stays as it is, and its options."""


def normal(n_events: int, mean: float, width: float, seed: int, n_features: int = 1) -> Events:
    return Events.of(np.random.default_rng(seed).normal(mean, width, (n_events, n_features)))


def scheme(kind: type[Transport], n_features: int = 1, n_context: int = 0, **options: Any) -> Transport:
    return kind(n_features, n_context, base=BASE, transport=TRANSPORT, **options)


def fitted(kind: type[Transport], settings: TrainingSettings, **options: Any) -> Transport:
    method = scheme(kind, 2, **options)
    method.fit(normal(1500, 0, 1, 1, 2), normal(1500, 0.6, 0.8, 2, 2), Training(settings))
    return method


def mean_distance(method: Method, events: Events) -> float:
    change = method.transform(events).features - events.features
    return float(np.sqrt(np.square(change).sum(axis=1)).mean())


@pytest.mark.parametrize(("kind", "options"), SCHEMES)
def test_a_shift_and_a_scale_are_learnt_from_source_to_target(kind: type[Transport], options: dict[str, Any]) -> None:
    method = scheme(kind, **options)
    method.fit(normal(3000, 0, 1, 1), normal(3000, 0.6, 0.7, 2), Training(SETTINGS))
    grid = np.linspace(-1.5, 1.5, 31)[:, None]
    np.testing.assert_allclose(method.transform(Events.of(grid)).features, 0.6 + 0.7 * grid, atol=0.15)


def test_two_bases_learn_it_too() -> None:
    method = DoubleBase(1, 0, base=BASE)
    method.fit(normal(3000, 0, 1, 1), normal(3000, 0.6, 0.7, 2), Training(SETTINGS))
    grid = np.linspace(-1.5, 1.5, 31)[:, None]
    np.testing.assert_allclose(method.transform(Events.of(grid)).features, 0.6 + 0.7 * grid, atol=0.15)


def test_the_exact_start_moves_nothing() -> None:
    events = normal(200, 0, 1, 3, 3)
    for method in (scheme(IdentityInit, 3, start="exact"), scheme(BaseToData, 3, start="exact")):
        np.testing.assert_allclose(method.transform(events).features, events.features, atol=1e-9)


def test_the_trained_start_learns_to_leave_the_source_alone_first() -> None:
    method = scheme(IdentityInit, start="trained")
    source = normal(3000, 0, 1, 1)
    history = method.fit(source, source, Training(SETTINGS))
    assert list(history) == ["base", "identity", "transport"]
    assert mean_distance(method, source) < 0.08


def test_only_the_transport_is_trained_once_the_base_is() -> None:
    """What comes after the base differs from scheme to scheme, and leaves the base that they share as it is."""
    bases = [fitted(kind, QUICK, **options).base.state_dict() for kind, options in SCHEMES]
    for base in bases[1:]:
        assert digest(base) == digest(bases[0])


def test_the_base_takes_no_gradient_and_stays_in_evaluation_mode() -> None:
    method = scheme(BaseToData)
    method.train()
    assert not any(part.training for part in method.base.modules())
    assert all(part.training for part in method.transport.modules())
    history = method.fit(normal(500, 0, 1, 1), normal(500, 0.5, 1, 2), Training(QUICK))
    assert history["base"].epochs == history["transport"].epochs == 2
    assert all(parameter.requires_grad for parameter in method.parameters())


def test_each_scheme_ends_elsewhere_but_for_the_same_start() -> None:
    """With the exact start two schemes are one."""
    events = normal(300, 0, 1, 3, 2)
    images = [fitted(kind, QUICK, **options).transform(events).features for kind, options in SCHEMES]
    np.testing.assert_array_equal(images[3], images.pop(1))
    for at, image in enumerate(images):
        assert all(np.abs(image - other).max() > 1e-4 for other in images[:at])


def test_without_a_price_a_penalty_changes_nothing() -> None:
    free, plain = fitted(MovementPenalty, QUICK, alpha=0.0), fitted(BaseToData, QUICK)
    assert digest(free.state_dict()) == digest(plain.state_dict())


@pytest.mark.parametrize("direction", ["source", "target"])
@pytest.mark.parametrize("norm", ["squared", "plain"])
def test_a_higher_price_moves_events_less(norm: str, direction: str) -> None:
    events, options = normal(1000, 0, 1, 3, 2), {"norm": norm, "direction": direction, "start": "exact"}
    methods = [fitted(MovementPenalty, SETTINGS, alpha=alpha, **options) for alpha in (0.0, 0.3, 30.0)]
    distances = [mean_distance(method, events) for method in methods]
    assert distances[0] > distances[1] + 0.03
    assert distances[1] > distances[2] + 0.1
    assert distances[2] < 0.05


def test_the_squared_price_is_in_squared_standard_deviations_of_the_source() -> None:
    method = MovementPenalty(2, 0, base=BASE, transport=TRANSPORT, start="exact")
    sample = Training(QUICK).sample(normal(400, 0, 1, 1, 2))
    with torch.no_grad():
        still = float(method.movement(sample, sample))
        for parameter in method.transport.parameters():
            parameter.add_(0.1)
        moved = method.transport.from_base(sample.features, sample.context)
        expected = float((moved - sample.features).square().sum(dim=1).mean())
        assert float(method.movement(sample, sample)) == pytest.approx(expected, rel=1e-5)
    assert still == pytest.approx(0, abs=1e-9)
    assert expected > 1e-3


def test_the_base_may_be_trained_longer_and_more_slowly() -> None:
    base = BASE.model_copy(update={"epochs": 5, "learning_rate": 1e-4})
    method = BaseToData(1, 0, base=base, transport=TRANSPORT)
    records: list[Any] = []
    how = Training(QUICK, progress=records.append)
    history = method.fit(normal(500, 0, 1, 1), normal(500, 0.5, 1, 2), how)
    assert (history["base"].epochs, history["transport"].epochs) == (5, 2)
    assert max(record["learning_rate"] for record in records if record["stage"] == "base") <= 1e-4


@pytest.mark.parametrize("kind", ["autoregressive", "coupling"])
def test_the_base_may_be_of_either_kind(kind: Any) -> None:
    method = BaseToData(2, 1, base=BASE.model_copy(update={"kind": kind}), transport=TRANSPORT)
    rng = np.random.default_rng(1)
    context = rng.uniform(-1, 1, (2, 1000, 1))
    source, target = (Events.of(rng.normal(at, 1, (1000, 2)) + context[at], context[at]) for at in (0, 1))
    method.fit(source, target, Training(QUICK))
    assert np.isfinite(method.transform(source).features).all()


def stop_after(n_steps: int) -> Callable[[], bool]:
    asked = iter(range(n_steps + 1))

    def stop() -> bool:
        return next(asked, None) is None

    return stop


# 1500 events, 1350 of them trained on, in batches of 500: 3 steps an epoch, 6 a stage, which asks 5 times.
@pytest.mark.parametrize("n_steps", [1, 4, 6, 9, 11, 13])
def test_training_resumes_in_any_stage_to_the_same_bits(tmp_path: Path, n_steps: int) -> None:
    straight = fitted(IdentityInit, QUICK, start="trained")
    samples = normal(1500, 0, 1, 1, 2), normal(1500, 0.6, 0.8, 2, 2)
    stopped, resumed = scheme(IdentityInit, 2), scheme(IdentityInit, 2)
    with pytest.raises(Checkpointed):
        stopped.fit(*samples, Training(QUICK, tmp_path / "steps", stop_requested=stop_after(n_steps)))
    resumed.fit(*samples, Training(QUICK, tmp_path / "steps"))
    assert digest(resumed.state_dict()) == digest(straight.state_dict())


def test_a_transport_over_another_base_does_not_go_on_from_an_old_checkpoint(tmp_path: Path) -> None:
    samples = normal(1500, 0, 1, 1, 2), normal(1500, 0.6, 0.8, 2, 2)
    longer = BASE.model_copy(update={"epochs": 4})
    methods = [BaseToData(2, 0, base=base, transport=TRANSPORT) for base in (BASE, longer, longer)]
    for method, folder in zip(methods, ("one", "one", "another"), strict=True):
        method.fit(*samples, Training(QUICK, tmp_path / folder))
    assert digest(methods[1].state_dict()) == digest(methods[2].state_dict())
