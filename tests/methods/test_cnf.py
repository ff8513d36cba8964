"""The unpaired flow: what each of its losses learns, and what it forgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.methods.cnf import UnpairedFlow
from simmorph.neural.loop.training import Training

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray
    from simmorph.neural.loop.history import History

LOSSES = ("nll", "kl", "mmd", "mdmm")
SETTINGS = TrainingSettings(
    epochs=12, batch_size=500, learning_rate=5e-3, patience=None, device="cpu", holdout=0, validation=0.1
)


def normal(n_events: int, seed: int, mean: float = 0.0, deviation: float = 1.0, correlation: float = 0.0) -> Events:
    rng = np.random.default_rng(seed)
    first, other = np.asarray(rng.normal(size=(2, n_events)))
    second = correlation * first + np.sqrt(1 - correlation**2) * other
    return Events.of(mean + deviation * np.stack([first, second], axis=1))


def fitted(source: Events, target: Events, **options: Any) -> tuple[UnpairedFlow, dict[str, History]]:
    sizes: dict[str, Any] = {"layers": 2, "hidden": (32,), "mmd_frequencies": 128}
    method = UnpairedFlow(source.features.shape[1], source.context.shape[1], **(sizes | options))
    return method, method.fit(source, target, Training(SETTINGS))


def correlation(first: FloatArray, second: FloatArray) -> float:
    return float(np.mean((first - first.mean()) * (second - second.mean())) / (first.std() * second.std()))


def kept(source: Events, template: Events) -> float:
    """The correlation of the first feature before and after."""
    return correlation(source.features[:, 0], template.features[:, 0])


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_makes_the_marginals_right(loss: str) -> None:
    source, target = normal(5000, 1), normal(5000, 2, 0.5, 1.2)
    template = fitted(source, target, loss=loss)[0].transform(source)
    np.testing.assert_allclose(template.features.mean(axis=0), target.features.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(template.features.std(axis=0), target.features.std(axis=0), atol=0.1)


@pytest.mark.slow
def test_chance_pairs_forget_the_event_and_distances_between_samples_do_not() -> None:
    source, target = normal(4000, 1), normal(4000, 2, 0.5)
    retention = {loss: kept(source, fitted(source, target, loss=loss)[0].transform(source)) for loss in LOSSES}
    assert abs(retention["nll"]) < 0.15
    assert min(retention[loss] for loss in ("kl", "mmd", "mdmm")) > 0.97


@pytest.mark.slow
def test_the_marginals_alone_do_not_learn_a_correlation_and_the_joint_losses_do() -> None:
    source, target = normal(5000, 1), normal(5000, 2, correlation=0.6)
    found = {}
    for loss in ("kl", "mmd", "mdmm"):
        template = fitted(source, target, loss=loss)[0].transform(source)
        found[loss] = correlation(template.features[:, 0], template.features[:, 1])
    assert abs(found["kl"]) < 0.1
    assert found["mmd"] == pytest.approx(0.6, abs=0.1)
    assert found["mdmm"] == pytest.approx(0.6, abs=0.1)


@pytest.mark.parametrize("mmd", ["features", "unbiased", "paper"])
@pytest.mark.parametrize("loss", LOSSES)
def test_weights_enter_every_loss(loss: str, mmd: str) -> None:
    """The loss of a source whose one half counts nine times as much as the other depends on which half."""
    source, target = normal(400, 1), normal(400, 2, 0.5)
    method = UnpairedFlow(2, 0, loss=loss, mmd=mmd, layers=2, hidden=(8,), mmd_frequencies=32, mmd_batch=1000)  # type: ignore[arg-type]
    how = Training(SETTINGS.model_copy(update={"validation": 0.0}))
    parts = [how.parts(events)[0].training for events in (source, target)]
    method._fix(parts[1], how)
    method.eval()
    value = method._losses()[loss]

    def of(sample: Any, share: float) -> float:
        torch.manual_seed(1)
        weights = torch.where(sample.features[:, 0] > 0, share, 2 - share)
        return float(value(sample._replace(weights=weights), parts[1]).detach())

    assert of(parts[0], 1.8) != pytest.approx(of(parts[0], 0.2), rel=1e-3)


@pytest.mark.parametrize("predict", ["delta", "target"])
@pytest.mark.parametrize("loss", LOSSES)
def test_samples_of_different_sizes_and_contexts_of_any_number_are_paired(loss: str, predict: str) -> None:
    source, target = (
        events.with_context(np.random.default_rng(3).normal(size=(len(events), 2)))
        for events in (normal(1300, 1), normal(300, 2, 0.5))
    )
    method = UnpairedFlow(2, 2, loss=loss, predict=predict, layers=2, hidden=(8,), mmd_frequencies=32)  # type: ignore[arg-type]
    history = method.fit(source, target, Training(SETTINGS.model_copy(update={"epochs": 2})))
    assert np.isfinite(history["fit"].losses).all()
    assert np.isfinite(method.transform(source).features).all()


def test_the_map_begins_near_the_identity_where_it_is_to_keep_the_event() -> None:
    source, target = normal(300, 1), normal(300, 2)
    settings = SETTINGS.model_copy(update={"epochs": 1, "learning_rate": 1e-12})
    method = UnpairedFlow(2, 0, loss="mmd", layers=2, hidden=(8,))
    method.fit(source, target, Training(settings))
    moved = method.transform(source).features - source.features
    assert moved.std() == pytest.approx(0.02, rel=0.1)


def test_an_event_has_its_own_noise_whoever_stands_beside_it() -> None:
    source = normal(300, 1)
    method, _ = fitted(source, normal(300, 2), loss="kl")
    whole = method.transform(source)
    np.testing.assert_array_equal(method.transform(source[100:150]).features, whole.features[100:150])
    assert not np.allclose(np.diff(whole.features - source.features, axis=0), 0)


def test_a_warm_start_is_a_stage_of_its_own() -> None:
    source, target = normal(300, 1), normal(300, 2)
    method = UnpairedFlow(2, 0, loss="kl", warm_start=2, layers=2, hidden=(8,))
    history = method.fit(source, target, Training(SETTINGS.model_copy(update={"epochs": 3})))
    assert {stage: record.epochs for stage, record in history.items()} == {"nll": 2, "fit": 3}
    assert method.spread == 1.0


@pytest.mark.slow
def test_the_constraint_is_met_and_its_multiplier_comes_to_rest() -> None:
    source, target = normal(5000, 1), normal(5000, 2, correlation=0.6)
    method = UnpairedFlow(2, 0, layers=2, hidden=(32,), mmd_frequencies=128)
    history = method.fit(source, target, Training(SETTINGS.model_copy(update={"epochs": 40})))
    seen = history["fit"].observed
    assert set(seen) == {"primary", "constraint", "epsilon", "lambda"}
    assert seen["constraint"][0] > 5 * seen["epsilon"][0]
    assert method.multiplier.is_met
    assert seen["lambda"][-1] > 0
    assert abs(seen["lambda"][-1] - seen["lambda"][-3]) < 0.1 * max(seen["lambda"])
    notes = method.notes(source, method.transform(source))
    assert notes.warnings == []
    assert notes.numbers["lambda"] == pytest.approx(seen["lambda"][-1])


def test_a_constraint_that_is_not_met_is_said() -> None:
    source, target = normal(500, 1), normal(500, 2, 2.0)
    method = UnpairedFlow(2, 0, loss="mdmm", layers=2, hidden=(8,), mmd_frequencies=32)
    method.fit(source, target, Training(SETTINGS.model_copy(update={"epochs": 1, "learning_rate": 1e-9})))
    assert "not met" in method.notes(source, method.transform(source)).warnings[0]
    assert "multiplier.value" in method.state_dict()


def test_the_papers_bound_can_be_given_as_printed() -> None:
    source, target = normal(800, 1), normal(800, 2)
    method = UnpairedFlow(2, 0, loss="mdmm", mmd="paper", epsilon=2.01, constraint="equality", layers=2, hidden=(8,))
    settings = {"epochs": 2, "optimizer": "rmsprop", "schedule": "square_root", "final_learning_rate": 1e-5}
    history = method.fit(source, target, Training(SETTINGS.model_copy(update=settings)))
    assert history["fit"].observed["epsilon"] == pytest.approx((2.01, 2.01))
