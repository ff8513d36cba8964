"""The measuring engine of `evaluate` and `compare`: every number that says how far a template is from its target.

A region has up to three comparisons: source with target (how far the simulation was), template with target (how far it
is now), and target with target, the null. `evaluate` takes as many events as there are, and the null of a distance is
what noise makes of samples of these sizes; `compare` gives all samples one size, since distances shrink with the number
of events, and its null is a row like any other. `measure` takes the numbers that both commands need, `compare` adds
what the report of a single model shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from simmorph.data.estimates import Estimate, mean_estimate
from simmorph.errors import InputError
from simmorph.evaluation.metrics.classifier.c2st import Judgement, judge
from simmorph.evaluation.metrics.classifier.density_ratio import DensityRatio, density_ratios
from simmorph.evaluation.metrics.correlations import Correlations, correlations, noise_floor
from simmorph.evaluation.metrics.maps.acceptance import Acceptance, acceptance
from simmorph.evaluation.metrics.maps.movement import Movement, movement
from simmorph.evaluation.metrics.maps.partners import PartnerDistance, partner_distance
from simmorph.evaluation.metrics.multivariate import MAX_KERNEL_EVENTS, MAX_PROJECTED
from simmorph.evaluation.metrics.noise import BesideNull, both
from simmorph.evaluation.metrics.profiles import Profile, profiles
from simmorph.evaluation.metrics.ranks import spearman
from simmorph.evaluation.metrics.registry import DISTANCES, METRICS, TESTS, distances_beside_null, metric_words
from simmorph.evaluation.metrics.samples import (
    COMPARISONS,
    N_SPLITS,
    NULL,
    SOURCE,
    TEMPLATE,
    Pairs,
    Samples,
    equal_samples,
    largest_samples,
    random_of,
)
from simmorph.evaluation.significance import (
    SIGNIFICANT,
    Differing,
    Findings,
    Significance,
    against_null,
    differing,
    findings,
    of_p_value,
)
from simmorph.evaluation.verdict import NO_DIFFERENCE, Verdict, verdict_on

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simmorph.data.events import Events, FloatArray

FEWEST_EVENTS = 100
DUE_SHARE = 0.5
"""Share of the AUC's excess from which on a difference is due to what makes it."""
CONTEXT_REMARK = (
    "No map changes a context value, and a reweighting at given context keeps its distribution: where source and "
    "target differ in a context variable, so do template and target, unless the source was reweighted before."
)
CONTEXT_DISTANCES = ("wasserstein", "kolmogorov", "chi_square")
"""Those of DISTANCES that are shown of context variables too."""
Compared = dict[str, Estimate]
"""An estimate for each comparison."""
Curve = tuple["FloatArray", "FloatArray"]
"""Two coordinates of points."""
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
        parts: the pairs of samples that the metrics saw.
        judgements: what each judge says of the pairs of each comparison.
        metrics: by metric and comparison: the AUCs of the judges, then METRICS.
        p_values: of those of TESTS, by metric and comparison.
        distances: by variable, kind of distance and comparison.
        context_distances: the same by context variable: whether the conditions agree.
        distance_p_values: of both, by variable or context variable, kind and comparison.
    """

    samples: Samples
    parts: Pairs
    judgements: Mapping[str, Mapping[str, Sequence[Judgement]]]
    metrics: Mapping[str, Compared]
    p_values: Mapping[str, Mapping[str, float]]
    distances: Mapping[str, Mapping[str, Compared]]
    context_distances: Mapping[str, Mapping[str, Compared]]
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
        parts = largest_samples(samples, plan.max_events, plan.seed)
    else:
        parts = equal_samples(samples, plan.max_events, plan.seed, comparisons, plan.n_splits)
    _check(where, parts)
    judgements = {metric: _judged(samples, parts, metric, plan) for metric in plan.judges}
    conditioned, of_context = parts.of(samples.conditioned), parts.of(lambda it: it.with_features(it.context))
    found = {metric: _of_pairs(conditioned, metric, plan, test) for metric, test in TESTS.items()}
    metrics = {metric: _means(its, Judgement.auc) for metric, its in judgements.items()}
    for metric in METRICS.keys() - TESTS.keys() - {"auc"}:
        metrics[metric] = _means(_of_pairs(conditioned, metric, plan, METRICS[metric]), lambda estimate: estimate)
    distances = _distances(samples.names, conditioned, plan)
    context_distances = _distances(samples.condition_names, of_context, plan, CONTEXT_DISTANCES)
    by_name = [*distances.items(), *context_distances.items()]
    return Measured(
        samples=samples,
        parts=parts,
        judgements=judgements,
        metrics=metrics | {metric: _estimates(its) for metric, its in found.items()},
        p_values={metric: _p_values(its) for metric, its in found.items()},
        distances={name: _each(_estimates, kinds) for name, kinds in distances.items()},
        context_distances={name: _each(_estimates, kinds) for name, kinds in context_distances.items()},
        distance_p_values={name: _each(_p_values, kinds) for name, kinds in by_name},
    )


def _check(where: str, parts: Pairs) -> None:
    """Refuse what is too small to be compared.

    Raises:
        InputError: there are fewer than FEWEST_EVENTS events in a sample, or its weights have no positive sum.
    """
    if parts.size < FEWEST_EVENTS:
        what = f"only {parts.size} events of each sample are left to compare, {FEWEST_EVENTS} are needed"
        raise InputError(f"region {where!r}", what, "give more events, hold out more, or widen the region")
    for sample in (sample for pairs in parts.pairs.values() for pair in pairs for sample in pair):
        if not np.sum(sample.weights) > 0:
            raise InputError(f"region {where!r}", "the weights of a sample do not sum to a positive number")


def _judged(samples: Samples, parts: Pairs, metric: str, plan: Plan) -> dict[str, list[Judgement]]:
    """What a judge says of every pair, by comparison; it sees its inputs alone, derived quantities like features."""
    inputs, classifier = plan.judges[metric]
    seen = parts.of(lambda events: samples.seen(events, inputs))
    return _of_pairs(seen, metric, plan, lambda one, other, rng: judge(one, other, rng, classifier))


def _of_pairs(
    parts: Pairs, what: str, plan: Plan, of: Callable[[Events, Events, np.random.Generator], T]
) -> dict[str, list[T]]:
    """What a measurement finds of each pair, by comparison."""
    found = {}
    for name, pairs in parts.pairs.items():
        rng = random_of(plan.seed, f"{what} {name}")
        found[name] = [of(*pair, rng) for pair in pairs]
    return found


def _means(found: Mapping[str, Sequence[T]], of: Callable[[T], Estimate]) -> Compared:
    """By comparison the mean of the estimates that `of` takes from what was found of each pair; see `mean_estimate`."""
    return {name: mean_estimate([of(one) for one in each]) for name, each in found.items()}


PairsBesideNull = dict[str, list[BesideNull]]
"""What a test finds of the pairs of each comparison."""


def _distances(
    names: Sequence[str], parts: Pairs, plan: Plan, kinds: Sequence[str] = tuple(DISTANCES)
) -> dict[str, dict[str, PairsBesideNull]]:
    """The distances of each variable, by kind.

    Args:
        names: of the columns.
        parts: samples with these columns as features.
        plan: with the seed.
        kinds: names in DISTANCES; all by default.
    """
    found: dict[str, dict[str, PairsBesideNull]] = {name: {kind: {} for kind in kinds} for name in names}
    for comparison, pairs in parts.pairs.items():
        rng = random_of(plan.seed, f"distances {comparison}")
        for pair in pairs if names else ():
            noises = both(*pair, rng)
            for column, name in enumerate(names):
                for kind, its in distances_beside_null(*pair, column, noises, kinds).items():
                    found[name][kind].setdefault(comparison, []).append(its)
    return found


def _estimates(found: PairsBesideNull) -> Compared:
    """The number of each comparison; the null is what noise makes of samples of the template's size."""
    compared = _means(found, lambda it: it.found)
    return compared | ({NULL: found[TEMPLATE][0].null} if TEMPLATE in found and NULL in found else {})


