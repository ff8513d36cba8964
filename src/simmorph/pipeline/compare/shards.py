"""One score and one model for each method and repeat, named after the content that they were made from.

The name ends in twelve digits of a hash of settings, events and version. What is up to date is found by its name, and
what is not is not found; a comparison of other settings in the same folder leaves its files alone.
"""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from simmorph.card import digest_of, identity_of
from simmorph.config.compare import SPLIT_KEYS
from simmorph.data.files.outputs import refuse_existing, whole_file
from simmorph.evaluation.metrics import DISTANCES, METRICS
from simmorph.evaluation.scores import ChosenPairs, Moved, RegionScore, Score
from simmorph.pipeline.compare.tasks import Task
from simmorph.pipeline.train import origin_of
from simmorph.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from simmorph.config.compare import ComparedMethod
    from simmorph.pipeline.compare.inputs import CompareInputs

FOLDER, MODELS = "shards", "models"
N_DIGITS = 12


class Shards:
    """What is already there, in the output folder: scores, and the models that they are of.

    Attributes:
        folder: the output folder.
        inputs: what everything is made from; its events are hashed once.
    """

    def __init__(self, folder: Path, inputs: CompareInputs) -> None:
        self.folder, self.inputs = folder, inputs
        self._judged_by = [_digest_of(it.weights, it.ids, **it.columns) for it in (inputs.source, inputs.target)]

    def task(self, title: str, repeat: int, method: ComparedMethod | None) -> Task:
        """A task that knows where its model belongs."""
        if method is None:
            return Task(title, repeat, None)
        learning = self.inputs.recipe.learning_of(method, repeat)
        origin = origin_of(learning)
        name = f"{_slug(title)}-{repeat}-{identity_of(learning, origin.source, origin.target)[:N_DIGITS]}"
        return Task(title, repeat, method, self.folder / MODELS / name)

    def path_of(self, task: Task) -> Path:
        """Where the score of a task belongs."""
        return (
            self.folder
            / FOLDER
            / f"{_slug(task.title)}-{task.repeat}-{digest_of(self._measuring(task))[:N_DIGITS]}.json"
        )

    def read(self, task: Task) -> Score | None:
        """The score of a task; None if there is none of this content."""
        try:
            return Score.model_validate_json(self.path_of(task).read_text(encoding="utf-8"))
        except (OSError, ValidationError):  # none yet, or one of another version: it is made again
            return None

    def write(self, task: Task, score: Score) -> None:
        """Keep a score, unless the task failed."""
        if score.failure is None:
            with whole_file(self.path_of(task), force=True) as temporary:
                temporary.write_text(score.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def forget(self, task: Task) -> None:
        """Make the score and its model again."""
        self.path_of(task).unlink(missing_ok=True)
        if task.model is not None:
            shutil.rmtree(task.model, ignore_errors=True)

    def _measuring(self, task: Task) -> dict[str, Any]:
        """Everything that a score depends on."""
        recipe = self.inputs.recipe
        fields = [name for record in (RegionScore, ChosenPairs, Moved) for name in record.model_fields]
        return {
            "simmorph": __version__,
            "measured": [*METRICS, *DISTANCES, *fields],
            "events": self._judged_by,
            "region": recipe.region,
            "model": task.model and task.model.name,
            "judge": recipe.judge.decisive(),
            "split": {name: getattr(recipe.training, name) for name in SPLIT_KEYS},
            "splits_of_the_null": None if task.method else self.inputs.plan("", 0).n_splits,
        }


def refuse_other_content(folder: Path) -> None:
    """What is in an output folder must be ours, since the results there are replaced.

    Raises:
        UsageError: it is something else.
    """
    if folder.exists() and not (folder / FOLDER).is_dir():
        refuse_existing(folder, force=True, marker=FOLDER)


def _slug(title: str) -> str:
    """A title as a part of a file name."""
    return "".join(letter if letter.isalnum() else "_" for letter in title)


def _digest_of(*arrays: Any, **columns: Any) -> str:
    """A hash of the events themselves, so that a file written anew with the same content is the same."""
    digest = hashlib.sha256()
    for name, values in [*enumerate(arrays), *sorted(columns.items())]:
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
