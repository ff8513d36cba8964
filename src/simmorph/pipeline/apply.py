"""Write what a model makes of events back to ROOT."""

from __future__ import annotations

import itertools
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import awkward as ak
import numpy as np

from simmorph.config.selection.files import read_selection
from simmorph.data import morphed
from simmorph.data.expressions.expression import weight_expression
from simmorph.data.ntuples.contents import describe, read_metadata, trees_in
from simmorph.data.ntuples.copying import DEFAULTS, Copied, copy_of
from simmorph.data.ntuples.files import checksum_of, expand_inputs, parts_of
from simmorph.data.ntuples.reading import STEP, open_tree
from simmorph.data.ntuples.rest import copy_rest
from simmorph.data.ntuples.servers import is_url
from simmorph.data.ntuples.types import Writable, agreed_types, as_types
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.outputs import refuse_existing
from simmorph.data.samples import SampleReader
from simmorph.data.selection.reading import BadFiles, SelectionReader
from simmorph.data.selection.selector import Selector
from simmorph.data.selection.sources import Taken
from simmorph.data.units import UNITS, agreed, read_units
from simmorph.errors import ConfigError, EmptySelectionError, InputError, UsageError, listed, one_of
from simmorph.methods.base import poor_weights
from simmorph.model import Model
from simmorph.pipeline.units import KnownUnits, check_units
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from simmorph.config.compression import Compression
    from simmorph.data.events import Events, FloatArray, IntArray
    from simmorph.data.formats.table import Column, Table
    from simmorph.data.ntuples.copying import OnMissing
    from simmorph.data.ntuples.types import Type
    from simmorph.data.ntuples.writer import NtupleWriter
    from simmorph.data.selection.reading import OnBadFile
    from simmorph.progress import Progress

OUTSIDE_WARNING = 0.01
"""Share of events outside of the training range that is worth a warning."""


@dataclass(frozen=True)
class ApplyResult:
    """What was written.

    Attributes:
        output: the file.
        tree: its tree.
        model: the model folder.
        n_events: how many rows were written, or objects, where rows of the selection are these.
        n_morphed: events that were morphed.
        n_not_selected: entries that the selection dropped.
        n_non_finite: events that kept their values, because they or the result are not finite.
        n_out_of_range: morphed events that lie outside of what the model was trained on.
        effective_fraction: of a reweighting, how many events the new weights are worth, as a share of the events
            reweighted (ESS/N); None for methods that move or draw events.
        left_out: branches of the input that are not in the copy, with the reason.
        filled: branches that a file lacks and that have a default in its rows, by file.
        not_copied: other trees, their branches, and other objects of the input that are not in it, with the reason.
        skipped: files that cannot be used and have no rows in the output, with the reason.
        seconds: how long it took.
        counted: what is counted: events, or objects of one kind.
    """

    output: str
    tree: str
    model: str
    n_events: int
    n_morphed: int
    n_not_selected: int
    n_non_finite: int
    n_out_of_range: int
    effective_fraction: float | None
    left_out: dict[str, str]
    filled: dict[str, list[str]]
    not_copied: dict[str, str]
    skipped: dict[str, str]
    seconds: float
    counted: str = "event"

    @property
    def out_of_range_fraction(self) -> float:
        """The share of the morphed events that lie outside of the training range."""
        return self.n_out_of_range / self.n_morphed if self.n_morphed else 0.0

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return {**asdict(self), "out_of_range_fraction": self.out_of_range_fraction}

    def to_text(self) -> str:
        """What a person wants to know."""
        rate = self.n_events / self.seconds if self.seconds > 0 else 0.0
        counted = "rows" if self.counted == "event" else f"{self.counted}s"
        time_taken = f"{self.seconds:.1f} s ({rate:,.0f} per second)"
        lines = [
            f"{self.output}: tree {self.tree!r}, {self.n_events} {counted} in {time_taken}",
            (
                f"morphed {self.n_morphed}, of these {self.n_out_of_range} outside of the training range "
                f"({self.out_of_range_fraction:.2%})"
            ),
        ]
        if self.effective_fraction is not None:
            lines.append(f"the new weights leave {self.effective_fraction:.2%} of the statistical power (ESS/N)")
        if self.n_not_selected:
            lines.append(f"not selected {self.n_not_selected}")
        if self.n_non_finite:
            lines.append(f"not finite, kept as they were {self.n_non_finite}")
        return "\n".join(lines)

    def warnings(self) -> list[str]:
        """What the user should look at."""
        found = [f"branch {name!r} is left out: {reason}" for name, reason in self.left_out.items()]
        found += [f"{path} lacks {listed(names)}: in its rows stands {DEFAULTS}" for path, names in self.filled.items()]
        if self.not_copied:
            found.append("not copied: " + ", ".join(f"{name!r} ({why})" for name, why in self.not_copied.items()))
        found += [f"no rows for {path}, which was skipped: {reason}" for path, reason in self.skipped.items()]
        if self.n_non_finite:
            bit = f"{morphed.STATUS} & {morphed.NON_FINITE}"
            found.append(f"{self.n_non_finite} events are not finite and were not morphed: {bit}")
        if self.effective_fraction is not None:
            found += poor_weights(self.effective_fraction)
        if self.out_of_range_fraction > OUTSIDE_WARNING:
            found.append(
                f"{self.out_of_range_fraction:.1%} of the events lie outside of what the model was trained on, "
                f"where the map is extrapolated; cut on {morphed.STATUS} & {morphed.OUT_OF_RANGE} to leave them out"
            )
        return found