def _p_values(found: PairsBesideNull) -> dict[str, float]:
    """The probability of each comparison but the null, which have one pair each."""
    return {name: its[0].p_value for name, its in found.items() if name != NULL}


def _each(of: Callable[[PairsBesideNull], T], kinds: Mapping[str, PairsBesideNull]) -> dict[str, T]:
    """Something of each kind."""
    return {kind: of(its) for kind, its in kinds.items()}


@dataclass(frozen=True, eq=False)
class RegionResult(Measured):
    """What `evaluate` reports of one region: what was measured, and what else is shown of it.

    Attributes:
        name: of the region.
        cut: its expression; empty for all events.
        is_trained_on: whether the map was learnt here.
        rocs: the ROC curve of each comparison, by the classifier that the verdict is based on: (target kept, other
            sample kept), each (n_points,); that of the null is the mean over its splits.
        correlations: Pearson's, by sample.
        spearman: rank correlations, by sample.
        movement: of source to template; None without a source.
        partners: how far events are from the same ones in the target; None without `pairs`.
        density_ratio: calibrated weights of the classifier that the verdict is based on, by comparison.
        profiles: the mean of each variable against each condition.
        acceptance: by name of the cut.
        n_regions: how many regions are looked at.
        of_context: the AUC of template and target of a classifier that sees the context alone; None without one.
    """

    name: str
    cut: str
    is_trained_on: bool
    rocs: Mapping[str, Curve]
    correlations: Mapping[str, Correlations]
    spearman: Mapping[str, Correlations]
    movement: Movement | None
    partners: PartnerDistance | None
    density_ratio: Mapping[str, DensityRatio]
    profiles: Sequence[Profile]
    acceptance: Mapping[str, Acceptance]
    n_regions: int
    of_context: Estimate | None

    @property
    def derived(self) -> tuple[str, ...]:
        """The names of the quantities that are derived from the features."""
        return self.samples.derived

    @property
    def comparisons(self) -> tuple[str, ...]:
        """What was compared, in order."""
        return tuple(self.metrics["auc"])

    @property
    def verdict(self) -> Verdict:
        """The answer, and the metric that gives it."""
        return verdict_on(self.metrics, self.derived, self.differing, self.due_to_context, self.samples.doubts)

    @property
    def differing(self) -> tuple[Differing, ...]:
        """The variables of the template that differ by themselves."""
        found = self.distance_significances
        kinds = {name: {kind: its[TEMPLATE] for kind, its in found[name].items()} for name in self.samples.names}
        return differing(kinds, self.n_regions)

    @property
    def due_to_context(self) -> str:
        """What differs in the context, if that is half of what the classifier sees; empty otherwise."""
        verdict = verdict_on(self.metrics, self.derived)
        if self.of_context is None or self.of_context.value - 0.5 < DUE_SHARE * verdict.excess.value:
            return ""
        if against_null(self.of_context, NO_DIFFERENCE).deviations < SIGNIFICANT:
            return ""
        sizes = {name: its["wasserstein"][TEMPLATE].value for name, its in self.context_distances.items()}
        worst = max(sizes, key=lambda name: sizes[name])
        alone = f"by the context alone it is {self.of_context.to_text()}"
        if SOURCE not in self.comparisons:
            return f"{alone}: {worst} differs by {sizes[worst]:.2g} sigma, which no generator changes"
        before = self.context_distances[worst]["wasserstein"][SOURCE].value
        return f"{alone}: {worst} differs by {before:.2g} sigma before any map, and no map changes it; add `reweight:`"

    @property
    def significances(self) -> dict[str, dict[str, Significance]]:
        """How far each metric is from its null, by metric and comparison."""
        return {
            metric: _against_null(
                compared, self.p_values.get(metric, {}), NO_DIFFERENCE if metric in self.judgements else compared[NULL]
            )
            for metric, compared in self.metrics.items()
        }

    @property
    def distance_significances(self) -> dict[str, dict[str, dict[str, Significance]]]:
        """How far each distance is from its null, by variable or context variable, kind and comparison."""
        return {
            name: {
                kind: _against_null(compared, self.distance_p_values[name][kind], compared[NULL])
                for kind, compared in kinds.items()
            }
            for name, kinds in [*self.distances.items(), *self.context_distances.items()]
        }

    @property
    def findings(self) -> Findings:
        """Which metrics of the template differ from their nulls."""
        return findings({metric_words(it, self.derived): found[TEMPLATE] for it, found in self.significances.items()})

    @property
    def distance_findings(self) -> Findings:
        """Which variables of the template differ from the null, by their chi2: one distance, chosen beforehand."""
        found = self.distance_significances
        return findings({name: found[name]["chi_square"][TEMPLATE] for name in self.samples.names})

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON values; what is not a finite number becomes null."""
        return {
            "cut": self.cut or None,
            "trained_on": self.is_trained_on,
            **self.verdict.to_json(),
            "compared_events": self.parts.size,
            "compared": self._compared(),
            "null": self.parts.null,
            "events": {name: _sizes(sample) for name, sample in self.samples.by_name().items()},
            "metrics": _compared_json(self.metrics, self.significances),
            "findings": self.findings.to_json(),
            "variables": self.distance_findings.to_json() | {"judged_by": "chi_square"},
            "distances": {
                name: _compared_json(kinds, self.distance_significances[name]) for name, kinds in self.distances.items()
            },
            "movement": self._movement_json(),
            "partners": self.partners.to_json() if self.partners else None,
            "pearson": self._correlations_json(self.correlations),
            "spearman": self._correlations_json(self.spearman),
            "density_ratio": {name: found.to_json() for name, found in self.density_ratio.items()},
            "profiles": [profile.to_json() for profile in self.profiles],
            "context": {
                "remark": CONTEXT_REMARK,
                "distances": {
                    name: _compared_json(kinds, self.distance_significances[name])
                    for name, kinds in self.context_distances.items()
                },
            },
            "acceptance": {name: found.to_json() for name, found in self.acceptance.items()},
        }

    def _compared(self) -> dict[str, dict[str, int]]:
        """How many events of each sample the numbers of a comparison are from, and what sees fewer."""
        sizes = {name: {"sample": one, "target": other} for name, (one, other) in self.parts.sizes.items()}
        return sizes | {"at_most": {"sliced_wasserstein": MAX_PROJECTED, "mmd": MAX_KERNEL_EVENTS}}

    def _movement_json(self) -> dict[str, Any] | None:
        """How far events moved, over all features and for each; null without a source."""
        total = self.movement
        return total and {
            "unit": "standard deviations of the target",
            "mean": _number(total.mean),
            "quantile_95": _number(total.quantile_95),
            "largest": _number(total.largest),
            "trimmed_mean": _number(total.trimmed_mean),
            "lowest_retention": total.lowest_retention.to_json(),
            "features": {
                name: {key: _number(value) for key, value in feature._asdict().items()}
                for name, feature in zip(self.samples.names, total.features, strict=False)
            },
        }

    def _correlations_json(self, of_samples: Mapping[str, Correlations]) -> dict[str, Any]:
        """The matrix of each sample with its uncertainties, and what noise makes of the mean size of a coefficient."""
        return {
            "names": list(self.samples.names),
            **{
                name: {
                    "matrix": [[_number(r) for r in row] for row in found.matrix],
                    "uncertainty": [[_number(r) for r in row] for row in found.uncertainty],
                }
                for name, found in of_samples.items()
            },
            "noise_floor": {name: noise_floor(sample) for name, sample in self.samples.by_name().items()},
        }


def compare(name: str, cut: str, samples: Samples, plan: Plan, *, is_trained_on: bool) -> RegionResult:
    """Measure everything in one region, and what the report shows beside it.

    Metrics see up to `plan.max_events` of each sample; correlations, movement, profiles and acceptance use all of them.

    Args:
        name: of the region.
        cut: its expression.
        samples: what is compared.
        plan: how.
        is_trained_on: whether the map was learnt here.

    Raises:
        InputError: there are too few events, or their weights sum to nothing.
    """
    found = measure(name, samples, plan)
    judged = found.judgements[verdict_on(found.metrics, samples.derived).metric]
    return RegionResult(
        **vars(found),
        name=name,
        cut=cut,
        is_trained_on=is_trained_on,
        rocs={comparison: _mean_curve(its) for comparison, its in judged.items()},
        correlations={key: correlations(sample) for key, sample in samples.by_name().items()},
        spearman={key: spearman(sample) for key, sample in samples.by_name().items()},
        movement=movement(*samples.rows(), plan.periodic) if samples.has_source else None,
        partners=_partners(samples, plan),
        density_ratio=density_ratios(judged, random_of(plan.seed, "density_ratio")),
        profiles=profiles(samples, random_of(plan.seed, "profiles")),
        acceptance=acceptance(samples),
        n_regions=plan.n_regions,
        of_context=_by_context(samples, found.parts, plan) if samples.condition_names else None,
    )


def _partners(samples: Samples, plan: Plan) -> PartnerDistance | None:
    """How far events are from the same ones in the target, if the samples have the same events."""
    if samples.partners is None or not samples.has_source:
        return None
    return partner_distance(samples.rows(), samples.partners, samples.names, plan.periodic)


def _by_context(samples: Samples, parts: Pairs, plan: Plan) -> Estimate:
    """The AUC of template and target of trees that see the context alone."""
    template, target = (samples.seen(it, samples.condition_names) for it in parts.pairs[TEMPLATE][0])
    return judge(template, target, random_of(plan.seed, "auc of the context")).auc()


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


def _mean_curve(judgements: Sequence[Judgement]) -> Curve:
    """The ROC curve whose efficiencies are the mean over judgements, at the same target efficiencies."""
    curves = [judgement.roc() for judgement in judgements]
    return curves[0][0], np.mean([kept for _, kept in curves], axis=0)


def _against_null(compared: Compared, p_values: Mapping[str, float], null: Estimate) -> dict[str, Significance]:
    """How far each comparison is from the null: by its own probability if that is known, else by the uncertainties."""
    return {
        name: of_p_value(p_values[name]) if name in p_values else against_null(found, null)
        for name, found in compared.items()
        if name != NULL
    }


def _compared_json(
    table: Mapping[str, Compared], significances: Mapping[str, Mapping[str, Significance]]
) -> dict[str, Any]:
    """Each estimate, with its significance beside it unless it is the null."""
    return {
        key: {
            name: estimate.to_json() | (significances[key][name].to_json() if name in significances[key] else {})
            for name, estimate in row.items()
        }
        for key, row in table.items()
    }


def _sizes(sample: Events) -> dict[str, float]:
    """Number of events, sum of weights, and effective size (sum w)^2 / sum w^2 of a sample."""
    return {"n": len(sample), "sum_of_weights": float(sample.weights.sum()), "effective": sample.effective_size}


def _number(value: float) -> float | None:
    """The number, or None where it is not finite, for which JSON has no word."""
    return float(value) if np.isfinite(value) else None
