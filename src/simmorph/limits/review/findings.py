"""What all findings beside a limit have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Finding(ABC):
    """Something that is found beside a limit.

    A new kind is a class in a file of its own, and its drawing in `report.drawn.DRAWN`. It has a place in the JSON, in
    the table for people and in the folder.
    """

    name: ClassVar[str]
    """Its key in JSON and the name of its files."""

    @abstractmethod
    def to_json(self) -> Any:
        """All numbers, ready for JSON."""

    @abstractmethod
    def table(self) -> tuple[Sequence[str], Iterable[Iterable[float | str | None]]]:
        """Header and rows of its CSV."""

    def rows(self) -> list[tuple[str, str]]:
        """What people read of it in the table of results, a label and a value each."""
        return []
