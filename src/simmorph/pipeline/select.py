"""Select photon pairs from ntuples into one flat ntuple."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.config.selection.files import read_selection
from simmorph.data.files.outputs import refuse_existing
from simmorph.data.ntuples.files import checksums_of, expand_inputs, refuse_input
from simmorph.data.ntuples.reading import STEP
from simmorph.data.ntuples.types import agreed_types
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.quality.changed import changes_in
from simmorph.data.quality.duplicates import Duplicates, event_numbers_in
from simmorph.data.selection.reading import BadFiles, SelectionReader
from simmorph.data.selection.selector import Selector
from simmorph.data.selection.sources import Taken
from simmorph.data.units import UNITS
from simmorph.errors import EmptySelectionError
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from simmorph.config.values.compression import Compression
    from simmorph.data.events import FloatArray
    from simmorph.data.ntuples.types import Type
    from simmorph.data.ntuples.writer import NtupleWriter
    from simmorph.data.selection.normalisation import Normalisation
    from simmorph.data.selection.reading import OnBadFile
    from simmorph.data.selection.selector import Chosen
    from simmorph.progress import Progress

TREE = "events"


@dataclass(frozen=True)
class CutflowLine:
    """What is left after one cut.

    Attributes:
        cut: its name; `all` before the first.
        events: how many events, or objects, where rows are these.
        weighted: their sum of weights.
        sum_squares: their sum of squared weights, the variance of `weighted`.
    """

    cut: str
    events: int
    weighted: float
    sum_squares: float


@dataclass(frozen=True)
class SelectResult:
    """What was selected.

    Attributes:
        output: the file written.
        selection: its name or file.
        files: the files read, in the order that `source_file` counts.
        skipped: the files left out, each with the reason.
        n_data: how many events, or objects, of the input were taken for real data, which have the weight of data.
        cutflow: what was left after each cut.
        variations: under each systematic variation the tree or branch that holds it, its events and sum of weights.
        normalisations: how each simulated sample was normalised, by its name; see `Normalisation`.
        not_finite: how many selected events have NaN or infinity in a variable, by variable.
        counted: what is counted: events, or objects of one kind, of which the first line counts those that the cuts on
            objects leave.
        branches: for each name with alternatives what was taken for it, and of which files, as `source_file` counts.
        duplicates: how many selected events of each file have been there before, by run and event number; in
            simulation, where two samples may number their events alike, by all variables too.
        changed: a sentence for each input that has another content than its provenance file says.
    """

    output: str
    selection: str
    files: tuple[str, ...]
    skipped: dict[str, str]
    n_data: int
    cutflow: tuple[CutflowLine, ...]
    variations: dict[str, dict[str, Any]]
    normalisations: dict[str, Normalisation]
    not_finite: dict[str, int]
    counted: str
    branches: dict[str, dict[str, list[int]]]
    duplicates: dict[str, int]
    changed: tuple[str, ...]

    @property
    def n_selected(self) -> int:
        """How many of them passed everything."""
        return self.cutflow[-1].events

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        cutflow = [asdict(line) for line in self.cutflow]
        plain = {
            "files": list(self.files),
            "changed": list(self.changed),
            "cutflow": cutflow,
            "n_selected": self.n_selected,
        }
        of_samples = {name: it.to_json() for name, it in self.normalisations.items()}
        return {**asdict(self), **plain, "normalisations": of_samples}

    def to_text(self) -> str:
        """The cutflow as a table, and what went wrong."""
        width = max(len("cut"), *(len(line.cut) for line in self.cutflow))
        lines = [f"{'cut':<{width}}  {self.counted + 's':>12}  {'weighted':>14}  {'+-':>10}  {'passed':>7}"]
        before = self.cutflow[0].events
        for line in self.cutflow:
            passed = f"{line.events / before:7.1%}" if before else f"{'-':>7}"
            numbers = f"{line.events:>12,}  {line.weighted:>14,.6g}  {line.sum_squares**0.5:>10.4g}"
            lines.append(f"{line.cut:<{width}}  {numbers}  {passed}")
            before = line.events
        for name, its in self.variations.items():
            lines.append(f"{name}: {its['events']:,} events, weighted {its['weighted']:.6g}, in {its['in']!r}")
        lines += [f"{name}: {it.described()}" for name, it in self.normalisations.items()]
        lines += [f"skipped {path}: {reason}" for path, reason in self.skipped.items()]
        return "\n".join(lines)

    def warnings(self) -> list[str]:
        """What the user should look at."""
        found = [f"{count} selected {self.counted}s have no finite {name}" for name, count in self.not_finite.items()]
        if 0 < self.n_data < self.cutflow[0].events:
            found.append(f"the input mixes {self.n_data} {self.counted}s of data with simulation")
        return [*found, *self.changed, *Duplicates(self.duplicates).warnings()]


def select_events(  # noqa: PLR0913 - one keyword for each option of the command
    inputs: Sequence[str],
    selection: str,
    output: Path,
    *,
    tree: str | None = None,
    on_bad_file: OnBadFile = "fail",
    sample: str = "auto",
    overrides: Sequence[str] = (),
    compression: Compression = "zstd",
    allow_empty: bool = False,
    force: bool = False,
    step: int = STEP,
    progress: Progress = silent,
) -> SelectResult:
    """Write the selected events of all inputs into one flat ntuple.

    Files are read in chunks, so that memory does not grow with their size; to skip bad files, the selected events of
    one file wait on disk (TMPDIR) until it has been read to its end.

    Args:
        inputs: files, globs, folders, URLs, or `-` for a list on stdin.
        selection: the name of a shipped selection, or a file.
        output: the file to write.
        tree: read this tree instead of the selection's.
        on_bad_file: whether to stop at a file that cannot be used, or to leave it out.
        sample: take every file for this sample of the selection, or for data or simulation, instead of asking.
        overrides: assignments to keys of the selection, such as `luminosity=10 /fb`.
        compression: of the baskets of the output.
        allow_empty: write an output without rows where no event passes, as a job among others may have it.
        force: replace an existing output.
        step: entries read at once; no result depends on it.
        progress: called with a line for each file.

    Raises:
        ConfigError: the selection is wrong.
        InputError: a file cannot be used, or every one was skipped.
        EmptySelectionError: no event passed and that is not allowed; nothing is written.
        UsageError: the output exists.
    """
    refuse_existing(output, force=force)
    settings, document = read_selection(selection, overrides)
    selector, bad = Selector.of(settings, document), BadFiles(on_bad_file, progress)
    reader = SelectionReader(selector, tree or settings.tree, sample, step)
    given = expand_inputs(inputs, progress)
    refuse_input(Path(output), given)
    reader, paths = reader.normalised(given, bad)
    types: dict[str, dict[str, Type]] = {}
    usable = paths
    if len(paths) > 1:  # a file alone has the types that it has
        usable = bad.usable(paths, lambda path: types.setdefault(path, reader.types_in(path)))
    job = _Job(replace(reader, types=agreed_types(types)), bad, progress)
    made_from = {"inputs": paths, "selection": settings.model_dump(mode="json"), "tree": reader.tree, "sample": sample}
    if settings.certified_runs:
        made_from["certified_runs"] = checksums_of([settings.certified_runs.file])
    how: dict[str, Any] = {"force": force, "compression": compression, "made_from": made_from}
    with create_ntuple(output, TREE, **how) as ntuple:
        for path in usable:
            job.add(path, ntuple)
        bad.refuse_none_left(output, given)
        result = job.result(str(output), selection, allow_empty=allow_empty)
        ntuple.metadata[UNITS] = selector.units()
        _write_cutflow(ntuple, result, made_from)
    return result


class _Job:
    """One run over all files, and what it has counted."""

    def __init__(self, reader: SelectionReader, bad: BadFiles, progress: Progress) -> None:
        self.reader, self.bad, self.progress = reader, bad, progress
        self.files: list[str] = []
        self.not_finite: dict[str, int] = {}
        self.duplicates = Duplicates()
        self.cutflow = np.zeros((len(reader.selector.steps) + 1, 3))
        self.n_data = 0
        self.variations: dict[str, dict[str, Any]] = {}
        self.taken = Taken(progress)

    def add(self, path: str, ntuple: NtupleWriter) -> None:
        """Select from one file; one that cannot be used adds nothing, or ends the run."""
        before, taken = self.cutflow[:, 0].copy(), {}
        for start, chosen in self.bad.whole(path, self.reader.chunks(path)):
            self._count_not_finite(chosen.columns)
            self._count_twice(path, chosen)
            self.cutflow += chosen.cutflow
            self.n_data += chosen.n_data
            taken = chosen.taken
            place = {"source_file": np.full(len(chosen.rows), len(self.files), np.int32)}
            ntuple.extend({**chosen.columns, **place, **chosen.rows.source(start)})
            self._add_variations(chosen, start, ntuple)
        if path not in self.bad.skipped:
            self.taken.add(taken)
            self.files.append(path)
            read = self.cutflow[:, 0] - before
            self.progress(f"{path}: {read[-1]:,.0f} of {read[0]:,.0f} {self.reader.selector.counted}s selected")

    def _add_variations(self, chosen: Chosen, start: int, ntuple: NtupleWriter) -> None:
        """What is selected under each variation into a tree of its own; one of the weight is in the nominal tree."""
        for name, its in chosen.variations.items():
            place = {"source_file": np.full(len(its.rows), len(self.files), np.int32)}
            ntuple.beside(f"{TREE}_{name}").extend({**its.columns, **place, **its.rows.source(start)})
            self._count_varied(name, f"{TREE}_{name}", its.columns["weight"])
        for name in self.reader.selector.varied_weights:
            self._count_varied(name, f"weight_{name}", chosen.columns[f"weight_{name}"])

    def _count_varied(self, name: str, place: str, weights: FloatArray) -> None:
        counted = self.variations.setdefault(name, {"in": place, "events": 0, "weighted": 0.0})
        counted["events"] += len(weights)
        counted["weighted"] += float(weights.sum())

    def _count_not_finite(self, columns: dict[str, NDArray[Any]]) -> None:
        for name in self.reader.selector.variables:
            count = int(np.sum(~np.isfinite(columns[name])))
            if count:
                self.not_finite[name] = self.not_finite.get(name, 0) + count

    def _count_twice(self, path: str, chosen: Chosen) -> None:
        """Count events that have been there before, where the selection knows their numbers."""
        numbers = event_numbers_in(chosen.columns)
        if numbers:
            of_simulation = (chosen.columns[name] for name in self.reader.selector.variables)
            values = [np.where(chosen.is_data, 0, column) for column in of_simulation]
            self.duplicates.add(path, [*(chosen.columns[name] for name in numbers), chosen.is_data, *values])

    def result(self, output: str, selection: str, *, allow_empty: bool) -> SelectResult:
        """What was selected.

        Raises:
            EmptySelectionError: no event passed.
        """
        names = ("all", *self.reader.selector.steps)
        cutflow = tuple(
            CutflowLine(name, int(events), float(weighted), float(squares))
            for name, (events, weighted, squares) in zip(names, self.cutflow, strict=True)
        )
        if not cutflow[-1].events and not allow_empty:
            left = ", ".join(f"{line.cut} {line.events}" for line in cutflow)
            counted = self.reader.selector.counted
            raise EmptySelectionError(selection, f"no {counted} passed: {left}", "nothing was written")
        return SelectResult(
            output=output,
            selection=selection,
            files=tuple(self.files),
            skipped=self.bad.skipped,
            n_data=self.n_data,
            cutflow=cutflow,
            variations=self.variations,
            normalisations=dict(self.reader.normalisations),
            not_finite=self.not_finite,
            counted=self.reader.selector.counted,
            branches=self.taken.branches,
            duplicates=self.duplicates.counts,
            changed=tuple(changes_in(self.files)),
        )


def _write_cutflow(ntuple: NtupleWriter, result: SelectResult, made_from: dict[str, Any]) -> None:
    """The result into the file: as metadata, and as histograms for ROOT."""
    ntuple.metadata.update({**result.to_json(), **made_from})
    names = [line.cut for line in result.cutflow]
    weighted = [line.weighted for line in result.cutflow]
    events = [float(line.events) for line in result.cutflow]
    ntuple.add_histogram("cutflow", "sum of weights", names, weighted, [line.sum_squares for line in result.cutflow])
    ntuple.add_histogram("cutflow_events", f"{result.counted}s", names, events, events)
