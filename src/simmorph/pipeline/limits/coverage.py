"""How often the intervals of a workspace or a recipe hold the true strength."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.config.recipe import required
from simmorph.data.outputs import refuse_existing, whole_folder, write_json, write_provenance
from simmorph.limits.building import workspace_of
from simmorph.limits.coverage import Coverage, Outcome, Toys, from_model, from_truth, outcomes, summary
from simmorph.limits.templates import Defaults, Sample, Templates, read_templates
from simmorph.limits.workspace import STDIN, measurement_of, read_workspace
from simmorph.pipeline.limits.run import inputs_of
from simmorph.pipeline.partial import Shelf, hashes_of, until_stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.random import Generator

    from simmorph.config.limits import LimitsRecipe, LimitsSettings
    from simmorph.config.recipe import Recipe
    from simmorph.data.events import FloatArray
    from simmorph.limits.coverage import PseudoExperiment
    from simmorph.limits.histograms import Histogram

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
    outcomes: dict[int, Outcome | None]
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
class Place:
    """Where the numbers go.

    Attributes:
        output: folder for `coverage.json` and the table of pseudo-experiments; None for none.
        force: replace it if it exists.
    """

    output: Path | None = None
    force: bool = False


NOWHERE = Place()


def coverage_of_workspace(
    path: str, toys: Toys, *, measurement: str | None = None, place: Place = NOWHERE
) -> CoverageResult:
    """Coverage of a pyhf workspace, where the model is right.

    Raises:
        InputError: the workspace is not usable.
    """
    _refuse_existing(place)
    spec = read_workspace(path)
    ready = measurement_of(spec, "stdin" if path == STDIN else path, measurement)
    made_of = {"workspace": spec, "measurement": measurement}
    return _covered([from_model(ready, toys.strength)], toys, MODEL_IS_RIGHT, {}, made_of, place)


def coverage_of_recipe(recipe: Recipe | LimitsRecipe, toys: Toys, place: Place = NOWHERE) -> CoverageResult:
    """Coverage of a recipe's limits.

    Where a background has templates from trainings on other events, each of them in turn is the one that an experiment
    has at hand, and its `closure` events are true. Where it has replicas alone, these take that place, and the nominal
    template is true: a replica is off by as much from it as it is from the truth. Else closure events are true, if
    there are any, or the model is.

    Raises:
        ConfigError: the recipe has no `limits:` block.
        InputError: a sample is not usable.
    """
    settings: LimitsSettings = required(recipe.limits, "limits", "a WORKSPACE.json")
    _refuse_existing(place)
    templates = read_templates(settings, Defaults(settings.tree or recipe.tree, recipe.weight), toys.note)
    chosen = templates.in_likelihood()
    tested = any(_at_hand(sample) or sample.truth is not None for sample in chosen.samples)
    experiments = (
        list(_tested(chosen, settings, toys.strength)) if tested else [_right(chosen, settings, toys.strength)]
    )
    treatments: dict[str, str] = {
        it.name: it.amplified(settings.amplification) for it in settings.background if it.input
    }
    made_of = {"limits": settings.model_dump(mode="json"), "inputs": hashes_of(inputs_of(settings))}
    return _covered(experiments, toys, _truth_words(chosen), treatments, made_of, place)


def _covered(  # noqa: PLR0913, PLR0917
    experiments: Sequence[Callable[[Generator], PseudoExperiment]],
    toys: Toys,
    truth: str,
    treatments: dict[str, str],
    made_of: Mapping[str, Any],
    place: Place,
) -> CoverageResult:
    """Make the pseudo-experiments that are not on the shelf, and write down what all of them say."""
    shelf = Shelf(place.output, {**made_of, "strength": toys.strength, "level": toys.level, "seed": toys.seed})
    known = dict(map(_outcome, shelf.parts))

    def fill() -> None:
        for number, outcome in outcomes(experiments, toys, known):
            if number not in known:
                shelf.add([number, outcome])

    stopped = until_stopped(fill)
    found = {number: outcome for number, outcome in map(_outcome, shelf.parts) if number < toys.number}
    if stopped is not None:
        toys.note(shelf.where())
        if sum(outcome is not None for outcome in found.values()) < MIN_TOYS:
            raise stopped
    result = CoverageResult(summary(found, toys, len(experiments)), truth, treatments, found, stopped)
    if place.output is not None and stopped is None:
        _write(result, place.output, made_of.get("inputs", {}), force=place.force)
        shelf.clear()
    return result


def _outcome(part: tuple[int, Sequence[Any] | None]) -> tuple[int, Outcome | None]:
    number, found = part
    return number, None if found is None else Outcome(*found)


def _refuse_existing(place: Place) -> None:
    if place.output is not None:
        refuse_existing(place.output, force=place.force, marker=NUMBERS)


def _write(result: CoverageResult, output: Path, inputs: Mapping[str, str], *, force: bool) -> None:
    with whole_folder(output, force=force, marker=NUMBERS) as folder:
        with (folder / "toys.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["number", *Outcome._fields])
            writer.writerows([number, *(outcome or [""] * 3)] for number, outcome in sorted(result.outcomes.items()))
        write_json(folder / NUMBERS, result.to_json())
        made_from = {"truth": result.truth, "amplification": result.amplification, "inputs": dict(inputs)}
        write_provenance(folder / NUMBERS, made_from)


def _truth_words(templates: Templates) -> str:
    has_truth = any(sample.truth is not None for sample in templates.samples)
    if any(sample.retrained for sample in templates.samples):
        return "the closure events are true, and the template at hand is from a training on other events"
    if any(sample.replicas for sample in templates.samples):
        return "the nominal template is true, and the template at hand is a replica, its error the spread of the others"
    return "the closure events are true, and the template at hand is the nominal one" if has_truth else MODEL_IS_RIGHT


def _right(templates: Templates, settings: LimitsSettings, strength: float) -> Callable[[Generator], PseudoExperiment]:
    return from_model(measurement_of(workspace_of(templates, settings.parameter)), strength)


def _tested(
    templates: Templates, settings: LimitsSettings, strength: float
) -> Iterator[Callable[[Generator], PseudoExperiment]]:
    """One kind of experiment for each template at hand."""
    expected = np.sum([_true_yields(sample, strength) for sample in templates.samples], axis=0)
    n_at_hand = min((len(_at_hand(sample)) for sample in templates.samples if _at_hand(sample)), default=0)
    for number in range(max(n_at_hand, 1)):
        samples = tuple(_as_learnt(sample, number) for sample in templates.samples)
        spec = workspace_of(replace(templates, samples=samples), settings.parameter)
        yield from_truth(measurement_of(spec), expected)


def _at_hand(sample: Sample) -> tuple[Histogram, ...]:
    return sample.retrained or sample.replicas


def _true_yields(sample: Sample, strength: float) -> FloatArray:
    """What a replica is to the nominal template, that is to the truth: so a replica is not held against closure."""
    if sample.is_signal:
        return strength * sample.histogram.values
    is_nominal = sample.truth is None or (sample.replicas and not sample.retrained)
    return sample.histogram.values if is_nominal or sample.truth is None else sample.truth


def _as_learnt(sample: Sample, number: int) -> Sample:
    if sample.retrained:
        return sample.moved_to(sample.retrained[number])
    return sample.as_replica(number) if sample.replicas else sample
