"""The steps of preprocessing: each a strictly increasing map of one variable that is fitted, applied and inverted.

Adding a step:
    Write a frozen dataclass here whose fields are all that it has learnt, with `fit`, `forward` and `inverse`; add it
    to STEPS, and its settings to config/preprocessing.py. `forward` must take any finite number, also far outside of
    the values it was fitted on, and `inverse` must bring it back, or to the bound that it lies beyond.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

import numpy as np
from scipy.special import ndtr, ndtri

from simmorph.data.preprocessing.gaps import find_gaps, find_point_masses
from simmorph.data.preprocessing.samples import (
    lower_edge,
    nearest,
    upper_edge,
    weighted_moments,
    weighted_quantiles,
)

if TYPE_CHECKING:
    from simmorph.config import preprocessing as config
    from simmorph.data.events import BoolArray, FloatArray, IntArray

Noise = Callable[[], "FloatArray"]
"""Draws one number in (0, 1) for each event."""
MARGIN = 1e-9
"""Nearer than this to a bound, in units of the values' spread, nothing is told apart."""
END_EVENTS = 5
"""Events at each end that say how a step goes on beyond it: two neighbours alone can be next to nothing apart."""
SLIVER = 1e-6
"""What is left of the width of a closed gap."""


class Step(Protocol):
    """One fitted step."""

    def forward(self, values: FloatArray, noise: Noise) -> FloatArray:
        """Towards the network."""

    def inverse(self, values: FloatArray) -> FloatArray:
        """Back to physical units."""

    def log_slope(self, values: FloatArray) -> FloatArray:
        """The logarithm of the derivative of `forward`; for a point mass, that of the width of its interval."""


@dataclass(frozen=True)
class Standardise:
    """(x - mean) / scale.

    Attributes:
        mean: weighted mean of the values.
        scale: their standard deviation; 1 for a constant.
    """

    mean: float
    scale: float

    @classmethod
    def fit(cls, settings: config.StandardiseSettings, values: FloatArray, weights: FloatArray) -> Self:  # noqa: ARG003
        """Mean and standard deviation of the values."""
        mean, deviation = weighted_moments(values, weights)
        return cls(mean, deviation or 1.0)

    def forward(self, values: FloatArray, noise: Noise) -> FloatArray:  # noqa: ARG002
        """Towards the network."""
        return (values - self.mean) / self.scale

    def inverse(self, values: FloatArray) -> FloatArray:
        """Back to physical units."""
        return values * self.scale + self.mean

    def log_slope(self, values: FloatArray) -> FloatArray:
        """The logarithm of the derivative of `forward`."""
        return np.full(values.shape, -math.log(self.scale))


@dataclass(frozen=True)
class Log:
    """log(x + shift), or -log(shift - x) where `sign` is -1; nearer to the bound than `floor` its tangent there.

    Attributes:
        shift: makes all values positive.
        floor: least value of x + shift that the logarithm is taken of.
        sign: 1 for a lower bound, -1 for an upper one.
    """

    shift: float
    floor: float
    sign: float = 1.0

    @classmethod
    def fit(cls, settings: config.LogSettings, values: FloatArray, weights: FloatArray) -> Self:
        """The shift that makes all values positive, unless it is given."""
        shift, sign = settings.shift, 1.0
        if settings.upper is not None:
            shift, sign = settings.upper, -1.0
        elif shift is None:
            shift = 0.0 if np.min(values) > 0 else -lower_edge(np.sort(values))
        distances = sign * values + shift
        typical = float(weighted_quantiles(distances, weights, np.array([0.5]))[0])
        least = MARGIN * max(typical, weighted_moments(values, weights)[1], 1e-300)
        return cls(shift, max(nearest(distances), least), sign)

    def forward(self, values: FloatArray, noise: Noise) -> FloatArray:  # noqa: ARG002
        """Towards the network."""
        shifted = self.sign * values + self.shift
        tangent = np.minimum(shifted - self.floor, 0) / self.floor
        return self.sign * (np.log(np.maximum(shifted, self.floor)) + tangent)

    def inverse(self, values: FloatArray) -> FloatArray:
        """Back to physical units, never beyond the bound; what is too large for a number becomes infinite."""
        logarithms = self.sign * values
        tangent = self.floor * np.minimum(logarithms - math.log(self.floor), 0)
        with np.errstate(over="ignore"):
            shifted = np.exp(np.maximum(logarithms, math.log(self.floor))) + tangent
        return self.sign * (np.maximum(shifted, 0) - self.shift)

    def log_slope(self, values: FloatArray) -> FloatArray:
        """The logarithm of the derivative of `forward`."""
        return -np.log(np.maximum(self.sign * values + self.shift, self.floor))


