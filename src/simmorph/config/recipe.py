"""The recipe: one analysis in one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from simmorph.config.documents import Document, Inputs, Name, Section, read_document, validate
from simmorph.config.effect import APPLY, refusal
from simmorph.config.evaluation import EvaluateSettings
from simmorph.config.learning import Learning
from simmorph.config.limits import LimitsRecipe, LimitsSettings
from simmorph.config.studies import CoverageSettings, ScanSettings
from simmorph.config.values.compression import Compression
from simmorph.config.variables import NamedVariables
from simmorph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence


class ToySettings(Section):
    """A simulated input: `simmorph toy NAME`."""

    name: Name
    """Which toy."""
    output: Path
    """Folder for its files."""
    events: Annotated[int, Field(gt=0)] = 100_000
    """Events in each sample."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Start of its random numbers."""


class ReadSettings(Section):
    """How files are read through a selection, the same in `select` and `apply`."""

    sample: Name = "auto"
    """Take every file for this sample of the selection, or for data or simulation, instead of asking the selection."""
    overrides: list[Name] = Field(default_factory=list)
    """Keys of the selection that are set, as by `--set`: `luminosity=10 /fb`."""
    on_bad_file: Literal["fail", "skip"] = "fail"
    """Stop at a bad file, or leave it out."""
    allow_empty: bool = False
    """Write an output without rows where no event passes, or none is there."""


class SelectSettings(ReadSettings):
    """One run of `simmorph select`."""

    input: Inputs
    """ROOT files."""
    selection: Name
    """Name of a shipped selection, or a file."""
    output: Path
    """The flat ntuple to write."""
    tree: Name | None = None
    """The tree to read; the selection's by default."""


class MadeInputs(Section):
    """The steps that make the samples, before anything is learnt."""

    toy: ToySettings | None = None
    """The simulated input that the chain starts from."""
    select: list[SelectSettings] = Field(default_factory=list)
    """The selections that are made first."""
    compression: Compression = "zstd"
    """Of the baskets of all ntuples that are written."""


class ApplySettings(ReadSettings):
    """One run of `simmorph apply`."""

    input: Inputs | None = None
    """Flat ntuples, or original ones with a selection; for new events, those whose contexts they take."""
    selection: Name | None = None
    """Makes events of original ntuples; a friend tree of these is written."""
    friend: bool = False
    """Write only the new branches, entry by entry, as tree `morphed`."""
    full_copy: bool = False
    """With a selection: write a copy of the original ntuples with the new branches, in place of a friend tree."""
    tree: Name | None = None
    """The tree to read; that of the recipe or selection by default."""
    n_events: Annotated[int, Field(gt=0)] | None = None
    """Draw so many new events from a generator, in place of those of the input."""
    seed: Annotated[int, Field(ge=0)] | None = None
    """Start of all random numbers; the model's own by default."""
    output: Path
    """The ntuple to write, or the folder for those of each input."""
    each: bool = False
    """Write a file of its own for each input, with its name; one without entries becomes one without rows."""
    missing_branches: Literal["fill", "drop"] = "fill"
    """What becomes of a branch that only some inputs have: in the rows of the others stands NaN, false, the lowest
    integer (the highest, if unsigned) or an empty list; or the copy lacks it."""
    replicas: bool | Literal["files", "branches"] = True
    """Write what the replicas of the model make too, where it has some: into files OUT.replica01.root, ..., or into
    branches `<name>_morphed_r01`, ... of the same file."""

    @model_validator(mode="after")
    def _write_something(self) -> Self:
        if self.input is None and self.n_events is None:
            raise ValueError("give `input`, or how many events a generator draws: `n_events`")
        if self.in_branches and self.n_events is not None:
            raise ValueError("replicas draw events of their own, which are no branches of others: write files")
        for key in filter(self._is_given, APPLY):
            if found := refusal(APPLY[key], self._is_given):
                mend = f"give {found.other}" if found.is_needed else f"leave out this or {found.other}"
                raise ValueError(f"{key}: {found.why}; {mend}")
        return self

    def _is_given(self, key: str) -> bool:
        """Whether a key has another value than by default."""
        return bool(getattr(self, key) != type(self).model_fields[key].get_default(call_default_factory=True))

    @property
    def copies(self) -> bool:
        """Whether the input is copied, and the new branches do not stand in a tree of their own."""
        return self.full_copy if self.selection is not None else not self.friend

    @property
    def in_branches(self) -> bool:
        """Whether replicas write branches of the same file."""
        return self.replicas == "branches"


class Recipe(Learning, MadeInputs, NamedVariables):
    """One analysis: what is morphed to look like what, by which method, and what is done with it.

    Paths are relative to the folder in which the command runs.
    """

    model: Path | None = None
    """The model folder."""
    template: Path | None = None
    """The morphed source, or what a generator draws without one."""
    n_events: Annotated[int, Field(gt=0)] | None = None
    """How many events a generator without a source draws into the template; as many as the target has by default."""
    apply: list[ApplySettings] = Field(default_factory=list)
    """Further ntuples that `run` morphs."""
    replicas: Annotated[int, Field(ge=2)] | None = None
    """Train so many bootstrap replicas too, for the uncertainty of training; each of them writes the template, and what
    else the model is applied to, into a file of its own."""
    evaluate: EvaluateSettings = EvaluateSettings()
    """How the map is judged."""
    limits: LimitsSettings | None = None
    """How it becomes physics."""
    coverage: CoverageSettings | None = None
    """How often the limits hold the truth."""
    scan: ScanSettings | None = None
    """What the limits are over a grid."""

    @model_validator(mode="after")
    def _draw_without_source(self) -> Self:
        if self.n_events is not None and self.source is not None:
            raise ValueError("n_events is for a generator without a source: leave out one of the two")
        return self

    def without(self, *keys: str) -> Recipe:
        """The same as if these keys were not given."""
        kept = {key: getattr(self, key) for key in type(self).model_fields if key not in keys}
        return Recipe.model_construct(**kept)  # checked already, and a label may be of what is left out


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        path: the YAML file.
        overrides: assignments such as `training.epochs=5`, applied before the check.

    Raises:
        ConfigError: with file, line and the nearest valid name.
    """
    return validate(read_document(path).with_overrides(overrides), Recipe)


def load_any_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe | LimitsRecipe:
    """Read and check a recipe that may hold nothing but limits; see `load_recipe`."""
    return any_recipe(read_document(path).with_overrides(overrides))


def any_recipe(document: Document) -> Recipe | LimitsRecipe:
    """A recipe of one method, or of limits alone.

    Raises:
        ConfigError: it is neither.
    """
    is_limits_alone = "method" not in document.content and "limits" in document.content
    return validate(document, LimitsRecipe) if is_limits_alone else validate(document, Recipe)


def required(value: Any, key: str, option: str) -> Any:
    """A value of the recipe that this step cannot do without.

    Raises:
        ConfigError: it was neither in the recipe nor on the command line.
    """
    if value is None:
        raise ConfigError("recipe", f"key {key!r} is missing", f"add `{key}:` or give {option}")
    return value
