"""Which differences are significant and which are within noise: each number against its null, in numbers and words.

A metric of finite samples is not 0 where they agree. What counts is therefore the probability that noise alone makes it
as large, in standard deviations of a normal distribution: less than 2 are noise, from 3 on a difference is called
significant. All statements are one-sided, since a distance below its null is no better agreement.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.data.estimates import Estimate

TENSION, SIGNIFICANT = 2.0, 3.0
"""Standard deviations above the null from which on one speaks of tension, and of a significant difference."""
RARE = 0.01
"""Probability, after the number of looks, from which on a variable is named."""
LOOKS = ("chi_square", "kolmogorov")
"""Distances that every variable is looked at by."""
WITHIN_NOISE, IN_TENSION, DIFFERS = "agrees within noise", "tension", "differs significantly"


class Significance(NamedTuple):
    """How far a number is from its null.

    Attributes:
        deviations: standard deviations above the null; negative below.
        p_value: the probability of so large a number if the samples agree; one-sided.
    """

    deviations: float
    p_value: float

    @property
    def conclusion(self) -> str:
        """In a word or three; what is not defined is taken for noise."""
        if self.deviations >= SIGNIFICANT:
            return DIFFERS
        return IN_TENSION if self.deviations >= TENSION else WITHIN_NOISE

    def to_json(self) -> dict[str, float | None]:
        """The numbers as JSON values."""
        numbers = {"significance": self.deviations, "p_value": self.p_value}
        return {key: float(value) if np.isfinite(value) else None for key, value in numbers.items()}


def against_null(found: Estimate, null: Estimate) -> Significance:
    """The difference of a number and its null, over both uncertainties; the p-value is that of a normal distribution.

    For what is normally distributed, as an AUC is; distances have probabilities of their own (see `metrics.noise`).

    >>> from simmorph.data.estimates import Estimate
    >>> found = against_null(Estimate(0.530, 0.008), null=Estimate(0.499, 0.006))
    >>> round(found.deviations, 1), found.conclusion
    (3.1, 'differs significantly')
    """
    spread = float(np.hypot(found.uncertainty, null.uncertainty))
    if not (np.isfinite(spread) and spread > 0):
        return Significance(float("nan"), float("nan"))
    deviations = (found.value - null.value) / spread
    # Unlike a distribution function near 1, this is not 0 for 10 standard deviations.
    return Significance(deviations, math.erfc(deviations / 2**0.5) / 2)


def of_p_value(p_value: float) -> Significance:
    """A probability as standard deviations of a normal distribution; NaN has none.

    >>> round(of_p_value(0.0228).deviations, 1)
    2.0
    """
    if not math.isfinite(p_value):
        return Significance(float("nan"), float("nan"))
    return Significance(-NormalDist().inv_cdf(min(max(p_value, 1e-300), 1 - 1e-16)), p_value)


class Differing(NamedTuple):
    """A variable that differs, whatever the classifier says.

    Attributes:
        name: of the variable.
        kind: the distance that sees it, `chi_square` or `kolmogorov`.
        p_value: the probability that noise makes any of all looks so improbable.
    """

    name: str
    kind: str
    p_value: float

    def to_text(self) -> str:
        """In a few words."""
        return f"{self.name} ({'chi2' if self.kind == 'chi_square' else 'KS'}, p = {self.p_value:.1g})"


def differing(found: Mapping[str, Mapping[str, Significance]], n_regions: int = 1) -> tuple[Differing, ...]:
    """The variables that a distance of LOOKS sees differ, with a probability below RARE after the number of looks.

    Args:
        found: by variable and kind of distance.
        n_regions: so many times as often one looks.

    Returns:
        The most improbable first, each variable once.
    """
    n_looks = len(LOOKS) * len(found) * n_regions
    every = []
    for name, kinds in found.items():
        least, kind = min((_or_one(kinds[kind].p_value), kind) for kind in LOOKS)
        # 1 - (1 - p)^n without rounding.
        every.append(Differing(name, kind, -math.expm1(n_looks * math.log1p(-min(least, 1 - 1e-16)))))
    return tuple(sorted((it for it in every if it.p_value < RARE), key=lambda it: it.p_value))


def _or_one(p_value: float) -> float:
    """A probability; 1 where there is none."""
    return p_value if math.isfinite(p_value) else 1.0


class Findings(NamedTuple):
    """Which of several numbers differ from their nulls.

    Attributes:
        differs: significantly.
        tension: by less than that, and more than is usual.
        within: by no more than noise.
    """

    differs: tuple[str, ...]
    tension: tuple[str, ...]
    within: tuple[str, ...]

    def sentence(self) -> str:
        """What is found, in words."""
        n_all = sum(map(len, self))
        beyond = n_all * NormalDist().cdf(-TENSION)
        parts = [
            f"{words}: {', '.join(names)}"
            for words, names in (
                ("significantly different", self.differs),
                (f"in tension ({TENSION:.0f} to {SIGNIFICANT:.0f} standard deviations)", self.tension),
                ("within noise", self.within),
            )
            if names
        ]
        return (
            f"{'; '.join(parts)}. Of {n_all}, noise alone puts {beyond:.1f} beyond {TENSION:.0f} standard deviations."
        )

    def to_json(self) -> dict[str, Any]:
        """The lists and the sentence."""
        return {**{key: list(names) for key, names in self._asdict().items()}, "sentence": self.sentence()}


def findings(found: Mapping[str, Significance]) -> Findings:
    """Sort numbers, by their names for people, by how significant they are.

    Nothing is corrected for their number: `Findings.sentence` says how many noise alone would put beyond the threshold.
    """
    by_conclusion: dict[str, list[str]] = {DIFFERS: [], IN_TENSION: [], WITHIN_NOISE: []}
    for name, significance in found.items():
        by_conclusion[significance.conclusion].append(name)
    return Findings(*(tuple(names) for names in by_conclusion.values()))
