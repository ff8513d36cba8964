"""The recipe's `preprocessing:` block: the steps between a variable in physical units and what a network sees.

A step is its name, or its name with options:

    preprocessing:
      pt1: [log, standardise]
      eta1: [{name: gaps, edges: [[-1.52, -1.37], [1.37, 1.52]]}, quantile]
      phi1: periodic
      r9: {bounds: [0, 1]}   # no method leaves them; steps can stand beside
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from simmorph.config.documents import Section, as_list
from simmorph.errors import one_of

Finite = Annotated[float, Field(allow_inf_nan=False)]
Bounds = tuple[Finite | None, Finite | None]


class StandardiseSettings(Section):
    """Subtract the mean, divide by the standard deviation."""

    name: Literal["standardise"] = "standardise"
    """The step."""


class LogSettings(Section):
    """The logarithm of x + shift: nothing that comes back lies below -shift. Or of the distance to an upper bound."""

    name: Literal["log"] = "log"
    """The step."""
    shift: float | None = None
    """Added first; without it 0 if all values are positive, else just enough."""
    upper: float | None = None
    """An upper bound in place of `shift`: -log(upper - x), and nothing that comes back lies above."""

    @model_validator(mode="after")
    def _have_one_bound(self) -> LogSettings:
        if self.shift is not None and self.upper is not None:
            raise ValueError("log takes shift or upper, and logit two bounds")
        return self


class LogitSettings(Section):
    """The logit of the place between two bounds: nothing that comes back lies outside of them."""

    name: Literal["logit"] = "logit"
    """The step."""
    low: float | None = None
    """Lower bound; without it the edge of the values."""
    high: float | None = None
    """Upper bound; without it the edge of the values."""

    @model_validator(mode="after")
    def _order_the_bounds(self) -> LogitSettings:
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        return self


class QuantileSettings(Section):
    """The empirical distribution made normal; beyond the values a straight line."""

    name: Literal["quantile"] = "quantile"
    """The step."""
    knots: Annotated[int, Field(ge=2, le=10_000)] = 100
    """Points that are joined by straight lines."""


class PeriodicSettings(Section):
    """An angle: the circle is cut open at a seam and stretched to the line; what comes back is in (-pi, pi]."""

    name: Literal["periodic"] = "periodic"
    """The step."""
    seam: float | None = None
    """Where to cut, in radians; without it where the fewest events are."""
    relative_to: str | None = None
    """Another angle among the features that is subtracted first, so that their difference is what is morphed."""


class DequantiseSettings(Section):
    """Values that repeat exactly, such as zeros, spread over an interval of their own; they come back exactly."""

    name: Literal["dequantise"] = "dequantise"
    """The step."""
    values: Annotated[list[float], Field(min_length=1)] | None = None
    """The values; without it those that 1 % of the events share."""


class GapsSettings(Section):
    """Regions where no event can be are closed, and opened again: nothing that comes back lies in them."""

    name: Literal["gaps"] = "gaps"
    """The step."""
    edges: Annotated[list[tuple[float, float]], Field(min_length=1)] | None = None
    """Pairs of edges; without it wide empty stretches between events are taken."""

    @model_validator(mode="after")
    def _keep_gaps_apart(self) -> GapsSettings:
        ordered = sorted(self.edges or [])
        flat = [edge for pair in ordered for edge in pair]
        if flat != sorted(flat) or any(low == high for low, high in ordered):
            raise ValueError(f"the gaps {ordered} overlap or are empty")
        return self


StepSettings = (
    StandardiseSettings
    | LogSettings
    | LogitSettings
    | QuantileSettings
    | PeriodicSettings
    | DequantiseSettings
    | GapsSettings
)

STEP_SETTINGS: dict[str, type[Section]] = {
    "standardise": StandardiseSettings,
    "log": LogSettings,
    "logit": LogitSettings,
    "quantile": QuantileSettings,
    "periodic": PeriodicSettings,
    "dequantise": DequantiseSettings,
    "gaps": GapsSettings,
}
"""Every step by its name."""


def _named(value: Any) -> Any:
    """The step as a block, after a look at its name and options, for which pydantic's own messages are of no help."""
    settings = {"name": value} if isinstance(value, str) else value
    if not isinstance(settings, dict):
        return settings
    name = str(settings.get("name", "without a name"))
    if name not in STEP_SETTINGS:
        raise ValueError(f"unknown step {name!r}; {one_of(name, STEP_SETTINGS)}")
    options = STEP_SETTINGS[name].model_fields
    for option in settings:
        if option not in options:
            raise ValueError(f"unknown option {option!r} of {name}; {one_of(option, options)}")
    return settings


StepName = Literal["standardise", "log", "logit", "quantile", "periodic", "dequantise", "gaps"]
StepInput = StepName | StepSettings
Step = Annotated[StepSettings, Field(discriminator="name"), BeforeValidator(_named, json_schema_input_type=StepInput)]
Steps = Annotated[
    list[Step], BeforeValidator(as_list, json_schema_input_type=StepInput | list[StepInput]), Field(min_length=1)
]
"""The steps of one variable, in the order in which they are applied."""


class VariableSettings(Section):
    """What a variable can be, and its steps."""

    bounds: Bounds | None = None
    """The least and the largest value that it can have, null for none. No map leaves them, and a value beyond one is
    put there, counted and said."""
    steps: Steps | None = None
    """In the order in which they are applied; proposed from the data if left out."""

    @model_validator(mode="after")
    def _order_the_bounds(self) -> VariableSettings:
        low, high = self.bounds or (None, None)
        if self.bounds is not None and low is high is None:
            raise ValueError("bounds of null alone bound nothing")
        if low is not None and high is not None and not low < high:
            raise ValueError(f"the lower bound {low} must be below the upper one {high}")
        if self.bounds is not None and any(isinstance(step, PeriodicSettings) for step in self.steps or ()):
            raise ValueError("an angle has no bounds")
        return self


def _as_block(value: Any) -> Any:
    """The settings of a variable as a block, where they are steps alone."""
    is_block = isinstance(value, dict) and bool(value) and value.keys() <= VariableSettings.model_fields.keys()
    return value if is_block or isinstance(value, VariableSettings) else {"steps": value}


Variable = Annotated[
    VariableSettings,
    BeforeValidator(_as_block, json_schema_input_type=StepInput | list[StepInput] | VariableSettings),
]
"""What a recipe says of one variable: its steps, or a block."""
