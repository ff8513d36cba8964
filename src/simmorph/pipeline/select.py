"""Select photon pairs from ntuples into one flat ntuple."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from simmorph.config.selection.files import read_selection
from simmorph.data.ntuples.files import expand_inputs
from simmorph.data.ntuples.reading import open_tree
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.outputs import refuse_existing
from simmorph.data.selection.selector import Selector
from simmorph.data.units import UNITS, agreed, read_units
from simmorph.errors import EmptySelectionError, InputError, UsageError
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from simmorph.data.events import FloatArray
    from simmorph.data.ntuples.writer import NtupleWriter
    from simmorph.data.selection.weights import SampleKind
    from simmorph.progress import Progress

TREE = "events"
OnBadFile = Literal["fail", "skip"]


@dataclass(frozen=True)
class CutflowLine:
    """What is left after one cut.

    Attributes:
        cut: its name; `all` before the first.
        events: how many events.
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
        n_data: how many events of the input were taken for real data, which have the weight of data.
        cutflow: what was left after each cut.
        not_finite: how many selected events have NaN or infinity in a variable, by variable.
    """

    output: str
    selection: str
    files: tuple[str, ...]
    skipped: dict[str, str]
    n_data: int
    cutflow: tuple[CutflowLine, ...]
    not_finite: dict[str, int]

    @property
    def n_selected(self) -> int:
        """How many events passed everything."""
        return self.cutflow[-1].events

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        cutflow = [asdict(line) for line in self.cutflow]
        return {**asdict(self), "files": list(self.files), "cutflow": cutflow, "n_selected": self.n_selected}

    def to_text(self) -> str:
        """The cutflow as a table, and what went wrong."""
        width = max(len("cut"), *(len(line.cut) for line in self.cutflow))
        lines = [f"{'cut':<{width}}  {'events':>12}  {'weighted':>14}  {'+-':>10}  {'passed':>7}"]
        before = self.cutflow[0].events
        for line in self.cutflow:
            passed = f"{line.events / before:7.1%}" if before else f"{'-':>7}"
            numbers = f"{line.events:>12,}  {line.weighted:>14,.6g}  {line.sum_squares**0.5:>10.4g}"
            lines.append(f"{line.cut:<{width}}  {numbers}  {passed}")
            before = line.events
        lines += [f"skipped {path}: {reason}" for path, reason in self.skipped.items()]
        return "\n".join(lines)

    def warnings(self) -> list[str]:
        """What the user should look at."""
        found = [f"{count} selected events have no finite {name}" for name, count in self.not_finite.items()]
        if 0 < self.n_data < self.cutflow[0].events:
            found.append(f"the input mixes {self.n_data} events of data with simulation")
        return found


@dataclass
class _Counts:
    """What is counted while files are read."""

    cutflow: FloatArray
    n_data: int = 0


def select_events(  # noqa: PLR0913 - one keyword for each option of the command
    inputs: Sequence[str],
    selection: str,
    output: Path,
    *,
    tree: str | None = None,
    on_bad_file: OnBadFile = "fail",
    sample: SampleKind = "auto",
    force: bool = False,
    progress: Progress = silent,
) -> SelectResult:
    """Write the selected events of all inputs into one flat ntuple.

    Files are read in chunks, so that memory does not grow with their size; to skip bad files, the selected events of
    one file are kept until it has been read to its end.

    Args:
        inputs: files, globs, folders, URLs, or `-` for a list on stdin.
        selection: the name of a shipped selection, or a file.
        output: the file to write.
        tree: read this tree instead of the selection's.
        on_bad_file: whether to stop at a file that cannot be used, or to leave it out.
        sample: take every event for data, or for simulation, instead of asking the selection.
        force: replace an existing output.
        progress: called with a line for each file.

    Raises:
        ConfigError: the selection is wrong.
        InputError: a file cannot be used, or every one was skipped.
        EmptySelectionError: no event passed; nothing is written.
        UsageError: the output exists.
    """
    refuse_existing(output, force=force)
    settings, document = read_selection(selection)
    job = _Job(Selector.of(settings, document), tree or settings.tree, sample, on_bad_file, progress)
    paths = expand_inputs(inputs)
    if str(Path(output).resolve()) in {str(Path(path).resolve()) for path in paths}:
        raise UsageError(output, "is also an input", "choose another output")
    made_from = {"inputs": paths, "selection": settings.model_dump(mode="json"), "tree": job.tree, "sample": sample}
    with create_ntuple(output, TREE, force=force, made_from=made_from) as ntuple:
        for path in paths:
            job.add(path, ntuple)
        result = job.result(str(output), selection)
        ntuple.metadata[UNITS] = job.selector.units()
        _write_cutflow(ntuple, result, made_from)
    return result


class _Job:
    """One run over all files, and what it has counted."""

    def __init__(
        self, selector: Selector, tree: str, sample: SampleKind, on_bad_file: OnBadFile, progress: Progress
    ) -> None:
        self.selector, self.tree, self.sample, self.progress = selector, tree, sample, progress
        self.on_bad_file = on_bad_file
        self.files: list[str] = []
        self.skipped: dict[str, str] = {}
        self.not_finite: dict[str, int] = {}
        self.total = self._tally()

    def _tally(self) -> _Counts:
        return _Counts(np.zeros((len(self.selector.cuts) + 1, 3)))

    def add(self, path: str, ntuple: NtupleWriter) -> None:
        """Select from one file; one that cannot be used adds nothing, or ends the run."""
        tally = self._tally()
        chunks = self._chunks(path, tally)
        if self.on_bad_file == "skip":
            try:
                chunks = iter(list(chunks))
            except InputError as error:
                self.skipped[path] = str(error)
                self.progress(f"skipped {error}")
                return
        for columns in chunks:
            self._count_not_finite(columns)
            ntuple.extend(columns)
        self.files.append(path)
        self.total.cutflow += tally.cutflow
        self.total.n_data += tally.n_data
        self.progress(f"{path}: {tally.cutflow[-1, 0]:,.0f} of {tally.cutflow[0, 0]:,.0f} events selected")

    def _chunks(self, path: str, tally: _Counts) -> Iterator[dict[str, NDArray[Any]]]:
        """The branches to write, chunk by chunk; the file's cutflow is added up on the way."""
        agreed({"the selection": self.selector.units_read(), path: read_units(path)})
        with open_tree(path, self.tree) as tree:
            sample = self.selector.sample_of(tree.branches, self.sample)
            for start, columns in tree.iterate(self.selector.branches(sample)):
                try:
                    chosen = self.selector.run(columns, sample, check_unit=start == 0)
                except InputError as error:
                    raise InputError(f"{path}, entries from {start}: {error.where}", error.what, error.mend) from error
                tally.cutflow += chosen.cutflow
                tally.n_data += chosen.n_data
                yield {
                    **chosen.columns,
                    "source_file": np.full(len(chosen.rows), len(self.files), np.int32),
                    "source_entry": chosen.rows + start,
                }
        self._check_weights(path, tally)

    def _check_weights(self, path: str, tally: _Counts) -> None:
        events, _, squares = tally.cutflow[0]
        if events and not squares:
            mend = "if this is real data, add --sample data; otherwise mend `weight:` of the selection"
            raise InputError(path, "every event has weight 0", mend)

    def _count_not_finite(self, columns: dict[str, NDArray[Any]]) -> None:
        for name in self.selector.variables:
            count = int(np.sum(~np.isfinite(columns[name])))
            if count:
                self.not_finite[name] = self.not_finite.get(name, 0) + count

    def result(self, output: str, selection: str) -> SelectResult:
        """What was selected.

        Raises:
            InputError: every file was skipped.
            EmptySelectionError: no event passed.
        """
        if not self.files:
            raise InputError(
                output, f"none of {len(self.skipped)} files can be used", next(iter(self.skipped.values()))
            )
        names = ("all", *self.selector.cuts)
        cutflow = tuple(
            CutflowLine(name, int(events), float(weighted), float(squares))
            for name, (events, weighted, squares) in zip(names, self.total.cutflow, strict=True)
        )
        if not cutflow[-1].events:
            left = ", ".join(f"{line.cut} {line.events}" for line in cutflow)
            raise EmptySelectionError(selection, f"no event passed: {left}", "nothing was written")
        files = tuple(self.files)
        return SelectResult(output, selection, files, self.skipped, self.total.n_data, cutflow, self.not_finite)


def _write_cutflow(ntuple: NtupleWriter, result: SelectResult, made_from: dict[str, Any]) -> None:
    """The result into the file: as metadata, and as histograms for ROOT."""
    ntuple.metadata.update({**result.to_json(), **made_from})
    names = [line.cut for line in result.cutflow]
    weighted = [line.weighted for line in result.cutflow]
    events = [float(line.events) for line in result.cutflow]
    ntuple.add_histogram("cutflow", "sum of weights", names, weighted, [line.sum_squares for line in result.cutflow])
    ntuple.add_histogram("cutflow_events", "events", names, events, events)
