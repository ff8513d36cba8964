"""The cuts that `simmorph evaluate` makes: bands of a variable, and the acceptance."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.data.preprocessing.gaps import find_gaps
from simmorph.data.preprocessing.samples import lower_edge, upper_edge
from simmorph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.data.events import FloatArray

MOST_GAPS = 10
"""More gaps than this are a grid of values, not gaps."""


class NamedCut(NamedTuple):
    """A cut as text.

    Attributes:
        expression: of branches.
        is_automatic: whether it was read off the target.
    """

    expression: str
    is_automatic: bool


def column_text(name: str) -> str:
    """A column in an expression, whatever it is called.

    >>> print(column_text("pt1"), column_text("jet.pt"))
    pt1 branch("jet.pt")
    """
    return name if name.isidentifier() else f"branch({json.dumps(name)})"


def bands(variable: str, wanted: int | Sequence[float], values: FloatArray) -> dict[str, str]:
    """The cuts of the bins of one variable, by name; the last bin holds its upper edge.

    >>> bands("mass", [100, 120, 160], values=np.empty(0))
    {'mass 100 to 120': '100.0 <= mass < 120.0', 'mass 120 to 160': '120.0 <= mass <= 160.0'}

    Args:
        variable: its name.
        wanted: the edges, or the number of bins of equal shares.
        values: (n_events,), of the target; what is not finite is left out.

    Raises:
        ConfigError: the target has too few values for so many bins.
    """
    edges = [float(edge) for edge in wanted] if not isinstance(wanted, int) else _equal_shares(variable, wanted, values)
    cuts = {}
    for number, (low, high) in enumerate(pairwise(edges)):
        end = "<=" if number == len(edges) - 2 else "<"
        cuts[f"{variable} {low:g} to {high:g}"] = f"{low!r} <= {column_text(variable)} {end} {high!r}"
    return cuts


def _equal_shares(variable: str, n_bins: int, values: FloatArray) -> list[float]:
    """Edges of bins that hold equal shares of the values, with six digits; the outermost ones hold all of them.

    Raises:
        ConfigError: values repeat so often that two edges are the same.
    """
    known = values[np.isfinite(values)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, n_bins + 1))) if len(known) else np.empty(0)
    # Edges within a few digits, so that names tell bins apart and are those of the cuts.
    rounded = [float(f"{edge:.6g}") for edge in edges]
    if len(set(rounded)) != n_bins + 1:
        what = f"{variable!r} has too few different values for {n_bins} bins of equal shares"
        raise ConfigError(f"evaluate.bands.{variable}", what, "give edges, or fewer bins")
    spread = max(abs(rounded[0]), abs(rounded[-1])) * 1e-5
    return [rounded[0] - spread, *rounded[1:-1], rounded[-1] + spread]


def automatic_acceptance(features: Sequence[str], columns: Mapping[str, FloatArray]) -> dict[str, NamedCut]:
    """For each feature the target's range, its ends rounded as cuts are, and the outside of its gaps if it has some.

    Args:
        features: their names.
        columns: the target's values by name, (n_events,) each, finite.
    """
    cuts = {}
    for name in features:
        ordered, text = np.sort(columns[name]), column_text(name)
        low, high = _printed(lower_edge(ordered), -1), _printed(upper_edge(ordered), 1)
        cuts[f"{name} in the target's range"] = NamedCut(f"{low} <= {text} <= {high}", True)
        gaps = find_gaps(ordered)
        if 0 < len(gaps) <= MOST_GAPS:
            inside = " or ".join(f"{_printed(start, 1)} < {text} < {_printed(end, -1)}" for start, end in gaps)
            cuts[f"{name} outside the target's gaps"] = NamedCut(f"not ({inside})", True)
    return cuts


def _printed(edge: float, outwards: int) -> str:
    """A number of few digits that is not on the wrong side of an edge: above it if `outwards` is 1, below if it is -1.

    Edges are next to a round number by the precision of a float32, which would be hard to read.
    """
    for digits in range(3, 12):
        text = f"{edge:.{digits}g}"
        if (float(text) - edge) * outwards >= 0 and abs(float(text) - edge) <= 1e-6 * abs(edge):
            return text
    return repr(edge)
