"""Do tasks one after the other here, or several at a time in processes of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simmorph.pipeline.compare.tasks import score

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simmorph.evaluation.scores import Score
    from simmorph.pipeline.compare.inputs import CompareInputs
    from simmorph.pipeline.compare.tasks import Task


def results(inputs: CompareInputs, tasks: Sequence[Task]) -> Iterator[tuple[Task, Score]]:
    """Every task with its score, as they come."""
    for task in tasks:
        yield task, score(inputs, task)
