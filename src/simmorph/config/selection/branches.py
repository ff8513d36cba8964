"""Branches that have another name in some files, or are missing there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from simmorph.config.documents import Name, Section

Names = Annotated[list[Name], Field(min_length=1)]


class BranchChoice(Section):
    """One of several branches, or several taken together, and what stands for them in a file that has none."""

    first_of: Names | None = None
    """The first of these branches that the file has."""
    any_of: Names | None = None
    """True where one of these branches is, of those that the file has; not more than one if they are no booleans."""
    missing: bool | int | float | None = None
    """The value in a file that has none of them, in the unit of the branch; without it such a file is refused."""

    @model_validator(mode="after")
    def _name_some(self) -> BranchChoice:
        if (self.first_of is None) == (self.any_of is None):
            raise ValueError("name branches under `first_of` or under `any_of`")
        return self

    @property
    def names(self) -> list[str]:
        """The branches, in the order of preference."""
        return self.first_of or self.any_of or []


Branch = Name | Names | BranchChoice
"""A branch; a list of names, of which the first is taken that the file has; or a choice."""


def choice_of(branch: str | list[str] | BranchChoice) -> BranchChoice:
    """However it is written, as a choice."""
    if isinstance(branch, BranchChoice):
        return branch
    return BranchChoice(first_of=[branch] if isinstance(branch, str) else branch)
