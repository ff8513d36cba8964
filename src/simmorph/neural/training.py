"""Training: how a method asks for it, and `minimize`, the only training loop of the project."""

from __future__ import annotations

import math
import time
import zlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from simmorph.data.splits import HOLDOUT, VALIDATION, part_of
from simmorph.errors import Checkpointed, ConfigError, InputError, SimmorphError
from simmorph.neural.checkpoint import digest, read_checkpoint, write_checkpoint
from simmorph.neural.samples import Parts, Sample, deal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from simmorph.config.training import TrainingSettings
    from simmorph.data.events import Events

    Loss = Callable[..., Tensor]
    """Takes one Sample for each sample trained on, each a batch; returns the mean loss of the batch."""


@dataclass(frozen=True)
class History:
    """What one stage of training did.

    Attributes:
        stage: its name.
        losses: mean training loss of each epoch.
        validation_losses: loss on the validation part after each epoch; empty if there is no such part.
        best_epoch: the epoch, counted from 1, whose weights were kept.
        seconds: time spent, over all restarts.
    """

    stage: str
    losses: tuple[float, ...]
    validation_losses: tuple[float, ...]
    best_epoch: int
    seconds: float

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return len(self.losses)

    def to_json(self) -> dict[str, Any]:
        """The history as plain values."""
        return {"epochs": self.epochs, **asdict(self)}


def _never() -> bool:
    return False


def _silently(record: Mapping[str, Any]) -> None:
    """The default of `on_epoch`: tell nobody."""


@dataclass(frozen=True)
class Training:
    """How a method is to be trained, handed to its `fit`.

    Attributes:
        settings: the recipe's `training:` block.
        checkpoint: folder for checkpoints, one file for each stage; without it nothing is saved on the way.
        deadline: value of `time.monotonic()` at which to save and stop.
        stop_requested: tells whether to save and stop at once, as after SIGTERM.
        on_epoch: is told of every epoch: stage, epoch, epochs, loss, validation_loss, learning_rate, seconds.
    """

    settings: TrainingSettings
    checkpoint: Path | None = None
    deadline: float | None = None
    stop_requested: Callable[[], bool] = _never
    on_epoch: Callable[[Mapping[str, Any]], None] = _silently

    @property
    def device(self) -> torch.device:
        """Where to train.

        Raises:
            ConfigError: a GPU was asked for and there is none.
        """
        there = torch.cuda.is_available()
        if self.settings.device == "cuda" and not there:
            raise ConfigError("training.device", "there is no CUDA device here", "use `device: auto`")
        return torch.device("cuda" if there and self.settings.device != "cpu" else "cpu")

    def split(self, events: Events) -> tuple[Events, Events]:
        """The training and the validation part; events of the hold-out part are in neither."""
        settings = self.settings
        parts = part_of(events.ids, settings.seed, settings.validation, settings.holdout)
        return events[(parts != VALIDATION) & (parts != HOLDOUT)], events[parts == VALIDATION]

    def sample(self, events: Events) -> Sample:
        """Events as tensors on the device, with weights of mean 1.

        Raises:
            InputError: there are events, but their weights sum to nothing.
        """
        mean = float(events.weights.mean()) if len(events) else 1.0
        if not mean > 0:
            raise InputError("training", "the weights of a sample do not sum to more than zero")
        arrays = events.features, events.context, events.weights / mean
        return Sample(*(torch.as_tensor(array, dtype=torch.float32, device=self.device) for array in arrays))

    def parts(self, *samples: Events) -> list[Parts]:
        """The training part and the validation part of each sample, as tensors.

        Raises:
            InputError: a sample has no events to train on.
        """
        halves = [self.split(events) for events in samples]
        if not all(len(training) for training, _ in halves):
            raise InputError("training", "a sample has no events to train on", "select more events or hold out fewer")
        return [Parts(self.sample(training), self.sample(validation)) for training, validation in halves]

    def should_stop(self) -> bool:
        """Whether to save and stop now."""
        late = self.deadline is not None and time.monotonic() >= self.deadline
        return late or self.stop_requested()


