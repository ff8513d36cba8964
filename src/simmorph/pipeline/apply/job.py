"""One run of a model over files: what is read of each, and the branches that come of it, chunk by chunk."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import awkward as ak
import numpy as np

from simmorph.data import morphed
from simmorph.data.expressions.expression import weight_expression
from simmorph.data.ntuples.contents import read_metadata, trees_in
from simmorph.data.ntuples.copying import Copied, copy_of
from simmorph.data.ntuples.files import parts_of
from simmorph.data.ntuples.reading import STEP, open_tree
from simmorph.data.ntuples.types import Writable, agreed_types, as_types
from simmorph.data.samples import SampleReader
from simmorph.data.units import agreed, read_units
from simmorph.errors import InputError
from simmorph.pipeline.units import KnownUnits, check_units

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from simmorph.data.events import Events, FloatArray, IntArray
    from simmorph.data.formats.table import Column, Table
    from simmorph.data.ntuples.copying import OnMissing
    from simmorph.data.ntuples.types import Type
    from simmorph.data.selection.reading import SelectionReader
    from simmorph.model import Model


@dataclass
class _Tally:
    """What is counted on the way."""

    n_events: int = 0
    n_morphed: int = 0
    n_not_selected: int = 0
    n_non_finite: int = 0
    n_out_of_range: int = 0
    n_held: int = 0
    n_outside_target: int = 0
    outside_bounds: dict[str, int] = field(default_factory=dict)

    def add(self, status: IntArray) -> None:
        self.n_events += len(status)
        self.n_not_selected += int(np.count_nonzero(status & morphed.NOT_SELECTED))
        self.n_non_finite += int(np.count_nonzero(status & morphed.NON_FINITE))
        is_morphed = (status & morphed.NOT_MORPHED) == 0
        self.n_morphed += int(np.count_nonzero(is_morphed))
        self.n_out_of_range += int(np.count_nonzero(is_morphed & ((status & morphed.OUT_OF_RANGE) != 0)))
        self.n_held += int(np.count_nonzero(status & morphed.HELD))
        self.n_outside_target += int(np.count_nonzero(status & morphed.OUTSIDE_TARGET))

    def add_outside_bounds(self, counts: Mapping[str, int]) -> None:
        for name, count in counts.items():
            self.outside_bounds[name] = self.outside_bounds.get(name, 0) + count


@dataclass
class _OfFile:
    """What is noted of the file that is being read, and counts once the whole of it is written.

    Attributes:
        taken: the branches taken for names with alternatives.
        outside_bounds: how many values are beyond the declared bounds of each variable.
    """

    taken: dict[str, str] = field(default_factory=dict)
    outside_bounds: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        self.taken.clear()
        self.outside_bounds.clear()


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


class Looked(NamedTuple):
    """What a first look at a file says.

    Attributes:
        n_entries: its number of entries.
        types: of the columns that the model needs.
        writable: what can be copied.
    """

    n_entries: int
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
        types: of the columns that the model needs, in all files; of flat ones alone.
        replicas: replicas of the model by name, whose branches stand beside its own.
        tally: how many events there were, and what became of them.
        power: what the new weights are worth.
        of_file: what is noted of the file that is being read.
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
    of_file: _OfFile = field(default_factory=_OfFile)

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

    def look(self, path: str, *, copy: bool) -> Looked:
        """A first look at a file.

        Raises:
            InputError: it cannot be used.
        """
        self.units([path])
        with open_tree(path, self.tree) as tree:
            if copy:
                _refuse_taken(tree, self.new_branches)
            types = tree.types(self.model.variables) if self.reader is None else self.reader.types_of(path, tree)
            return Looked(tree.n_entries, types, tree.writable() if copy else Writable())

    def agreed(self, looked: Mapping[str, Looked], missing: OnMissing) -> Job:
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
            self.of_file.taken.update(chosen.taken)
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
        self.of_file.outside_bounds.update(self.model.outside_bounds(before))
        for name, replica in self.replicas.items():
            its = replica.new_columns(columns, before, self.seed)
            new |= {morphed.of_replica(branch, name): values for branch, values in its.items()}
        return new


def _refuse_taken(tree: Table, new: Sequence[str]) -> None:
    taken = [name for name in new if name in tree.branches]
    if taken:
        what = f"tree {tree.tree!r} already has {taken[0]!r}"
        raise InputError(tree.path, what, "apply to the ntuple before morphing, or add --friend")
