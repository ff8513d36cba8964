"""Random numbers and parts that belong to an event, not to the order in which it is read.

Every number is a hash of a seed and the event's id, so that it depends neither on chunks, nor on threads, nor on what
other events there are. The hash is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simmorph.data.events import FloatArray, IntArray

TRAIN, VALIDATION, HOLDOUT = 0, 1, 2

_PARTS_STREAM = 0x5052_4454
_NORMAL_STREAM = 0x4E4F_524D_0000_0000
_GOLDEN = 0x9E37_79B9_7F4A_7C15
_WORD = 0xFFFF_FFFF_FFFF_FFFF


def part_of(ids: IntArray, seed: int, validation: float, holdout: float) -> NDArray[np.int8]:
    """The part that each event belongs to: TRAIN, VALIDATION or HOLDOUT.

    The hold-out part depends on its own size alone, so that another `validation` leaves it as it is.

    Args:
        ids: (n_events,), any integers.
        seed: another seed splits all events anew.
        validation: expected fraction of events for early stopping.
        holdout: expected fraction of events that training never sees.
    """
    drawn = uniform_of(ids, seed, _PARTS_STREAM)
    parts = np.full(len(drawn), TRAIN, np.int8)
    parts[drawn < holdout + validation] = VALIDATION
    parts[drawn < holdout] = HOLDOUT
    return parts


def uniform_of(ids: IntArray, seed: int, stream: int) -> FloatArray:
    """(n_events,), a random number in the open interval (0, 1) for each event.

    It depends on nothing but the event's id, the seed and the stream, whatever stands beside it:

    >>> bool(uniform_of(np.array([7]), 1, 2)[0] == uniform_of(np.array([3, 7]), 1, 2)[1])
    True

    Args:
        ids: (n_events,), any integers.
        seed: start of all random numbers.
        stream: which number of the event this is; different streams are independent.
    """
    key = _mixed_integer(_mixed_integer(seed & _WORD) ^ (stream & _WORD))
    state = np.asarray(ids, np.int64).astype(np.uint64) * np.uint64(_GOLDEN) + np.uint64(key)
    # 52 bits and a half step: neither 0 nor 1 can come out.
    uniform: FloatArray = ((_mixed(_mixed(state)) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return uniform


def normal_of(ids: IntArray, seed: int, n_columns: int, stream: int = 0) -> FloatArray:
    """(n_events, n_columns), standard normal random numbers of each event.

    Args:
        ids: (n_events,), any integers.
        seed: start of all random numbers.
        n_columns: how many numbers of each event.
        stream: different streams are independent, as long as there are fewer than a million columns.
    """
    first = _NORMAL_STREAM + 1_000_000 * stream
    columns = [ndtri(uniform_of(ids, seed, first + column)) for column in range(n_columns)]
    return np.column_stack(columns) if columns else np.empty((len(ids), 0))


def poisson_of(ids: IntArray, seed: int, stream: int = 0) -> IntArray:
    """(n_events,), a Poisson number of mean 1 for each event: how often a bootstrap sample holds it.

    Args:
        ids: (n_events,), any integers.
        seed: start of all random numbers, such as the number of the bootstrap sample.
        stream: different streams are independent.
    """
    cumulative = np.cumsum([np.exp(-1.0) / math.factorial(count) for count in range(18)])
    return np.searchsorted(cumulative, uniform_of(ids, seed, stream))


def reseeded(ids: IntArray, seed: int) -> IntArray:
    """Other ids for the same events, so that all their random numbers are drawn anew."""
    mixed = _mixed(np.asarray(ids, np.int64).astype(np.uint64) ^ np.uint64(_mixed_integer(seed & _WORD)))
    return mixed.view(np.int64)


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalising function of SplitMix64."""
    words = words + np.uint64(_GOLDEN)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return words ^ (words >> np.uint64(31))


def _mixed_integer(word: int) -> int:
    """`_mixed` of a single word."""
    return int(_mixed(np.array([word], np.uint64))[0])
