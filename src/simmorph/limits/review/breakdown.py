"""What each group of nuisance parameters adds to the uncertainty of the fitted strength."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from simmorph.errors import InputError, one_of
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.review.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from simmorph.data.events import IntArray
    from simmorph.limits.fits.strength import FittedStrength
    from simmorph.limits.model.likelihood import Data, Likelihood

TOTAL, STATISTICAL, SYSTEMATIC = "total", "statistical", "systematic"
"""All of it, what is left with everything fixed that is measured elsewhere, and what that adds."""


class Part(NamedTuple):
    """A part of the uncertainty.

    Attributes:
        group: its name.
        n_parameters: how many fitted nuisance parameters are in it.
        uncertainty: from the curvature; None at an edge, or where the strength is not determined.
        down: to the lower side, negative, from the profile; None where there is no end.
        up: the same, upwards.
    """

    group: str
    n_parameters: int
    uncertainty: float | None
    down: float | None
    up: float | None

    def to_text(self) -> str:
        """The numbers for people."""
        size = "" if self.uncertainty is None else f"+- {self.uncertainty:.3g}"
        sides = "" if self.up is None or self.down is None else f" ({self.down:+.3g} {self.up:+.3g})"
        return f"{size}{sides}".strip() or "not known"


@dataclass(frozen=True)
class Breakdown(Finding):
    """The uncertainty of the strength and what it is made of.

    Attributes:
        parameter: of interest.
        parts: total, statistical, systematic, and of each group.
    """

    name: ClassVar[str] = "breakdown"

    parameter: str
    parts: tuple[Part, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """All parts."""
        return [part._asdict() for part in self.parts]

    def table(self) -> tuple[Sequence[str], Iterable[Iterable[float | str | None]]]:
        """A row for each part."""
        return Part._fields, self.parts

    def rows(self) -> list[tuple[str, str]]:
        """A row for each part."""
        return [(f"uncertainty of {self.parameter}, {part.group}", part.to_text()) for part in self.parts]


def breakdown(
    likelihood: Likelihood, data: Data, found: FittedStrength, groups: Mapping[str, Sequence[str]]
) -> Breakdown:
    """The parts of the uncertainty: that of a group is sqrt(total^2 - that with the group fixed at its best values^2).

    Groups that are correlated by the fit add up to something else than the total in quadrature.

    Args:
        likelihood: of the model.
        data: what was fitted.
        found: the best fit, with its uncertainties to both sides.
        groups: names of parameters, `*` for any letters, by the name of the group.

    Raises:
        InputError: no parameter has such a name, or a fit has no finite minimum.
    """
    everything = _nuisances(likelihood, likelihood.constrained)
    chosen = members(likelihood, groups)
    fixed = {name: _fixed(likelihood, data, found, its) for name, its in {SYSTEMATIC: everything, **chosen}.items()}
    n_free = int(np.sum(likelihood.free)) - 1
    total = Part(TOTAL, n_free, found.curvature, found.down, found.up)
    statistical = fixed[SYSTEMATIC]._replace(group=STATISTICAL, n_parameters=n_free - len(everything))
    parts = [_without(total, it._replace(group=name)) for name, it in fixed.items()]
    return Breakdown(str(likelihood.model.config.poi_name), (total, statistical, *parts))


def _fixed(likelihood: Likelihood, data: Data, found: FittedStrength, places: IntArray) -> Part:
    """The uncertainty with some parameters fixed at their best values."""
    held = likelihood.holding(places, found.fit.parameters)
    left = fitted_strength(held, data, near=found.fit)
    return Part("", len(places), left.curvature, left.down, left.up)


def _without(total: Part, fixed: Part) -> Part:
    """What the group adds: the difference in quadrature to each side."""
    sizes = (
        (total.uncertainty, fixed.uncertainty, 1.0), (total.down, fixed.down, -1.0), (total.up, fixed.up, 1.0)
    )  # fmt: skip
    found = [_difference(whole, rest, sign) for whole, rest, sign in sizes]
    return Part(fixed.group, fixed.n_parameters, *found)


def _difference(whole: float | None, rest: float | None, sign: float) -> float | None:
    return None if whole is None or rest is None else sign * math.sqrt(max(whole**2 - rest**2, 0.0))


def _nuisances(likelihood: Likelihood, places: Iterable[int]) -> IntArray:
    """Those of the parameters that are fitted, without that of interest, each once."""
    its = {int(place) for place in places if likelihood.free[place]} - {likelihood.poi}
    return np.array(sorted(its), np.int64)


def members(likelihood: Likelihood, groups: Mapping[str, Sequence[str]]) -> dict[str, IntArray]:
    """The places of the parameters of each group.

    Args:
        likelihood: of the model.
        groups: names of parameters, `*` for any letters, by the name of the group.

    Raises:
        InputError: a name is that of no fitted nuisance parameter.
    """
    return {
        group: np.unique(np.concatenate([_called(likelihood, group, pattern) for pattern in patterns]))
        for group, patterns in groups.items()
    }


def _called(likelihood: Likelihood, group: str, pattern: str) -> IntArray:
    """The fitted nuisance parameters of a name: those of all bins, or that of one."""
    config = likelihood.model.config
    is_meant = re.compile(".*".join(map(re.escape, pattern.split("*")))).fullmatch
    slices = [config.par_slice(name) for name in config.par_order if is_meant(name)]
    of_bins = [place for its in slices for place in range(its.start, its.stop)]
    its = _nuisances(likelihood, [*of_bins, *(i for i, name in enumerate(config.par_names) if is_meant(name))])
    if not len(its):
        what = f"group {group!r}: no nuisance parameter that is fitted is called {pattern!r}"
        raise InputError(likelihood.name, what, one_of(pattern, config.par_order))
    return its
