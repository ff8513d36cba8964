"""A sample of a toy: what goes into one file, block by block."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BLOCK = 100_000
"""Events that share one random generator. Block k of a sample is the same in a file of any length."""


def block_lengths(n_events: int) -> Iterator[tuple[int, int]]:
    """The number of each block and of its events.

    >>> list(block_lengths(250_000))
    [(0, 100000), (1, 100000), (2, 50000)]
    """
    for index, first in enumerate(range(0, n_events, BLOCK)):
        yield index, min(BLOCK, n_events - first)


@dataclass(frozen=True)
class ToySample:
    """One file of a toy.

    Attributes:
        file: its name.
        tree: the name of its tree.
        n_events: its number of entries.
        metadata: what is worth knowing of it, JSON-able: luminosity, expected yields, what its truth branches mean.
        block: the branches of block k, given k and the number of its events.
        units: of the branches that have one.
    """

    file: str
    tree: str
    n_events: int
    metadata: dict[str, Any]
    block: Callable[[int, int], dict[str, Any]]
    units: Mapping[str, str] = field(default_factory=dict)

    def blocks(self) -> Iterator[dict[str, Any]]:
        """The branches of one block after the other."""
        for index, length in block_lengths(self.n_events):
            yield self.block(index, length)
