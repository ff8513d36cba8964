"""Learn a map from source to target, from ntuples to a model folder.

Events in the recipe's region are read, split by their ids into training, validation and hold-out, and given to
`Model.fit`. A model knows by its `identity` (settings, and the content of its files) whether it is the one that a
recipe asks for. Training that is stopped leaves a checkpoint from which the same command comes to the same model.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import threading
import time
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.card import FileRecord, Origin, identity_of
from simmorph.config.recipe import required
from simmorph.data.expressions.expression import parse
from simmorph.data.files.outputs import OutputError, refuse_existing
from simmorph.data.ntuples.contents import describe
from simmorph.data.ntuples.files import checksum_of, expand_inputs
from simmorph.data.quality.changed import changes_in
from simmorph.data.quality.duplicates import Duplicates
from simmorph.data.samples import SampleReader
from simmorph.data.splits import poisson_of
from simmorph.evaluation.metrics.classifier.c2st import auc
from simmorph.methods.registry import build_map, find_method
from simmorph.model import Model
from simmorph.model_folder import CARD, read_card, read_tensors
from simmorph.neural.loop.training import Training
from simmorph.pipeline.units import KnownUnits, check_samples
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from simmorph.card import ModelCard
    from simmorph.config.learning import Learning
    from simmorph.config.recipe import Recipe
    from simmorph.config.values.weights import SampleName
    from simmorph.data.estimates import Estimate
    from simmorph.data.events import Events, IntArray
    from simmorph.progress import Progress

LOG_OF_CHECKPOINT = "training.jsonl"
"""The epochs so far, in the checkpoint folder, so that they travel with it."""
BOOTSTRAP_STREAM = 0x424F_4F54
MAX_JUDGED = 20_000
"""Events of each sample that `select_on: auc` looks at after each epoch: more cost time and change little."""
JUDGE_SEED = 1
"""The same folds for each epoch, so that epochs are compared on the same terms."""


@dataclass(frozen=True)
class TrainResult:
    """What was learnt.

    Attributes:
        model: the model folder.
        card: what is known about it.
        seconds: how long reading and training took, without restarts before.
    """

    model: Path
    card: ModelCard
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        card = self.card
        return {
            "model": str(self.model),
            "method": card.learning.method.name,
            "n_source": card.source.n_events,
            "n_target": card.target.n_events,
            "history": card.history,
            "numbers": card.numbers,
            "warnings": card.warnings,
            "tensors_sha256": card.tensors_sha256,
            "seconds": round(self.seconds, 3),
        }

    def to_text(self) -> str:
        """What a person wants to know."""
        card = self.card
        source = f"source {card.source.n_events}, " if card.source.n_events else ""
        lines = [
            f"model   {self.model} ({card.learning.method.words}), {self.seconds:.1f} s",
            f"events  {source}target {card.target.n_events} (without the hold-out part)",
        ]
        for stage, record in card.history.items():
            best = record["best_epoch"]
            losses = record["validation_losses"] or record["losses"]
            lines.append(f"{stage:<7} {record['epochs']} epochs, best {best} with loss {losses[best - 1]:.5g}")
        lines += [f"{name.replace('_', ' ')} {value:.4g}" for name, value in card.numbers.items()]
        return "\n".join(lines)


def train_model(
    recipe: Recipe,
    *,
    force: bool = False,
    max_minutes: float | None = None,
    progress: Progress = silent,
    replica: int = 0,
) -> TrainResult:
    """Train the recipe's method on its source and target, and write the model folder.

    Beside the model stands, while it is trained, a log with one JSON line for each epoch (`<model>.log.jsonl`, kept in
    the model afterwards). After SIGTERM or `max_minutes` it moves into a checkpoint folder (`<model>.checkpoint`), from
    which the same call goes on.

    Args:
        recipe: with `source`, `target` and `model`.
        force: replace an existing model.
        max_minutes: save a checkpoint and stop after this time; the recipe's own limit by default.
        progress: called after every epoch.
        replica: train this bootstrap replica of the recipe's model instead, on events that are drawn with replacement
            and with another random start, into a folder of its own (`replica_folder`).

    Raises:
        ConfigError: something in the recipe is missing or wrong.
        InputError: the ntuples cannot be trained on.
        UsageError: the model folder exists.
        Checkpointed: training was stopped and saved.
    """
    start = time.monotonic()
    folder = replica_folder(required(recipe.model, "model", "-o MODEL"), replica)
    refuse_existing(folder, force=force, marker=CARD)
    minutes = max_minutes or recipe.training.max_minutes
    checkpoint = folder.with_name(folder.name + ".checkpoint")
    log = EpochLog(folder.with_name(folder.name + ".log.jsonl"), goes_on=checkpoint / LOG_OF_CHECKPOINT)

    def keep(record: Mapping[str, Any]) -> None:
        log.add(record)
        progress(record)

    build_map(recipe)  # what is wrong with it is said before anything is read
    with stop_on_sigterm() as stop_requested, _log_kept_for(checkpoint, log):
        samples = read_samples(recipe, recipe.units, progress).resampled(replica)
        deadline = None if minutes is None else start + 60 * minutes
        how = Training(recipe.training, checkpoint, deadline, stop_requested, keep, member=replica, judge=held_out_auc)
        model = Model.fit(recipe, samples.source, samples.target, how, samples.origin)
        model.save(folder, force=force, log=log.text())
    log.path.unlink(missing_ok=True)
    shutil.rmtree(checkpoint, ignore_errors=True)
    return TrainResult(folder, model.card, time.monotonic() - start)


def model_of(folder: Path, identity: str) -> TrainResult | None:
    """The model in a folder, if it is there, of this very learning, and whole.

    Raises:
        InputError: it cannot be read, or it is damaged.
    """
    if not (folder / CARD).exists():
        return None
    card = read_card(folder)
    if card.identity != identity:
        return None
    read_tensors(folder, card)
    return TrainResult(folder, card, 0.0)


def identity_now(learning: Learning) -> str:
    """The identity of this learning, with its files as they are now; see `identity_of`.

    Raises:
        ConfigError: the recipe names no source or target.
        InputError: an input matches no file, or cannot be read.
    """
    origin = origin_of(learning)
    return identity_of(learning.learning, origin.source, origin.target)


def replica_folder(model: Path, replica: int) -> Path:
    """The folder of a bootstrap replica, beside the model; replica 0 is the model itself.

    >>> from pathlib import PurePosixPath
    >>> print(replica_folder(PurePosixPath("build/model"), 3))
    build/model.replicas/03
    """
    return model.with_name(f"{model.name}.replicas") / f"{replica:02d}" if replica else model


def held_out_auc(template: Events, target: Events) -> Estimate:
    """The AUC of gradient boosting between template and target, on the first MAX_JUDGED events of each."""
    return auc(template[:MAX_JUDGED], target[:MAX_JUDGED], np.random.default_rng(JUDGE_SEED))


@contextlib.contextmanager
def _log_kept_for(checkpoint: Path, log: EpochLog) -> Iterator[None]:
    """When training does not come to its end, the log goes with the checkpoint, if there is one."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # the exception on its way says what went wrong
            if checkpoint.exists():
                shutil.copyfile(log.path, checkpoint / LOG_OF_CHECKPOINT)
            log.path.unlink(missing_ok=True)
        raise


