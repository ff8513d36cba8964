"""The training loop: resumable to the bit, seeded, stopped early, and weighted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.errors import Checkpointed, ConfigError, InputError, SimmorphError
from simmorph.neural.loop.batches import Batch, Parts, batch_indices
from simmorph.neural.loop.checkpoint import digest
from simmorph.neural.loop.minimize import minimize
from simmorph.neural.loop.stage import Player
from simmorph.neural.loop.training import Training
from simmorph.neural.networks import Perceptron, initialise

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from simmorph.neural.loop.history import History

SETTINGS = TrainingSettings(epochs=4, batch_size=64, learning_rate=1e-2, patience=None, device="cpu")


def sample(n_events: int, seed: int) -> Events:
    rng = np.random.default_rng(seed)
    return Events.of(rng.normal(size=(n_events, 2)), weights=rng.uniform(0.5, 1.5, n_events))


class Noisy(nn.Module):
    """A network with dropout, so that training also draws from torch's global generator."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Perceptron(2, (16,), 1)

    def loss(self, *batches: Batch) -> torch.Tensor:
        losses = [
            (batch.weights * (self.forward(batch.features) - number).square()).mean()
            for number, batch in enumerate(batches)
        ]
        return torch.stack(losses).mean()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        dropped = nn.functional.dropout(features, 0.2, training=self.training)
        return torch.as_tensor(self.network(dropped)[:, 0])


def stages(how: Training) -> tuple[Noisy, list[History]]:
    """A method of two stages on samples of different size."""
    module = Noisy()
    initialise(module, how.settings.seed)
    data = how.parts(sample(500, 1), sample(200, 2))
    return module, [minimize(module, module.loss, data, how, stage) for stage in ("first", "second")]


def stop_after(n_steps: int) -> Callable[[], bool]:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > n_steps

    return stop


def tensors_sha256(module: nn.Module) -> str:
    return digest(module.state_dict())


# 300 training events in batches of 64: 5 steps an epoch, 20 a stage; each step and each epoch's end asks once.
@pytest.mark.parametrize("n_steps", [0, 3, 4, 5, 7, 18, 19, 20, 27])
def test_resumed_training_ends_with_the_same_bits(tmp_path: Path, n_steps: int) -> None:
    straight, histories = stages(Training(SETTINGS))
    checkpoint = tmp_path / "checkpoint"
    with pytest.raises(Checkpointed) as stopped:
        stages(Training(SETTINGS, checkpoint, stop_requested=stop_after(n_steps)))
    assert stopped.value.exit_code == 85
    torch.manual_seed(99)  # the state of the program that resumes does not matter
    resumed, again = stages(Training(SETTINGS, checkpoint))
    assert tensors_sha256(resumed) == tensors_sha256(straight)
    assert [history.losses for history in again] == [history.losses for history in histories]
    assert [history.validation_losses for history in again] == [history.validation_losses for history in histories]


def test_many_stops_change_nothing(tmp_path: Path) -> None:
    straight, _ = stages(Training(SETTINGS))
    checkpoint = tmp_path / "checkpoint"
    n_stops = 0
    while True:
        try:
            resumed, _ = stages(Training(SETTINGS, checkpoint, deadline=0.0))
        except Checkpointed:
            n_stops += 1
        else:
            break
    assert n_stops > 30
    assert tensors_sha256(resumed) == tensors_sha256(straight)


@pytest.mark.parametrize("change", [{"learning_rate": 2e-2}, {"seed": 2}, {"epochs": 5}])
def test_checkpoint_of_other_work_is_not_resumed(tmp_path: Path, change: dict[str, Any]) -> None:
    checkpoint = tmp_path / "checkpoint"
    with pytest.raises(Checkpointed):
        stages(Training(SETTINGS, checkpoint, stop_requested=stop_after(7)))
    other = SETTINGS.model_copy(update=change)
    resumed, _ = stages(Training(other, checkpoint))
    straight, _ = stages(Training(other))
    assert tensors_sha256(resumed) == tensors_sha256(straight)


