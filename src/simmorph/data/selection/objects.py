"""One kind of object of a selection: where its properties come from, and which of them are kept in which order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Self

import awkward as ak
import numpy as np

from simmorph.data.arrays import counts_of
from simmorph.data.expressions.expression import Expression, parse
from simmorph.data.selection.momenta import Momenta
from simmorph.data.selection.sources import Source
from simmorph.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from simmorph.config.documents import Document
    from simmorph.config.selection.objects import ObjectSettings
    from simmorph.data.events import BoolArray, IntArray
    from simmorph.data.ntuples.types import Type

SMALLEST_LEADING_GEV = 1.0
LARGEST_LEADING_GEV = 3000.0
FIRST, SECOND = "first", "second"
"""What the two objects of a pair are called."""
OF_PAIRS = {
    "mass": "mass(first + second)",
    "pt": "pt(first + second)",
    "eta": "eta(first + second)",
    "phi": "phi(first + second)",
    "delta_r": "delta_r(first, second)",
    "charge": "first_charge + second_charge",
}
"""What every pair has, as far as its objects have what is needed."""


@dataclass(frozen=True)
class Objects:
    """One kind of object, with its expressions parsed.

    Attributes:
        name: what it is called.
        settings: what the user wrote.
        sources: where the properties that stand in the file come from.
        members: of pairs, the kinds of object that are first and second.
        taken: of pairs, the properties of their objects, by the name they have here.
        computed: the expressions of the other properties.
        cuts: what an object must fulfil.
        order: by what they are ordered.
    """

    name: str
    settings: ObjectSettings
    sources: dict[str, Source] = field(default_factory=dict)
    members: tuple[Objects, ...] = ()
    taken: dict[str, tuple[Objects, str]] = field(default_factory=dict)
    computed: dict[str, Expression] = field(default_factory=dict)
    cuts: tuple[Expression, ...] = ()
    order: Expression | None = None

    @classmethod
    def of(
        cls, name: str, all_settings: Mapping[str, ObjectSettings], above: Mapping[str, Objects], document: Document
    ) -> Objects:
        """The object with its expressions parsed.

        Args:
            name: what it is called.
            all_settings: what the user wrote of all objects.
            above: those that are defined above.
            document: the file, for messages.

        Raises:
            ConfigError: one is not an expression, or a pair is of objects that are not defined above.
        """
        place, settings = ("objects", name), all_settings[name]
        members = tuple(_member(it, above, document.where((*place, "pairs_of"))) for it in settings.pairs_of or ())
        taken = {
            f"{which}_{it}": (member, it)
            for which, member in zip((FIRST, SECOND), members, strict=False)
            for it in member.properties
        }
        of_pairs = _of_pairs(members, settings)
        known = {kind: [*it.branches, *it.properties, *OF_PAIRS] for kind, it in all_settings.items()}
        known |= {kind: it.properties for kind, it in above.items()}
        known[name] = [*settings.branches, *of_pairs, *settings.properties]
        known |= {which: it.properties for which, it in zip((FIRST, SECOND), members, strict=False)}

        def parsed(text: str, *key: str | int) -> Expression:
            where = document.where((*place, *key))
            return parse(text, where, Momenta(known, where, name).visit)

        return cls(
            name,
            settings,
            {it: Source.of(f"{name}.{it}", branch) for it, branch in settings.branches.items()},
            members,
            taken,
            {
                **{it: parsed(text, "pairs_of") for it, text in of_pairs.items()},
                **{it: parsed(text, "properties", it) for it, text in settings.properties.items()},
            },
            tuple(parsed(text, "cuts", at) for at, text in enumerate(settings.cuts)),
            None if settings.order_by is None else parsed(settings.order_by, "order_by"),
        )

    @property
    def properties(self) -> list[str]:
        """The names of all its properties."""
        return [*self.sources, *self.taken, *self.computed]

    def property_in(self, name: str) -> str | None:
        """The property that a name in an expression of events stands for, if it is one of this object's."""
        rest = name.removeprefix(f"{self.name}_")
        return rest if rest != name and rest in self.properties else None

    def of_file(self, branches: Collection[str], types: Mapping[str, Type]) -> Objects:
        """The same for a file with these branches; see `Source`."""
        return replace(self, sources={name: it.of_file(branches, types) for name, it in self.sources.items()})

    @property
    def choosing(self) -> list[Expression]:
        """The expressions that say which objects are kept, in which order."""
        return [*self.cuts, *([self.order] if self.order else [])]

    @property
    def counted(self) -> str:
        """The property whose lists say how many objects there are: one that is read anyway, if there is one."""
        if self.taken:
            return next(iter(self.taken))
        used = {name for expression in self.choosing for name in expression.names}
        there = [name for name, source in self.sources.items() if source.branches]
        return next((name for name in there if name in used), there[0] if there else next(iter(self.sources)))

    def ordered(self, keys: ak.Array) -> ak.Array | None:
        """The places of the kept objects in order, NaN last; None if they are in order, as files mostly have them."""
        is_descending = self.settings.order == "descending"
        if _is_ordered(keys, is_descending=is_descending):
            return None
        known = ak.where(np.isnan(keys), -np.inf if is_descending else np.inf, keys)
        return ak.argsort(known, axis=1, ascending=not is_descending, stable=True)

    @property
    def leading(self) -> str | None:
        """The energy by which the objects are ordered, if they are."""
        name = self.settings.order_by
        return name if name in self.settings.energies else None

    def check_unit(self, energies: ak.Array, unit: str) -> None:
        """Refuse energies that are off by a thousand.

        Args:
            energies: of all objects, those by which they are ordered.
            unit: what the selection says.

        Raises:
            InputError: the median of the leading object cannot be in this unit.
        """
        leading = ak.to_numpy(ak.drop_none(ak.max(energies, axis=1)))
        if not len(leading):
            return
        median = float(np.median(leading))
        if unit == "MeV" and median < SMALLEST_LEADING_GEV:
            likely = "GeV"
        elif unit == "GeV" and median > LARGEST_LEADING_GEV:
            likely = "MeV"
        else:
            return
        name = str(self.leading)
        what = f"if it is in {unit}, the median {name} of the leading {self.name} is {median:.3g} GeV"
        raise InputError(f"branch {self.sources[name].taken!r}", what, f"set `units: {{energy: {likely}}}`")


