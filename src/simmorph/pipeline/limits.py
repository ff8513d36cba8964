"""From a workspace, ntuples or histograms to upper limits, a workspace and plots."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simmorph.config.recipe import Recipe, load_any_recipe, required
from simmorph.data.ntuples import expand_inputs, is_url
from simmorph.data.outputs import refuse_existing, sha256_of, whole_folder, write_provenance
from simmorph.errors import ConfigError, InputError
from simmorph.limits.building import with_bounds, workspace_of
from simmorph.limits.impacts import N_DRAWN, Impact, impacts
from simmorph.limits.inference import (
    AsymptoticCls,
    FittedStrength,
    Limits,
    Significance,
    discovery,
    fitted_strength,
    upper_limits,
)
from simmorph.limits.likelihood import ENGINES, Data, FitTally
from simmorph.limits.plots import Spectrum, scan_of
from simmorph.limits.postfit import FittedYields, fitted_yields
from simmorph.limits.report import WORKSPACE, Report
from simmorph.limits.templates import Defaults, Templates, read_templates
from simmorph.limits.workspace import STDIN, Measurement, measurement_of, read_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from simmorph.config.limits import LimitsRecipe, LimitsSettings


NO_SIGNIFICANCE = Significance(0.0, 0.0)
NEGLIGIBLE = 0.01
"""Impacts below this share of the largest are not printed."""
MANY_EVENTS = 30.0
"""So many are expected that finding none cannot happen (a probability of 1e-13)."""


@dataclass(frozen=True)
class Fitting:
    """How the fits were made.

    Attributes:
        engine: one of ENGINES.
        tally: how many, how many were handed over or stayed unvouched, and how long they took.
        derivatives: of the expected yields: in closed form, or by differences where our model is not pyhf's.
    """

    engine: str = "newton"
    tally: FitTally = field(default_factory=FitTally)
    derivatives: str = "analytic"


class SidebandQuality(NamedTuple):
    """How well the curve describes the sidebands, and what is above it between them."""

    chi2: float
    """Of the sideband bins."""
    n_degrees: int
    """Degrees of freedom."""
    excess: float
    """Data less curve, summed over the window."""


class ClosureTest(NamedTuple):
    """What the fit finds in expected data whose background is the closure events: an injection test.

    Attributes:
        spurious: the fitted strength without a signal in these data.
        injected: the fitted strength with a signal of strength 1.
        uncertainty: of the fitted strength without a signal.
    """

    spurious: float
    injected: float
    uncertainty: float

    def to_json(self) -> dict[str, float]:
        """The numbers by name, and the spurious signal in units of the uncertainty."""
        return {**self._asdict(), "spurious_over_uncertainty": self.spurious / self.uncertainty}

    def rows(self, name: str) -> list[tuple[str, str]]:
        """The numbers for people."""
        ratio = self.spurious / self.uncertainty
        return [
            (f"spurious {name} in closure events", f"{self.spurious:+.4g}, {ratio:+.2f} of its uncertainty"),
            (f"fitted {name} where 1 is injected", f"{self.injected:.4g}"),
        ]


@dataclass(frozen=True)
class LimitsResult:
    """What `simmorph limits` found.

    Attributes:
        limits: observed and expected.
        strength: the fitted parameter of interest.
        cls_at_1: CLs where the parameter is 1; below 0.05 the nominal signal is excluded at 95 %.
        workspace: the workspace's file, if there is one.
        measurement: which of its measurements.
        is_asimov: whether the data are not observed but expected ones.
        sidebands: quality of the fit to the sidebands, if there was one.
        fitting: which engine made the fits, how many, and how long they took.
        significance: of the signal.
        impacts: of each nuisance parameter, if they were asked for.
        closure: what the fit makes of events that the background's method has not seen, if there are any.
        uncertainties: how each named uncertainty of a recipe acts.
    """

    limits: Limits
    strength: FittedStrength
    cls_at_1: float
    workspace: str | None
    measurement: str
    is_asimov: bool = False
    sidebands: SidebandQuality | None = None
    fitting: Fitting = field(default_factory=Fitting)
    significance: Significance = NO_SIGNIFICANCE
    impacts: tuple[Impact, ...] = ()
    closure: ClosureTest | None = None
    uncertainties: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The numbers, ready for `json.dumps`."""
        return {
            "parameter": self.limits.parameter,
            "cl": self.limits.level,
            "observed": self.limits.observed,
            "expected": list(self.limits.expected),
            "mu_hat": self.strength.value,
            "mu_hat_uncertainty": self.strength.uncertainty,
            "mu_hat_minos": [self.strength.down, self.strength.up],
            "cls_at_1": self.cls_at_1,
            "significance": self.significance.observed,
            "significance_expected": self.significance.expected,
            "engine": self.fitting.engine,
            "derivatives": self.fitting.derivatives,
            "fit_seconds": round(self.fitting.tally.seconds, 4),
            "minima": self.fitting.tally.to_json(),
            "data": "asimov" if self.is_asimov else "observed",
            "workspace": self.workspace,
            "measurement": self.measurement,
            **({"sidebands": self.sidebands._asdict()} if self.sidebands else {}),
            **({"uncertainties": self.uncertainties} if self.uncertainties else {}),
            **({"closure": self.closure.to_json()} if self.closure else {}),
            **({"impacts": [impact._asdict() for impact in self.impacts]} if self.impacts else {}),
        }

    def to_text(self) -> str:
        """A table for people."""
        name, expected = self.limits.parameter, self.limits.expected
        kind = "Asimov" if self.is_asimov else "observed"
        rows = [
            (f"{kind} {100 * self.limits.level:g} % CL upper limit on {name}", f"{self.limits.observed:.5g}"),
            ("expected (median)", f"{expected[2]:.5g}"),
            ("expected, 68 % of experiments", f"{expected[1]:.5g} to {expected[3]:.5g}"),
            ("expected, 95 % of experiments", f"{expected[0]:.5g} to {expected[4]:.5g}"),
            (f"fitted {name}", f"{self.strength.value:.5g} +- {self.strength.uncertainty:.3g}"),
            (f"CLs at {name} = 1", f"{self.cls_at_1:.4g}"),
            (f"significance (expected at {name} = 1)", self.significance.to_text()),
        ]
        if self.fitting.tally.unvouched:
            tally = self.fitting.tally
            rows.append(("fits that nothing vouches for", f"{tally.unvouched} of {tally.fits}: try --engine pyhf"))
        if self.sidebands is not None:
            rows.append(("sidebands, chi2 / degrees", f"{self.sidebands.chi2:.1f} / {self.sidebands.n_degrees}"))
            rows.append(("data above the curve in the window", f"{self.sidebands.excess:.1f}"))
        if self.closure is not None:
            rows += self.closure.rows(name)
        rows += [(f"uncertainty {what}", how) for what, how in self.uncertainties.items()]
        rows += [
            (f"impact of {it.parameter}", f"{it.up:+.3g} {it.down:+.3g} (pull {it.pull:+.2f}, {it.constraint:.2f})")
            for it in self.impacts[:N_DRAWN]
            if it.size > NEGLIGIBLE * self.impacts[0].size
        ]
        width = max(len(label) for label, _ in rows)
        return "\n".join(f"{label:<{width}}  {value}" for label, value in rows)


