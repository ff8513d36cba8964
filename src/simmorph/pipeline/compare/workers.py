"""Do tasks one after the other here, or several at a time in processes of their own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, NamedTuple

from simmorph.config.compare import CompareRecipe
from simmorph.evaluation.scores import Score
from simmorph.pipeline.compare.inputs import read_inputs
from simmorph.pipeline.compare.tasks import failed, score

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from simmorph.pipeline.compare.inputs import CompareInputs
    from simmorph.pipeline.compare.tasks import Task

THREADS = "OMP_NUM_THREADS"
SECONDS_TO_STOP = 5


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
    if min(jobs, len(tasks)) > 1:
        return _side_by_side(inputs.recipe, tasks, min(jobs, len(tasks)))
    return _one_by_one(inputs, tasks)


def _one_by_one(inputs: CompareInputs, tasks: Sequence[Task]) -> Generator[TaskOutcome]:
    """Every task in this process."""
    for task in tasks:
        with _threads():
            outcome = _done(inputs, task)
        yield outcome


def _done(inputs: CompareInputs, task: Task) -> TaskOutcome:
    """Do a task; a bug in one method must not take the other methods' hours with it."""
    try:
        return TaskOutcome(task, score(inputs, task))
    except Exception as error:
        return TaskOutcome(task, failed(task, f"{type(error).__name__}: {error}"), traceback.format_exc())


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


@dataclass
class _Worker:
    """A process and the task that it has at the moment.

    Attributes:
        process: started, and ended by `stop`.
        connection: tasks go there, scores come from there.
        task: what it does now; None if nothing.
    """

    process: SpawnProcess
    connection: Connection
    task: Task | None = None

    def give(self, task: Task) -> None:
        """Send it a task."""
        self.task = task
        self.connection.send(task)

    def take(self) -> TaskOutcome:
        """What became of its task; if the process is gone, so is the task."""
        task, self.task = self.task, None
        if task is None:
            raise ValueError("the worker has no task")
        try:
            found, bug = self.connection.recv()
        except (EOFError, OSError):
            self.process.join(SECONDS_TO_STOP)
            code = self.process.exitcode
            why = f"its process died with exit code {code}" + (
                ", as if out of memory" if code == -signal.SIGKILL else ""
            )
            return TaskOutcome(task, failed(task, why))
        return TaskOutcome(task, Score.model_validate_json(found), bug)

    def stop(self) -> None:
        """End the process: by SIGTERM, and by SIGKILL if it is still there after SECONDS_TO_STOP."""
        self.connection.close()
        self.process.terminate()
        self.process.join(SECONDS_TO_STOP)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _side_by_side(recipe: CompareRecipe, tasks: Sequence[Task], jobs: int) -> Generator[TaskOutcome]:
    """Every task in one of several processes; a process that died is replaced."""
    waiting, workers = deque(tasks), list[_Worker]()
    try:
        while waiting or workers:
            while waiting and len(workers) < jobs:
                workers.append(_started(recipe))
                workers[-1].give(waiting.popleft())
            for ready in wait([worker.connection for worker in workers]):
                worker = next(worker for worker in workers if worker.connection is ready)
                yield worker.take()
                if waiting and worker.process.is_alive():
                    worker.give(waiting.popleft())
                else:
                    workers.remove(worker)
                    worker.stop()
    finally:
        for worker in workers:
            worker.stop()


def _started(recipe: CompareRecipe) -> _Worker:
    """A new process; it takes its threads from the environment when it starts."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, recipe.model_dump_json()), daemon=True)
    known = os.environ.get(THREADS)
    os.environ.setdefault(THREADS, "1")
    try:
        process.start()
    finally:
        if known is None:
            del os.environ[THREADS]
    theirs.close()
    return _Worker(process, ours)


def _work(connection: Connection, recipe: str) -> None:
    """The life of a process: read the inputs once, then do what comes until nothing does."""
    # Ctrl-C reaches every process of the terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inputs = None
    with contextlib.suppress(EOFError, BrokenPipeError), _threads():
        while True:
            task = connection.recv()
            inputs = inputs or read_inputs(CompareRecipe.model_validate_json(recipe))
            _, found, bug = _done(inputs, task)
            connection.send((found.model_dump_json(), bug))