@dataclass(frozen=True)
class Logit:
    """log(u / (1 - u)) of u = (x - low) / (high - low); near and beyond the bounds its tangents there.

    Attributes:
        low: lower bound, where u is 0.
        high: upper bound, where u is 1.
        first: of u, where the tangent at the lower bound begins.
        last: of u, where the tangent at the upper bound begins.
    """

    low: float
    high: float
    first: float
    last: float

    @classmethod
    def fit(cls, settings: config.LogitSettings, values: FloatArray, weights: FloatArray) -> Self:  # noqa: ARG003
        """The bounds of the values, unless they are given."""
        ordered = np.sort(values)
        low = lower_edge(ordered) if settings.low is None else settings.low
        high = upper_edge(ordered) if settings.high is None else settings.high
        high = high if high > low else low + 1.0
        margins = (np.clip(nearest(it) / (high - low), MARGIN, 0.25) for it in (values - low, high - values))
        return cls(low, high, float(next(margins)), 1 - float(next(margins)))

    def forward(self, values: FloatArray, noise: Noise) -> FloatArray:  # noqa: ARG002
        """Towards the network."""
        fractions = (values - self.low) / (self.high - self.low)
        inside = np.clip(fractions, self.first, self.last)
        return np.asarray(_logit(inside) + (fractions - inside) / (inside * (1 - inside)))

    def inverse(self, values: FloatArray) -> FloatArray:
        """Back to physical units, never beyond the bounds."""
        inside = _logistic(np.clip(values, _logit(self.first), _logit(self.last)))
        fractions = inside + (values - _logit(inside)) * inside * (1 - inside)
        return np.asarray(np.clip(self.low + (self.high - self.low) * fractions, self.low, self.high))

    def log_slope(self, values: FloatArray) -> FloatArray:
        """The logarithm of the derivative of `forward`."""
        width = self.high - self.low
        inside = np.clip((values - self.low) / width, self.first, self.last)
        return -np.log(inside) - np.log1p(-inside) - math.log(width)


@dataclass(frozen=True)
class Quantile:
    """Straight lines between knots of the empirical and the normal distribution, continued beyond the last ones.

    Attributes:
        values: (n_knots,), quantiles of the variable, strictly increasing.
        normal: (n_knots,), the normal variable at the same probabilities.
    """

    values: FloatArray
    normal: FloatArray

    @classmethod
    def fit(cls, settings: config.QuantileSettings, values: FloatArray, weights: FloatArray) -> Self:
        """Knots at equal distances of the normal variable, so that the tails have as many as the bulk."""
        size = float(np.sum(weights)) ** 2 / float(np.sum(weights**2))
        reach = float(ndtri(1 - 0.5 / max(size, 2)))
        normal = np.linspace(-reach, reach, settings.knots)
        inner = abs(normal) <= max(-float(ndtri(min(END_EVENTS / size, 0.5))), 0.5 * reach)
        normal = np.concatenate([[-reach], normal[1:-1][inner[1:-1]], [reach]])
        knots, first = np.unique(weighted_quantiles(values, weights, ndtr(normal)), return_index=True)
        if len(knots) < 2:
            return cls(np.array([knots[0], knots[0] + 1]), np.array([0.0, 1.0]))
        return cls(knots, normal[first])

    def forward(self, values: FloatArray, noise: Noise) -> FloatArray:  # noqa: ARG002
        """Towards the network."""
        return interpolate(values, self.values, self.normal)

    def inverse(self, values: FloatArray) -> FloatArray:
        """Back to physical units."""
        return interpolate(values, self.normal, self.values)

    def log_slope(self, values: FloatArray) -> FloatArray:
        """The logarithm of the derivative of `forward`."""
        slopes = np.log(np.diff(self.normal)) - np.log(np.diff(self.values))
        return np.asarray(slopes[_segments(values, self.values)])