def minimize(module: nn.Module, loss: Loss, data: Sequence[Parts], how: Training, stage: str = "fit") -> History:
    """Train a module, and leave it with its best weights.

    Adam with decoupled weight decay, a learning rate that falls as a cosine to zero, clipped gradients, and batches
    from permuted indices. An epoch passes once over the largest sample; a smaller one is dealt again, so that every
    batch holds as many events of each. If there is a checkpoint of the same work, it goes on from there, and ends with
    the same bits as if it had never stopped.

    Args:
        module: what is trained; every parameter that takes a gradient.
        loss: takes one batch of each sample, and returns the mean loss.
        data: the samples, from `how.parts`; with an empty validation part all epochs are trained and the last is kept.
        how: settings, checkpoint, deadline.
        stage: name of this stage of the method.

    Raises:
        Checkpointed: a stop was asked for; what was done is saved.
        SimmorphError: the loss is not finite any more.
    """
    devices = [how.device] if how.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(_seed(how.settings.seed, stage))
        return _Stage(module, loss, data, how, stage).run()


def _seed(seed: int, stage: str) -> int:
    return seed * 1_000_003 + zlib.crc32(stage.encode())


@dataclass
class _Progress:
    """Where a stage stands; everything that is not a tensor."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    best_epoch: int = 0
    finished: bool = False


class _Stage:
    """One run of the training loop: the state that a checkpoint must hold, and what moves it."""

    def __init__(self, module: nn.Module, loss: Loss, data: Sequence[Parts], how: Training, name: str) -> None:
        self.module, self.loss, self.how, self.name = module, loss, how, name
        self.training, self.validation = [parts.training for parts in data], [parts.validation for parts in data]
        settings = how.settings
        self.optimizer = torch.optim.AdamW(
            module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.generator = torch.Generator().manual_seed(_seed(settings.seed, name))
        self.n_steps = max(math.ceil(sample.n_events / settings.batch_size) for sample in self.training)
        self.work = self._work()
        self.progress = _Progress()
        self.best: dict[str, Tensor] = {}
        self.epoch_start = self.generator.get_state()

    def run(self) -> History:
        """Train from the start or from the checkpoint until done."""
        self._restore()
        while not self.progress.finished:
            self._epoch()
        self.module.eval()
        progress = self.progress
        return History(
            self.name,
            tuple(progress.losses),
            tuple(progress.validation_losses),
            progress.best_epoch,
            progress.seconds,
        )

    def _epoch(self) -> None:
        progress, started = self.progress, time.monotonic()
        self.epoch_start = self.generator.get_state()
        self.module.train()
        for batches in self._batches():
            self._step(batches)
            if progress.step < self.n_steps and self.how.should_stop():
                progress.seconds += time.monotonic() - started
                self._stop()
        rate = self._learning_rate()
        progress.losses.append(progress.loss_sum / self.n_steps)
        progress.epoch, progress.step, progress.loss_sum = progress.epoch + 1, 0, 0.0
        self._validate()
        progress.seconds += time.monotonic() - started
        self._report(rate)
        self.epoch_start = self.generator.get_state()
        if progress.epoch == self.how.settings.epochs or self._has_stalled():
            self._finish()
        elif self.how.should_stop():
            self._stop()

    def _batches(self) -> Iterator[list[Sample]]:
        """The batches of this epoch that are still to come."""
        size = self.how.settings.batch_size
        orders = [deal(sample.n_events, self.n_steps, size, self.generator) for sample in self.training]
        device = self.how.device
        for step in range(self.progress.step, self.n_steps):
            yield [sample.rows(order[step].to(device)) for sample, order in zip(self.training, orders, strict=True)]

    def _step(self, batches: Sequence[Sample]) -> None:
        progress = self.progress
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.optimizer.zero_grad()
        loss = self.loss(*batches)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.how.settings.clip_gradient is not None:
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.how.settings.clip_gradient)
        self.optimizer.step()
        progress.step += 1
        progress.loss_sum += self._finite(loss.item())

    def _finite(self, value: float) -> float:
        if math.isfinite(value):
            return value
        raise SimmorphError(
            f"training stage {self.name!r}, epoch {self.progress.epoch + 1}",
            "the loss is not finite any more",
            "lower training.learning_rate, or look for extreme values in the features",
        )

    def _learning_rate(self) -> float:
        """A cosine from the full rate to zero over all steps of all epochs."""
        done = (self.progress.epoch * self.n_steps + self.progress.step) / (self.how.settings.epochs * self.n_steps)
        return self.how.settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))

    @torch.no_grad()
    def _validate(self) -> None:
        """Note the validation loss, and keep the weights if they are the best so far."""
        progress = self.progress
        if not all(sample.n_events for sample in self.validation):
            return
        self.module.eval()
        progress.validation_losses.append(self._finite(self._validation_loss()))
        if progress.validation_losses[-1] == min(progress.validation_losses):
            progress.best_epoch = progress.epoch
            self.best = {name: values.detach().clone() for name, values in self.module.state_dict().items()}

    def _validation_loss(self) -> float:
        sizes = [sample.n_events for sample in self.validation]
        n_chunks = min(*sizes, math.ceil(max(sizes) / self.how.settings.batch_size))
        chunks = [sample.chunks(n_chunks) for sample in self.validation]
        losses = [self.loss(*batches).item() for batches in zip(*chunks, strict=True)]
        return sum(losses) / len(losses)

    def _has_stalled(self) -> bool:
        patience, progress = self.how.settings.patience, self.progress
        return patience is not None and bool(self.best) and progress.epoch - progress.best_epoch >= patience

    def _report(self, learning_rate: float) -> None:
        progress = self.progress
        validation = progress.validation_losses[-1] if progress.validation_losses else None
        self.how.on_epoch(
            {
                "stage": self.name,
                "epoch": progress.epoch,
                "epochs": self.how.settings.epochs,
                "loss": progress.losses[-1],
                "validation_loss": validation,
                "learning_rate": learning_rate,
                "seconds": round(progress.seconds, 3),
            }
        )

    def _finish(self) -> None:
        """Take the best weights, and remember that this stage is done."""
        if self.best:
            self.module.load_state_dict(self.best)
        else:
            self.progress.best_epoch = self.progress.epoch
        self.progress.finished = True
        self._save()

    def _stop(self) -> NoReturn:
        place = f"stopped in epoch {self.progress.epoch + 1} of {self.how.settings.epochs}"
        if self.how.checkpoint is None:
            raise SimmorphError(f"training stage {self.name!r}", place, "nothing was saved")
        self._save()
        raise Checkpointed(self.how.checkpoint, f"{place} and saved", "run the same command again to go on")

    @property
    def _file(self) -> Path | None:
        return self.how.checkpoint and self.how.checkpoint / f"{self.name}.safetensors"

    def _work(self) -> str:
        """What a checkpoint belongs to: the same start, data, settings and device give the same digest."""
        tensors = {f"module.{name}": values for name, values in self.module.state_dict().items()}
        for number, sample in enumerate([*self.training, *self.validation]):
            tensors |= {f"{number}.{name}": values for name, values in sample._asdict().items()}
        settings = self.how.settings.model_dump_json(exclude={"max_minutes", "device"})
        return digest(tensors, f"{self.name} {self.how.device.type} {settings}")

    def _save(self) -> None:
        if self._file is not None:
            record = {"work": self.work, "progress": asdict(self.progress)}
            write_checkpoint(self._file, self._tensors(), record)

    def _tensors(self) -> dict[str, Tensor]:
        """Everything that decides how training goes on."""
        tensors = {f"module.{name}": values for name, values in self.module.state_dict().items()}
        tensors |= {f"best.{name}": values for name, values in self.best.items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": values for name, values in state.items()}
        tensors["generator.shuffling"] = self.epoch_start
        tensors["generator.torch"] = torch.get_rng_state()
        if self.how.device.type == "cuda":
            tensors["generator.cuda"] = torch.cuda.get_rng_state(self.how.device)
        return tensors

    def _restore(self) -> None:
        """Go on from the checkpoint, if it is one of the same work."""
        if self._file is None or not self._file.exists():
            return
        tensors, record = read_checkpoint(self._file)
        if record.get("work") != self.work:
            return
        self.progress = _Progress(**record["progress"])
        self.module.load_state_dict(_under("module.", tensors))
        self.best = {name: values.to(self.how.device) for name, values in _under("best.", tensors).items()}
        self.optimizer.load_state_dict(
            {"state": _optimizer_state(tensors), "param_groups": self.optimizer.state_dict()["param_groups"]}
        )
        self.generator.set_state(tensors["generator.shuffling"])
        torch.set_rng_state(tensors["generator.torch"])
        if self.how.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["generator.cuda"], self.how.device)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): values for name, values in tensors.items() if name.startswith(prefix)}


def _optimizer_state(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, values in _under("optimizer.", tensors).items():
        index, key = name.split(".")
        state.setdefault(int(index), {})[key] = values
    return state