@dataclass
class EpochLog:
    """The log of training: one JSON line for each epoch, also over restarts.

    Attributes:
        path: where it is written, anew with each epoch.
        records: what is in it: stage, epoch, losses and whatever else the stage observes.
    """

    path: Path
    goes_on: Path
    """The log of the start before this one, if there was one."""
    records: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.goes_on.exists():
            lines = self.goes_on.read_text(encoding="utf-8").splitlines()
            self.records = [json.loads(line) for line in lines if line.endswith("}")]

    def add(self, record: Mapping[str, Any]) -> None:
        """Write down an epoch; later epochs of the same stage, from a run that was given up, go.

        Raises:
            OutputError: it cannot be written.
        """
        stage, epoch = record["stage"], record["epoch"]
        self.records = [old for old in self.records if old["stage"] != stage or old["epoch"] < epoch]
        self.records.append(dict(record))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(self.text(), encoding="utf-8")
        except OSError as error:
            raise OutputError.of(self.path, error) from error

    def text(self) -> str:
        """The whole log."""
        return "".join(json.dumps(record, allow_nan=False) + "\n" for record in self.records)


@contextlib.contextmanager
def stop_on_sigterm() -> Iterator[Callable[[], bool]]:
    """Within the block SIGTERM only sets a flag, which the function yielded returns.

    Batch systems send SIGTERM before they take a job away; the training loop asks for the flag and saves itself. In
    another thread than the main one, which cannot receive signals, the flag is never set.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass(frozen=True)
class TrainingSamples:
    """Source and target in the recipe's region, and where they came from.

    Attributes:
        source: may be empty, for a generator.
        target: what the source should look like.
        origin: the files with their hashes, and the units of the variables.
        are_paired: whether they are the same events, known by their ids.
    """

    source: Events
    target: Events
    origin: Origin
    are_paired: bool = False

    def resampled(self, replica: int) -> TrainingSamples:
        """The samples as if drawn anew with replacement: each weight times a Poisson number of mean 1.

        Replica 0 is the sample itself. (Chamandy et al., "Estimating uncertainty for massive data streams", 2012.)
        """
        if not replica:
            return self
        streams = BOOTSTRAP_STREAM, BOOTSTRAP_STREAM + (0 if self.are_paired else 1)
        source, target = (
            events.with_weights(events.weights * poisson_of(self._numbers(events), replica, stream))
            for stream, events in zip(streams, (self.source, self.target), strict=True)
        )
        return replace(self, source=source, target=target)

    def _numbers(self, events: Events) -> IntArray:
        """(n_events,), other numbers for other events: entries, which are counted by file, are the same in each."""
        return events.ids if self.are_paired else np.arange(len(events))


def files_of(learning: Learning, note: Progress = silent) -> dict[str, list[str]]:
    """The files that are learnt from, by sample; a generator looks at no source.

    Args:
        learning: names the samples.
        note: called with a line for each file that is named twice.

    Raises:
        ConfigError: the recipe names no source or target.
        InputError: an input matches no file.
    """
    needs_source = find_method(learning.method.name).kind.needs_source
    return {
        "source": expand_inputs(required(learning.source, "source", "--source FILE"), note) if needs_source else [],
        "target": expand_inputs(required(learning.target, "target", "--target FILE"), note),
    }


def origin_of(learning: Learning, units: Mapping[str, str] = MappingProxyType({})) -> Origin:
    """Where the events come from, with the content of each file as it is now; see `files_of`."""
    records = {name: [_file_record(path, learning.tree) for path in its] for name, its in files_of(learning).items()}
    return Origin(records["source"], records["target"], units)


def read_samples(
    learning: Learning, units: Mapping[str, str] = MappingProxyType({}), note: Progress = silent
) -> TrainingSamples:
    """Source and target; the source is empty for a generator, which does not look at it.

    Args:
        learning: names the samples and their variables.
        units: of variables, as the recipe has them.
        note: called with a line for what is odd about the files.

    Raises:
        ConfigError: the recipe names no source or target, or its region is not a cut.
        InputError: a file, tree or branch is missing, or the two samples are in different units.
        EmptySelectionError: the region is empty.
    """
    paths = files_of(learning, note)
    twice = {"target": Duplicates(), "source": Duplicates()}
    target = _read_sample(learning, paths["target"], "target", twice["target"])
    source = _read_sample(learning, paths["source"], "source", twice["source"]) if paths["source"] else target[:0]
    values = [np.hstack([events.features, events.context]) for events in (source, target)]
    known = KnownUnits.of([*paths["source"], *paths["target"]], units)
    check_samples([*learning.features, *learning.context], values[0], values[1], known.certain)
    remarks = [f"{name}: {remark}" for name, found in twice.items() for remark in found.warnings()]
    remarks += changes_in([*paths["source"], *paths["target"]])
    origin = replace(origin_of(learning, known.units), remarks=remarks)
    return TrainingSamples(source, target, origin, learning.pairs is not None)


def _read_sample(learning: Learning, paths: Sequence[str], name: SampleName, twice: Duplicates) -> Events:
    """The events of one sample in the region of training.

    Raises:
        InputError: a file, tree or branch is missing.
        EmptySelectionError: no event lies in the region.
    """
    region = parse(learning.region, "region") if learning.region else None
    names, cuts = [*learning.features, *learning.context], [region] if region else []
    reader = SampleReader(paths, learning.tree, names, learning.weight_of(name), cuts=cuts, duplicates=twice)
    table = reader.paired(learning.pairs, name).read()
    return table.events(learning.features, learning.context, table.inside(region, name))


def _file_record(path: str, tree: str) -> FileRecord:
    """Path, hash and number of entries of a file."""
    return FileRecord(path=path, sha256=checksum_of(path), n_entries=describe(path, tree).n_entries)
