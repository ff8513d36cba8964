"""Time two ways of doing the same thing, in one run and in turns, so that a noisy machine is noisy for both."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Row(NamedTuple):
    """One line of the table."""

    what: str
    """What is done, with its size."""
    peer: str
    """Who else does it."""
    seconds: float
    """CPU seconds of simmorph, the fastest of all turns."""
    peer_seconds: float
    """CPU seconds of the peer, the fastest of all turns."""

    @property
    def ratio(self) -> float:
        """How many times faster than the peer."""
        return self.peer_seconds / self.seconds


def compare(what: str, peer: str, ours: Callable[[], object], theirs: Callable[[], object], turns: int = 5) -> Row:
    """Run both in turns, after one run of each that does not count."""
    ours()
    theirs()
    times = [(_cpu_seconds(ours), _cpu_seconds(theirs)) for _ in range(turns)]
    fastest, peer_fastest = (min(column) for column in zip(*times, strict=True))
    return Row(what, peer, fastest, peer_fastest)


def _cpu_seconds(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start
