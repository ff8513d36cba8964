"""How many steps a training takes, and what is said where they are too few."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from simmorph.config.learning import Learning
from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.errors import Checkpointed
from simmorph.methods.registry import METHODS
from simmorph.model import Model
from simmorph.neural.loop.minimize import minimize
from simmorph.neural.loop.pace import Need, pace_of
from simmorph.neural.loop.training import Training

if TYPE_CHECKING:
    from pathlib import Path

    from simmorph.neural.loop.batches import Batch
    from simmorph.neural.loop.history import History

AUTO = TrainingSettings(device="cpu")
NEED = Need(steps=400, batch_size=64, learning_rate=0.1)


class Mean(nn.Module):
    """Learns the mean of a sample, and counts its steps."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.n_steps = nn.Parameter(torch.zeros(2)), 0

    def loss(self, batch: Batch) -> torch.Tensor:
        self.n_steps += self.training
        return (batch.features - self.mean).square().mean()


def learn(how: Training, n_events: int = 500) -> tuple[Mean, History]:
    module = Mean()
    events = Events.of(np.random.default_rng(1).normal(1.0, 0.1, size=(n_events, 2)))
    return module, minimize(module, module.loss, how.parts(events), how)


@given(n_events=st.integers(1, 10_000_000), steps=st.integers(1, 5000), batch=st.integers(64, 4096))
def test_left_alone_a_training_has_the_steps_that_it_needs_and_hardly_more(
    n_events: int, steps: int, batch: int
) -> None:
    pace = pace_of(AUTO, Need(steps, batch, 1e-3), n_events)
    taken = pace.epochs * pace.epoch_steps
    assert pace.needed_steps <= taken < pace.needed_steps + pace.epoch_steps
    assert (pace.needed_steps >= steps) == (n_events >= 8000 or pace.needed_steps == steps)
    assert pace.epoch_steps == math.ceil(n_events / pace.batch_size)
    assert pace.batch_size & (pace.batch_size - 1) == 0
    assert 64 <= pace.batch_size <= max(64, n_events / 4)
    assert pace.remark == ""


def test_four_times_the_events_get_twice_the_steps_if_they_are_few_or_many() -> None:
    tiny, few, some, many, more = (pace_of(AUTO, NEED, n) for n in (2000, 8000, 30_000, 120_000, 480_000))
    assert [it.needed_steps for it in (tiny, few, some, many, more)] == [200, 400, 400, 800, 1600]
    assert [it.batch_size for it in (few, some, many, more)] == [64, 64, 128, 256]


@pytest.mark.parametrize(
    ("key", "value"), [("epochs", 7), ("batch_size", 100), ("learning_rate", 0.3), ("patience", 3), ("patience", None)]
)
def test_what_a_recipe_sets_stands(key: str, value: Any) -> None:
    settings = TrainingSettings.model_validate({key: value})
    assert getattr(pace_of(settings, NEED, 5000), key) == value


@given(n_events=st.integers(100, 1_000_000), epochs=st.integers(1, 100), batch=st.integers(1, 10_000))
def test_the_epochs_that_a_warning_names_are_enough(n_events: int, epochs: int, batch: int) -> None:
    pace = pace_of(TrainingSettings(epochs=epochs, batch_size=batch), Need(1000, 512, 1e-3), n_events)
    assert bool(pace.remark) == (2 * epochs * pace.epoch_steps < pace.needed_steps)
    if pace.remark:
        enough = int(re.findall(r"train ([\d,]+) epochs", pace.remark)[0].replace(",", ""))
        longer = TrainingSettings(epochs=enough, batch_size=batch)
        assert pace_of(longer, Need(1000, 512, 1e-3), n_events).remark == ""


def test_the_loop_takes_the_steps_of_its_pace() -> None:
    settings = AUTO.model_copy(update={"patience": None})
    module, history = learn(Training(settings, need=NEED))
    assert history.pace is not None
    assert history.pace.batch_size == 64
    assert module.n_steps == history.epochs * history.pace.epoch_steps >= history.pace.needed_steps
    assert module.mean.detach().numpy() == pytest.approx([1.0, 1.0], abs=0.5)


def test_a_training_left_alone_goes_on_from_its_checkpoint_to_the_same_bits(tmp_path: Path) -> None:
    straight, history = learn(Training(AUTO, need=NEED))
    with pytest.raises(Checkpointed):
        learn(Training(AUTO, tmp_path, deadline=0.0, need=NEED))
    resumed, again = learn(Training(AUTO, tmp_path, need=NEED))
    assert torch.equal(resumed.mean, straight.mean)
    assert again.losses == history.losses


def test_a_method_that_needs_other_steps_does_not_go_on_from_the_checkpoint(tmp_path: Path) -> None:
    other = NEED._replace(learning_rate=5e-2)
    with pytest.raises(Checkpointed):
        learn(Training(AUTO, tmp_path, deadline=0.0, need=NEED))
    assert learn(Training(AUTO, tmp_path, need=other))[1].losses == learn(Training(AUTO, need=other))[1].losses


def model_of(training: dict[str, Any]) -> Model:
    """A small flow between two samples of 400 events."""
    rng = np.random.default_rng(1)
    method = {"name": "one_flow", "layers": 1, "hidden": (8,), "marginal_bins": 0}
    learning = Learning.model_validate({"features": ["x", "y"], "method": method, "training": training})
    source, target = (Events.of(rng.normal(shift, 1, size=(400, 2))) for shift in (0.5, 0))
    return Model.fit(learning, source, target)


def test_too_few_steps_are_said_in_the_card_with_the_mend() -> None:
    card = model_of({"epochs": 2, "batch_size": 128, "holdout": 0}).card
    needed = card.history["fit"]["pace"]["needed_steps"]
    assert needed == pytest.approx(METHODS["one_flow"].needs.steps * (360 / 8000) ** 0.5, rel=0.05)
    assert len(card.warnings) == 1
    assert f"2 epochs of 3 steps are 6 steps, and some {needed} are needed: leave training.epochs" in card.warnings[0]


def test_a_card_keeps_what_was_asked_for_and_what_it_became() -> None:
    card = model_of({"batch_size": 128, "epochs": 3, "holdout": 0}).card
    assert (card.learning.training.epochs, card.learning.training.learning_rate) == (3, "auto")
    assert card.history["fit"]["pace"]["learning_rate"] == METHODS["one_flow"].needs.learning_rate
    assert "fit: 3 epochs" in card.to_text()
    assert f"3 steps of 128 events each, learning rate {METHODS['one_flow'].needs.learning_rate:g}" in card.to_text()
