"""Every data set that can occur, where that is a short list: then probabilities are sums, not samples."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import pdtr, pdtrc

from simmorph.limits.model.likelihood import Data
from simmorph.limits.toys.cls import DataSets
from simmorph.limits.toys.statistic import Counting

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray
    from simmorph.limits.model.likelihood import Likelihood

LEFT_OUT = 1e-12
"""The probability of counts beyond those that are listed, at either end."""
MAX_SETS = 200_000
"""How many data sets are listed at most."""


def straight(likelihood: Likelihood) -> tuple[FloatArray, FloatArray] | None:
    """What is expected without a signal, and by a signal of strength 1; None unless that is all there is to a model.

    Nothing but the parameter of interest is free, and every yield is a straight line in it that does not fall.
    """
    if likelihood.free.sum() > 1:
        return None
    background, with_signal, double = (likelihood.expected(likelihood.at(value)).main for value in (0.0, 1.0, 2.0))
    signal = with_signal - background
    is_straight = np.allclose(double, background + 2 * signal, rtol=1e-9) and bool(np.all(signal >= 0))
    return (background, signal) if is_straight else None


def every_data_set(likelihood: Likelihood, observed: Data, highest: float) -> DataSets | None:
    """All counts that can occur up to a strength; None where they are too many, or other parameters are fitted.

    Args:
        likelihood: of the model.
        observed: the observed data, which come first in the statistic.
        highest: the strength.
    """
    line = straight(likelihood)
    if line is None:
        return None
    background, signal = line
    ranges = [_range(low, high) for low, high in zip(background, background + highest * signal, strict=True)]
    n_sets = float(np.prod([float(len(it)) for it in ranges]))
    if n_sets > MAX_SETS:
        return None
    counts = np.array(list(product(*ranges)), np.float64)
    data = Data(counts, np.tile(observed.auxiliary, (len(counts), 1)))
    statistic = Counting(background, signal, np.vstack([observed.main, counts]))
    return DataSets(data, statistic, np.zeros(len(counts)), None)


def _range(lowest: float, highest: float) -> range:
    """The counts that occur with these expected numbers."""
    width = 10 * np.sqrt(highest + 10)
    counts = np.arange(max(0.0, np.floor(lowest - width)), np.ceil(highest + width))
    kept = counts[(pdtr(counts, lowest) > LEFT_OUT) & (np.append(1.0, pdtrc(counts[1:] - 1, highest)) > LEFT_OUT)]
    return range(int(kept[0]), int(kept[-1]) + 1)
