"""From a pyhf workspace to upper limits; what a report needs is imported only where one is written."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from simmorph.data.files import stdin
from simmorph.data.files.outputs import refuse_existing, whole_file, whole_folder, write_json, write_provenance
from simmorph.data.ntuples.files import checksum_of
from simmorph.data.quality.changed import changes_in
from simmorph.limits.formats.reading import read_model
from simmorph.limits.model.asimov import blinded
from simmorph.limits.model.workspace import AS_PYHF, WORKSPACE, measurement_of, of_parameter
from simmorph.pipeline.limits.infer import AS_USUAL, LimitsOptions, impacts_of, infer
from simmorph.pipeline.limits.result import LimitsResult
from simmorph.pipeline.limits.review import findings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from simmorph.config.values.interpolation import Interpolation
    from simmorph.limits.formats.source import ModelFile
    from simmorph.limits.model.workspace import Measurement
    from simmorph.limits.report.report import Report


def limits_of_workspace(
    path: str, options: LimitsOptions = AS_USUAL, *, measurement: str | None = None
) -> LimitsResult:
    """Upper limits from a model: a pyhf workspace, or one of another format that `read_model` knows.

    Args:
        path: its file, or `-` for stdin.
        options: confidence level and output.
        measurement: which of its measurements; the first one if None.

    Raises:
        InputError: the workspace is not usable.
        NoLimitError: nothing can be excluded.
        UsageError: the output exists.
    """
    return limits_of_model(read_model(path, measurement), path, options, measurement=measurement)


def limits_of_model(
    model: ModelFile, path: str, options: LimitsOptions, *, measurement: str | None = None, patch: str = ""
) -> LimitsResult:
    """Upper limits from a model that has been read.

    Args:
        model: the model.
        path: where it is from.
        options: confidence level and output.
        measurement: which of its measurements; the first one if None.
        patch: what has been done to it, for messages.

    Raises:
        InputError: the workspace is not usable.
        NoLimitError: nothing can be excluded.
        UsageError: the output exists.
    """
    refuse_outputs(options)
    where = f"{model.name}, patch {patch!r}" if patch else model.name
    spec, interpolation = model.spec, model.interpolated(options.interpolation)
    of_file = [] if path == stdin.NAME or patch else changes_in([path])
    remarks = (*model.remarks, *of_file, *remarks_on(interpolation, options))
    for remark in remarks:
        options.progress(f"warning: {remark}")
    if options.parameter is not None:
        spec = of_parameter(spec, options.parameter, where, measurement)
    if options.asimov is None:
        ready = measurement_of(spec, where, measurement, interpolation, options.clip)
    else:
        spec, ready = blinded(spec, options.asimov, where, measurement, interpolation, options.clip)
    write_hs3(ready, interpolation, options)
    found = infer(ready, options)
    result = LimitsResult(
        *(found.limits, found.strength, found.cls_at_1, where, found.ready.name),
        asimov=options.asimov,
        goodness=found.goodness,
        toys=found.toys,
        stopped=found.stopped,
        fitting=found.fitting,
        significance=found.significance,
        impacts=impacts_of(found, options),
        interpolation=interpolation,
        clip=options.clip,
        warnings=(*remarks, *found.warnings),
        findings=tuple(findings_of(found, options)),
    )
    if options.output is not None and found.stopped is None:
        from simmorph.limits.report.report import Report
        from simmorph.limits.report.spectra import spectra_of_bins

        scan = found.scan()
        spectra = spectra_of_bins(found.ready, found.strength, is_asimov=options.asimov is not None)
        report = Report(
            *(spec, result.to_json(), found.limits, scan, spectra, result.impacts),
            correlations=found.correlations(),
            findings=result.findings,
        )
        write_report(report, options.output, _checksums(path, spec, options), force=options.force)
        found.done.clear()
    return result


def _checksums(path: str, spec: dict[str, Any], options: LimitsOptions) -> dict[str, str]:
    """What the workspace's file is known by; a blinded one by all but its counts."""
    if path == stdin.NAME:
        return {}
    if options.asimov is None:
        return {path: checksum_of(path)}
    known = json.dumps({**spec, "observations": []}, sort_keys=True)
    return {f"{path} without its observations": hashlib.sha256(known.encode()).hexdigest()}


def refuse_outputs(options: LimitsOptions) -> None:
    """Fail early if what would be written exists.

    Raises:
        UsageError: it does.
    """
    if options.hs3 is not None:
        refuse_existing(options.hs3, force=options.force)
    if options.output is not None or options.hs3 is None:
        refuse_existing(options.output, force=options.force, marker=WORKSPACE)


def remarks_on(interpolation: Interpolation, options: LimitsOptions) -> Iterator[str]:
    """What a reader of the workspace that is written should know."""
    if options.output is not None and interpolation != AS_PYHF:
        codes = ", ".join(f"{kind}={code}" for kind, code in interpolation.model_dump().items())
        yield f"{WORKSPACE} cannot hold how sides are joined: its limits are others without {codes}"


def write_hs3(ready: Measurement, interpolation: Interpolation, options: LimitsOptions) -> None:
    """Write the model as HS3, if the options name a file.

    Raises:
        InputError: HS3 cannot say all of it.
    """
    if options.hs3 is None:
        return
    from simmorph.limits.formats.hs3.writing import hs3_of

    with whole_file(options.hs3, force=options.force) as path:
        write_json(path, hs3_of(ready, interpolation))


def write_report(report: Report, output: Path, inputs: Mapping[str, str], *, force: bool) -> None:
    """Write the report, whole or not at all; the provenance of its workspace comes last.

    Args:
        report: what is written.
        output: the folder.
        inputs: the checksum of each input.
        force: replace the folder if it exists.
    """
    with whole_folder(output, force=force, marker=WORKSPACE) as folder:
        report.write(folder)
        write_provenance(folder / WORKSPACE, {"inputs": dict(inputs)})
