"""Propose the steps of a variable from its values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from simmorph.config import preprocessing as config
from simmorph.data.preprocessing.gaps import find_gaps, find_point_masses
from simmorph.data.preprocessing.samples import lower_edge, upper_edge, weighted_moments
from simmorph.data.preprocessing.steps import fit_step

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray

_GOLDEN_RATIO = 0.6180339887498949
EDGE_SHARE, EDGE_EVENTS = 0.0005, 10
"""A variable ends in an edge if its outermost stretch has at least this share and number of events; tails have few."""
MAX_SKEWNESS, MAX_KURTOSIS = 0.3, 1.0
"""Beyond these a distribution is made normal instead of only standardised.

Less kurtosis than that of a normal distribution is no reason: where there are two modes, making the whole normal joins
them, and the share of each at a given value of another variable becomes a step that a smooth map smears."""


def propose_steps(
    name: str, values: FloatArray, weights: FloatArray, bounds: config.Bounds | None = None
) -> list[config.StepSettings]:
    """Steps that bring a variable near to a normal distribution and know its point masses, gaps, edges and periods.

    Args:
        name: a name with `phi` in it is an angle if the values fit.
        values: (n_events,), finite.
        weights: (n_events,), not negative.
        bounds: that the recipe declares.
    """
    draft = _Draft(values, weights, bounds)
    if bounds is None and is_angle(name, values):
        draft.add(config.PeriodicSettings())
    else:
        _know_support(draft)
    _add_shape(draft)
    return draft.steps


def propose_context_steps(
    name: str, values: FloatArray, weights: FloatArray, bounds: config.Bounds | None = None
) -> list[config.StepSettings]:
    """Steps for a variable that a map is conditioned on: they keep straight what lies between and beyond the values.

    A gap in the context is mostly a region that was blinded, and the map is wanted there: nothing is closed or
    stretched. Repeated values, such as a number of jets, are not spread. Arguments as in `propose_steps`.
    """
    draft = _Draft(values, weights)
    if bounds is None and is_angle(name, values):
        draft.add(config.PeriodicSettings())
    if find_gaps(values) or len(find_point_masses(values)):
        draft.add(config.StandardiseSettings())
    else:
        _add_shape(draft)
    return draft.steps


class _Draft:
    """A chain under construction: its steps so far, and where they put the values and the edges of the variable."""

    def __init__(self, values: FloatArray, weights: FloatArray, bounds: config.Bounds | None = None) -> None:
        self.values, self.weights = values, weights
        ordered, (low, high) = np.sort(values), bounds or (None, None)
        self.has_low = low is not None or has_edge(ordered)
        self.has_high = high is not None or has_edge(-ordered[::-1])
        # Edges are found before any step, where they are the round numbers of a selection.
        self.low = lower_edge(ordered) if low is None else low
        self.high = upper_edge(ordered) if high is None else high
        self.steps: list[config.StepSettings] = []

    def add(self, settings: config.StepSettings) -> None:
        """Append a step."""
        step = fit_step(settings, self.values, self.weights)
        # Intervals of point masses are filled evenly here, since no result depends on it.
        even = np.modf(np.arange(1, len(self.values) + 1) * _GOLDEN_RATIO)[0]
        self.values = step.forward(self.values, lambda: even)
        self.low = float(step.forward(np.array([self.low]), lambda: np.zeros(1))[0])
        self.high = float(step.forward(np.array([self.high]), lambda: np.ones(1))[0])
        self.steps.append(settings)


def _know_support(draft: _Draft) -> None:
    """Close gaps, spread point masses, and stretch what ends in an edge."""
    gaps = find_gaps(draft.values)
    if gaps:
        draft.add(config.GapsSettings(edges=gaps))
    repeated = find_point_masses(draft.values)
    if len(repeated):
        draft.add(config.DequantiseSettings(values=repeated.tolist()))
    if draft.has_low and draft.has_high:
        draft.add(config.LogitSettings(low=draft.low, high=draft.high))
    elif draft.has_low:
        draft.add(config.LogSettings(shift=-draft.low))
    elif draft.has_high:
        draft.add(config.LogSettings(upper=draft.high))


def _add_shape(draft: _Draft) -> None:
    """Standardise what is nearly normal, and make normal what is not."""
    mean, deviation = weighted_moments(draft.values, draft.weights)
    pulls = (draft.values - mean) / (deviation or 1.0)
    skewness, kurtosis = (float(np.average(pulls**power, weights=draft.weights)) for power in (3, 4))
    normal = abs(skewness) < MAX_SKEWNESS and kurtosis - 3 < MAX_KURTOSIS
    if normal and draft.steps and abs(mean) < 0.1 and abs(deviation - 1) < 0.1:
        return
    draft.add(config.StandardiseSettings() if normal else config.QuantileSettings())


def is_angle(name: str, values: FloatArray) -> bool:
    """Whether these are angles in radians that cover the circle."""
    within = bool(np.all(np.abs(values) <= np.pi + 1e-6))
    reach = float(np.max(values) - np.min(values))
    named = "phi" in name.lower()
    return within and (reach > 1.9 * math.pi if named else reach > 1.999 * math.pi and has_edge(np.sort(values)))


def has_edge(ordered: FloatArray) -> bool:
    """Whether sorted values begin with an edge: the share between their minimum and 2 % of the way to the median."""
    first, median = ordered[0], ordered[len(ordered) // 2]
    n_first = np.searchsorted(ordered, first + 0.02 * (median - first), side="right")
    return bool(n_first > max(EDGE_SHARE * len(ordered), EDGE_EVENTS))
