"""A template that a method made, corrected by all the simulated events there are.

Trainings of one kind may share a bias that no spread of replicas shows. What shows it are simulated events: those that
the method learnt from, and those that it has not seen. Their ratio to the template is smoothed by a Gaussian process
whose prior lets the background be wrong by the shape of the signal as far as the events say, so that what is left
uncertain along the signal is what these events leave.

With the template's shape t, its yields T = B t, and M simulated events n with the variances v:

- r = n / (M t) - 1 is measured, with the noise N = diag(v / (M t)^2);
- f, what the shape lacks, has the prior C = P (C_rep + w^2 q q' + A^2 exp(-d^2 / (2 l^2))) P' + D, with the relative
  covariance C_rep of replicas, q = S / T for the yields S of the signal, the distance d between bins, P = 1 - 1 t' that
  keeps the sum, and the template's own statistics D;
- A and l maximise the likelihood of r; f is then C (C + N)^-1 r on average, with the covariance C - C (C + N)^-1 C.

Gaussian processes for templates: M. Frate et al., arXiv 1709.05681; a free spurious signal: ATLAS, CERN-EP-2012-218.
Amplification factors: H. Bahl et al., "Forecasting generative amplification", arXiv 2509.08048.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from simmorph.data.histograms import Histogram, summed
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simmorph.data.events import BoolArray, FloatArray

AMPLITUDES = tuple(0.0025 * 2**k for k in range(8))
LENGTHS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Amplitudes and, in bins, lengths of the Gaussian process that are tried, beside none."""
SPURIOUS = 3.0
"""Width of the prior of the spurious signal, in signals; how wide matters little, as long as it is wide."""
WIDE = 10.0
"""The same at least, in units of what the simulated events tell of it."""
FEW = 10
"""With fewer events in a bin, their mean weight is taken from all."""
ALIKE = 0.95
"""An uncertainty below this share of another one is smaller."""
MANY_DRAWS = 20.0
"""Draws for each expected event, from which on the draws' own statistics hardly matter.

With fewer, an uncertain normalisation is pulled along by them: a larger background has the larger statistical errors,
and fits a wrong shape the better (G. D'Agostini, Nucl. Instrum. Meth. A 346 (1994) 306).
"""
MEMORISES = 1.3
"""Amplification below which replicas are no better than the training events themselves."""


class Given(NamedTuple):
    """What a template is corrected by.

    Attributes:
        learnt: the simulated events that its method was trained on, in the template's bins; None if they are not known.
        held_out: simulated events that it has not seen; None if there are none.
    """

    learnt: Histogram | None
    held_out: Histogram | None

    @property
    def simulated(self) -> Histogram:
        """All of them."""
        return summed((it for it in self if it is not None), "simulated events")

    def changed(self, how: Callable[[Histogram], Histogram]) -> Given:
        """With both histograms changed."""
        return Given(*(None if it is None else how(it) for it in self))


class Spurious(NamedTuple):
    """A strength that is fitted where there is no signal.

    Attributes:
        strength: the value.
        uncertainty: what the finite number of simulated events leaves uncertain of it.
    """

    strength: float
    uncertainty: float


class Amplification(NamedTuple):
    """How many simulated events a training event of a generator is worth, by the spread of its replicas.

    Attributes:
        bins: (n_bins,), the variance of each bin's share among the training events over that between replicas.
        strength: the same for the fitted strength of the signal.
    """

    bins: FloatArray
    strength: float

    @property
    def typical(self) -> float:
        """The median of the bins."""
        return float(np.median(self.bins))


