"""Where pseudo-experiments are drawn, and at which strengths they are fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.limits.toys.draws import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simmorph.data.events import FloatArray
    from simmorph.limits.fits.inference import AsymptoticCls, Limits

APART = 0.04
"""Relative distance of two strengths up to which one of them is enough."""
BEYOND = (1.3, 1.7, 2.3, 3.0)
"""How far beyond the largest asymptotic limit the first pseudo-experiments are fitted."""
FURTHER = 3.0
"""The same, for each further attempt."""
SHARE_OF_FIRST = 10
"""One of so many pseudo-experiments serves to find about where the limits are."""
LEAST_FIRST = 200


class Stage(NamedTuple):
    """Some pseudo-experiments and the strengths at which they are fitted.

    Attributes:
        number: tells their random numbers from those of another stage.
        knots: (n_knots,), increasing strengths from 0; none for the goodness of fit.
        origins: where they come from.
    """

    number: int
    knots: FloatArray
    origins: tuple[Origin, ...]

    @property
    def highest(self) -> float:
        """The strength up to which they are good for."""
        return float(self.knots[-1])


def first_stage(test: AsymptoticCls, limits: Limits, n_toys: int, attempt: int = 0) -> Stage:
    """A few pseudo-experiments about the asymptotic limits, which may be far too low.

    Args:
        test: the fits to the observed data.
        limits: the asymptotic ones.
        n_toys: how many there will be in all.
        attempt: each reaches further than the last.
    """
    found = [limits.observed, *limits.expected]
    highest = max(found)
    beyond = [factor * highest * FURTHER**it for it in range(attempt + 1) for factor in BEYOND]
    knots = _apart([min(found) / 2, *found, *beyond])
    drawn = _apart([*limits.expected[::2], limits.observed, *beyond[1::4]])
    return Stage(attempt, knots, _origins(test, drawn, max(n_toys // SHARE_OF_FIRST, LEAST_FIRST)))


def main_stage(test: AsymptoticCls, limits: Limits, n_toys: int, number: int) -> Stage:
    """All pseudo-experiments, about limits that are nearly right.

    Args:
        test: the fits to the observed data.
        limits: about where they are.
        n_toys: how many.
        number: of the stage.
    """
    found = [limits.observed, *limits.expected]
    knots = _apart([min(found) / 2, *found, 1.25 * max(found)])
    return Stage(number, knots, _origins(test, _apart(found), n_toys))


def _apart(values: Iterable[float]) -> FloatArray:
    """0 and these strengths, increasing, without those that are nearly the same; the largest is kept."""
    kept = [0.0]
    for value in sorted(values, reverse=True):
        if len(kept) == 1 or value < kept[-1] * (1 - APART):
            kept.append(value)
    return np.array(sorted(kept))


def _origins(test: AsymptoticCls, strengths: Sequence[float] | FloatArray, n_toys: int) -> tuple[Origin, ...]:
    """Half of the pseudo-experiments without a signal, which is the first strength, and as many with each other one."""
    n_each = max(1, n_toys // (2 * (len(strengths) - 1)))
    return origins_at(test, strengths, [n_toys - n_each * (len(strengths) - 1), *[n_each] * (len(strengths) - 1)])


def origins_at(
    test: AsymptoticCls, strengths: Sequence[float] | FloatArray, numbers: Sequence[int]
) -> tuple[Origin, ...]:
    """Pseudo-experiments of each strength, with the nuisance parameters that the observed data prefer there."""
    found = [np.array([fit.parameters for fit in test.observed.all_at(float(it))]) for it in strengths]
    return tuple(Origin(its[0], number, its[1:]) for its, number in zip(found, numbers, strict=True))
