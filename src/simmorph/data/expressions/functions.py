"""What the functions of expressions compute, of one number or a list for each event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import awkward as ak
import numpy as np

from simmorph.data.expressions import kinematics
from simmorph.data.expressions.indexing import entry
from simmorph.data.expressions.operators import refuse_rounding
from simmorph.data.expressions.values import Misfit, Value, flat, is_scalar, kind_of, lists_of, number, settled, truth

if TYPE_CHECKING:
    from collections.abc import Callable

CONSTANTS: dict[str, Value] = {"pi": np.pi, "nan": np.nan, "inf": np.inf}
MOST_DECIMALS = 15


def _of_conditions(function: Callable[..., Value]) -> Callable[[Value], Value]:
    """One condition for each event's list of them."""
    return lambda values: flat(function(truth(lists_of(values)), axis=1))


def _of_numbers(function: Callable[..., Value]) -> Callable[[Value], Value]:
    """One number for each event's list: NaN if the list is empty or one of it is NaN, which awkward would pass over."""

    def reduce(values: Value) -> Value:
        lists = number(lists_of(values))
        refuse_rounding(lists, 1.0)
        lists = ak.values_astype(lists, np.float64)
        undefined = ak.any(np.isnan(lists), axis=-1)
        found = ak.fill_none(function(lists, axis=-1), np.nan, axis=-1)
        return flat(ak.where(undefined, np.nan, found))

    return reduce


def _sum(values: Value) -> Value:
    """The sum of each event's list, 0 if it is empty; of booleans, how many are true."""
    lists = lists_of(number(lists_of(values)))
    total = ak.sum(lists, axis=1)
    if kind_of(lists) != "f" and ak.any(np.abs(ak.sum(ak.values_astype(lists, np.float64), axis=1)) >= 2.0**63):
        raise Misfit("the sum is an integer of more than 64 bits")
    return flat(total)


def _count(values: Value) -> Value:
    """How many values each event's list has; of booleans, how many are true."""
    lists = lists_of(values)
    return flat(ak.sum(lists, axis=1) if kind_of(lists) == "b" else ak.num(lists, axis=1))


def _is_finite(values: Value) -> Value:
    return np.isfinite(settled(values))


def _extreme(of_lists: Callable[[Value], Value], of_two: Callable[[Value, Value], Value]) -> Callable[..., Value]:
    def extreme(first: Value, *others: Value) -> Value:
        if not others:
            return of_lists(first)
        refuse_rounding(first, *others)
        for other in others:
            first = of_two(first, other)
        return first

    return extreme


def _where(condition: Value, yes: Value, no: Value) -> Value:
    condition = truth(condition)
    lists = [value for value in (condition, yes, no) if isinstance(value, ak.Array)]
    if not lists:
        return np.where(condition, yes, no)
    return ak.where(ak.broadcast_arrays(condition, lists[0])[0] if is_scalar(condition) else condition, yes, no)


def _round(values: Value, decimals: Value = 0) -> Value:
    """To the nearest number of so many decimals, of two that are as near to the even one."""
    if not is_scalar(decimals) or kind_of(decimals) != "i" or not 0 <= decimals <= MOST_DECIMALS:
        raise Misfit(f"round takes a number of decimals from 0 to {MOST_DECIMALS}")
    return np.rint(values) if decimals == 0 else np.rint(values * 10.0**decimals) / 10.0**decimals


_MINIMUM = _extreme(_of_numbers(ak.min), np.minimum)
_MAXIMUM = _extreme(_of_numbers(ak.max), np.maximum)

_KINEMATIC: dict[str, tuple[Callable[..., Value], int, int]] = {
    "delta_r": (kinematics.delta_r, 4, 4), "min_delta_r": (kinematics.min_delta_r, 4, 4),
    "nearest": (kinematics.nearest, 4, 4), "argmin": (kinematics.argmin, 1, 1), "argmax": (kinematics.argmax, 1, 1),
    **{
        function.__name__: (function, 4, 4 * kinematics.MOST_MOMENTA)
        for function in (kinematics.mass, kinematics.pt, kinematics.eta, kinematics.phi)
    },
}  # fmt: skip
FUNCTIONS: dict[str, tuple[Callable[..., Value], int, int]] = {
    "sqrt": (np.sqrt, 1, 1), "exp": (np.exp, 1, 1), "log": (np.log, 1, 1), "log10": (np.log10, 1, 1),
    "log1p": (np.log1p, 1, 1), "expm1": (np.expm1, 1, 1), "abs": (np.abs, 1, 1), "sign": (np.sign, 1, 1),
    "floor": (np.floor, 1, 1), "ceil": (np.ceil, 1, 1), "round": (_round, 1, 2),
    "sin": (np.sin, 1, 1), "cos": (np.cos, 1, 1), "tan": (np.tan, 1, 1),
    "arcsin": (np.arcsin, 1, 1), "arccos": (np.arccos, 1, 1), "arctan": (np.arctan, 1, 1),
    "sinh": (np.sinh, 1, 1), "cosh": (np.cosh, 1, 1), "tanh": (np.tanh, 1, 1),
    "arcsinh": (np.arcsinh, 1, 1), "arccosh": (np.arccosh, 1, 1), "arctanh": (np.arctanh, 1, 1),
    "arctan2": (np.arctan2, 2, 2), "hypot": (np.hypot, 2, 2), "delta_phi": (kinematics.delta_phi, 2, 2),
    "min": (_MINIMUM, 1, 8), "max": (_MAXIMUM, 1, 8), "minimum": (_MINIMUM, 2, 8), "maximum": (_MAXIMUM, 2, 8),
    "where": (_where, 3, 3), "isfinite": (_is_finite, 1, 1),
    "sum": (_sum, 1, 1), "mean": (_of_numbers(ak.mean), 1, 1), "count": (_count, 1, 1),
    "any": (_of_conditions(ak.any), 1, 1), "all": (_of_conditions(ak.all), 1, 1), "entry": (entry, 3, 3),
    **_KINEMATIC,
}  # fmt: skip
"""Each function with the fewest and the most arguments it takes."""
CONDITIONS = frozenset({"any", "all", "isfinite"})
"""Functions that tell true from false."""
AS_THE_ARGUMENTS = {"where": (1, 2), "entry": (0,)}
"""Functions whose value is a condition if these arguments are."""
AS_GIVEN = frozenset({"entry", "count", "isfinite"})
"""Functions that take missing numbers and all 64 bits; others take NaN in their place, and integers below 2^63."""
