"""Measure one template: by the same classifier, on the same events, in the same way as every other one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.data.events import Events
from simmorph.errors import InputError
from simmorph.evaluation.metrics.c2st import judge
from simmorph.evaluation.metrics.correlations import correlations, noise_floor
from simmorph.evaluation.metrics.divergences import hellinger, kullback_leibler
from simmorph.evaluation.metrics.estimates import Estimate, mean_estimate
from simmorph.evaluation.metrics.marginals import kolmogorov, wasserstein
from simmorph.evaluation.metrics.movement import movement
from simmorph.evaluation.metrics.optimal import optimality
from simmorph.evaluation.report.tables import CORRELATED
from simmorph.evaluation.scores import Moved, RegionScore, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simmorph.data.events import FloatArray
    from simmorph.evaluation.metrics.samples import Pair, Samples

FEWEST_EVENTS = 100
DISTANCES = {
    "kullback_leibler": kullback_leibler,
    "hellinger": hellinger,
    "wasserstein": wasserstein,
    "kolmogorov": kolmogorov,
}
"""Distances of one variable at a time."""


@dataclass(frozen=True)
class Judge:
    """How a template is measured; columns are numbers of those of the samples.

    Attributes:
        names: of the columns.
        changeable: how many of them, from the first, a method can change: features and what is derived from them.
        correlated: how many of them, from the first, the other pairs are taken from: context too.
        inputs: the columns that the classifier sees, by name.
        pairs: the pairs whose correlations are to agree; without them those that are correlated in the target.
        periodic: the columns that are angles.
        max_events: largest number of events of each sample that the classifier sees.
        n_splits: how many random splits of the target the null is the mean of.
        classifier: the name of the one that judges.
    """

    names: tuple[str, ...]
    changeable: int
    correlated: int
    inputs: Mapping[str, Sequence[int]]
    pairs: Sequence[tuple[int, int]]
    periodic: Sequence[int]
    max_events: int
    n_splits: int = 1
    classifier: str = "trees"

    def score(
        self, samples: Samples, rng: np.random.Generator, *, is_moved: bool, optimal: FloatArray | None = None
    ) -> RegionScore:
        """Measure a template against the target, with as many events as the null has.

        Args:
            samples: source, template and target in one region; their order decides which events are taken.
            rng: a generator in the same state for every method.
            is_moved: whether the template is the source, moved.
            optimal: (n_source, n_features), where the optimal map takes the source, if that is known.

        Raises:
            InputError: there are too few events.
        """
        size = largest_size(samples)
        target = _dealt(samples.target, size, rng)
        template = _dealt(samples.template, size, rng)
        size = min(size, len(template))
        _check(size)
        pairs = [(template[:size], target[:size])]
        found = self._measured(samples, pairs, rng)
        return found.model_copy(
            update={
                "ess_fraction": samples.moved.effective_size / max(samples.source.effective_size, 1e-300),
                "moved": self._moved(samples, optimal) if is_moved else None,
            }
        )

    def null(self, samples: Samples, rng: np.random.Generator) -> RegionScore:
        """Measure the target against itself: the mean of random splits into two disjoint parts.

        Raises:
            InputError: there are too few events.
        """
        size = largest_size(samples)
        _check(size)
        pool = Events.concatenate([samples.target, samples.spare])
        dealt = [_dealt(pool, 2 * size, rng) for _ in range(self.n_splits)]
        return self._measured(samples, [(both[:size], both[size:]) for both in dealt], rng)

    def _measured(self, samples: Samples, pairs: Sequence[Pair], rng: np.random.Generator) -> RegionScore:
        n_compared = min(self.max_events, len(pairs[0][0]))
        shown = [(first[:n_compared], second[:n_compared]) for first, second in pairs]
        auc = {
            name: Value.of(mean_estimate([judge(*pair, rng, columns, self.classifier).auc() for pair in shown]))
            for name, columns in self.inputs.items()
        }
        named, others = self._pairs_of(Events.concatenate([samples.target, samples.spare]))
        found = [_correlated(*pair, named, others) for pair in pairs]
        middle = found[len(found) // 2]
        return RegionScore(
            events=n_compared,
            correlated_events=len(pairs[0][0]),
            auc=auc,
            pearson_worst=Value.of(mean_estimate([one.worst for one in found])) if named else None,
            pearson_pair=" and ".join(self.names[column] for column in middle.pair) if named else None,
            pearson_others=Value.of(mean_estimate([one.others for one in found])) if others else None,
            noise_floor=float(np.mean([noise_floor(first) for first, _ in pairs])),
            distances={kind: self._distances(shown, measure) for kind, measure in DISTANCES.items()},
        )

    def _distances(
        self, pairs: Sequence[Pair], measure: Callable[[Events, Events, int], Estimate]
    ) -> dict[str, float | None]:
        """One kind of distance for each variable that a method can change, the mean over the pairs."""
        means = [float(np.mean([measure(*pair, column).value for pair in pairs])) for column in range(self.changeable)]
        return {name: mean if np.isfinite(mean) else None for name, mean in zip(self.names, means, strict=False)}

    def _pairs_of(self, target: Events) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The pairs whose correlations are to agree, and the others; those of two context variables tell nothing."""
        known = range(self.correlated)
        every = [pair for pair in combinations(known, 2) if pair[0] < self.changeable]
        if self.pairs:
            named = [(min(pair), max(pair)) for pair in self.pairs]
        else:
            matrix = correlations(target.with_features(target.features[:, : self.correlated])).matrix
            named = [pair for pair in every if abs(matrix[pair]) > CORRELATED]
        return named, [pair for pair in every if pair not in named]

    def _moved(self, samples: Samples, optimal: FloatArray | None) -> Moved:
        source, moved, target = samples.rows()
        found = movement(source, moved, target, self.periodic)
        kept = {
            name: feature.retention if np.isfinite(feature.retention) else None
            for name, feature in zip(self.names, found.features, strict=False)
        }
        truth = {} if optimal is None else optimality(source, moved, optimal, target)._asdict()
        known = {f"optimal_{name}": value if np.isfinite(value) else None for name, value in truth.items()}
        return Moved(mean=found.mean, quantile_95=found.quantile_95, largest=found.largest, retention=kept, **known)


