"""Everything that is measured in one region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.errors import InputError
from simmorph.evaluation.metrics.acceptance import Acceptance, acceptance
from simmorph.evaluation.metrics.c2st import Judgement, judge
from simmorph.evaluation.metrics.correlations import Correlations, correlations, noise_floor
from simmorph.evaluation.metrics.density_ratio import DensityRatio, density_ratios
from simmorph.evaluation.metrics.divergences import (
    chi_square,
    chi_square_p_value,
    hellinger,
    jensen_shannon,
    kullback_leibler,
)
from simmorph.evaluation.metrics.estimates import Estimate, mean_estimate
from simmorph.evaluation.metrics.marginals import anderson_darling, kolmogorov, kolmogorov_p_value, wasserstein
from simmorph.evaluation.metrics.movement import Movement, movement
from simmorph.evaluation.metrics.profiles import Profile, profiles
from simmorph.evaluation.metrics.ranks import spearman
from simmorph.evaluation.metrics.registry import METRICS, P_VALUES
from simmorph.evaluation.metrics.samples import COMPARISONS, EqualSamples, Samples, equal_samples
from simmorph.evaluation.significance import Findings, Significance, against_null, findings, of_p_value
from simmorph.evaluation.verdict import Verdict, metric_words, verdict_on

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from simmorph.data.events import Events, FloatArray

FEWEST_EVENTS = 100
_, TEMPLATE, NULL = COMPARISONS
CONTEXT_REMARK = (
    "No map changes a context value, and a reweighting at given context keeps its distribution: where source and "
    "target differ in a context variable, so do template and target, unless the source was reweighted before."
)

DISTANCES: dict[str, Callable[..., Estimate]] = {
    "wasserstein": wasserstein,
    "kolmogorov": kolmogorov,
    "kullback_leibler": kullback_leibler,
    "jensen_shannon": jensen_shannon,
    "hellinger": hellinger,
    "anderson_darling": anderson_darling,
    "chi_square": chi_square,
}
"""Distances of one variable at a time: functions of (template, target, column)."""
DISTANCE_P_VALUES: dict[str, Callable[..., float]] = {
    "kolmogorov": kolmogorov_p_value,
    "chi_square": chi_square_p_value,
}
"""The probability of so large a distance if the samples agree, where theory tells it."""
CONTEXT_DISTANCES = {kind: DISTANCES[kind] for kind in ("wasserstein", "kolmogorov", "chi_square")}
Compared = dict[str, Estimate]
"""An estimate for each comparison."""
Curve = tuple["FloatArray", "FloatArray"]
"""Two coordinates of points."""


@dataclass(frozen=True, eq=False)
class RegionResult:
    """What was measured in one region.

    Attributes:
        name: of the region.
        cut: its expression; empty for all events.
        is_trained_on: whether the map was learnt here.
        samples: what was compared.
        n_compared: how many events of each sample the metrics saw.
        null: how the null was made.
        rocs: the ROC curve of each comparison, by the classifier that the verdict is based on: (target kept, other
            sample kept), each (n_points,); that of the null is the mean over its splits.
        metrics: by metric and comparison.
        p_values: of metrics whose null is known from random relabellings, by metric and comparison.
        distances: by variable, kind of distance and comparison.
        distance_p_values: of those whose null theory tells, by variable or context variable, kind and comparison.
        correlations: Pearson's, by sample.
        spearman: rank correlations, by sample.
        movement: of source to template; None without a source.
        density_ratio: calibrated weights of the classifier that the verdict is based on, by comparison.
        profiles: the mean of each variable against each condition.
        context_distances: by context variable, kind of distance and comparison: whether the conditions agree.
        acceptance: by name of the cut.
    """

    name: str
    cut: str
    is_trained_on: bool
    samples: Samples
    n_compared: int
    null: str
    rocs: Mapping[str, Curve]
    metrics: Mapping[str, Compared]
    p_values: Mapping[str, Mapping[str, float]]
    distances: Mapping[str, Mapping[str, Compared]]
    distance_p_values: Mapping[str, Mapping[str, Mapping[str, float]]]
    correlations: Mapping[str, Correlations]
    spearman: Mapping[str, Correlations]
    movement: Movement | None
    density_ratio: Mapping[str, DensityRatio]
    profiles: Sequence[Profile]
    context_distances: Mapping[str, Mapping[str, Compared]]
    acceptance: Mapping[str, Acceptance]

    @property
    def derived(self) -> tuple[str, ...]:
        """The names of the quantities that are derived from the features."""
        return self.samples.names[self.samples.n_features :]

    @property
    def comparisons(self) -> tuple[str, ...]:
        """What was compared, in order."""
        return tuple(self.metrics["auc"])

    @property
    def verdict(self) -> Verdict:
        """The answer, and the metric that gives it."""
        return verdict_on(self.metrics, self.derived)

    @property
    def significances(self) -> dict[str, dict[str, Significance]]:
        """How far each metric is from its null, by metric and comparison."""
        return {
            metric: _against_null(compared, self.p_values.get(metric, {})) for metric, compared in self.metrics.items()
        }

    @property
    def distance_significances(self) -> dict[str, dict[str, dict[str, Significance]]]:
        """How far each distance is from its null, by variable or context variable, kind and comparison."""
        return {
            name: {
                kind: _against_null(compared, self.distance_p_values[name].get(kind, {}))
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
        """The numbers as JSON values."""
        return {
            "cut": self.cut or None,
            "trained_on": self.is_trained_on,
            **self.verdict.to_json(),
            "compared_events": self.n_compared,
            "null": self.null,
            "events": {name: _sizes(sample) for name, sample in self.samples.by_name().items()},
            "metrics": _compared_json(self.metrics, self.significances),
            "findings": self.findings.to_json(),
            "variables": self.distance_findings.to_json() | {"judged_by": "chi_square"},
            "distances": {
                name: _compared_json(kinds, self.distance_significances[name]) for name, kinds in self.distances.items()
            },
            "movement": self._movement_json(),
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

    def _movement_json(self) -> dict[str, Any] | None:
        total = self.movement
        return total and {
            "unit": "standard deviations of the target",
            "mean": _number(total.mean),
            "quantile_95": _number(total.quantile_95),
            "largest": _number(total.largest),
            "lowest_retention": total.lowest_retention.to_json(),
            "features": {
                name: {key: _number(value) for key, value in feature._asdict().items()}
                for name, feature in zip(self.samples.names, total.features, strict=False)
            },
        }

    def _correlations_json(self, of_samples: Mapping[str, Correlations]) -> dict[str, Any]:
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


def compare(  # noqa: PLR0913 - what a region is, and how it is measured
    name: str,
    cut: str,
    samples: Samples,
    *,
    is_trained_on: bool,
    periodic: Collection[int],
    max_events: int,
    rng: np.random.Generator,
    judges: Sequence[str] = (),
) -> RegionResult:
    """Measure everything in one region.

    Args:
        name: of the region.
        cut: its expression.
        samples: what is compared.
        is_trained_on: whether the map was learnt here.
        periodic: the columns that are angles.
        max_events: largest number of events of each sample for the metrics.
        rng: the only source of randomness.
        judges: classifiers by whose AUC everything is measured too, beside the trees that the verdict is by.

    Raises:
        InputError: there are too few events, or their weights sum to nothing.
    """
    parts = equal_samples(samples, max_events, rng)
    _check(name, parts)
    judged, metrics = _metrics(samples, parts, rng)
    p_values = {}
    for metric, measure in P_VALUES.items():
        metrics[metric], p_values[metric] = _with_p_values(parts, measure, rng)
    metrics |= {f"auc_{name}": _aucs(_judged(parts, rng, range(samples.n_features), name)) for name in judges}
    return RegionResult(
        name=name,
        cut=cut,
        is_trained_on=is_trained_on,
        samples=samples,
        n_compared=len(parts),
        null=parts.null,
        rocs={comparison: _mean_curve(found) for comparison, found in judged.items()},
        metrics=metrics,
        p_values=p_values,
        distances=_distances(samples.names, parts, DISTANCES),
        distance_p_values=_distance_p_values(samples.names, parts)
        | _distance_p_values(samples.context_names, parts.of_context()),
        correlations={key: correlations(sample) for key, sample in samples.by_name().items()},
        spearman={key: spearman(sample) for key, sample in samples.by_name().items()},
        movement=movement(*samples.rows(), periodic) if samples.has_source else None,
        density_ratio=density_ratios(judged, rng),
        profiles=profiles(samples, rng),
        context_distances=_distances(samples.context_names, parts.of_context(), CONTEXT_DISTANCES),
        acceptance=acceptance(samples),
    )


def _check(name: str, parts: EqualSamples) -> None:
    if len(parts) < FEWEST_EVENTS:
        what = f"only {len(parts)} events of each sample are left to compare, {FEWEST_EVENTS} are needed"
        raise InputError(f"region {name!r}", what, "give more events, hold out more, or widen the region")
    for sample in (sample for pairs in parts.pairs().values() for pair in pairs for sample in pair):
        if not np.sum(sample.weights) > 0:
            raise InputError(f"region {name!r}", "the weights of a sample do not sum to a positive number")


def _metrics(
    samples: Samples, parts: EqualSamples, rng: np.random.Generator
) -> tuple[dict[str, list[Judgement]], dict[str, Compared]]:
    """What the classifier that sees the most says of every comparison, and every metric of each."""
    judged = _judged(parts, rng, range(samples.n_features))
    metrics = {"auc": _aucs(judged)}
    if len(samples.names) > samples.n_features:
        judged = _judged(parts, rng)
        metrics["auc_with_derived"] = _aucs(judged)
    for metric, measure in METRICS.items():
        if metric not in metrics and metric not in P_VALUES:
            metrics[metric] = _mean_over_pairs(parts, measure, rng)
    return judged, metrics


def _with_p_values(
    parts: EqualSamples, measure: Callable[..., tuple[Estimate, float]], rng: np.random.Generator
) -> tuple[Compared, dict[str, float]]:
    """A metric of every comparison, and the probability of each but the null."""
    found = {name: [measure(*pair, rng) for pair in pairs] for name, pairs in parts.pairs().items()}
    estimates = {name: mean_estimate([estimate for estimate, _ in each]) for name, each in found.items()}
    return estimates, {name: each[0][1] for name, each in found.items() if name != NULL}


def _judged(
    parts: EqualSamples, rng: np.random.Generator, columns: Sequence[int] | None = None, classifier: str = "trees"
) -> dict[str, list[Judgement]]:
    return {name: [judge(*pair, rng, columns, classifier) for pair in pairs] for name, pairs in parts.pairs().items()}


def _aucs(judged: Mapping[str, Sequence[Judgement]]) -> Compared:
    return {name: mean_estimate([judgement.auc() for judgement in found]) for name, found in judged.items()}


def _mean_curve(judgements: Sequence[Judgement]) -> Curve:
    curves = [judgement.roc() for judgement in judgements]
    return curves[0][0], np.mean([kept for _, kept in curves], axis=0)


def _mean_over_pairs(parts: EqualSamples, measure: Callable[..., Estimate], argument: object) -> Compared:
    return {name: mean_estimate([measure(*pair, argument) for pair in pairs]) for name, pairs in parts.pairs().items()}


def _distances(
    names: Sequence[str], parts: EqualSamples, measures: Mapping[str, Callable[..., Estimate]]
) -> dict[str, dict[str, Compared]]:
    return {
        variable: {kind: _mean_over_pairs(parts, measure, column) for kind, measure in measures.items()}
        for column, variable in enumerate(names)
    }


def _distance_p_values(names: Sequence[str], parts: EqualSamples) -> dict[str, dict[str, dict[str, float]]]:
    pairs = {name: found[0] for name, found in parts.pairs().items() if name != NULL}
    return {
        variable: {
            kind: {name: measure(*pair, column) for name, pair in pairs.items()}
            for kind, measure in DISTANCE_P_VALUES.items()
        }
        for column, variable in enumerate(names)
    }


def _against_null(compared: Compared, p_values: Mapping[str, float]) -> dict[str, Significance]:
    """How far each comparison is from the null: by its own probability if that is known, else by the uncertainties."""
    null = compared[NULL]
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
    return {"n": len(sample), "sum_of_weights": float(sample.weights.sum()), "effective": sample.effective_size}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
