"""The objects of a chunk: read from lists per event, cleaned by cuts and ordered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import awkward as ak
import numpy as np

from simmorph.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simmorph.config.selection.objects import ObjectSettings
    from simmorph.data.expressions.expression import Expression
    from simmorph.data.ntuples.reading import Column

SMALLEST_LEADING_GEV = 1.0
LARGEST_LEADING_GEV = 3000.0


@dataclass(frozen=True)
class Objects:
    """One kind of object, with its expressions parsed."""

    name: str
    settings: ObjectSettings
    cuts: tuple[Expression, ...]

    def property_in(self, name: str) -> str | None:
        """The property that a name in an expression of events stands for, if it is one of this object's."""
        rest = name.removeprefix(f"{self.name}_")
        return rest if rest != name and rest in self.settings.branches else None

    def needs(self, used: Iterable[str]) -> tuple[set[str], set[str]]:
        """The properties to read where `used` ones are asked for, and the branches of events that its cuts use."""
        names = {name for cut in self.cuts for name in cut.names}
        order = {self.settings.order_by} if self.settings.order_by else set()
        known = self.settings.branches.keys()
        return set(used) | (names & known) | order, names - known

    def read(self, columns: Mapping[str, Column], properties: Iterable[str], scale: float) -> dict[str, ak.Array]:
        """The properties as they are in the file, energies in GeV.

        Raises:
            InputError: a branch is not a list per event, or the lists differ in length.
        """
        lists: dict[str, ak.Array] = {}
        for name in sorted(properties):
            branch = self.settings.branches[name]
            column = columns[branch]
            if not isinstance(column, ak.Array) or column.ndim != 2:
                raise InputError(f"branch {branch!r}", f"is not a list of {self.name}s per event")
            if lists and not ak.all(ak.num(column) == ak.num(next(iter(lists.values())))):
                raise InputError(f"branch {branch!r}", f"differs in length from the other branches of {self.name}")
            lists[name] = scaled(column, scale) if name in self.settings.energies else column
        return lists

    def clean(self, lists: Mapping[str, ak.Array], events: Mapping[str, Column]) -> dict[str, ak.Array]:
        """The objects that pass the cuts, in order; named as expressions of events call them."""
        cleaned = dict(lists)
        if self.cuts:
            mask = self._passed(lists, events)
            cleaned = {name: values[mask] for name, values in cleaned.items()}
        if self.settings.order_by:
            order = ak.argsort(cleaned[self.settings.order_by], axis=1, ascending=False)
            cleaned = {name: values[order] for name, values in cleaned.items()}
        return {f"{self.name}_{name}": values for name, values in cleaned.items()}

    def _passed(self, lists: Mapping[str, ak.Array], events: Mapping[str, Column]) -> ak.Array:
        """For each object of each event, whether it passes all cuts."""
        like = next(iter(lists.values()))
        known = {**events, **lists}
        passed = [_object_mask(cut, cut.booleans(known, is_object=True), like) for cut in self.cuts]
        combined = passed[0]
        for mask in passed[1:]:
            combined = combined & mask
        return combined

    def check_unit(self, lists: Mapping[str, ak.Array], unit: str) -> None:
        """Refuse energies that are off by a thousand.

        Raises:
            InputError: the median of the leading object cannot be in this unit.
        """
        name = self.settings.order_by
        if name is None or name not in self.settings.energies or name not in lists:
            return
        leading = ak.to_numpy(ak.drop_none(ak.max(lists[name], axis=1)))
        if not len(leading):
            return
        median = float(np.median(leading))
        if unit == "MeV" and median < SMALLEST_LEADING_GEV:
            likely = "GeV"
        elif unit == "GeV" and median > LARGEST_LEADING_GEV:
            likely = "MeV"
        else:
            return
        what = f"if it is in {unit}, the median {name} of the leading {self.name} is {median:.3g} GeV"
        raise InputError(f"branch {self.settings.branches[name]!r}", what, f"set `units: {{energy: {likely}}}`")


def scaled(column: Column, scale: float) -> Column:
    """In double precision, times a factor."""
    if isinstance(column, ak.Array):
        return ak.values_astype(column, np.float64) * scale
    return np.asarray(column, np.float64) * scale


def _object_mask(expression: Expression, mask: Column, like: ak.Array) -> ak.Array:
    """A boolean for each object, of one for each object or for each event."""
    if isinstance(mask, np.ndarray):
        return ak.broadcast_arrays(mask, like)[0]
    if not ak.all(ak.num(mask) == ak.num(like)):
        raise ConfigError(expression.where, f"{expression.text!r} is not one value for each object")
    return mask
