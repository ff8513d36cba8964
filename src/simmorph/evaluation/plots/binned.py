"""The numbers behind the plots of distributions.

Samples are drawn with the target's sum of weights: a map says nothing of the yield. Ratios, pulls and chi2 are taken
only where the target has enough events for them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.data.histograms import Histogram
from simmorph.data.preprocessing.gaps import find_gaps

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, Events, FloatArray
    from simmorph.evaluation.metrics.samples import Samples

MOST_BINS, FEWEST_ON_AVERAGE = 40, 30
"""Bins of a variable before they are merged, and the effective number of target events for each."""
N_MAP_BINS, MAP_TAIL = 80, 0.002
TAIL = 0.001
"""Share of the target's events left out at either end of an axis."""
FEWEST_IN_TAIL = 25.0
"""Effective number of target events that bins in a tail are merged up to."""
WELL_FILLED = 4.0
"""Merging ends at the first bin with this many times the fewest, at the latest at the fullest bin."""
FEWEST_IN_RATIO, LARGEST_ERROR_IN_RATIO = 10.0, 0.3
"""Bins with fewer effective target events, or a larger relative error, have no ratio worth drawing."""
NARROWEST_GAP = 0.2
"""Gaps narrower than this share of a bin are left inside it."""
MOST_GAPS = 10
"""More gaps than this are a grid of values, not gaps."""
STEEP = 30.0
"""Ratio of the most to the least populated bin from which on a spectrum is called steep."""


class ChiSquare(NamedTuple):
    """How well a sample agrees with the target.

    Attributes:
        value: the chi2.
        n_degrees: degrees of freedom, which it is on average if they agree.
    """

    value: float
    n_degrees: int


class Distribution(NamedTuple):
    """One variable of all samples; template and source have the sum of the target.

    Attributes:
        name: of the variable.
        target: the target.
        template: the template.
        source: the source, if there is one.
    """

    name: str
    target: Histogram
    template: Histogram
    source: Histogram | None = None

    @property
    def edges(self) -> FloatArray:
        """(n_bins + 1,), of the bins, which all samples share."""
        return self.target.edges

    @property
    def density(self) -> FloatArray:
        """(n_bins,), factors that turn counts into counts for a bin of the usual width."""
        widths = np.diff(self.edges)
        return np.asarray(np.median(widths) / widths)

    @property
    def has_ratio(self) -> BoolArray:
        """(n_bins,), which bins have enough of the target for a ratio."""
        values, errors = self.target.values, self.target.uncertainties
        enough = values**2 >= FEWEST_IN_RATIO * self.target.variances
        return np.asarray((values > 0) & enough & (errors <= LARGEST_ERROR_IN_RATIO * np.abs(values)))

    def pulls(self, counts: Histogram) -> FloatArray:
        """(n_bins,), a sample's difference to the target over both uncertainties; NaN in bins without a ratio."""
        spread = np.sqrt(counts.variances + self.target.variances)
        known = self.has_ratio & (spread > 0)
        return np.where(known, (counts.values - self.target.values) / np.where(known, spread, 1.0), np.nan)

    def chi_square(self, counts: Histogram) -> ChiSquare:
        """The sum of the squared pulls of a sample; one degree of freedom is lost, since sums are made equal."""
        pulls = self.pulls(counts)
        known = pulls[np.isfinite(pulls)]
        return ChiSquare(float(np.sum(known**2)), max(len(known) - 1, 0))

    @property
    def is_steep(self) -> bool:
        """Whether this is a falling spectrum of a positive quantity, which a logarithmic axis suits."""
        values = self.target.values * self.density
        falls = int(np.argmax(values)) < len(values) / 2 and 0 < values[-1] < values[0]
        return bool(self.edges[0] > 0 and falls and values.max() > STEEP * values[-1])

    def shown(self) -> dict[str, Histogram]:
        """The samples by their names."""
        source = {"source": self.source} if self.source else {}
        return {"target": self.target, **source, "template": self.template}

    def rows(self) -> list[dict[str, float]]:
        """One row a bin, for a table."""
        columns: dict[str, FloatArray] = {"low": self.edges[:-1], "high": self.edges[1:]}
        for sample, counts in self.shown().items():
            columns |= {sample: counts.values, f"{sample}_uncertainty": counts.uncertainties}
            if sample != "target":
                columns[f"{sample}_pull"] = self.pulls(counts)
        return [
            {key: float(column[bin_number]) for key, column in columns.items()}
            for bin_number in range(len(self.edges) - 1)
        ]


