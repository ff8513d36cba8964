"""Functions of whole objects, as `mass(photon[0] + photon[1])`, written out in the properties of these."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from simmorph.data.expressions.kinematics import MOST_MOMENTA
from simmorph.errors import ConfigError, one_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SUMS = frozenset({"mass", "pt", "eta", "phi"})
"""Functions of a sum of four-momenta."""
DISTANCES = frozenset({"delta_r", "min_delta_r", "nearest"})
"""Functions of two directions; in an expression of an object, of it and another."""
ENERGIES = ("e", "E", "energy")
"""Properties that give the mass of an object that has none."""


class Momenta(ast.NodeTransformer):
    """Writes out functions of objects.

    Args:
        properties: the properties of each object that may stand in such a function.
        where: the file and key, for messages.
        own: the object whose expression this is, if it is one of an object.
    """

    def __init__(self, properties: Mapping[str, Collection[str]], where: str, own: str = "") -> None:
        self.properties, self.where, self.own = properties, where, own

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """A function of objects as one of their properties; any other as it is."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in SUMS and len(node.args) == 1:
            terms = _terms(node.args[0])
            if not all(self._is_term(term) for term in terms) or len(terms) > MOST_MOMENTA:
                what = f"{name} is of a sum of up to {MOST_MOMENTA} objects, like photon[0] + photon[1] or sum(photon)"
                raise ConfigError(
                    self.where, what, f"known are {', '.join(self.properties)}" if self.properties else ""
                )
            node = self._call(node, [part for term in terms for part in self._momentum(term)])
        elif name in DISTANCES and node.args and all(self._object_in(it) for it in node.args):
            sides = [*([ast.Name(self.own)] if self.own and len(node.args) == 1 else []), *node.args]
            if len(sides) != 2:
                raise ConfigError(self.where, f"{name} is of two objects, and not of {len(sides)}")
            node = self._call(node, [self._property(side, it) for side in sides for it in ("eta", "phi")])
        return self.generic_visit(node)

    def _call(self, node: ast.Call, arguments: list[ast.expr]) -> ast.Call:
        return ast.Call(node.func, arguments, node.keywords)

    def _object_in(self, node: ast.expr) -> str:
        """The object that a part of an expression names, all of them or one as in `photon[0]`; empty if none."""
        inner = node.value if isinstance(node, ast.Subscript) else node
        return inner.id if isinstance(inner, ast.Name) and inner.id in self.properties else ""

    def _is_term(self, node: ast.expr) -> bool:
        return bool(self._object_in(node) or (_is_sum(node) and self._object_in(node.args[0])))  # type: ignore[attr-defined]

    def _momentum(self, node: ast.expr) -> list[ast.expr]:
        """The transverse momentum, pseudorapidity, azimuth and mass of a term."""
        if isinstance(node, ast.Call):
            return _summed(*(ast.unparse(part) for part in self._momentum(node.args[0])))
        properties = self.properties[self._object_in(node)]
        parts = [self._property(node, it) for it in ("pt", "eta", "phi")]
        energy = next((it for it in ENERGIES if it in properties), None)
        if "mass" in properties or energy is None:
            return [*parts, self._property(node, "mass")]
        pt, eta, its = (ast.unparse(part) for part in (*parts[:2], self._property(node, energy)))
        return [*parts, _parsed(f"sqrt(max({its} ** 2 - ({pt} * cosh({eta})) ** 2, 0))")]

    def _property(self, node: ast.expr, name: str) -> ast.expr:
        kind = self._object_in(node)
        if name not in self.properties[kind]:
            mend = one_of(name, self.properties[kind])
            if name == "mass":
                mend = "add its branch, or `properties: {mass: 0}` if it is massless"
            raise ConfigError(self.where, f"a property {name!r} of {kind!r} is needed, which it has not", mend)
        column = ast.Name(f"{kind}_{name}")
        return ast.Subscript(column, node.slice) if isinstance(node, ast.Subscript) else column


def _terms(node: ast.expr) -> list[ast.expr]:
    """The terms of a sum."""
    is_sum = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)
    return [*_terms(node.left), *_terms(node.right)] if is_sum else [node]  # type: ignore[attr-defined]


def _is_sum(node: ast.expr) -> bool:
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1
    return is_call and node.func.id == "sum"  # type: ignore[attr-defined]


def _summed(pt: str, eta: str, phi: str, mass: str) -> list[ast.expr]:
    """The same of the sum of lists of four-momenta; without any of them a vector of zeros."""
    x, y, z = f"sum({pt} * cos({phi}))", f"sum({pt} * sin({phi}))", f"sum({pt} * sinh({eta}))"
    energy = f"sum(sqrt(max(({pt} * cosh({eta})) ** 2 + {mass} * abs({mass}), 0)))"
    total = f"hypot({x}, {y})"
    texts = (
        total,
        f"where({total} > 0, arcsinh({z} / {total}), 0)",
        f"arctan2({y}, {x})",
        f"sqrt(max({energy} ** 2 - {x} ** 2 - {y} ** 2 - {z} ** 2, 0))",
    )
    return [_parsed(text) for text in texts]


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body