@dataclass(frozen=True)
class Periodic:
    """The normal variable of the place on a circle that is cut open at the seam.

    Events on both sides of the seam lie next to each other and are far apart after it; so it is put where few are.

    Attributes:
        seam: the angle in rad.
    """

    seam: float

    @classmethod
    def fit(cls, settings: config.PeriodicSettings, values: FloatArray, weights: FloatArray) -> Self:
        """The seam where the fewest events are, unless it is given."""
        if settings.seam is not None:
            return cls(float(wrapped(np.array([settings.seam]))[0]))
        contents, edges = np.histogram(wrapped(values), 36, (-np.pi, np.pi), weights=weights)
        smooth = contents + np.roll(contents, 1)
        mean, noise = np.mean(smooth), 2 * float(np.sqrt(2 * np.sum(weights**2) / len(contents)))
        # A flat distribution keeps its seam at pi: the place of the fewest events would be chance.
        return cls(float(edges[np.argmin(smooth)]) if mean - np.min(smooth) > 3 * noise else -math.pi)

    def forward(self, values: FloatArray, noise: Noise) -> FloatArray:  # noqa: ARG002
        """Towards the network."""
        revolutions = (values - self.seam) / (2 * np.pi)
        return _outside(ndtri, revolutions - np.floor(revolutions))

    def inverse(self, values: FloatArray) -> FloatArray:
        """Back to an angle in (-pi, pi]."""
        return wrapped(self.seam + 2 * np.pi * ndtr(values))

    def log_slope(self, values: FloatArray) -> FloatArray:
        """The logarithm of the derivative of `forward`."""
        return 0.5 * self.forward(values, _no_noise) ** 2 - 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class Dequantise:
    """Each point mass becomes an interval of its own, filled with noise; what lies above moves up by its width.

    >>> step = Dequantise(point_masses=np.array([0.0]), widths=np.array([0.5]), rest=0.8)
    >>> moved = step.forward(np.array([0.0, 2.0]), lambda: np.array([0.5, 0.5]))
    >>> moved.tolist(), step.inverse(moved).tolist()
    ([0.25, 2.5], [0.0, 2.0])

    Attributes:
        point_masses: (n_point_masses,), in order.
        widths: (n_point_masses,), of their intervals.
        rest: the share of the events beside them; where it is 0, as of integers, nothing else comes back.
    """

    point_masses: FloatArray
    widths: FloatArray
    rest: float

    @classmethod
    def fit(cls, settings: config.DequantiseSettings, values: FloatArray, weights: FloatArray) -> Self:
        """Intervals as dense as the rest of the variable."""
        listed = find_point_masses(values) if settings.values is None else np.unique(settings.values)
        single = ~np.isin(values, listed)
        shares = np.array([np.sum(weights[values == value]) for value in listed]) / np.sum(weights)
        low, high = (
            weighted_quantiles(values[single], weights[single], np.array([0.1, 0.9])) if np.any(single) else (0, 1)
        )
        rest = float(np.sum(weights[single]) / np.sum(weights))
        spread = float(high - low) or 1.0
        return cls(np.asarray(listed, np.float64), np.maximum(shares / max(rest, 0.05), 0.05) * spread, rest)

    def forward(self, values: FloatArray, noise: Noise) -> FloatArray:
        """Towards the network."""
        if not len(self.point_masses):
            return values
        below = np.searchsorted(self.point_masses, values)
        nearest = np.minimum(below, len(self.point_masses) - 1)
        spread = np.where(self.point_masses[nearest] == values, self.widths[nearest], 0.0)
        return values + self._moves[below] + spread * noise()

    def inverse(self, values: FloatArray) -> FloatArray:
        """Back to physical units; whatever is in the interval of a point mass becomes that value."""
        passed = np.searchsorted(self.point_masses + self._moves[:-1], values, side="right")
        if not len(self.point_masses):
            return values
        nearest = np.maximum(passed - 1, 0)
        inside = (passed > 0) & (values <= self.point_masses[nearest] + self._moves[passed])
        back = np.where(inside, self.point_masses[nearest], values - self._moves[passed])
        return back if self.rest else self._nearest(back)

    def log_slope(self, values: FloatArray) -> FloatArray:
        """0, and for a point mass the logarithm of the width of its interval."""
        slopes = np.zeros(values.shape)
        for value, width in zip(self.point_masses, self.widths, strict=True):
            slopes[values == value] = math.log(width)
        return slopes

    def _nearest(self, values: FloatArray) -> FloatArray:
        """The point mass that each value is nearest to."""
        middles = (self.point_masses[1:] + self.point_masses[:-1]) / 2
        return np.asarray(self.point_masses[np.searchsorted(middles, values)])

    @property
    def _moves(self) -> FloatArray:
        """How far a value moves up that has 0, 1, ... point masses below it."""
        return np.concatenate([[0.0], np.cumsum(self.widths)])


