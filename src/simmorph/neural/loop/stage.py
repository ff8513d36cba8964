"""One run of the training loop: the state that a checkpoint must hold, and what moves it."""

from __future__ import annotations

import json
import math
import time
import zlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import torch

from simmorph.errors import Checkpointed, SimmorphError
from simmorph.neural.loop.batches import Parts, batch_indices
from simmorph.neural.loop.checkpoint import digest, read_checkpoint, write_checkpoint
from simmorph.neural.loop.compilation import compiled_or_plain
from simmorph.neural.loop.history import History

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from torch import Tensor, nn

    from simmorph.neural.loop.batches import Batch
    from simmorph.neural.loop.training import Training

    Loss = Callable[..., Tensor]
    """Takes one Batch for each sample trained on, each a batch; returns the mean loss of the batch."""

RMSPROP_DECAY = 0.9
"""Of the running mean of squared gradients, as in the papers' Keras; torch's own default is 0.99."""


class Player(NamedTuple):
    """One player of an alternating game, such as a critic or a generator.

    Attributes:
        loss: what this player makes small.
        parameters: what it moves; gradients of no other parameters are computed.
        every: it moves in each step of an epoch whose number, counted from 1, this divides; at least once an epoch.
    """

    loss: Loss
    parameters: Sequence[nn.Parameter]
    every: int = 1


class Watch(NamedTuple):
    """What is looked at after each epoch beside the loss.

    Attributes:
        score: decides which weights are best in place of the validation loss; smaller is better.
        observe: numbers to keep in the history.
        keep_best: end with the best weights, or else with the last.
    """

    score: Callable[[], float] | None = None
    observe: Callable[[], Mapping[str, float]] | None = None
    keep_best: bool = True


def seed_of(seed: int, stage: str) -> int:
    """The seed of a stage's own random numbers."""
    return seed * 1_000_003 + zlib.crc32(stage.encode())


