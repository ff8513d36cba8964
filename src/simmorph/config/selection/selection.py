"""A selection: which photon pairs are taken from which ntuples, in one YAML file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simmorph.config.documents import Section
from simmorph.config.selection.branches import Branch
from simmorph.config.selection.certified import CertifiedRuns
from simmorph.config.selection.names import Formula, Word
from simmorph.config.selection.objects import ObjectSettings
from simmorph.config.selection.samples import Normalised
from simmorph.config.selection.weight import WeightSettings
from simmorph.errors import one_of

RESERVED = ("weight", "run", "event", "source_file", "source_entry", "source_object")
"""Branches that every output has."""


CERTIFIED = "certified runs"
"""What the cut on certified runs is called in the cutflow."""


class UnitSettings(Section):
    """Units of the input; the output is in GeV."""

    energy: Literal["MeV", "GeV"]
    """Unit of the branches listed as energies."""


class Selection(Normalised):
    """An event selection.

    Names in expressions are, in this order: a variable or definition above, a property of an object such as photon_pt
    (after the object's cuts, ordered, in GeV), one of `branches`, or a branch of the tree.
    """

    tree: str
    """The tree to read; `--tree` overrides it."""
    units: UnitSettings
    """Units of the input."""
    branches: dict[Word, Branch] = Field(default_factory=dict)
    """Names for branches that are called otherwise in some files, or are missing there."""
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
    rows: Word | None = None
    """Write a row for each object of this kind that is left, in place of one for each event: an expression then has one
    value for each of these objects, such as photon_pt, or for each event, which stands beside all objects of it."""
    define: dict[Word, Formula] = Field(default_factory=dict)
    """Name of each number, condition or list that several expressions use, and that is not written: its expression."""
    variables: Annotated[dict[Word, Formula], Field(min_length=1)]
    """Name of each branch to write: its expression. Later ones can use earlier ones."""
    cuts: dict[str, Formula] = Field(default_factory=dict)
    """Name of each cut: what an event must fulfil, in the order of the cutflow."""
    regions: dict[Word, Formula] = Field(default_factory=dict)
    """Name of each region: an expression, written as the boolean branch `in_<name>`. No event is dropped."""
    weight: WeightSettings = WeightSettings()
    """The event weights."""

    certified_runs: CertifiedRuns | None = None
    """The lumi sections of data that count, the first line of the cutflow; it needs `run`."""
    variations: dict[Word, Annotated[dict[str, Formula], Field(min_length=1)]] = Field(default_factory=dict)
    """Name of each systematic variation: what differs in simulation. `photon.pt: photon_pt_up` takes another branch
    for a property, `met: met_up` another expression for a variable: the selection is run once more, into the tree
    `events_<name>`. `weight: mcWeight * pu_up` alone is written as the branch `weight_<name>`."""

    def files_beside(self) -> list[str]:
        """What is read besides the inputs."""
        return [*super().files_beside(), *([self.certified_runs.file] if self.certified_runs else [])]

    @model_validator(mode="after")
    def _certify_by_run(self) -> Selection:
        if self.certified_runs and not self.run:
            raise ValueError("certified_runs: add `run:`, the branch of the run number")
        if self.certified_runs and CERTIFIED in self.cuts:
            raise ValueError(f"cuts: {CERTIFIED!r} is what certified_runs is called in the cutflow; rename it")
        return self

    @model_validator(mode="after")
    def _name_each_weight_once(self) -> Selection:
        for name in self.variations:
            if f"weight_{name}" in self.variables:
                raise ValueError(f"variables: 'weight_{name}' has the name of the weight of a variation")
        return self

    @model_validator(mode="after")
    def _name_each_branch_once(self) -> Selection:
        for name in self.variables:
            if name in self.define:
                raise ValueError(f"variable {name!r} stands under `define` too")
            if name in RESERVED or name.removeprefix("in_") in self.regions:
                raise ValueError(f"variable {name!r} has the name of another output branch")
        if self.rows is not None and self.rows not in self.objects:
            raise ValueError(f"rows: {self.rows!r} is none of its objects; {one_of(self.rows, self.objects)}")
        return self
