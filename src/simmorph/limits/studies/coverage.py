"""Coverage: how often intervals and limits hold the true strength, in pseudo-experiments.

`from_model` makes experiments in which the model is right, `from_truth` those of a model whose templates may be wrong;
`outcomes` fits them and `summary` counts. Valid for the asymptotic intervals that `inference` gives. A result on n
pseudo-experiments has a binomial uncertainty, which is given beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simmorph.data.estimates import Estimate
from simmorph.errors import InputError, SimmorphError
from simmorph.limits.fits.inference import AsymptoticCls
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.likelihood import Data
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.limits.model.workspace import Measurement
    from simmorph.progress import Progress


class PseudoExperiment(NamedTuple):
    """What one experiment measures, and the model that it is fitted with.

    Attributes:
        measurement: the model.
        data: counts and auxiliary measurements that were drawn.
    """

    measurement: Measurement
    data: Data


@dataclass(frozen=True)
class Toys:
    """How pseudo-experiments are made.

    Attributes:
        number: how many.
        strength: the true strength of the signal.
        level: the confidence level of the upper limit.
        seed: of all random numbers; each experiment has its own, so that more of them begin with the same ones.
        progress: called after every tenth part of them.
    """

    number: int
    strength: float = 1.0
    level: float = 0.95
    seed: int = 1
    progress: Progress = silent


class ToyOutcome(NamedTuple):
    """What the fit of one pseudo-experiment found.

    Attributes:
        fitted: strength.
        quoted: its uncertainty.
        covered: whether the upper limit is above the true strength.
    """

    fitted: float
    quoted: float
    covered: bool


class Coverage(NamedTuple):
    """What pseudo-experiments say about intervals.

    Attributes:
        strength: the true strength of the signal.
        n_toys: pseudo-experiments whose fit worked.
        n_failed: those whose fit found no minimum.
        n_kinds: kinds of experiments, such as templates at hand; no result is better known than these are many.
        bias: mean of the fitted strength less the true one.
        quoted: mean of the uncertainty that the fits quote.
        pull_mean: of (fitted - true) / quoted uncertainty; 0 is right.
        pull_width: root mean square of the pulls; 1 is right, more says that the uncertainty is too small.
        pull_spread: standard deviation of the pulls about their mean: 1 where the uncertainty is right for all but a
            bias that the templates share, such as that of the method which generated them.
        interval: share of the experiments whose 68 % interval holds the true strength.
        limit: share whose upper limit lies above the true strength; at a strength of 0 it is 1 by construction.
        level: what `limit` should be at least.
    """

    strength: float
    n_toys: int
    n_failed: int
    n_kinds: int
    bias: Estimate
    quoted: float
    pull_mean: Estimate
    pull_width: Estimate
    pull_spread: Estimate
    interval: Estimate
    limit: Estimate
    level: float

    def to_json(self) -> dict[str, Any]:
        """The numbers by name."""
        plain = {
            name: value.to_json() if isinstance(value, Estimate) else value for name, value in self._asdict().items()
        }
        return {**plain, "interval_should_be": 0.6827}

    def to_text(self) -> str:
        """A table for people."""
        rows = {
            "pseudo-experiments": f"{self.n_toys} at a true strength of {self.strength:g} ({self.n_failed} failed)",
            **({"templates, each with as many of these": str(self.n_kinds)} if self.n_kinds > 1 else {}),
            "fitted less true strength": self.bias.to_text(),
            "uncertainty quoted, mean": f"{self.quoted:.3g}",
            "pull, mean (0 is right)": self.pull_mean.to_text(),
            "pull, width (1 is right)": self.pull_width.to_text(),
            "pull, spread about its mean": self.pull_spread.to_text(),
            "68 % interval holds the truth (0.683)": self.interval.to_text(),
            f"upper limit is above the truth ({self.level:g})": self.limit.to_text(),
        }
        width = max(map(len, rows))
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


def coverage(experiments: Sequence[Callable[[np.random.Generator], PseudoExperiment]], toys: Toys) -> Coverage:
    """Make and fit pseudo-experiments; see `outcomes` and `summary`.

    Args:
        experiments: each makes one from a generator of random numbers; they are taken in turn.
        toys: how many, and at which strength.

    Raises:
        SimmorphError: hardly any fit worked.
    """
    return summary(dict(outcomes(experiments, toys)), toys, len(experiments))


def outcomes(
    experiments: Sequence[Callable[[np.random.Generator], PseudoExperiment]],
    toys: Toys,
    known: Mapping[int, ToyOutcome | None] | None = None,
) -> Iterator[tuple[int, ToyOutcome | None]]:
    """The number of each pseudo-experiment and what its fit found; None if it found no minimum.

    Args:
        experiments: each makes one; they are taken in turn.
        toys: how many, and at which strength.
        known: those that need not be made again.
    """
    known, n_toys = known or {}, toys.number
    for number in range(n_toys):
        if number in known:
            yield number, known[number]
            continue
        toy = experiments[number % len(experiments)](np.random.default_rng([toys.seed, number]))
        try:
            yield number, _outcome(toy, toys.strength, toys.level)
        except (ArithmeticError, InputError):
            yield number, None
        if 10 * (number + 1) // n_toys > 10 * number // n_toys:
            toys.progress(f"{number + 1} of {n_toys} pseudo-experiments")


def summary(found: Mapping[int, ToyOutcome | None], toys: Toys, n_kinds: int = 1) -> Coverage:
    """What pseudo-experiments say about intervals.

    Args:
        found: the outcome of each by its number; None where the fit failed.
        toys: how they were made.
        n_kinds: how many kinds of experiments were taken in turn. Those of one kind share its template, and are wrong
            together: the uncertainties are those of so many independent kinds.

    Raises:
        SimmorphError: hardly any fit worked.
    """
    worked = {number: outcome for number, outcome in found.items() if outcome is not None}
    n_failed = len(found) - len(worked)
    if len(worked) < 2:
        raise SimmorphError("coverage", f"{n_failed} of {len(found)} pseudo-experiments failed", "look for empty bins")
    fitted, quoted, covered = (np.array(column, np.float64) for column in zip(*worked.values(), strict=True))
    kinds = np.array(list(worked)) % n_kinds if n_kinds > 1 else np.arange(len(worked))
    pulls = (fitted - toys.strength) / quoted
    return Coverage(
        toys.strength, len(worked), n_failed, min(n_kinds, len(worked)),
        _mean(fitted - toys.strength, kinds), float(quoted.mean()), _mean(pulls, kinds), _width(pulls, kinds),
        _width(pulls - pulls.mean(), kinds),
        _share(np.abs(pulls) < 1, kinds), _share(covered > 0, kinds), toys.level,
    )  # fmt: skip


def _outcome(toy: PseudoExperiment, strength: float, level: float) -> ToyOutcome:
    """What the fit of one pseudo-experiment found.

    The limit covers where CLs of the true strength is at least 1 - level, which needs no root.

    Raises:
        ArithmeticError: the fit has no uncertainty, or is not known to be a minimum.
        InputError: a fit has no finite minimum.
    """
    likelihood = toy.measurement.likelihood
    found = fitted_strength(likelihood, toy.data, sides=False)
    covered = strength <= 0 or AsymptoticCls(likelihood, toy.data).cls(strength) >= 1 - level
    if not (math.isfinite(found.value) and found.uncertainty > 0 and found.fit.is_valid):
        raise ArithmeticError("no uncertainty, or no certain minimum")
    return ToyOutcome(float(found.value), float(found.uncertainty), bool(covered))


def from_model(measurement: Measurement, strength: float) -> Callable[[np.random.Generator], PseudoExperiment]:
    """Experiments in which the model is right: counts and auxiliary measurements fluctuate about its nominal values.

    Args:
        measurement: the model; its observed data play no part.
        strength: the true one.
    """
    likelihood = measurement.likelihood
    expected = likelihood.expected(likelihood.at(strength))

    def make(rng: np.random.Generator) -> PseudoExperiment:
        auxiliary = np.where(
            likelihood.gaussian,
            rng.normal(expected.auxiliary, np.where(likelihood.gaussian, likelihood.widths, 1.0)),
            rng.poisson(np.where(likelihood.gaussian, 0.0, expected.auxiliary)),
        )
        return PseudoExperiment(measurement, Data(rng.poisson(expected.main).astype(np.float64), auxiliary))

    return make


def from_truth(measurement: Measurement, expected: FloatArray) -> Callable[[np.random.Generator], PseudoExperiment]:
    """Experiments whose counts fluctuate about what is true, fitted with a model that may be wrong.

    The auxiliary measurements stay: what is wrong with the model is in its templates.

    Args:
        measurement: the model.
        expected: (n_bins,), the true yields, signal included.
    """
    auxiliary = np.array(measurement.likelihood.model.config.auxdata, np.float64)
    return lambda rng: PseudoExperiment(measurement, Data(rng.poisson(expected).astype(np.float64), auxiliary))


def _mean(values: FloatArray, kinds: IntArray) -> Estimate:
    """The mean, with the uncertainty that is left if values of one kind may have anything in common.

    With K kinds and n values v: sqrt(K / (K - 1) sum over kinds of (sum of v - mean)^2) / n. If each kind has one
    value, this is the standard error of the mean.

    Args:
        values: (n,).
        kinds: (n,), which kind each is of.
    """
    mean = float(values.mean())
    _, which = np.unique(kinds, return_inverse=True)
    sums = np.bincount(which, values - mean)
    n_kinds = len(sums)
    if n_kinds < 2:
        return Estimate(mean, float(values.std(ddof=1) / math.sqrt(len(values))))
    return Estimate(mean, math.sqrt(n_kinds / (n_kinds - 1) * float(np.sum(sums**2))) / len(values))


def _width(pulls: FloatArray, kinds: IntArray) -> Estimate:
    """The root mean square of pulls, (n,), with the uncertainty of the mean square propagated."""
    square = _mean(pulls**2, kinds)
    width = math.sqrt(square.value)
    return Estimate(width, square.uncertainty / (2 * width))


def _share(held: BoolArray, kinds: IntArray) -> Estimate:
    """The share of (n,) that is true; its uncertainty is at least that of the interval of Agresti and Coull."""
    found, n = _mean(held.astype(np.float64), kinds), len(held)
    if found.uncertainty == 0:  # all or none: as many independent ones as there are kinds
        n = len(np.unique(kinds))
    # Agresti-Coull: a share of 0 or 1 has an uncertainty too.
    adjusted = (found.value * n + 2) / (n + 4)
    return Estimate(found.value, max(found.uncertainty, math.sqrt(adjusted * (1 - adjusted) / (n + 4))))
