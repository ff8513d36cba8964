"""One method in one repeat: train it, apply it to events that it has not seen, and measure the template."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.config.compare import TARGET, UNMORPHED, ComparedMethod, CompareRecipe
from simmorph.errors import SimmorphError
from simmorph.evaluation.scores import Cost, Score
from simmorph.model import Model
from simmorph.neural.training import Training

if TYPE_CHECKING:
    from simmorph.evaluation.judging import Judge
    from simmorph.evaluation.scores import RegionScore, RowKind
    from simmorph.model import Morphed
    from simmorph.pipeline.compare.inputs import CompareInputs

BASELINES = ("quantile", "copula")
"""Methods that take seconds: every network must beat them."""


class Task(NamedTuple):
    """One row in one repeat.

    Attributes:
        title: of the row.
        repeat: number of the repeat, from 0.
        method: what is trained; None for the null and the unmorphed source.
    """

    title: str
    repeat: int
    method: ComparedMethod | None

    @property
    def row(self) -> tuple[str, int]:
        """What tells it from every other task."""
        return self.title, self.repeat


def rows_of(recipe: CompareRecipe) -> dict[str, ComparedMethod | None]:
    """Every row of the table: the null and the baselines, then what the recipe lists."""
    from simmorph.methods import METHODS

    rows: dict[str, ComparedMethod | None] = {TARGET: None, UNMORPHED: None}
    listed = {method.name for method in recipe.methods} | {method.title for method in recipe.methods}
    rows |= {name: ComparedMethod(name=name) for name in BASELINES if name in METHODS and name not in listed}
    return rows | {method.title: method for method in recipe.methods}


def kind_of(task: Task) -> RowKind:
    """What the row is."""
    from simmorph.methods.registry import find_method

    if task.method is None:
        return "null" if task.title == TARGET else "unmorphed"
    return find_method(task.method.name).kind


def score(inputs: CompareInputs, task: Task) -> Score:
    """Do the task; a failure that a user can mend is part of the score."""
    empty = Score(
        title=task.title, method=task.method.name if task.method else "", kind=kind_of(task), repeat=task.repeat
    )
    try:
        return _scored(inputs, task, empty)
    except SimmorphError as error:
        return empty.model_copy(update={"failure": str(error)})


def _scored(inputs: CompareInputs, task: Task, empty: Score) -> Score:
    recipe, judge = inputs.recipe, inputs.judge()
    method = task.method or recipe.methods[0]
    inputs = inputs.dealt(recipe.training_of(method, task.repeat))
    if task.method is None:
        return empty.model_copy(update={"regions": _judged(inputs, judge, empty)})
    reset_peak_memory()
    begin, begin_cpu = time.perf_counter(), time.process_time()
    one = recipe.recipe_of(method, task.repeat)
    model = Model.fit(one, *inputs.training_samples(), Training(one.training))
    trained, trained_cpu = time.perf_counter(), time.process_time()
    unseen = inputs.unseen_source()
    morphed = model.transform(unseen)
    seconds = time.perf_counter() - trained
    cost = Cost(
        train_seconds=trained - begin,
        train_cpu_seconds=trained_cpu - begin_cpu,
        apply_events_per_second=len(unseen) / max(seconds, 1e-9),
        peak_memory_mb=peak_memory_mb(),
    )
    regions = _judged(inputs, judge, empty, morphed)
    return empty.model_copy(update={"regions": regions, "cost": cost, "notes": model.card.warnings})


def _judged(inputs: CompareInputs, judge: Judge, row: Score, morphed: Morphed | None = None) -> dict[str, RegionScore]:
    """What is measured in each region, with the same random numbers for every method."""
    found = {}
    for name, samples in inputs.judged(morphed).items():
        rng = np.random.default_rng([inputs.recipe.training.seed + row.repeat, *name.encode()])
        if row.kind == "null":
            found[name] = judge.null(samples, rng)
        else:
            found[name] = judge.score(samples, rng, is_moved=row.kind in {"morph", "unmorphed"})
    return found


def reset_peak_memory() -> None:
    """Forget the largest memory so far, where the system can (Linux); elsewhere it is that of the whole process."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory_mb() -> float:
    """The largest memory of this process."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
