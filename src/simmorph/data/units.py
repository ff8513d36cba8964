"""Units of branches and of what is computed from them: written into ntuples, and read from there."""

from __future__ import annotations

import ast
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from simmorph.data.expressions.grammar import column_of, columns_of
from simmorph.data.ntuples.contents import read_metadata
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.data.expressions.expression import Expression

UNITS = "units"
"""The key of a file's metadata that holds the unit of each branch, as far as it is known."""
ANGLE, ENERGY_UNITS = "rad", frozenset({"eV", "keV", "MeV", "GeV", "TeV"})


class Dimension(NamedTuple):
    """What a quantity is, as powers; a plain number is neither energy nor angle.

    Attributes:
        energy: the power of an energy, momentum or mass.
        angle: the power of an angle.
    """

    energy: Fraction = Fraction(0)
    angle: Fraction = Fraction(0)

    def times(self, other: Dimension, power: Fraction = Fraction(1)) -> Dimension:
        """Of the product with a power of another quantity."""
        return Dimension(self.energy + power * other.energy, self.angle + power * other.angle)

    def unit(self, energy_unit: str) -> str:
        """Its unit, where energies are in that of them: `GeV`, `GeV^2`, `1/GeV`, `rad`; nothing for a number."""
        parts = [
            unit if power == 1 else f"1/{unit}" if power == -1 else f"{unit}^{float(power):g}"
            for unit, power in ((energy_unit, self.energy), (ANGLE, self.angle))
            if power
        ]
        return " ".join(parts)


NUMBER, ENERGY, RADIANS = Dimension(), Dimension(energy=Fraction(1)), Dimension(angle=Fraction(1))
_AS_ARGUMENTS = {
    **dict.fromkeys(("abs", "floor", "ceil", "hypot", "min", "max", "minimum", "maximum", "sum", "mean"), slice(None)),
    **dict.fromkeys(("mass", "pt"), slice(None, None, 4)), "round": slice(1), "where": slice(1, None),
    "entry": slice(None, None, 2),
}  # fmt: skip
"""Functions that give what these of their arguments are."""
_TO_ANGLES = ("arccos", "arcsin", "arctan", "arctan2", "delta_phi", "phi")


def dimension_of(expression: Expression, known: Mapping[str, Dimension | None]) -> Dimension | None:
    """What a formula gives; None where that cannot be said, as for the sum of an energy and its square.

    Args:
        expression: the formula.
        known: the dimensions of columns; one that is not among them is a number.
    """
    return _dimension(expression.tree, known)


def _dimension(node: ast.expr, known: Mapping[str, Dimension | None]) -> Dimension | None:
    name = column_of(node)
    if name is not None:
        return known.get(name, NUMBER)
    if isinstance(node, ast.Subscript):
        return _dimension(node.value, known)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        return _dimension(node.operand, known)
    if isinstance(node, ast.BinOp):
        return _of_operator(node, known)
    return _of_call(node, known) if isinstance(node, ast.Call) else NUMBER


def _of_operator(node: ast.BinOp, known: Mapping[str, Dimension | None]) -> Dimension | None:
    if isinstance(node.op, (ast.Add, ast.Sub, ast.Mod)):
        return _alike([node.left, node.right], known)
    left, right = _dimension(node.left, known), _dimension(node.right, known)
    if left is None or right is None:
        return None
    if isinstance(node.op, ast.Pow):
        power = node.right.value if isinstance(node.right, ast.Constant) else None
        is_number = isinstance(power, (int, float)) and abs(power) < 100
        return NUMBER.times(left, Fraction(power)) if is_number else None if left != NUMBER else NUMBER  # type: ignore[arg-type]
    signs = {ast.Mult: 1, ast.Div: -1, ast.FloorDiv: -1}
    return left.times(right, Fraction(signs[type(node.op)])) if type(node.op) in signs else NUMBER


def _of_call(node: ast.Call, known: Mapping[str, Dimension | None]) -> Dimension | None:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name in _TO_ANGLES:
        return RADIANS
    if name in _AS_ARGUMENTS:
        return _alike(node.args[_AS_ARGUMENTS[name]], known)
    if name == "sqrt":
        inner = _dimension(node.args[0], known)
        return None if inner is None else NUMBER.times(inner, Fraction(1, 2))
    return NUMBER


def _alike(nodes: Sequence[ast.expr], known: Mapping[str, Dimension | None]) -> Dimension | None:
    """What terms of one sum are; a constant is whatever the others are, and an angle is a number too."""
    found = {_dimension(node, known) for node in nodes if columns_of(node)}
    if found == {NUMBER, RADIANS}:
        return RADIANS
    return NUMBER if not found else next(iter(found)) if len(found) == 1 else None


def read_units(path: str) -> dict[str, str]:
    """The unit of each branch of a file, as far as the file says it."""
    found = read_metadata(path).get(UNITS)
    return {name: str(unit) for name, unit in found.items()} if isinstance(found, dict) else {}


def agreed(said: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The unit of each variable that is known.

    Args:
        said: units of variables, by where they stand: the recipe, a model, files.

    Raises:
        InputError: two contradict each other.
    """
    found: dict[str, tuple[str, str]] = {}
    for where, units in said.items():
        for name, unit in units.items():
            known, before = found.setdefault(name, (unit, where))
            if known != unit:
                what = f"{name!r} is in {unit}, and in {known} according to {before}"
                raise InputError(where, what, "bring all to one unit, as `simmorph select` does, or mend the recipe")
    return {name: unit for name, (unit, _) in found.items()}


def units_of_derived(derived: Mapping[str, Expression], units: Mapping[str, str]) -> dict[str, str]:
    """The units of what is computed from variables, where they follow; they do not if energies differ in unit.

    Args:
        derived: formulas of variables and of each other, in their order.
        units: of the variables.
    """
    energies = ENERGY_UNITS & set(units.values())
    if len(energies) != 1:
        return {}
    kinds: dict[str, Dimension | None] = {next(iter(energies)): ENERGY, ANGLE: RADIANS}
    known = {name: kinds.get(units.get(name, "")) for it in derived.values() for name in it.names}
    for name, expression in derived.items():
        known[name] = dimension_of(expression, known)
    found = {name: dimension.unit(*energies) for name in derived if (dimension := known[name])}
    return {name: unit for name, unit in found.items() if unit}