class Kept(NamedTuple):
    """Objects that are kept, looked up in the list of all objects of all events: many times faster than event by event.

    Attributes:
        places: (n_kept,), their places among all, event by event.
        counts: (n_events,), how many each event keeps.
    """

    places: IntArray
    counts: IntArray

    @classmethod
    def all(cls, counts: IntArray) -> Self:
        """All objects as they are.

        Args:
            counts: (n_events,), how many each event has.
        """
        return cls(np.arange(counts.sum()), counts)

    @classmethod
    def passing(cls, passed: BoolArray, counts: IntArray) -> Self:
        """Those that are marked.

        Args:
            passed: (n_objects,), which objects of all events are.
            counts: (n_events,), how many each event has.
        """
        n_before = np.append(0, np.cumsum(passed))
        ends = np.cumsum(counts)
        return cls(np.flatnonzero(passed), n_before[ends] - n_before[ends - counts])

    def ordered(self, order: ak.Array) -> Self:
        """The same in another order: for each event, the places of its objects among those that it keeps."""
        starts = np.repeat(np.cumsum(self.counts) - self.counts, self.counts)
        return self._replace(places=self.places[starts + ak.to_numpy(ak.flatten(order))])

    def of(self, values: ak.Array) -> ak.Array:
        """The values of the objects that are kept, of a list for each event with all."""
        return ak.unflatten(ak.flatten(values)[self.places], self.counts)


def _is_ordered(keys: ak.Array, *, is_descending: bool) -> bool:
    """Whether the numbers of each list never rise, or never fall; not so with NaN among them."""
    counts, entries = counts_of(keys), ak.to_numpy(ak.flatten(keys))
    begins = np.zeros(len(entries) + 1, np.bool_)
    begins[np.cumsum(counts) - counts] = True
    before, after = (entries[:-1], entries[1:]) if is_descending else (entries[1:], entries[:-1])
    return bool(np.all((before >= after) | begins[1:-1]) and not np.isnan(entries).any())


def _member(name: str, above: Mapping[str, Objects], where: str) -> Objects:
    if name not in above:
        mend = f"defined above are {', '.join(above)}" if above else "define it above"
        raise ConfigError(where, f"pairs are of objects defined above, and {name!r} is none", mend)
    return above[name]


def _of_pairs(members: tuple[Objects, ...], settings: ObjectSettings) -> dict[str, str]:
    """The properties of pairs that follow from those of their objects; one's own of the same name comes first."""
    has = [set(it.properties) for it in members]
    if not has:
        return {}
    needed = {"delta_r": {"eta", "phi"}, "charge": {"charge"}}
    both = has[0] & has[1]
    energetic = all(it & {"mass", "e", "E", "energy"} for it in has)
    found = {}
    for name, text in OF_PAIRS.items():
        possible = needed[name] <= both if name in needed else energetic and {"pt", "eta", "phi"} <= both
        if possible and name not in settings.properties:
            found[name] = text
    return found