class How(NamedTuple):
    """How the step runs."""

    level: float | None = None
    """Confidence level; the recipe's, or 0.95, if None."""
    output: Path | None = None
    """Folder for workspace, numbers and plots; the recipe's, or none, if None."""
    force: bool = False
    """Replace the folder if it exists."""
    note: Callable[[str], None] = lambda _: None
    """Is told what is being done."""
    engine: str = "newton"
    """How minima are found: one of ENGINES."""
    impacts: bool = False
    """Fit twice more for each nuisance parameter, to tell what it does to the fitted strength."""


AS_USUAL = How()
"""95 % confidence level or the recipe's, and its output."""


class _Inference(NamedTuple):
    """A measurement and what came of it."""

    ready: Measurement
    test: AsymptoticCls
    limits: Limits
    strength: FittedStrength
    significance: Significance

    @property
    def fitting(self) -> Fitting:
        """How the fits were made."""
        likelihood = self.ready.likelihood
        return Fitting(likelihood.engine, likelihood.tally, likelihood.yields.derivatives)


def limits_of_workspace(path: str, how: How = AS_USUAL, *, measurement: str | None = None) -> LimitsResult:
    """Upper limits from a pyhf workspace.

    Args:
        path: its JSON file, or `-` for stdin.
        how: confidence level and output.
        measurement: which of its measurements; the first one if None.

    Raises:
        InputError: the workspace is not usable.
        NoLimitError: nothing can be excluded.
    """
    _refuse_existing(how)
    where = "stdin" if path == STDIN else path
    spec = read_workspace(path)
    found = _infer(measurement_of(spec, where, measurement), how.level or 0.95, how)
    result = LimitsResult(
        *(found.limits, found.strength, found.test.cls(1.0), where, found.ready.name),
        fitting=found.fitting,
        significance=found.significance,
        impacts=_impacts(found, how),
    )
    if how.output is not None:
        report = Report(spec, result.to_json(), found.limits, scan_of(found.test, found.limits), None, result.impacts)
        _write(report, how.output, [] if path == STDIN else [path], force=how.force)
    return result


