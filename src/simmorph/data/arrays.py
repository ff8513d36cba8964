"""Arrays of numpy and of awkward, treated alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

LARGEST_EXACT = 2**53
"""Integers up to here are exact in double precision."""


def joined(parts: Sequence[Any]) -> Any:
    """One array after the other."""
    if len(parts) == 1:
        return parts[0]
    is_flat = all(isinstance(part, np.ndarray) for part in parts)
    return np.concatenate(parts) if is_flat else ak.concatenate(parts)


def cast(values: Any, kind: DTypeLike) -> Any:
    """The numbers in an array as another type of numbers."""
    return ak.values_astype(values, kind) if isinstance(values, ak.Array) else values.astype(kind)
