"""Write one file of what a model makes of events."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from simmorph.config.selection.files import read_selection
from simmorph.data import morphed
from simmorph.data.expressions.expression import weight_expression
from simmorph.data.ntuples.contents import describe, read_metadata
from simmorph.data.ntuples.files import checksum_of, expand_inputs, parts_of, refuse_input
from simmorph.data.ntuples.reading import STEP
from simmorph.data.ntuples.rest import copy_rest
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.outputs import refuse_existing
from simmorph.data.selection.reading import BadFiles, SelectionReader
from simmorph.data.selection.selector import Selector
from simmorph.data.selection.sources import Taken
from simmorph.data.units import UNITS
from simmorph.errors import ConfigError, EmptySelectionError, UsageError, one_of
from simmorph.model import Model
from simmorph.pipeline.apply.job import Job, Looked
from simmorph.pipeline.apply.result import ApplyResult
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.config.compression import Compression
    from simmorph.data.ntuples.copying import OnMissing
    from simmorph.data.ntuples.writer import NtupleWriter
    from simmorph.data.selection.reading import OnBadFile
    from simmorph.progress import Progress


def apply_model(  # noqa: PLR0913 - one keyword for each option of the command
    inputs: Sequence[str],
    model: Path,
    output: Path,
    *,
    selection: str | None = None,
    friend: bool = False,
    copy: bool = False,
    replicas: Sequence[Path] = (),
    tree: str | None = None,
    seed: int | None = None,
    sample: str = "auto",
    overrides: Sequence[str] = (),
    among: Sequence[str] = (),
    on_bad_file: OnBadFile = "fail",
    missing_branches: OnMissing = "fill",
    allow_empty: bool = False,
    compression: Compression = "zstd",
    force: bool = False,
    step: int = STEP,
    progress: Progress = silent,
) -> ApplyResult:
    """Write morphed branches: `<feature>_morphed`, `weight_morphed`, and `morph_status` with its bits.

    A reweighting adds `morph_score`: 0 for an event that looks like the source, 1 for one that looks like the target.

    Args:
        inputs: flat ntuples, or original ones with a selection: files, globs, folders, URLs, or `-`.
        model: the model folder.
        output: the file to write.
        selection: makes events of original ntuples; a friend tree with one row for each of their entries is written, or
            a copy.
        friend: write only the new branches, not a copy of the input.
        copy: with a selection, write a copy of the original ntuples with the new branches, not a friend of them.
        replicas: folders of replicas of the model, whose branches are written beside its own: `<feature>_morphed_r01`.
        tree: the tree to read; the one of the recipe or selection by default.
        seed: of all random numbers, such as the noise that spreads repeated values; the model's own by default.
        sample: what a selection takes all events for; see `select_events`.
        overrides: assignments to keys of the selection.
        among: the files over which a selection sums weights, where the inputs are only some of them.
        on_bad_file: whether to stop at a file that cannot be used, or to leave it out.
        missing_branches: whether a branch that only some files have is filled with a default in the rows of the others,
            or left out.
        allow_empty: write a tree without rows where there are no entries.
        compression: of the baskets of the output.
        force: replace an existing output.
        step: entries read at once; no result depends on it.
        progress: called with a line for each file.

    Raises:
        InputError: the model or an input cannot be used, or a branch has types in two files that no type holds exactly.
        EmptySelectionError: there are no entries.
        UsageError: the output exists or is also an input.
    """
    begin = time.monotonic()
    refuse_existing(output, force=force)
    given = _expanded(inputs, output, progress)
    bad, its_model = BadFiles(on_bad_file, progress), Model.load(model)
    paths, reader = given, None
    if selection is not None:
        reader = SelectionReader(*_selector(its_model, selection, tree, overrides), sample, step)
        reader, usable = reader.normalised(list(among) or given, bad)
        paths = [path for path in given if path in usable]
    read = reader.tree if reader else tree or its_model.card.learning.tree
    others = {folder.name: Model.load(folder) for folder in replicas}
    start = Job(its_model, reader, read, step, seed, replicas=others)
    looked: dict[str, Looked] = {}
    copy = copy if selection is not None else not friend
    paths = bad.usable(paths, lambda path: looked.setdefault(path, start.look(path, copy=copy)))
    bad.refuse_none_left(output, given)
    job = start.agreed({path: looked[path] for path in paths}, missing_branches)
    name = job.tree if job.copied.types else morphed.FRIEND_TREE
    made_from = _made_from(paths, model, job, selection, overrides) | {"replicas": [str(folder) for folder in replicas]}
    metadata = {**made_from, "input": read_metadata(paths[0]), UNITS: job.units(paths)}
    how: dict[str, Any] = {"force": force, "compression": compression, "made_from": made_from}
    with create_ntuple(Path(output), name, **how, metadata=metadata) as ntuple:
        branches = _write_events(job, paths, ntuple, bad, progress)
        bad.refuse_none_left(output, given)
        written = [path for path in paths if path not in bad.skipped]
        made_from["inputs"] = [it for it in made_from["inputs"] if it["path"] in written]
        ntuple.metadata |= {"inputs": made_from["inputs"], "branches": branches}
        varied = start.varied(written)
        not_copied = copy_rest(written, {job.tree, *varied}, ntuple) if job.copied.types else {}
        for its_tree, having in varied.items():
            beside = ntuple.beside(f"{name}{its_tree.removeprefix(start.tree)}")
            _write_varied(replace(start, tree=its_tree), having, beside, missing_branches, copy=copy)
            progress(f"{its_tree}: morphed, a variation of the selection")
        if not ntuple.n_rows and not allow_empty:
            raise EmptySelectionError(", ".join(paths), "there are no entries", "nothing was written")
    return ApplyResult(
        *(str(output), name, str(model)),
        **asdict(job.tally),
        effective_fraction=job.power.effective_fraction() if job.reweights else None,
        left_out=dict(job.copied.left_out),
        filled={path: list(names) for path, names in job.copied.filled.items()},
        not_copied=not_copied,
        skipped=bad.skipped,
        seconds=time.monotonic() - begin,
        counted=reader.selector.counted if reader else "event",
    )


def _expanded(inputs: Sequence[str], output: Path, progress: Progress) -> list[str]:
    """The files that the inputs stand for.

    Raises:
        UsageError: there is none, or the output is one of them.
    """
    if not inputs:
        raise UsageError("INPUT", "is missing", "name ntuples, or add --n-events to draw from a generator")
    paths = expand_inputs(inputs, progress)
    refuse_input(Path(output), paths)
    return paths


def _write_events(
    job: Job, paths: Sequence[str], ntuple: NtupleWriter, bad: BadFiles, progress: Progress
) -> dict[str, Any]:
    """Write what the model makes of each file that is not bad.

    Returns:
        The branches that were taken for names with alternatives, for the metadata.
    """
    taken = Taken(progress)
    for path in paths:
        n_before = ntuple.n_rows
        job.taken.clear()
        for columns in bad.whole(path, job.chunks(path)):
            job.count(columns)
            ntuple.extend(columns)
        if path not in bad.skipped:
            taken.add(job.taken)
            progress(f"{path}: {ntuple.n_rows - n_before:,} entries")
    return taken.branches


def _write_varied(start: Job, paths: Sequence[str], ntuple: NtupleWriter, missing: OnMissing, *, copy: bool) -> None:
    """Write what the model makes of the tree of a variation, which is not counted."""
    job = start.agreed({path: start.look(path, copy=copy) for path in paths}, missing)
    for path in paths:
        for columns in job.chunks(path):
            ntuple.extend(columns)


def one_for_each(paths: Sequence[str], folder: Path) -> list[tuple[str, Path]]:
    """Each input and the file of its name in a folder.

    Raises:
        UsageError: two have one name.
    """
    pairs = [(path, folder / PurePosixPath(parts_of(path)[0]).name) for path in paths]
    names = [output.name for _, output in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError("--each", f"two inputs are called {twice[0]!r}", "write them into two folders")
    return pairs


def _selector(model: Model, selection: str, tree: str | None, overrides: Sequence[str]) -> tuple[Selector, str]:
    """What makes events of original ntuples, and the tree to read from them.

    Raises:
        ConfigError: the selection is wrong, or does not make what the model needs.
    """
    settings, document = read_selection(selection, overrides)
    known = {*settings.variables, *(f"in_{name}" for name in settings.regions), "weight"}
    for name in [*model.variables, *sorted(weight_expression(model.weight, known).names)]:
        if name not in known:
            mend = one_of(name, known)
            raise ConfigError(selection, f"this selection makes no {name!r}, which the model needs", mend)
    nominal = settings.model_copy(update={"variations": {}})
    return Selector.of(nominal, document), tree or settings.tree


def _input_record(path: str, tree: str) -> dict[str, Any]:
    """What tells a file that was read, so that a chain of the same files can be checked against a friend tree."""
    info = describe(path, tree)
    return {"path": path, "n_entries": info.n_entries, "uuid": info.uuid, "sha256": checksum_of(path)}


def _made_from(
    paths: Sequence[str], folder: Path, job: Job, selection: str | None, overrides: Sequence[str]
) -> dict[str, Any]:
    """What the provenance says."""
    scales = job.reader.normalisations if job.reader else {}
    return {
        "inputs": [_input_record(path, job.tree) for path in paths],
        "tree": job.tree,
        "model": {"path": str(folder), "tensors_sha256": job.model.card.tensors_sha256},
        "method": job.model.card.learning.method.model_dump(mode="json"),
        "selection": selection,
        "overrides": list(overrides),
        "normalisations": {name: it.to_json() for name, it in scales.items()},
        "seed": job.seed,
        "status_bits": morphed.STATUS_BITS,
    }
