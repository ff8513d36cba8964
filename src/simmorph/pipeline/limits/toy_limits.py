"""Limits and p-values from pseudo-experiments, or from a sum over all data sets where these are few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.errors import InputError, SimmorphError
from simmorph.limits.fits.goodness import p_value_by_toys
from simmorph.limits.model.likelihood import Data
from simmorph.limits.toys.cls import FEW, N_GROUPS, DataSets, ToyCls, log_drawn, significance_of
from simmorph.limits.toys.counting import every_data_set
from simmorph.limits.toys.draws import Origin, stacked
from simmorph.limits.toys.plan import Stage, first_stage, main_stage
from simmorph.limits.toys.statistic import Profiles, profiles
from simmorph.pipeline.limits.toys import bunches_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simmorph.data.estimates import Estimate
    from simmorph.limits.fits.goodness import GoodnessOfFit
    from simmorph.limits.fits.inference import AsymptoticCls, Limits
    from simmorph.limits.fits.strength import FittedStrength
    from simmorph.limits.toys.cls import LimitErrors, Tails
    from simmorph.pipeline.limits.toys import Bunch, Finished, ToyOptions, Workshop

MAX_ATTEMPTS = 3
"""How often a limit is looked for further away."""
REACH = 4.0
"""How far beyond the largest asymptotic limit all data sets are listed."""
MAIN, GOODNESS = 10, 20
"""The numbers of these stages."""
LEAST = 100
"""With fewer pseudo-experiments no limit is given."""
LEAST_GOODNESS = 10
"""With fewer no goodness of fit by pseudo-experiments."""


@dataclass(frozen=True, eq=False)
class ToyLimits:
    """Limits from pseudo-experiments, or from a sum over all data sets.

    Attributes:
        cls: CLs as a function of the parameter.
        limits: observed and expected.
        errors: of these.
        asymptotic: the limits by the asymptotic formulae.
        seed: of all random numbers.
        n_invalid: pseudo-experiments whose fits failed or are not sure to be minima.
    """

    cls: ToyCls
    limits: Limits
    errors: LimitErrors
    asymptotic: Limits
    seed: int
    n_invalid: int = 0

    @property
    def is_exact(self) -> bool:
        """Whether they are a sum over all data sets."""
        return self.cls.sets.is_exact

    @property
    def n_sets(self) -> int:
        """How many data sets are behind them."""
        return len(self.cls.sets.log_drawn)

    @property
    def at_1(self) -> Tails | None:
        """The p-values at a strength of 1; None beyond what the pseudo-experiments are good for."""
        return self.cls.tails(1.0) if self.cls.highest >= 1 else None

    def to_json(self) -> dict[str, Any]:
        """The numbers by name; CLsb, CLb and CLs as in pyhf, each with its error."""
        p0, significance = self._discovery()
        return {
            "number": self.n_sets,
            "exact": self.is_exact,
            **({} if self.is_exact else {"seed": self.seed, "invalid": self.n_invalid}),
            "observed_error": self.errors.observed,
            "expected_errors": list(self.errors.expected),
            "asymptotic": {"observed": self.asymptotic.observed, "expected": list(self.asymptotic.expected)},
            "at_observed": _named(self.cls.tails(self.limits.observed)),
            "at_1": _named(self.at_1),
            "p0": p0.to_json(),
            "significance": significance,
        }

    def _discovery(self) -> tuple[Estimate, float | None]:
        """The p-value of the absence of a signal, and its significance where enough data sets are that far out."""
        found, effective = self.cls.discovery()
        return found, significance_of(found.value) if effective >= FEW else None

    def limit_texts(self) -> list[str]:
        """The observed limit and the expected ones for people."""
        values = [self.limits.observed, *self.limits.expected]
        errors = [self.errors.observed, *self.errors.expected]
        return [
            f"{value:.5g}" if self.is_exact else f"{value:.4g} +- {error:.2g}"
            for value, error in zip(values, errors, strict=True)
        ]

    def rows(self) -> list[tuple[str, str]]:
        """What people see besides the limits."""
        how = f"exact sum over {self.n_sets} data sets" if self.is_exact else f"{self.n_sets} pseudo-experiments"
        p0, significance = self._discovery()
        others = f"{self.asymptotic.observed:.4g} (expected {self.asymptotic.expected[2]:.4g})"
        far = "too far out for so many" if significance is None else f"{significance:.3g}, p = {p0.value:.3g}"
        far = "0" if p0.value >= 1 else far
        error = "" if self.is_exact or significance is None or not p0.uncertainty else f" +- {p0.uncertainty:.1g}"
        return [("limits are from", f"{how}; asymptotically {others}"), ("significance from the same", far + error)]

    def warnings(self) -> Iterator[str]:
        """Sentences without a full stop."""
        if self.errors.effective < FEW:
            yield f"the observed limit rests on about {self.errors.effective:.0f} pseudo-experiments: try more --toys"
        if self.n_invalid:
            yield f"the fits of {self.n_invalid} of {self.n_sets} pseudo-experiments are not sure to be minima"


def _named(tails: Tails | None) -> dict[str, Any] | None:
    names = ("CLsb", "CLb", "CLs")
    return None if tails is None else {name: it.to_json() for name, it in zip(names, tails, strict=True)}


def toy_limits(
    test: AsymptoticCls, asymptotic: Limits, strength: FittedStrength, options: ToyOptions, workshop: Workshop
) -> ToyLimits:
    """Limits by a sum over all data sets where that is possible, else by pseudo-experiments.

    Args:
        test: the fits to the observed data.
        asymptotic: the limits by the asymptotic formulae.
        strength: the best fit, whose pseudo-experiments will be wanted next.
        options: how many pseudo-experiments, and their seed.
        workshop: where they are fitted.

    Raises:
        NoLimitError: CLs does not fall to the level.
        KeyboardInterrupt: stopped before there was anything to give; SystemExit too.
    """
    if found := _exact(test, asymptotic, options.seed):
        workshop.progress(f"the limits are a sum over all {found.n_sets} data sets: --toys does not change them")
        return found
    stage = main_stage(test, _about(test, asymptotic, options, workshop), options.number, MAIN)
    finished = workshop.fit(bunches_of(stage, options.seed), _of_best(strength, options))
    if workshop.stopped is not None and finished.number < LEAST:
        raise workshop.stopped
    cls, n_invalid = cls_of(test, stage, finished)
    limits = cls.limits(asymptotic.level)
    if limits is None:
        raise SimmorphError(test.likelihood.name, f"no limit below {stage.highest:.3g}", "try more --toys")
    return ToyLimits(cls, limits, cls.errors(limits), asymptotic, options.seed, n_invalid)


def _exact(test: AsymptoticCls, asymptotic: Limits, seed: int) -> ToyLimits | None:
    """By a list of all data sets; None where they are too many, or other parameters are fitted."""
    highest = max(asymptotic.observed, *asymptotic.expected)
    for _ in range(MAX_ATTEMPTS):
        highest *= REACH
        sets = every_data_set(test.likelihood, test.data, highest)
        if sets is None:
            return None
        cls = ToyCls(test, sets, highest)
        if limits := cls.limits(asymptotic.level):
            return ToyLimits(cls, limits, cls.errors(limits), asymptotic, seed)
    raise test.no_limit(f"CLs does not cross the level up to {highest:.3g}")


def _about(test: AsymptoticCls, asymptotic: Limits, options: ToyOptions, workshop: Workshop) -> Limits:
    """About where the limits are, by a few pseudo-experiments."""
    for attempt in range(MAX_ATTEMPTS):
        stage = first_stage(test, asymptotic, options.number, attempt)
        finished = workshop.fit(bunches_of(stage, options.seed), is_short=True)
        if workshop.stopped is not None:
            raise workshop.stopped
        if about := cls_of(test, stage, finished)[0].limits(asymptotic.level):
            return about
    raise test.no_limit(f"CLs does not cross the level up to {stage.highest:.3g}")


def cls_of(test: AsymptoticCls, stage: Stage, finished: Finished) -> tuple[ToyCls, int]:
    """CLs from pseudo-experiments, and how many of their fits are not valid.

    Raises:
        InputError: a fit to the observed data has no finite minimum.
    """
    likelihood = test.likelihood
    data, groups = finished.data(likelihood), finished.numbers() % N_GROUPS
    rows = [row for some in finished.rows for row in some]
    worked = np.array([bool(row) for row in rows])
    starts = np.array([fit.parameters for fit in test.observed.all_at(test.best_value)])
    [observed] = profiles(likelihood, stacked([test.data]), starts, stage.knots).rows()
    if not observed:
        raise InputError(likelihood.name, "a fit to the observed data has no finite minimum", "try --engine pyhf")
    statistic = Profiles.of_rows(stage.knots, [observed, *filter(None, rows)])
    data = Data(data.main[worked], data.auxiliary[worked])
    drawn = log_drawn(likelihood, data, finished.origins(stage))
    sets = DataSets(data, statistic, drawn, groups[worked])
    return ToyCls(test, sets, stage.highest), int((~worked).sum() + (~statistic.is_valid[1:]).sum())


def with_toys(
    goodness: GoodnessOfFit, strength: FittedStrength, options: ToyOptions, workshop: Workshop
) -> GoodnessOfFit:
    """The goodness of fit with a p-value from pseudo-experiments of the best fit, if some are wanted."""
    finished = workshop.fit(_of_best(strength, options))
    found = np.array([row[0] for some in finished.rows for row in some if row])
    if len(found) < LEAST_GOODNESS:
        return goodness
    return goodness._replace(by_toys=p_value_by_toys(goodness.statistic, found))


def _of_best(strength: FittedStrength, options: ToyOptions) -> list[Bunch]:
    """Pseudo-experiments of the best fit, for the goodness of fit."""
    best = strength.fit.parameters
    origin = Origin(best, options.n_goodness, np.empty((0, len(best))))
    return bunches_of(Stage(GOODNESS, np.empty(0), (origin,)), options.seed)
