"""What `compare` keeps of one method in one repeat, and the same over all repeats; written to and read from JSON.

Workers write a `Score` each, so that an interrupted comparison goes on from what is there. `ranked` then puts the
scores of each method into a row, and `repeated` makes mean and spread of any number in it.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from simmorph.config.kind import Kind
from simmorph.data.estimates import Estimate, mean_estimate
from simmorph.data.events import Events
from simmorph.evaluation.metrics.correlations import correlations, mean_size, named_and_others, noise_floor, worst_of
from simmorph.evaluation.metrics.maps.movement import movement
from simmorph.evaluation.metrics.maps.optimal import optimality
from simmorph.evaluation.metrics.maps.partners import partner_distance
from simmorph.evaluation.significance import Significance, against_null, of_p_value

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from simmorph.evaluation.comparison import Measured
    from simmorph.evaluation.metrics.samples import Samples

RowKind = Literal["null", "unmorphed"] | Kind
"""What a row of the table is: the target against itself, the source as it is, or what a method changes."""


class Record(BaseModel):
    """A part of a JSON file of ours: immutable, and without keys that are not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Value(Record):
    """An estimate as JSON values.

    Attributes:
        value: the estimate; None where it is not defined.
        uncertainty: one standard deviation of its statistical error.
        p_value: the probability of so large a value if the samples agree, where that is known by itself.
    """

    value: float | None
    uncertainty: float | None
    p_value: float | None = None

    @classmethod
    def of(cls, estimate: Estimate, p_value: float | None = None) -> Value:
        """An estimate with None in place of what is not finite."""
        return cls(**estimate.to_json(), p_value=p_value)


class Moved(Record):
    """How far a map moves events, in standard deviations of the target, and how much of their order it keeps.

    Attributes:
        mean: mean Euclidean distance over all features.
        quantile_95: the distance that 95 % of the events stay below.
        largest: the largest distance.
        trimmed_mean: the mean without the 1 % of the events that move furthest.
        retention: Spearman's rank correlation of x and T(x) of each feature; None where it is constant.
        optimal_distance: mean distance to where the optimal map takes an event; None where that is not known.
        optimal_cost: mean squared distance over that of the optimal map; None where that is not known.
        partner_distance: mean distance to the same event in the target; None where the samples have different ones.
    """

    mean: float
    quantile_95: float
    largest: float
    trimmed_mean: float
    retention: dict[str, float | None]
    optimal_distance: float | None = None
    optimal_cost: float | None = None
    partner_distance: float | None = None

    @classmethod
    def of(cls, samples: Samples, periodic: Collection[int]) -> Moved:
        """What the map does to the source, with the truth of a toy beside it where the samples have that.

        Args:
            samples: with a source; its rows are compared before and after the map.
            periodic: the columns that are angles.
        """
        source, moved, target = samples.rows()
        found = movement(source, moved, target, periodic)
        partners = samples.partners
        paired = None if partners is None else partner_distance(samples.rows(), partners, samples.names, periodic)
        truth = {} if samples.optimal is None else optimality(source, moved, samples.optimal, target)._asdict()
        return cls(
            mean=found.mean,
            quantile_95=found.quantile_95,
            largest=found.largest,
            trimmed_mean=found.trimmed_mean,
            retention={
                name: _known(feature.retention) for name, feature in zip(samples.names, found.features, strict=False)
            },
            partner_distance=_known(paired.after.value) if paired else None,
            **{f"optimal_{name}": _known(value) for name, value in truth.items()},
        )

    @property
    def lowest_retention(self) -> float:
        """The retention of the feature whose order is kept least."""
        return min((kept for kept in self.retention.values() if kept is not None), default=float("nan"))


