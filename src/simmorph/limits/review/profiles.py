"""Profile likelihoods of one parameter and of two, with intervals and contours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from scipy.stats import chi2

from simmorph.errors import InputError, one_of
from simmorph.limits.fits.crossing import NoCrossingError, crossing
from simmorph.limits.fits.profile import SAME, Profile
from simmorph.limits.fits.strength import FURTHEST, rise
from simmorph.limits.review.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from simmorph.data.events import FloatArray
    from simmorph.limits.fits.strength import FittedStrength
    from simmorph.limits.model.likelihood import Data, Fit, Likelihood

LEVELS = (0.6827, 0.95)
"""The confidence levels of intervals and contours."""
N_VALUES, N_ANGLES = 41, 48
"""Points of a curve and of a contour."""
HIGHEST = 6.0
"""By how much -2 ln L rises to both ends of a curve."""
PRECISION = 1e-3
"""Relative, of the distance of a contour."""


class Curve(NamedTuple):
    """The profile likelihood of one parameter.

    Attributes:
        parameter: its name.
        best: its fitted value.
        intervals: both ends at each of the LEVELS; None where -2 ln L does not rise so far, at a bound for instance.
        values: (n_values,), of the parameter.
        rises: (n_values,), of -2 ln L above its lowest.
    """

    parameter: str
    best: float
    intervals: tuple[tuple[float | None, float | None], ...]
    values: FloatArray
    rises: FloatArray

    def to_json(self) -> dict[str, Any]:
        """The curve point by point."""
        ends = {f"{100 * level:g} %": list(its) for level, its in zip(LEVELS, self.intervals, strict=True)}
        points = {"values": self.values.tolist(), "rises": self.rises.tolist()}
        return {"parameter": self.parameter, "best": self.best, "intervals": ends, **points}

    def to_text(self) -> str:
        """Value and intervals for people."""
        words = []
        for level, (low, high) in zip(LEVELS, self.intervals, strict=True):
            ends = ["no end" if end is None else f"{end:.4g}" for end in (low, high)]
            words.append(f"{100 * level:.0f} %: {ends[0]} to {ends[1]}")
        return f"{self.best:.4g} ({'; '.join(words)})"


@dataclass(frozen=True, eq=False)
class Profiles(Finding):
    """Profile likelihoods: of each parameter a curve, and of two the contours.

    By Wilks' theorem the levels hold where there are many events, and away from bounds.

    Attributes:
        curves: of each parameter.
        contours: (n_angles, 2), closed around the best fit, at each of the LEVELS; none of a single parameter. Where a
            bound comes first they run along it. They are what can be seen from the best fit along straight lines: of a
            shape with bays, or of several islands, they are a part.
        islands: (n, 2) at each of the LEVELS, other minima that are below it and outside of its contour.
    """

    name: ClassVar[str] = "profile"

    curves: tuple[Curve, ...]
    contours: tuple[FloatArray, ...] = ()
    islands: tuple[FloatArray, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All curves, and contours by their level."""
        found: dict[str, Any] = {"curves": [curve.to_json() for curve in self.curves]}
        if self.contours:
            found["contours"] = {f"{100 * level:g} %": points.tolist() for level, points in self._leveled()}
        if any(len(its) for its in self.islands):
            its = zip(LEVELS, self.islands, strict=True)
            found["islands"] = {f"{100 * level:g} %": points.tolist() for level, points in its}
        return found

    def _leveled(self) -> Iterator[tuple[float, FloatArray]]:
        return zip(LEVELS, self.contours, strict=True)

    def table(self) -> tuple[Sequence[str], Iterable[Iterable[float | str | None]]]:
        """A row for each point of a curve, with the rise of -2 ln L, and of a contour, with its level."""
        names = [curve.parameter for curve in self.curves]
        rows: list[list[float | str | None]] = []
        for i, curve in enumerate(self.curves):
            for value, height in zip(curve.values.tolist(), curve.rises.tolist(), strict=True):
                rows.append([*(value if j == i else None for j in range(len(names))), height, None])
        rows += [[*point, None, level] for level, points in self._leveled() for point in points.tolist()]
        return [*names, "rise", "contour"], rows

    def rows(self) -> list[tuple[str, str]]:
        """The intervals of each parameter."""
        rows = [(f"profile of {curve.parameter}", curve.to_text()) for curve in self.curves]
        for level, points in zip(LEVELS, self.islands, strict=False):
            if len(points):
                at = ", ".join(f"({x:.4g}, {y:.4g})" for x, y in points.tolist())
                rows.append((f"contour at {100 * level:g} %", f"not drawn: another island about {at}"))
        return rows


