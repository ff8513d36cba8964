"""One method in one repeat: train it, apply it to events that it has not seen, and measure the template."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from simmorph.config.compare import TARGET, UNMORPHED, ComparedMethod, CompareRecipe
from simmorph.data.files.outputs import whole_file, write_json
from simmorph.errors import SimmorphError
from simmorph.evaluation.comparison import measure
from simmorph.evaluation.metrics.samples import NULL, TEMPLATE
from simmorph.evaluation.scores import Cost, Moved, RegionScore, Score
from simmorph.model import Model
from simmorph.neural.loop.training import Training
from simmorph.pipeline.train import held_out_auc, origin_of

if TYPE_CHECKING:
    from simmorph.config.learning import Learning
    from simmorph.evaluation.scores import RowKind
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
        model: where the trained model is or will be; None where nothing is trained.
    """

    title: str
    repeat: int
    method: ComparedMethod | None
    model: Path | None = None

    @property
    def row(self) -> tuple[str, int]:
        """What distinguishes it from every other task."""
        return self.title, self.repeat


def rows_of(recipe: CompareRecipe) -> dict[str, ComparedMethod | None]:
    """Every row of the table: the null and the baselines, then what the recipe lists.

    Without a source there is nothing to morph, and the baselines are left out.
    """
    from simmorph.methods import METHODS

    if not recipe.source:
        return {TARGET: None, **{method.title: method for method in recipe.methods}}
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


def failed(task: Task, why: str) -> Score:
    """The score of a task that did not come to its end."""
    return _empty(task).model_copy(update={"failure": why})


def _empty(task: Task) -> Score:
    """The score of a task before anything is measured."""
    return Score(
        title=task.title, method=task.method.name if task.method else "", kind=kind_of(task), repeat=task.repeat
    )


def score(inputs: CompareInputs, task: Task) -> Score:
    """Do the task; a failure that a user can mend is part of the score.

    A bug, which is any other exception, goes up.

    Args:
        inputs: all events.
        task: which method in which repeat; the repeat decides the split.
    """
    recipe = inputs.recipe
    settings = recipe.training_of(task.method or recipe.methods[0], task.repeat)
    split = inputs.split(settings)
    try:
        if task.method is None:
            return _empty(task).model_copy(update={"regions": _judged(split, task)})
        model, cost = _trained(split, task, task.method)
        regions = _judged(split, task, model.transform(split.unseen_source()))
    except SimmorphError as error:
        return failed(task, str(error))
    return _empty(task).model_copy(update={"regions": regions, "cost": cost, "notes": model.card.warnings})


def _trained(inputs: CompareInputs, task: Task, method: ComparedMethod) -> tuple[Model, Cost]:
    """The model of a task and what it took, from the last time if it is still there."""
    if task.model is None:
        raise ValueError("a task that trains has a place for its model")
    beside = task.model.with_name(f"{task.model.name}.json")
    with contextlib.suppress(OSError, ValidationError, SimmorphError):  # not there, or not whole: it is trained again
        return Model.load(task.model), Cost.model_validate_json(beside.read_text(encoding="utf-8"))
    model, cost = _fitted(inputs, inputs.recipe.learning_of(method, task.repeat))
    model.save(task.model, force=True)
    with whole_file(beside, force=True) as temporary:
        write_json(temporary, cost.model_dump())
    return model, cost


def _fitted(inputs: CompareInputs, learning: Learning) -> tuple[Model, Cost]:
    """Train, and measure what that takes and how fast the map is."""
    reset_peak_memory()
    begin, begin_cpu = time.perf_counter(), time.process_time()
    how = Training(learning.training, judge=held_out_auc)
    model = Model.fit(learning, *inputs.training_samples(), how, origin_of(learning, inputs.units))
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - begin_cpu
    unseen = inputs.unseen_source()
    begin = time.perf_counter()
    model.transform(unseen)
    rate = len(unseen) / max(time.perf_counter() - begin, 1e-9)
    cost = Cost(train_seconds=seconds, train_cpu_seconds=cpu_seconds, apply_rate=rate, peak_memory_mb=peak_memory_mb())
    return model, cost


def _judged(inputs: CompareInputs, task: Task, morphed: Morphed | None = None) -> dict[str, RegionScore]:
    """What is measured in each region, with the same random numbers for every method."""
    kind, pairs, found = kind_of(task), [(first, second) for first, second in inputs.recipe.judge.pairs], {}
    comparison = NULL if kind == "null" else TEMPLATE
    for name, samples in inputs.judged(morphed).items():
        plan = inputs.plan(name, task.repeat)
        more: dict[str, Any] = {}
        if kind != "null":
            more["ess_fraction"] = samples.moved.effective_size / max(samples.source.effective_size, 1e-300)
        if kind in {"morph", "unmorphed"}:
            more["moved"] = Moved.of(samples, plan.periodic)
        found[name] = RegionScore.of(measure(name, samples, plan, [comparison]), comparison, pairs, **more)
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
