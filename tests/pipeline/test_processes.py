"""Tasks here, and several at a time in processes of their own."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from simmorph.errors import InputError
from simmorph.pipeline.processes import ProcessDiedError, in_order, outcomes

if TYPE_CHECKING:
    from collections.abc import Callable


def squares(offset: int) -> Callable[[int], float]:
    return partial(square, offset)


def square(offset: int, number: int) -> float:
    if number == 3:
        raise InputError("three", "cannot be squared", "leave it out")
    if number == 5:
        raise OSError("a bug")
    if number == 7:
        os._exit(3)
    return offset + number**2


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_has_its_result_or_its_error(jobs: int) -> None:
    tasks = [1, 2, 3, 4, 5, 6]
    found = list(in_order(outcomes(partial(squares, 10), tasks, jobs), tasks))
    assert [it.task for it in found] == tasks
    assert [it.result for it in found] == [11, 14, None, 26, None, 46]
    with pytest.raises(InputError, match="three: cannot be squared; leave it out"):
        found[2].get()
    with pytest.raises((OSError, RuntimeError), match="a bug"):
        found[4].get()


def test_a_process_that_dies_costs_its_task_alone() -> None:
    found = {it.task: it for it in outcomes(partial(squares, 0), [7, 1, 2], 2)}
    with pytest.raises(ProcessDiedError, match="exit code 3"):
        found[7].get()
    assert (found[1].get(), found[2].get()) == (1, 4)


def test_a_setup_that_fails_is_told_with_each_task() -> None:
    for outcome in outcomes(partial(squares, "text"), [1, 2], 2):  # type: ignore[arg-type]
        with pytest.raises(RuntimeError, match="TypeError"):
            outcome.get()
