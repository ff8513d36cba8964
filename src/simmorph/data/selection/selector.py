"""Run a selection on the columns of a chunk: clean the objects, compute the variables, cut, weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.data.expressions.expression import Expression, parse
from simmorph.data.ntuples.types import is_whole, type_of
from simmorph.data.selection.objects import Objects, scaled
from simmorph.data.selection.weights import WEIGHTS_OF, SampleKind, weigh, yield_of
from simmorph.data.units import ANGLE, ENERGY, RADIANS, dimension_of
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from simmorph.config.documents import Document
    from simmorph.config.selection.objects import ObjectSettings
    from simmorph.config.selection.selection import Selection
    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.data.ntuples.reading import Column
    from simmorph.data.units import Dimension

LARGEST_EXACT = 2**53
"""Whole numbers up to here are exact in double precision."""


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
        weights = [self.weights[name] for name in WEIGHTS_OF[sample] if name in self.weights]
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
        is_data, weights = weigh(self.weights, events, sample)
        passed, cutflow = self._cut(events, weights)
        rows = np.flatnonzero(passed)
        regions = {f"in_{name}": it.passes(events) for name, it in self.regions.items()}
        kept = self._compact(events) | regions | {"weight": weights}
        for name, branch in (("run", self.selection.run), ("event", self.selection.event)):
            if branch:
                kept[name] = _whole(branch, columns[branch])
        return Chosen(rows, {name: values[rows] for name, values in kept.items()}, cutflow, int(is_data.sum()))

    def _events(self, columns: Mapping[str, Column], sample: SampleKind, *, check_unit: bool) -> dict[str, Column]:
        """Everything that expressions of events can use: branches, and cleaned objects."""
        scale = 1e-3 if self.selection.units.energy == "MeV" else 1.0
        energies = self.selection.energies
        events = {name: scaled(it, scale) if name in energies else it for name, it in columns.items()}
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

    def _compact(self, events: Mapping[str, Column]) -> dict[str, NDArray[Any]]:
        """The variables: integers as they are, and floats in single precision.

        In double if they are made of integers alone, as the first of a list of them, which may be missing.
        """
        whole = {name for name, column in events.items() if is_whole(type_of(column))}
        kept = {name: events[name] for name in self.variables}
        for name, expression in self.variables.items():
            if expression.names and expression.names <= whole:
                whole.add(name)
            elif kept[name].dtype.kind == "f":
                kept[name] = kept[name].astype(np.float32)
        return kept

    def _cut(self, events: Mapping[str, Column], weights: FloatArray) -> tuple[BoolArray, FloatArray]:
        """Which events pass all cuts, and the cutflow."""
        passed = np.ones(len(weights), np.bool_)
        cutflow = [yield_of(weights)]
        for expression in self.cuts.values():
            passed &= expression.passes(events)
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
