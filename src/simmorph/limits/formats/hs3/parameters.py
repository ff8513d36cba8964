"""What an HS3 document says of parameters: where they start, their ranges, and what was measured of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simmorph.errors import one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.limits.formats.hs3.node import Node

DEFAULTS = ("default_values", "default_domain")
"""Names of a point and of a domain for what an analysis does not name."""
LEAST = 1e-10
"""Lower bound of a parameter of a bin, as in pyhf."""


class Constraint(NamedTuple):
    """A normal constraint: the auxiliary measurement and its uncertainty."""

    centre: float
    sigma: float


class Points:
    """Values and ranges by the name of the parameter.

    Args:
        document: the whole of it.
        analysis: which may name a point and domains of its own.

    Attributes:
        values: where each starts.
        fixed: which are constant.
        ranges: lower and upper end, where both are there.
    """

    def __init__(self, document: Node, analysis: Node) -> None:
        points, domains = document.named("parameter_points"), document.named("domains")
        init = analysis.text("init") if analysis.has("init") else DEFAULTS[0]
        self.values: dict[str, float] = {}
        self.fixed: set[str] = set()
        self.ranges: dict[str, list[float]] = {}
        for name in dict.fromkeys((DEFAULTS[0], init)):
            for it in points[name].each("parameters") if name in points else ():
                self.values[it.text("name")] = it.number("value")
                if it.value.get("const", False):
                    self.fixed.add(it.text("name"))
        for name in dict.fromkeys((DEFAULTS[1], *analysis.texts("domains"))):
            for it in domains[name].each("axes") if name in domains else ():
                if it.has("min") and it.has("max"):
                    self.ranges[it.text("name")] = [it.number("min"), it.number("max")]

    def constraint(self, node: Node, distributions: Mapping[str, Node], parameter: str, centre: float) -> Constraint:
        """The normal constraint of a modifier.

        Args:
            node: the modifier.
            distributions: of the document, by name.
            parameter: that is constrained.
            centre: of a constraint that the modifier does not name.

        Raises:
            InputError: it is of another kind, or of another parameter.
        """
        if not node.has("constraint_name"):
            return self._implicit(node, parameter, centre)
        name = node.text("constraint_name")
        if name not in distributions:
            raise node.fault(f"constraint {name!r} is not there", one_of(name, distributions))
        found = distributions[name]
        if found.text("type") != "gaussian_dist":
            raise found.fault(f"a constraint of type {found.text('type')!r} has no counterpart in pyhf")
        places = {key: found.of(key).value for key in ("x", "mean", "sigma")}
        if parameter not in {places["x"], places["mean"]}:
            raise found.fault(f"does not constrain {parameter!r}, as {node.place} says")
        other = "mean" if places["x"] == parameter else "x"
        sigma = self._number(found.of("sigma"))
        if sigma <= 0 or (sigma != 1 and node.text("type") != "normfactor"):
            raise found.fault(f"its sigma is {sigma:g}", "pyhf has 1 for parameters of two sides")
        return Constraint(self._number(found.of(other)), sigma)

    def _implicit(self, node: Node, parameter: str, centre: float) -> Constraint:
        kinds = [node.text(key) for key in ("constraint_type", "constraint") if node.has(key)]
        if kinds and kinds[0] != "Gauss":
            raise node.fault(f"a constraint {kinds[0]!r} has no counterpart in pyhf", "Gauss")
        return Constraint(self.values.get(f"nom_{parameter}", centre), 1.0)

    def _number(self, node: Node) -> float:
        """A number, or the value of the parameter of this name."""
        if isinstance(node.value, str):
            if node.value not in self.values:
                raise node.fault(f"{node.value!r} has no value", one_of(node.value, self.values))
            return self.values[node.value]
        return node.as_number()


class Parameters:
    """What a measurement of pyhf says of its parameters.

    Args:
        points: values and ranges.
        constraints: of the parameters that act on all bins.
    """

    def __init__(self, points: Points, constraints: Mapping[tuple[str, ...], Constraint]) -> None:
        self.points, self.constraints = points, constraints

    def said(self, key: tuple[str, ...], kind: str) -> dict[str, Any]:
        """Start, range and measurement of the parameters of a modifier; empty if the document says nothing.

        Args:
            key: what they are called in the document.
            kind: of the modifier.
        """
        values = [self.points.values[it] for it in key if it in self.points.values]
        ranges = [self.points.ranges[it] for it in key if it in self.points.ranges]
        found: dict[str, Any] = {}
        if len(values) == len(key):
            found["inits"] = values
        if len(ranges) == len(key):
            least = LEAST if kind in {"shapesys", "staterror"} else -float("inf")
            found["bounds"] = [[max(low, least), high] for low, high in ranges]
        if constraint := self.constraints.get(key):
            found["auxdata"] = [constraint.centre]
            if kind == "lumi":
                found["sigmas"] = [constraint.sigma]
        return found