@dataclass
class _Progress:
    """Where a stage stands; everything that is not a tensor.

    Attributes:
        epoch: epochs that are done.
        step: steps of the present epoch that are done.
        seconds: spent in epochs, over all restarts.
        losses: of training, one for each epoch.
        validation_losses: the same of validation; none without a validation part.
        observed: what else was looked at, by name, one number for each epoch.
        best_score: the least score so far.
        best_epoch: the epoch that it is of, from 1.
        stalled_at: the epoch from which on the learning rate is brought to its end; None as long as it is not.
        finished: whether the stage is done.
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    observed: dict[str, list[float]] = field(default_factory=dict)
    best_score: float | None = None
    best_epoch: int = 0
    stalled_at: int | None = None
    finished: bool = False


class Stage:
    """One call of `minimize`; see there.

    An epoch has as many steps as the largest sample has batches. Between two steps everything that decides how training
    goes on is in `_tensors` and `_progress`: parameters, the optimisers' state, the best weights, and the states of all
    random generators. A stage restored from them ends with the same bits as one that was never stopped.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what minimize is given
        self,
        module: nn.Module,
        players: Sequence[Player],
        data: Sequence[Parts],
        how: Training,
        name: str,
        watch: Watch,
    ) -> None:
        self.module, self.how, self.name, self.watch = module, how, name, watch
        self.training, self.validation = [parts.training for parts in data], [parts.validation for parts in data]
        self.pace = how.pace(max(sample.n_events for sample in self.training))
        self.n_steps = self.pace.epoch_steps
        self.optimizers = [_optimizer(player.parameters, how, self.pace.learning_rate) for player in players]
        self.generator = torch.Generator().manual_seed(seed_of(how.seed, name))
        self.players = [player._replace(every=min(player.every, self.n_steps)) for player in players]
        self.losses = [player.loss for player in players]
        self.work = self._work()
        self.progress = _Progress()
        self.best: dict[str, Tensor] = {}
        # Summed where the loss is computed: to fetch each value would make a GPU wait in every step.
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=how.device)
        self.epoch_start = self.generator.get_state()

    def run(self) -> History:
        """Train from the start or from the checkpoint until done."""
        self._restore()
        if not self.progress.finished:
            with self._compiled() as self.losses:
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
            {name: tuple(values) for name, values in progress.observed.items()},
            self.pace,
        )

    def _epoch(self) -> None:
        """One epoch, or what is left of it: all steps, then validation, report, and whether to go on.

        Raises:
            Checkpointed: training was asked to stop, and is saved.
            SimmorphError: the loss is not finite.
        """
        progress, started = self.progress, time.monotonic()
        self.epoch_start = self.generator.get_state()
        self.module.train()
        for batches in self._batches():
            self._step(batches)
            if progress.step < self.n_steps and self.how.should_stop():
                progress.seconds += time.monotonic() - started
                self._stop()
        rate = self._learning_rate()
        progress.losses.append(self._finite(self.loss_sum.item() / (self.n_steps // self.players[-1].every)))
        progress.epoch, progress.step = progress.epoch + 1, 0
        self.loss_sum.zero_()
        self._look()
        progress.seconds += time.monotonic() - started
        self._report(rate)
        self.epoch_start = self.generator.get_state()
        if self._has_stalled():
            self._cool()
        if progress.epoch >= self._last_epoch:
            self._finish()
        elif self.how.should_stop():
            self._stop()

    def _compiled(self) -> AbstractContextManager[list[Loss]]:
        """The losses of training, compiled if the settings ask for it; validation, of other shapes, never is."""
        batches = [sample.rows(slice(self.pace.batch_size)) for sample in self.training]
        n_steps = self.pace.epochs * self.n_steps
        return compiled_or_plain(self.how.settings.compile, self.losses, batches, self.module, n_steps)

    def _batches(self) -> Iterator[list[Batch]]:
        """The batches of this epoch that are still to come."""
        size, device = self.pace.batch_size, self.how.device
        orders = [batch_indices(it.n_events, self.n_steps, size, self.generator).to(device) for it in self.training]
        for step in range(self.progress.step, self.n_steps):
            yield [sample.rows(order[step]) for sample, order in zip(self.training, orders, strict=True)]

    def _step(self, batches: Sequence[Batch]) -> None:
        """Every player whose turn it is moves; the loss of the last one counts for the epoch."""
        progress, rate = self.progress, self._learning_rate()
        progress.step += 1
        for number, player in enumerate(self.players):
            if progress.step % player.every == 0:
                loss = self._move(number, batches, rate)
                if player is self.players[-1]:
                    self.loss_sum += loss

    def _move(self, number: int, batches: Sequence[Batch], rate: float) -> Tensor:
        """One player's move; returns its loss."""
        optimizer, parameters = self.optimizers[number], list(self.players[number].parameters)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss = self.losses[number](*batches)
        loss.backward(inputs=parameters)  # type: ignore[no-untyped-call]
        if self.how.settings.clip_gradient is not None:
            torch.nn.utils.clip_grad_norm_(parameters, self.how.settings.clip_gradient)
        optimizer.step()
        return loss.detach()

    def _finite(self, value: float) -> float:
        """The value itself.

        Raises:
            SimmorphError: it is not finite.
        """
        if math.isfinite(value):
            return value
        raise SimmorphError(
            f"training stage {self.name!r}, epoch {max(self.progress.epoch, len(self.progress.losses) + 1)}",
            "the loss is not finite any more",
            "lower training.learning_rate, or look for extreme values in the features",
        )

    def _learning_rate(self) -> float:
        """The rate of the next step, by the schedule over all steps of all epochs."""
        settings, first = self.how.settings, self.pace.learning_rate
        done = self._done()
        left = {"cosine": 0.5 * (1 + math.cos(math.pi * done)), "square_root": math.sqrt(1 - done), "constant": 1.0}
        last = min(settings.final_learning_rate, first)
        return last + (first - last) * left[settings.schedule]

    def _done(self) -> float:
        """The share of the schedule that is behind: that of the epochs, or more once training has stalled."""
        progress, epochs = self.progress, self.pace.epochs
        epoch, stalled_at = progress.epoch + progress.step / self.n_steps, progress.stalled_at
        if stalled_at is None or stalled_at == self._last_epoch:
            return epoch / epochs
        before = stalled_at / epochs
        return before + (1 - before) * (epoch - stalled_at) / (self._last_epoch - stalled_at)

    @property
    def _last_epoch(self) -> int:
        """The epoch that training ends with."""
        pace, stalled_at = self.pace, self.progress.stalled_at
        if stalled_at is None or pace.patience is None:
            return pace.epochs
        more = 0 if self.how.settings.schedule == "constant" else math.ceil(pace.patience / 2)
        return min(pace.epochs, stalled_at + more)

    def _look(self) -> None:
        """Note the validation loss and what else is observed, and keep the weights if they are the best so far."""
        self.module.eval()
        score = math.nan
        if all(sample.n_events for sample in self.validation):
            with torch.no_grad():
                score = self._finite(self._validation_loss())
            self.progress.validation_losses.append(score)
        if self.watch.observe is not None:
            self._note(self.watch.observe())
        if self.watch.score is not None:
            score = self.watch.score()
            self._note({"held_out_auc": score})
        self._keep(score)

    def _keep(self, score: float) -> None:
        """Keep the weights if there is a score and it is the best so far."""
        best = self.progress.best_score
        if self.watch.keep_best and (score < best if best is not None else not math.isnan(score)):
            self.progress.best_score, self.progress.best_epoch = score, self.progress.epoch
            self.best = {name: values.detach().clone() for name, values in self.module.state_dict().items()}

    def _note(self, numbers: Mapping[str, float]) -> None:
        """Add numbers to the history of this epoch."""
        for name, value in numbers.items():
            self.progress.observed.setdefault(name, []).append(float(value))

    def _validation_loss(self) -> float:
        """The loss of the last player."""
        loss = self.players[-1].loss
        sizes = [sample.n_events for sample in self.validation]
        n_chunks = min(*sizes, math.ceil(max(sizes) / self.pace.batch_size))
        chunks = [sample.chunks(n_chunks) for sample in self.validation]
        losses = [loss(*batches) for batches in zip(*chunks, strict=True)]
        return torch.stack(losses).double().mean().item()

    def _has_stalled(self) -> bool:
        """Whether `patience` epochs have gone by without better weights; it is found once."""
        patience, progress = self.pace.patience, self.progress
        if patience is None or progress.stalled_at is not None or not self.best:
            return False
        return progress.epoch - progress.best_epoch >= patience

    def _cool(self) -> None:
        """Go back to the best weights, to bring the learning rate to its end from there.

        While the rate is high a loss stands still that small steps would still lower.
        """
        self.progress.stalled_at = self.progress.epoch
        self.module.load_state_dict(self.best)

    def _report(self, learning_rate: float) -> None:
        """Say what the epoch has brought."""
        progress = self.progress
        self.how.progress(
            {
                "stage": self.name,
                "epoch": progress.epoch,
                "epochs": self.pace.epochs,
                "loss": progress.losses[-1],
                "validation_loss": progress.validation_losses[-1] if progress.validation_losses else None,
                "learning_rate": learning_rate,
                "seconds": round(progress.seconds, 3),
                **{name: values[-1] for name, values in progress.observed.items()},
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
        """Save and leave.

        Raises:
            Checkpointed: it is saved.
            SimmorphError: there is no place to save it, or the loss is not finite.
        """
        self._finite(self.loss_sum.item())
        place = f"stopped in epoch {self.progress.epoch + 1} of {self.pace.epochs}"
        if self.how.checkpoint is None:
            raise SimmorphError(f"training stage {self.name!r}", place, "nothing was saved")
        self._save()
        raise Checkpointed(self.how.checkpoint, f"{place} and saved", "run the same command again to go on")

    @property
    def _file(self) -> Path | None:
        """The checkpoint of this stage, if checkpoints are kept."""
        return self.how.checkpoint and self.how.checkpoint / f"{self.name}.safetensors"

    def _work(self) -> str:
        """What a checkpoint belongs to: the same learning, start, data, settings and device give the same digest."""
        tensors = {f"module.{name}": values for name, values in self.module.state_dict().items()}
        for number, sample in enumerate([*self.training, *self.validation]):
            tensors |= {f"{number}.{name}": values for name, values in sample._asdict().items()}
        how = self.how
        settings = json.dumps(how.settings.decisive())
        return digest(
            tensors, f"{self.name} {how.member} {how.device.type} {how.learning} {settings} {list(self.pace)}"
        )

    def _save(self) -> None:
        """Write the checkpoint, if checkpoints are kept."""
        if self._file is not None:
            record = {"work": self.work, "progress": asdict(self.progress)}
            write_checkpoint(self._file, self._tensors(), record)

    def _tensors(self) -> dict[str, Tensor]:
        """Everything that decides how training goes on."""
        tensors = {f"module.{name}": values for name, values in self.module.state_dict().items()}
        tensors |= {f"best.{name}": values for name, values in self.best.items()}
        for number, optimizer in enumerate(self.optimizers):
            for index, state in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{number}.{index}.{name}": torch.as_tensor(it) for name, it in state.items()}
        tensors["loss_sum"] = self.loss_sum
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
        for number, optimizer in enumerate(self.optimizers):
            state = _optimizer_state(_under(f"optimizer.{number}.", tensors))
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        self.loss_sum = tensors["loss_sum"].to(self.how.device)
        self.generator.set_state(tensors["generator.shuffling"])
        torch.set_rng_state(tensors["generator.torch"])
        if self.how.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["generator.cuda"], self.how.device)


def _optimizer(parameters: Sequence[nn.Parameter], how: Training, rate: float) -> torch.optim.Optimizer:
    """The optimiser of the settings: RMSProp, or AdamW with decoupled weight decay."""
    settings, decay = how.settings, how.settings.weight_decay
    if settings.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=rate, alpha=RMSPROP_DECAY, weight_decay=decay)
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): values for name, values in tensors.items() if name.startswith(prefix)}


def _optimizer_state(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """The state of an optimiser from tensors named `<parameter>.<quantity>`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, values in tensors.items():
        index, key = name.split(".")
        state.setdefault(int(index), {})[key] = values
    return state
