"""The weight of each event, and its part in a cutflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.data.events import BoolArray, FloatArray
    from simmorph.data.expressions.expression import Expression
    from simmorph.data.ntuples.reading import Column
    from simmorph.data.selection.rows import Rows

SampleKind = Literal["auto", "data", "simulation"]

WEIGHTS_OF: dict[SampleKind, tuple[str, ...]] = {
    "auto": ("data_if", "data", "simulation"),
    "data": ("data",),
    "simulation": ("simulation",),
}
"""The expressions that the weights of a sample need."""


def weigh(
    weights_of: Mapping[str, Expression], events: Mapping[str, Column], sample: SampleKind, rows: Rows
) -> tuple[BoolArray, FloatArray]:
    """Which rows are data, and the weight of each.

    Args:
        weights_of: the expressions of a selection.
        events: what they can use.
        sample: what the file holds.
        rows: events, or objects of them.

    Raises:
        InputError: a weight is not finite.
    """
    is_data = np.full(rows.n_entries, sample == "data")
    if sample == "auto" and "data_if" in weights_of:
        is_data = weights_of["data_if"].passes(events)
    is_data = is_data[rows.entries]
    weights = np.zeros(len(rows))
    for kind, mine in (("data", is_data), ("simulation", ~is_data)):
        if mine.any():
            weights[mine] = rows.numbers(weights_of[kind], events)[mine]
    if not np.isfinite(weights).all():
        first = int(rows.entries[~np.isfinite(weights)][0])
        kind = "objects" if rows.are_objects else "events"
        what = f"the weight of {int((~np.isfinite(weights)).sum())} {kind} is not finite, first of entry {first}"
        raise InputError(f"weight {weights_of['simulation'].text!r}", what)
    return is_data, weights


def yield_of(weights: FloatArray) -> tuple[float, float, float]:
    """One line of a cutflow: how many events, their sum of weights and sum of squared weights."""
    return float(len(weights)), float(weights.sum()), float((weights**2).sum())