@dataclass(frozen=True, eq=False)
class Correction:
    """What simulated events say of a template.

    Attributes:
        template: before it was corrected.
        signal: (n_bins,), the yields of the signal at strength 1.
        measured: (n_bins,), the simulated events over the template, both with the same sum, less 1.
        noise: (n_bins,), the standard deviation of that by the number of simulated events.
        mean: (n_bins,), what its shape lacks, in units of it.
        covariance: (n_bins, n_bins), what is left uncertain of that.
        amplitude: of the Gaussian process, in units of the template.
        length: of the Gaussian process, in bins.
        before: the strength that the template's error looks like.
        after: the same once it is corrected.
        quoted: the uncertainty of the strength that the correction brings along.
        amplification: of the generator, if its replicas and its training events are known.
        missed: the share of the simulated events in bins where the template has none.
    """

    template: Histogram
    signal: FloatArray
    measured: FloatArray
    noise: FloatArray
    mean: FloatArray
    covariance: FloatArray
    amplitude: float
    length: float
    before: Spurious
    after: Spurious
    quoted: float
    amplification: Amplification | None = None
    missed: float = 0.0

    @property
    def values(self) -> FloatArray:
        """(n_bins,), the corrected yields."""
        return np.maximum(self.template.values * (1 + self.mean), 0.0)

    @cached_property
    def independent(self) -> FloatArray:
        """(n_bins,), the part of the yields' variances that no other bin shares: the draws that simulation cannot mend.

        It is the largest share of the template's own statistics without which the rest is still a covariance.
        """
        variances = self.template.variances
        some = variances > 0
        if not some.any():
            return variances
        unit = self.template.values[some] / np.sqrt(variances[some])
        lowest = np.linalg.eigvalsh(self.covariance[np.ix_(some, some)] * np.outer(unit, unit))[0]
        return variances * min(max(float(lowest), 0.0), 1.0)

    @property
    def _draws(self) -> float:
        """How many events the template has for each expected one, the median of the bins."""
        seen = self.template.variances > 0
        return float(np.median(self.template.values[seen] / self.template.variances[seen])) if seen.any() else np.inf

    @property
    def shared(self) -> FloatArray:
        """(n_bins, n_bins), the covariance of the yields without what is independent."""
        return self.covariance * np.outer(self.template.values, self.template.values) - np.diag(self.independent)

    def to_json(self) -> dict[str, Any]:
        """The numbers by name."""
        found: dict[str, Any] = {
            "spurious_before": self.before._asdict(),
            "spurious_after": self.after._asdict(),
            "strength_uncertainty": self.quoted,
            "strength_uncertainty_of_simulation": self.before.uncertainty,
            "amplitude": self.amplitude,
            "length_bins": self.length if self.amplitude else None,
        }
        if self.amplification is not None:
            its = self.amplification
            found |= {"amplification": its.typical, "amplification_bins": its.bins.tolist()}
            found |= {"amplification_strength": its.strength}
        return found

    def rows(self, name: str, parameter: str) -> Iterator[tuple[str, str]]:
        """The numbers for people.

        Args:
            name: of the background.
            parameter: what the strength is called.
        """
        before, after = (f"{it.strength:+.3g} ± {it.uncertainty:.2g}" for it in (self.before, self.after))
        yield f"spurious {parameter} of {name}, before and after", f"{before}, {after}"
        smooth = f"{100 * self.amplitude:.3g} % over {self.length:g} bins" if self.amplitude else "none"
        yield f"correction of {name} beside the signal's shape", smooth
        told = f"{self.quoted:.3g} (simulated events alone: {self.before.uncertainty:.3g})"
        yield f"uncertainty of {parameter} from {name}", told
        if self.amplification is not None:
            its = self.amplification
            bins, strength = (f"{it:.2g}" for it in (its.typical, its.strength))
            yield f"amplification by {name}", f"{bins} in a bin (median), {strength} for {parameter}"

    def warnings(self) -> Iterator[str]:
        """What a reader of the limit should know."""
        if self.missed > 0:
            yield f"{100 * self.missed:.2g} % of the simulated events are in bins where the template has none"
        if self._draws < MANY_DRAWS:
            number = f"{self._draws:.2g} events for each expected one"
            yield f"has {number}: with fewer than {MANY_DRAWS:g} an uncertain normalisation is pulled along, draw more"
        if self.quoted < ALIKE * self.before.uncertainty:
            yield (
                f"its uncertainty of the strength, {self.quoted:.3g}, is smaller than that of the simulated events "
                f"alone, {self.before.uncertainty:.3g}: the difference is what its method claims, and not measured"
            )
        if self.amplification is not None and self.amplification.typical < MEMORISES:
            yield f"the generator memorises: one training event is worth {self.amplification.typical:.2g} of them"


def correction(template: Histogram, given: Given, signal: FloatArray, spread: FloatArray | None = None) -> Correction:
    """What simulated events say of a template.

    Args:
        template: the yields that a method made.
        given: simulated events, in any units: only their shape counts.
        signal: (n_bins,), the yields of the signal at strength 1.
        spread: (n_bins, n_bins), covariance of the template's yields between replicas of the method.

    Raises:
        InputError: the weights of the simulated events have no positive sum.
    """
    simulated, used = given.simulated, template.values > 0
    n_simulated = float(simulated.values[used].sum())
    if not n_simulated > 0:
        raise InputError(simulated.name, "its weights have no positive sum", "check region, observable and weight")
    yields, signal = template.values[used], signal[used]
    shape = yields / yields.sum()
    expected = n_simulated * shape
    measured = simulated.values[used] / expected - 1
    noise = _expected_variances(simulated.values[used], simulated.variances[used], expected) / expected**2
    relative = None if spread is None else spread[np.ix_(used, used)] / np.outer(yields, yields)
    known = _keeping(shape, _signal_like(shape, signal / yields, noise) + (0.0 if relative is None else relative))
    known[np.diag_indices_from(known)] += template.variances[used] / yields**2
    amplitude, length, prior = _most_likely(measured, noise, shape, known)
    gain = cho_solve(cho_factor(prior + np.diag(noise)), prior).T
    mean, covariance = gain @ measured, prior - gain @ prior
    covariance = (covariance + covariance.T) / 2
    direction = estimator(yields, signal) * yields
    error = float(np.sqrt(direction**2 @ noise))
    return Correction(
        template,
        _spread_out(signal, used),
        _spread_out(measured, used),
        _spread_out(np.sqrt(noise), used),
        _spread_out(mean, used),
        _spread_out(covariance, np.outer(used, used)),
        amplitude,
        length,
        before=Spurious(float(direction @ measured), error),
        after=Spurious(float(direction @ (measured - mean)), error),
        quoted=float(np.sqrt(direction @ covariance @ direction)),
        amplification=None if relative is None else _amplification(given.learnt, relative, shape, direction),
        missed=float(1 - n_simulated / simulated.values.sum()),
    )


