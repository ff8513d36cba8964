"""Everything that is measured in one region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.errors import InputError
from simmorph.evaluation import METRICS
from simmorph.evaluation.c2st import Judgement, judge
from simmorph.evaluation.correlations import Correlations, correlations, noise_floor
from simmorph.evaluation.estimates import Estimate
from simmorph.evaluation.marginals import kolmogorov, wasserstein
from simmorph.evaluation.movement import Movement, movement
from simmorph.evaluation.samples import EqualSamples, Samples, equal_samples

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from simmorph.data.events import Events

FEWEST_EVENTS = 100
SIGNIFICANT = 3.0
"""Standard deviations above the null from which on a difference is called significant."""
ONE_SIDED_95 = 1.645
"""Standard deviations that 95 % of a normal distribution lie below."""

Compared = dict[str, Estimate]
"""An estimate for each comparison."""


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
        judgements: of the classifiers, by comparison; on features and context.
        metrics: by metric and comparison.
        distances: by variable, kind of distance and comparison.
        correlations: by sample.
        movement: of source to template.
    """

    name: str
    cut: str
    is_trained_on: bool
    samples: Samples
    n_compared: int
    null: str
    judgements: Mapping[str, Judgement]
    metrics: Mapping[str, Compared]
    distances: Mapping[str, Mapping[str, Compared]]
    correlations: Mapping[str, Correlations]
    movement: Movement

    @property
    def significance(self) -> float:
        """By how many standard deviations the template is easier to tell from the target than the target itself."""
        return self.excess.value / self.excess.uncertainty

    @property
    def excess(self) -> Estimate:
        """The template's AUC minus that of the null."""
        ours, null = (self.metrics["auc"][name] for name in ("template_vs_target", "target_vs_target"))
        return Estimate(ours.value - null.value, float(np.hypot(ours.uncertainty, null.uncertainty)))

    @property
    def excess_limit(self) -> float:
        """The one-sided upper limit at 95 % confidence on how far the template's AUC is above the null's."""
        return max(self.excess.value, 0.0) + ONE_SIDED_95 * self.excess.uncertainty

    @property
    def undone(self) -> float:
        """The share of the source's AUC above the null that the map has removed."""
        source, template, null = (estimate.value for estimate in self.metrics["auc"].values())
        return 1 - (template - null) / (source - null) if source != null else float("nan")

    @property
    def is_within_noise(self) -> bool:
        """Whether the template is told from the target no better than noise explains."""
        return max(self.significance, self.derived_significance) < SIGNIFICANT

    @property
    def derived_significance(self) -> float:
        """The same significance for a classifier that sees the derived quantities too; 0 if there are none."""
        if "auc_with_derived" not in self.metrics:
            return 0.0
        names = ("template_vs_target", "target_vs_target")
        ours, null = (self.metrics["auc_with_derived"][name] for name in names)
        return (ours.value - null.value) / float(np.hypot(ours.uncertainty, null.uncertainty))

    @property
    def is_visible(self) -> bool:
        """Whether there was a significant difference between source and target to begin with."""
        source, null = (self.metrics["auc"][name] for name in ("source_vs_target", "target_vs_target"))
        return source.value - null.value > SIGNIFICANT * float(np.hypot(source.uncertainty, null.uncertainty))

    def verdict(self) -> str:
        """The result in one sentence."""
        numbers = {name: estimate.to_text() for name, estimate in self.metrics["auc"].items()}
        told = "differs significantly" if not self.is_within_noise else "does not differ significantly"
        derived = "auc_with_derived" in self.metrics
        also = f"; {self.derived_significance:+.1f} with the derived quantities" if derived else ""
        return (
            f"the template {told} from the target: its AUC is {self.excess.value:+.4f} ± {self.excess.uncertainty:.4f} "
            f"from the null ({self.significance:+.1f} standard deviations{also}; below {self.excess_limit:+.4f} "
            f"at 95 % confidence). AUC {numbers['template_vs_target']}, target against target "
            f"{numbers['target_vs_target']}, unmorphed source {numbers['source_vs_target']}"
        )

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return {
            "cut": self.cut or None,
            "trained_on": self.is_trained_on,
            "verdict": self.verdict(),
            "significance": _number(self.significance),
            "excess": self.excess.to_json(),
            "excess_limit_95": _number(self.excess_limit),
            "undone": _number(self.undone),
            "compared_events": self.n_compared,
            "null": self.null,
            "events": {name: _sizes(sample) for name, sample in self.samples.by_name().items()},
            "metrics": _compared_json(self.metrics),
            "distances": {name: _compared_json(kinds) for name, kinds in self.distances.items()},
            "movement": self._movement_json(),
            "pearson": self._pearson_json(),
        }

    def _movement_json(self) -> dict[str, Any]:
        total = self.movement
        return {
            "unit": "standard deviations of the target",
            "mean": _number(total.mean),
            "quantile_95": _number(total.quantile_95),
            "largest": _number(total.largest),
            "features": {
                name: {key: _number(value) for key, value in feature._asdict().items()}
                for name, feature in zip(self.samples.names, total.features, strict=False)
            },
        }

    def _pearson_json(self) -> dict[str, Any]:
        return {
            "names": list(self.samples.names),
            **{
                name: {
                    "matrix": [[_number(r) for r in row] for row in found.matrix],
                    "uncertainty": [[_number(r) for r in row] for row in found.uncertainty],
                }
                for name, found in self.correlations.items()
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

    Raises:
        InputError: there are too few events, or their weights sum to nothing.
    """
    parts = equal_samples(samples, max_events, rng)
    _check(name, parts)
    judgements, metrics = _metrics(samples, parts, rng)
    return RegionResult(
        name, cut, is_trained_on, samples, len(parts), parts.null, judgements, metrics,
        _distances(samples, parts),
        {key: correlations(sample) for key, sample in samples.by_name().items()},
        movement(*samples.rows(), periodic),
    )  # fmt: skip


def _check(name: str, parts: EqualSamples) -> None:
    if len(parts) < FEWEST_EVENTS:
        what = f"only {len(parts)} events of each sample are left to compare, {FEWEST_EVENTS} are needed"
        raise InputError(f"region {name!r}", what, "give more events, hold out more, or widen the region")
    for sample in (parts.source, parts.template, parts.target, parts.again):
        if not np.sum(sample.weights) > 0:
            raise InputError(f"region {name!r}", "the weights of a sample do not sum to a positive number")


def _metrics(
    samples: Samples, parts: EqualSamples, rng: np.random.Generator
) -> tuple[dict[str, Judgement], dict[str, Compared]]:
    """Every metric of every comparison; the classifier's judgements are kept, since their ROC curves are drawn too."""
    pairs, columns = parts.pairs(), range(samples.n_features)
    judgements = {name: judge(*pair, rng, columns) for name, pair in pairs.items()}
    metrics = {"auc": {name: found.auc() for name, found in judgements.items()}}
    if len(samples.names) > samples.n_features:
        metrics["auc_with_derived"] = {name: judge(*pair, rng).auc() for name, pair in pairs.items()}
    for metric, measure in METRICS.items():
        if metric not in metrics:
            metrics[metric] = {name: measure(*pair, rng) for name, pair in pairs.items()}
    return judgements, metrics


def _distances(samples: Samples, parts: EqualSamples) -> dict[str, dict[str, Compared]]:
    measures = {"wasserstein": wasserstein, "kolmogorov": kolmogorov}
    return {
        variable: {
            kind: {name: measure(*pair, column) for name, pair in parts.pairs().items()}
            for kind, measure in measures.items()
        }
        for column, variable in enumerate(samples.names)
    }


def _compared_json(table: Mapping[str, Compared]) -> dict[str, Any]:
    return {key: {name: estimate.to_json() for name, estimate in row.items()} for key, row in table.items()}


def _sizes(sample: Events) -> dict[str, float]:
    return {"n": len(sample), "sum_of_weights": float(sample.weights.sum()), "effective": sample.effective_size}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