def test_time_limit_does_not_make_it_other_work(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    with pytest.raises(Checkpointed):
        stages(Training(SETTINGS, checkpoint, stop_requested=stop_after(7)))
    before = sorted(checkpoint.iterdir())
    records: list[Any] = []
    stages(Training(SETTINGS.model_copy(update={"max_minutes": 5.0}), checkpoint, progress=records.append))
    assert [path.name for path in before] == ["first.safetensors"]
    assert records[0]["epoch"] == 2


def test_damaged_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    with pytest.raises(Checkpointed):
        stages(Training(SETTINGS, checkpoint, stop_requested=stop_after(7)))
    file = checkpoint / "first.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        stages(Training(SETTINGS, checkpoint))
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cannot be read"):
        stages(Training(SETTINGS, checkpoint))


def test_stop_without_a_checkpoint_folder_says_that_nothing_is_saved() -> None:
    with pytest.raises(SimmorphError, match="nothing was saved"):
        stages(Training(SETTINGS, stop_requested=lambda: True))


def test_training_is_seeded_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, _ = stages(Training(SETTINGS))
    other, _ = stages(Training(SETTINGS.model_copy(update={"seed": 2})))
    assert tensors_sha256(first) != tensors_sha256(other)
    torch.manual_seed(2)
    second, _ = stages(Training(SETTINGS))
    assert tensors_sha256(first) == tensors_sha256(second)
    torch.manual_seed(1)
    module = Noisy()
    torch.set_rng_state(state)
    minimize(module, module.loss, Training(SETTINGS).parts(sample(100, 1)), Training(SETTINGS))
    assert torch.equal(torch.get_rng_state(), state)


class Fetches(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the numbers fetched from tensors, for each of which a GPU has to finish its work."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop"])
def test_no_step_waits_for_a_number(optimizer: str) -> None:
    counts = []
    for batch_size in (500, 20):
        settings = SETTINGS.model_copy(update={"batch_size": batch_size, "optimizer": optimizer})
        with Fetches() as fetches:
            stages(Training(settings))
        counts.append(fetches.count)
    assert counts[0] == counts[1] > 0


def test_every_epoch_is_reported() -> None:
    records: list[Any] = []
    _, histories = stages(Training(SETTINGS, progress=records.append))
    assert [(record["stage"], record["epoch"]) for record in records] == [
        (stage, epoch) for stage in ("first", "second") for epoch in (1, 2, 3, 4)
    ]
    assert {"epochs", "loss", "validation_loss", "learning_rate", "seconds"} <= set(records[0])
    assert histories[0].to_json()["losses"] == tuple(record["loss"] for record in records[:4])
    rates = [record["learning_rate"] for record in records[:4]]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0)


