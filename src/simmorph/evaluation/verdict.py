"""Does the template look like the target? The answer, with what it could have seen.

It is judged by the AUC of a classifier (see `metrics.classifier.c2st`), which is 1/2 where samples agree, and by each
variable alone. Agreement is a statement about so many events: the sentence therefore says how large an excess of the
AUC the test would have seen in 95 of 100 cases, and where that is too large, there is no answer.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from simmorph.data.estimates import Estimate
from simmorph.evaluation.metrics.registry import metric_words
from simmorph.evaluation.significance import RARE, SIGNIFICANT, TENSION, Differing, Significance, against_null

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Code = Literal["agrees", "no_power", "tension", "differs", "invalid"]
"""The answer for programs."""
CODES: tuple[Code, ...] = get_args(Code)
"""From good to bad."""
ONE_SIDED_95 = 1.645
"""Standard deviations that 95 % of a normal distribution lie below."""
NO_DIFFERENCE = Estimate(0.5, 0.0)
"""The AUC of samples that agree, when each event is judged by a classifier that has not seen it."""
LARGEST_UNSEEN = 0.05
"""A test that may miss a larger excess of the AUC has no answer: simulation before any map is often no further off."""
LARGEST_UNSEEN_SHARE = 0.5
"""Nor has one that may miss a larger share of what distinguishes the source."""
TOO_ALIKE = -5.0
"""Deviations of an AUC below 1/2 that samples without common events do not have."""
ALIKE = "template and target are more alike than samples without common events can be"
LARGEST_ERROR_OF_SHARE = 0.25
"""A share that was removed is not told with a larger uncertainty."""
WORDS: dict[Code, str] = {
    "agrees": "agrees within noise",
    "no_power": "too few events to tell",
    "tension": "in tension",
    "differs": "differs significantly",
    "invalid": "no answer",
}
"""The answer in a word or three."""
SENTENCES: dict[Code, str] = {
    "agrees": "the template agrees within noise with the target",
    "no_power": "too few events to tell whether the template agrees with the target",
    "tension": "the template is in tension with the target",
    "differs": "the template differs significantly from the target",
    "invalid": "no answer",
}


class Verdict(NamedTuple):
    """The answer for one region, by the AUC that sees the most (derived quantities too where there are some).

    One metric is chosen beforehand: the larger of two significances would exceed a threshold more often by chance. It
    is the AUC of gradient boosting of small trees, whatever other judges a recipe names: their AUCs stand beside it.
    Beside it, a variable counts that differs by itself: what one plot shows, a classifier of many may not see.

    Attributes:
        metric: the metric's name in `report.json`.
        words: its name for people.
        source: source against target; None without a source.
        template: template against target.
        null: target against target, which is 1/2 but for noise: a check.
        variables: those that differ by themselves.
        context: what differs in the context, if the answer is due to that; empty otherwise.
        doubts: what is wrong with the samples, so that their numbers say nothing.
    """

    metric: str
    words: str
    source: Estimate | None
    template: Estimate
    null: Estimate
    variables: tuple[Differing, ...] = ()
    context: str = ""
    doubts: tuple[str, ...] = ()

    @property
    def excess(self) -> Estimate:
        """The template's AUC above that of samples that agree."""
        return Estimate(self.template.value - NO_DIFFERENCE.value, self.template.uncertainty)

    @property
    def significance(self) -> float:
        """By how many standard deviations the template's AUC is above that of samples that agree."""
        return self.judged.deviations

    @property
    def judged(self) -> Significance:
        """What the classifier says."""
        return against_null(self.template, NO_DIFFERENCE)

    @property
    def limit(self) -> float:
        """The one-sided upper limit at 95 % confidence on how far the template's AUC is above 1/2."""
        return max(self.excess.value, 0.0) + ONE_SIDED_95 * self.excess.uncertainty

    @property
    def sensitivity(self) -> float:
        """The excess of the AUC that the test would have called a tension, or more, in 95 of 100 cases."""
        return (TENSION + ONE_SIDED_95) * self.excess.uncertainty

    @property
    def needed(self) -> float:
        """The excess that the test has to see in 95 of 100 cases for its silence to mean something."""
        if self.source is None or not self.is_visible:
            return LARGEST_UNSEEN
        return min(LARGEST_UNSEEN, LARGEST_UNSEEN_SHARE * (self.source.value - NO_DIFFERENCE.value))

    @property
    def removed(self) -> Estimate | None:
        """The share of the source's excess that the map has removed; None where that is not known well.

        The errors of both AUCs count, as if these were independent.
        """
        if self.invalid or self.source is None or not self.is_visible:
            return None
        before = self.source.value - NO_DIFFERENCE.value
        left = self.excess.value / before
        error = float(np.hypot(self.excess.uncertainty, left * self.source.uncertainty)) / before
        return Estimate(1 - left, error) if error <= LARGEST_ERROR_OF_SHARE else None

    @property
    def is_visible(self) -> bool:
        """Whether there was a significant difference between source and target to begin with."""
        return self.source is not None and against_null(self.source, NO_DIFFERENCE).deviations > SIGNIFICANT

    @property
    def invalid(self) -> tuple[str, ...]:
        """What leaves no answer."""
        return self.doubts or ((ALIKE,) if self.significance <= TOO_ALIKE else ())

    @property
    def code(self) -> Code:
        """The answer for programs."""
        if self.invalid:
            return "invalid"
        smallest = min((it.p_value for it in self.variables), default=1.0)
        if self.significance >= SIGNIFICANT or smallest < NormalDist().cdf(-SIGNIFICANT):
            return "differs"
        if self.significance >= TENSION or self.variables:
            return "tension"
        return "agrees" if self.sensitivity <= self.needed else "no_power"

    @property
    def badness(self) -> tuple[int, float]:
        """The larger the worse, to find the worst of several."""
        return CODES.index(self.code), self.significance

    @property
    def conclusion(self) -> str:
        """The answer in a word or three."""
        return WORDS[self.code]

    def sentence(self) -> str:
        """The answer with its numbers and its reason."""
        source = f", unmorphed source {self.source.to_text()}" if self.source else ""
        judged = f"{self.words} {self.template.to_text()}, {self.significance:+.1f} standard deviations from 0.5"
        answer = f"{SENTENCES[self.code]}: {'; '.join([*self.invalid, judged])}"
        checked = f"target against target {self.null.to_text()}{source}"
        return "; ".join(filter(None, [answer, self._power(), self._alone(), self.context, checked]))

    def _power(self) -> str:
        """What the test could have seen; empty where it has seen something."""
        seen = f"an excess of {self.sensitivity:.4f} would have been seen in 95 of 100 cases"
        if self.code == "agrees":
            return seen
        if self.code != "no_power":
            return ""
        return f"only {seen}, and one of {self.needed:.4f} should be: give more events"

    def _alone(self) -> str:
        """The variables that differ by themselves."""
        if not self.variables:
            return ""
        return "by itself differs " + ", ".join(it.to_text() for it in self.variables)

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        removed = self.removed
        return {
            "verdict": self.code,
            "conclusion": self.conclusion,
            "sentence": self.sentence(),
            "judged_by": self.metric,
            "judge": "trees",
            **self.judged.to_json(),
            "excess": self.excess.to_json(),
            "excess_limit_95": _number(self.limit),
            "excess_seen_95": _number(self.sensitivity),
            "excess_needed": _number(self.needed),
            "removed": removed and removed.to_json(),
            "variables_that_differ": [it._asdict() for it in self.variables],
            "context": self.context or None,
        }


