"""Propose the steps of a variable from its values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from simmorph.config.preprocessing import (
    DequantiseSettings,
    GapsSettings,
    LogitSettings,
    LogSettings,
    PeriodicSettings,
    QuantileSettings,
    StandardiseSettings,
    StepSettings,
)
from simmorph.data.preprocessing.gaps import find_atoms, find_gaps
from simmorph.data.preprocessing.samples import lower_edge, upper_edge, weighted_moments
from simmorph.data.preprocessing.steps import fit_step

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray

EDGE_SHARE = 0.003
"""A variable whose outermost 1 % of range holds this share of the events ends there in an edge, not in a tail."""
MAX_SKEWNESS, MAX_KURTOSIS = 0.3, 1.0
"""Beyond these a distribution is made normal instead of only standardised."""


def propose_steps(name: str, values: FloatArray, weights: FloatArray) -> list[StepSettings]:
    """Steps that bring a variable near to a normal distribution and know its atoms, gaps, edges and turns.

    Args:
        name: a name with `phi` in it is an angle if the values fit.
        values: (n_events,), finite.
        weights: (n_events,), not negative.
    """
    if is_angle(name, values):
        return _with_shape([PeriodicSettings()], values, weights)
    steps: list[StepSettings] = []
    gaps = find_gaps(values)
    if gaps:
        steps.append(GapsSettings(edges=gaps))
    atoms = find_atoms(_applied(steps, values, weights))
    if len(atoms):
        steps.append(DequantiseSettings(values=[float(atom) for atom in atoms]))
    steps += _edges(_applied(steps, values, weights))
    return _with_shape(steps, values, weights)


def is_angle(name: str, values: FloatArray) -> bool:
    """Whether these are angles in radians that cover the circle."""
    within = bool(np.all(np.abs(values) <= np.pi + 1e-6))
    reach = float(np.max(values) - np.min(values))
    named = "phi" in name.lower()
    return within and (reach > 1.9 * math.pi if named else reach > 1.999 * math.pi and _has_edge(np.sort(values)))


def _with_shape(steps: list[StepSettings], values: FloatArray, weights: FloatArray) -> list[StepSettings]:
    prepared = _applied(steps, values, weights)
    mean, deviation = weighted_moments(prepared, weights)
    pulls = (prepared - mean) / (deviation or 1.0)
    skewness, kurtosis = (float(np.average(pulls**power, weights=weights)) for power in (3, 4))
    normal = abs(skewness) < MAX_SKEWNESS and abs(kurtosis - 3) < MAX_KURTOSIS
    if normal and steps and abs(mean) < 0.1 and abs(deviation - 1) < 0.1:
        return steps
    return [*steps, StandardiseSettings() if normal else QuantileSettings()]


def _edges(values: FloatArray) -> list[StepSettings]:
    ordered = np.sort(values)
    low, high = _has_edge(ordered), _has_edge(-ordered[::-1])
    if low and high:
        return [LogitSettings(low=lower_edge(ordered), high=upper_edge(ordered))]
    return [LogSettings(shift=-lower_edge(ordered))] if low else []


def _has_edge(ordered: FloatArray) -> bool:
    """Whether sorted values begin with an edge: the share between their minimum and 2 % of the way to the median."""
    first, median = ordered[0], ordered[len(ordered) // 2]
    n_first = np.searchsorted(ordered, first + 0.02 * (median - first), side="right")
    return bool(n_first > max(EDGE_SHARE * len(ordered), 5))


def _applied(steps: list[StepSettings], values: FloatArray, weights: FloatArray) -> FloatArray:
    """The values after these steps; intervals of atoms are filled evenly, since nobody's result depends on it."""
    even = (np.argsort(np.argsort(values, kind="stable"), kind="stable") + 0.5) / len(values)
    spread = np.modf(even * 7919)[0]
    for settings in steps:
        values = fit_step(settings, values, weights).forward(values, lambda: spread)
    return values
