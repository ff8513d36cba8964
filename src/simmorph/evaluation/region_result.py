"""What `evaluate` reports of one region: what was measured there, what is shown beside it, and the JSON of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.evaluation.comparison import ByComparison, Measured, Plan, measure
from simmorph.evaluation.metrics.classifier.c2st import Judgement, judge
from simmorph.evaluation.metrics.classifier.density_ratio import DensityRatio, density_ratios
from simmorph.evaluation.metrics.correlations import Correlations, correlations, noise_floor
from simmorph.evaluation.metrics.maps.acceptance import Acceptance, acceptance
from simmorph.evaluation.metrics.maps.movement import Movement, movement
from simmorph.evaluation.metrics.maps.partners import PartnerDistance, partner_distance
from simmorph.evaluation.metrics.multivariate import MAX_KERNEL_EVENTS, MAX_PROJECTED
from simmorph.evaluation.metrics.profiles import Profile, profiles
from simmorph.evaluation.metrics.ranks import spearman
from simmorph.evaluation.metrics.registry import metric_words
from simmorph.evaluation.metrics.samples import NULL, SOURCE, TEMPLATE, ComparedSamples, Samples, random_of
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
    from collections.abc import Mapping, Sequence

    from simmorph.data.estimates import Estimate
    from simmorph.data.events import Events, FloatArray

DUE_SHARE = 0.5
"""Share of the AUC's excess from which on a difference is due to what makes it."""
CONTEXT_REMARK = (
    "No map changes a context value, and a reweighting at given context keeps its distribution: where source and "
    "target differ in a context variable, so do template and target, unless the source was reweighted before."
)
Curve = tuple["FloatArray", "FloatArray"]
"""Two coordinates of points."""


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
            "compared_events": self.compared.size,
            "compared": self._compared(),
            "null": self.compared.null,
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
        sizes = {name: {"sample": one, "target": other} for name, (one, other) in self.compared.sizes.items()}
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
        of_context=_by_context(samples, found.compared, plan) if samples.condition_names else None,
    )


def _partners(samples: Samples, plan: Plan) -> PartnerDistance | None:
    """How far events are from the same ones in the target, if the samples have the same events."""
    if samples.partners is None or not samples.has_source:
        return None
    return partner_distance(samples.rows(), samples.partners, samples.names, plan.periodic)


def _by_context(samples: Samples, compared: ComparedSamples, plan: Plan) -> Estimate:
    """The AUC of template and target of trees that see the context alone."""
    template, target = (samples.seen(it, samples.condition_names) for it in compared.pairs[TEMPLATE][0])
    return judge(template, target, random_of(plan.seed, "auc of the context")).auc()


def _mean_curve(judgements: Sequence[Judgement]) -> Curve:
    """The ROC curve whose efficiencies are the mean over judgements, at the same target efficiencies."""
    curves = [judgement.roc() for judgement in judgements]
    return curves[0][0], np.mean([kept for _, kept in curves], axis=0)


def _against_null(compared: ByComparison, p_values: Mapping[str, float], null: Estimate) -> dict[str, Significance]:
    """How far each comparison is from the null: by its own probability if that is known, else by the uncertainties."""
    return {
        name: of_p_value(p_values[name]) if name in p_values else against_null(found, null)
        for name, found in compared.items()
        if name != NULL
    }


def _compared_json(
    table: Mapping[str, ByComparison], significances: Mapping[str, Mapping[str, Significance]]
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