def distribution(samples: Samples, column: int) -> Distribution:
    """One variable of the samples between the target's tails.

    Bins are equally wide but for two exceptions: gaps of the target, such as those of a calorimeter, are bins of their
    own, so that no bin is half empty; and bins are merged at the ends until they hold enough events for a ratio.

    Args:
        samples: of one region.
        column: of the variable, among features and derived quantities.
    """
    n_bins = int(np.clip(samples.target.effective_size / FEWEST_ON_AVERAGE, 1, MOST_BINS))
    edges = _merged(samples.target, column, _edges(samples.target.features[:, column], n_bins))
    total = samples.target.weights.sum()
    found = {
        name: _counts(sample, column, edges).scaled(float(total / sample.weights.sum()))
        for name, sample in samples.by_name().items()
    }
    return Distribution(samples.names[column], **found)


def _edges(values: FloatArray, n_bins: int) -> FloatArray:
    """Equal bins without the tails, between gaps; around each number if the values are a few whole ones."""
    whole = np.unique(values[:10_000])
    if len(whole) <= MOST_BINS and np.array_equal(whole, np.round(whole)):
        return np.arange(values.min() - 0.5, values.max() + 1)
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    width = (high - low) / n_bins
    inside = values[(values >= low) & (values <= high)]
    narrowest = NARROWEST_GAP * width
    borders = np.concatenate([[low], *_between_stretches(_gaps(inside, narrowest), low, high, narrowest), [high]])
    parts = []
    for number, (start, end) in enumerate(pairwise(borders)):
        is_gap = number % 2 == 1
        n_parts = 1 if is_gap else max(1, round((end - start) / width))
        parts.append(np.linspace(start, end, n_parts + 1)[:-1])
    return np.concatenate([*parts, [high]])


def _gaps(values: FloatArray, narrowest: float) -> list[FloatArray]:
    """Where each empty stretch between populated ones, such as a detector's crack, begins and ends."""
    wide = [(low, high) for low, high in find_gaps(values) if high - low > narrowest]
    # A bin includes its lower edge: the last event before the gap must not fall into it.
    return [np.array([np.nextafter(low, np.inf), high]) for low, high in wide] if len(wide) <= MOST_GAPS else []


def _between_stretches(gaps: list[FloatArray], low: float, high: float, narrowest: float) -> list[FloatArray]:
    """The gaps with a stretch of events on either side; what lies beside a single value, such as 0, is none."""
    kept, end = [], low
    for gap in gaps:
        if gap[0] - end >= narrowest and high - gap[1] >= narrowest:
            kept.append(gap)
            end = gap[1]
    return kept


def _merged(target: Events, column: int, edges: FloatArray) -> FloatArray:
    """The edges without those that leave too few of the target's events in the bins towards either end."""
    counted = _counts(target, column, edges)
    fullest = int(np.argmax(counted.values))
    below, above = slice(fullest), slice(None, fullest, -1)
    kept = np.ones(len(edges), np.bool_)
    kept[1 : fullest + 1] = _is_enough(counted.values[below], counted.variances[below])
    kept[-2:fullest:-1] = _is_enough(counted.values[above], counted.variances[above])
    return edges[kept]


def _is_enough(values: FloatArray, variances: FloatArray) -> BoolArray:
    """(n_bins,), whether a merged bin may end here, counted from an end; behind a well filled one any may."""
    kept = np.ones(len(values), np.bool_)
    total = variance = 0.0
    for number, (value, squares) in enumerate(zip(values, variances, strict=True)):
        if value > 0 and value**2 >= WELL_FILLED * FEWEST_IN_TAIL * squares:
            break
        total, variance = total + value, variance + squares
        kept[number] = total > 0 and total**2 >= FEWEST_IN_TAIL * variance
        if kept[number]:
            total = variance = 0.0
    return kept


def _counts(sample: Events, column: int, edges: FloatArray) -> Histogram:
    """One column of a sample as a histogram with these edges."""
    return Histogram.empty(edges).filled(sample.features[:, column], sample.weights)


def moved_counts(before: FloatArray, after: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How many events go from where to where: (n_bins, n_bins) by before and after, and the bins' common edges.

    Args:
        before: (n_events,), a feature before the map.
        after: (n_events,), the same after it.
    """
    low, high = np.quantile(np.concatenate([before, after]), [MAP_TAIL, 1 - MAP_TAIL])
    edges = np.linspace(low, high if high > low else low + 1, N_MAP_BINS + 1)
    return np.histogram2d(before, after, (edges, edges))[0], edges