def places_of(likelihood: Likelihood, names: Sequence[str]) -> list[int]:
    """Where parameters of these names are.

    Raises:
        InputError: there is none of a name, or it is fixed.
    """
    known = list(likelihood.model.config.par_names)
    for name in names:
        if name not in known:
            raise InputError(likelihood.name, f"no parameter {name!r}", one_of(name, known))
        if not likelihood.free[known.index(name)]:
            raise InputError(likelihood.name, f"parameter {name!r} is fixed, so it has no profile")
    return [known.index(name) for name in names]


def profiles(likelihood: Likelihood, data: Data, found: FittedStrength, names: Sequence[str]) -> Profiles:
    """The curve of each parameter, and the contours of two.

    Args:
        likelihood: of the model.
        data: what was fitted.
        found: the best fit.
        names: of one or two parameters.

    Raises:
        InputError: there is no such parameter, it is fixed, or a fit has no finite minimum.
    """
    places = places_of(likelihood, names)
    free = likelihood.fit(data, start=found.fit.parameters, is_signed=True)
    minima = likelihood.minima(data, free, is_signed=True)
    scales = _scales(likelihood, data, minima[0], places)
    guesses = np.sqrt(np.diag(scales))
    curves = [
        _curve(likelihood, data, minima, place, float(guess)) for place, guess in zip(places, guesses, strict=True)
    ]
    if len(places) == 1:
        return Profiles(tuple(curves))
    plane = _Plane(likelihood, data, minima, places, np.asarray(np.linalg.cholesky(scales), np.float64))
    heights = [float(chi2.ppf(level, 2)) for level in LEVELS]
    contours, islands = map(plane.contour, heights), map(plane.islands, heights)
    return Profiles(tuple(curves), tuple(contours), tuple(islands))


def _scales(likelihood: Likelihood, data: Data, best: Fit, places: Sequence[int]) -> FloatArray:
    """(n, n), the covariance of some parameters; 1 of one that the fit holds at a bound."""
    spread = likelihood.spread(data, best.parameters)
    found = spread.of(places)
    stuck = ~(np.diag(found) > 0)
    found[stuck, stuck] = 1.0
    size = np.sqrt(np.diag(found))
    # Never quite a line, of which no contour could be drawn.
    return found + 1e-4 * np.diag(size**2)


def _curve(likelihood: Likelihood, data: Data, minima: Sequence[Fit], place: int, guess: float) -> Curve:
    """The curve of one parameter, between where it rises to the HIGHEST or ends at a bound."""
    profile = Profile(likelihood, data, is_signed=True, place=place)
    for fit in minima:
        profile.add(fit)
    best = float(minima[0].parameters[place])

    def end(side: int, height: float) -> float | None:
        distance = rise(profile, minima[0], side, guess * math.sqrt(height), height)
        return None if distance is None else best + distance

    intervals = tuple((end(-1, height), end(1, height)) for height in map(_of_one, LEVELS))
    far = max(best - 3 * guess, profile.bounds[0]), min(best + 3 * guess, profile.bounds[1])
    ends = zip((end(-1, HIGHEST), end(1, HIGHEST)), far, strict=True)
    low, high = (other if there is None else there for there, other in ends)
    values = np.unique([*np.linspace(low, high, N_VALUES), best])
    heights = np.array([profile.at(float(value)).deviance for value in values]) - minima[0].deviance
    name = str(likelihood.model.config.par_names[place])
    return Curve(name, best, intervals, values, np.where(np.abs(heights) < SAME, 0.0, heights))


