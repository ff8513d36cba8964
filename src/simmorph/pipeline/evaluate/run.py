"""From source, template and target to a report: metrics, tables, plots, and one page that shows them all.

The report tells first whether the template looks like the target in the region of training, then the same of every
other region: a map that was learnt beside the signal is used where the signal is, and has to be seen there too.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simmorph.card import identity_of
from simmorph.config.recipe import required
from simmorph.data.files.outputs import refuse_existing, whole_folder, write_json
from simmorph.evaluation.comparison import Plan, judges_of
from simmorph.evaluation.metrics.registry import metric_words
from simmorph.evaluation.metrics.samples import NULL
from simmorph.evaluation.region_result import RegionResult, compare
from simmorph.evaluation.report.write import write_report
from simmorph.model_folder import read_card
from simmorph.pipeline.evaluate.inputs import Inputs, read_inputs
from simmorph.pipeline.evaluate.origin import cutflows, model_facts
from simmorph.progress import silent
from simmorph.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from simmorph.card import ModelCard
    from simmorph.config.recipe import Recipe
    from simmorph.progress import Progress

REPORT = "report.json"
ALL_EVENTS, TRAINING = "all", "training"
"""Names of the region that is judged first if the recipe gives it none."""


@dataclass(frozen=True, eq=False)
class EvaluateResult:
    """What `simmorph evaluate` found.

    Attributes:
        folder: the report.
        regions: the results, the region of training (or all events) first.
        report: the content of `report.json`.
    """

    folder: Path
    regions: list[RegionResult]
    report: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The content of `report.json`."""
        return self.report

    def to_text(self) -> str:
        """The key metrics of each region, for people."""
        lines = [f"warning: {text}" for text in self.report["warnings"]]
        for result in self.regions:
            lines += [f"region {result.name}: {result.verdict.sentence()}", _table(result), ""]
        return "\n".join([*lines, f"report: {self.folder / 'report.html'}"])


def _table(result: RegionResult) -> str:
    """The metrics of one region in aligned columns, and what they say."""
    words = {metric: metric_words(metric, result.derived) for metric in result.metrics}
    width = max(map(len, words.values()))
    heads = ["null" if name == NULL else name.replace("_", " ") for name in result.comparisons]
    names = "".join(f"{head:>22}" for head in heads)
    rows = [f"{'metric':<{width}}{names}{'template above null':>22}"]
    for metric, compared in result.metrics.items():
        found = "".join(f"{compared[name].to_text():>22}" for name in result.comparisons)
        significance = result.significances[metric]["template_vs_target"].deviations
        rows.append(f"{words[metric]:<{width}}{found}{significance:>+19.1f} sd")
    return "\n".join(
        [*rows, f"metrics: {result.findings.sentence()}", f"variables: {result.distance_findings.sentence()}"]
    )


def evaluate(recipe: Recipe, *, force: bool = False, progress: Progress = silent) -> EvaluateResult:
    """Compare source, template and target, and write the report folder.

    Args:
        recipe: names source, target, template, and the report; with a model, what training has seen is left out.
        force: replace a report that exists.
        progress: called with what is being done.

    Raises:
        ConfigError: the recipe lacks something.
        InputError: an input is missing or not what it should be.
        UsageError: the report exists.
    """
    start = time.perf_counter()
    folder: Path = required(recipe.evaluate.report, "evaluate.report", "--output")
    refuse_existing(folder, force=force, marker=REPORT)
    card = None if recipe.model is None else read_card(recipe.model)
    if card is None:
        progress("no model given: it is not known which events training has seen")
    elif not _is_of(card, recipe):
        region = card.learning.region or "all events"
        progress(f"the model has other settings than the recipe: its own region ({region}) and hold-out part are used")
    inputs = read_inputs(recipe, card)
    for doubt in inputs.doubts:
        progress(f"warning: {doubt.text}")
    cuts = _regions(recipe, inputs)
    regions = [_compared(recipe, inputs, cuts, name, progress) for name in cuts]
    report = _report(recipe, inputs, regions)
    with whole_folder(folder, force=force, marker=REPORT) as temporary:
        progress("drawing the report")
        report["provenance"]["seconds"] = round(time.perf_counter() - start, 1)
        write_json(temporary / REPORT, report)
        write_report(temporary, regions, report, recipe.evaluate)
    return EvaluateResult(folder, regions, report)


