"""Limits of a workspace with each patch of a pyhf patch set: one signal hypothesis after the other.

Searches publish a background-only workspace and a patch set that adds the signal at each point of a grid of masses. The
set names the workspace by its digest, and is refused beside another one.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pyhf
from pyhf.patchset import jsonpatch

from simmorph.data.files.json_files import read_json
from simmorph.data.files.outputs import refuse_existing, whole_folder, write_csv
from simmorph.errors import InputError, SimmorphError, one_of
from simmorph.limits.fits.inference import BANDS
from simmorph.limits.formats.reading import read_model
from simmorph.pipeline.limits.result import LimitsResult
from simmorph.pipeline.limits.workspace import limits_of_model
from simmorph.pipeline.processes import in_order, outcomes
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from simmorph.limits.formats.source import ModelFile
    from simmorph.pipeline.limits.infer import LimitsOptions
    from simmorph.progress import Progress

ALL, TABLE = "all_patches", "limits.csv"
"""The folder beside those of the patches, and the table in it that marks it."""


class PatchLimits(NamedTuple):
    """Limits with one patch.

    Attributes:
        name: of the patch.
        values: what the patch set calls its coordinates, by label.
        result: its limits; None if there are none.
        error: why there are none.
        width: of the longest name in the set.
    """

    name: str
    values: dict[str, Any]
    result: LimitsResult | None
    error: str = ""
    width: int = 0

    def to_json(self) -> dict[str, Any]:
        """One line for machines."""
        found = {"error": self.error} if self.result is None else self.result.to_json()
        return {"patch": self.name, "values": self.values, **found}

    def to_text(self) -> str:
        """One line of a table for people."""
        head = f"{self.name:<{self.width}}"
        if self.result is None:
            return f"{head}  {self.error}"
        limits, strength = self.result.limits, self.result.strength
        numbers = [limits.observed, limits.expected[2], limits.expected[1], limits.expected[3], strength.value]
        sides = ("" if side is None else f"{side:+.3g}" for side in (strength.down, strength.up))
        return head + "".join(f"{number:>12.5g}" for number in numbers) + "".join(f"{side:>12}" for side in sides)


def table_head(first: PatchLimits) -> str:
    """The line above the table."""
    names = ("observed", "expected", "-1 sigma", "+1 sigma", "fitted", "down", "up")
    return f"{'patch':<{first.width}}" + "".join(f"{name:>12}" for name in names)


def limits_of_patches(
    path: str, patchset: str, names: Sequence[str], options: LimitsOptions, *, measurement: str | None = None
) -> Iterator[PatchLimits]:
    """Limits with each patch, as soon as they are known; one without limits does not stop the others.

    Args:
        path: the workspace's file, or `-` for stdin.
        patchset: the patch set's file.
        names: of the patches; all if there are none.
        options: confidence level, and a folder that gets one folder for each patch, and one for all of them: a table,
            and a plot of the limits against what the patches differ in.
        measurement: which of the workspace's measurements; the first one if None.

    Raises:
        InputError: workspace or patch set cannot be used, do not belong together, or there is no such patch.
    """
    model, patches = read_model(path, measurement), _read_patches(patchset)
    known = [patch.name for patch in patches]
    if stray := [name for name in names if name not in known]:
        raise InputError(patchset, f"no patch {stray[0]!r}", one_of(stray[0], known))
    _verify(patches, model.spec, model.name, patchset)
    chosen = [
        _Patch(it.name, dict(zip(patches.labels, it.values, strict=False)), it.patch)
        for it in patches
        if not names or it.name in names
    ]
    summary = options.output / ALL if options.output is not None and len(chosen) > 1 else None
    refuse_existing(summary, force=options.force and summary is not None, marker=TABLE)
    width, found = max(len("patch"), *(len(patch.name) for patch in chosen)), list[PatchLimits]()
    setup, jobs = _how(model, path, options, measurement)
    with contextlib.closing(outcomes(setup, chosen, jobs)) as results:
        for number, outcome in enumerate(in_order(results, chosen), 1):
            patch, result = outcome.task, outcome.get()
            if isinstance(result, LimitsResult):
                found.append(PatchLimits(patch.name, patch.values, result, width=width))
            else:
                found.append(PatchLimits(patch.name, patch.values, None, result, width))
            if jobs > 1:
                _say(found[-1], options.progress)
            options.progress(f"{number} of {len(chosen)} patches are done")
            yield found[-1]
            if isinstance(result, LimitsResult) and result.stopped is not None:
                raise result.stopped
    if summary is not None:
        _write(summary, found, patches.labels, force=options.force)


class _Patch(NamedTuple):
    """A patch, which can be sent to other processes."""

    name: str
    values: dict[str, Any]
    operations: list[dict[str, Any]]


def _say(found: PatchLimits, progress: Progress) -> None:
    """What another process did, as this one says it."""
    progress(f"patch {found.name}")
    for warning in found.result.warnings if found.result else ():
        progress(f"warning: {warning}")


def _how(
    model: ModelFile, path: str, options: LimitsOptions, measurement: str | None
) -> tuple[Callable[[], Callable[[_Patch], LimitsResult | str]], int]:
    """What makes limits, and how many patches are done at a time: one where the pseudo-experiments of each are many."""
    if options.jobs > 1 and not options.makes_toys:
        alone = options._replace(progress=silent, jobs=1)
        return partial(_ready, model, path, alone, measurement), options.jobs
    return partial(_ready, model, path, options, measurement), 1


def _ready(
    model: ModelFile, path: str, options: LimitsOptions, measurement: str | None
) -> Callable[[_Patch], LimitsResult | str]:
    """What makes the limits of a patch, in this process or another one."""
    return partial(_of_patch, model, path, options, measurement)


def _of_patch(
    model: ModelFile, path: str, options: LimitsOptions, measurement: str | None, patch: _Patch
) -> LimitsResult | str:
    """The limits with a patch, or why there are none."""
    options.progress(f"patch {patch.name}")
    output = None if options.output is None else options.output / re.sub(r"[^\w.+-]+", "_", patch.name)
    its = options._replace(output=output)
    try:
        patched = model._replace(spec=jsonpatch.JsonPatch(patch.operations).apply(model.spec))
        return limits_of_model(patched, path, its, measurement=measurement, patch=patch.name)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        return f"the patch does not fit: {error}"
    except SimmorphError as error:
        return str(error)


def _write(output: Path, found: Sequence[PatchLimits], labels: Sequence[str], *, force: bool) -> None:
    """Write the table of all patches, and the limits against what they differ in."""
    from simmorph.evaluation.plots.style import save, style
    from simmorph.limits.report.patch_plots import PatchPoint, figures_of

    points = [PatchPoint(_numbers(it.values), it.result.limits) for it in found if it.result is not None]
    with whole_folder(output, force=force, marker=TABLE) as folder:
        with style():
            for name, figure in figures_of(points) if len(points) > 1 else ():
                save(figure, folder / name)
        header = ["patch", *labels, "observed", *(f"expected_{band:+d}sigma" for band in BANDS)]
        write_csv(folder / TABLE, header, (_row(it, labels) for it in found))


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    """The coordinates that are numbers."""
    return {label: float(it) for label, it in values.items() if isinstance(it, (int, float))}


def _row(found: PatchLimits, labels: Sequence[str]) -> list[Any]:
    limits = None if found.result is None else found.result.limits
    numbers = [""] * (1 + len(BANDS)) if limits is None else [limits.observed, *limits.expected]
    return [found.name, *(found.values.get(label, "") for label in labels), *numbers]


def _read_patches(path: str) -> Any:
    """The patch set in a JSON file.

    Raises:
        InputError: it cannot be read, or is not a patch set.
    """
    content = read_json(path, "give the patchset.json of an analysis")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pyhf 0.7 calls jsonschema by an old name
        try:
            return pyhf.PatchSet(content)
        except (pyhf.exceptions.InvalidSpecification, pyhf.exceptions.InvalidPatchSet, KeyError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                path, f"not a pyhf patch set: {reason}", "give the patchset.json of an analysis"
            ) from error


def _verify(patches: Any, spec: dict[str, Any], where: str, patchset: str) -> None:
    """Refuse a workspace that the patch set was not made for.

    Raises:
        InputError: the digests differ.
    """
    try:
        patches.verify(spec)
    except pyhf.exceptions.PatchSetVerificationError as error:
        what = f"it is not the workspace that {patchset} was made for: the digests differ"
        raise InputError(where, what, "give the background-only workspace of the same analysis") from error