def limits_of_recipe(recipe: Recipe | LimitsRecipe, how: How = AS_USUAL) -> LimitsResult:
    """Upper limits from ntuples or histograms.

    Args:
        recipe: with a `limits:` block.
        how: confidence level and output.

    Raises:
        ConfigError: the block is missing or wrong.
        InputError: a sample is not usable.
        NoLimitError: nothing can be excluded.
    """
    settings: LimitsSettings = required(recipe.limits, "limits", "a WORKSPACE.json")
    how = how._replace(output=how.output or settings.output)
    _refuse_existing(how)
    templates = read_templates(settings, Defaults(settings.tree or recipe.tree, recipe.weight), how.note)
    _refuse_missing_data(templates)
    spec = workspace_of(templates, settings.parameter)
    where = None if how.output is None else str(how.output / WORKSPACE)
    found = _infer(measurement_of(spec, where or "the recipe's workspace"), how.level or settings.cl, how)
    result = LimitsResult(
        *(found.limits, found.strength, found.test.cls(1.0), where, found.ready.name),
        is_asimov=templates.is_asimov,
        sidebands=_quality(templates),
        fitting=found.fitting,
        significance=found.significance,
        impacts=_impacts(found, how),
        closure=_closure(templates.in_likelihood(), found),
        uncertainties=_uncertainties(settings),
    )
    if how.output is not None:
        spectrum, scan = _spectrum(templates, found, settings), scan_of(found.test, found.limits)
        report = Report(with_bounds(spec, found.limits), result.to_json(), found.limits, scan, spectrum, result.impacts)
        _write(report, how.output, inputs_of(settings), force=how.force)
    return result


def _refuse_missing_data(templates: Templates) -> None:
    """Data without any event where many are expected are the wrong ones: their unit, region or file.

    Raises:
        InputError: that is the case.
    """
    expected = sum(float(np.sum(it.histogram.values)) for it in templates.samples if not it.is_signal)
    if expected > MANY_EVENTS and not np.any(templates.data.values):
        what = f"no event in any bin, and {expected:.4g} are expected"
        raise InputError("data", what, "check their region, observable, binning and units")


def _infer(ready: Measurement, level: float, how: How) -> _Inference:
    given = ready.likelihood
    likelihood = ENGINES[how.engine](given.model, given.yields, given.name)
    ready = ready._replace(likelihood=likelihood)
    if likelihood.yields.derivatives != "analytic":
        how.note("pyhf expects other yields than our own model: its are used, with derivatives by differences (slow)")
    test = AsymptoticCls(likelihood, ready.data)
    limits = upper_limits(test, level, how.note)
    strength = fitted_strength(likelihood, ready.data)
    return _Inference(ready, test, limits, strength, discovery(test, ready.data))


def _impacts(found: _Inference, how: How) -> tuple[Impact, ...]:
    return tuple(impacts(found.ready.likelihood, found.ready.data, found.strength)) if how.impacts else ()


