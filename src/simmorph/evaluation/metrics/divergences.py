"""Divergences of one-dimensional distributions in bins: Kullback-Leibler, Jensen-Shannon, Hellinger, and chi2.

There are 50 bins that hold equal shares of the target, or fewer where these would hold a handful of events; a value
that many events share is a bin of its own. Divergences are positive by construction: compare them to the null, which is
stated with each for samples of n and m events (effective numbers) that agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.data.estimates import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable

    from simmorph.data.events import Events, FloatArray, IntArray
    from simmorph.evaluation.metrics.noise import Noise

N_BINS, EVENTS_IN_BIN = 50, 20
"""Most bins, and the effective number of events of the smaller sample that a bin has at least."""


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

    @property
    def n_degrees(self) -> int:
        """Degrees of freedom of the shares in bins that hold an event."""
        return max(int(np.count_nonzero(self.squares[0] + self.squares[1] > 0)) - 1, 1)

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
    value = float(_kullback_leibler(binned, binned.target, binned.template))
    return Estimate(value, binned.deviation(logarithm, -binned.target / binned.template))


def hellinger(template: Events, target: Events, column: int) -> Estimate:
    """The Hellinger distance of one feature, sqrt(1 - sum sqrt(p q)): 0 where they agree, 1 where nothing overlaps.

    Null: sqrt((n_bins - 1) / 8 (1/n + 1/m)).
    Source: Hellinger, J. Reine Angew. Math. 136 (1909) 210.
    """
    binned = _binned(template, target, column)
    value = float(_hellinger(binned, binned.target, binned.template))
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
    value = float(_jensen_shannon(binned, binned.target, binned.template))
    # Near agreement it is a quarter of the Kullback-Leibler divergence.
    return Estimate(value, binned.deviation(2 * of_target, 2 * of_template) / 4)


def chi_square(template: Events, target: Events, column: int) -> Estimate:
    """The chi2 of shares of two weighted histograms of one feature, over its degrees of freedom.

    Variances are sums of squared weights. Not valid where a bin holds a handful of events.

    Null: 1.
    Source: Gagunashvili, Nucl. Instrum. Meth. A 614 (2010) 287.
    """
    binned = _binned(template, target, column)
    n_degrees = binned.n_degrees
    chi2 = n_degrees * float(_chi_square(binned, binned.target, binned.template))
    # A noncentral chi2 of this size has the variance 2 (2 chi2 - n).
    return Estimate(chi2 / n_degrees, float(np.sqrt(2 * max(2 * chi2 - n_degrees, n_degrees))) / n_degrees)


def drawn(
    template: Events, target: Events, column: int, noises: tuple[Noise, Noise]
) -> dict[str, tuple[float, FloatArray]]:
    """Each of STATISTICS of one feature as it is, and (N_DRAWS,) of it by noise alone; see `marginals.drawn`."""
    binned = _binned(template, target, column)
    pooled = ((binned.target + binned.template) / 2)[:, None]
    edges = _edges(template, target, column)
    shares = []
    for sample, noise in zip((target, template), reversed(noises), strict=True):
        places = np.searchsorted(edges, sample.features[:, column], side="right")
        shares.append(_raised(pooled + noise.in_bins(places, len(edges) + 1), sample))
    return {
        kind: (float(of(binned, binned.target, binned.template)), of(binned, *shares))
        for kind, of in STATISTICS.items()
    }


def _binned(template: Events, target: Events, column: int) -> _Binned:
    """Both samples in bins of equal shares of the target.

    Shares below that of half an event are raised to it and all are scaled to sum 1 again: signed weights may leave a
    bin negative, of which no divergence is defined.
    """
    edges = _edges(template, target, column)
    shares, squares = [], []
    for sample in (target, template):
        bins = np.searchsorted(edges, sample.features[:, column], side="right")
        content, variance = _contents(bins, sample.weights, len(edges) + 1)
        shares.append(_raised(content, sample))
        squares.append(variance)
    noise = sum(1 / max(sample.effective_size, 1.0) for sample in (target, template))
    return _Binned(shares[0], shares[1], (squares[0], squares[1]), noise)


def _raised(content: FloatArray, sample: Events) -> FloatArray:
    """Shares, (n_bins,) or (n_bins, n_draws), raised to that of half an event and with sum 1 again."""
    raised = np.maximum(content, 0.5 / max(sample.effective_size, 1.0))
    return np.asarray(raised / raised.sum(axis=0))


def _edges(template: Events, target: Events, column: int) -> FloatArray:
    """Between the bins; a value that fills more than one of them gets an edge on either side."""
    size = min(template.effective_size, target.effective_size)
    n_bins = int(np.clip(size / EVENTS_IN_BIN, 2, N_BINS))
    edges = np.quantile(target.features[:, column], np.linspace(0, 1, n_bins + 1)[1:-1])
    repeated = np.unique(edges[1:][edges[1:] == edges[:-1]])
    return np.unique(np.concatenate([edges, np.nextafter(repeated, np.inf)]))


def _contents(bins: IntArray, weights: FloatArray, n_bins: int) -> tuple[FloatArray, FloatArray]:
    """Shares of the weight, and sums of their squares."""
    share = weights / np.sum(weights)
    content, squares = (np.bincount(bins, values, n_bins).astype(np.float64) for values in (share, share**2))
    return content, squares


def _kullback_leibler(binned: _Binned, target: FloatArray, template: FloatArray) -> FloatArray:  # noqa: ARG001
    """The sum p log(p / q)."""
    return np.asarray(np.sum(target * np.log(target / template), axis=0))


def _jensen_shannon(binned: _Binned, target: FloatArray, template: FloatArray) -> FloatArray:
    """The mean divergence from the mixture of both."""
    mixture = (target + template) / 2
    sides = (_kullback_leibler(binned, one, mixture) for one in (target, template))
    return np.asarray(sum(sides) / 2)


def _hellinger(binned: _Binned, target: FloatArray, template: FloatArray) -> FloatArray:  # noqa: ARG001
    """The root of what the overlap is short of 1."""
    return np.asarray(np.sqrt(np.maximum(1 - np.sum(np.sqrt(target * template), axis=0), 0.0)))


def _chi_square(binned: _Binned, target: FloatArray, template: FloatArray) -> FloatArray:
    """The chi2 over its degrees of freedom, in bins that hold an event."""
    variance = binned.squares[0] + binned.squares[1]
    filled = variance > 0
    return np.asarray((1 / variance[filled]) @ (target - template)[filled] ** 2 / binned.n_degrees)


STATISTICS: dict[str, Callable[[_Binned, FloatArray, FloatArray], FloatArray]] = {
    "kullback_leibler": _kullback_leibler,
    "jensen_shannon": _jensen_shannon,
    "hellinger": _hellinger,
    "chi_square": _chi_square,
}
"""The distances of shares of target and template, (n_bins,) or (n_bins, n_draws) each."""
