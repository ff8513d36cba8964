"""A value of a JSON document that knows its place in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simmorph.errors import InputError, one_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Node:
    """A value, and where it stands.

    Attributes:
        value: plain JSON.
        file: the document.
        place: the way to it from the top.
    """

    value: Any
    file: str
    place: str = ""

    def fault(self, what: str, mend: str = "") -> InputError:
        """An error with file and place."""
        return InputError(f"{self.file}, {self.place}" if self.place else self.file, what, mend)

    def has(self, key: str) -> bool:
        """Whether it is a block with this key."""
        return isinstance(self.value, dict) and key in self.value

    def of(self, key: str) -> Node:
        """The value of a key.

        Raises:
            InputError: there is none.
        """
        if not self.has(key):
            known = list(self.value) if isinstance(self.value, dict) else []
            raise self.fault(f"key {key!r} is missing", one_of(key, known))
        return self.inner(key, self.value[key])

    def inner(self, key: object, value: Any) -> Node:
        """A value in it."""
        return Node(value, self.file, f"{self.place}/{key}".strip("/"))

    def each(self, key: str) -> Iterator[Node]:
        """The values of a list; of none if the key is missing.

        Raises:
            InputError: it is no list.
        """
        found = self.of(key) if self.has(key) else self.inner(key, [])
        if not isinstance(found.value, list):
            raise found.fault("is not a list")
        return (found.inner(i, it) for i, it in enumerate(found.value))

    def text(self, key: str) -> str:
        """A value that is a text.

        Raises:
            InputError: it is missing, or none.
        """
        found = self.of(key)
        if not isinstance(found.value, str):
            raise found.fault(f"{found.value!r} is not a text"[:200])
        return found.value

    def number(self, key: str) -> float:
        """A value that is a number.

        Raises:
            InputError: it is missing, or none.
        """
        return self.of(key).as_number()

    def as_number(self) -> float:
        """The value, if it is a number.

        Raises:
            InputError: it is none.
        """
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise self.fault(f"{self.value!r} is not a number"[:200])
        return float(self.value)

    def numbers(self, key: str) -> list[float]:
        """A list of numbers.

        Raises:
            InputError: it is missing, or none.
        """
        self.of(key)
        return [it.as_number() for it in self.each(key)]

    def texts(self, key: str) -> list[str]:
        """A list of texts; an empty one if the key is missing.

        Raises:
            InputError: it is none.
        """
        found = list(self.each(key))
        if wrong := [it for it in found if not isinstance(it.value, str)]:
            raise wrong[0].fault("is not a text")
        return [it.value for it in found]

    def named(self, key: str) -> dict[str, Node]:
        """The blocks of a list by their names."""
        return {it.text("name"): it for it in self.each(key)}