@dataclass
class _Tally:
    """What is counted on the way."""

    n_events: int = 0
    n_morphed: int = 0
    n_not_selected: int = 0
    n_non_finite: int = 0
    n_out_of_range: int = 0

    def add(self, status: IntArray) -> None:
        self.n_events += len(status)
        self.n_not_selected += int(np.count_nonzero(status & morphed.NOT_SELECTED))
        self.n_non_finite += int(np.count_nonzero(status & morphed.NON_FINITE))
        is_morphed = (status & morphed.NOT_MORPHED) == 0
        self.n_morphed += int(np.count_nonzero(is_morphed))
        self.n_out_of_range += int(np.count_nonzero(is_morphed & ((status & morphed.OUT_OF_RANGE) != 0)))


@dataclass
class _Power:
    """What the new weights are worth, summed on the way."""

    n_events: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, weights: FloatArray) -> None:
        self.n_events += len(weights)
        self.total += float(np.sum(weights))
        self.squares += float(np.sum(weights**2))

    def effective_fraction(self) -> float:
        return self.total**2 / self.squares / self.n_events if self.squares > 0 else 0.0


class _Looked(NamedTuple):
    """What a first look at a file says.

    Attributes:
        types: of the columns that the model needs.
        writable: what can be copied.
    """

    types: Mapping[str, Type]
    writable: Writable = Writable()


