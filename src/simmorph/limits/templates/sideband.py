"""A smooth background from the sidebands of the data.

The curve is f(x) = exp(sum over k of c_k P_k(t)), with Legendre polynomials P_k and t in [-1, 1] across the range. Its
validity rests on the order: too low a polynomial leaves a bias under the signal, which no uncertainty here covers.
`chi2` over `n_degrees` shows a misfit in the sidebands alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from iminuit import Minuit
from numpy.polynomial.legendre import leggauss, legvander
from scipy.special import xlogy

from simmorph.data.histograms import Histogram, in_window
from simmorph.errors import InputError

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, FloatArray

QUADRATURE = 5
"""Points per bin at which the curve is integrated."""


class SidebandFit(NamedTuple):
    """A curve fitted to the sidebands, and what it expects everywhere.

    Attributes:
        expected: in every bin, with the variance from the fit.
        variations: (n_parameters, n_bins), one standard deviation of each independent combination of the parameters.
        chi2: of the sidebands (Neyman's, with the data's variance).
        n_degrees: number of sideband bins less that of the parameters.
        sidebands: (n_bins,), which bins were fitted.
    """

    expected: Histogram
    variations: FloatArray
    chi2: float
    n_degrees: int
    sidebands: BoolArray


def fit_sidebands(data: Histogram, window: tuple[float, float], order: int) -> SidebandFit:
    """Fit exp(polynomial) to the bins that do not overlap the window, by a Poisson likelihood.

    The polynomial is a sum of Legendre polynomials over the range, and the curve is integrated over each bin. Weighted
    bins enter with the number of events of equal relative uncertainty (a scaled Poisson distribution: G. Bohm, G. Zech,
    Nucl. Instrum. Meth. A 748 (2014) 1, arXiv:1309.1287).

    Args:
        data: the observed histogram.
        window: the range of the observable that is left out.
        order: of the polynomial; the fit has one parameter more.

    Raises:
        InputError: there are too few sideband bins, or the fit fails.
    """
    sidebands = ~in_window(data.edges, window)
    n_degrees = int(np.sum(sidebands & (data.values > 0))) - (order + 1)
    if n_degrees < 1:
        raise InputError(
            data.name, f"too few filled sideband bins for a polynomial of order {order}", "lower the order"
        )
    points, weights = _quadrature(data.edges, order)
    parameters = _fitted(data, sidebands, points, weights)
    covariance = _covariance(data, sidebands, parameters, (points, weights))
    values = _integrals(parameters, points, weights)
    variations = _variations(parameters, covariance, points, weights)
    expected = Histogram(data.edges, values, np.sum(variations**2, axis=0), "fitted background")
    pulls = (data.values - values)[sidebands] / np.sqrt(np.maximum(data.variances[sidebands], 1.0))
    return SidebandFit(expected, variations, float(np.sum(pulls**2)), n_degrees, sidebands)


def _quadrature(edges: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
    """Legendre polynomials (n_bins, QUADRATURE, order + 1) at points in each bin, and weights (n_bins, QUADRATURE)."""
    nodes, weights = leggauss(QUADRATURE)
    half = np.diff(edges)[:, None] / 2
    at = (edges[:-1, None] + half) + half * nodes
    scaled = 2 * (at - edges[0]) / (edges[-1] - edges[0]) - 1
    return np.asarray(legvander(scaled, order), np.float64), np.asarray(
        half * weights / np.diff(edges).mean(), np.float64
    )


def _integrals(parameters: FloatArray, points: FloatArray, weights: FloatArray) -> FloatArray:
    """(n_bins,), the events that the curve expects in each bin; infinite where the exponential overflows."""
    with np.errstate(over="ignore"):
        return np.asarray(np.sum(np.exp(points @ parameters) * weights, axis=1), np.float64)


def _slopes(parameters: FloatArray, points: FloatArray, weights: FloatArray) -> FloatArray:
    """(n_parameters, n_bins), how the integrals change with the parameters."""
    with np.errstate(over="ignore"):
        curve = np.exp(points @ parameters) * weights
    return np.asarray(np.einsum("bq,bqp->pb", curve, points), np.float64)


def _fitted(data: Histogram, sidebands: BoolArray, points: FloatArray, weights: FloatArray) -> FloatArray:
    """(n_parameters,), the best coefficients; the fit starts at a least-squares one to the logarithms of the counts.

    Raises:
        InputError: the fit did not converge.
    """
    counts = data.values[sidebands]
    filled = counts > 0
    share = _share(data)[sidebands]
    points, weights = points[sidebands], weights[sidebands]

    def deviance(parameters: FloatArray) -> float:
        expected = _integrals(np.asarray(parameters), points, weights)
        terms = expected - counts + xlogy(counts, np.where(filled, counts, 1.0) / np.maximum(expected, 1e-300))
        return min(2 * float(np.sum(share * terms)), 1e300)

    def gradient(parameters: FloatArray) -> FloatArray:
        expected = np.maximum(_integrals(np.asarray(parameters), points, weights), 1e-300)
        return 2 * _slopes(np.asarray(parameters), points, weights) @ (share * (1 - counts / expected))

    heights = np.log(np.maximum(counts, 0.5) / weights.sum(axis=1))
    start, *_ = np.linalg.lstsq(points.mean(axis=1), heights)
    minuit = Minuit(deviance, start, grad=gradient)
    minuit.errordef = Minuit.LEAST_SQUARES
    minuit.tol = 1e-3
    minuit.migrad()
    if not minuit.valid:
        raise InputError(data.name, "the fit to the sidebands did not converge", "lower the order or widen the range")
    return np.array(minuit.values, np.float64)


def _share(data: Histogram) -> FloatArray:
    """(n_bins,), events of unit weight that have the bin's relative uncertainty, for each unit of its value."""
    filled = (data.values > 0) & (data.variances > 0)
    return np.where(filled, data.values / np.where(filled, data.variances, 1.0), 1.0)


def _covariance(
    data: Histogram, sidebands: BoolArray, parameters: FloatArray, quadrature: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """The inverse of half the deviance's second derivatives, which are known exactly."""
    points, weights = (each[sidebands] for each in quadrature)
    counts, share = data.values[sidebands], _share(data)[sidebands]
    expected, slopes = _integrals(parameters, points, weights), _slopes(parameters, points, weights)
    curve = np.exp(points @ parameters) * weights
    bends = np.einsum("bq,bqi,bqj->bij", curve, points, points)
    hessian = np.einsum("b,ib,jb->ij", share * counts / expected**2, slopes, slopes)
    hessian += np.einsum("b,bij->ij", share * (1 - counts / expected), bends)
    return np.asarray(np.linalg.inv(hessian), np.float64)


def _variations(parameters: FloatArray, covariance: FloatArray, points: FloatArray, weights: FloatArray) -> FloatArray:
    """The bins' shifts for one standard deviation along each eigenvector of the covariance."""
    sizes, vectors = np.linalg.eigh(covariance)
    return np.asarray(np.sqrt(sizes)[:, None] * (vectors.T @ _slopes(parameters, points, weights)), np.float64)