def estimator(background: FloatArray, signal: FloatArray) -> FloatArray:
    """(n_bins,), by which a fit turns small changes of the counts into a change of the strength.

    That of least squares with the variances of the background, whose normalisation is fitted too.

    Args:
        background: (n_bins,), expected yields, above 0.
        signal: (n_bins,), yields at strength 1.

    Returns:
        0 everywhere if the signal has the shape of the background.
    """
    ratio = signal / background
    beside = ratio - signal.sum() / background.sum()
    size = float(beside @ (background * beside))
    return beside / size if size > 0 else np.zeros_like(beside)


def _expected_variances(values: FloatArray, variances: FloatArray, expected: FloatArray) -> FloatArray:
    """(n_bins,), of sums of weights that are expected: from the mean weight of each bin, or of all where it has few."""
    typical = variances.sum() / values.sum()
    has_many = (values > 0) & (values**2 >= FEW * variances)
    per_event = np.where(
        has_many, variances / np.where(has_many, values, 1.0), np.maximum(typical, variances / expected)
    )
    return np.asarray(expected * per_event)


def _signal_like(shape: FloatArray, ratio: FloatArray, noise: FloatArray) -> FloatArray:
    """(n_bins, n_bins), the prior of a background that is wrong by any strength of the signal."""
    beside = ratio - shape @ ratio
    seen = float(beside**2 @ (1 / noise))
    width = max(SPURIOUS, WIDE / np.sqrt(seen)) if seen > 0 else 0.0
    return np.asarray(width**2 * np.outer(ratio, ratio))


def _keeping(shape: FloatArray, covariance: FloatArray) -> FloatArray:
    """(n_bins, n_bins), of relative changes without what changes the sum of the yields."""
    projection = np.eye(len(shape)) - shape  # each row is that of 1 t'
    return np.asarray(projection @ covariance @ projection.T)


def _most_likely(
    measured: FloatArray, noise: FloatArray, shape: FloatArray, known: FloatArray
) -> tuple[float, float, FloatArray]:
    """Amplitude and length of the Gaussian process that make what is measured most likely, and the prior with it."""
    at = np.arange(len(shape), dtype=np.float64)
    squares = (at[:, None] - at) ** 2
    kernels = {length: _keeping(shape, np.exp(-squares / (2 * length**2))) for length in LENGTHS}
    tried = [(0.0, LENGTHS[0]), *itertools.product(AMPLITUDES, LENGTHS)]
    priors = (known + amplitude**2 * kernels[length] for amplitude, length in tried)
    scores = [_log_likelihood(measured, prior + np.diag(noise)) for prior in priors]
    amplitude, length = tried[int(np.argmax(scores))]
    return amplitude, length, known + amplitude**2 * kernels[length]


def _log_likelihood(measured: FloatArray, covariance: FloatArray) -> float:
    """Of a normal distribution around 0, but for a constant."""
    factor = cho_factor(covariance)
    return -0.5 * float(measured @ cho_solve(factor, measured)) - float(np.sum(np.log(np.diag(factor[0]))))


def _amplification(
    learnt: Histogram | None, relative: FloatArray, shape: FloatArray, direction: FloatArray
) -> Amplification | None:
    """From the spread of replicas and the training events; None where these are not known, or nothing spreads."""
    of_replicas, along = np.diag(relative), float(direction @ relative @ direction)
    if learnt is None or not (along > 0 and np.all(of_replicas > 0)):
        return None
    of_events = (np.diag(1 / shape) - 1) / learnt.effective_entries
    return Amplification(np.diag(of_events) / of_replicas, float(direction @ of_events @ direction) / along)


def _spread_out(values: FloatArray, used: BoolArray) -> FloatArray:
    """Values at the places that are used, 0 elsewhere."""
    found = np.zeros(used.shape)
    found[used] = values.ravel()
    return found
