"""From a workspace, ntuples or histograms to upper limits, a workspace and plots.

A recipe is made a pyhf workspace first, and its limits are those of that workspace, which is written beside them for
other programs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.config.recipe import Recipe, load_any_recipe, required
from simmorph.data.expressions.expression import parse
from simmorph.data.ntuples.files import checksums_of, expand_inputs
from simmorph.data.quality.changed import changes_in
from simmorph.data.units import agreed, read_units, units_of_derived
from simmorph.errors import ConfigError, InputError
from simmorph.evaluation.plots.style import Heading
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.building import CHANNEL, workspace_of_channels
from simmorph.limits.model.likelihood import Data
from simmorph.limits.model.workspace import WORKSPACE, measurement_of
from simmorph.limits.modifiers.registry import kind_of
from simmorph.limits.report.report import Report, with_bounds
from simmorph.limits.report.spectra import spectra_of
from simmorph.limits.templates.observable import Defaults
from simmorph.limits.templates.reading import read_channels
from simmorph.pipeline.limits.infer import LimitsOptions, impacts_of, infer
from simmorph.pipeline.limits.result import ClosureTest, LimitsResult, SidebandQuality
from simmorph.pipeline.limits.review import findings_of
from simmorph.pipeline.limits.toys import ToyOptions
from simmorph.pipeline.limits.workspace import refuse_outputs, remarks_on, write_hs3, write_report
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from simmorph.config.limits import LimitsRecipe, LimitsSettings
    from simmorph.data.events import FloatArray
    from simmorph.data.histograms import Histogram
    from simmorph.limits.templates.correction import Correction
    from simmorph.limits.templates.sample import Templates
    from simmorph.limits.templates.sideband import SidebandFit
    from simmorph.pipeline.limits.infer import Inference
    from simmorph.pipeline.limits.review import Truth
    from simmorph.progress import Progress


MANY_EVENTS = 30.0
"""So many are expected that finding none cannot happen (a probability of 1e-13)."""


def limits_of_recipe(
    recipe: Recipe | LimitsRecipe, *, force: bool = False, jobs: int = 1, progress: Progress = silent
) -> LimitsResult:
    """Upper limits from ntuples or histograms.

    Args:
        recipe: with a `limits:` block.
        force: replace the output if it exists.
        jobs: processes that work at the same time.
        progress: called with what is being done.

    Raises:
        ConfigError: the block is missing or wrong.
        InputError: a sample is not usable, or the data are empty where many events are expected.
        NoLimitError: nothing can be excluded.
        UsageError: the output exists.
    """
    settings: LimitsSettings = required(recipe.limits, "limits", "a WORKSPACE.json").blinded()
    options = options_of(settings, force=force, jobs=jobs, progress=progress)
    options.refuse_idle()
    refuse_outputs(options)
    labels = _labels(settings, recipe)
    channels = read_channels(settings, Defaults.of(recipe, settings), progress)
    for templates in channels.values():
        _refuse_missing_data(templates)
    remarks = [*changes_in(inputs_of(settings)), *_remarks(channels), *remarks_on(settings.interpolation, options)]
    for warning in remarks:
        progress(f"warning: {warning}")
    spec = workspace_of_channels(channels, settings.parameter, settings.poi)
    where = None if options.output is None else str(options.output / WORKSPACE)
    its_name = where or "the recipe's workspace"
    ready = measurement_of(spec, its_name, interpolation=settings.interpolation, clip=settings.clip)
    write_hs3(ready, settings.interpolation, options)
    found = infer(ready, options)
    truth = _truth(channels, found) if settings.has_one_strength else None
    result = LimitsResult(
        *(found.limits, found.strength, found.cls_at_1, where, found.ready.name),
        asimov=(settings.asimov or 0.0) if any(templates.is_asimov for templates in channels.values()) else None,
        sidebands={name: _quality(it, it.sideband_fit) for name, it in channels.items() if it.sideband_fit},
        goodness=found.goodness,
        toys=found.toys,
        stopped=found.stopped,
        fitting=found.fitting,
        significance=found.significance,
        impacts=impacts_of(found, options),
        closure=_closure(truth, found) if truth else None,
        corrections=_corrections(channels),
        interpolation=settings.interpolation,
        clip=options.clip,
        uncertainties=_uncertainties(settings) | {k: v for it in channels.values() for k, v in it.left_out.items()},
        outside={name: it.outside for name, it in channels.items() if it.outside},
        warnings=(*remarks, *found.warnings),
        findings=tuple(findings_of(found, options, truth)),
    )
    if options.output is not None and found.stopped is None:
        scan, spectra = (
            found.scan(),
            spectra_of(channels, found.ready, found.strength, labels),
        )
        heading = Heading.of(settings.experiment, settings.luminosity_fb, settings.energy_tev)
        spec = with_bounds(spec, found.limits)
        report = Report(
            *(spec, result.to_json(), found.limits, scan, spectra, result.impacts, heading, result.corrections),
            correlations=found.correlations(),
            findings=result.findings,
        )
        write_report(report, options.output, checksums_of(inputs_of(settings)), force=force)
        found.done.clear()
    return result


def refuse_several_strengths(settings: LimitsSettings, study: str) -> None:
    """Refuse what a study does not know of: signals of which only some are scaled by the parameter of interest.

    Raises:
        ConfigError: there are some.
    """
    if not settings.has_one_strength:
        what = f"signals with strengths of their own have no {study}"
        raise ConfigError("limits", what, "leave out `of_interest:`, and `parameter:` of the signals")


def options_of(settings: LimitsSettings, *, force: bool, jobs: int, progress: Progress) -> LimitsOptions:
    """How a recipe wants its limits."""
    its = settings
    asked = its.impacts, its.groups, its.asimov
    toys = ToyOptions(its.calculator, its.toys, its.seed, its.goodness_toys)
    return LimitsOptions(
        *(its.cl, its.output, force, progress, its.engine, *asked), toys=toys, jobs=jobs, **_asked(its)
    )  # fmt: skip


def _asked(settings: LimitsSettings) -> dict[str, Any]:
    """What a recipe asks for besides, by the names of its keys."""
    return {key: getattr(settings, key) for key in ("profile", "inject", "interval", "hs3", "clip")}


def _labels(settings: LimitsSettings, recipe: Recipe | LimitsRecipe) -> dict[str, str]:
    """The axis label of the observable, by channel: as given, or its expression with the unit that follows.

    Raises:
        InputError: the inputs are in different units.
    """
    units = agreed({"the recipe": recipe.units, **{path: read_units(path) for path in inputs_of(settings)}})
    labels = {}
    for name, its in settings.by_channel().items():
        text = its.observable or "observable"
        derived = units_of_derived({text: parse(text, "limits.observable")}, units)
        labels[name] = its.label or recipe.axis_label(text, derived)
    return labels


def _refuse_missing_data(templates: Templates) -> None:
    """Data without any event where many are expected are the wrong ones: their unit, region or file.

    Raises:
        InputError: that is the case.
    """
    expected = sum(float(np.sum(it.histogram.values)) for it in templates.samples if not it.is_signal)
    if expected > MANY_EVENTS and not np.any(templates.data.values):
        what = f"no event in any bin, and {expected:.4g} are expected"
        raise InputError("data", what, "check their region, observable, binning and units")


def _remarks(channels: Mapping[str, Templates]) -> Iterator[str]:
    """A sentence for each thing that is odd about a sample: events that are there twice, or have no observable."""
    for channel, templates in channels.items():
        where = f"channel {channel}, " if channel else ""
        yield from (f"{where}{remark}" for remark in templates.remarks)
        for name, outside in templates.outside.items():
            if outside.not_finite.events:
                n_events, weighted = outside.not_finite
                what = f"{n_events} events have no finite observable and are in no bin"
                yield f"{where}{name}: {what} (sum of weights {weighted:.6g})"


def _truth(channels: Mapping[str, Templates], found: Inference) -> Truth | None:
    """Expected data whose backgrounds are their closure events, by the strength of the signal, where there are any."""
    if all(sample.truth is None for templates in channels.values() for sample in templates.samples):
        return None
    named = {name or CHANNEL: templates.in_likelihood() for name, templates in channels.items()}
    likelihood, auxiliary = found.ready.likelihood, found.ready.data.auxiliary
    # pyhf has an order of channels of its own.
    used = [named[name] for name in likelihood.model.config.channels]
    true = np.concatenate([_true_background(templates) for templates in used])
    signal = np.concatenate([_yields(it.histogram for it in templates.samples if it.is_signal) for templates in used])
    return lambda strength: Data(true + strength * signal, auxiliary)


def _closure(truth: Truth, found: Inference) -> ClosureTest:
    """Fits to these data without a signal and with one of strength 1."""
    likelihood = found.ready.likelihood
    without, with_signal = (fitted_strength(likelihood, truth(strength), sides=False) for strength in (0.0, 1.0))
    return ClosureTest(without.value, with_signal.value, without.curvature)


def _corrections(channels: Mapping[str, Templates]) -> dict[str, Correction]:
    """What simulated events said of each template, by its name, and by that of its channel before it."""
    return {
        f"{channel}, {sample.histogram.name}" if channel else sample.histogram.name: sample.correction
        for channel, templates in channels.items()
        for sample in templates.samples
        if sample.correction
    }


def _true_background(templates: Templates) -> FloatArray:
    """(n_bins,), the sum of the backgrounds, closure events in place of a template that has some."""
    backgrounds = [it for it in templates.samples if not it.is_signal]
    parts = [it.histogram.values if it.truth is None else it.truth for it in backgrounds]
    return np.asarray(np.sum(parts, axis=0), np.float64)


def _yields(histograms: Iterable[Histogram]) -> FloatArray:
    """(n_bins,), the sum of some histograms."""
    return np.asarray(np.sum([it.values for it in histograms], axis=0), np.float64)


def _uncertainties(settings: LimitsSettings) -> dict[str, str]:
    """How each uncertainty acts, in words: the physics differs by it."""
    kinds = [(it.name, *kind_of(it)) for it in settings.systematics]
    found = {name: kind.described(options) for name, kind, options in kinds}
    backgrounds = [it for channel in settings.by_channel().values() for it in channel.background]
    treatments = {it.name: it.amplified(settings.amplification) for it in backgrounds}
    words = {
        "corrected": "simulated events, by which it is corrected (histosys)",
        "replicas": "spread of replicas of its method, as correlated shapes (histosys)",
        "training": "number of its training events (staterror)",
    }
    return found | {f"of the training of {name}": words[how] for name, how in treatments.items() if how in words}


def load_limits_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe | LimitsRecipe:
    """A recipe, which may hold nothing but limits.

    Raises:
        ConfigError: with file, line and the nearest valid name.
    """
    recipe = load_any_recipe(path, overrides)
    if recipe.limits is None:
        raise ConfigError(path, "key 'limits' is missing", "add a `limits:` block, or give a WORKSPACE.json")
    for variation in recipe.limits.systematics:
        kind_of(variation)
    return recipe


def inputs_of(settings: LimitsSettings) -> list[str]:
    """Every file that these limits are made from: samples, variations, replicas, other trainings, closure events.

    Raises:
        InputError: one matches no file.
    """
    channels = settings.by_channel().values()
    samples = [it for channel in channels for it in [*channel.signal, *channel.background, channel.data] if it]
    varied = [path for kind, options in map(kind_of, settings.systematics) for path in kind.inputs(options)]
    others = [path for channel in channels for it in channel.background for path in it.other_files]
    named = [path for sample in samples for path in sample.input or []]
    return expand_inputs(list(dict.fromkeys([*named, *varied, *others])))


def _quality(templates: Templates, fit: SidebandFit) -> SidebandQuality:
    """Chi2 of the sidebands, and the data above the curve in the bins that the limit uses."""
    excess = float(np.sum((templates.data.values - fit.expected.values)[templates.used]))
    return SidebandQuality(fit.chi2, fit.n_degrees, excess)
