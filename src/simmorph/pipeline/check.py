"""Is a recipe sound, and do its inputs have what it needs? Nothing is run and nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from simmorph.config.compare import CompareRecipe
from simmorph.config.evaluation import EvaluateSettings
from simmorph.config.limits import LimitsRecipe
from simmorph.config.recipe import Recipe
from simmorph.config.selection import read_selection
from simmorph.data.expressions import parse
from simmorph.data.morphed import standing_for
from simmorph.data.ntuples import describe, expand_inputs, read_histogram
from simmorph.data.selection import Selector
from simmorph.data.toys import TOYS
from simmorph.errors import ConfigError, InputError, one_of
from simmorph.pipeline.evaluate.inputs import branches_of, periodic_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from simmorph.config.learning import Learning
    from simmorph.config.limits import LimitsSettings, SampleSettings


class Finding(NamedTuple):
    """Something that was checked."""

    subject: str
    """A key of the recipe, or a file."""
    finding: str
    """What was found."""


@dataclass(frozen=True)
class CheckResult:
    """Everything that was checked, and found in order."""

    findings: list[Finding]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"findings": [finding._asdict() for finding in self.findings]}

    def to_text(self) -> str:
        """One line a finding."""
        return "\n".join(f"ok  {finding.subject}: {finding.finding}" for finding in self.findings)


def check_recipe(recipe: Recipe | LimitsRecipe | CompareRecipe) -> CheckResult:
    """Check a recipe and every input of it that exists.

    Raises:
        ConfigError: the method, an option, an expression or a selection is wrong.
        InputError: an input is missing or lacks a branch.
    """
    if isinstance(recipe, LimitsRecipe):
        return CheckResult([*_check_limits(recipe)])
    if isinstance(recipe, CompareRecipe):
        return CheckResult([*_check_comparison(recipe)])
    return CheckResult(
        [
            *_check_method(recipe),
            *_check_expressions(recipe),
            *_check_toy(recipe),
            *_check_selections(recipe),
            *_check_samples(recipe),
            *_check_limits(recipe),
        ]
    )


def _check_comparison(recipe: CompareRecipe) -> Iterator[Finding]:
    """Every method, then what they share."""
    for method in recipe.methods:
        for finding in _check_method(recipe.learning_of(method)):
            yield finding._replace(subject=f"method {method.title!r}")
    judge, alone = recipe.judge, dict(recipe.learning_of(recipe.methods[0]))
    judged = EvaluateSettings(derived=judge.derived, regions=judge.regions, periodic=judge.periodic)
    shared = Recipe(**alone, toy=recipe.toy, select=recipe.select, evaluate=judged)
    yield from _check_expressions(shared)
    yield from _check_toy(shared)
    yield from _check_selections(shared)
    yield from _check_samples(shared)


def _check_method(recipe: Learning) -> Iterator[Finding]:
    from simmorph.methods.reweighted import build_map

    method = build_map(recipe)
    n_parameters = sum(parameter.numel() for parameter in method.parameters())
    yield Finding("method", f"{recipe.method.name}, {n_parameters:,} parameters")


def _check_expressions(recipe: Recipe) -> Iterator[Finding]:
    expressions = {f"evaluate.regions.{name}": text for name, text in recipe.evaluate.regions.items()}
    expressions |= {f"evaluate.derived.{name}": text for name, text in recipe.evaluate.derived.items()}
    if recipe.region is not None:
        expressions["region"] = recipe.region
    for key, text in expressions.items():
        names = parse(text, key).names
        yield Finding(key, "uses " + ", ".join(sorted(names)))
    periodic_of(recipe, None)


def _check_toy(recipe: Recipe) -> Iterator[Finding]:
    if recipe.toy is None:
        return
    if recipe.toy.name not in TOYS:
        raise ConfigError("toy.name", f"no such toy {recipe.toy.name!r}", one_of(recipe.toy.name, TOYS))
    yield Finding("toy", f"{recipe.toy.events:,} events into {recipe.toy.output}")


def _check_selections(recipe: Recipe) -> Iterator[Finding]:
    for settings in recipe.select:
        selection = Selector.of(*read_selection(settings.selection)).selection
        yield Finding(f"selection {settings.selection}", f"{len(selection.cuts)} cuts on tree {selection.tree!r}")
        for path in _existing(recipe, settings.input):
            yield Finding(path, f"{describe(path, selection.tree).n_entries:,} entries")


def _check_samples(recipe: Recipe) -> Iterator[Finding]:
    from simmorph.methods.registry import find_method

    derived = {name: parse(text, f"evaluate.derived.{name}") for name, text in recipe.evaluate.derived.items()}
    branches = branches_of(recipe, recipe.region, derived)
    for key, inputs in (("source", recipe.source), ("target", recipe.target)):
        if inputs is None:
            is_drawn = key == "source" and not find_method(recipe.method.name).kind.needs_source
            yield Finding(key, "none: events are drawn" if is_drawn else "to be given on the command line")
            continue
        for path in _existing(recipe, inputs):
            yield Finding(path, f"{_entries_with(path, recipe.tree, branches):,} entries with all branches")


def _check_limits(recipe: Recipe | LimitsRecipe) -> Iterator[Finding]:
    if recipe.limits is None:
        return
    for channel, limits in recipe.limits.by_channel().items():
        for sample in [*limits.signal, *limits.background, *([limits.data] if limits.data else [])]:
            names = _names_of(limits, sample)
            for path in _existing(recipe, sample.input or []):
                if histogram := sample.histogram or limits.histogram:
                    read_histogram(path, histogram)
                else:
                    tree = sample.tree or limits.tree or recipe.tree
                    _check_branches(path, tree, names, morphed=sample.morphed)
            where = ", ".join(word for word in ("limits", channel, sample.name) if word)
            yield Finding(where, f"uses {', '.join(sorted(names)) or 'a histogram or a curve'}")


def _names_of(limits: LimitsSettings, sample: SampleSettings) -> set[str]:
    """What the expressions of a sample need; nothing if it is a histogram or a curve."""
    if sample.histogram or limits.histogram or not sample.input:
        return set()
    observable, region = sample.observable or limits.observable, sample.region or limits.region
    for key, value in (("observable", observable), ("binning", limits.binning)):
        if value is None:
            raise ConfigError("limits", f"key {key!r} is missing", f"add `{key}:`, or a `histogram:` to each sample")
    texts = {"observable": observable, "region": region}
    return {name for key, text in texts.items() if text for name in parse(text, f"limits.{key}").names}


def _check_branches(path: str, tree: str, names: set[str], *, morphed: bool) -> None:
    known = describe(path, tree).branches
    for name in sorted(standing_for(names, known).values() if morphed else names):
        if name not in known:
            raise InputError(path, f"tree {tree!r} lacks {name!r}", one_of(name, known))


def _existing(recipe: Recipe | LimitsRecipe, inputs: Sequence[str]) -> list[str]:
    """The files of these inputs; those that an earlier step of the recipe writes need not exist yet."""
    made: list[Path] = []
    if not isinstance(recipe, LimitsRecipe):
        made += [selected.output for selected in recipe.select] + [applied.output for applied in recipe.apply]
        made += [output for output in (recipe.toy and recipe.toy.output, recipe.template) if output]
    return [path for given in inputs for path in _expanded(given, made)]


def _expanded(given: str, made: Sequence[Path]) -> list[str]:
    try:
        return expand_inputs([given])
    except InputError:
        if any(given == str(output) or given.startswith(f"{output}/") for output in made):
            return []
        raise


def _entries_with(path: str, tree: str, branches: Sequence[str]) -> int:
    _check_branches(path, tree, set(branches), morphed=False)
    return describe(path, tree).n_entries
