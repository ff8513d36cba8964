"""Run a selection on the columns of a chunk: clean the objects, compute the variables, cut, weight."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.config.selection.selection import CERTIFIED
from simmorph.data.arrays import LARGEST_EXACT
from simmorph.data.expressions.values import kind_of
from simmorph.data.selection.certified import GoodRuns
from simmorph.data.selection.chunk import Chunk
from simmorph.data.selection.kinds import Kinds
from simmorph.data.selection.names import Key, Names, Needed
from simmorph.data.selection.variations import is_of_weight, varied
from simmorph.data.selection.weights import WEIGHTS_OF, SampleKind, data_among, weigh, yield_of
from simmorph.data.units import ANGLE
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import NDArray

    from simmorph.config.documents import Document
    from simmorph.config.selection.selection import Selection
    from simmorph.data.events import BoolArray, FloatArray
    from simmorph.data.expressions.expression import Expression
    from simmorph.data.ntuples.reading import Column
    from simmorph.data.ntuples.types import Type
    from simmorph.data.selection.rows import Rows
    from simmorph.data.selection.sources import Source


@dataclass(frozen=True)
class Chosen:
    """The selected rows of a chunk: events, or objects of them.

    Attributes:
        rows: where they are in the chunk.
        columns: the branches to write, one value for each of them.
        cutflow: (n_cuts + 1, 3): rows, sum of weights and sum of squared weights, at the start and after each cut.
        is_data: which of the selected rows are real data.
        n_data: how many of the rows at the start are.
        taken: the branches that were taken for each name that has alternatives.
        variations: the same of simulation under each systematic variation that selects other events; none where all
            is data.
    """

    rows: Rows
    columns: dict[str, NDArray[Any]]
    cutflow: FloatArray
    is_data: BoolArray
    n_data: int
    taken: dict[str, str]
    variations: Mapping[str, Chosen] = field(default_factory=dict)


@dataclass(frozen=True)
class Selector:
    """A selection with all its expressions parsed, ready to run on chunks of a file."""

    selection: Selection
    names: Names
    cuts: dict[str, Expression]
    regions: dict[str, Expression]
    weights: dict[str, Expression]
    listed: frozenset[Expression] = frozenset()
    varied_weights: dict[str, Expression] = field(default_factory=dict)
    varied: dict[str, Selector] = field(default_factory=dict)
    good_runs: GoodRuns | None = None

    @classmethod
    def of(cls, selection: Selection, document: Document) -> Selector:
        """Parse every expression of a selection.

        Raises:
            ConfigError: one is not an expression, or uses what it cannot; with its line.
        """
        names = Names.of(selection, document)

        def parsed(block: str, texts: Mapping[str, str]) -> dict[str, Expression]:
            return {name: names.parsed(text, document.where((block, name))) for name, text in texts.items()}

        weight = selection.weight
        texts = {"simulation": weight.simulation, "data": weight.data, "data_if": weight.data_if}
        cuts, regions = parsed("cuts", selection.cuts), parsed("regions", selection.regions)
        weights = parsed("weight", {name: text for name, text in texts.items() if text is not None})
        variations = selection.variations
        of_weight = {name: next(iter(its.values())) for name, its in variations.items() if is_of_weight(its)}
        varied_weights = parsed("variations", of_weight)
        others = {
            name: varied(selection, its, document.where(("variations", name)))
            for name, its in variations.items()
            if name not in of_weight
        }
        selectors = {name: cls.of(its, document) for name, its in others.items()}
        kinds = Kinds(selection, names)
        used = [*cuts.values(), *regions.values(), *weights.values(), *varied_weights.values()]
        kinds.check(used)
        listed = kinds.listed(used, selection.rows)
        runs = GoodRuns.read(selection.certified_runs.file) if selection.certified_runs else None
        return cls(selection, names, cuts, regions, weights, listed, varied_weights, selectors, runs)

    @property
    def steps(self) -> tuple[str, ...]:
        """What each line of the cutflow but the first is called."""
        return ((CERTIFIED,) if self.good_runs else ()) + tuple(self.cuts)

    @property
    def variables(self) -> dict[str, Expression]:
        """The expression of each variable to write."""
        return {name: self.names.formulas[name] for name in self.selection.variables}

    @property
    def counted(self) -> str:
        """What a row is: an event, or the kind of object that is one."""
        return self.selection.rows or "event"

    def sample_of(self, branches: Iterable[str], sample: SampleKind = "auto") -> SampleKind:
        """What a file with these branches holds, as far as the branches say."""
        missing = self.selection.weight.data_if_missing
        if sample == "auto" and missing is not None and missing not in branches:
            return "data"
        return "simulation" if sample == "auto" and "data_if" not in self.weights else sample

    def of_file(
        self,
        path: str,
        tree: str,
        branches: Collection[str],
        sample: SampleKind,
        types: Mapping[str, Type] | None = None,
    ) -> Selector:
        """The same for a file whose tree has these branches and holds this sample.

        Args:
            path: the file, for messages.
            tree: the name of its tree.
            branches: what the tree has.
            sample: what it holds.
            types: of branches in all files, so that a name stands for values of one type in all of them.

        Raises:
            InputError: it lacks a branch that is needed, under all its names.
        """
        names = self.names.of_file(branches, types or {})
        names.refuse_missing(self._needed(sample), path, tree, branches)
        of_names = self._varied(sample).items()
        varied = {name: it.of_file(path, tree, branches, "simulation", types) for name, it in of_names}
        return replace(self, names=names, varied=varied)

    def _varied(self, sample: SampleKind) -> dict[str, Selector]:
        """The selection under each systematic variation; data is not varied."""
        return {} if sample == "data" else self.varied

    def branches(self, sample: SampleKind = "auto") -> list[str]:
        """The branches to read from a file that holds this sample."""
        own = {branch for source in self._sources(sample) for branch in source.branches}
        return sorted(own.union(*(it.branches("simulation") for it in self._varied(sample).values())))

    def taken(self, sample: SampleKind = "auto") -> dict[str, str]:
        """What was taken of a file for each name that has alternatives."""
        return {source.name: source.taken for source in self._sources(sample) if source.is_chosen}

    def _sources(self, sample: SampleKind) -> list[Source]:
        found = (self.names.source(key) for key in self._needed(sample))
        return [source for source in found if source is not None]

    def _needed(self, sample: SampleKind) -> Needed:
        """Everything that is computed or read, with an expression that needs it."""
        its = self.selection
        section = its.certified_runs.lumi_section if its.certified_runs and sample != "simulation" else None
        ids = [Key("branch", branch) for branch in (its.run, its.event, section) if branch]
        variables = [Key("variable", name) for name in self.selection.variables]
        rows = [Key("kept", it.counted, it.name) for it in self.names.objects.values() if it.name == self.counted]
        used = {
            self.names.in_event(name): expression
            for expression in self._used(sample)
            for name in sorted(expression.names)
        }
        return self.names.needed([*ids, *variables, *rows, *used]) | used

    def _used(self, sample: SampleKind) -> list[Expression]:
        """The expressions of events beside the variables."""
        weights = [self.weights[name] for name in WEIGHTS_OF[sample] if name in self.weights]
        varied = [] if sample == "data" else [*self.varied_weights.values()]
        return [*self.cuts.values(), *self.regions.values(), *weights, *varied]

    def units_read(self) -> dict[str, str]:
        """The unit of each branch of the input that is an energy or an angle."""
        read: dict[str, str] = {}
        for unit, key in ((self.selection.units.energy, "energies"), (ANGLE, "angles")):
            sources = [self.names.source(Key("branch", name)) for name in getattr(self.selection, key)]
            for objects in self.names.objects.values():
                sources += [objects.sources[name] for name in getattr(objects.settings, key)]
            read |= {branch: unit for source in sources if source for branch in source.branches}
        return read

    def units(self) -> dict[str, str]:
        """The unit of each variable that has one, as it follows from the energies and angles of the input."""
        kinds = Kinds(self.selection, self.names)
        dimensions = {name: kinds.dimension(Key("variable", name)) for name in self.selection.variables}
        units = {name: dimension.unit("GeV") for name, dimension in dimensions.items() if dimension}
        return {name: unit for name, unit in units.items() if unit}

    def run(
        self,
        columns: Mapping[str, Column],
        sample: SampleKind = "auto",
        *,
        scale: float = 1.0,
        check_unit: bool = False,
        n_events: int | None = None,
    ) -> Chosen:
        """Select among the events of a chunk.

        Args:
            columns: the branches of `branches(sample)`.
            sample: what the file holds; `auto` lets the rule `data_if` decide for each event.
            scale: factor on all weights.
            check_unit: whether to refuse energies that are off by a thousand.
            n_events: how many events the chunk has, if that is not to be seen by its columns.

        Raises:
            InputError: a branch is not what the selection takes it for, or a weight is not finite.
        """
        events_read = len(next(iter(columns.values()))) if n_events is None else n_events
        chunk = Chunk(self.selection, self.names, columns, events_read, self.listed)
        rows = chunk.rows
        if check_unit:
            self._check_unit(chunk, sample)
        variables = {name: self._compact(name, chunk) for name in self.variables}
        events = chunk.events(sorted({name for expression in self._used(sample) for name in expression.names}))
        entries_of_data = data_among(self.weights, events, sample, events_read)
        is_data = entries_of_data[rows.entries]
        weights = weigh(self.weights, events, is_data, rows) * scale
        passed, cutflow = self._cut(events, weights, rows, self._certified(chunk, is_data, rows))
        regions = {f"in_{name}": rows.passes(it, events) for name, it in self.regions.items()}
        kept = variables | regions | {"weight": weights}
        for name, expression in self.varied_weights.items():
            its = {**self.weights, "simulation": expression}
            kept[f"weight_{name}"] = weigh(its, events, is_data, rows) * scale
        for name, branch in (("run", self.selection.run), ("event", self.selection.event)):
            if branch:
                kept[name] = _whole(branch, chunk.value(Key("branch", branch)))[rows.entries]
        places = np.flatnonzero(passed)  # taken by these, columns cost a quarter of what they do by the mask
        chosen = {name: values[places] for name, values in kept.items()}
        variations = self._run_varied(columns, ~entries_of_data, scale) if self._varied(sample) else {}
        n_data, taken = int(is_data.sum()), self.taken(sample)
        return Chosen(rows[places], chosen, cutflow, is_data[places], n_data, taken, variations)

    def _run_varied(self, columns: Mapping[str, Column], is_simulated: BoolArray, scale: float) -> dict[str, Chosen]:
        """What is selected under each variation among the simulated entries of a chunk."""
        entries = np.flatnonzero(is_simulated)
        if not len(entries) and len(is_simulated):
            return {}
        if len(entries) < len(is_simulated):
            columns = {name: column[entries] for name, column in columns.items()}
        found = {
            name: it.run(columns, "simulation", scale=scale, n_events=len(entries)) for name, it in self.varied.items()
        }
        return {
            name: replace(it, rows=replace(it.rows, entries=entries[it.rows.entries])) for name, it in found.items()
        }

    def _check_unit(self, chunk: Chunk, sample: SampleKind) -> None:
        needed = self._needed(sample)
        for objects in self.names.objects.values():
            key = Key("property", objects.leading or "", objects.name)
            if key in needed:
                objects.check_unit(chunk.value(key), self.selection.units.energy)

    def _compact(self, name: str, chunk: Chunk) -> NDArray[Any]:
        """A variable: an integer as it is, and a float in single precision.

        In double if it is made of integers alone, as the first of a list of them, which may be missing.
        """
        key = Key("variable", name)
        values = chunk.rows.of(chunk.value(key), self.names.formulas[name])
        if values.dtype.kind != "f" or self._is_whole(key, chunk):
            return values
        with np.errstate(over="ignore"):  # infinite then, and counted as such
            return values.astype(np.float32)

    def _is_whole(self, key: Key, chunk: Chunk) -> bool:
        """Whether something is made of integers alone."""
        if kind_of(chunk.value(key)) in "biu":
            return True
        names = self.names.formulas[key.name].names if key.kind == "variable" else frozenset()
        return bool(names) and all(self._is_whole(self.names.in_event(name, key.name), chunk) for name in names)

    def _certified(self, chunk: Chunk, is_data: BoolArray, rows: Rows) -> BoolArray | None:
        """(n_rows,), which rows are of certified runs or no data; None where the selection does not ask."""
        settings = self.selection.certified_runs
        if self.good_runs is None or settings is None:
            return None
        if not is_data.any():
            return ~is_data
        names = self.selection.run or "", settings.lumi_section
        runs, sections = (_whole(name, chunk.value(Key("branch", name)))[rows.entries] for name in names)
        return ~is_data | self.good_runs.passes(runs, sections)

    def _cut(
        self, events: Mapping[str, Column], weights: FloatArray, rows: Rows, certified: BoolArray | None
    ) -> tuple[BoolArray, FloatArray]:
        """Which rows pass all cuts, and the cutflow."""
        passed = np.ones(len(weights), np.bool_)
        cutflow = [yield_of(weights)]
        if certified is not None:
            passed &= certified
            cutflow.append(yield_of(weights[passed]))
        for expression in self.cuts.values():
            passed &= rows.passes(expression, events)
            cutflow.append(yield_of(weights[passed]))
        return passed, np.array(cutflow)


def _whole(branch: str, column: Column) -> NDArray[Any]:
    """A run or event number of each event, an integer as it is in the file."""
    if not isinstance(column, np.ndarray) or column.ndim != 1 or column.dtype.kind not in "iuf":
        raise InputError(f"branch {branch!r}", "is not one number per event")
    if column.dtype.kind == "f":
        if not np.all((column == np.floor(column)) & (np.abs(column) <= LARGEST_EXACT)):
            raise InputError(f"branch {branch!r}", "is not a whole number for each event")
        return column.astype(np.int64)
    return column