class Line(nn.Module):
    """One parameter, drawn towards the features and away from those of the validation part."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(()))

    def loss(self, batch: Batch) -> torch.Tensor:
        return (batch.weights * (batch.features[:, 0] - self.place).square()).mean()


def tensors(values: list[float], weights: list[float] | None = None) -> Batch:
    column = torch.tensor(values)[:, None]
    chosen = torch.ones(len(values)) if weights is None else torch.tensor(weights)
    return Batch(column, torch.empty(len(values), 0), chosen)


STALLING = TrainingSettings(epochs=60, learning_rate=0.1, patience=5, device="cpu")


def stalled(settings: TrainingSettings, **how: Any) -> tuple[Line, History]:
    """A line that passes by what the validation part likes best."""
    module = Line()
    data = [Parts(tensors([4.0] * 10), tensors([1.0]))]
    return module, minimize(module, module.loss, data, Training(settings, **how))


def test_the_best_weights_on_the_validation_part_are_kept() -> None:
    module, history = stalled(STALLING.model_copy(update={"schedule": "constant"}))
    assert module.place.item() == pytest.approx(1, abs=0.15)
    assert history.epochs == history.best_epoch + 5 < 60
    assert history.validation_losses[history.best_epoch - 1] == min(history.validation_losses)


def test_where_the_loss_stands_still_the_learning_rate_is_brought_down_from_the_best_weights() -> None:
    records: list[Any] = []
    module, history = stalled(STALLING, progress=records.append)
    stalled_at = history.epochs - 3
    losses, rates = history.validation_losses, [record["learning_rate"] for record in records]
    assert 60 > stalled_at == 5 + 1 + int(np.argmin(losses[:stalled_at]))
    assert losses[stalled_at] < losses[stalled_at - 1]
    steps = -np.diff(rates)
    assert min(steps[stalled_at:]) > 3 * max(steps[: stalled_at - 1]) > 0
    assert rates[-1] < 0.3 * rates[stalled_at - 1]
    assert history.validation_losses[history.best_epoch - 1] == min(losses)
    assert module.place.item() == pytest.approx(1, abs=0.15)


def test_stops_while_the_learning_rate_is_brought_down_change_nothing(tmp_path: Path) -> None:
    straight, history = stalled(STALLING)
    for _ in range(200):
        try:
            resumed, again = stalled(STALLING, checkpoint=tmp_path / "checkpoint", deadline=0.0)
        except Checkpointed:
            continue
        break
    assert tensors_sha256(resumed) == tensors_sha256(straight)
    assert again.validation_losses == history.validation_losses


def test_without_a_validation_part_all_epochs_are_trained() -> None:
    module = Line()
    settings = TrainingSettings(epochs=50, learning_rate=0.3, validation=0, device="cpu")
    history = minimize(module, module.loss, [Parts(tensors([4.0] * 10), tensors([]))], Training(settings))
    assert history.validation_losses == ()
    assert history.best_epoch == history.epochs == 50
    assert module.place.item() > 3


def test_weights_weigh() -> None:
    module = Line()
    data = Training(SETTINGS).sample(Events.of(np.array([[0.0], [1.0]]), weights=np.array([10.0, 30.0])))
    settings = TrainingSettings(epochs=300, learning_rate=0.05, patience=None, device="cpu")
    minimize(module, module.loss, [Parts(data, data)], Training(settings))
    assert module.place.item() == pytest.approx(0.75, abs=0.01)


def test_a_loss_that_is_not_finite_ends_training_with_advice() -> None:
    module = Line()
    data = [Parts(tensors([1.0, float("nan")]), tensors([]))]
    with pytest.raises(SimmorphError, match=r"epoch 1: the loss is not finite any more; lower training\.learning_rate"):
        minimize(module, module.loss, data, Training(SETTINGS))


def test_holdout_and_validation_events_are_not_trained_on() -> None:
    how = Training(TrainingSettings(validation=0.2, holdout=0.3, seed=4))
    events = sample(5000, 1)
    training, validation = how.split(events)
    assert not set(training.ids) & set(validation.ids)
    assert len(training) == pytest.approx(2500, abs=150)
    assert len(validation) == pytest.approx(1000, abs=120)


def test_sample_without_training_events_is_refused() -> None:
    with pytest.raises(InputError, match="no events to train on"):
        Training(SETTINGS).parts(sample(100, 1), sample(0, 1))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_gpu_is_a_mistake_of_the_recipe() -> None:
    with pytest.raises(ConfigError, match="no CUDA device"):
        Training(TrainingSettings(device="cuda")).device  # noqa: B018


def test_every_event_is_dealt_before_one_is_dealt_again() -> None:
    rows = batch_indices(10, 7, 4, torch.Generator().manual_seed(1))
    assert rows.shape == (7, 4)
    order = rows.flatten()
    assert sorted(order[:10].tolist()) == sorted(order[10:20].tolist()) == list(range(10))
    assert sorted(batch_indices(3, 2, 8, torch.Generator()).tolist()[1]) == [0, 1, 2]


class Saddle(nn.Module):
    """The game min over x, max over y of x y + x^2 / 2 - (y - 1)^2 / 2, which ends at x = -1/2, y = 1/2."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.y = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.tensor(-2.0))

    def value(self, batch: Batch) -> torch.Tensor:
        return (batch.weights * (self.x * self.y + self.x**2 / 2 - (self.y - 1) ** 2 / 2)).mean()

    def players(self, every: int) -> list[Player]:
        return [Player(lambda batch: -self.value(batch), [self.y]), Player(self.value, [self.x], every)]


