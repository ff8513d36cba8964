"""What a row of the output is: an event, or an object of an event."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import awkward as ak
import numpy as np

from simmorph.data.arrays import counts_of
from simmorph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from simmorph.data.events import BoolArray, IntArray
    from simmorph.data.expressions.expression import Expression
    from simmorph.data.ntuples.reading import Column


@dataclass(frozen=True)
class Rows:
    """The rows that come of a chunk, in the order of its entries.

    Attributes:
        n_entries: how many entries the chunk has.
        entries: (n_rows,), the entry of each row.
        objects: (n_rows,), the place of each object in the list of its entry in the file; None where rows are events.
        lengths: (n_entries,), how many objects each entry has in the file; None where rows are events.
        listed: the expressions that have a value for each object; all others have one for each entry.
    """

    n_entries: int
    entries: IntArray
    objects: IntArray | None = None
    lengths: IntArray | None = None
    listed: frozenset[Expression] = frozenset()

    @classmethod
    def of_events(cls, n_entries: int) -> Self:
        """A row for each entry."""
        return cls(n_entries, np.arange(n_entries))

    @classmethod
    def of_objects(cls, kept: ak.Array, lengths: IntArray, listed: frozenset[Expression]) -> Self:
        """A row for each object.

        Args:
            kept: for each entry, the places of its objects in the file, in the order of the rows.
            lengths: (n_entries,), how many objects each entry has in the file.
            listed: the expressions that have a value for each object.
        """
        entries = np.repeat(np.arange(len(kept)), counts_of(kept))
        return cls(len(kept), entries, ak.to_numpy(ak.flatten(kept)), lengths, listed)

    def __getitem__(self, chosen: IntArray) -> Self:
        """The rows at these places."""
        objects = None if self.objects is None else self.objects[chosen]
        return replace(self, entries=self.entries[chosen], objects=objects)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def are_objects(self) -> bool:
        """Whether each row is an object."""
        return self.objects is not None

    def numbers(self, expression: Expression, events: Mapping[str, Column]) -> NDArray[Any]:
        """(n_rows,), the value of an expression, which has one number for each entry or for each object.

        Raises:
            ConfigError: it has something else.
        """
        return self.of(expression.numbers_of_objects(events, is_object=self.are_objects), expression)

    def passes(self, expression: Expression, events: Mapping[str, Column]) -> BoolArray:
        """(n_rows,), which rows pass a cut, which has one boolean for each entry or for each object.

        Raises:
            ConfigError: it has something else.
        """
        return self.of(expression.booleans(events, is_object=self.are_objects), expression)

    def of(self, values: Column, expression: Expression) -> NDArray[Any]:
        """(n_rows,), the values of an expression for each entry or for each object, as one for each row.

        Raises:
            ConfigError: they are a list of something else for each entry.
        """
        if isinstance(values, ak.Array) and expression in self.listed:
            return np.asarray(ak.to_numpy(ak.flatten(values), allow_missing=False))
        if isinstance(values, ak.Array):
            what = f"{expression.text!r} is neither one value for each event nor one for each object that is a row"
            raise ConfigError(expression.where, what, "take one of another list with [0], or sum(), max(), any()")
        return np.asarray(values[self.entries]) if self.are_objects else values

    def source(self, first: int) -> dict[str, IntArray]:
        """Where each row is from, as branches.

        Args:
            first: the number of the chunk's first entry in its file.
        """
        of_object = {} if self.objects is None else {"source_object": self.objects}
        return {"source_entry": self.entries + first, **of_object}

    @property
    def places(self) -> IntArray:
        """(n_rows,), the place of each row among all entries of the chunk, or among all their objects in the file."""
        if self.objects is None or self.lengths is None:
            return self.entries
        return (np.cumsum(self.lengths) - self.lengths)[self.entries] + self.objects

    @property
    def n_places(self) -> int:
        """How many entries the chunk has, or how many objects they have in the file."""
        return self.n_entries if self.lengths is None else int(self.lengths.sum())

    def shaped(self, columns: Mapping[str, NDArray[Any]]) -> dict[str, Column]:
        """Columns of one value for each of the `n_places`: a value for each entry, or a list for each."""
        if self.lengths is None:
            return dict(columns)
        return {name: ak.unflatten(values, self.lengths) for name, values in columns.items()}
