"""Lists of objects: their branches or the pairs they are, properties, cuts and order."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simmorph.config.documents import Section
from simmorph.config.selection.branches import Branch
from simmorph.config.selection.names import Formula, Word
from simmorph.errors import one_of


class ObjectSettings(Section):
    """One kind of object, of which an event has a list: cleaned by cuts and ordered.

    Expressions here call properties by their name alone. They can use objects that are defined above, after the cuts of
    those, and whatever an event has.
    """

    branches: dict[Word, Branch] = Field(default_factory=dict)
    """Name of each property: the branch it is in. Expressions of events call it OBJECT_PROPERTY, as in photon_pt."""
    pairs_of: Annotated[list[Word], Field(min_length=2, max_length=2)] | None = None
    """Instead of branches: two objects defined above, of which these are all pairs; of one with itself each once. They
    have mass, pt, eta, phi, delta_r and charge, and the properties of both as first_NAME and second_NAME."""
    properties: dict[Word, Formula] = Field(default_factory=dict)
    """Name of each property that is computed: its expression. Later ones can use earlier ones."""
    energies: list[Word] = Field(default_factory=list)
    """The branches that are energies; they are converted to GeV."""
    angles: list[Word] = Field(default_factory=list)
    """The branches that are angles in radians."""
    cuts: list[Formula] = Field(default_factory=list)
    """What an object must fulfil to be kept, as expressions of its properties."""
    order_by: Formula | None = None
    """The expression by which objects are ordered, largest first; NaN is last."""
    order: Literal["descending", "ascending"] = "descending"
    """Whether the largest or the smallest is first."""

    @model_validator(mode="after")
    def _be_of_one_kind(self) -> ObjectSettings:
        if bool(self.branches) == (self.pairs_of is not None):
            raise ValueError("an object has either branches or `pairs_of`")
        twice = self.branches.keys() & self.properties.keys()
        if twice:
            raise ValueError(f"property {min(twice)!r} is defined twice")
        return self

    @model_validator(mode="after")
    def _know_each_property(self) -> ObjectSettings:
        for name in (*self.energies, *self.angles):
            if name not in self.branches:
                raise ValueError(f"{name!r} is not one of its branches; {one_of(name, self.branches)}")
        known = [*self.branches, *self.properties]
        order = self.order_by or ""
        if order.isidentifier() and self.pairs_of is None and order not in known:
            raise ValueError(f"{order!r} is not one of its properties; {one_of(order, known)}")
        return self