def largest_size(samples: Samples) -> int:
    """The number of events of each sample, so that template, source and null are measured with equally many."""
    n_target = len(samples.target)
    return min(len(samples.source), n_target, (n_target + len(samples.spare)) // 2)


def _check(size: int) -> None:
    if size < FEWEST_EVENTS:
        what = f"only {size} events of each sample are left to compare, {FEWEST_EVENTS} are needed"
        raise InputError("judge", what, "give more events, hold out more, or widen the region")


def _dealt(events: Events, size: int, rng: np.random.Generator) -> Events:
    return events[rng.permutation(len(events))[:size]]


class _Correlated(NamedTuple):
    worst: Estimate
    pair: tuple[int, int]
    others: Estimate


def _correlated(
    template: Events, target: Events, named: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]
) -> _Correlated:
    """The largest deviation of the named pairs and which it is, and the mean absolute correlation of the others."""
    ours, theirs = correlations(template), correlations(target)
    deviations = [
        Estimate(
            abs(ours.matrix[pair] - theirs.matrix[pair]), np.hypot(ours.uncertainty[pair], theirs.uncertainty[pair])
        )
        for pair in named
    ]
    order = np.argsort([-one.value if np.isfinite(one.value) else 1.0 for one in deviations])
    undefined = Estimate(float("nan"), float("nan"))
    worst, pair = (deviations[order[0]], named[order[0]]) if named else (undefined, (0, 0))
    known = [ours.of(*pair) for pair in others if np.isfinite(ours.matrix[pair])]
    if not known:
        return _Correlated(worst, pair, undefined)
    spread = float(np.sqrt(sum(one.uncertainty**2 for one in known))) / len(known)
    return _Correlated(worst, pair, Estimate(float(np.mean([abs(one.value) for one in known])), spread))
