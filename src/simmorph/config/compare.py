"""The recipe of `simmorph compare`: one input, many methods, one judge."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads it
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from simmorph.config.documents import INCIDENTAL, Name, Section, read_document, validate
from simmorph.config.evaluation import JudgeName, TwoNames
from simmorph.config.learning import Learning, MethodSettings, Problem
from simmorph.config.recipe import MadeInputs, Recipe, load_any_recipe
from simmorph.config.training import TrainingSettings
from simmorph.config.values.labels import Label
from simmorph.config.variables import NamedVariables
from simmorph.errors import ConfigError, one_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.config.limits import LimitsRecipe

PositiveInt = Annotated[int, Field(gt=0)]
UNMORPHED, TARGET = "unmorphed", "target"
"""Labels of the rows that are always there: the source as it is, and the target against itself."""
SPLIT_KEYS = ("seed", "validation", "holdout")
"""Keys of `training:` that split the events, the same for all methods."""


class ComparedMethod(MethodSettings):
    """One row of the table: a method, its keywords, and what it is called."""

    label: Annotated[Label, Field(min_length=1)] | None = None
    """What the row is called; by default the method's name, and that of what is done then."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Keys of the shared `training:` block that are different for this method."""

    @property
    def title(self) -> str:
        """What the row is called."""
        return self.label or self.words

    @property
    def method(self) -> MethodSettings:
        """The method as a recipe's `method:` block."""
        return MethodSettings(name=self.name, then=self.then, **self.options)


class JudgeSettings(Section):
    """By what the methods are measured; the same for all."""

    regions: dict[str, str] = Field(default_factory=dict)
    """Named cuts in which everything is measured separately; the region of training, or all events, by default."""
    inputs: dict[Name, Annotated[list[Name], Field(min_length=1)]] = Field(default_factory=dict)
    """Named lists of variables that the classifier sees; features and context by default."""
    derived: dict[str, str] = Field(default_factory=dict)
    """Quantities recomputed from the features, as expressions: `m_yy: sqrt(...)`."""
    pairs: list[TwoNames] = Field(default_factory=list)
    """Pairs whose correlations are to agree, the others are averaged; by default those correlated in the target."""
    periodic: list[str] | None = None
    """Features that are angles; by default those whose unit is rad."""
    classifier: JudgeName = "trees"
    """The classifier whose AUC ranks the methods."""
    max_events: Annotated[int, Field(ge=100)] = 50_000
    """Largest number of events of each sample that the classifier sees."""
    label: Annotated[Label, INCIDENTAL] = ""
    """The experiment's label on the plot and page, such as `ATLAS Open Data`."""


class CompareRecipe(Problem, MadeInputs, NamedVariables):
    """Many methods on the same events, with the same seeds, measured in the same way.

    Paths are relative to the folder in which the command runs.
    """

    training: TrainingSettings = TrainingSettings()
    """How every method is learnt, where its own `training:` does not say otherwise."""
    methods: Annotated[list[ComparedMethod], Field(min_length=1)]
    """What is compared; the unmorphed source, `quantile`, `copula` and the target against itself are always added."""
    judge: JudgeSettings = JudgeSettings()
    """By what the methods are measured."""
    seeds: PositiveInt = 1
    """How often everything is repeated: each time with another split of the events and start of the networks."""
    jobs: PositiveInt = 1
    """Processes that train at the same time, with one thread each."""
    output: Path | None = None
    """The folder to write."""

    @model_validator(mode="after")
    def _check_rows(self) -> Self:
        titles = [method.title for method in self.methods]
        for title in titles:
            if titles.count(title) > 1 or title in {UNMORPHED, TARGET}:
                raise ValueError(f"two rows are called {title!r}: give the methods a `label:` of their own")
        for number, method in enumerate(self.methods):
            self._check_training(number, method)
        return self

    def _check_training(self, number: int, method: ComparedMethod) -> None:
        unfair = next((key for key in SPLIT_KEYS if key in method.training), None)
        if unfair:
            raise ValueError(f"methods.{number}.training: {unfair!r} splits the events, the same for all methods")
        stray = sorted(set(method.training) - set(TrainingSettings.model_fields))
        if stray:
            mend = one_of(stray[0], TrainingSettings.model_fields)
            raise ValueError(f"methods.{number}.training: unknown key {stray[0]!r}; {mend}")
        try:
            self.training_of(method)
        except ValidationError as error:
            fault = error.errors()[0]
            key = ".".join(map(str, fault["loc"]))
            raise ValueError(f"methods.{number}.training.{key}: {fault['msg']}, not {fault['input']!r}") from error

    def training_of(self, method: ComparedMethod, repeat: int = 0) -> TrainingSettings:
        """How one method is learnt in one repeat: the shared settings, its own, and the seed that all methods share."""
        settings = self.training.model_dump() | method.training
        return TrainingSettings.model_validate(settings | {"seed": self.training.seed + repeat})

    def learning_of(self, method: ComparedMethod, repeat: int = 0) -> Learning:
        """What one method learns in one repeat, as a recipe of this method alone would say it."""
        shared = {name: getattr(self, name) for name in Problem.model_fields}
        return Learning(**shared, method=method.method, training=self.training_of(method, repeat))


def load_compare_recipe(path: str | Path, overrides: Sequence[str] = ()) -> CompareRecipe:
    """Read and check the recipe of a comparison.

    Raises:
        ConfigError: with file, line and the nearest valid name.
    """
    document = read_document(path).with_overrides(overrides)
    if "method" in document.content and "methods" not in document.content:
        where = document.where(("method",))
        raise ConfigError(where, "this is a recipe of one method", "list several under `methods:`, or run it by train")
    return validate(document, CompareRecipe)


def load_recipe_of_any_kind(path: str | Path, overrides: Sequence[str] = ()) -> Recipe | LimitsRecipe | CompareRecipe:
    """Read and check a recipe of one method, of many, or of limits alone; see `load_recipe`."""
    is_comparison = "methods" in read_document(path).with_overrides(overrides).content
    return load_compare_recipe(path, overrides) if is_comparison else load_any_recipe(path, overrides)
