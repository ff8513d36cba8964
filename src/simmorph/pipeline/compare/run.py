"""Train and judge every method in every repeat, and write the table, the plot and the page."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simmorph.config.recipe import required
from simmorph.errors import ConfigError, UsageError, one_of
from simmorph.evaluation.scores import Ranked, Score, ranked
from simmorph.pipeline.compare.inputs import main_region, read_inputs
from simmorph.pipeline.compare.shards import Shards, refuse_other_content
from simmorph.pipeline.compare.tasks import rows_of
from simmorph.pipeline.compare.workers import TaskOutcome, results
from simmorph.pipeline.compare.write import ranked_by, report_of, write_comparison
from simmorph.pipeline.run import input_steps, run_steps
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from simmorph.config.compare import CompareRecipe
    from simmorph.pipeline.compare.tasks import Task
    from simmorph.progress import Progress


@dataclass(frozen=True)
class CompareResult:
    """What `simmorph compare` found.

    Attributes:
        folder: what was written.
        recipe: of the comparison.
        rows: one for each method.
        report: the content of `compare.json`.
        bugs: tracebacks of methods that failed by a fault of ours.
    """

    folder: Path
    recipe: CompareRecipe
    rows: list[Ranked]
    report: dict[str, Any]
    bugs: tuple[str, ...] = ()

    @property
    def failures(self) -> dict[str, tuple[str, ...]]:
        """The methods that failed, and why."""
        return {row.title: row.failures for row in self.rows if row.failures}

    def to_json(self) -> dict[str, Any]:
        """The content of `compare.json`."""
        return self.report

    def to_text(self) -> str:
        """The table, for people."""
        return f"{ranked_by(self.recipe, self.rows).to_text()}\n\nreport: {self.folder / 'report.html'}"


def compare(
    recipe: CompareRecipe, *, only: Sequence[str] = (), force: bool = False, progress: Progress = silent
) -> CompareResult:
    """Train every method on the same events, judge it by others, and write the results.

    A score that is there already, made from the same events and settings, is not made again. A method that fails has a
    row with the reason; the others are not touched by it.

    Args:
        recipe: with `source`, `target` and `output`.
        only: labels of the methods to compare; all of them by default.
        force: make every score again.
        progress: called with a line for every score.

    Raises:
        ConfigError: the recipe lacks something, or a method does not take its options.
        InputError: an input is missing or not what it should be.
        UsageError: the folder holds something else, or there is no method of a label.
    """
    folder: Path = required(recipe.output, "output", "-o OUTPUT")
    refuse_other_content(folder)
    recipe = recipe.model_copy(update={"methods": _chosen(recipe, only)})
    _check_methods(recipe)
    _make_samples(recipe, progress)
    inputs = read_inputs(recipe)
    for remark in inputs.remarks:
        progress(f"warning: {remark}")
    inputs.training_samples()  # an empty region is refused before anything is trained
    shards = Shards(folder, inputs)
    wanted = rows_of(recipe).items()
    tasks = [shards.task(title, repeat, method) for repeat in range(recipe.seeds) for title, method in wanted]
    if force:
        for task in tasks:
            shards.forget(task)
    outcomes = _outcomes(shards, tasks, progress)
    rows = ranked([outcomes[task.row].score for task in tasks])
    models = {title: [str(task.model) for task in tasks if task.title == title and task.model] for title, _ in wanted}
    report = report_of(recipe, inputs, rows, models)
    write_comparison(folder, recipe, rows, report)
    return CompareResult(folder, recipe, rows, report, tuple(it.bug for it in outcomes.values() if it.bug))


def _outcomes(shards: Shards, tasks: Sequence[Task], progress: Progress) -> dict[tuple[str, int], TaskOutcome]:
    """What became of every task: read if it is there, else done and kept."""
    inputs, recipe = shards.inputs, shards.inputs.recipe
    known = {task.row: TaskOutcome(task, found) for task in tasks if (found := shards.read(task)) is not None}
    if known:
        progress(f"{len(known)} of {len(tasks)} scores are up to date")
    missing = [task for task in tasks if task.row not in known]
    with contextlib.closing(results(inputs, missing, recipe.jobs)) as outcomes:
        for number, outcome in enumerate(outcomes, 1):
            shards.write(outcome.task, outcome.score)
            known[outcome.task.row] = outcome
            progress(f"{_words_of(outcome.score, recipe)} ({number} of {len(missing)})")
    return known


def _chosen(recipe: CompareRecipe, only: Sequence[str]) -> list[Any]:
    """The methods of these labels in the recipe's order; all if there are none.

    Raises:
        UsageError: there is no method of a label.
    """
    titles = [method.title for method in recipe.methods]
    for title in only:
        if title not in titles:
            raise UsageError("--methods", f"the recipe has no method {title!r}", one_of(title, titles))
    return [method for method in recipe.methods if not only or method.title in only]


def _check_methods(recipe: CompareRecipe) -> None:
    """Every method takes its options, before hours are spent on the first.

    Raises:
        ConfigError: one does not.
    """
    from simmorph.methods import build_method

    for method in recipe.methods:
        try:
            built = build_method(method.method, len(recipe.features), len(recipe.context))
        except ConfigError as error:
            raise ConfigError(f"methods, {method.title}", f"{error.where}: {error.what}", error.mend) from error
        if built.kind.needs_source:
            required(recipe.source, "source", "--source FILE")


def _make_samples(recipe: CompareRecipe, progress: Progress) -> None:
    """Run the recipe's toy and selections, where they are not up to date."""
    steps = list(input_steps(recipe))
    if steps:
        first = steps[0].outputs[0]
        run_steps(steps, first.with_name(f"{first.name}.inputs.json"), progress=progress)


def _words_of(score: Score, recipe: CompareRecipe) -> str:
    """One line on a score."""
    name = f"{score.title}, repeat {score.repeat + 1} of {recipe.seeds}"
    if score.failure is not None:
        return f"{name}: failed: {score.failure}"
    aucs = score.regions[main_region(recipe)].auc.items()
    shown = ", ".join(f"AUC {auc.value:.4f} by {inputs}" for inputs, auc in aucs if auc.value is not None)
    return f"{name}: {shown}" + (f", trained in {score.cost.train_seconds:.1f} s" if score.cost else "")
