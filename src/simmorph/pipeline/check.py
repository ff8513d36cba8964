"""Is a recipe sound, and do its inputs have what it needs? Nothing is run and nothing is written.

The checks are made by the code that the steps run with, so that none can be forgotten here: expressions are parsed, the
method is built, files are opened for their branches. Inputs that an earlier step of the recipe writes may be missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from simmorph.config.compare import CompareRecipe
from simmorph.config.limits import LimitsRecipe
from simmorph.config.recipe import Recipe
from simmorph.config.selection.files import read_selection
from simmorph.data.ntuples.contents import describe, read_histogram
from simmorph.data.ntuples.files import expand_inputs
from simmorph.data.samples import A_FEW
from simmorph.data.selection.reading import BadFiles, SelectionReader
from simmorph.data.selection.selector import Selector
from simmorph.data.toys import TOYS
from simmorph.errors import ConfigError, InputError, one_of
from simmorph.limits.modifiers.registry import kind_of
from simmorph.limits.templates.observable import Defaults, ObservableReader
from simmorph.limits.templates.reader import Reader
from simmorph.pipeline.evaluate import doubts
from simmorph.pipeline.evaluate.inputs import periodic_of, reader_of
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from simmorph.config.learning import Learning
    from simmorph.config.limits import LimitsSettings, SampleSettings
    from simmorph.config.values.weights import SampleName
    from simmorph.data.samples import SampleReader
    from simmorph.pipeline.evaluate.doubts import Doubt


class Finding(NamedTuple):
    """Something that was checked."""

    subject: str
    """A key of the recipe, or a file."""
    finding: str
    """What was found."""
    is_odd: bool = False
    """Whether somebody should look at it."""


@dataclass(frozen=True)
class CheckResult:
    """Everything that was checked, and found in order; what is not in order is an error instead.

    Attributes:
        findings: one for each thing that was looked at.
    """

    findings: list[Finding]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"findings": [finding._asdict() for finding in self.findings]}

    def to_text(self) -> str:
        """One line a finding."""
        return "\n".join(f"{'odd' if it.is_odd else 'ok '} {it.subject}: {it.finding}" for it in self.findings)


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
    periodic_of(recipe.features, recipe.evaluate.periodic, None, recipe.units)
    samples = _check_samples(recipe, reader_of(recipe, recipe.region), [recipe.method.name])
    before = [*_check_method(recipe), *_check_toy(recipe), *_check_selections(recipe)]
    odd = [Finding("samples", doubt.text, is_odd=True) for doubt in _doubts(recipe, reader_of(recipe, recipe.region))]
    return CheckResult([*before, *samples, *odd, *_check_limits(recipe)])


def _check_comparison(recipe: CompareRecipe) -> Iterator[Finding]:
    """Every method, then what they share."""
    from simmorph.pipeline.compare import inputs

    for method in recipe.methods:
        for finding in _check_method(recipe.learning_of(method)):
            yield finding._replace(subject=f"method {method.title!r}")
    periodic_of(recipe.features, recipe.judge.periodic, None, recipe.units)
    yield from _check_toy(recipe)
    yield from _check_selections(recipe)
    yield from _check_samples(recipe, inputs.reader_of(recipe), [method.name for method in recipe.methods])


def _check_method(recipe: Learning) -> Iterator[Finding]:
    """Build the method, which refuses options that it does not take."""
    from simmorph.methods.registry import build_map

    method = build_map(recipe)
    n_parameters = sum(parameter.numel() for parameter in method.parameters())
    yield Finding("method", f"{recipe.method.words}, {n_parameters:,} parameters")


def _check_toy(recipe: Recipe | CompareRecipe) -> Iterator[Finding]:
    """The toy, if the recipe has one.

    Raises:
        ConfigError: there is none of this name.
    """
    if recipe.toy is None:
        return
    if recipe.toy.name not in TOYS:
        raise ConfigError("toy.name", f"no such toy {recipe.toy.name!r}", one_of(recipe.toy.name, TOYS))
    yield Finding("toy", f"{recipe.toy.events:,} events into {recipe.toy.output}")


def _check_selections(recipe: Recipe | CompareRecipe) -> Iterator[Finding]:
    """Each selection with its expressions, and each of its inputs that exists."""
    for settings in recipe.select:
        selector = Selector.of(*read_selection(settings.selection, settings.overrides))
        selection, paths = selector.selection, _existing(recipe, settings.input)
        yield Finding(f"selection {settings.selection}", f"{len(selection.cuts)} cuts on tree {selection.tree!r}")
        reader = SelectionReader(selector, settings.tree or selection.tree, settings.sample, step=A_FEW)
        reader = reader.normalised(paths, BadFiles("fail", silent))[0] if paths else reader
        for path in paths:
            next(reader.chunks(path), None)
            of_sample = f" of sample {name}" if (name := reader.samples.of(path)) else ""
            n_entries = describe(path, reader.tree).n_entries
            yield Finding(path, f"{n_entries:,} entries{of_sample} with all branches")


def _check_samples(recipe: Recipe | CompareRecipe, reader: SampleReader, methods: Sequence[str]) -> Iterator[Finding]:
    """Expressions on the samples, then the branches of source and target in every file.

    Args:
        recipe: names the files.
        reader: what is needed of them.
        methods: the names of the methods; generators need no source.
    """
    from simmorph.methods.registry import find_method

    samples: list[tuple[SampleName, list[str] | None]] = [("source", recipe.source), ("target", recipe.target)]
    for it in [*reader.derived.values(), *reader.cuts]:
        yield Finding(it.where, "uses " + ", ".join(sorted(it.names)))
    for key, inputs in samples:
        if inputs is None:
            is_drawn = key == "source" and not any(find_method(name).kind.needs_source for name in methods)
            yield Finding(key, "none: events are drawn" if is_drawn else "to be given on the command line")
            continue
        for path in _existing(recipe, inputs):
            remarks = replace(reader, weight=recipe.weight_of(key)).paired(recipe.pairs, key).check(path)
            yield Finding(path, f"{describe(path, recipe.tree).n_entries:,} entries with all branches")
            yield from (Finding(key, remark, is_odd=True) for remark in remarks)


def _doubts(recipe: Recipe, reader: SampleReader) -> Iterator[Doubt]:
    """What would make the answer of `evaluate` doubtful, as far as cuts and the first events of the samples show it."""
    from simmorph.methods.registry import find_method

    needs_source = find_method(recipe.method.name).kind.needs_source
    yield from doubts.of_generator(recipe.source, recipe.method.name, needs_source=needs_source)
    cuts = {"of training": recipe.region or "", **recipe.evaluate.regions}
    yield from doubts.of_cuts(cuts, recipe.features, tuple(reader.derived))
    source, target = (_existing(recipe, paths or []) for paths in (recipe.source, recipe.target))
    if source and target:
        if recipe.pairs is None:
            yield from doubts.of_files(source, target)
        samples: dict[SampleName, list[str]] = {"source": source, "target": target}
        first = [
            next(
                replace(reader, paths=paths, weight=recipe.weight_of(sample))
                .paired(recipe.pairs, sample)
                .chunks(first=A_FEW)
            )
            for sample, paths in samples.items()
        ]
        yield from doubts.of_samples(first[0], first[1], [*recipe.features, *recipe.context])


def _check_limits(recipe: Recipe | LimitsRecipe) -> Iterator[Finding]:
    """Systematics, then every sample of every channel."""
    if recipe.limits is None:
        return
    for variation in recipe.limits.systematics:
        kind, options = kind_of(variation)
        yield Finding(f"limits.systematics: {variation.name}", kind.described(options))
    for channel, limits in recipe.limits.by_channel().items():
        defaults = Defaults.of(recipe, limits)
        for sample in [*limits.signal, *limits.background]:
            yield _check_template(recipe, limits, sample, defaults, channel)
            yield from _check_variations(recipe, limits, sample, defaults)
        if limits.data:
            yield _check_template(recipe, limits, limits.data, defaults.of_data(), channel)


def _check_template(
    recipe: Recipe | LimitsRecipe, limits: LimitsSettings, sample: SampleSettings, defaults: Defaults, channel: str
) -> Finding:
    """One sample of the limits: its histogram, or the branches of its expressions, in each of its files.

    Raises:
        ConfigError: an expression is wrong, or there is no binning.
        InputError: a file lacks the histogram or a branch.
    """
    where, paths = ", ".join(filter(None, ("limits", channel, sample.name))), _existing(recipe, sample.input or [])
    if histogram := sample.histogram or limits.histogram:
        for path in paths:
            read_histogram(path, histogram)
    if histogram or not sample.input:
        return Finding(where, "uses a histogram or a curve")
    if limits.binning is None:
        raise ConfigError("limits", "key 'binning' is missing", "add `binning:`, or a `histogram:` to each sample")
    reader = ObservableReader.of(sample, limits, defaults).samples
    for path in paths:
        reader.check(path)
    names = {name for it in (*reader.cuts, *reader.expressions) for name in it.names}
    return Finding(where, f"uses {', '.join(sorted(names))}")


def _check_variations(
    recipe: Recipe | LimitsRecipe, limits: LimitsSettings, sample: SampleSettings, defaults: Defaults
) -> Iterator[Finding]:
    """Whether the files of a sample have the variations of the selection that act on it."""
    reader = Reader(limits.model_copy(update={"channels": None}), defaults, silent)
    acting = [it for it in limits.systematics if sample.name in it.samples]
    for variation in acting if sample.input and _existing(recipe, sample.input) else ():
        options = kind_of(variation)[1]
        for side in (getattr(options, name, None) for name in ("up", "down")):
            if isinstance(side, dict) and "variation" in side:
                found = reader.of_selection(sample, side["variation"])
                where = f"limits.systematics: {variation.name}, {sample.name}"
                yield Finding(where, f"{side['variation']} is " + " ".join(next(iter(found.items()))))


def _existing(recipe: Recipe | LimitsRecipe | CompareRecipe, inputs: Sequence[str]) -> list[str]:
    """The files of these inputs; those that an earlier step of the recipe writes need not exist yet."""
    made: list[Path] = []
    if not isinstance(recipe, LimitsRecipe):
        made += [selected.output for selected in recipe.select] + ([recipe.toy.output] if recipe.toy else [])
    if isinstance(recipe, Recipe):
        made += [applied.output for applied in recipe.apply] + ([recipe.template] if recipe.template else [])
    return [path for given in inputs for path in _expanded(given, made)]


def _expanded(given: str, made: Sequence[Path]) -> list[str]:
    """The files of one input; none if an earlier step of the recipe is to make it."""
    try:
        return expand_inputs([given])
    except InputError:
        if any(given == str(output) or given.startswith(f"{output}/") for output in made):
            return []
        raise