def _closure(templates: Templates, found: _Inference) -> ClosureTest | None:
    """Fits to expected data whose backgrounds are their closure events, where there are any."""
    if all(sample.truth is None for sample in templates.samples):
        return None
    backgrounds = [it for it in templates.samples if not it.is_signal]
    true = np.sum([it.histogram.values if it.truth is None else it.truth for it in backgrounds], axis=0)
    signal = np.sum([it.histogram.values for it in templates.samples if it.is_signal], axis=0)
    likelihood, auxiliary = found.ready.likelihood, found.ready.data.auxiliary
    without, with_signal = (
        fitted_strength(likelihood, Data(true + strength * signal, auxiliary), sides=False) for strength in (0.0, 1.0)
    )
    return ClosureTest(without.value, with_signal.value, without.uncertainty)


def _uncertainties(settings: LimitsSettings) -> dict[str, str]:
    """How each uncertainty acts, in words: the physics differs by it."""
    ways = {"normsys": "scales all bins together", "uncorrelated": "moves each bin on its own (shapesys)"}
    found = {
        it.name: f"{ways.get(it.type, 'moves the bins together (histosys)')}" + (f", {it.size:g}" if it.size else "")
        for it in settings.systematics
    }
    treatments = {it.name: it.amplified(settings.amplification) for it in settings.background}
    words = {
        "replicas": "spread of replicas of its method, as correlated shapes (histosys)",
        "training": "number of its training events (staterror)",
    }
    return found | {f"of the training of {name}": words[how] for name, how in treatments.items() if how in words}


def _refuse_existing(how: How) -> None:
    if how.output is not None:
        refuse_existing(how.output, force=how.force, marker=WORKSPACE)


def _write(report: Report, output: Path, inputs: Sequence[str], *, force: bool) -> None:
    """Write the report, whole or not at all; the provenance of its workspace comes last."""
    hashes = {path: "remote" if is_url(path) else sha256_of(path) for path in inputs}
    with whole_folder(output, force=force, marker=WORKSPACE) as folder:
        report.write(folder)
        write_provenance(folder / WORKSPACE, {"inputs": hashes})


def load_limits_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe | LimitsRecipe:
    """A recipe, which may hold nothing but limits.

    Raises:
        ConfigError: with file, line and the nearest valid name.
    """
    recipe = load_any_recipe(path, overrides)
    if recipe.limits is None:
        raise ConfigError(path, "key 'limits' is missing", "add a `limits:` block, or give a WORKSPACE.json")
    return recipe


def inputs_of(settings: LimitsSettings) -> list[str]:
    """Every file that these limits are made from."""
    samples = [*settings.signal, *settings.background, *([settings.data] if settings.data else [])]
    varied = [
        side["input"] for each in settings.systematics for side in (each.up, each.down) if side and "input" in side
    ]
    return expand_inputs([path for sample in samples for path in sample.input or []] + varied)


def _quality(templates: Templates) -> SidebandQuality | None:
    fit = templates.sideband_fit
    if fit is None:
        return None
    excess = float(np.sum((templates.data.values - fit.expected.values)[templates.used]))
    return SidebandQuality(fit.chi2, fit.n_degrees, excess)


def _spectrum(templates: Templates, found: _Inference, settings: LimitsSettings) -> Spectrum:
    """The fit in the bins that it used, and the templates elsewhere."""
    fit = fitted_yields(found.ready.likelihood, found.ready.data, found.strength.fit.parameters)
    backgrounds = [sample.histogram for sample in templates.samples if not sample.is_signal]
    signals = [sample.histogram for sample in templates.samples if sample.is_signal]
    background = np.sum([each.values for each in backgrounds], axis=0)
    uncertainty = np.sqrt(np.sum([each.variances for each in backgrounds], axis=0))
    signal = found.strength.value * np.sum([each.values for each in signals], axis=0)
    background[templates.used], signal[templates.used] = fit.background, fit.signal
    uncertainty[templates.used] = fit.uncertainty
    label = settings.label or settings.observable or "observable"
    data_label = "Asimov data" if templates.is_asimov else "Data"
    return Spectrum(templates.data, FittedYields(background, uncertainty, signal), label, data_label)
