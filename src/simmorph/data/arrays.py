"""Arrays of numpy and of awkward, treated alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from simmorph.data.events import IntArray

LARGEST_EXACT = 2**53
"""Integers up to here are exact in double precision."""


def joined(parts: Sequence[Any]) -> Any:
    """One array after the other."""
    if len(parts) == 1:
        return parts[0]
    is_flat = all(isinstance(part, np.ndarray) for part in parts)
    return np.concatenate(parts) if is_flat else ak.concatenate(parts)


def cast(values: Any, kind: DTypeLike) -> Any:
    """The numbers in an array as another type of numbers; the array itself where they are of it already."""
    return ak.values_astype(values, kind) if isinstance(values, ak.Array) else values.astype(kind, copy=False)


def scaled(values: Any, factor: float) -> Any:
    """The numbers in an array times a factor, in double precision; several times faster than awkward's product."""

    def product(layout: Any, **_: Any) -> Any:
        return ak.contents.NumpyArray(np.multiply(layout.data, factor, dtype=np.float64)) if layout.is_numpy else None

    is_lists = isinstance(values, ak.Array)
    return ak.transform(product, values) if is_lists else np.multiply(values, factor, dtype=np.float64)


def counts_of(lists: ak.Array) -> IntArray:
    """(n_events,), how many entries the list of each event has; none where the list is missing."""
    counts: IntArray = np.ma.filled(ak.to_numpy(ak.num(lists)), 0)
    return counts
