"""What the names of a selection are, as far as its text says: their units, and lists of what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simmorph.data.selection.axes import PER_EVENT, UNKNOWN, axis_of
from simmorph.data.selection.names import Key
from simmorph.data.units import ENERGY, NUMBER, RADIANS, dimension_of
from simmorph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from simmorph.config.selection.selection import Selection
    from simmorph.data.expressions.expression import Expression
    from simmorph.data.selection.names import Names
    from simmorph.data.selection.objects import Objects
    from simmorph.data.units import Dimension


class Kinds:
    """The kinds of all names of a selection."""

    def __init__(self, selection: Selection, names: Names) -> None:
        self.selection, self.names = selection, names
        self._axes: dict[str, str] = {}
        self._dimensions: dict[Key, Dimension | None] = {}

    def check(self, expressions: list[Expression]) -> None:
        """Look at all definitions, all expressions of objects, and further ones of events.

        Raises:
            ConfigError: one takes lists of different objects entry by entry, or is none of its object.
        """
        for name in self.names.formulas:
            self._axis(Key("variable", name))
        for expression in expressions:
            axis_of(expression, lambda name: self._axis(self.names.in_event(name)))
        for objects in self.names.objects.values():
            for expression in (*objects.computed.values(), *objects.choosing):
                self._check_own(objects, expression)

    def listed(self, expressions: list[Expression], objects: str | None) -> frozenset[Expression]:
        """Those that have a value for each object of a kind: of expressions of events, and of all definitions.

        None without a kind. In a definition, later ones are not known.
        """
        found = {it: axis_of(it, lambda name: self._axis(self.names.in_event(name))) for it in expressions}
        found |= {it: self._axis(Key("variable", name)) for name, it in self.names.formulas.items()}
        return frozenset(it for it, axis in found.items() if axis == objects)

    def _check_own(self, objects: Objects, expression: Expression) -> None:
        axis = axis_of(expression, lambda name: self._axis(self.names.in_object(name, objects, expression)))
        if axis not in (objects.name, PER_EVENT, UNKNOWN):
            what = f"{expression.text!r} is a list of {axis}, and not one value for each {objects.name}"
            raise ConfigError(expression.where, what, "choose one with [0], or use any(), all(), count(), max()")

    def _axis(self, key: Key) -> str:
        if key.kind == "branch":
            return UNKNOWN
        if key.kind != "variable":
            return key.objects
        if key.name not in self._axes:
            formula = self.names.formulas[key.name]
            self._axes[key.name] = axis_of(formula, lambda name: self._axis(self.names.in_event(name, key.name)))
        return self._axes[key.name]

    def dimension(self, key: Key) -> Dimension | None:
        """Whether something is an energy, an angle or a number; None where that cannot be said."""
        if key not in self._dimensions:
            self._dimensions[key] = self._found(key)
        return self._dimensions[key]

    def _found(self, key: Key) -> Dimension | None:
        names = self.names
        if key.kind == "variable":
            return self._computed(names.formulas[key.name], lambda name: names.in_event(name, key.name))
        if key.kind == "branch":
            return _said(key.name, self.selection.energies, self.selection.angles)
        objects = names.objects[key.objects]
        if key.name in objects.taken:
            member, name = objects.taken[key.name]
            return self.dimension(Key("property", name, member.name))
        if key.name in objects.computed:
            expression = objects.computed[key.name]
            return self._computed(expression, lambda name: names.in_object(name, objects, expression))
        return _said(key.name, objects.settings.energies, objects.settings.angles)

    def _computed(self, expression: Expression, key_of: Callable[[str], Key]) -> Dimension | None:
        return dimension_of(expression, {name: self.dimension(key_of(name)) for name in expression.names})


def _said(name: str, energies: list[str], angles: list[str]) -> Dimension:
    return ENERGY if name in energies else RADIANS if name in angles else NUMBER