def verdict_on(
    metrics: Mapping[str, Mapping[str, Estimate]],
    derived: Sequence[str],
    variables: tuple[Differing, ...] = (),
    context: str = "",
    doubts: tuple[str, ...] = (),
) -> Verdict:
    """The verdict of one region's metrics, by metric and comparison.

    Args:
        metrics: with `auc`, and `auc_with_derived` where there are derived quantities; each has the comparisons
            `template_vs_target` and `target_vs_target`, and `source_vs_target` if there is a source.
        derived: the names of the derived quantities.
        variables: those that differ by themselves.
        context: what differs in the context, if it explains the AUC.
        doubts: what is wrong with the samples, so that their numbers say nothing.
    """
    metric = "auc_with_derived" if "auc_with_derived" in metrics else "auc"
    compared = metrics[metric]
    words, source = metric_words(metric, derived), compared.get("source_vs_target")
    of_template, null = compared["template_vs_target"], compared["target_vs_target"]
    return Verdict(metric, words, source, of_template, null, variables, context, doubts)


def chance_of_tension(n_regions: int) -> float:
    """The probability that noise alone puts at least one of several independent regions in tension.

    By the classifier of any region, or by a variable of any region, which are counted as looks.

    >>> round(chance_of_tension(1), 3), round(chance_of_tension(10), 2)
    (0.033, 0.21)
    """
    return 1.0 - NormalDist().cdf(TENSION) ** n_regions * (1 - RARE)


def _number(value: float) -> float | None:
    """The number, or None where it is not finite."""
    return float(value) if np.isfinite(value) else None
