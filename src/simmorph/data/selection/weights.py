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


def data_among(
    weights_of: Mapping[str, Expression], events: Mapping[str, Column], sample: SampleKind, n_entries: int
) -> BoolArray:
    """(n_entries,), which entries are real data; see `weigh`."""
    if sample == "auto" and "data_if" in weights_of:
        return weights_of["data_if"].passes(events)
    return np.full(n_entries, sample == "data")


def weigh(
    weights_of: Mapping[str, Expression], events: Mapping[str, Column], is_data: BoolArray, rows: Rows
) -> FloatArray:
    """(n_rows,), the weight of each row.

    Args:
        weights_of: the expressions of a selection.
        events: what they can use.
        is_data: (n_rows,), which rows are real data.
        rows: events, or objects of them.

    Raises:
        InputError: a weight is not finite.
    """
    weights = np.zeros(len(rows))
    for kind, mine in (("data", is_data), ("simulation", ~is_data)):
        if mine.any():
            weights[mine] = rows.numbers(weights_of[kind], events)[mine]
            _refuse_not_finite(weights, rows, weights_of[kind])
    return weights


def _refuse_not_finite(weights: FloatArray, rows: Rows, expression: Expression) -> None:
    is_bad = ~np.isfinite(weights)
    if is_bad.any():
        kind, first = "objects" if rows.are_objects else "events", int(rows.entries[is_bad][0])
        what = f"the weight of {np.count_nonzero(is_bad)} {kind} is not finite, first of entry {first}"
        raise InputError(f"weight {expression.text!r}", what)


def yield_of(weights: FloatArray) -> tuple[float, float, float]:
    """One line of a cutflow: how many events, their sum of weights and sum of squared weights."""
    return float(len(weights)), float(weights.sum()), float((weights**2).sum())
