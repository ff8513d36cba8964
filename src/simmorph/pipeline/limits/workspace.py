"""From a pyhf workspace to upper limits; what a report needs is imported only where one is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simmorph.data import stdin
from simmorph.data.outputs import refuse_existing, whole_folder, write_provenance
from simmorph.limits.fits import inference
from simmorph.limits.fits.cautions import cautions
from simmorph.limits.fits.impacts import Impact, impacts
from simmorph.limits.fits.strength import FittedStrength, fitted_strength
from simmorph.limits.model.likelihood import ENGINES
from simmorph.limits.model.workspace import WORKSPACE, Measurement, measurement_of, read_workspace
from simmorph.limits.review.correlations import FitCorrelations, fit_correlations
from simmorph.pipeline.limits.result import Fitting, LimitsResult
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from simmorph.limits.report.report import Report
    from simmorph.progress import Progress


class LimitsOptions(NamedTuple):
    """How limits are found and written."""

    level: float = 0.95
    """Confidence level."""
    output: Path | None = None
    """Folder for workspace, numbers and plots."""
    force: bool = False
    """Replace the folder if it exists."""
    progress: Progress = silent
    """Called with what is being done."""
    engine: str = "newton"
    """How minima are found: one of ENGINES."""
    impacts: bool = False
    """Fit twice more for each nuisance parameter, for its effect on the fitted strength."""


AS_USUAL = LimitsOptions()
"""95 % confidence level, and no output."""


class Inference(NamedTuple):
    """A measurement and what came of it.

    Attributes:
        ready: the measurement, with the likelihood of the chosen engine.
        test: CLs, with every fit so far.
        limits: observed and expected.
        strength: fitted.
        significance: of an excess.
        warnings: what a reader of the limits should know.
    """

    ready: Measurement
    test: inference.AsymptoticCls
    limits: inference.Limits
    strength: FittedStrength
    significance: inference.ExcessSignificance
    warnings: tuple[str, ...]

    @property
    def fitting(self) -> Fitting:
        """How the fits were made."""
        likelihood = self.ready.likelihood
        return Fitting(likelihood.engine, likelihood.tally)

    def correlations(self) -> FitCorrelations:
        """Of all parameters at the best fit."""
        return fit_correlations(self.ready.likelihood, self.ready.data, self.strength)


def limits_of_workspace(
    path: str, options: LimitsOptions = AS_USUAL, *, measurement: str | None = None
) -> LimitsResult:
    """Upper limits from a pyhf workspace.

    Args:
        path: its JSON file, or `-` for stdin.
        options: confidence level and output.
        measurement: which of its measurements; the first one if None.

    Raises:
        InputError: the workspace is not usable.
        NoLimitError: nothing can be excluded.
        UsageError: the output exists.
    """
    return limits_of_spec(read_workspace(path), path, options, measurement=measurement)


def limits_of_spec(
    spec: dict[str, Any], path: str, options: LimitsOptions, *, measurement: str | None = None, patch: str = ""
) -> LimitsResult:
    """Upper limits from a workspace that has been read.

    Args:
        spec: the workspace.
        path: where it is from.
        options: confidence level and output.
        measurement: which of its measurements; the first one if None.
        patch: what has been done to it, for messages.

    Raises:
        InputError: the workspace is not usable.
        NoLimitError: nothing can be excluded.
        UsageError: the output exists.
    """
    refuse_existing(options.output, force=options.force, marker=WORKSPACE)
    file = "stdin" if path == stdin.NAME else path
    where = f"{file}, patch {patch!r}" if patch else file
    found = infer(measurement_of(spec, where, measurement), options)
    result = LimitsResult(
        *(found.limits, found.strength, found.test.cls(1.0), where, found.ready.name),
        fitting=found.fitting,
        significance=found.significance,
        impacts=impacts_of(found, options),
        warnings=found.warnings,
    )
    if options.output is not None:
        from simmorph.limits.report.plots import scan_of
        from simmorph.limits.report.report import Report
        from simmorph.limits.report.spectra import spectra_of_bins

        scan, spectra = scan_of(found.test, found.limits), spectra_of_bins(found.ready, found.strength)
        report = Report(
            spec, result.to_json(), found.limits, scan, spectra, result.impacts, correlations=found.correlations()
        )
        write_report(report, options.output, [] if path == stdin.NAME else [path], force=options.force)
    return result


def infer(ready: Measurement, options: LimitsOptions) -> Inference:
    """Limits, strength and significance by the engine that the options name.

    Raises:
        InputError: a fit has no finite minimum.
        NoLimitError: nothing can be excluded.
    """
    given = ready.likelihood
    likelihood = ENGINES[options.engine](given.model, given.yields, given.name)
    ready = ready._replace(likelihood=likelihood)
    test = inference.AsymptoticCls(likelihood, ready.data)
    limits = inference.upper_limits(test, options.level, options.progress)
    strength = fitted_strength(likelihood, ready.data, near=test.best)
    warnings = tuple(cautions(test, limits, strength))
    for warning in warnings:
        options.progress(f"warning: {warning}")
    return Inference(ready, test, limits, strength, inference.discovery(test), warnings)


def impacts_of(found: Inference, options: LimitsOptions) -> tuple[Impact, ...]:
    """The impact of every nuisance parameter, if the options ask for them."""
    return tuple(impacts(found.ready.likelihood, found.ready.data, found.strength)) if options.impacts else ()


def write_report(report: Report, output: Path, inputs: Sequence[str], *, force: bool) -> None:
    """Write the report, whole or not at all; the provenance of its workspace comes last."""
    from simmorph.data.ntuples.files import checksums_of

    with whole_folder(output, force=force, marker=WORKSPACE) as folder:
        report.write(folder)
        write_provenance(folder / WORKSPACE, {"inputs": checksums_of(inputs)})