def play(how: Training, every: int = 2) -> tuple[Saddle, History]:
    module = Saddle()
    return module, minimize(module, module.players(every), how.parts(sample(500, 1)), how, keep_best=False)


GAME = SETTINGS.model_copy(update={"epochs": 150, "learning_rate": 3e-2, "final_learning_rate": 1e-3})


def test_players_of_a_game_move_only_their_own_parameters_and_find_the_saddle() -> None:
    module, history = play(Training(GAME))
    assert module.x.item() == pytest.approx(-0.5, abs=0.03)
    assert module.y.item() == pytest.approx(0.5, abs=0.03)
    assert history.best_epoch == GAME.epochs


@pytest.mark.parametrize("n_steps", [3, 42])
def test_a_game_resumes_with_the_same_bits(tmp_path: Path, n_steps: int) -> None:
    settings = GAME.model_copy(update={"epochs": 20, "optimizer": "rmsprop", "schedule": "square_root"})
    straight, history = play(Training(settings))
    with pytest.raises(Checkpointed):
        play(Training(settings, tmp_path / "checkpoint", stop_requested=stop_after(n_steps)))
    resumed, again = play(Training(settings, tmp_path / "checkpoint"))
    assert tensors_sha256(resumed) == tensors_sha256(straight)
    assert again.losses == history.losses


def test_a_score_decides_on_the_best_weights_and_stays_in_the_history() -> None:
    module, scores = Noisy(), iter([0.6, 0.5, 0.7, 0.5])
    snapshots: list[str] = []

    def score() -> float:
        snapshots.append(tensors_sha256(module))
        return next(scores)

    data = Training(SETTINGS).parts(sample(500, 1), sample(200, 2))
    history = minimize(module, module.loss, data, Training(SETTINGS), score=score, observe=lambda: {"lambda": 2.0})
    assert history.best_epoch == 2
    assert tensors_sha256(module) == snapshots[1]
    assert history.observed == {"lambda": (2.0,) * 4, "held_out_auc": (0.6, 0.5, 0.7, 0.5)}


@pytest.mark.parametrize(
    ("schedule", "halfway"), [("cosine", 0.55), ("square_root", 0.1 + 0.9 * 0.5**0.5), ("constant", 1.0)]
)
def test_the_learning_rate_follows_its_schedule(schedule: str, halfway: float) -> None:
    change = {"schedule": schedule, "learning_rate": 1.0, "final_learning_rate": 0.1, "epochs": 2, "batch_size": 512}
    rates: list[float] = []
    how = Training(SETTINGS.model_copy(update=change), progress=lambda record: rates.append(record["learning_rate"]))
    module = Saddle()
    minimize(module, lambda batch: (batch.weights * module.x).mean(), how.parts(sample(500, 1)), how)
    assert rates[0] == pytest.approx(halfway)


def test_members_of_an_ensemble_begin_differently_and_share_the_deal_of_events() -> None:
    first, second = Training(SETTINGS), Training(SETTINGS, member=1)
    assert first.seed == SETTINGS.seed != second.seed
    events = sample(500, 1)
    np.testing.assert_array_equal(first.split(events)[0].ids, second.split(events)[0].ids)
    _, history = play(second)
    assert history.stage == "member2-fit"
