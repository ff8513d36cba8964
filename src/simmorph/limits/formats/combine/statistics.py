"""autoMCStats: the uncertainties of templates from the number of simulated events.

In a bin of more effective events than the threshold Combine has one parameter, which moves the sum of the processes by
its normal uncertainty. Here each process has one of its own. With all of them at their best the likelihood is the same:
the least sum of squares of parameters x_i that moves the sum by s = sum c_i e_i x_i is s^2 / sum (c_i e_i)^2. Below the
threshold Combine has one for each process too, a Poisson one where a process has few events.

What differs: a factor on a bin follows the shape of the process when that moves, which is of second order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.data.events import BoolArray, FloatArray
    from simmorph.limits.formats.combine.card import Column, Statistics
    from simmorph.limits.formats.combine.shapes import Template

ROUNDING = 0.999
"""Part of its error that a yield must reach to be a Poisson one, as in Combine."""


def statistical_modifiers(
    columns: Sequence[Column], templates: Sequence[Template], factors: Sequence[float], how: Statistics
) -> list[list[dict[str, Any]]]:
    """The modifiers of each process of a channel, in the JSON of pyhf.

    Args:
        columns: the processes.
        templates: what is expected of each.
        factors: of the free normalisations of each, where they start.
        how: the line of the card.
    """
    if how.threshold < 0:
        return [[] for _ in columns]
    counted = [how.with_signal or not column.is_signal for column in columns]
    scaled = np.array(factors)[counted, None]
    yields = np.array([it.values for it, counts in zip(templates, counted, strict=True) if counts]) * scaled
    errors = np.array([it.errors for it, counts in zip(templates, counted, strict=True) if counts]) * scaled
    squares = np.sum(errors**2, axis=0)
    is_used = squares > 0
    is_split = is_used & (_effective(yields.sum(axis=0), np.sqrt(squares)) <= how.threshold)
    found = []
    for column, template in zip(columns, templates, strict=True):
        name = f"prop_bin{column.channel}_{column.process}"
        found.append(_of_process(name, template, how.threshold, is_used, is_split))
    return found


def _effective(yields: FloatArray, errors: FloatArray) -> FloatArray:
    """(n_bins,), unweighted events of the same relative error, rounded."""
    ratio = np.divide(yields, errors, out=np.zeros_like(yields), where=errors > 0)
    return np.floor(0.5 + ratio**2)


def _of_process(
    name: str, template: Template, threshold: float, is_used: BoolArray, is_split: BoolArray
) -> list[dict[str, Any]]:
    """Normal factors, Poisson factors, and shifts of bins that expect nothing, each where there are any."""
    values, errors = template.values, np.where(is_used, template.errors, 0.0)
    events = _effective(values, errors)
    is_poisson = is_split & (errors > 0) & (values >= ROUNDING * errors) & (events <= threshold)
    is_normal = (errors > 0) & ~is_poisson
    is_factor = is_normal & (values > 0)
    found = []
    if np.any(is_factor):
        found.append({"name": name, "type": "staterror", "data": np.where(is_factor, errors, 0.0).tolist()})
    if np.any(is_poisson):
        sizes = np.where(is_poisson, values / np.sqrt(np.maximum(events, 1)), 0.0)
        found.append({"name": f"{name}_few", "type": "shapesys", "data": sizes.tolist()})
    for i in np.flatnonzero(is_normal & ~is_factor):
        up, down = values.copy(), values.copy()
        up[i], down[i] = values[i] + errors[i], values[i] - errors[i]
        data = {"hi_data": up.tolist(), "lo_data": down.tolist()}
        found.append({"name": f"{name}_bin{i}", "type": "histosys", "data": data})
    return found
