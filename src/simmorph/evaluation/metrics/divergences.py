"""Divergences of one-dimensional distributions in bins: Kullback-Leibler, Jensen-Shannon, Hellinger, and chi2.

There are 50 bins that hold equal shares of the target, so that none is empty; a value that many events
share is a bin of its own. Divergences are positive by construction: compare them to the null, which is stated with each
for samples of n and m events (effective numbers) that agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.evaluation.metrics.estimates import Estimate

if TYPE_CHECKING:
    from simmorph.data.events import Events, FloatArray, IntArray

N_BINS = 50


class _Binned(NamedTuple):
    """Two samples in the same bins.

    Attributes:
        target: (n_bins,), shares of the weight.
        template: the same.
        squares: (n_bins,) each, sums of the squared shares of the target's events and of the template's.
        noise: (1/n + 1/m), the sum of the inverse effective sizes.
    """

    target: FloatArray
    template: FloatArray
    squares: tuple[FloatArray, FloatArray]
    noise: float

    def variance(self, of_target: FloatArray, of_template: FloatArray) -> float:
        """Of a function of the shares with these derivatives, (n_bins,) each.

        By linear propagation; the mean of the derivatives is taken off, since shares sum to 1.
        """
        total = 0.0
        for shares, squares, slope in zip(self[:2], self.squares, (of_target, of_template), strict=True):
            total += float(np.sum(squares * (slope - np.sum(shares * slope)) ** 2))
        return total

    def deviation(self, of_target: FloatArray, of_template: FloatArray) -> float:
        """The standard deviation of a divergence with these derivatives, which are 1 or so times log p / q.

        Where the samples agree, a divergence is half the noise times a chi2, which its derivatives do not show; and
        they are twice that by noise alone, which is subtracted.
        """
        null = (len(self.target) - 1) / 2 * self.noise**2
        return float(np.sqrt(max(self.variance(of_target, of_template) - 2 * null, 0.0) + null))


def kullback_leibler(template: Events, target: Events, column: int) -> Estimate:
    """The Kullback-Leibler divergence sum p log(p / q) of one feature, with p the target and q the template.

    A share of the template is taken to be at least that of half an event, so that an empty bin is not infinite.

    Null: (n_bins - 1) / 2 (1/n + 1/m).
    Source: Kullback, Leibler, Ann. Math. Stat. 22 (1951) 79.
    """
    binned = _binned(template, target, column)
    logarithm = np.log(binned.target / binned.template)
    value = float(np.sum(binned.target * logarithm))
    return Estimate(value, binned.deviation(logarithm, -binned.target / binned.template))


def hellinger(template: Events, target: Events, column: int) -> Estimate:
    """The Hellinger distance of one feature, sqrt(1 - sum sqrt(p q)): 0 where they agree, 1 where nothing overlaps.

    Null: sqrt((n_bins - 1) / 8 (1/n + 1/m)).
    Source: Hellinger, J. Reine Angew. Math. 136 (1909) 210.
    """
    binned = _binned(template, target, column)
    overlap = float(np.sum(np.sqrt(binned.target * binned.template)))
    value = float(np.sqrt(max(1 - overlap, 0.0)))
    ratio = np.sqrt(binned.template / binned.target)
    # Near agreement the square is a quarter of the Kullback-Leibler divergence.
    of_square = binned.deviation(-2 * ratio, -2 / ratio) / 4
    return Estimate(value, of_square / (2 * max(value, np.sqrt(of_square / 2))))


def jensen_shannon(template: Events, target: Events, column: int) -> Estimate:
    """The Jensen-Shannon divergence of one feature: the mean Kullback-Leibler divergence from the mixture of both.

    It lies between 0 and log 2, whatever is empty.

    Null: (n_bins - 1) / 8 (1/n + 1/m).
    Source: Lin, IEEE Trans. Inf. Theory 37 (1991) 145.
    """
    binned = _binned(template, target, column)
    mixture = (binned.target + binned.template) / 2
    of_target, of_template = np.log(binned.target / mixture), np.log(binned.template / mixture)
    value = 0.5 * float(np.sum(binned.target * of_target + binned.template * of_template))
    # Near agreement it is a quarter of the Kullback-Leibler divergence.
    return Estimate(value, binned.deviation(2 * of_target, 2 * of_template) / 4)


def chi_square(template: Events, target: Events, column: int) -> Estimate:
    """The chi2 of shares of two weighted histograms of one feature, over its degrees of freedom.

    Variances are sums of squared weights. Not valid where a bin holds a handful of events.

    Null: 1.
    Source: Gagunashvili, Nucl. Instrum. Meth. A 614 (2010) 287.
    """
    chi2, n_degrees = _chi_square(template, target, column)
    # A noncentral chi2 of this size has the variance 2 (2 chi2 - n).
    return Estimate(chi2 / n_degrees, float(np.sqrt(2 * max(2 * chi2 - n_degrees, n_degrees))) / n_degrees)


def chi_square_p_value(template: Events, target: Events, column: int) -> float:
    """The probability of so large a chi2 if the samples agree, from the chi2 distribution; see `chi_square`."""
    from scipy.stats import chi2 as chi_squared  # noqa: PLC0415 - takes a second

    return float(chi_squared.sf(*_chi_square(template, target, column)))


def _chi_square(template: Events, target: Events, column: int) -> tuple[float, int]:
    """The chi2 of the shares, and its degrees of freedom."""
    binned = _binned(template, target, column)
    variance = binned.squares[0] + binned.squares[1]
    filled = variance > 0
    chi2 = float(np.sum((binned.target - binned.template)[filled] ** 2 / variance[filled]))
    return chi2, max(int(np.count_nonzero(filled)) - 1, 1)


def _binned(template: Events, target: Events, column: int) -> _Binned:
    """Both samples in bins of equal shares of the target.

    Shares below that of half an event are raised to it and all are scaled to sum 1 again: signed weights may leave a
    bin negative, of which no divergence is defined.
    """
    edges = _edges(target.features[:, column])
    shares, squares = [], []
    for sample in (target, template):
        bins = np.searchsorted(edges, sample.features[:, column], side="right")
        content, variance = _contents(bins, sample.weights, len(edges) + 1)
        floor = 0.5 / max(sample.effective_size, 1.0)
        clipped = np.maximum(content, floor)
        shares.append(clipped / clipped.sum())
        squares.append(variance)
    noise = sum(1 / max(sample.effective_size, 1.0) for sample in (target, template))
    return _Binned(shares[0], shares[1], (squares[0], squares[1]), noise)


def _edges(values: FloatArray) -> FloatArray:
    """Between the bins; a value that fills more than one of them gets an edge on either side."""
    edges = np.quantile(values, np.linspace(0, 1, N_BINS + 1)[1:-1])
    repeated = np.unique(edges[1:][edges[1:] == edges[:-1]])
    return np.unique(np.concatenate([edges, np.nextafter(repeated, np.inf)]))


def _contents(bins: IntArray, weights: FloatArray, n_bins: int) -> tuple[FloatArray, FloatArray]:
    """Shares of the weight, and sums of their squares."""
    share = weights / np.sum(weights)
    content, squares = (np.bincount(bins, values, n_bins).astype(np.float64) for values in (share, share**2))
    return content, squares
