"""The best local parameters: each multiplies what is expected in one bin alone, and is found for given global ones.

R. Barlow, C. Beeston, Comput. Phys. Commun. 77 (1993) 219, for normal, Poisson and no constraint, any number of them in
a bin, and bounds. What a bin expects is a straight line in each of them, so the deviance is convex in them, and they
all follow from one number a bin: the slope of its Poisson term.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.limits.engine.poisson import Counts

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, FloatArray, IntArray

N_BRACKETS, N_STEPS = 60, 80
ACCURACY = 1e-11
NOTHING = 1e-4
"""An expected number that is too small to be multiplied with."""


class Constraint(NamedTuple):
    """What is known of n parameters from elsewhere: a normal measurement, a Poisson count, or nothing.

    Attributes:
        measured: (n,), the auxiliary measurement; a count is more than 0.
        scales: (n,), what multiplies a parameter in its expected measurement.
        widths: (n,), of the normal distribution.
        normal: (n,), whether it is normal.
        counted: (n,), whether it is a Poisson count.
    """

    measured: FloatArray
    scales: FloatArray
    widths: FloatArray
    normal: BoolArray
    counted: BoolArray

    def of(self, which: IntArray | BoolArray) -> Constraint:
        """That of some of the parameters."""
        chosen = (self.measured[which], self.scales[which], self.widths[which])
        return Constraint(*chosen, self.normal[which], self.counted[which])

    def curvatures(self, at: FloatArray) -> FloatArray:
        """(n,), half the second derivative of the deviance."""
        with np.errstate(all="ignore"):
            return np.where(self.normal, 1 / self.widths**2, np.where(self.counted, self.measured / at**2, 0.0))

    def slopes(self, at: FloatArray) -> FloatArray:
        """(n,), half the derivative of the deviance."""
        with np.errstate(all="ignore"):
            pull = (at - self.measured) / self.widths**2
            return np.where(self.normal, pull, np.where(self.counted, self.scales - self.measured / at, 0.0))

    def deviance(self, at: FloatArray) -> float:
        """-2 ln of the constraints over their best."""
        return float(np.sum(self.terms(at)))

    def terms(self, at: FloatArray) -> FloatArray:
        """(n,), what each adds to the deviance."""
        with np.errstate(all="ignore"):
            pulls = (at - self.measured) / self.widths
            expected = self.scales * at
            off = expected / self.measured - 1
            ratio = self.measured * (off - np.log1p(off))
        return np.where(self.normal, pulls**2, np.where(self.counted, 2 * ratio, 0.0))


class Eliminated(NamedTuple):
    """The best local parameters.

    Attributes:
        values: (n_local,).
        inside: (n_local,), whether it is between its bounds, so that it moves with the global ones.
    """

    values: FloatArray
    inside: BoolArray


class Local:
    """Local parameters of given data.

    Args:
        bins: (n_local,), the bin of each.
        known: what constrains them.
        bounds: (2, n_local), where both are equal it is fixed.
        counts: of all bins.
    """

    def __init__(self, bins: IntArray, known: Constraint, bounds: FloatArray, counts: Counts) -> None:
        self.bins, self.known, self.counts = bins, known, counts
        self.lower, self.upper = bounds
        n_bins = len(counts.counts)
        n_of_bin = np.bincount(bins, minlength=n_bins)
        is_lone = n_of_bin[bins] == 1
        n_normal = np.bincount(bins, known.normal, n_bins)
        self.by_normal: BoolArray = n_normal[bins] == n_of_bin[bins]
        self.by_count: BoolArray = known.counted & is_lone
        self.unknown: BoolArray = ~known.normal & ~known.counted & is_lone
        self.is_shared: BoolArray = ~is_lone
        self.together = ~(self.by_normal | self.by_count | self.unknown)

    def solve(self, rest: FloatArray, rates: FloatArray) -> Eliminated:
        """The best local parameters.

        Args:
            rest: (n_bins,), what is expected in each bin without them.
            rates: (n_local,), what each multiplies.
        """
        values = np.where(rates == 0, self._unmoved(), 1.0)
        moving = rates != 0
        for chosen, solve in (
            (self.by_normal, self._by_normal), (self.by_count, self._by_count), (self.unknown, self._unknown),
        ):  # fmt: skip
            its = chosen & moving
            if its.any():
                values[its] = solve(its, rest, rates)
        together = self.together.copy()
        out = moving & self.by_normal & ((values < self.lower) | (values > self.upper))
        if (out & self.is_shared).any():
            together |= np.isin(self.bins, self.bins[out & self.is_shared])
        if together.any():
            values[together] = self._together(together, rest, rates)
        inside = (values > self.lower) & (values < self.upper)
        return Eliminated(np.clip(values, self.lower, self.upper), inside)

    def _unmoved(self) -> FloatArray:
        """What the constraints alone say."""
        with np.errstate(all="ignore"):
            counted = self.known.measured / self.known.scales
        return np.where(self.known.normal, self.known.measured, np.where(self.known.counted, counted, 1.0))

    def _by_normal(self, its: BoolArray, rest: FloatArray, rates: FloatArray) -> FloatArray:
        """All of each bin have normal constraints: together they are one."""
        bins, counts, rates, known = self.bins[its], self.counts, rates[its], self.known.of(its)
        n_bins, squares = len(rest), known.widths**2
        spread = np.bincount(bins, squares * rates**2, n_bins)
        centre = rest + np.bincount(bins, known.measured * rates, n_bins)
        beta, product = centre - spread, counts.counts * spread
        root = np.sqrt(beta**2 + 4 * product)
        with np.errstate(all="ignore"):
            expected = np.where(beta > 0, (beta + root) / 2, 2 * product / (root - beta))
            slope = np.where(counts.counted, 1 - counts.counts / expected, 1.0)
        low = (expected < counts.least) | (~counts.counted & (beta < 0))
        if low.any():
            continued = (centre - spread * counts.level) / (1 + spread * counts.rate)
            slope = np.where(low, counts.level + counts.rate * continued, slope)
        return np.asarray(known.measured - squares * rates * slope[bins], np.float64)

    def _by_count(self, its: BoolArray, rest: FloatArray, rates: FloatArray) -> FloatArray:
        """The only one of its bin has a Poisson constraint: the growing root of a square equation."""
        bins, counts, known = self.bins[its], self.counts, self.known.of(its)
        n, rest, rates = counts.counts[bins], rest[bins], rates[its]
        scales, measured = known.scales, known.measured
        values = _growing_root(
            (scales + rates) * rates, (scales + rates) * rest - (measured + n) * rates, -measured * rest
        )
        empty = ~counts.counted[bins]
        values = np.where(empty, measured / (scales + rates), values)
        low = rest + values * rates < counts.least[bins]
        if low.any():
            level, rate = counts.level[bins], counts.rate[bins]
            continued = _growing_root(rate * rates**2, (level + rate * rest) * rates + scales, -measured)
            values = np.where(low, continued, values)
        return values

    def _unknown(self, its: BoolArray, rest: FloatArray, rates: FloatArray) -> FloatArray:
        """The only one of its bin has no constraint: the bin expects its counts."""
        bins = self.bins[its]
        wanted = np.where(self.counts.counted, self.counts.counts, -self.counts.level / self.counts.rate)
        return np.asarray((wanted - rest)[bins] / rates[its], np.float64)

    def _together(self, its: BoolArray, rest: FloatArray, rates: FloatArray) -> FloatArray:
        """Any others: they follow from the slope of their bin's Poisson term, which bracketed Newton steps find."""
        used, bins = np.unique(self.bins[its], return_inverse=True)
        several = _Several(self, its, bins, rest[used], rates[its], used)
        return several.values(several.slope())