@dataclass(frozen=True)
class Gaps:
    """Regions without events, closed: what lies above moves down by their widths.

    >>> crack = Gaps(low=np.array([1.37]), high=np.array([1.52]))
    >>> round(float(crack.forward(np.array([2.0]), _no_noise)[0]), 3)
    1.85

    Attributes:
        low: (n_gaps,), where each begins, in order.
        high: (n_gaps,), where each ends.
    """

    low: FloatArray
    high: FloatArray

    @classmethod
    def fit(cls, settings: config.GapsSettings, values: FloatArray, weights: FloatArray) -> Self:  # noqa: ARG003
        """The empty stretches of the values, unless the edges are given."""
        edges = find_gaps(values) if settings.edges is None else sorted(settings.edges)
        return cls(np.array([low for low, _ in edges]), np.array([high for _, high in edges]))

    def inside(self, values: FloatArray) -> BoolArray:
        """(n_events,), whether a value lies in a gap."""
        next_low = np.append(self.low, np.inf)[np.searchsorted(self.high, values, side="right")]
        return np.asarray(values > next_low, np.bool_)

    def forward(self, values: FloatArray, noise: Noise) -> FloatArray:  # noqa: ARG002
        """Towards the network; a value in a gap, where none can be, goes to its lower edge."""
        passed = np.searchsorted(self.high, values, side="right")
        # Beyond the last gap there is no next one to fall into.
        next_low = np.append(self.low, np.inf)[passed]
        closed: FloatArray = np.minimum(values, next_low) - self._moves[passed]
        return closed

    def inverse(self, values: FloatArray) -> FloatArray:
        """Back to physical units, never into a gap."""
        opened = values + self._moves[np.searchsorted(self.low - self._moves[:-1], values)]
        for low, high in zip(self.low, self.high, strict=True):
            nearest = np.where(opened - low < high - opened, low, high)
            opened = np.where((opened > low) & (opened < high), nearest, opened)
        return opened

    def log_slope(self, values: FloatArray) -> FloatArray:
        """0; minus infinity in a gap, where no event can be."""
        return np.where(self.inside(values), -np.inf, 0.0)

    @property
    def _moves(self) -> FloatArray:
        """How far a value moves down that has 0, 1, ... gaps below it; a sliver of each gap keeps its edges apart."""
        return np.concatenate([[0.0], np.cumsum((1 - SLIVER) * (self.high - self.low))])


