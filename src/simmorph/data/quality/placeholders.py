"""Values that stand for none, such as -999, and outliers: far outside of all others, where they spoil every mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simmorph.data.events import FloatArray

FAR = 3.0
"""So many spreads of the rest a repeated value lies away from it; one of nines only, such as -999, half of one."""
VERY_FAR = 100.0
"""So many spreads of the rest a value that is there once lies away from it."""
MOST = 4
"""Different values that are told for a variable."""

_NINES = re.compile(r"-?99+(\.9*0?)?")


class Placeholder(NamedTuple):
    """A value far outside of all others.

    Attributes:
        value: of the variable.
        n_events: how many events have it.
    """

    value: float
    n_events: int


def placeholders(values: FloatArray) -> list[Placeholder]:
    """The values that lie far outside of the rest, from outside.

    Each was the smallest or largest when it was found. The spread of the rest is the distance between its 1 % and 99 %
    quantiles; where that is 0, as for a boolean, nothing is far.

    >>> placeholders(np.array([30.0, 40.0, -999.0, 55.0, -999.0]))
    [Placeholder(value=-999.0, n_events=2)]

    Args:
        values: (n_events,); those that are not finite are left out.
    """
    rest, found = values[np.isfinite(values)], list[Placeholder]()
    while len(rest) and len(found) < MOST:
        ends = (float(rest.min()), float(rest.max()))
        outer = next((end for end in ends if _is_far(end, rest)), None)
        if outer is None:
            break
        is_it = rest == outer
        found.append(Placeholder(outer, int(np.count_nonzero(is_it))))
        rest = rest[~is_it]
    return found


def _is_far(end: float, values: FloatArray) -> bool:
    """Whether the smallest or largest of some values is far from the others."""
    rest = values[values != end]
    if not len(rest):
        return False
    low, high = np.quantile(rest, [0.01, 0.99])
    gap, spread = float(np.min(np.abs(rest - end))), float(high - low)
    if spread <= 0:
        return False
    if len(values) - len(rest) < 2:
        return gap > VERY_FAR * spread
    if _NINES.fullmatch(f"{end:.6g}"):
        return gap > 0.5 * spread or (end < 0 <= float(rest.min()))
    return gap > FAR * spread


def remarks_on(sample: str, columns: Mapping[str, FloatArray]) -> Iterator[str]:
    """A sentence for each value of a variable that lies far outside of the others.

    Args:
        sample: what the events are.
        columns: (n_events,) each, by name.
    """
    for name, values in columns.items():
        for value, n_events in placeholders(values):
            what = "a placeholder" if n_events > 1 else "an outlier"
            where = f"in {n_events} of {len(values)} events"
            yield f"{sample}: {name} is {value:g} {where}, far outside of all others: {what}?"
