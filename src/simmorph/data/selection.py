"""Run a selection on the columns of a chunk: clean the objects, compute the variables, cut, weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import awkward as ak
import numpy as np

from simmorph.data.expressions.expression import Expression, parse
from simmorph.data.units import ANGLE, ENERGY, RADIANS, dimension_of
from simmorph.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from simmorph.config.documents import Document
    from simmorph.config.selection import ObjectSettings, Selection
    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.data.ntuples.reading import Column
    from simmorph.data.units import Dimension

SampleKind = Literal["auto", "data", "simulation"]

SMALLEST_LEADING_GEV = 1.0
LARGEST_LEADING_GEV = 3000.0


@dataclass(frozen=True)
class Chosen:
    """The selected events of a chunk.

    Attributes:
        rows: their places in the chunk.
        columns: the branches to write, one value for each of them.
        cutflow: (n_cuts + 1, 3): events, sum of weights and sum of squared weights, at the start and after each cut.
        n_data: how many of the chunk's events are real data.
    """

    rows: IntArray
    columns: dict[str, NDArray[Any]]
    cutflow: FloatArray
    n_data: int


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
            lists[name] = _scaled(column, scale) if name in self.settings.energies else column
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


@dataclass(frozen=True)
class Selector:
    """A selection with all its expressions parsed, ready to run on chunks."""

    selection: Selection
    objects: tuple[Objects, ...]
    variables: dict[str, Expression]
    cuts: dict[str, Expression]
    regions: dict[str, Expression]
    weights: dict[str, Expression]

    @classmethod
    def of(cls, selection: Selection, document: Document) -> Selector:
        """Parse every expression of a selection.

        Raises:
            ConfigError: one is not an expression; with its line.
        """

        def parsed(block: str, texts: Mapping[str, str]) -> dict[str, Expression]:
            return {name: parse(text, document.where((block, name))) for name, text in texts.items()}

        objects = tuple(
            Objects(name, it, tuple(parse(cut, document.where(("objects", name, "cuts"))) for cut in it.cuts))
            for name, it in selection.objects.items()
        )
        weight = selection.weight
        texts = {"simulation": weight.simulation, "data": weight.data, "data_if": weight.data_if}
        return cls(
            selection,
            objects,
            parsed("variables", selection.variables),
            parsed("cuts", selection.cuts),
            parsed("regions", selection.regions),
            parsed("weight", {name: text for name, text in texts.items() if text is not None}),
        )

    def sample_of(self, branches: Iterable[str], sample: SampleKind = "auto") -> SampleKind:
        """What a file with these branches holds, as far as the branches say."""
        missing = self.selection.weight.data_if_missing
        if sample == "auto" and missing is not None and missing not in branches:
            return "data"
        return "simulation" if sample == "auto" and "data_if" not in self.weights else sample

    def branches(self, sample: SampleKind = "auto") -> list[str]:
        """The branches to read from a file that holds this sample."""
        used = self._names(sample)
        needed = {branch for branch in (self.selection.run, self.selection.event) if branch}
        for objects in self.objects:
            mine = {name for name in used if objects.property_in(name)}
            used -= mine
            properties, others = self._needs(objects, mine)
            needed |= others | {objects.settings.branches[name] for name in properties}
        return sorted(needed | used)

    def _names(self, sample: SampleKind) -> set[str]:
        """What the expressions of events take from the file."""
        weights = [self.weights[name] for name in _WEIGHTS_OF[sample] if name in self.weights]
        names: set[str] = set()
        for done, expression in enumerate(self.variables.values()):
            names |= expression.names - set(list(self.variables)[:done])
        for expression in (*self.cuts.values(), *self.regions.values(), *weights):
            names |= expression.names - self.variables.keys()
        return names

    def _needs(self, objects: Objects, used: Iterable[str]) -> tuple[set[str], set[str]]:
        return objects.needs(name.removeprefix(f"{objects.name}_") for name in used)

    def units_read(self) -> dict[str, str]:
        """The unit of each branch of the input that is an energy or an angle."""
        energies, angles = [*self.selection.energies], [*self.selection.angles]
        for settings in (it.settings for it in self.objects):
            energies += [settings.branches[name] for name in settings.energies]
            angles += [settings.branches[name] for name in settings.angles]
        return dict.fromkeys(energies, self.selection.units.energy) | dict.fromkeys(angles, ANGLE)

    def units(self) -> dict[str, str]:
        """The unit of each variable that has one, as it follows from the energies and angles of the input."""
        given: list[tuple[str, Selection | ObjectSettings]] = [("", self.selection)]
        known: dict[str, Dimension | None] = {}
        for prefix, settings in [*given, *((f"{it.name}_", it.settings) for it in self.objects)]:
            known |= {f"{prefix}{name}": ENERGY for name in settings.energies}
            known |= {f"{prefix}{name}": RADIANS for name in settings.angles}
        for name, expression in self.variables.items():
            known[name] = dimension_of(expression, known)
        units = {name: dimension.unit("GeV") for name in self.variables if (dimension := known[name])}
        return {name: unit for name, unit in units.items() if unit}

    def run(self, columns: Mapping[str, Column], sample: SampleKind = "auto", *, check_unit: bool = False) -> Chosen:
        """Select among the events of a chunk.

        Args:
            columns: the branches of `branches(sample)`.
            sample: what the file holds; `auto` lets the rule `data_if` decide for each event.
            check_unit: whether to refuse energies that are off by a thousand.

        Raises:
            InputError: a branch is not what the selection takes it for, or a weight is not finite.
        """
        events = self._events(columns, sample, check_unit=check_unit)
        for name, expression in self.variables.items():
            events[name] = expression.numbers(events)
        is_data, weights = self._weigh(events, sample)
        passed, cutflow = self._cut(events, weights)
        rows = np.flatnonzero(passed)
        regions = {f"in_{name}": it.passes(events) for name, it in self.regions.items()}
        kept = {name: _compact(events[name]) for name in self.variables} | regions | {"weight": weights}
        for name, branch in (("run", self.selection.run), ("event", self.selection.event)):
            if branch:
                kept[name] = _whole(branch, columns[branch])
        return Chosen(rows, {name: values[rows] for name, values in kept.items()}, cutflow, int(is_data.sum()))

    def _events(self, columns: Mapping[str, Column], sample: SampleKind, *, check_unit: bool) -> dict[str, Column]:
        """Everything that expressions of events can use: branches, and cleaned objects."""
        scale = 1e-3 if self.selection.units.energy == "MeV" else 1.0
        energies = self.selection.energies
        events = {name: _scaled(it, scale) if name in energies else it for name, it in columns.items()}
        names = self._names(sample)
        cleaned: dict[str, Column] = {}
        for objects in self.objects:
            used = [name for name in names if objects.property_in(name)]
            properties, _ = self._needs(objects, used)
            lists = objects.read(columns, properties, scale)
            if check_unit:
                objects.check_unit(lists, self.selection.units.energy)
            cleaned |= objects.clean(lists, events)
        return events | cleaned

    def _weigh(self, events: Mapping[str, Column], sample: SampleKind) -> tuple[BoolArray, FloatArray]:
        """Which events are data, and the weight of each."""
        n_events = len(next(iter(events.values())))
        is_data = np.full(n_events, sample == "data")
        if sample == "auto" and "data_if" in self.weights:
            is_data = self.weights["data_if"].passes(events)
        weights = np.zeros(n_events)
        for kind, mine in (("data", is_data), ("simulation", ~is_data)):
            if mine.any():
                weights[mine] = self.weights[kind].numbers(events)[mine]
        if not np.isfinite(weights).all():
            first = int(np.flatnonzero(~np.isfinite(weights))[0])
            what = f"the weight of {int((~np.isfinite(weights)).sum())} events is not finite, first of entry {first}"
            raise InputError(f"weight {self.weights['simulation'].text!r}", what)
        return is_data, weights

    def _cut(self, events: Mapping[str, Column], weights: FloatArray) -> tuple[BoolArray, FloatArray]:
        """Which events pass all cuts, and the cutflow."""
        passed = np.ones(len(weights), np.bool_)
        cutflow = [_yield_of(weights)]
        for expression in self.cuts.values():
            passed &= expression.passes(events)
            cutflow.append(_yield_of(weights[passed]))
        return passed, np.array(cutflow)


_WEIGHTS_OF: dict[SampleKind, tuple[str, ...]] = {
    "auto": ("data_if", "data", "simulation"),
    "data": ("data",),
    "simulation": ("simulation",),
}


def _yield_of(weights: FloatArray) -> tuple[float, float, float]:
    return float(len(weights)), float(weights.sum()), float((weights**2).sum())


def _scaled(column: Column, scale: float) -> Column:
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


def _whole(branch: str, column: Column) -> IntArray:
    """A run or event number of each event."""
    if not isinstance(column, np.ndarray) or column.dtype.kind not in "iuf":
        raise InputError(f"branch {branch!r}", "is not one number per event")
    return column.astype(np.int64)


def _compact(values: NDArray[Any]) -> NDArray[Any]:
    """Floats in single precision, as the detector deserves."""
    return values.astype(np.float32) if values.dtype.kind == "f" else values
