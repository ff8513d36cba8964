"""One JSON file for each method and repeat, named after the content that it was made from."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from simmorph import __version__
from simmorph.data.outputs import whole_file
from simmorph.evaluation.scores import Score

if TYPE_CHECKING:
    from pathlib import Path

    from simmorph.pipeline.compare.inputs import CompareInputs
    from simmorph.pipeline.compare.tasks import Task
    from simmorph.pipeline.evaluate_inputs import Table

FOLDER = "shards"
N_DIGITS = 12
SHARED = {"features", "context", "region", "preprocessing"}
"""Keys of the recipe that decide every score, beside the events themselves."""


class Shards:
    """The scores that are already there, in a folder.

    Attributes:
        folder: where they are.
        inputs: what every score is made from; its events are hashed once.
    """

    def __init__(self, folder: Path, inputs: CompareInputs) -> None:
        self.folder, self.inputs = folder / FOLDER, inputs
        self._events = {name: _digest_of(getattr(inputs, name)) for name in ("source", "target")}

    def path_of(self, task: Task) -> Path:
        """Where the score of a task belongs."""
        name = "".join(letter if letter.isalnum() else "_" for letter in task.title)
        return self.folder / f"{name}-{task.repeat}-{self._key(task)}.json"

    def read(self, task: Task) -> Score | None:
        """The score of a task; None if there is none of this content, or if it failed."""
        try:
            found = Score.model_validate_json(self.path_of(task).read_text())
        except (OSError, ValidationError):  # none yet, or one of another version: it is made again
            return None
        return found if found.failure is None else None

    def write(self, task: Task, score: Score) -> None:
        """Keep a score."""
        with whole_file(self.path_of(task), force=True) as temporary:
            temporary.write_text(score.model_dump_json(indent=2) + "\n")

    def _key(self, task: Task) -> str:
        """A hash of everything that the score depends on."""
        recipe = self.inputs.recipe
        method = task.method or recipe.methods[0]
        content: dict[str, Any] = {
            "simmorph": __version__,
            "events": self._events,
            "recipe": recipe.model_dump(mode="json", include=SHARED),
            "judge": recipe.judge.model_dump(mode="json", exclude={"label"}),
            "method": None if task.method is None else method.method.model_dump(mode="json"),
            "training": _what_matters(task, recipe.training_of(method, task.repeat).model_dump(mode="json")),
            "splits_of_the_null": self.inputs.judge().n_splits if task.method is None else None,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:N_DIGITS]


def _what_matters(task: Task, training: dict[str, Any]) -> dict[str, Any]:
    """The settings that a score depends on: where nothing is trained, only those that deal the events."""
    if task.method is not None:
        return training
    return {name: training[name] for name in ("seed", "validation", "holdout")}


def _digest_of(table: Table) -> str:
    """A hash of the events themselves, so that a file written anew with the same content is the same."""
    digest = hashlib.sha256()
    for name, column in sorted({**table.columns, "(weights)": table.weights, "(ids)": table.ids}.items()):
        values = np.ascontiguousarray(column)
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
