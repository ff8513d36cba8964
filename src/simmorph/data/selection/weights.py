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

SampleKind = Literal["auto", "data", "simulation"]

WEIGHTS_OF: dict[SampleKind, tuple[str, ...]] = {
    "auto": ("data_if", "data", "simulation"),
    "data": ("data",),
    "simulation": ("simulation",),
}
"""The expressions that the weights of a sample need."""


def weigh(
    weights_of: Mapping[str, Expression], events: Mapping[str, Column], sample: SampleKind
) -> tuple[BoolArray, FloatArray]:
    """Which events are data, and the weight of each.

    Raises:
        InputError: a weight is not finite.
    """
    n_events = len(next(iter(events.values())))
    is_data = np.full(n_events, sample == "data")
    if sample == "auto" and "data_if" in weights_of:
        is_data = weights_of["data_if"].passes(events)
    weights = np.zeros(n_events)
    for kind, mine in (("data", is_data), ("simulation", ~is_data)):
        if mine.any():
            weights[mine] = weights_of[kind].numbers(events)[mine]
    if not np.isfinite(weights).all():
        first = int(np.flatnonzero(~np.isfinite(weights))[0])
        what = f"the weight of {int((~np.isfinite(weights)).sum())} events is not finite, first of entry {first}"
        raise InputError(f"weight {weights_of['simulation'].text!r}", what)
    return is_data, weights


def yield_of(weights: FloatArray) -> tuple[float, float, float]:
    """One line of a cutflow: how many events, their sum of weights and sum of squared weights."""
    return float(len(weights)), float(weights.sum()), float((weights**2).sum())