STEPS: dict[str, type[Standardise | Log | Logit | Quantile | Periodic | Dequantise | Gaps]] = {
    "standardise": Standardise,
    "log": Log,
    "logit": Logit,
    "quantile": Quantile,
    "periodic": Periodic,
    "dequantise": Dequantise,
    "gaps": Gaps,
}
"""Every step by the name it has in a recipe."""


def fit_step(settings: config.StepSettings, values: FloatArray, weights: FloatArray) -> Step:
    """The step that fits these values."""
    fit = cast("Callable[[config.StepSettings, FloatArray, FloatArray], Step]", STEPS[settings.name].fit)
    return fit(settings, values, weights)


def step_to_json(step: Step) -> dict[str, Any]:
    """The step as plain values from which `step_from_json` makes the very same one."""
    name = next(name for name, kind in STEPS.items() if type(step) is kind)
    fields = dataclasses.asdict(step)  # type: ignore[call-overload]
    return {"name": name, **{key: np.asarray(value).tolist() for key, value in fields.items()}}


def step_from_json(content: dict[str, Any]) -> Step:
    """The step that `step_to_json` wrote down.

    Raises:
        ValueError: this is no step.
    """
    fields = {key: value for key, value in content.items() if key != "name"}
    kind = STEPS.get(content.get("name", ""))
    if kind is None or set(fields) != {field.name for field in dataclasses.fields(kind)}:
        raise ValueError(f"{content.get('name')!r} with {sorted(fields)} is no step of preprocessing")
    arrays = {
        key: np.array(value, np.float64) if isinstance(value, list) else float(value) for key, value in fields.items()
    }
    return cast("Callable[..., Step]", kind)(**arrays)


def wrapped(angles: FloatArray) -> FloatArray:
    """The same angles in (-pi, pi]."""
    turned = angles - 2 * np.pi * np.ceil((angles - np.pi) / (2 * np.pi))
    # The difference can round to -pi itself, or miss pi by its last digit.
    return np.where((angles > -np.pi) & (angles <= np.pi), angles, np.where(turned <= -np.pi, np.pi, turned))


def interpolate(values: FloatArray, knots: FloatArray, images: FloatArray) -> FloatArray:
    """Straight lines between the knots, the first and the last one continued; strictly increasing if the knots are."""
    segment = _segments(values, knots)
    slopes = np.diff(images) / np.diff(knots)
    # From the nearer knot, so that a knot itself and its neighbourhood lose no digits.
    return images[segment] + (values - knots[segment]) * slopes[segment]


def _segments(values: FloatArray, knots: FloatArray) -> IntArray:
    """Between which knots each value lies; beyond the last ones, the segment at that end."""
    return np.clip(np.searchsorted(knots, values) - 1, 0, len(knots) - 2)


def _no_noise() -> FloatArray:
    """No noise, for what needs none."""
    return np.zeros(1)


def _logit(fractions: Any) -> Any:
    """log(u / (1 - u)), without loss of digits near 0."""
    return np.log(fractions) - np.log1p(-fractions)


def _logistic(values: FloatArray) -> FloatArray:
    """The inverse of `_logit`; without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * values))


def _outside(stretch: Callable[[Any], Any], fractions: FloatArray) -> FloatArray:
    """`stretch` of fractions in [MARGIN, 1 - MARGIN], continued by straight lines of slope 1 / MARGIN."""
    inside = np.clip(fractions, MARGIN, 1 - MARGIN)
    stretched: FloatArray = stretch(inside) + (fractions - inside) / MARGIN
    return stretched
