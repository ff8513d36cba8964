"""Coverage: how often intervals and limits hold the true strength, in pseudo-experiments.

`from_model` makes experiments in which the model is right, `from_truth` those of a model whose templates may be wrong;
`outcomes` fits them, `bunches` says which together, and `summary` counts. Valid for the asymptotic intervals that
`inference` gives. A result on n pseudo-experiments has a binomial uncertainty, which is given beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simmorph.data.estimates import Estimate
from simmorph.errors import InputError, SimmorphError
from simmorph.limits.fits.inference import AsymptoticCls
from simmorph.limits.fits.many import fits_at_once, many_strengths
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.likelihood import Data
from simmorph.limits.toys.draws import draw, stacked

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.limits.model.workspace import Measurement

    Experiment = Callable[[np.random.Generator], "PseudoExperiment"]

BUNCH, FEW = 100, 5
"""How many pseudo-experiments are fitted together, and how many are made in one go where they are fitted alone."""


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
    """

    number: int
    strength: float = 1.0
    level: float = 0.95
    seed: int = 1


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


def coverage(experiments: Sequence[Experiment], toys: Toys) -> Coverage:
    """Make and fit pseudo-experiments; see `outcomes` and `summary`.

    Args:
        experiments: each makes one from a generator of random numbers; they are taken in turn.
        toys: how many, and at which strength.

    Raises:
        SimmorphError: hardly any fit worked.
    """
    found = {}
    for bunch in bunches(experiments, toys.number):
        found.update(outcomes(experiments, toys, bunch))
    return summary(found, toys, len(experiments))


def bunches(experiments: Sequence[Experiment], n_toys: int, known: Container[int] = ()) -> list[list[int]]:
    """The numbers of pseudo-experiments that are made in one go, all of one kind, the first ones first.

    Args:
        experiments: the kinds, which are taken in turn.
        n_toys: how many there are.
        known: those that need not be made again.
    """
    parts: list[list[int]] = []
    for kind, make in enumerate(experiments):
        size = BUNCH if isinstance(make, Drawn) and fits_at_once(make.measurement.likelihood) else FEW
        its = range(kind, n_toys, len(experiments))
        parts += [[it for it in its[first : first + size] if it not in known] for first in range(0, len(its), size)]
    return sorted(part for part in parts if part)


def outcomes(experiments: Sequence[Experiment], toys: Toys, numbers: Sequence[int]) -> dict[int, ToyOutcome | None]:
    """What the fits of some pseudo-experiments found, by their numbers; None of one without a minimum.

    Those of one model are fitted together, and where that is not enough one by one.

    Args:
        experiments: each makes one; they are taken in turn.
        toys: at which strength, and the seed.
        numbers: which of them, all of one kind.
    """
    make = experiments[numbers[0] % len(experiments)]
    made = {number: make(np.random.default_rng([toys.seed, number])) for number in numbers}
    first = made[numbers[0]].measurement
    if all(toy.measurement is first for toy in made.values()):
        found = _together(first, [toy.data for toy in made.values()], toys)
    else:
        found = [None] * len(numbers)
    return {
        number: it or _alone(toy, toys.strength, toys.level)
        for (number, toy), it in zip(made.items(), found, strict=True)
    }


def _together(measurement: Measurement, data: Sequence[Data], toys: Toys) -> list[ToyOutcome | None]:
    """What the fits of many data sets found; None of one that is to be fitted alone."""
    found = many_strengths(measurement.likelihood, stacked(data), toys.strength)
    covered = (toys.strength <= 0) | (found.cls >= 1 - toys.level)
    rows = zip(found.value.tolist(), found.uncertainty.tolist(), covered.tolist(), found.is_sure, strict=True)
    return [ToyOutcome(*row) if is_sure else None for *row, is_sure in rows]


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


def _alone(toy: PseudoExperiment, strength: float, level: float) -> ToyOutcome | None:
    """What the fit of one pseudo-experiment found; None if it has no uncertainty, or is not known to be a minimum.

    The limit covers where CLs of the true strength is at least 1 - level, which needs no root.
    """
    likelihood = toy.measurement.likelihood
    try:
        found = fitted_strength(likelihood, toy.data, sides=False)
        covered = strength <= 0 or AsymptoticCls(likelihood, toy.data).cls(strength) >= 1 - level
    except (ArithmeticError, InputError):
        return None
    if not (math.isfinite(found.value) and found.uncertainty > 0 and found.fit.is_valid):
        return None
    return ToyOutcome(float(found.value), float(found.uncertainty), bool(covered))


@dataclass(frozen=True, eq=False)
class Drawn:
    """Experiments with one model, which can be sent to other processes.

    Attributes:
        measurement: the model.
        expected: what counts and auxiliary measurements fluctuate about.
        held: whether the auxiliary measurements stay.
    """

    measurement: Measurement
    expected: Data
    held: bool

    def __call__(self, rng: np.random.Generator) -> PseudoExperiment:
        """One of them."""
        if self.held:
            data = self.expected._replace(main=rng.poisson(self.expected.main).astype(np.float64))
        else:
            data = draw(self.measurement.likelihood, self.expected, rng)
        return PseudoExperiment(self.measurement, data)


def from_model(measurement: Measurement, strength: float) -> Drawn:
    """Experiments in which the model is right: counts and auxiliary measurements fluctuate about its nominal values.

    Args:
        measurement: the model; its observed data play no part.
        strength: the true one.
    """
    likelihood = measurement.likelihood
    return Drawn(measurement, likelihood.expected(likelihood.at(strength)), False)


def from_truth(measurement: Measurement, expected: FloatArray) -> Drawn:
    """Experiments whose counts fluctuate about what is true, fitted with a model that may be wrong.

    The auxiliary measurements stay: what is wrong with the model is in its templates.

    Args:
        measurement: the model.
        expected: (n_bins,), the true yields, signal included.
    """
    auxiliary = np.array(measurement.likelihood.model.config.auxdata, np.float64)
    return Drawn(measurement, Data(expected, auxiliary), True)


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
