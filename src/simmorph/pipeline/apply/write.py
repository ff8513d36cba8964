"""Write one file of what a model makes of events."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from simmorph.data import morphed
from simmorph.data.ntuples.contents import read_metadata, uuid_of
from simmorph.data.ntuples.files import checksum_of
from simmorph.data.ntuples.rest import copy_rest
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.quality.changed import changes_in
from simmorph.data.selection.sources import Taken
from simmorph.data.units import UNITS
from simmorph.errors import EmptySelectionError
from simmorph.model import Model
from simmorph.pipeline.apply.job import Job
from simmorph.pipeline.apply.result import ApplyResult
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from simmorph.config.recipe import ApplySettings
    from simmorph.config.values.compression import Compression
    from simmorph.data.ntuples.writer import NtupleWriter
    from simmorph.data.selection.reading import BadFiles
    from simmorph.pipeline.apply.inputs import Inputs
    from simmorph.pipeline.apply.job import Looked
    from simmorph.pipeline.apply.parts import Part
    from simmorph.progress import Progress


class Models:
    """Models by their folders, each of them loaded once."""

    def __init__(self) -> None:
        self._loaded: dict[Path, Model] = {}

    def of(self, folder: Path) -> Model:
        """The model in a folder.

        Raises:
            InputError: there is none, or it is damaged.
        """
        if folder not in self._loaded:
            self._loaded[folder] = Model.load(folder)
        return self._loaded[folder]


def write_part(  # noqa: PLR0913 - three for how it is written, as everywhere
    settings: ApplySettings,
    part: Part,
    files: Inputs,
    models: Models,
    *,
    compression: Compression = "zstd",
    force: bool = False,
    progress: Progress = silent,
) -> ApplyResult:
    """Write morphed branches: `<feature>_morphed`, `weight_morphed`, and `morph_status` with its bits.

    A reweighting adds `morph_score`: 0 for an event that looks like the source, 1 for one that looks like the target.

    Args:
        settings: an entry of the recipe's `apply:`.
        part: the file.
        files: what the run reads.
        models: those of the run.
        compression: of the baskets of the output.
        force: replace an existing output.
        progress: called with a line for each file.

    Raises:
        InputError: the model or an input cannot be used, or a branch has types in two files that no type holds exactly.
        EmptySelectionError: there are no entries.
        UsageError: the output came into being meanwhile.
    """
    begin = time.monotonic()
    others = {folder.name: models.of(folder) for folder in part.replicas}
    start = Job(models.of(part.model), files.reader, files.tree, files.step, settings.seed, replicas=others)
    looked, bad = files.usable(part.inputs, start, copy=settings.copies), files.bad
    bad.refuse_none_left(part.output, part.inputs)
    paths, job = list(looked), start.agreed(looked, settings.missing_branches)
    name = job.tree if job.copied.types else morphed.FRIEND_TREE
    made_from = _made_from(looked, part, job, settings)
    metadata = {**made_from, "input": read_metadata(paths[0]), UNITS: job.units(paths)}
    how: dict[str, Any] = {"force": force, "compression": compression, "made_from": made_from}
    with create_ntuple(part.output, name, **how, metadata=metadata) as ntuple:
        branches = _write_events(job, paths, ntuple, bad, progress)
        bad.refuse_none_left(part.output, part.inputs)
        written = [path for path in paths if path not in bad.skipped]
        made_from["inputs"] = [it for it in made_from["inputs"] if it["path"] in written]
        ntuple.metadata |= {"inputs": made_from["inputs"], "branches": branches}
        varied = start.varied(written)
        not_copied = copy_rest(written, {job.tree, *varied}, ntuple) if job.copied.types else {}
        for its_tree, having in varied.items():
            beside = ntuple.beside(f"{name}{its_tree.removeprefix(start.tree)}")
            n_entries = _write_varied(replace(start, tree=its_tree), having, beside, settings)
            for record in (it for it in made_from["inputs"] if it["path"] in n_entries):
                record.setdefault("varied", {})[its_tree] = n_entries[record["path"]]
            progress(f"{its_tree}: morphed, a variation of the selection")
        if not ntuple.n_rows and not (settings.each or settings.allow_empty):
            raise EmptySelectionError(", ".join(paths), "there are no entries", "nothing was written")
    return ApplyResult(
        *(str(part.output), name, str(part.model)),
        **asdict(job.tally),
        effective_fraction=job.power.effective_fraction() if job.model.card.changes_weights else None,
        left_out=dict(job.copied.left_out),
        filled={path: list(names) for path, names in job.copied.filled.items()},
        not_copied=not_copied,
        skipped=files.skipped(part.inputs),
        changed=[*changes_in(written)],
        seconds=time.monotonic() - begin,
        counted=job.reader.selector.counted if job.reader else "event",
    )


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
        job.of_file.clear()
        for columns in bad.whole(path, job.chunks(path)):
            job.count(columns)
            ntuple.extend(columns)
        if path not in bad.skipped:
            taken.add(job.of_file.taken)
            job.tally.add_outside_bounds(job.of_file.outside_bounds)
            progress(f"{path}: {ntuple.n_rows - n_before:,} entries")
    return taken.branches


def _write_varied(start: Job, paths: Sequence[str], ntuple: NtupleWriter, settings: ApplySettings) -> dict[str, int]:
    """Write what the model makes of the tree of a variation, which is not counted.

    Returns:
        The number of its entries in each file.
    """
    looked = {path: start.look(path, copy=settings.copies) for path in paths}
    job = start.agreed(looked, settings.missing_branches)
    for path in paths:
        for columns in job.chunks(path):
            ntuple.extend(columns)
    return {path: its.n_entries for path, its in looked.items()}


def _made_from(looked: Mapping[str, Looked], part: Part, job: Job, settings: ApplySettings) -> dict[str, Any]:
    """What the provenance says; of each input that by which a friend of a chain of files is known again."""
    scales = job.reader.normalisations if job.reader else {}
    records = [
        {"path": path, "n_entries": its.n_entries, "uuid": uuid_of(path), "sha256": checksum_of(path)}
        for path, its in looked.items()
    ]
    return {
        "inputs": records,
        "tree": job.tree,
        "model": {"path": str(part.model), "tensors_sha256": job.model.card.tensors_sha256},
        "method": job.model.card.learning.method.model_dump(mode="json"),
        "selection": settings.selection,
        "overrides": settings.overrides,
        "normalisations": {name: it.to_json() for name, it in scales.items()},
        "seed": job.seed,
        "status_bits": morphed.STATUS_BITS,
        "replicas": [str(folder) for folder in part.replicas],
    }
