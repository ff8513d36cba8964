"""Does the template look like the target? The answer, judged by one metric.

The metric is the AUC of a classifier (see `metrics.c2st`), and the answer its excess over that of the target against
itself. Agreement is a statement about so many events: the sentence therefore says how large an excess the test would
not have seen, as a limit at 95 % confidence.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simmorph.evaluation.metrics.estimates import Estimate
from simmorph.evaluation.metrics.registry import metric_words
from simmorph.evaluation.significance import DIFFERS, IN_TENSION, SIGNIFICANT, TENSION, WITHIN_NOISE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ONE_SIDED_95 = 1.645
"""Standard deviations that 95 % of a normal distribution lie below."""
__all__ = ["DIFFERS", "IN_TENSION", "TENSION", "WITHIN_NOISE", "Verdict", "chance_of_tension", "verdict_on"]

SENTENCES = {
    WITHIN_NOISE: "the template agrees within noise with the target",
    IN_TENSION: "the template is in tension with the target",
    DIFFERS: "the template differs significantly from the target",
}


class Verdict(NamedTuple):
    """The answer for one region, by the AUC that sees the most: derived quantities too where there are some.

    One metric is chosen beforehand: the larger of two significances would exceed a threshold more often by chance. It
    is the AUC of gradient boosting of small trees, whatever other judges a recipe names: their AUCs stand beside it.

    Attributes:
        metric: the metric's name in `report.json`.
        words: its name for people.
        source: source against target; None without a source.
        template: template against target.
        null: target against target.
    """

    metric: str
    words: str
    source: Estimate | None
    template: Estimate
    null: Estimate

    @property
    def excess(self) -> Estimate:
        """The template's AUC minus that of the null."""
        return _difference(self.template, self.null)

    @property
    def significance(self) -> float:
        """By how many standard deviations the template's AUC is above that of the target against itself.

        The uncertainties of both count, as if they were independent.
        """
        return self.excess.value / self.excess.uncertainty

    @property
    def limit(self) -> float:
        """The one-sided upper limit at 95 % confidence on how far the template's AUC is above the null's."""
        return max(self.excess.value, 0.0) + ONE_SIDED_95 * self.excess.uncertainty

    @property
    def removed(self) -> float:
        """The share of the source's AUC above the null that the map has removed; NaN if there was nothing."""
        before = self.source.value - self.null.value if self.source else 0.0
        return 1 - self.excess.value / before if before else float("nan")

    @property
    def is_visible(self) -> bool:
        """Whether there was a significant difference between source and target to begin with."""
        if self.source is None:
            return False
        before = _difference(self.source, self.null)
        return before.value > SIGNIFICANT * before.uncertainty

    @property
    def conclusion(self) -> str:
        """The answer in a word or three."""
        if self.significance < TENSION:
            return WITHIN_NOISE
        return IN_TENSION if self.significance < SIGNIFICANT else DIFFERS

    def sentence(self) -> str:
        """The answer with its numbers."""
        source = f", unmorphed source {self.source.to_text()}" if self.source else ""
        return (
            f"{SENTENCES[self.conclusion]}: its {self.words} is {self.excess.value:+.4f} ± "
            f"{self.excess.uncertainty:.4f} from the null ({self.significance:+.1f} standard deviations; the excess is "
            f"below {self.limit:+.4f} at 95 % confidence). {self.words}: template {self.template.to_text()}, target "
            f"against target {self.null.to_text()}{source}"
        )

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return {
            "verdict": self.sentence(),
            "conclusion": self.conclusion,
            "judged_by": self.metric,
            "judge": "trees",
            "significance": _number(self.significance),
            "excess": self.excess.to_json(),
            "excess_limit_95": _number(self.limit),
            "removed": _number(self.removed),
        }


def verdict_on(metrics: Mapping[str, Mapping[str, Estimate]], derived: Sequence[str]) -> Verdict:
    """The verdict of one region's metrics, by metric and comparison.

    Args:
        metrics: with `auc`, and `auc_with_derived` where there are derived quantities; each has the comparisons
            `template_vs_target` and `target_vs_target`, and `source_vs_target` if there is a source.
        derived: the names of the derived quantities.
    """
    metric = "auc_with_derived" if "auc_with_derived" in metrics else "auc"
    compared = metrics[metric]
    words, source = metric_words(metric, derived), compared.get("source_vs_target")
    return Verdict(metric, words, source, compared["template_vs_target"], compared["target_vs_target"])


def chance_of_tension(n_regions: int) -> float:
    """The probability that noise alone puts at least one of several independent regions in tension.

    >>> round(chance_of_tension(1), 3), round(chance_of_tension(10), 2)
    (0.023, 0.21)
    """
    return 1.0 - NormalDist().cdf(TENSION) ** n_regions


def _difference(first: Estimate, second: Estimate) -> Estimate:
    """The difference of two independent estimates."""
    return Estimate(first.value - second.value, float(np.hypot(first.uncertainty, second.uncertainty)))


def _number(value: float) -> float | None:
    """The number, or None where it is not finite."""
    return float(value) if np.isfinite(value) else None
