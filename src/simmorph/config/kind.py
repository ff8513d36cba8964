"""What a method changes: the one thing about it that the steps of the pipeline ask for."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a method changes, and what it needs for that."""

    MORPH = "morph"
    REWEIGHT = "reweight"
    GENERATE = "generate"

    @property
    def needs_source(self) -> bool:
        """Whether it learns from the source and looks at its features; else it draws features at a context."""
        return self is not Kind.GENERATE

    @property
    def changes_features(self) -> bool:
        """Whether features change; else weights alone."""
        return self is not Kind.REWEIGHT
