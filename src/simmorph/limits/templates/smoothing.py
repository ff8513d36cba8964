"""Smooth, normalise and leave out variations of templates, by rules that a recipe names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from simmorph.limits.modifiers.histosys import HistoSys, Sides
from simmorph.limits.modifiers.normsys import NormSys

if TYPE_CHECKING:
    from simmorph.config.documents import Section
    from simmorph.config.limits import Pruning
    from simmorph.data.events import FloatArray
    from simmorph.limits.modifiers.base import Modifier


def treated(modifier: Modifier, options: Section, nominal: FloatArray) -> Modifier:
    """A modifier smoothed and normalised as its options say, in this order.

    Args:
        modifier: of a sample.
        options: its keys in the recipe.
        nominal: (n_bins,), yields of the sample.
    """
    if not isinstance(modifier, HistoSys) or not isinstance(options, Sides):
        return modifier
    if options.smooth:
        up, down = (smoothed_variation(side, nominal) for side in (modifier.up, modifier.down))
        modifier = replace(modifier, up=up, down=down)
    return modifier.normalised(nominal, np.ones(len(nominal), np.bool_)) if options.normalise else modifier


def smoothed_variation(varied: FloatArray, nominal: FloatArray) -> FloatArray:
    """A varied template whose ratio to the nominal one is smoothed; its sum stays.

    Args:
        varied: (n_bins,), yields.
        nominal: (n_bins,), yields; where they are not above 0 the variation stays as it is.
    """
    filled = nominal > 0
    ratios = np.divide(varied, nominal, out=np.ones_like(nominal), where=filled)
    found = np.where(filled, smoothed(ratios) * nominal, varied)
    return found * (varied.sum() / found.sum()) if found.sum() > 0 else varied


def smoothed(values: FloatArray) -> FloatArray:
    """The algorithm 353QH, applied twice: once to the values, and once to what it left of them.

    J. Friedman, Proc. of the 1974 CERN School of Computing, CERN 74-23, p. 292; what ROOT's `TH1::Smooth` does. It
    knows nothing of statistical uncertainties. Fewer than three values stay as they are; the result is negative only
    if a value is.

    Args:
        values: (n,).
    """
    if len(values) < 3:
        return values.copy()
    first = _once(values)
    found = first + _once(values - first)
    return found if values.min() < 0 else np.maximum(found, 0.0)


def _once(values: FloatArray) -> FloatArray:
    """Running medians of 3, 5 and 3, parabolas over flat stretches (Q), and running means with weights 1, 2, 1 (H)."""
    three = _medians(values, 3)
    three[0] = np.median([three[0], three[1], 3 * three[1] - 2 * three[2]])
    three[-1] = np.median([three[-1], three[-2], 3 * three[-2] - 2 * three[-3]])
    five = _medians(three, 5)
    five[1], five[-2] = np.median(three[:3]), np.median(three[-3:])
    curved = _curved(_medians(five, 3))
    means = curved.copy()
    means[1:-1] = (curved[:-2] + 2 * curved[1:-1] + curved[2:]) / 4
    return means


def _medians(values: FloatArray, width: int) -> FloatArray:
    """The median of so many values about each; the ends stay."""
    found, half = values.copy(), width // 2
    if len(values) >= width:
        windows = np.lib.stride_tricks.sliding_window_view(values, width)
        found[half:-half] = np.median(windows, axis=1)
    return found


def _curved(values: FloatArray) -> FloatArray:
    """With three equal values at a peak or in a valley replaced by a parabola, which their flatter side determines."""
    found = values.copy()
    for i in range(2, len(values) - 2):
        here, left, right = values[i], values[i - 2], values[i + 2]
        if not values[i - 1] == here == values[i + 1] or (left - here) * (right - here) <= 0:
            continue
        side = -1 if abs(right - here) > abs(left - here) else 1
        near, far = values[i + 2 * side], values[i - 2 * side]
        found[i] = -far / 2 + here / 0.75 + near / 6
        found[i + side] = (near - far) / 2 + here
    return found


def pruned(modifier: Modifier, nominal: FloatArray, limits: Pruning) -> tuple[Modifier | None, str]:
    """A modifier without what is too small in it, None if nothing is left, and in words what was left out.

    A variation of the bins has a normalisation, the relative change of the sum, and a shape, the largest relative
    change of a bin with the sum restored; what is below its limit is taken out, for both sides together. A modifier
    that scales all bins has a normalisation alone.

    Args:
        modifier: of a sample.
        nominal: (n_bins,), its yields.
        limits: below which effects are left out.
    """
    if isinstance(modifier, NormSys):
        size = max(abs(modifier.hi - 1), abs(modifier.lo - 1))
        return (None, f"left out: {size:.2g} of the sum") if size < limits.normalisation else (modifier, "")
    if not isinstance(modifier, HistoSys) or not nominal.sum() > 0:
        return modifier, ""
    scales = [side.sum() / nominal.sum() for side in (modifier.up, modifier.down)]
    if min(scales) <= 0:
        return modifier, ""
    sides = list(zip((modifier.up, modifier.down), scales, strict=True))
    sizes = {
        "normalisation": max(abs(scale - 1) for scale in scales),
        "shape": max(_of_shape(side / scale, nominal) for side, scale in sides),
    }
    kept = {what: size >= getattr(limits, what) for what, size in sizes.items()}
    words = "; ".join(f"{what} left out ({size:.2g})" for what, size in sizes.items() if not kept[what])
    if all(kept.values()) or not any(kept.values()):
        return modifier if kept["shape"] else None, words
    up, down = (
        (side if kept["shape"] else nominal * scale) / (1.0 if kept["normalisation"] else scale)
        for side, scale in sides
    )
    return replace(modifier, up=up, down=down), words


def _of_shape(side: FloatArray, nominal: FloatArray) -> float:
    """The largest relative change of a bin; infinite where nothing was expected and now something is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        changes = np.abs(side - nominal) / np.abs(nominal)
    return float(np.max(np.where(side == nominal, 0.0, changes)))
