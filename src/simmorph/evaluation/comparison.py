"""The measuring engine of `evaluate` and `compare`: every number that says how far a template is from its target.

A region has up to three comparisons: source with target (how far the simulation was), template with target (how far it
is now), and target with target, the null. `evaluate` takes as many events as there are, and the null of a distance is
what noise makes of samples of these sizes; `compare` gives all samples one size, since distances shrink with the number
of events, and its null is a row like any other. What `evaluate` reports besides is in `region_result`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from simmorph.data.estimates import Estimate, mean_estimate
from simmorph.errors import InputError
from simmorph.evaluation.metrics.classifier.c2st import Judgement, judge
from simmorph.evaluation.metrics.noise import BesideNull, both
from simmorph.evaluation.metrics.registry import DISTANCES, METRICS, TESTS, distances_beside_null
from simmorph.evaluation.metrics.samples import (
    COMPARISONS,
    N_SPLITS,
    NULL,
    TEMPLATE,
    ComparedSamples,
    Samples,
    equal_samples,
    largest_samples,
    random_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simmorph.data.events import Events

FEWEST_EVENTS = 100
CONTEXT_DISTANCES = ("wasserstein", "kolmogorov", "chi_square")
"""Those of DISTANCES that are shown of context variables too."""
ByComparison = dict[str, Estimate]
"""An estimate for each comparison."""
T = TypeVar("T")


class Judge(NamedTuple):
    """A classifier, and what it sees.

    Attributes:
        inputs: the names of its columns.
        classifier: its name in CLASSIFIERS.
    """

    inputs: tuple[str, ...]
    classifier: str = "trees"


class Plan(NamedTuple):
    """How samples are measured: the same for all that are compared with each other.

    Attributes:
        judges: classifiers by the name that their AUC has among the metrics.
        max_events: largest number of events of each sample.
        seed: start of the random numbers. Each metric has its own for each comparison: one metric more changes none of
            the others, and every template is measured with the same.
        periodic: the columns that are angles.
        n_splits: random splits of the target that the null is the mean of; None for as many events as there are and a
            single split.
        n_regions: how many regions are looked at.
    """

    judges: Mapping[str, Judge]
    max_events: int
    seed: Sequence[int]
    periodic: Sequence[int] = ()
    n_splits: int | None = N_SPLITS
    n_regions: int = 1


@dataclass(frozen=True, eq=False)
class Measured:
    """How far samples are from the target in one region.

    Attributes:
        samples: what was compared.
        compared: the pairs of samples that the metrics saw.
        judgements: what each judge says of the pairs of each comparison.
        metrics: by metric and comparison: the AUCs of the judges, then METRICS.
        p_values: of those of TESTS, by metric and comparison.
        distances: by variable, kind of distance and comparison.
        context_distances: the same by context variable: whether the conditions agree.
        distance_p_values: of both, by variable or context variable, kind and comparison.
    """

    samples: Samples
    compared: ComparedSamples
    judgements: Mapping[str, Mapping[str, Sequence[Judgement]]]
    metrics: Mapping[str, ByComparison]
    p_values: Mapping[str, Mapping[str, float]]
    distances: Mapping[str, Mapping[str, ByComparison]]
    context_distances: Mapping[str, Mapping[str, ByComparison]]
    distance_p_values: Mapping[str, Mapping[str, Mapping[str, float]]]


def measure(where: str, samples: Samples, plan: Plan, comparisons: Sequence[str] = COMPARISONS) -> Measured:
    """Measure everything of some comparisons in one region.

    Args:
        where: the region, for messages.
        samples: what is compared.
        plan: how.
        comparisons: which of them, those without a sample left out.

    Raises:
        InputError: there are too few events, or their weights sum to nothing.
    """
    if plan.n_splits is None:
        compared = largest_samples(samples, plan.max_events, plan.seed)
    else:
        compared = equal_samples(samples, plan.max_events, plan.seed, comparisons, plan.n_splits)
    _check(where, compared)
    judgements = {metric: _judged(samples, compared, metric, plan) for metric in plan.judges}
    conditioned, of_context = compared.of(samples.conditioned), compared.of(lambda it: it.with_features(it.context))
    found = {metric: _of_pairs(conditioned, metric, plan, test) for metric, test in TESTS.items()}
    metrics = {metric: _means(its, Judgement.auc) for metric, its in judgements.items()}
    for metric in (it for it in METRICS if it not in {"auc", *TESTS}):
        metrics[metric] = _means(_of_pairs(conditioned, metric, plan, METRICS[metric]), lambda estimate: estimate)
    distances = _distances(samples.names, conditioned, plan)
    context_distances = _distances(samples.condition_names, of_context, plan, CONTEXT_DISTANCES)
    by_name = [*distances.items(), *context_distances.items()]
    return Measured(
        samples=samples,
        compared=compared,
        judgements=judgements,
        metrics=metrics | {metric: _estimates(its) for metric, its in found.items()},
        p_values={metric: _p_values(its) for metric, its in found.items()},
        distances={name: _each(_estimates, kinds) for name, kinds in distances.items()},
        context_distances={name: _each(_estimates, kinds) for name, kinds in context_distances.items()},
        distance_p_values={name: _each(_p_values, kinds) for name, kinds in by_name},
    )


def _check(where: str, compared: ComparedSamples) -> None:
    """Refuse what is too small to be compared.

    Raises:
        InputError: there are fewer than FEWEST_EVENTS events in a sample, or its weights have no positive sum.
    """
    if compared.size < FEWEST_EVENTS:
        what = f"only {compared.size} events of each sample are left to compare, {FEWEST_EVENTS} are needed"
        raise InputError(f"region {where!r}", what, "give more events, hold out more, or widen the region")
    for sample in (sample for pairs in compared.pairs.values() for pair in pairs for sample in pair):
        if not np.sum(sample.weights) > 0:
            raise InputError(f"region {where!r}", "the weights of a sample do not sum to a positive number")


def _judged(samples: Samples, compared: ComparedSamples, metric: str, plan: Plan) -> dict[str, list[Judgement]]:
    """What a judge says of every pair, by comparison; it sees its inputs alone, derived quantities like features."""
    inputs, classifier = plan.judges[metric]
    seen = compared.of(lambda events: samples.seen(events, inputs))
    return _of_pairs(seen, metric, plan, lambda one, other, rng: judge(one, other, rng, classifier))


def _of_pairs(
    compared: ComparedSamples, what: str, plan: Plan, of: Callable[[Events, Events, np.random.Generator], T]
) -> dict[str, list[T]]:
    """What a measurement finds of each pair, by comparison."""
    found = {}
    for name, pairs in compared.pairs.items():
        rng = random_of(plan.seed, f"{what} {name}")
        found[name] = [of(*pair, rng) for pair in pairs]
    return found


def _means(found: Mapping[str, Sequence[T]], of: Callable[[T], Estimate]) -> ByComparison:
    """By comparison the mean of the estimates that `of` takes from what was found of each pair; see `mean_estimate`."""
    return {name: mean_estimate([of(one) for one in each]) for name, each in found.items()}


PairsBesideNull = dict[str, list[BesideNull]]
"""What a test finds of the pairs of each comparison."""


def _distances(
    names: Sequence[str], compared: ComparedSamples, plan: Plan, kinds: Sequence[str] = tuple(DISTANCES)
) -> dict[str, dict[str, PairsBesideNull]]:
    """The distances of each variable, by kind.

    Args:
        names: of the columns.
        compared: samples with these columns as features.
        plan: with the seed.
        kinds: names in DISTANCES; all by default.
    """
    found: dict[str, dict[str, PairsBesideNull]] = {name: {kind: {} for kind in kinds} for name in names}
    for comparison, pairs in compared.pairs.items():
        rng = random_of(plan.seed, f"distances {comparison}")
        for pair in pairs if names else ():
            noises = both(*pair, rng)
            for column, name in enumerate(names):
                for kind, its in distances_beside_null(*pair, column, noises, kinds).items():
                    found[name][kind].setdefault(comparison, []).append(its)
    return found


def _estimates(found: PairsBesideNull) -> ByComparison:
    """The number of each comparison; the null is what noise makes of samples of the template's size."""
    compared = _means(found, lambda it: it.found)
    return compared | ({NULL: found[TEMPLATE][0].null} if TEMPLATE in found and NULL in found else {})


