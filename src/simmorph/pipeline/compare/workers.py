"""Do the tasks of a comparison here, or several at a time in processes of their own."""

from __future__ import annotations

import contextlib
import os
import traceback
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from simmorph.config.compare import CompareRecipe
from simmorph.evaluation.scores import Score
from simmorph.pipeline.compare.inputs import read_inputs
from simmorph.pipeline.compare.tasks import failed, score
from simmorph.pipeline.processes import THREADS, ProcessDiedError, outcomes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from simmorph.pipeline.compare.inputs import CompareInputs
    from simmorph.pipeline.compare.tasks import Task


class TaskOutcome(NamedTuple):
    """What became of a task.

    Attributes:
        task: which one.
        score: what was measured, or why nothing was.
        bug: the traceback of a fault of ours; empty if there is none.
    """

    task: Task
    score: Score
    bug: str = ""


def results(inputs: CompareInputs, tasks: Sequence[Task], jobs: int) -> Generator[TaskOutcome]:
    """Every task with its score, as they come.

    Args:
        inputs: what all of them are trained and judged on.
        tasks: what to do.
        jobs: how many at a time; more than one have processes of their own, which end when this is closed.
    """
    setup = partial(_ready, inputs.recipe.model_dump_json()) if jobs > 1 else lambda: partial(_done, inputs)
    with contextlib.closing(outcomes(setup, tasks, jobs)) as found:
        for outcome in found:
            try:
                score_json, bug = outcome.get()
            except ProcessDiedError as error:
                yield TaskOutcome(outcome.task, failed(outcome.task, f"its process {error.what}"))
            else:
                yield TaskOutcome(outcome.task, Score.model_validate_json(score_json), bug)


def _ready(recipe: str) -> Callable[[Task], tuple[str, str]]:
    """What does a task in a process of its own, which reads the inputs once."""
    return partial(_done, read_inputs(CompareRecipe.model_validate_json(recipe)))


def _done(inputs: CompareInputs, task: Task) -> tuple[str, str]:
    """Do a task; a bug in one method must not take the other methods' hours with it."""
    with _threads():
        try:
            return score(inputs, task).model_dump_json(), ""
        except Exception as error:
            reason = failed(task, f"{type(error).__name__}: {error}")
            return reason.model_dump_json(), traceback.format_exc()


@contextlib.contextmanager
def _threads() -> Iterator[None]:
    """One thread, or as many as OMP_NUM_THREADS says, so that all methods are timed alike."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(int(os.environ.get(THREADS, "1").partition(",")[0]))
    try:
        yield
    finally:
        torch.set_num_threads(before)
