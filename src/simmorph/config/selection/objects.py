"""Lists of objects: their branches, cuts and order."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from simmorph.config.documents import Section
from simmorph.config.selection.names import Formula, Word
from simmorph.errors import one_of


class ObjectSettings(Section):
    """One kind of object, of which an event has a list: cleaned by cuts and ordered."""

    branches: Annotated[dict[Word, str], Field(min_length=1)]
    """Name of each property: the branch it is in. Expressions of events call it OBJECT_PROPERTY, as in photon_pt."""
    energies: list[Word] = Field(default_factory=list)
    """The properties that are energies; they are converted to GeV."""
    angles: list[Word] = Field(default_factory=list)
    """The properties that are angles in radians."""
    cuts: list[Formula] = Field(default_factory=list)
    """What an object must fulfil to be kept, as expressions of its properties (without the object's name)."""
    order_by: Word | None = None
    """The property by which objects are ordered, largest first."""

    @model_validator(mode="after")
    def _know_each_property(self) -> ObjectSettings:
        for name in (*self.energies, *self.angles, *((self.order_by,) if self.order_by else ())):
            if name not in self.branches:
                raise ValueError(f"{name!r} is not one of its branches; {one_of(name, self.branches)}")
        return self