def _is_of(card: ModelCard, recipe: Recipe) -> bool:
    """Whether the recipe would learn this model from the same files; it may be judged on others."""
    samples = {"source": card.learning.source, "target": card.learning.target}
    learning = recipe.learning.model_copy(update=samples)
    return identity_of(learning, card.source.files, card.target.files) == card.identity


def _regions(recipe: Recipe, inputs: Inputs) -> dict[str, str]:
    """The cut of each region by name, the one that the top of the report shows first."""
    first = inputs.trained_on or ""
    named = {name: cut for name, cut in recipe.evaluate.regions.items() if cut.strip() == first.strip()}
    default = next(iter(named), TRAINING if first else ALL_EVENTS)
    return {default: first} | recipe.evaluate.regions | inputs.bands(recipe.evaluate.bands)


def _compared(recipe: Recipe, inputs: Inputs, cuts: Mapping[str, str], name: str, progress: Progress) -> RegionResult:
    """Everything that is measured in one region; its name is part of the seed, so that no region changes another."""
    progress(f"comparing in region {name}")
    settings, cut = recipe.evaluate, cuts[name]
    samples = inputs.samples(cut)
    plan = Plan(
        judges=judges_of(samples, settings.judges),
        max_events=settings.max_events,
        seed=[settings.seed, *name.encode()],
        periodic=[inputs.features.index(angle) for angle in inputs.periodic],
        n_splits=None,
        n_regions=len(cuts),
    )
    is_trained_on = cut.strip() == (inputs.trained_on or "").strip()
    return compare(name, cut, samples, plan, is_trained_on=is_trained_on)


def _report(recipe: Recipe, inputs: Inputs, regions: list[RegionResult]) -> dict[str, Any]:
    """The content of `report.json`; what stands at its top is the first region, the one of training or all events."""
    results = {result.name: result.to_json() for result in regions}
    first = results[regions[0].name]
    tables = {**({"source": inputs.source} if inputs.has_source else {}), "template": inputs.template}
    files = {name: table.checksums() for name, table in {**tables, "target": inputs.target}.items()}
    return {
        "region": regions[0].name,
        **{key: first[key] for key in ("verdict", "conclusion", "sentence")},
        "worst": _worst(recipe, regions),
        "metrics": first["metrics"],
        "held_out": {"known": inputs.card is not None, "remark": _held_out_remark(inputs), "events": inputs.counts()},
        "warnings": [doubt.text for doubt in inputs.doubts],
        "invalid": list(inputs.invalid),
        "regions": results,
        "training": inputs.card.history if inputs.card else {},
        "model": model_facts(inputs.card) if inputs.card else None,
        "cutflow": cutflows(files),
        "periodic": list(inputs.periodic),
        "variables": {
            name: {"axis": recipe.axis_label(name, inputs.units), "unit": inputs.units.get(name, "")}
            for name in dict.fromkeys([*inputs.names, *inputs.context, *inputs.conditions])
        },
        "provenance": {
            "simmorph": __version__,
            "files": files,
            "model": str(recipe.model) if inputs.card else None,
            "tensors_sha256": inputs.card.tensors_sha256 if inputs.card else None,
            "method": recipe.method.name if inputs.card is None else inputs.card.learning.method.name,
            "recipe": recipe.model_dump(mode="json"),
        },
    }


def _worst(recipe: Recipe, regions: list[RegionResult]) -> dict[str, str]:
    """The worst verdict of the first region and of those that the recipe names; bands are too many to count."""
    named = [result for number, result in enumerate(regions) if number == 0 or result.name in recipe.evaluate.regions]
    worst = max(named, key=lambda result: result.verdict.badness)
    return {"verdict": worst.verdict.code, "region": worst.name}


def _held_out_remark(inputs: Inputs) -> str:
    """How many events are left out because training has seen them, in a sentence."""
    if inputs.card is None:
        return "Without the model it is not known which events training has seen: none are left out."
    used = [f"{count['used']:,} of {count['read']:,} {name} events" for name, count in inputs.counts().items()]
    return f"Events that training or early stopping has seen are left out: {' and '.join(used)} are used."
