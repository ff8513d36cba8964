"""Events that two samples have in common, found by what both know them by."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.data.quality.duplicates import hashes_of
from simmorph.data.splits import uniform_of
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.data.events import BoolArray, Events, IntArray
    from simmorph.data.formats.table import Column

_HALVES_STREAM = 0x4841_4C46
NO_PARTNER = -1


class Pairs(NamedTuple):
    """The events of two samples that are the same ones.

    Attributes:
        source: those of one sample.
        target: the same events in the other one, in the same order.
        remark: how many events have no partner; empty if all have one.
    """

    source: Events
    target: Events
    remark: str


def known_by(where: str, names: Sequence[str], columns: Sequence[Column]) -> IntArray:
    """(n_events,), 63 bits of what tells events apart, the same in both samples.

    Args:
        where: the file, for messages.
        names: of the columns.
        columns: (n_events,) each.

    Raises:
        InputError: one is not whole numbers.
    """
    for name, column in zip(names, columns, strict=True):
        if not (isinstance(column, np.ndarray) and column.ndim == 1 and column.dtype.kind in "biu"):
            kind = column.dtype if isinstance(column, np.ndarray) else column.type.content
            what = f"branch {name!r}, by which `pairs` tells events apart, is not a whole number but {kind}"
            raise InputError(where, what, "name a branch such as the event's number, or `pairs: entry`")
    return (hashes_of(columns) >> np.uint64(1)).astype(np.int64)


def pairs_of(source: Events, target: Events) -> Pairs:
    """The events that both samples have.

    Raises:
        InputError: they have none in common, or a sample has one twice.
    """
    rows = partner_rows(source.ids, target.ids)
    found = rows != NO_PARTNER
    if not found.any():
        raise InputError("pairs", "source and target have no event in common", "check what `pairs` names")
    n_alone = int(np.count_nonzero(~found)), len(target) - int(np.count_nonzero(found))
    remark = f"pairs: {n_alone[0]} source and {n_alone[1]} target events have no partner, and are left out"
    return Pairs(source[found], target[rows[found]], remark if any(n_alone) else "")


def partner_rows(source: IntArray, target: IntArray) -> IntArray:
    """(n_source,), the row of each event in the target; NO_PARTNER where it has none.

    >>> partner_rows(np.array([7, 3, 9]), np.array([9, 7])).tolist()
    [1, -1, 0]

    Args:
        source: (n_source,), the ids of one sample.
        target: (n_target,), those of the other.

    Raises:
        InputError: an id is there twice in a sample.
    """
    for name, ids in (("source", source), ("target", target)):
        n_twice = len(ids) - len(np.unique(ids))
        if n_twice:
            what = f"{n_twice} events have the number of another one, by which `pairs` tells events apart"
            raise InputError(name, what, "name all branches that an event is known by, such as [run, event]")
    order = np.argsort(target)
    places = np.minimum(np.searchsorted(target[order], source), max(len(target) - 1, 0))
    rows = order[places] if len(target) else np.full(len(source), NO_PARTNER)
    return np.where(target[rows] == source, rows, NO_PARTNER) if len(target) else rows


def is_in_first_half(ids: IntArray) -> BoolArray:
    """(n_events,), one half of all events, the same in every sample that has them.

    The same event on both sides of a comparison would make samples look more alike than independent ones: so one side
    takes the one half, the other side the other.
    """
    return np.asarray(uniform_of(ids, 0, _HALVES_STREAM) < 0.5)
