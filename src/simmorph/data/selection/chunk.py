"""The columns of a chunk, and what a selection computes of them, each once and only if something needs it."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from simmorph.data.arrays import counts_of, scaled
from simmorph.data.expressions.kinematics import Pairs
from simmorph.data.expressions.values import jagged
from simmorph.data.selection.names import Key
from simmorph.data.selection.objects import FIRST, Kept
from simmorph.data.selection.rows import Rows
from simmorph.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from simmorph.config.selection.selection import Selection
    from simmorph.data.events import IntArray
    from simmorph.data.expressions.expression import Expression
    from simmorph.data.ntuples.reading import Column
    from simmorph.data.selection.names import Names
    from simmorph.data.selection.objects import Objects
    from simmorph.data.selection.sources import Source

EVENTS = ""
"""A column that every expression is given, so that it knows how many events there are."""


class Chunk:
    """The values of all names of a selection in a chunk.

    Args:
        selection: what the user wrote.
        names: what its names stand for, in the file of the chunk.
        columns: the branches of the chunk.
        n_events: how many events it has.
        listed: the expressions that have a value for each object, where rows are objects.
    """

    def __init__(
        self,
        selection: Selection,
        names: Names,
        columns: Mapping[str, Column],
        n_events: int,
        listed: frozenset[Expression] = frozenset(),
    ) -> None:
        self.names, self.n_events, self.listed = names, n_events, listed
        self.columns = {name: jagged(column) for name, column in columns.items()}
        self.objects_of_rows = names.objects[selection.rows] if selection.rows else None
        self.scale = 1e-3 if selection.units.energy == "MeV" else 1.0
        self.energies, self.variables = frozenset(selection.energies), selection.variables
        self._known: dict[Key, Column] = {}
        self._counted: dict[str, IntArray] = {}
        self._pairs: dict[str, Pairs] = {}
        self._kept: dict[str, Kept | None] = {}

    def events(self, names: Iterable[str]) -> dict[str, Column]:
        """What expressions of events use."""
        return self._scope(names, self.names.in_event)

    @functools.cached_property
    def rows(self) -> Rows:
        """What comes of the chunk: its events, or their objects of one kind that are kept, in order."""
        objects = self.objects_of_rows
        if objects is None:
            return Rows.of_events(self.n_events)
        like = self.value(Key("property", objects.counted, objects.name))
        return Rows.of_objects(self._kept_of(objects, ak.local_index(like, axis=1)), self._counts(objects), self.listed)

    def value(self, key: Key) -> Column:
        """The value of something, computed once.

        Raises:
            InputError: a branch is not what the selection takes it for.
            ConfigError: an expression gives something else than is needed.
        """
        if key not in self._known:
            self._known[key] = self._values[key.kind](self, key)
        return self._known[key]

    def _scope(self, names: Iterable[str], key_of: Callable[[str], Key]) -> dict[str, Column]:
        return {EVENTS: np.arange(self.n_events)} | {name: self.value(key_of(name)) for name in names}

    def _variable(self, key: Key) -> Column:
        formula = self.names.formulas[key.name]
        scope = self._scope(formula.names, lambda name: self.names.in_event(name, key.name))
        if key.name not in self.variables:
            return formula.evaluate(scope)
        return formula.numbers_of_objects(scope, is_object=self.objects_of_rows is not None)

    def _branch(self, key: Key) -> Column:
        source = self.names.source(key)
        values = source.values(self.columns, self.n_events)  # type: ignore[union-attr]
        return scaled(values, self.scale) if key.name in self.energies else values

    # --- of objects ------------------------------------------------------------------------------------------------

    def _property(self, key: Key) -> ak.Array:
        """A property of all objects, before their cuts."""
        objects = self.names.objects[key.objects]
        if key.name in objects.sources:
            values = self._read(objects, objects.sources[key.name], key)
            return scaled(values, self.scale) if key.name in objects.settings.energies else values
        if key.name in objects.taken:
            return self._taken(objects, key)
        expression = objects.computed[key.name]
        return self._each(objects, expression, expression.evaluate(self._own(objects, expression)))

    def _own(self, objects: Objects, expression: Expression) -> dict[str, Column]:
        return self._scope(expression.names, lambda name: self.names.in_object(name, objects, expression))

    def _counts(self, objects: Objects) -> IntArray:
        """How many objects each event has, before their cuts."""
        if objects.name not in self._counted:
            lists = self.value(Key("property", objects.counted, objects.name))
            self._counted[objects.name] = counts_of(lists)
        return self._counted[objects.name]

    def _read(self, objects: Objects, source: Source, key: Key) -> ak.Array:
        """A property as it is in the file, or what stands for it where the file lacks it, in the same unit."""
        if not source.branches and key.name != objects.counted:
            return _repeated(source.values(self.columns, self.n_events), self._counts(objects))
        column = source.values(self.columns, self.n_events)
        branch = f"branch {source.taken!r}"
        if not isinstance(column, ak.Array) or column.ndim != 2:
            raise InputError(branch, f"is not a list of {objects.name}s per event")
        if key.name != objects.counted and not np.array_equal(counts_of(column), self._counts(objects)):
            raise InputError(branch, f"differs in length from the other branches of {objects.name}")
        return column

    def _taken(self, pairs: Objects, key: Key) -> ak.Array:
        """A property of the first or second object of each pair."""
        member, name = pairs.taken[key.name]
        if pairs.name not in self._pairs:
            counts = [counts_of(self.value(Key("kept", it.counted, it.name))) for it in pairs.members]
            is_one = pairs.members[0] is pairs.members[1]
            self._pairs[pairs.name] = Pairs.of_one(counts[0]) if is_one else Pairs.of(*counts)
        found = self._pairs[pairs.name]
        entries = ak.flatten(self.value(Key("kept", name, member.name)))
        return ak.unflatten(entries[found.first if key.name.startswith(f"{FIRST}_") else found.second], found.counts)

    def _each(self, objects: Objects, expression: Expression, value: Column) -> ak.Array:
        """A value for each object, of one for each object or for each event."""
        counts = self._counts(objects)
        if isinstance(value, np.ndarray) and value.ndim == 1:
            return _repeated(value, counts)
        if not isinstance(value, ak.Array) or value.ndim != 2 or not np.array_equal(counts_of(value), counts):
            raise ConfigError(expression.where, f"{expression.text!r} is not one value for each object")
        return value

    def _keep(self, key: Key) -> ak.Array:
        """A property of the objects that pass the cuts, in order."""
        values = self.value(Key("property", key.name, key.objects))
        return self._kept_of(self.names.objects[key.objects], values)

    def _kept_of(self, objects: Objects, values: ak.Array) -> ak.Array:
        kept = self._choice(objects)
        return values if kept is None else kept.of(values)

    def _choice(self, objects: Objects) -> Kept | None:
        """Which objects pass all cuts, in order; None for all, as they are."""
        if objects.name not in self._kept:
            cuts = [self._flat(objects, it, it.booleans(self._own(objects, it), is_object=True)) for it in objects.cuts]
            kept = Kept.passing(functools.reduce(operator.and_, cuts), self._counts(objects)) if cuts else None
            self._kept[objects.name] = self._ordered(objects, kept)
        return self._kept[objects.name]

    def _ordered(self, objects: Objects, kept: Kept | None) -> Kept | None:
        order = objects.order
        if order is None:
            return kept
        keys = self._each(objects, order, order.evaluate(self._own(objects, order)))
        places = objects.ordered(keys if kept is None else kept.of(keys))
        if places is None:
            return kept
        return (kept or Kept.all(self._counts(objects))).ordered(places)

    def _flat(self, objects: Objects, expression: Expression, value: Column) -> NDArray[Any]:
        """(n_objects,), a value for each object of all events."""
        values: NDArray[Any] = ak.to_numpy(ak.flatten(self._each(objects, expression, value)))
        return values

    _values: Mapping[str, Callable[[Chunk, Key], Column]] = {
        "variable": _variable, "branch": _branch, "property": _property, "kept": _keep,
    }  # fmt: skip


def _repeated(values: Column, counts: IntArray) -> ak.Array:
    """A value of each event for each of its objects."""
    return ak.unflatten(np.repeat(values, counts), counts)