def _of_one(level: float) -> float:
    """The rise of -2 ln L at a confidence level of one parameter."""
    return float(chi2.ppf(level, 1))


class _Plane:
    """The profile likelihood of two parameters.

    Args:
        likelihood: of the model.
        data: what is fitted.
        minima: of all parameters, the lowest first.
        places: of both.
        axes: (2, 2), Cholesky's root of their covariance: about a circle in it has one height.
    """

    def __init__(
        self, likelihood: Likelihood, data: Data, minima: Sequence[Fit], places: Sequence[int], axes: FloatArray
    ) -> None:
        self.likelihood, self.data, self.places, self.axes = likelihood, data, list(places), axes
        self.lowest, self.bounds = minima[0], likelihood.bounds(is_signed=True)[:, places]
        self.centre = minima[0].parameters[self.places]
        self.known = [[fit] for fit in minima]
        self.to_circles = np.linalg.inv(axes).T

    def height(self, point: FloatArray) -> float:
        """The rise of -2 ln L at (2,) values, followed from the nearest fit of each valley that is known."""
        fixed = dict(zip(self.places, point.tolist(), strict=True))
        found = []
        for valley in self.known:
            distances = (np.array([fit.parameters[self.places] for fit in valley]) - point) @ self.to_circles
            nearest = valley[int(np.argmin(np.sum(distances**2, axis=1)))]
            found.append(self.likelihood.fit(self.data, start=nearest.parameters, fixed=fixed, is_signed=True))
            valley.append(found[-1])
        return min(fit.deviance for fit in found) - self.lowest.deviance

    def contour(self, height: float) -> FloatArray:
        """(n_angles + 1, 2), closed, where -2 ln L has risen so far."""
        angles = np.linspace(0, 2 * math.pi, N_ANGLES, endpoint=False)
        points = [self._end(self.axes @ [math.cos(angle), math.sin(angle)], height) for angle in angles]
        return np.array([*points, points[0]])

    def islands(self, height: float) -> FloatArray:
        """(n, 2), minima below this height that are further away than the contour in their direction."""
        found = []
        for fit in (valley[0] for valley in self.known[1:]):
            off = fit.parameters[self.places] - self.centre
            if fit.deviance - self.lowest.deviance < height and np.any(off):
                # On a circle of these axes its contour has about the distance that a search begins with.
                length = float(np.linalg.norm(np.linalg.solve(self.axes, off)))
                reach = self._end(off / length, height) - self.centre
                if np.linalg.norm(reach) < np.linalg.norm(off):
                    found.append(fit.parameters[self.places])
        return np.array(found).reshape(-1, 2)

    def _end(self, direction: FloatArray, height: float) -> FloatArray:
        """The point in one direction, or the one at the bound that comes first."""
        lower, upper = self.bounds - self.centre
        with np.errstate(divide="ignore", invalid="ignore"):
            reaches = np.where(direction > 0, upper / direction, np.where(direction < 0, lower / direction, math.inf))
        most = float(np.min(reaches))

        def above(distance: float) -> float:
            if distance > FURTHEST * math.sqrt(height):
                raise NoCrossingError("it does not rise")
            here = self.height(self.centre + min(distance, most) * direction)
            return math.sqrt(max(here, 0.0)) - math.sqrt(height)

        if most < FURTHEST and above(most) < 0:
            return self.centre + most * direction
        try:
            distance = crossing(above, math.sqrt(height), relative_tolerance=PRECISION)
        except NoCrossingError as error:
            names = [self.likelihood.model.config.par_names[place] for place in self.places]
            what = f"the likelihood of {names[0]!r} and {names[1]!r} has no closed contour"
            raise InputError(self.likelihood.name, what, "do the data determine both?") from error
        return self.centre + distance * direction