class ChosenPairs(Record):
    """Pearson's correlations of pairs of variables, context included; those of two context variables say nothing.

    Attributes:
        worst: the largest deviation of a named pair from the target; None without named pairs.
        worst_pair: which pair that is.
        others: mean absolute correlation of the other pairs; None without them.
        noise_floor: what pure noise makes of `others`.
    """

    worst: Value | None
    worst_pair: str | None
    others: Value | None
    noise_floor: float

    @classmethod
    def of(cls, measured: Measured, comparison: str, wanted: Collection[tuple[str, str]]) -> ChosenPairs:
        """The pairs of one comparison, each the mean over its pairs of samples.

        Args:
            measured: with the pairs of samples.
            comparison: which.
            wanted: the pairs to name; without them those that the target correlates.
        """
        samples = measured.samples
        columns = [*samples.names, *samples.context_names]
        known = range(len(samples.names) + len(samples.condition_names))
        every = [pair for pair in combinations(known, 2) if pair[0] < len(samples.names)]
        wanted_columns = [[columns.index(name) for name in pair] for pair in wanted]
        of_target = correlations(samples.seen(Events.concatenate([samples.target, samples.spare]), columns))
        named, others = named_and_others(of_target, wanted_columns, every)
        pairs = measured.compared.of(lambda events: samples.seen(events, columns)).pairs[comparison]
        found = [(correlations(template), correlations(target)) for template, target in pairs]
        worst = [worst_of(*both, named) for both in found] if named else []
        return cls(
            worst=Value.of(mean_estimate([one for one, _ in worst])) if worst else None,
            worst_pair=" and ".join(columns[at] for at in worst[len(worst) // 2][1]) if worst else None,
            others=Value.of(mean_estimate([mean_size(ours, others) for ours, _ in found])) if others else None,
            noise_floor=float(np.mean([noise_floor(template) for template, _ in pairs])),
        )


class RegionScore(Record):
    """What was measured in one region.

    Attributes:
        events: of each sample.
        auc: by the name of the classifier's inputs.
        metrics: of METRICS, by name; most are positive by construction, so compare them to the null.
        distances: by variable and kind, one variable at a time; the same holds.
        pairs: correlations of pairs.
        ess_fraction: effective size of the template over that of the source.
        moved: of the morphs alone.
    """

    events: int
    auc: dict[str, Value]
    metrics: dict[str, Value]
    distances: dict[str, dict[str, Value]]
    pairs: ChosenPairs
    ess_fraction: float | None = None
    moved: Moved | None = None

    @classmethod
    def of(cls, measured: Measured, comparison: str, pairs: Collection[tuple[str, str]], **more: Any) -> RegionScore:
        """What was measured in one comparison.

        Args:
            measured: by the engine; the AUCs of its judges have the names of their inputs.
            comparison: which.
            pairs: those whose correlations are to be named.
            more: further attributes.
        """
        p_values = measured.distance_p_values
        return cls(
            events=measured.compared.size,
            auc={name: Value.of(measured.metrics[name][comparison]) for name in measured.judgements},
            metrics={
                name: Value.of(compared[comparison], measured.p_values.get(name, {}).get(comparison))
                for name, compared in measured.metrics.items()
                if name not in measured.judgements
            },
            distances={
                variable: {
                    kind: Value.of(compared[comparison], p_values[variable].get(kind, {}).get(comparison))
                    for kind, compared in kinds.items()
                }
                for variable, kinds in measured.distances.items()
            },
            pairs=ChosenPairs.of(measured, comparison, pairs),
            **more,
        )


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
        p_value: the median over the repeats of the probability of so large a value if the samples agree; NaN where that
            is not known by itself.
    """

    mean: float
    spread: float
    uncertainty: float
    values: tuple[float, ...]
    p_value: float = float("nan")

    @property
    def width(self) -> float:
        """The spread of the repeats or the statistical uncertainty, whichever is larger; 0 if there is neither."""
        return float(np.nanmax([self.spread, self.uncertainty, 0.0]))

    def against(self, null: Repeated | None) -> Significance:
        """How far it is from its null, which is not defined without one.

        A probability that is known by itself goes first. Otherwise both widths count, that of the null too: repeats
        share most of their events, so the spread over them is not all of the uncertainty.
        """
        if np.isfinite(self.p_value):
            return of_p_value(self.p_value)
        if null is None:
            return Significance(float("nan"), float("nan"))
        return against_null(Estimate(self.mean, self.width), Estimate(null.mean, null.width))

    def to_json(self) -> dict[str, object]:
        """As JSON values."""
        numbers = {"mean": self.mean, "spread": self.spread, "uncertainty": self.uncertainty}
        known = {name: _known(number) for name, number in numbers.items()}
        return {**known, "values": [_known(value) for value in self.values]}


Measurement = Value | float | None
"""What a repeat has of one number."""


def repeated(found: Sequence[Measurement]) -> Repeated | None:
    """Mean and spread of what the repeats found; None where none found anything.

    >>> round(repeated([0.51, 0.53, None]).mean, 3)
    0.52

    Args:
        found: of each repeat: an estimate, a bare number, or None; what is not finite is left out.
    """
    values = [one if isinstance(one, Value) else Value(value=one, uncertainty=None) for one in found]
    known = _finite([one.value for one in values])
    if not known:
        return None
    stated, p_values = _finite([one.uncertainty for one in values]), _finite([one.p_value for one in values])
    return Repeated(
        float(np.mean(known)),
        float(np.std(known, ddof=1)) if len(known) > 1 else float("nan"),
        float(np.sqrt(np.mean(np.square(stated)))) if stated else float("nan"),
        tuple(known),
        float(np.median(p_values)) if p_values else float("nan"),
    )


def _finite(values: Sequence[float | None]) -> list[float]:
    """The values that are there and finite."""
    return [float(value) for value in values if value is not None and np.isfinite(value)]


def _known(value: float) -> float | None:
    """The value, or None where it is not finite."""
    return float(value) if np.isfinite(value) else None


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

    def number(self, of: Callable[[Score], Measurement]) -> Repeated | None:
        """A measurement over the repeats; None where there is none."""
        return repeated([of(score) for score in self.scores])

    def auc(self, region: str, inputs: str) -> Repeated | None:
        """The AUC in a region by some of the variables."""
        return self.number(lambda score: score.regions[region].auc[inputs])

    def moved(self, region: str, of: Callable[[Moved], Measurement]) -> Repeated | None:
        """A measurement of the movement; None for what does not move events."""
        return self.number(lambda score: of(moved) if (moved := score.regions[region].moved) else None)


def ranked(scores: Sequence[Score]) -> list[Ranked]:
    """The rows of the table in the order in which their methods first appear.

    Repeats of one title are one row. Those that failed are not among its scores; each reason is kept once.
    """
    rows = []
    for title in dict.fromkeys(score.title for score in scores):
        mine = [score for score in scores if score.title == title]
        done = tuple(score for score in mine if score.failure is None)
        failures = tuple(dict.fromkeys(score.failure for score in mine if score.failure is not None))
        rows.append(Ranked(title, mine[0].method, mine[0].kind, done, failures))
    return rows


def mean_distance(kinds: Mapping[str, Mapping[str, Value]], kind: str) -> Value | None:
    """One kind of distance, the mean over the variables; its error takes these as independent."""
    known = _distances(kinds, kind)
    if not known:
        return None
    spread = float(np.sqrt(sum(one.uncertainty**2 for one in known))) / len(known)
    return Value(value=float(np.mean([one.value for one in known])), uncertainty=spread)


def largest_distance(kinds: Mapping[str, Mapping[str, Value]], kind: str) -> Value | None:
    """One kind of distance, that of the worst variable."""
    known = _distances(kinds, kind)
    return Value.of(max(known, key=lambda one: one.value)) if known else None


def _distances(kinds: Mapping[str, Mapping[str, Value]], kind: str) -> list[Estimate]:
    """One kind of distance of each variable that has it; a missing uncertainty counts as 0."""
    found = [of_variable[kind] for of_variable in kinds.values()]
    return [Estimate(one.value, one.uncertainty or 0.0) for one in found if one.value is not None]