@dataclass(frozen=True)
class Job:
    """One run over all inputs.

    Attributes:
        model: what to apply.
        reader: makes events of original ntuples by a selection; None for flat ones.
        tree: the tree to read.
        step: entries read at once.
        seed: of the noise of point masses; the model's own if None.
        copied: branches of the input that are copied.
        replicas: replicas of the model by name, whose branches stand beside its own.
        taken: of the file that is being read, the branches taken for names with alternatives.
    """

    model: Model
    reader: SelectionReader | None
    tree: str
    step: int = STEP
    seed: int | None = None
    copied: Copied = field(default_factory=lambda: copy_of({}))
    types: Mapping[str, Type] = field(default_factory=dict)
    replicas: Mapping[str, Model] = field(default_factory=dict)
    tally: _Tally = field(default_factory=_Tally)
    power: _Power = field(default_factory=_Power)
    taken: dict[str, str] = field(default_factory=dict)

    @property
    def reweights(self) -> bool:
        """Whether the model changes weights alone."""
        return not self.model.card.kind.changes_features

    @property
    def new_branches(self) -> list[str]:
        """The branches that are added."""
        features = [variable.name for variable in self.model.card.features]
        own = morphed.new_branches(features, reweights=self.reweights)
        return own + [morphed.of_replica(branch, name) for name in self.replicas for branch in own]

    def units(self, paths: Sequence[str]) -> dict[str, str]:
        """The unit of each branch to write, as far as it is known; a feature has the same after the map.

        Raises:
            InputError: the inputs are in other units than the model.
        """
        of_input = {path: read_units(path) if self.reader is None else self.reader.selector.units() for path in paths}
        units = agreed({"the model": self.model.card.units, **of_input})
        known = {morphed.branch_of(it.name): units[it.name] for it in self.model.card.features if it.name in units}
        of_replicas = {morphed.of_replica(it, name): unit for name in self.replicas for it, unit in known.items()}
        return units | known | of_replicas

    def look(self, path: str, *, copy: bool) -> _Looked:
        """A first look at a file.

        Raises:
            InputError: it cannot be used.
        """
        self.units([path])
        with open_tree(path, self.tree) as tree:
            if copy:
                _refuse_taken(tree, self.new_branches)
            types = tree.types(self.model.variables) if self.reader is None else self.reader.types_in(path)
            return _Looked(types, tree.writable() if copy else Writable())

    def agreed(self, looked: Mapping[str, _Looked], missing: OnMissing) -> Job:
        """The same run, with the types that all files can have.

        Raises:
            InputError: a branch has types that no type holds exactly.
        """
        types = agreed_types({path: its.types for path, its in looked.items()})
        copied = copy_of({path: its.writable for path, its in looked.items()}, missing)
        if self.reader is not None:
            return replace(self, reader=replace(self.reader, types=types), copied=copied)
        return replace(self, types=types, copied=copied)

    def varied(self, paths: Sequence[str]) -> dict[str, list[str]]:
        """The trees of the variations that `select` wrote beside the nominal one, and the files that have each.

        A selection that is run here has none, a generator has no events of its own to vary, and friends belong to the
        nominal tree alone.
        """
        found: dict[str, list[str]] = {}
        has_own = self.reader is None and not self.model.draws_anew
        for path in [path for path in paths if has_own and len(parts_of(path)) == 1]:
            trees, variations = trees_in(path), read_metadata(path).get("variations", {})
            for its in variations.values() if isinstance(variations, dict) else ():
                if its["in"].startswith(f"{self.tree}_") and its["in"] in trees:
                    found.setdefault(its["in"], []).append(path)
        return found

    def chunks(self, path: str) -> Iterator[dict[str, Column]]:
        """The branches to write, chunk by chunk, one row for each entry of the file."""
        return self._flat_chunks(path) if self.reader is None else self._selected_chunks(path, self.reader)

    def count(self, columns: Mapping[str, Column]) -> None:
        """Count rows that are written."""
        status, weights = (ak.to_numpy(ak.flatten(columns[it], axis=None)) for it in (morphed.STATUS, morphed.WEIGHT))
        self.tally.add(status)
        self.power.add(weights[(status & morphed.NOT_MORPHED) == 0])

    def _flat_chunks(self, path: str) -> Iterator[dict[str, Column]]:
        first = self._first_id()
        others = self.copied.present(path)
        reader = SampleReader([path], self.tree, self.model.variables, self.model.weight, others=others)
        for table in reader.chunks(step=self.step):
            table.refuse_bad_weights(path)
            before = self.model.events_of(table.columns, table.weights, first + table.ids)
            if len(table) and table.ids[0] == 0:
                check_units(self.model.card, before, path, KnownUnits.of([path], {}, self.model.card).certain)
            copied = self.copied.of(path, table.columns, len(table))
            variables = as_types({name: table.columns[name] for name in self.types}, self.types)
            yield {**copied, **self._morphed({**copied, **variables}, before)}

    def _selected_chunks(self, path: str, selected: SelectionReader) -> Iterator[dict[str, Column]]:
        first = self._first_id()
        for (_, chosen), copied in zip(selected.chunks(path), self._copies(path), strict=False):
            rows = chosen.rows
            self.taken.update(chosen.taken)
            # Numbered as in the flat ntuple that `select` makes of this file, so that both give the same.
            ids, first = first + np.arange(len(rows)), first + len(rows)
            weigh = weight_expression(self.model.weight, chosen.columns)
            weights = weigh.numbers(chosen.columns).astype(np.float64)
            new = self._morphed(chosen.columns, self.model.events_of(chosen.columns, weights, ids))
            yield {**copied, **rows.shaped(morphed.spread(new, rows.places, rows.n_places))}

    def _copies(self, path: str) -> Iterator[dict[str, Column]]:
        """The branches of the input, chunk by chunk; where nothing is copied, none for ever."""
        if not self.copied.types:
            yield from itertools.repeat({})
        with open_tree(path, self.tree) as tree:
            for start, columns in tree.iterate(self.copied.present(path), self.step):
                yield self.copied.of(path, columns, min(self.step, tree.n_entries - start))

    def _first_id(self) -> int:
        """What the first event of the next file is seeded by.

        A map starts anew with each file, so that a file gives the same alone and among others. A generator counts on:
        equal contexts in two files must not give equal draws.
        """
        return self.tally.n_events if self.model.draws_anew else 0

    def _morphed(self, columns: Mapping[str, Column], before: Events) -> dict[str, NDArray[Any]]:
        """The new branches of some events."""
        new = self.model.new_columns(columns, before, self.seed)
        for name, replica in self.replicas.items():
            its = replica.new_columns(columns, before, self.seed)
            new |= {morphed.of_replica(branch, name): values for branch, values in its.items()}
        return new


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
    if not inputs:
        raise UsageError("INPUT", "is missing", "name ntuples, or add --n-events to draw from a generator")
    paths = expand_inputs(inputs, progress)
    if Path(output).resolve() in {Path(path).resolve() for path in paths if not is_url(path)}:
        raise UsageError(output, "is also an input", "choose another output")
    bad, its_model = BadFiles(on_bad_file, progress), Model.load(model)
    given, reader = paths, None
    if selection is not None:
        reader = SelectionReader(*_selector(its_model, selection, tree, overrides), sample, step)
        reader, usable = reader.normalised(list(among) or paths, bad)
        paths = [path for path in paths if path in usable]
    read = reader.tree if reader else tree or its_model.card.learning.tree
    others = {folder.name: Model.load(folder) for folder in replicas}
    start = Job(its_model, reader, read, step, seed, replicas=others)
    looked: dict[str, _Looked] = {}
    copy = copy if selection is not None else not friend
    paths = bad.usable(paths, lambda path: looked.setdefault(path, start.look(path, copy=copy)))
    bad.refuse_none_left(output, given)
    job = start.agreed({path: looked[path] for path in paths}, missing_branches)
    name = job.tree if job.copied.types else morphed.FRIEND_TREE
    made_from = _made_from(paths, model, job, selection, overrides) | {"replicas": [str(folder) for folder in replicas]}
    metadata = {**made_from, "input": read_metadata(paths[0]), UNITS: job.units(paths)}
    how: dict[str, Any] = {"force": force, "compression": compression, "made_from": made_from}
    taken = Taken(progress)
    with create_ntuple(Path(output), name, **how, metadata=metadata) as ntuple:
        for path in paths:
            n_before = ntuple.n_rows
            job.taken.clear()
            for columns in bad.whole(path, job.chunks(path)):
                job.count(columns)
                ntuple.extend(columns)
            if path not in bad.skipped:
                taken.add(job.taken)
                progress(f"{path}: {ntuple.n_rows - n_before:,} entries")
        bad.refuse_none_left(output, given)
        made_from["inputs"] = [it for it in made_from["inputs"] if it["path"] not in bad.skipped]
        copied = [path for path in paths if path not in bad.skipped] if job.copied.types else []
        varied_trees = start.varied([it["path"] for it in made_from["inputs"]])
        rest = copy_rest(copied, {job.tree, *varied_trees}, ntuple)
        ntuple.metadata |= {"inputs": made_from["inputs"], "branches": taken.branches}
        for varied, its in varied_trees.items():
            written = ntuple.beside(f"{name}{varied.removeprefix(start.tree)}")
            _write_varied(replace(start, tree=varied), its, written, missing_branches, copy=copy)
            progress(f"{varied}: morphed, a variation of the selection")
        if not ntuple.n_rows and not allow_empty:
            raise EmptySelectionError(", ".join(paths), "there are no entries", "nothing was written")
    return ApplyResult(
        *(str(output), name, str(model)),
        **asdict(job.tally),
        effective_fraction=job.power.effective_fraction() if job.reweights else None,
        left_out=dict(job.copied.left_out),
        filled={path: list(names) for path, names in job.copied.filled.items()},
        not_copied=rest,
        skipped=bad.skipped,
        seconds=time.monotonic() - begin,
        counted=reader.selector.counted if reader else "event",
    )


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


def _refuse_taken(tree: Table, new: Sequence[str]) -> None:
    taken = [name for name in new if name in tree.branches]
    if taken:
        what = f"tree {tree.tree!r} already has {taken[0]!r}"
        raise InputError(tree.path, what, "apply to the ntuple before morphing, or add --friend")


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