def _p_values(found: PairsBesideNull) -> dict[str, float]:
    """The probability of each comparison but the null, which have one pair each."""
    return {name: its[0].p_value for name, its in found.items() if name != NULL}


def _each(of: Callable[[PairsBesideNull], T], kinds: Mapping[str, PairsBesideNull]) -> dict[str, T]:
    """Something of each kind."""
    return {kind: of(its) for kind, its in kinds.items()}


def judges_of(samples: Samples, classifiers: Sequence[str]) -> dict[str, Judge]:
    """The judges of a report: trees that see the features, derived quantities too, and further classifiers.

    A map may close in every feature and miss a quantity that is made of several, such as a mass; trees find that late,
    so the derived quantities are shown to a judge of their own.

    Args:
        samples: what they see; context always.
        classifiers: their names; trees are always there.

    Returns:
        By the name of the AUC: `auc`, `auc_with_derived` if there are derived quantities, `auc_<classifier>`.
    """
    features = (*samples.names[: samples.n_features], *samples.context_names)
    found = {"auc": Judge(features)}
    if samples.derived:
        found["auc_with_derived"] = Judge((*samples.names, *samples.context_names))
    others = [name for name in dict.fromkeys(classifiers) if name != "trees"]
    return found | {f"auc_{name}": Judge(features, name) for name in others}
