"""How often the intervals of a workspace or a recipe hold the true strength."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.config.recipe import required
from simmorph.limits.building import workspace_of
from simmorph.limits.coverage import Coverage, Toys, coverage, from_model, from_truth
from simmorph.limits.templates import Defaults, Sample, Templates, read_templates
from simmorph.limits.workspace import STDIN, measurement_of, read_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.random import Generator

    from simmorph.config.limits import LimitsRecipe, LimitsSettings
    from simmorph.config.recipe import Recipe
    from simmorph.data.events import FloatArray
    from simmorph.limits.coverage import PseudoExperiment
    from simmorph.limits.histograms import Histogram

MODEL_IS_RIGHT = "the model is right: counts and auxiliary measurements fluctuate about its nominal values"


@dataclass(frozen=True)
class CoverageResult:
    """What pseudo-experiments found.

    Attributes:
        coverage: the numbers.
        truth: what was true in the pseudo-experiments.
        amplification: what the uncertainty of each background came from, for a recipe.
    """

    coverage: Coverage
    truth: str
    amplification: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return {**self.coverage.to_json(), "truth": self.truth, "amplification": self.amplification}

    def to_text(self) -> str:
        """A table for people."""
        lines = [self.coverage.to_text(), f"in these pseudo-experiments {self.truth}"]
        lines += [f"uncertainty of {name}: {treatment}" for name, treatment in self.amplification.items()]
        return "\n".join(lines)


def coverage_of_workspace(path: str, toys: Toys, *, measurement: str | None = None) -> CoverageResult:
    """Coverage of a pyhf workspace, where the model is right.

    Raises:
        InputError: the workspace is not usable.
    """
    ready = measurement_of(read_workspace(path), "stdin" if path == STDIN else path, measurement)
    found = coverage([from_model(ready, toys.strength)], toys)
    return CoverageResult(found, MODEL_IS_RIGHT, {})


def coverage_of_recipe(recipe: Recipe | LimitsRecipe, toys: Toys) -> CoverageResult:
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
    templates = read_templates(settings, Defaults(settings.tree or recipe.tree, recipe.weight), toys.note)
    chosen = templates.in_likelihood()
    tested = any(_at_hand(sample) or sample.truth is not None for sample in chosen.samples)
    experiments = (
        list(_tested(chosen, settings, toys.strength)) if tested else [_right(chosen, settings, toys.strength)]
    )
    found = coverage(experiments, toys)
    treatments: dict[str, str] = {
        it.name: it.amplified(settings.amplification) for it in settings.background if it.input
    }
    return CoverageResult(found, _truth_words(chosen), treatments)


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
