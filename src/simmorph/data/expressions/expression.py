"""Expressions of columns, as users write them in YAML: `35 <= pt1 <= 250 and abs(eta1) < 2.37`.

A text is parsed into a small tree of known parts and evaluated by walking it. Nothing is ever compiled or run, there
are no attributes, and depth and size are bounded: a recipe from a stranger can compute, and nothing else.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from simmorph.data.expressions.evaluation import evaluated
from simmorph.data.expressions.grammar import names_in
from simmorph.data.expressions.values import Misfit, kind_of, settled
from simmorph.errors import ConfigError, one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from numpy.typing import NDArray

    from simmorph.data.events import BoolArray
    from simmorph.data.expressions.values import Value

MAX_CHARACTERS = 5000


@dataclass(frozen=True)
class Expression:
    """A formula of columns.

    Attributes:
        text: the formula as it was written.
        names: the columns it needs.
        where: the file and key it stands in, for messages.
        tree: the formula, parsed.
    """

    text: str
    names: frozenset[str]
    where: str = field(repr=False)
    tree: ast.expr = field(repr=False, compare=False)

    def evaluate(self, columns: Mapping[str, Value]) -> Value:
        """The formula's value for every event: numpy for one number per event, awkward for a list per event.

        Integers are computed with 64 bits and floats in double precision, and what does not fit is refused. A missing
        value, like the maximum of no photons, is NaN, which fails every comparison, with `not` before it too; integers
        of which some can be missing are floats.

        Raises:
            ConfigError: a column is missing or is not of a kind that the formula can use.
        """
        missing = sorted(self.names - columns.keys())
        if missing:
            raise ConfigError(
                self.where, f"{self.text!r} needs {missing[0]!r}, which is not there", one_of(missing[0], columns)
            )
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return _spread(settled(evaluated(self.tree, columns)), columns)
        except Misfit as error:
            raise ConfigError(self.where, f"{self.text!r} cannot be computed: {error}") from error

    def passes(self, columns: Mapping[str, Value]) -> BoolArray:
        """(n_events,), which events pass this formula as a cut; where a comparison needs NaN, they do not.

        Raises:
            ConfigError: see `evaluate`; or it is not one boolean for each event.
        """
        return self.booleans(columns, is_object=False)  # type: ignore[no-any-return]

    def numbers(self, columns: Mapping[str, Value]) -> NDArray[Any]:
        """(n_events,), the value, which is one number or boolean for each event.

        Raises:
            ConfigError: see `evaluate`; or it is something else.
        """
        return self.numbers_of_objects(columns, is_object=False)  # type: ignore[no-any-return]

    def numbers_of_objects(self, columns: Mapping[str, Value], *, is_object: bool = True) -> Value:
        """The value: a number for each event or, of objects, for each entry of each event's list.

        Raises:
            ConfigError: see `evaluate`; or it is something else.
        """
        values = self.evaluate(columns)
        if is_object and isinstance(values, ak.Array) and values.ndim == 2:
            return values
        if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in "biuf":
            what = f"{self.text!r} is not one number per event"
            raise ConfigError(self.where, what, "take one with [0], or sum(), max(), any()")
        return values

    def booleans(self, columns: Mapping[str, Value], *, is_object: bool) -> Value:
        """The value as a cut: a boolean for each event or, of objects, for each entry of each event's list.

        Raises:
            ConfigError: see `evaluate`; or it is something else.
        """
        values = self.evaluate(columns)
        is_list = isinstance(values, ak.Array)
        if kind_of(values) == "b" and (values.ndim == 1 or (is_object and values.ndim == 2)):
            return values
        what = f"{self.text!r} is not true or false for each event"
        mend = "choose one with [0], or use any(), all(), count()" if is_list else "compare it with something"
        raise ConfigError(self.where, what, mend)


def parse(
    text: str, where: str = "expression", written_out: Callable[[ast.expr], ast.expr] | None = None
) -> Expression:
    """Read a formula.

    Args:
        text: the formula.
        where: the file and key it stands in, for messages.
        written_out: what it is short for.

    Raises:
        ConfigError: it is not a formula, or uses more than formulas may.
    """
    text = text.strip()
    if not text or len(text) > MAX_CHARACTERS:
        raise ConfigError(where, "an expression is empty" if not text else "an expression is too long")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
            tree = written_out(tree) if written_out else tree
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        shown = text if len(text) <= 80 else text[:77] + "..."
        raise ConfigError(where, f"{shown!r} is not an expression: {_reason(error)}") from error
    names = frozenset(names_in(tree, where, text))
    return Expression(text, names, where, tree)


def weight_expression(text: str, known: Collection[str]) -> Expression:
    """What a recipe has for the weights of a sample: the branch of this very name if there is one, else a formula.

    Raises:
        ConfigError: it is neither.
    """
    if text in known:
        return Expression(text, frozenset({text}), "weight", ast.Name(text))
    return parse(text, "weight")


def parse_all(texts: Mapping[str, str], block: str) -> dict[str, Expression]:
    """Read the formulas of a block of a recipe, by name; see `parse`."""
    return {name: parse(text, f"{block}.{name}") for name, text in texts.items()}


def _spread(value: Value, columns: Mapping[str, Value]) -> Value:
    """A constant, repeated for every event."""
    if isinstance(value, ak.Array) or (isinstance(value, np.ndarray) and value.ndim):
        return value
    n_events = len(next(iter(columns.values()))) if columns else 1
    return np.full(n_events, value)


def _reason(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.msg} at character {error.offset}"
    return "it is nested too deeply" if isinstance(error, (RecursionError, MemoryError)) else str(error)
