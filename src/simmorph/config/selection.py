"""A selection: which photon pairs are taken from which ntuples, in one YAML file."""

from __future__ import annotations

import importlib.resources
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from simmorph.config.documents import Document, Section, read_document, validate
from simmorph.errors import ConfigError, one_of

RESERVED = ("weight", "run", "event", "source_file", "source_entry")
"""Branches that every output has."""


def _word(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(f"{name!r} is not a name: letters, digits and underscores are")
    return name


def _text(value: object) -> object:
    """`data: 1` is an expression too."""
    return str(value) if isinstance(value, (int, float)) else value


Word = Annotated[str, AfterValidator(_word)]
Formula = Annotated[str, BeforeValidator(_text, json_schema_input_type=str | float), Field(min_length=1)]
"""An expression of columns; see selections/README.md."""


class UnitSettings(Section):
    """Units of the input; the output is in GeV."""

    energy: Literal["MeV", "GeV"]
    """Unit of the branches listed as energies."""


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


class WeightSettings(Section):
    """Event weights of simulation and data, and how they are recognised."""

    simulation: Formula = "1"
    """Weight of a simulated event."""
    data: Formula = "1"
    """Weight of an event of real data, where the branches for simulation hold placeholders such as 0."""
    data_if: Formula | None = None
    """Events for which this is true are data."""
    data_if_missing: str | None = None
    """A file without this branch is data."""


class Selection(Section):
    """An event selection.

    Names in expressions are, in this order: a variable defined above, a property of an object such as photon_pt (after
    the object's cuts, ordered, in GeV), or a branch of the tree.
    """

    tree: str
    """The tree to read; `--tree` overrides it."""
    units: UnitSettings
    """Units of the input."""
    energies: list[str] = Field(default_factory=list)
    """Branches of one number per event that are energies; they are converted to GeV."""
    angles: list[str] = Field(default_factory=list)
    """Branches of one number per event that are angles in radians."""
    run: str | None = None
    """Branch of the run number, kept as `run`."""
    event: str | None = None
    """Branch of the event number, kept as `event`."""
    objects: dict[Word, ObjectSettings] = Field(default_factory=dict)
    """The lists of objects."""
    variables: Annotated[dict[Word, Formula], Field(min_length=1)]
    """Name of each branch to write: its expression. Later ones can use earlier ones."""
    cuts: dict[str, Formula] = Field(default_factory=dict)
    """Name of each cut: what an event must fulfil, in the order of the cutflow."""
    regions: dict[Word, Formula] = Field(default_factory=dict)
    """Name of each region: an expression, written as the boolean branch `in_<name>`. No event is dropped."""
    weight: WeightSettings = WeightSettings()
    """The event weights."""

    @model_validator(mode="after")
    def _name_each_branch_once(self) -> Selection:
        for name in self.variables:
            if name in RESERVED or name.removeprefix("in_") in self.regions:
                raise ValueError(f"variable {name!r} has the name of another output branch")
        return self


def shipped_selections() -> dict[str, Path]:
    """The selections that come with simmorph: in an installed package inside it, in a checkout beside `src`."""
    package = Path(str(importlib.resources.files("simmorph")))
    for folder in (package / "selections", package.parent.parent / "selections"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def read_selection(name_or_file: str) -> tuple[Selection, Document]:
    """The selection of this name or in this file, and the document that knows its lines.

    Raises:
        ConfigError: there is no such selection, or it is not valid.
    """
    shipped = shipped_selections()
    path = shipped.get(name_or_file, Path(name_or_file))
    is_name = path.name == name_or_file and path.suffix not in (".yaml", ".yml")
    if is_name and not path.is_file():
        hint = one_of(name_or_file, shipped)
        raise ConfigError(name_or_file, "there is no selection of this name", f"{hint}; or name a YAML file")
    document = read_document(path)
    return validate(document, Selection), document
