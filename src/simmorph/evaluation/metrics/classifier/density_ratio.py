"""The ratio of densities that a classifier sees: how the template would have to be reweighted to become the target.

A map that closes leaves every weight at 1 up to noise. The tails of the weights say what an AUC hides: a corner that
the template lacks, or one that the target lacks. (Das, Favaro, Heimel, Krause, Plehn, Shih, SciPost Phys. 16 (2024)
031, arXiv 2305.16774.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simmorph.data.estimates import Estimate, mean_estimate
from simmorph.data.histograms import Histogram
from simmorph.evaluation.metrics.moments import mean_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from simmorph.data.events import FloatArray, IntArray
    from simmorph.evaluation.metrics.classifier.c2st import Judgement

LARGE_WEIGHTS, SMALL_WEIGHTS = (2.0, 5.0), (0.5, 0.2)
"""Beyond these a weight is in a tail."""
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
MOST_BINS, FEWEST_PER_BIN = 100, 100
"""Bins of the score that weights are calibrated in; they hold equal shares of the events before they are merged."""
N_HISTOGRAM_BINS, SHORTEST_REACH = 40, 0.5
REACH_SHARE = 0.999
"""Share of the weights inside the histogram; the others are in its outermost bins."""


class DensityRatio(NamedTuple):
    """The calibrated weights target over template of the template's events.

    Attributes:
        mean: 1 if the calibration holds on events that it was not made with.
        spread: the standard deviation of the weights around 1; 0 if the samples agree and nothing is noise.
        quantiles: weighted quantiles of the weights, by probability.
        tails: the weighted share of events with weights beyond a bound, by `> 2`, `> 5`, `< 0.5`, `< 0.2`.
        histogram: shares of the template's weight in bins of log w; the outermost bins also hold what lies beyond them.
    """

    mean: Estimate
    spread: Estimate
    quantiles: Mapping[float, Estimate]
    tails: Mapping[str, Estimate]
    histogram: Histogram

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return {
            "mean": self.mean.to_json(),
            "spread": self.spread.to_json(),
            "quantiles": {f"{share:g}": found.to_json() for share, found in self.quantiles.items()},
            "tails": {bound: found.to_json() for bound, found in self.tails.items()},
            "log_histogram": {
                "edges": self.histogram.edges.tolist(),
                "values": self.histogram.values.tolist(),
                "uncertainty": self.histogram.uncertainties.tolist(),
            },
        }


class Weighted(NamedTuple):
    """The template's events of one judgement.

    Attributes:
        ratio: (n_events,), calibrated target over template.
        weights: (n_events,), the events' own; may be negative.
        part: (n_events,), which of the calibrations the ratio is from.
    """

    ratio: FloatArray
    weights: FloatArray
    part: IntArray

    def parts(self) -> Iterator[Weighted]:
        """The events of each calibration."""
        for number in np.unique(self.part):
            chosen = self.part == number
            yield Weighted(self.ratio[chosen], self.weights[chosen], self.part[chosen])


def density_ratios(judged: Mapping[str, Sequence[Judgement]], rng: np.random.Generator) -> dict[str, DensityRatio]:
    """The calibrated weights of each comparison, all with the same histogram; of several judgements the mean.

    Each judgement has several calibrations. Numbers are the mean over them, and their uncertainties are from the events
    or from how calibrations differ, whichever is larger. The null shows how much of a spread is noise.

    Args:
        judged: by comparison; the null has a judgement for each split.
        rng: divides the events that calibrate each other.
    """
    weighted = {name: [calibrated(judgement, rng) for judgement in found] for name, found in judged.items()}
    logs = np.concatenate([np.abs(np.log(one.ratio)) for found in weighted.values() for one in found])
    reach = max(float(np.quantile(logs, REACH_SHARE)), SHORTEST_REACH)
    edges = np.linspace(-reach, reach, N_HISTOGRAM_BINS + 1)
    return {
        name: _mean([_described(part, edges) for one in found for part in one.parts()])
        for name, found in weighted.items()
    }


def calibrated(judgement: Judgement, rng: np.random.Generator) -> Weighted:
    """The weights of the template's events; neither the classifier nor the calibration has seen the event it judges.

    The scores of a fold come from a classifier trained on the others. Half of the fold calibrates the other half, and
    the other way round: in bins of the score the ratio is that of the summed weights, and bins are merged until it
    falls with the score, as a ratio of densities does (isotonic regression of the ratio).
    """
    ratio = np.ones(len(judgement.scores))
    half = rng.integers(0, 2, len(ratio))
    part = 2 * judgement.fold + half
    for fold in np.unique(judgement.fold):
        for number in (0, 1):
            inside = (judgement.fold == fold) & (half == number)
            others = (judgement.fold == fold) & (half != number)
            ratio[inside] = _ratio_at(judgement, np.flatnonzero(others), judgement.scores[inside])
    chosen = judgement.is_template
    return Weighted(ratio[chosen], judgement.weights[chosen], part[chosen])


def _ratio_at(judgement: Judgement, rows: IntArray, scores: FloatArray) -> FloatArray:
    """The ratio target over template at some scores, as calibrated on other rows.

    Args:
        judgement: with scores, weights and labels of all events.
        rows: those that calibrate.
        scores: (n_scores,), of events that are not among them.

    Returns:
        (n_scores,), positive; the logarithm is interpolated between the mean scores of merged bins.
    """
    known, is_template = judgement.scores[rows], judgement.is_template[rows]
    n_bins = int(np.clip(len(rows) // FEWEST_PER_BIN, 1, MOST_BINS))
    edges = np.unique(np.quantile(known, np.linspace(0, 1, n_bins + 1)[1:-1]))
    bins = np.searchsorted(edges, known, side="right")
    sums = []
    for chosen in (~is_template, is_template):
        weights = judgement.weights[rows][chosen]
        share = np.bincount(bins[chosen], weights, len(edges) + 1) / np.sum(weights)
        # A share below that of half an event is not known to be any smaller.
        sums.append((share, 0.5 * float(np.sum(weights**2)) / float(np.sum(weights)) ** 2))
    ratio = falling_ratio(sums[0][0], sums[1][0], (sums[0][1], sums[1][1]))
    # Between the centres of merged bins the ratio is interpolated: steps would tear its distribution apart.
    block = np.concatenate([[0], np.cumsum(np.diff(ratio) != 0)])
    centres = np.bincount(block[bins], known) / np.maximum(np.bincount(block[bins]), 1)
    logs = np.log(ratio[np.unique(block, return_index=True)[1]])
    return np.asarray(np.exp(np.interp(scores, centres, logs)))


def falling_ratio(target: FloatArray, template: FloatArray, least: tuple[float, float]) -> FloatArray:
    """(n_bins,), the ratio of two rows of signed shares, neighbours merged until it falls from bin to bin.

    The pool-adjacent-violators algorithm: a bin whose ratio is larger than that of the one before, or whose share is
    negative, is joined with it, and so on backwards.

    >>> falling_ratio(np.array([0.5, 0.2, 0.3]), np.array([0.2, 0.4, 0.4]), least=(0.0, 0.0)).tolist()
    [2.5, 0.625, 0.625]

    Args:
        target: (n_bins,), shares of the target.
        template: (n_bins,), shares of the template.
        least: what a share of the target and of the template is taken to be at least, once bins are merged.
    """
    blocks: list[list[float]] = []
    for content in zip(target, template, strict=True):
        blocks.append([*content, 1])
        while len(blocks) > 1 and (min(blocks[-1][:2]) < 0 or min(blocks[-2][:2]) < 0 or _rises(*blocks[-2:])):
            last = blocks.pop()
            blocks[-1] = [sum(pair) for pair in zip(blocks[-1], last, strict=True)]
    ratio = [max(block[0], least[0]) / max(block[1], least[1]) for block in blocks]
    return np.repeat(ratio, [int(block[2]) for block in blocks])


def _rises(before: list[float], after: list[float]) -> bool:
    """Whether the ratio target over template rises from one block to the next, without dividing by a share of 0."""
    return after[0] * before[1] > before[0] * after[1]


def _described(events: Weighted, edges: FloatArray) -> DensityRatio:
    """Mean, spread, quantiles, tails and histogram of the weights of one calibration."""
    order = np.argsort(events.ratio)
    ratio, share = events.ratio[order], events.weights[order] / np.sum(events.weights)
    mean = mean_of(ratio, share)
    square = mean_of((ratio - 1) ** 2, share)
    spread = float(np.sqrt(max(square.value, 0.0)))
    tails = {f"> {bound:g}": mean_of(ratio > bound, share) for bound in LARGE_WEIGHTS}
    tails |= {f"< {bound:g}": mean_of(ratio < bound, share) for bound in SMALL_WEIGHTS}
    return DensityRatio(
        mean,
        Estimate(spread, square.uncertainty / (2 * max(spread, np.sqrt(square.uncertainty), 1e-12))),
        {probability: _quantile(ratio, share, probability) for probability in QUANTILES},
        tails,
        Histogram.empty(edges).filled(np.clip(np.log(ratio), edges[0], edges[-1]), share),
    )


def _quantile(ordered: FloatArray, share: FloatArray, probability: float) -> Estimate:
    """A quantile of ordered values; its uncertainty is half the distance to what the share's own error reaches."""
    below = np.maximum.accumulate(np.cumsum(share))
    error = float(np.sqrt(probability * (1 - probability) * np.sum(share**2)))
    places = np.searchsorted(below, np.array([probability - error, probability, probability + error]))
    low, value, high = ordered[np.minimum(places, len(ordered) - 1)]
    return Estimate(float(value), float(high - low) / 2)


def _mean(found: Sequence[DensityRatio]) -> DensityRatio:
    """The mean over calibrations and splits."""
    histograms = [one.histogram for one in found]
    return DensityRatio(
        mean_estimate([one.mean for one in found]),
        mean_estimate([one.spread for one in found]),
        {key: mean_estimate([one.quantiles[key] for one in found]) for key in found[0].quantiles},
        {key: mean_estimate([one.tails[key] for one in found]) for key in found[0].tails},
        Histogram(
            histograms[0].edges,
            np.mean([it.values for it in histograms], axis=0),
            np.mean([it.variances for it in histograms], axis=0) / len(found),
        ),
    )
