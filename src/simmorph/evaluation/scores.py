"""What was measured of one method in one repeat, and the same over all repeats; written to and read from JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simmorph.evaluation.metrics.estimates import Estimate

RowKind = Literal["null", "unmorphed", "morph", "reweight", "generate"]
"""What a row of the table is: the target against itself, the source as it is, or what a method changes."""


class Record(BaseModel):
    """A part of a JSON file of ours."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Value(Record):
    """An estimate as JSON values.

    Attributes:
        value: the estimate; None where it is not defined.
        uncertainty: one standard deviation of its statistical error.
    """

    value: float | None
    uncertainty: float | None

    @classmethod
    def of(cls, estimate: Estimate) -> Value:
        """An estimate with None in place of what is not finite."""
        return cls(**estimate.to_json())


class Moved(Record):
    """How far a map moves events, in standard deviations of the target, and how much of their order it keeps.

    Attributes:
        mean: mean Euclidean distance over all features.
        quantile_95: the distance that 95 % of the events stay below.
        largest: the largest distance.
        retention: Spearman's rank correlation of x and T(x) of each feature; None where it is constant.
        optimal_distance: mean distance to where the optimal map takes an event; None where that is not known.
        optimal_cost: mean squared distance over that of the optimal map; None where that is not known.
    """

    mean: float
    quantile_95: float
    largest: float
    retention: dict[str, float | None]
    optimal_distance: float | None = None
    optimal_cost: float | None = None

    @property
    def lowest_retention(self) -> float:
        """The retention of the feature whose order is kept least."""
        return min((kept for kept in self.retention.values() if kept is not None), default=float("nan"))


class RegionScore(Record):
    """What was measured in one region.

    Attributes:
        events: of each sample, that the classifier saw.
        correlated_events: of each sample, that the correlations are of.
        auc: by the name of the classifier's inputs.
        pearson_worst: largest deviation of a named pair's correlation from the target's; None without pairs.
        pearson_pair: which pair that is.
        pearson_others: mean absolute correlation of the other pairs; None without them.
        noise_floor: what pure noise makes of `pearson_others`.
        distances: by kind and variable, one variable at a time; positive by construction, so compare them to the null.
        ess_fraction: effective size of the template over that of the source.
        moved: of the morphs alone.
    """

    events: int
    correlated_events: int
    auc: dict[str, Value]
    pearson_worst: Value | None
    pearson_pair: str | None
    pearson_others: Value | None
    noise_floor: float
    distances: dict[str, dict[str, float | None]] = Field(default_factory=dict)
    ess_fraction: float | None = None
    moved: Moved | None = None


class Cost(Record):
    """What it took.

    Attributes:
        train_seconds: of training, preprocessing included, on the clock.
        train_cpu_seconds: the same in time of the processor.
        apply_rate: events that the map takes in a second.
        peak_memory_mb: largest memory of the process that trained and applied it, libraries and input included.
    """

    train_seconds: float
    train_cpu_seconds: float
    apply_rate: float
    peak_memory_mb: float


class Score(Record):
    """One method in one repeat.

    Attributes:
        title: of the method's row.
        method: its name; empty for the null and the unmorphed source.
        kind: what it changes.
        repeat: number of the repeat, from 0.
        regions: by name; empty if the method failed.
        cost: what it took; None where nothing is learnt.
        notes: what the method says of itself.
        failure: why there is no result.
    """

    title: str
    method: str
    kind: RowKind
    repeat: int
    regions: dict[str, RegionScore] = Field(default_factory=dict)
    cost: Cost | None = None
    notes: list[str] = Field(default_factory=list)
    failure: str | None = None


class Repeated(NamedTuple):
    """A number measured in every repeat.

    Attributes:
        mean: over the repeats.
        spread: their standard deviation; NaN of a single one.
        uncertainty: the statistical one of a single repeat. Repeats share most of their events, so that of the mean is
            hardly smaller.
        values: of each repeat.
    """

    mean: float
    spread: float
    uncertainty: float
    values: tuple[float, ...]

    @property
    def width(self) -> float:
        """The spread of the repeats or the statistical uncertainty, whichever is larger; 0 if there is neither."""
        return float(np.nanmax([self.spread, self.uncertainty, 0.0]))

    def to_json(self) -> dict[str, object]:
        """As JSON values."""
        numbers = {"mean": self.mean, "spread": self.spread, "uncertainty": self.uncertainty}
        known = {name: float(number) if np.isfinite(number) else None for name, number in numbers.items()}
        return {**known, "values": [value if np.isfinite(value) else None for value in self.values]}


def repeated(values: Sequence[float | None], uncertainties: Sequence[float | None] = ()) -> Repeated | None:
    """Mean and spread of what the repeats found; None where none found anything."""
    known = [float(value) for value in values if value is not None and np.isfinite(value)]
    if not known:
        return None
    stated = [float(value) for value in uncertainties if value is not None and np.isfinite(value)]
    return Repeated(
        float(np.mean(known)),
        float(np.std(known, ddof=1)) if len(known) > 1 else float("nan"),
        float(np.sqrt(np.mean(np.square(stated)))) if stated else float("nan"),
        tuple(known),
    )


class Ranked(NamedTuple):
    """One row of the table: all repeats of one method.

    Attributes:
        title: what the row is called.
        method: the method's name; empty for the null and the unmorphed source.
        kind: what it changes.
        scores: of the repeats that came to an end.
        failures: why the others did not.
    """

    title: str
    method: str
    kind: RowKind
    scores: tuple[Score, ...]
    failures: tuple[str, ...]

    def auc(self, region: str, inputs: str) -> Repeated | None:
        """The AUC in a region by some of the variables."""
        found = [score.regions[region].auc[inputs] for score in self.scores]
        return repeated([one.value for one in found], [one.uncertainty for one in found])

    def value(self, region: str, name: str) -> Repeated | None:
        """A measurement with an uncertainty: `pearson_worst` or `pearson_others`."""
        found: list[Value | None] = [getattr(score.regions[region], name) for score in self.scores]
        known = [one for one in found if one is not None]
        return repeated([one.value for one in known], [one.uncertainty for one in known])

    def number(self, region: str, of: Callable[[RegionScore], float | None]) -> Repeated | None:
        """A measurement of a region without an uncertainty."""
        return repeated([of(score.regions[region]) for score in self.scores])

    def distance(self, region: str, kind: str, over: Callable[[Sequence[float]], float]) -> Repeated | None:
        """One kind of distance of all variables, as their mean or maximum; None of what was measured before it."""
        found = [score.regions[region].distances.get(kind, {}).values() for score in self.scores]
        known = [[value for value in values if value is not None] for values in found]
        return repeated([over(values) for values in known if values])

    def moved(self, region: str, of: Callable[[Moved], float | None]) -> Repeated | None:
        """A measurement of the movement; None for what does not move events."""
        found = [score.regions[region].moved for score in self.scores]
        return repeated([of(moved) for moved in found if moved is not None])

    def cost(self, name: str) -> Repeated | None:
        """A number of what it took."""
        return repeated([getattr(score.cost, name) for score in self.scores if score.cost is not None])


def ranked(scores: Sequence[Score]) -> list[Ranked]:
    """The rows of the table in the order in which their methods first appear."""
    rows = []
    for title in dict.fromkeys(score.title for score in scores):
        mine = [score for score in scores if score.title == title]
        done = tuple(score for score in mine if score.failure is None)
        failures = tuple(dict.fromkeys(score.failure for score in mine if score.failure is not None))
        rows.append(Ranked(title, mine[0].method, mine[0].kind, done, failures))
    return rows
