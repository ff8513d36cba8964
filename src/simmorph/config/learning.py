"""What a model depends on: samples, variables, method and training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from simmorph.config.documents import Inputs, Name, Names, Section
from simmorph.config.preprocessing import Variable
from simmorph.config.training import TrainingSettings
from simmorph.config.values.weights import SampleName, Weight, weight_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.config.preprocessing import Bounds


class NamedMethod(Section):
    """The name of a method, and the keywords of its constructor."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: Name
    """A name in METHODS; `simmorph schema` lists them."""

    @property
    def options(self) -> dict[str, Any]:
        """The keywords."""
        return dict(self.model_extra or {})


class ThenSettings(NamedMethod):
    """A reweighting that is learnt between what a morph makes of the source and the target."""


def _as_named(value: Any) -> Any:
    """A name alone is as good as a block with it."""
    return {"name": value} if isinstance(value, str) else value


class MethodSettings(NamedMethod):
    """The method's name, the keywords of its constructor, and what is to be done after it."""

    then: Annotated[ThenSettings, BeforeValidator(_as_named, json_schema_input_type=Name | ThenSettings)] | None = None
    """A reweighting of what a morph leaves over, by its name or as a block with options: `then: bdt`. Its factors go
    into `weight_morphed`, and cost statistical power as all weights do."""

    def decisive(self) -> dict[str, Any]:
        """As in Section; nothing that follows is no key, so that such a model is what it was."""
        return {key: value for key, value in super().decisive().items() if key != "then" or value is not None}

    @property
    def words(self) -> str:
        """The method in words."""
        return f"{self.name} then {self.then.name}" if self.then else self.name


class ReweightSettings(NamedMethod):
    """What makes the context of source and target agree before anything is learnt: a method that changes weights."""

    name: Name = "histogram"
    """A reweighting in METHODS; its options stand beside it."""
    variables: list[Name] | None = None
    """The context variables that are to agree; all of them by default."""


ENTRY = "entry"
"""In place of a branch that tells events apart: row by row."""


class PairSettings(Section):
    """How source and target are known to be the same events, as in fast and full simulation of one sample."""

    by: Names
    """The branches, of whole numbers in both samples, that tell events apart; or `entry`, where the samples have the
    same events row by row."""
    target_features: dict[Name, Name] = Field(default_factory=dict)
    """The target's branch for each feature that has another name there, as `pt: pt_generated`."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The branches that tell events apart; none where rows do."""
        return () if self.by == [ENTRY] else tuple(self.by)


def _as_pairs(value: Any) -> Any:
    """The names alone are as good as a block with them."""
    return {"by": value} if isinstance(value, (str, list)) else value


class Problem(Section):
    """What is made to look like what: the part that a recipe and a comparison of methods share.

    Paths are relative to the folder in which the command runs.
    """

    source: Inputs | None = None
    """The sample to be morphed, usually simulation: flat ntuples written by select."""
    target: Inputs | None = None
    """The sample it should look like, usually data."""
    tree: Name = "events"
    """The tree in source and target."""
    features: Annotated[list[Name], Field(min_length=1)]
    """The branches that are morphed."""
    context: list[Name] = Field(default_factory=list)
    """The branches that the map is conditioned on."""
    weight: Weight | None = None
    """The event weights, an expression of branches, or one for each sample: `{source: abs(w) * sf, target: 1}`; without
    it every event counts 1."""
    region: str | None = None
    """Cut on source and target for training, as an expression of branches."""
    pairs: (
        Annotated[PairSettings, BeforeValidator(_as_pairs, json_schema_input_type=Name | list[Name] | PairSettings)]
        | None
    ) = None
    """What tells events apart, where source and target are the same ones: a branch or several, such as
    `[run, event]`, or `entry` for row by row. `paired` learns from it, and how far each event is from its partner is
    reported of every method."""
    preprocessing: dict[str, Variable] = Field(default_factory=dict)
    """Steps and bounds for each feature or context variable; steps that are left out are proposed from the data."""
    reweight: ReweightSettings | None = None
    """Reweight the source to the target's spectrum of contexts first; the factors go into `weight_morphed`."""

    def weight_of(self, sample: SampleName) -> str | None:
        """The expression of the weights of source or target; None where every event counts 1."""
        return weight_of(self.weight, sample)

    def bounds_of(self, names: Sequence[str]) -> list[Bounds | None]:
        """The bounds of each of these variables; None where none are declared."""
        known = self.preprocessing
        return [known[name].bounds if name in known else None for name in names]

    @model_validator(mode="after")
    def _name_each_variable_once(self) -> Self:
        names = self.features + self.context
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(map(repr, twice))} stands twice in features and context")
        stray = sorted(set(self.preprocessing) - set(names))
        if stray:
            raise ValueError(f"preprocessing names {stray[0]!r}, which is neither a feature nor context")
        return self

    @model_validator(mode="after")
    def _pair_known_features(self) -> Self:
        stray = sorted(set(self.pairs.target_features if self.pairs else ()) - set(self.features))
        if stray:
            raise ValueError(f"pairs.target_features names {stray[0]!r}, which is no feature")
        if self.pairs and self.reweight:
            raise ValueError("with pairs source and target are the same events: leave `reweight` out")
        return self

    @model_validator(mode="after")
    def _reweight_context(self) -> Self:
        wanted = self.reweight and (self.reweight.variables or self.context)
        if wanted == []:
            raise ValueError("reweight makes the context agree, and there is no context")
        stray = sorted(set(wanted or ()) - set(self.context))
        if stray:
            raise ValueError(f"reweight.variables names {stray[0]!r}, which is not in context")
        return self


class Learning(Problem):
    """Everything in a recipe that a model depends on: another value of any key is another model.

    Keys of `training:` that are marked as INCIDENTAL are the exception.
    """

    method: MethodSettings
    """What is learnt."""
    training: TrainingSettings = TrainingSettings()
    """How it is learnt."""

    @property
    def learning(self) -> Learning:
        """These keys alone, without those that a recipe adds."""
        return Learning(**{name: getattr(self, name) for name in Learning.model_fields})
