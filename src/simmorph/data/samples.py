"""Samples: the one reader of flat ntuples, for all that is done with their events.

Files are read in the order in which they are given, and each event keeps its entry number and the file that it is of.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import awkward as ak
import numpy as np

from simmorph.data.arrays import joined
from simmorph.data.events import Events
from simmorph.data.expressions.expression import weight_expression
from simmorph.data.morphed import of_replica, standing_for
from simmorph.data.ntuples.files import checksums_of
from simmorph.data.ntuples.reading import STEP, open_tree
from simmorph.data.pairs import known_by
from simmorph.data.quality.duplicates import event_numbers_in
from simmorph.data.quality.placeholders import remarks_on
from simmorph.errors import EmptySelectionError, InputError, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from simmorph.config.learning import PairSettings
    from simmorph.config.values.weights import SampleName
    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.data.expressions.expression import Expression
    from simmorph.data.formats.table import Column, Table
    from simmorph.data.quality.duplicates import Duplicates

A_FEW = 10_000
"""Entries that show of what kind a branch is."""


@dataclass(frozen=True, eq=False)
class EventTable:
    """Events of a sample as columns.

    Attributes:
        columns: branches and derived quantities by name, (n_events,) each, or a list for each event.
        weights: (n_events,).
        ids: (n_events,), the entry number of each event in its file; of paired events, what both samples know it by.
        files: how many of the events are of each file, in their order.
        seen: (n_events,), whether training has looked at an event; of none, as read.
    """

    columns: dict[str, Column]
    weights: FloatArray
    ids: IntArray
    files: Mapping[str, int]
    seen: BoolArray

    def __len__(self) -> int:
        return len(self.weights)

    def matrix(self, names: Sequence[str]) -> FloatArray:
        """(n_events, n_names), the named columns in double precision."""
        matrix = np.empty((len(self), len(names)))
        for at, name in enumerate(names):
            matrix[:, at] = self.columns[name]
        return matrix

    def events(self, features: Sequence[str], context: Sequence[str], rows: BoolArray | None = None) -> Events:
        """The named columns of some rows, or of all."""
        events = Events(self.matrix(features), self.matrix(context), self.weights, self.ids)
        return events if rows is None else events[rows]

    def passes(self, cut: Expression | None) -> BoolArray:
        """(n_events,), which events pass a cut; without one all do."""
        return np.ones(len(self), np.bool_) if cut is None else cut.passes(self.columns)

    def inside(self, region: Expression | None, sample: str) -> BoolArray:
        """(n_events,), which events lie in a region.

        Raises:
            EmptySelectionError: none does, or there are no events.
        """
        if not len(self):
            raise EmptySelectionError(", ".join(self.files), "there are no entries", f"give another {sample}")
        rows = self.passes(region)
        if not rows.any():
            text = region.text if region else ""
            raise EmptySelectionError(sample, f"none of {len(self)} events is in the region {text!r}")
        return rows

    def is_finite(self, names: Sequence[str]) -> BoolArray:
        """(n_events,), whether every named column is finite."""
        return np.asarray(np.isfinite(self.matrix(names)).all(axis=1))

    def refuse_bad_weights(self, sample: str, rows: BoolArray | None = None) -> None:
        """Check the weights of some rows, or of all.

        Raises:
            InputError: one is not finite.
        """
        weights = self.weights if rows is None else self.weights[rows]
        n_bad = int(np.count_nonzero(~np.isfinite(weights)))
        if n_bad:
            what = f"{n_bad} of {len(weights)} weights are not finite"
            raise InputError(sample, what, "repair them in the ntuple")

    def with_derived(self, derived: Mapping[str, Expression]) -> EventTable:
        """With quantities computed from the columns, in their order."""
        columns = dict(self.columns)
        for name, expression in derived.items():
            columns[name] = expression.numbers(columns)
        return replace(self, columns=columns)

    def checksums(self) -> dict[str, str]:
        """The SHA-256 of each file; empty for one on a server."""
        return checksums_of(self.files)

    def of_files(self) -> Iterator[tuple[str, slice]]:
        """Each file and the rows that are of it."""
        start = 0
        for path, n_events in self.files.items():
            yield path, slice(start, start + n_events)
            start += n_events


@dataclass(frozen=True)
class SampleReader:
    """What is read of a sample.

    Attributes:
        paths: its files.
        tree: the name of the tree in them.
        names: branches that are one number per event.
        weight: the weights, a branch or an expression of branches; without one every event counts 1.
        derived: quantities computed from branches and from each other, in their order.
        cuts: to be made on the events; their branches may hold a list for each event.
        expressions: others to be computed of the events; the same.
        others: further branches, taken as they are.
        is_morphed: whether each name stands for its branch after the map, where a file has one.
        replica: the replica of the model whose branches stand for the model's.
        pairs: what tells events apart that another sample has too.
        renamed: the branch in the files for each name that differs there.
        duplicates: counts the events that are there twice, in files that have run and event numbers.
    """

    paths: Sequence[str]
    tree: str
    names: Sequence[str] = ()
    weight: str | None = None
    derived: Mapping[str, Expression] = field(default_factory=dict)
    cuts: Sequence[Expression] = ()
    expressions: Sequence[Expression] = ()
    others: Sequence[str] = ()
    is_morphed: bool = False
    replica: str = ""
    pairs: PairSettings | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    duplicates: Duplicates | None = None

    def read(self) -> EventTable:
        """All events.

        Raises:
            InputError: a file, tree or branch is missing or unreadable, or a branch is not one number per event.
            ConfigError: a derived quantity is not.
        """
        parts = list(self.chunks())
        columns = {name: joined([part.columns[name] for part in parts]) for name in parts[0].columns}
        n_events = dict.fromkeys(self.paths, 0)
        for part in parts:
            for path, n_read in part.files.items():
                n_events[path] += n_read
        weights, ids, seen = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("weights", "ids", "seen")
        )
        return EventTable(columns, weights, ids, n_events, seen)

    def paired(self, pairs: PairSettings | None, sample: SampleName) -> SampleReader:
        """The same with events known by what source and target tell them apart by, if these have the same events."""
        renamed = pairs.target_features if pairs and sample == "target" else {}
        return replace(self, pairs=pairs, renamed=renamed)

    def chunks(self, first: int | None = None, step: int = STEP) -> Iterator[EventTable]:
        """The events piece by piece, each of one file, and at least one piece of each; see `read`.

        Args:
            first: stop after so many events.
            step: events in a piece at most; no more are read than asked for.
        """
        n_left = np.inf if first is None else first
        step = int(min(step, n_left))
        keys, n_before = () if self.pairs is None else self.pairs.keys, 0
        for path in self.paths:
            with open_tree(path, self.tree) as tree:
                branches, weigh = self._branches(tree), self._weigh(tree)
                of_weight = {name: self._standing(name, tree) for name in sorted(weigh.names)}
                numbers = () if self.duplicates is None else event_numbers_in(tree.branches)
                self._refuse_without(keys, tree)
                wanted = dict.fromkeys([*branches.values(), *of_weight.values(), *numbers, *keys])
                self._refuse_without_replica(tree, wanted)
                for start, found in tree.iterate(list(wanted), step):
                    n_events = int(min(step, tree.n_entries - start, n_left))
                    columns = {name: found[branch][:n_events] for name, branch in branches.items()}
                    weighted = {name: found[branch][:n_events] for name, branch in of_weight.items()}
                    weights = self._weights(tree, weigh, weighted or {"": np.empty(n_events)})
                    table = self._table(path, start, columns, weights)
                    if self.pairs is not None:
                        of_keys = [found[name][:n_events] for name in keys]
                        ids = known_by(path, keys, of_keys) if keys else table.ids + n_before
                        table = replace(table, ids=ids)
                    self._count_twice(path, [found[name][:n_events] for name in numbers], table)
                    yield table
                    n_left -= n_events
                    if n_left <= 0:
                        return
                n_before += tree.n_entries

    def _refuse_without(self, keys: Sequence[str], tree: Table) -> None:
        """Refuse a file without a branch that tells events apart.

        Raises:
            InputError: it lacks one.
        """
        for name in keys:
            if name not in tree.branches:
                what = f"{tree.place} lacks {name!r}, by which `pairs` tells events apart"
                raise InputError(tree.path, what, one_of(name, tree.branches))

    def _count_twice(self, path: str, numbers: Sequence[Column], table: EventTable) -> None:
        """Count events that have been there before, all values of which are the same: others have the same numbers."""
        if self.duplicates is not None and numbers and all(map(_is_number, numbers)):
            values = [column for column in table.columns.values() if _is_number(column)]
            self.duplicates.add(path, [*numbers, *values, table.weights])

    def check(self, path: str) -> list[str]:
        """Look at the first entries of a file: all branches are there, and each cut is one.

        Returns:
            What is odd about the values, a sentence each.

        Raises:
            InputError: see `read`.
            ConfigError: an expression is not what it is used as.
        """
        remarks: list[str] = []
        for table in replace(self, paths=[path]).chunks(first=A_FEW):
            for cut in self.cuts:
                table.passes(cut)
            for expression in self.expressions:
                expression.numbers(table.columns)
            remarks += remarks_on(path, {name: table.matrix([name])[:, 0] for name in self.names})
        return remarks

    def _needed(self) -> dict[str, str]:
        """The branches by the name that they are asked for, and what needs each, for messages."""
        expressions = [*self.derived.values(), *self.cuts, *self.expressions]
        of_expressions = {name: f", which {it.where} needs" for it in expressions for name in sorted(it.names)}
        needed = of_expressions | dict.fromkeys([*self.names, *self.others], "")
        return {name: why for name, why in needed.items() if name not in self.derived}

    def _branches(self, tree: Table) -> dict[str, str]:
        """The branch in a file behind each name that is needed."""
        needed = self._needed()
        named = {name: self.renamed.get(name, name) for name in needed}
        branches = standing_for(needed, tree.branches) if self.is_morphed else named
        for name, branch in branches.items():
            if branch not in tree.branches:
                what = f"{tree.place} lacks {name!r}{needed[name]}"
                raise InputError(tree.path, what, one_of(name, tree.branches))
        return {name: self._standing(branch, tree) for name, branch in branches.items()}

    def _standing(self, branch: str, tree: Table) -> str:
        """The branch of the replica in place of the model's, where there is one."""
        its = of_replica(branch, self.replica) if self.replica else branch
        return its if its in tree.branches else branch

    def _refuse_without_replica(self, tree: Table, branches: Iterable[str]) -> None:
        if self.replica and not any(name.endswith(of_replica("", self.replica)) for name in branches):
            what = f"replica {self.replica} has none of the branches used: {', '.join(branches)}"
            raise InputError(tree.path, what, "use what the map changes, by `morphed: true` or by its name")

    def _weigh(self, tree: Table) -> Expression:
        """The expression of the weights in a file.

        Raises:
            InputError: the file lacks a branch of it.
        """
        text = self.weight or "1"
        weigh = weight_expression(text, tree.branches)
        for name in sorted(weigh.names - tree.branches.keys()):
            what = f"{tree.place} lacks {name!r}" + (f", which the weight {text!r} needs" if text != name else "")
            mend = f"{one_of(name, tree.branches)}; if only simulation has it: `weight: {{source: {text}, target: 1}}`"
            raise InputError(tree.path, what, mend)
        return weigh

    def _weights(self, tree: Table, weigh: Expression, columns: Mapping[str, Column]) -> FloatArray:
        """(n_events,), the weights of some events."""
        for name, column in columns.items():
            _check_numbers(tree.path, self.tree, name, column)
        return weigh.numbers(columns).astype(np.float64)

    def _table(self, path: str, start: int, columns: dict[str, Column], weights: FloatArray) -> EventTable:
        for name in self.names:
            if name not in self.derived:
                _check_numbers(path, self.tree, name, columns[name])
        n_events = len(weights)
        ids, seen = np.arange(start, start + n_events), np.zeros(n_events, np.bool_)
        table = EventTable(columns, weights, ids, {path: n_events}, seen)
        return table.with_derived(self.derived)


def _check_numbers(path: str, tree: str, name: str, column: Column) -> None:
    """Refuse a branch that is not one number per event.

    Raises:
        InputError: it is a list or a text, as in an ntuple that was not selected yet.
    """
    if not _is_number(column):
        kind = column.type.content if isinstance(column, ak.Array) else column.dtype
        what = f"tree {tree!r}, branch {name!r} is not one number per event but {kind}"
        raise InputError(path, what, "make events of it by `simmorph select`; `simmorph apply` takes --selection")


def _is_number(column: Column) -> bool:
    """Whether a branch is one number per event."""
    return isinstance(column, np.ndarray) and column.ndim == 1 and column.dtype.kind in "biuf"
