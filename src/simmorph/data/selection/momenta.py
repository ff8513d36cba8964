"""Functions of whole objects, as `mass(photon[0] + photon[1])`, written out in the properties of these."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

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
            if all(self._object_in(term) for term in terms):
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

    def _momentum(self, node: ast.expr) -> list[ast.expr]:
        properties = self.properties[self._object_in(node)]
        parts = [self._property(node, it) for it in ("pt", "eta", "phi")]
        energy = next((it for it in ENERGIES if it in properties), None)
        if "mass" in properties or energy is None:
            return [*parts, self._property(node, "mass")]
        pt, eta, _ = parts
        momentum = _product(pt, ast.Call(ast.Name("cosh"), [eta], []))
        square = ast.BinOp(_square(self._property(node, energy)), ast.Sub(), _square(momentum))
        return [*parts, ast.Call(ast.Name("sqrt"), [ast.Call(ast.Name("max"), [square, ast.Constant(0.0)], [])], [])]

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


def _product(left: ast.expr, right: ast.expr) -> ast.expr:
    return ast.BinOp(left, ast.Mult(), right)


def _square(node: ast.expr) -> ast.expr:
    return ast.BinOp(node, ast.Pow(), ast.Constant(2))
