"""The profile likelihood: the lowest deviance at each value of one parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simmorph.limits.model.likelihood import Data, Fit, Likelihood

SAME = 1e-5
"""Difference of -2 ln L up to which two minima are the same."""
APART = 1e-2
"""Distance of what two minima expect, in standard deviations of the counts, up to which they are one."""

NEAR = 1e-3
"""Relative distance of two values up to which one search does for both."""


class Profile:
    """The deviance of given data at its minimum over all parameters but one, that of interest by default.

    Every minimum that a search has found is followed from value to value; the lowest one counts.

    Args:
        likelihood: of the model.
        data: what is fitted.
        is_signed: whether the parameter of interest may be negative.
        place: of another parameter.
    """

    def __init__(
        self, likelihood: Likelihood, data: Data, *, is_signed: bool = False, place: int | None = None
    ) -> None:
        self.likelihood, self.data, self.is_signed = likelihood, data, is_signed
        self.place = likelihood.poi if place is None else place
        self.bounds = [float(bound) for bound in likelihood.bounds(is_signed=is_signed)[:, self.place]]
        self.valleys: list[dict[float, Fit]] = []
        self._lowest: dict[float, Fit] = {}
        self._searched: list[float] = []

    def value_of(self, fit: Fit) -> float:
        """The parameter in a fit."""
        return float(fit.parameters[self.place])

    def add(self, fit: Fit) -> bool:
        """Take a minimum as one to be followed; False if it is in a valley that is known."""
        value = self.value_of(fit)
        known = [self._follow(valley, value) for valley in self.valleys]
        if any(self._is_same(fit, it) for it in known):
            return False
        self.valleys.append({value: fit})
        self._lowest.clear()
        return True

    def _is_same(self, one: Fit, other: Fit) -> bool:
        ours, its = (self.likelihood.expected(fit.parameters).main for fit in (one, other))
        near = np.abs(ours - its) < APART * np.sqrt(np.maximum(ours, 1.0))
        return abs(one.deviance - other.deviance) < SAME and bool(near.all())

    def at(self, value: float) -> Fit:
        """The lowest minimum at a value of the parameter."""
        if value not in self._lowest:
            if not self.valleys:
                self.valleys.append({value: self._fit(value)})
            self._lowest[value] = self.all_at(value)[0]
        return self._lowest[value]

    def all_at(self, value: float) -> list[Fit]:
        """The minima of all valleys at a value of the parameter of interest, the lowest first."""
        return sorted((self._follow(valley, value) for valley in self.valleys), key=lambda fit: fit.deviance)

    def _follow(self, valley: dict[float, Fit], value: float) -> Fit:
        """The minimum of a valley, from the tangent of the nearest one that is known."""
        if value not in valley:
            nearest = valley[min(valley, key=lambda other: abs(other - value))]
            valley[value] = self._fit(value, nearest)
        return valley[value]

    def _fit(self, value: float, nearest: Fit | None = None) -> Fit:
        """The minimum that is reached from a fit at another value, or from the nominal parameters."""
        if self.place == self.likelihood.poi:
            start = None if nearest is None else nearest.towards(self.place, value)
            return self.likelihood.fit(self.data, poi=value, start=start, is_signed=self.is_signed)
        start, fixed = None if nearest is None else nearest.parameters, {self.place: value}
        fit = self.likelihood.fit(self.data, start=start, fixed=fixed, is_signed=self.is_signed)
        # The derivatives are by the parameter of interest, which is not fixed here.
        return fit._replace(slope=float("nan"), tangent=None)

    def search(self, values: Iterable[float]) -> bool:
        """Look for other minima at values of the parameter of interest; whether one is lower than those known."""
        before = {value: self.at(value) for value in values}
        for value in before:
            if any(abs(value - other) <= NEAR * abs(value) for other in self._searched):
                continue
            self._searched.append(value)
            lowest = self.at(value)
            for fit in self.likelihood.minima(self.data, lowest, poi=value, is_signed=self.is_signed):
                self.add(fit)
        return any(self.at(value).deviance < fit.deviance - SAME for value, fit in before.items())
