"""Do tasks one after the other here, or several at a time in processes of their own: the same results either way."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from simmorph.errors import SimmorphError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

THREADS = "OMP_NUM_THREADS"
SECONDS_TO_STOP = 5

Task = TypeVar("Task")
Result = TypeVar("Result")


class ProcessDiedError(SimmorphError):
    """A process ended in the middle of its task, as where memory is short."""


class Outcome(NamedTuple, Generic[Task, Result]):
    """What became of a task.

    Attributes:
        task: which one.
        result: what was found; None where it failed.
        error: why it failed.
    """

    task: Task
    result: Result | None
    error: Exception | None = None

    def get(self) -> Result:
        """The result.

        Raises:
            Exception: what the task raised.
        """
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


def outcomes(
    setup: Callable[[], Callable[[Task], Result]], tasks: Sequence[Task], jobs: int
) -> Generator[Outcome[Task, Result]]:
    """Every task with its result, as they come.

    Args:
        setup: prepares a process, and returns what does a task; it, tasks and results can be pickled.
        tasks: what to do.
        jobs: how many at a time; more than one have processes of their own, which end when this is closed.
    """
    if min(jobs, len(tasks)) > 1:
        return _side_by_side(setup, tasks, min(jobs, len(tasks)))
    return _one_by_one(setup, tasks)


def in_order(found: Iterable[Outcome[Task, Result]], tasks: Sequence[Task]) -> Iterator[Outcome[Task, Result]]:
    """The same in the order of the tasks, each as soon as those before it are there."""
    known: list[Outcome[Task, Result]] = []
    waiting = deque(tasks)
    for outcome in found:
        known.append(outcome)
        while waiting and (ready := [it for it in known if it.task is waiting[0] or it.task == waiting[0]]):
            known.remove(ready[0])
            waiting.popleft()
            yield ready[0]


def _one_by_one(
    setup: Callable[[], Callable[[Task], Result]], tasks: Sequence[Task]
) -> Generator[Outcome[Task, Result]]:
    """Every task in this process."""
    do = _prepared(setup)
    for task in tasks:
        yield _done(do, task)


def _prepared(setup: Callable[[], Callable[[Task], Result]]) -> Callable[[Task], Result]:
    """What does a task, prepared when the first one comes."""
    ready = lru_cache(maxsize=1)(setup)

    def do(task: Task) -> Result:
        return ready()(task)

    return do


def _done(do: Callable[[Task], Result], task: Task) -> Outcome[Task, Result]:
    try:
        return Outcome(task, do(task))
    except Exception as error:
        return Outcome(task, None, error)


@dataclass
class _Worker(Generic[Task, Result]):
    """A process and the task that it has at the moment.

    Attributes:
        process: started, and ended by `stop`.
        connection: tasks go there, results come from there.
        task: what it does now; None if nothing.
    """

    process: SpawnProcess
    connection: Connection
    task: Task | None = None

    def give(self, task: Task) -> None:
        """Send it a task."""
        self.task = task
        self.connection.send(task)

    def take(self) -> Outcome[Task, Result]:
        """What became of its task; if the process is gone, so is the task."""
        task, self.task = self.task, None
        if task is None:
            raise ValueError("the worker has no task")
        try:
            return Outcome(task, *self.connection.recv())
        except (EOFError, OSError):
            self.process.join(SECONDS_TO_STOP)
            code = self.process.exitcode
            as_if = ", as if out of memory" if code == -signal.SIGKILL else ""
            return Outcome(task, None, ProcessDiedError("process", f"died with exit code {code}{as_if}"))

    def stop(self) -> None:
        """End the process: by SIGTERM, and by SIGKILL if it is still there after SECONDS_TO_STOP."""
        self.connection.close()
        self.process.terminate()
        self.process.join(SECONDS_TO_STOP)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _side_by_side(
    setup: Callable[[], Callable[[Task], Result]], tasks: Sequence[Task], jobs: int
) -> Generator[Outcome[Task, Result]]:
    """Every task in one of several processes; a process that died is replaced."""
    waiting, workers = deque(tasks), list[_Worker[Task, Result]]()
    try:
        while waiting or workers:
            while waiting and len(workers) < jobs:
                workers.append(_started(setup))
                workers[-1].give(waiting.popleft())
            for ready in wait([worker.connection for worker in workers]):
                worker = next(worker for worker in workers if worker.connection is ready)
                outcome = worker.take()
                if waiting and worker.process.is_alive():
                    worker.give(waiting.popleft())
                else:
                    workers.remove(worker)
                    worker.stop()
                yield outcome
    finally:
        for worker in workers:
            worker.stop()


def _started(setup: Callable[[], Callable[[Task], Result]]) -> _Worker[Task, Result]:
    """A new process; it takes its threads, a single one by default, from the environment when it starts."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, setup), daemon=True)
    known = os.environ.get(THREADS)
    os.environ.setdefault(THREADS, "1")
    try:
        process.start()
    finally:
        if known is None:
            del os.environ[THREADS]
    theirs.close()
    return _Worker(process, ours)


def _work(connection: Connection, setup: Callable[[], Callable[[Any], Any]]) -> None:
    """The life of a process: prepare once, then do what comes until nothing does."""
    # Ctrl-C reaches every process of the terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    do = _prepared(setup)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            _, result, error = _done(do, connection.recv())
            connection.send((result, error and _to_send(error)))


def _to_send(error: Exception) -> Exception:
    """What a user can mend as it is; a bug, which may be of any class, as its traceback."""
    return error if isinstance(error, SimmorphError) else RuntimeError("".join(traceback.format_exception(error)))