class _Several:
    """Some local parameters, as functions of the slope of the Poisson term of their bin."""

    def __init__(  # noqa: PLR0913, PLR0917
        self, local: Local, its: BoolArray, bins: IntArray, rest: FloatArray, rates: FloatArray, used: IntArray
    ) -> None:
        self.known, self.bins, self.rest, self.rates = local.known.of(its), bins, rest, rates
        self.lower, self.upper = local.lower[its], local.upper[its]
        self.counts = Counts(local.counts.counts[used])

    def values(self, slope: FloatArray) -> FloatArray:
        """(n,), the parameters where the Poisson terms have these slopes."""
        known, pull = self.known, self.rates * slope[self.bins]
        with np.errstate(all="ignore"):
            counted = known.measured / np.maximum(known.scales + pull, 0.0)
            values = np.where(known.normal, known.measured - known.widths**2 * pull, counted)
        return np.clip(values, self.lower, self.upper)

    def slope(self) -> FloatArray:
        """(n_bins,), where the slope that the parameters follow is that which they make."""
        high = np.ones_like(self.rest)
        low = -np.ones_like(self.rest)
        for _ in range(N_BRACKETS):
            below = self._excess(low)[0] <= 0
            if not below.any():
                break
            low = np.where(below, 4 * low, low)
        at = np.where(self.counts.counted, 0.0, 1.0)
        for _ in range(N_STEPS):
            excess, rate = self._excess(at)
            low, high = np.where(excess > 0, at, low), np.where(excess <= 0, at, high)
            step = at - excess / rate
            at, before = np.where((step > low) & (step < high), step, (low + high) / 2), at
            if np.all(np.abs(at - before) <= ACCURACY * (1 + np.abs(at))):
                break
        return at

    def _excess(self, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What has the sign of the slope that the parameters make less the given one, and its derivative: it falls."""
        known, values = self.known, self.values(slope)
        inside = (values > self.lower) & (values < self.upper)
        with np.errstate(all="ignore"):
            moved = np.where(known.normal, known.widths**2, values**2 / known.measured) * inside
        expected = self.rest + np.bincount(self.bins, values * self.rates, len(self.rest))
        rate = -np.bincount(self.bins, moved * self.rates**2, len(self.rest))
        counts = self.counts
        # Times the expected number it is nearly straight, where that is far from 0.
        plain = counts.counted & (expected > np.maximum(counts.least, NOTHING))
        terms = counts.terms(expected)
        return (
            np.where(plain, (1 - slope) * expected - counts.counts, terms.slope - slope),
            np.where(plain, (1 - slope) * rate - expected, terms.curvature * rate - 1),
        )


def _growing_root(square: FloatArray, straight: FloatArray, constant: FloatArray) -> FloatArray:
    """The root of a polynomial of second degree at which it grows."""
    root = np.sqrt(np.maximum(straight**2 - 4 * square * constant, 0.0))
    with np.errstate(all="ignore"):
        return np.where(straight > 0, -2 * constant / (straight + root), (root - straight) / (2 * square))
