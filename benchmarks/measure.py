"""Time two ways of doing the same thing, in one run and in turns, so that a noisy machine is noisy for both."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Row(NamedTuple):
    """One line of the table."""

    what: str
    """What is done, with its size."""
    peer: str
    """Who else does it."""
    times: Sequence[float]
    """CPU seconds of simmorph in each turn."""
    peer_times: Sequence[float]
    """CPU seconds of the peer in each turn."""

    @property
    def ratios(self) -> list[float]:
        """How many times faster than the peer in each turn, sorted."""
        return sorted(peer / mine for mine, peer in zip(self.times, self.peer_times, strict=True))

    def to_text(self) -> str:
        """The line: the fastest turn of each, the median ratio, and the ratios of the quarter and of three quarters."""
        ratios = self.ratios
        quarter = len(ratios) // 4
        spread = f"{ratios[quarter]:.1f} to {ratios[-1 - quarter]:.1f}"
        fastest = f"{min(self.times):.3g} | {min(self.peer_times):.3g}"
        return f"| {self.what} | {self.peer} | {fastest} | **{statistics.median(ratios):.1f}** | {spread} |"


def compare(what: str, peer: str, ours: Callable[[], object], theirs: Callable[[], object], turns: int = 15) -> Row:
    """Run both in turns, after one run of each that does not count."""
    ours()
    theirs()
    times = [(_cpu_seconds(ours), _cpu_seconds(theirs)) for _ in range(turns)]
    mine, peers = zip(*times, strict=True)
    return Row(what, peer, mine, peers)


def _cpu_seconds(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start
