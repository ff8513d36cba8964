"""How often the intervals of a workspace or a recipe hold the true strength.

Each pseudo-experiment has random numbers of its own, and is written down when it is done: a study that is stopped goes
on, and one with more experiments begins with those that are there.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.config.recipe import required
from simmorph.config.studies import CoverageSettings
from simmorph.data.files.outputs import refuse_existing, whole_folder, write_csv, write_json, write_provenance
from simmorph.data.ntuples.files import checksums_of
from simmorph.limits.formats.reading import read_model
from simmorph.limits.model.building import workspace_of
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.studies.coverage import (
    Coverage,
    ToyOutcome,
    Toys,
    bunches,
    from_model,
    from_truth,
    outcomes,
    summary,
)
from simmorph.limits.templates.correction import Given
from simmorph.limits.templates.observable import Defaults
from simmorph.limits.templates.reading import read_templates
from simmorph.pipeline.limits.run import inputs_of, refuse_several_strengths
from simmorph.pipeline.partial import FinishedParts, until_stopped
from simmorph.pipeline.processes import outcomes as side_by_side
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.random import Generator

    from simmorph.config.limits import LimitsRecipe, LimitsSettings
    from simmorph.config.recipe import Recipe
    from simmorph.config.values.interpolation import Interpolation
    from simmorph.data.events import FloatArray
    from simmorph.data.histograms import Histogram
    from simmorph.limits.studies.coverage import Experiment, PseudoExperiment
    from simmorph.limits.templates.sample import Sample, Templates
    from simmorph.progress import Progress

NUMBERS = "coverage.json"
MIN_TOYS = 2
"""With fewer nothing can be said."""
MODEL_IS_RIGHT = "the model is right: counts and auxiliary measurements fluctuate about its nominal values"


@dataclass(frozen=True)
class CoverageResult:
    """What pseudo-experiments found.

    Attributes:
        coverage: the numbers.
        truth: what was true in the pseudo-experiments.
        amplification: what the uncertainty of each background came from, for a recipe.
        outcomes: what each pseudo-experiment found.
        stopped: what stopped them before their end: Ctrl-C or SIGTERM.
    """

    coverage: Coverage
    truth: str
    amplification: dict[str, str]
    outcomes: dict[int, ToyOutcome | None]
    stopped: BaseException | None = None

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        complete = self.stopped is None
        return {
            **self.coverage.to_json(), "truth": self.truth, "amplification": self.amplification, "complete": complete
        }  # fmt: skip

    def to_text(self) -> str:
        """A table for people."""
        lines = [self.coverage.to_text(), f"in these pseudo-experiments {self.truth}"]
        lines += [f"uncertainty of {name}: {treatment}" for name, treatment in self.amplification.items()]
        lines += ["stopped before the end: there are fewer than were asked for"] if self.stopped else []
        return "\n".join(lines)


@dataclass(frozen=True)
class _Study:
    """Pseudo-experiments and what they are made of.

    Attributes:
        experiments: each makes one; they are taken in turn.
        toys: how many, and at which strength.
        truth: what is true in them, in words.
        made_of: what their results depend on, as JSON.
        amplification: what the uncertainty of each background comes from.
    """

    experiments: Sequence[Experiment]
    toys: Toys
    truth: str
    made_of: Mapping[str, Any]
    amplification: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Work:
    """How a study is made.

    Attributes:
        output: the folder, if there is one.
        force: replace it if it exists.
        jobs: processes that work at the same time.
        progress: called with a line now and then.
    """

    output: Path | None
    force: bool
    jobs: int
    progress: Progress


def coverage_of_workspace(  # noqa: PLR0913 - one keyword for each option of the command
    path: str,
    settings: CoverageSettings = CoverageSettings(),  # noqa: B008 - frozen
    *,
    level: float = 0.95,
    measurement: str | None = None,
    interpolation: Interpolation | None = None,
    force: bool = False,
    jobs: int = 1,
    progress: Progress = silent,
) -> CoverageResult:
    """Coverage of a workspace or a model of another format, where the model is right.

    Args:
        path: its file, or `-` for stdin.
        settings: number and strength of the pseudo-experiments, and the folder for their table.
        level: confidence level.
        measurement: which of its measurements; the first one if None.
        interpolation: how the sides of its modifiers are joined; as pyhf does it if None.
        force: replace the folder if it exists.
        jobs: processes that work at the same time.
        progress: called with a line now and then.

    Raises:
        InputError: the workspace is not usable.
        UsageError: the folder exists.
        SimmorphError: hardly any fit worked.
    """
    refuse_existing(settings.output, force=force, marker=NUMBERS)
    model = read_model(path, measurement)
    chosen = model.interpolated(interpolation)
    for remark in model.remarks:
        progress(f"warning: {remark}")
    ready = measurement_of(model.spec, model.name, measurement, chosen)
    toys = Toys(settings.toys, settings.strength, level, settings.seed)
    made_of = {"workspace": model.spec, "measurement": measurement, "interpolation": chosen.model_dump()}
    study = _Study([from_model(ready, toys.strength)], toys, MODEL_IS_RIGHT, made_of)
    return _covered(study, _Work(settings.output, force, jobs, progress))


def coverage_of_recipe(
    recipe: Recipe | LimitsRecipe, *, force: bool = False, jobs: int = 1, progress: Progress = silent
) -> CoverageResult:
    """Coverage of a recipe's limits, as its `coverage:` block says.

    Where a background has templates from trainings on other events, each of them in turn is the one that an experiment
    has at hand, and its `closure` events are true. Where it has replicas alone, these take that place, and the nominal
    template is true: a replica is off by as much from it as it is from the truth. Else closure events are true, if
    there are any, or the model is.

    Args:
        recipe: with a `limits:` block.
        force: replace the folder if it exists.
        jobs: processes that work at the same time.
        progress: called with a line now and then.

    Raises:
        ConfigError: the recipe has no `limits:` block, or several channels.
        InputError: a sample is not usable.
        UsageError: the folder exists.
        SimmorphError: hardly any fit worked.
    """
    settings: LimitsSettings = required(recipe.limits, "limits", "a WORKSPACE.json")
    refuse_several_strengths(settings, "coverage study")
    study = recipe.coverage or CoverageSettings()
    refuse_existing(study.output, force=force, marker=NUMBERS)
    toys = Toys(study.toys, study.strength, settings.cl, study.seed)
    templates = read_templates(settings, Defaults.of(recipe, settings), progress)
    chosen = templates.in_likelihood()
    tested = any(_at_hand(it) or it.truth is not None or it.correction for it in chosen.samples)
    experiments = (
        list(_tested(chosen, settings, toys.strength)) if tested else [_right(chosen, settings, toys.strength)]
    )
    treatments: dict[str, str] = {
        it.name: it.amplified(settings.amplification) for it in settings.background if it.input
    }
    made_of = {"limits": settings.model_dump(mode="json"), "inputs": checksums_of(inputs_of(settings))}
    ready = _Study(experiments, toys, _truth_words(chosen), made_of, treatments)
    return _covered(ready, _Work(study.output, force, jobs, progress))


def _covered(study: _Study, work: _Work) -> CoverageResult:
    """Make the pseudo-experiments that are still missing, and write down what all of them say.

    After Ctrl-C or SIGTERM the result is that of the experiments so far, and has `stopped`; the folder is written only
    by a study that came to its end. With fewer than MIN_TOYS experiments the interruption is raised again.
    """
    toys, output = study.toys, work.output
    done = FinishedParts(output, {**study.made_of, "strength": toys.strength, "level": toys.level, "seed": toys.seed})
    known = dict(map(_outcome, done.parts))
    tasks = bunches(study.experiments, toys.number, known)

    def fill() -> None:
        n_done, n_tenths = len(known), 0
        setup = partial(_ready, study.experiments, toys)
        with contextlib.closing(side_by_side(setup, tasks, work.jobs)) as found:
            for outcome in found:
                for part in outcome.get().items():
                    done.add([*part])
                n_done += len(outcome.task)
                if 10 * n_done // toys.number > n_tenths:
                    n_tenths = 10 * n_done // toys.number
                    work.progress(f"{n_done} of {toys.number} pseudo-experiments")

    stopped = until_stopped(fill)
    # In order: a sum depends on it by its last bits.
    found = {
        number: outcome
        for number, outcome in sorted(map(_outcome, done.parts), key=itemgetter(0))
        if number < toys.number
    }
    if stopped is not None:
        work.progress(done.where())
        if sum(outcome is not None for outcome in found.values()) < MIN_TOYS:
            raise stopped
    numbers = summary(found, toys, len(study.experiments))
    result = CoverageResult(numbers, study.truth, study.amplification, found, stopped)
    if output is not None and stopped is None:
        _write(result, output, study.made_of.get("inputs", {}), force=work.force)
        done.clear()
    return result


def _ready(experiments: Sequence[Experiment], toys: Toys) -> Callable[[list[int]], dict[int, ToyOutcome | None]]:
    """What makes and fits a bunch of pseudo-experiments, in this process or another one."""
    return partial(outcomes, experiments, toys)


def _outcome(part: tuple[int, Sequence[Any] | None]) -> tuple[int, ToyOutcome | None]:
    """Number and outcome of a pseudo-experiment, as the file of finished parts has them."""
    number, found = part
    return number, None if found is None else ToyOutcome(*found)


def _write(result: CoverageResult, output: Path, inputs: Mapping[str, str], *, force: bool) -> None:
    """Write the table of pseudo-experiments, the numbers, and where they come from."""
    with whole_folder(output, force=force, marker=NUMBERS) as folder:
        rows = ([number, *(outcome or [""] * 3)] for number, outcome in sorted(result.outcomes.items()))
        write_csv(folder / "toys.csv", ["number", *ToyOutcome._fields], rows)
        write_json(folder / NUMBERS, result.to_json())
        made_from = {"truth": result.truth, "amplification": result.amplification, "inputs": dict(inputs)}
        write_provenance(folder / NUMBERS, made_from)


def _truth_words(templates: Templates) -> str:
    """What is true in the pseudo-experiments, in words."""
    has_truth = any(sample.truth is not None for sample in templates.samples)
    if any(sample.retrained for sample in templates.samples):
        return "the closure events are true, and the template at hand is from a training on other events"
    if any(sample.correction for sample in templates.samples):
        return "the corrected template is true, simulated events fluctuate about it, and correct the one that was drawn"
    if any(sample.replicas for sample in templates.samples):
        return "the nominal template is true, and the template at hand is a replica, its error the spread of the others"
    return "the closure events are true, and the template at hand is the nominal one" if has_truth else MODEL_IS_RIGHT


def _right(templates: Templates, settings: LimitsSettings, strength: float) -> Experiment:
    """Experiments in which the model of these templates is right."""
    spec = workspace_of(templates, settings.parameter)
    return from_model(measurement_of(spec, interpolation=settings.interpolation), strength)


def _tested(templates: Templates, settings: LimitsSettings, strength: float) -> Iterator[Experiment]:
    """One kind of experiment for each template at hand."""
    true = [_true_yields(sample, strength) for sample in templates.samples]
    expected = np.sum(true, axis=0)
    n_at_hand = min((len(_at_hand(sample)) for sample in templates.samples if _at_hand(sample)), default=0)
    for number in range(max(n_at_hand, 1)):
        samples = tuple(_as_learnt(sample, number) for sample in templates.samples)
        if any(sample.given for sample in samples):
            yield partial(_simulated_anew, replace(templates, samples=samples), true, settings)
        else:
            spec = workspace_of(replace(templates, samples=samples), settings.parameter)
            yield from_truth(measurement_of(spec, interpolation=settings.interpolation), expected)


def _simulated_anew(
    templates: Templates, true: Sequence[FloatArray], settings: LimitsSettings, rng: Generator
) -> PseudoExperiment:
    """An experiment in which the simulated events that correct a template fluctuate about what is true as well.

    Args:
        templates: not corrected yet.
        true: (n_bins,) for each sample, what is true.
        settings: of the limits.
        rng: of the experiment.
    """
    signal = np.sum([it.histogram.values for it in templates.samples if it.is_signal], axis=0)
    samples = []
    for sample, its in zip(templates.samples, true, strict=True):
        if sample.given is None:
            samples.append(sample)
            continue
        simulated = sample.given.simulated
        counts = rng.poisson(its / its.sum() * simulated.effective_entries).astype(np.float64)
        held_out = replace(simulated, values=counts, variances=counts)
        samples.append(replace(sample, given=Given(None, held_out)).corrected(signal))
    spec = workspace_of(replace(templates, samples=tuple(samples)), settings.parameter)
    return from_truth(measurement_of(spec, interpolation=settings.interpolation), np.sum(true, axis=0))(rng)


def _at_hand(sample: Sample) -> tuple[Histogram, ...]:
    """The templates that stand in for the nominal one, an experiment each: from other trainings, or else replicas."""
    return sample.retrained or sample.replicas


def _true_yields(sample: Sample, strength: float) -> FloatArray:
    """What is true in the experiments.

    A replica is to the nominal template what that is to the truth: so it is not held against closure events. Of a
    template that was corrected, what came out is true, unless there are trainings on other events.
    """
    if sample.is_signal:
        return strength * sample.histogram.values
    is_nominal = sample.truth is None or sample.correction or sample.replicas
    return sample.histogram.values if sample.truth is None or (is_nominal and not sample.retrained) else sample.truth


def _as_learnt(sample: Sample, number: int) -> Sample:
    """A sample as experiment `number` has it at hand, not corrected yet."""
    sample = sample.drawn or sample
    if sample.retrained:
        return sample.moved_to(sample.retrained[number])
    return sample.as_replica(number) if sample.replicas else sample
