"""What all reweightings share: the ratio of densities at a context, folds, calibration, capping and notes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from torch import nn

from simmorph.config.kind import Kind
from simmorph.data.estimates import Estimate, mean_estimate
from simmorph.data.events import Events
from simmorph.data.splits import uniform_of
from simmorph.methods.base import Method, Notes
from simmorph.methods.parts.calibration import Isotonic

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from simmorph.data.events import FloatArray, IntArray
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training

Calibration = Literal["isotonic", "none"]
NOTABLE_SIGMAS = 3.0
"""From how many standard deviations on it is said that weights do not close, or do not keep the sum of the weights."""
N_PARTS = 20
"""Parts of a fold, each of which is calibrated by the others where the calibration itself is to be unseen."""
_FOLDS_STREAM = 0x464F_4C44
_PARTS_STREAM = 0x5041_5254


class Halves(NamedTuple):
    """A sample to learn a ratio from: inputs as features, and no context.

    Attributes:
        training: what the ratio is fitted to.
        validation: what early stopping looks at; may be empty.
    """

    training: Events
    validation: Events

    def of(self, inputs: Callable[[Events], Events]) -> Halves:
        """Both halves with some of their variables as inputs."""
        return Halves(inputs(self.training), inputs(self.validation))


class Learnt(NamedTuple):
    """What comes of fitting a ratio.

    Attributes:
        history: the losses.
        unseen: (n_events,), the logarithm of the ratio at each training event of the source, from a fit without this
            event; None where each fit takes too long to be repeated.
    """

    history: History
    unseen: FloatArray | None = None


class Ratio(nn.Module, ABC):
    """The density of the target over that of the source, both normalised, as a function of some variables."""

    @abstractmethod
    def learn(self, source: Halves, target: Halves, how: Training, stage: str) -> Learnt:
        """Fit to both samples, each counting the same whatever its sum of weights."""

    @abstractmethod
    def log_ratio(self, inputs: FloatArray) -> FloatArray:
        """The logarithm of the ratio, (n_events,), for (n_events, n_inputs); of each row alone."""

    def notes(self) -> Notes:
        """What a user should know of the fit, when it is new."""
        return Notes({}, [])


class Unseen(NamedTuple):
    """Events of the source that a ratio was not fitted to, and what it says of them.

    Attributes:
        weights: (n_events,).
        log_ratio: (n_events,).
    """

    weights: FloatArray
    log_ratio: FloatArray


class FoldedRatio(nn.Module):
    """Several ratios, each fitted without one fold of the events and calibrated on that fold.

    Args:
        ratio: makes one that is not fitted.
        n_folds: how many; a single one is fitted to all events and not calibrated.
    """

    def __init__(self, ratio: Callable[[], Ratio], n_folds: int) -> None:
        super().__init__()
        self.ratios = nn.ModuleList(ratio() for _ in range(n_folds))
        self.calibrations = nn.ModuleList(Isotonic() for _ in range(n_folds if n_folds > 1 else 0))

    def learn(
        self, source: Halves, target: Halves, how: Training, stage: str
    ) -> tuple[dict[str, History], list[Unseen]]:
        """Fit and calibrate all of them; the losses, and for each what it says of events that it has not seen."""
        if not self.calibrations:
            learnt = self._ratio(0).learn(source, target, how, stage)
            return {stage: learnt.history}, [self._unseen(source, learnt)]
        history, unseen = {}, []
        for number in range(len(self.ratios)):
            name = f"{stage}_fold{number + 1}"
            inside = [_without_fold(sample, number, len(self.ratios), how) for sample in (source, target)]
            history[name] = self._ratio(number).learn(inside[0], inside[1], how, name).history
            unseen.append(self._calibrate(number, source.training, target.training, how))
        return history, unseen

    def _unseen(self, source: Halves, learnt: Learnt) -> Unseen:
        """Of a ratio without folds: what it says itself, or of the validation part, or else of all that it has seen."""
        if learnt.unseen is not None:
            return Unseen(source.training.weights, learnt.unseen)
        events = source.validation if np.sum(source.validation.weights) > 0 else source.training
        return Unseen(events.weights, self._ratio(0).log_ratio(events.features))

    def _calibrate(self, number: int, source: Events, target: Events, how: Training) -> Unseen:
        """Calibrate one ratio by the events of the fold that it was learnt without."""
        n_folds = len(self.ratios)
        left_out = [sample[np.flatnonzero(fold_of(sample.ids, n_folds, how) == number)] for sample in (source, target)]
        scores = [self._ratio(number).log_ratio(sample.features) for sample in left_out]
        weights = [sample.weights for sample in left_out]
        self._calibration(number).fit((scores[0], weights[0]), (scores[1], weights[1]))
        parts = [(uniform_of(it.ids, how.seed, _PARTS_STREAM) * N_PARTS).astype(np.int64) for it in left_out]
        log_ratio = np.zeros(len(scores[0]))
        for part in np.unique(parts[0]):
            others, calibration = [its != part for its in parts], Isotonic()
            calibration.fit(
                *((score[rows], its[rows]) for score, its, rows in zip(scores, weights, others, strict=True))
            )
            log_ratio[~others[0]] = calibration.log_ratio(scores[0][~others[0]])
        return Unseen(weights[0], log_ratio)

    def log_ratios(self, inputs: FloatArray) -> FloatArray:
        """(n_folds, n_events), the logarithm of each ratio."""
        logs = [ratio.log_ratio(inputs) for ratio in self.ratios]  # type: ignore[operator]
        if self.calibrations:
            logs = [self._calibration(number).log_ratio(log) for number, log in enumerate(logs)]
        return np.array(logs)

    def _ratio(self, number: int) -> Ratio:
        """One of the ratios, with the type that torch's list does not keep."""
        return self.ratios[number]  # type: ignore[return-value]

    def _calibration(self, number: int) -> Isotonic:
        """The calibration of one of the ratios, likewise."""
        return self.calibrations[number]  # type: ignore[return-value]


class Reweighting(Method):
    """Reweights the source by the ratio of the densities of target and source.

    Context is conditioned on: a second ratio is learnt of the contexts alone, and the weight is the quotient of both,
    the ratio of the densities of the features at a given context. So the source keeps its spectrum of contexts, as it
    does under a morph.

    The weights change shapes, not the normalisation: their mean, in the weights of the source, is 1 on events that the
    ratio was not fitted to. Where it was, the mean would be less, since what is learnt of chance takes weight from the
    source's own events. Each fold is normalised by the events that it was learnt without, and an event's weight is the
    mean over folds. A single ratio is normalised by counting anew without each fifth (`histogram`), or by the
    validation part. A factor multiplies an event's weight, so a signed weight stays signed.

    It cannot put events where the source has none, and costs statistical power; see `notes`. Weights learnt in one
    region hold in another only if the ratio depends on the features and the context alone: if a third variable
    separates the regions and the mis-modelling depends on it, the ratio learnt is that of the wrong region.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        ratio: makes the ratio of some number of variables.
        n_folds: folds for calibration; 1 for none.
        max_factor: larger ratios of a fold are set to this one.
    """

    kind = Kind.REWEIGHT
    mean_factors: Tensor

    def __init__(
        self, n_features: int, n_context: int, ratio: Callable[[int], Ratio], n_folds: int, max_factor: float
    ) -> None:
        super().__init__(n_features, n_context)
        self.max_factor = max_factor
        self.of_events = FoldedRatio(lambda: ratio(n_features + n_context), n_folds)
        self.of_context = FoldedRatio(lambda: ratio(n_context), n_folds) if n_context else None
        self.register_buffer("mean_factors", torch.ones(n_folds, dtype=torch.float64))
        # For `notes`, which are written when a model is trained: a saved one has no use for them.
        self.sums: tuple[float, Estimate] | None = None
        self.closure: Estimate | None = None

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Learn the ratio of events, then that of contexts if there are any."""
        of_source, of_target = (Halves(*halves) for halves in how.halves(source, target))
        history, unseen = self.of_events.learn(of_source.of(_everything), of_target.of(_everything), how, "fit")
        if self.of_context is not None:
            both = of_source.of(_context_alone), of_target.of(_context_alone)
            more, below = self.of_context.learn(*both, how, "context")
            history |= more
            unseen = [
                up._replace(log_ratio=up.log_ratio - its.log_ratio) for up, its in zip(unseen, below, strict=True)
            ]
        self.cpu()
        means = [_mean_factor(it.weights, self._capped(it.log_ratio)) for it in unseen]
        self.mean_factors.copy_(torch.tensor([mean.value for mean in means]))
        # Calibrations scatter beyond what the events that they were given say.
        mean, error = mean_estimate(means)
        self.sums = self._sums(of_source.validation if len(of_source.validation) else of_source.training, error / mean)
        if how.judge is not None and len(of_source.validation) and len(of_target.validation):
            self.closure = how.judge(self.transform(of_source.validation), of_target.validation)
        return history

    def _sums(self, events: Events, error: float) -> tuple[float, Estimate]:
        """The sum of weights before and after; the uncertainty is that of their difference.

        Args:
            events: of the source.
            error: relative uncertainty of the normalisation.
        """
        before, factors = float(np.sum(events.weights)), self._factors(events)
        spread = math.hypot(float(np.linalg.norm(events.weights * (factors - 1))), before * error)
        return before, Estimate(float(np.sum(events.weights * factors)), spread)

    def _transform(self, events: Events) -> Events:
        """The events with their weights multiplied by the ratio."""
        return events.with_weights(events.weights * self._factors(events))

    def notes(self, source: Events, template: Events) -> Notes:
        """How many events the weights are worth, what they sum to, what capping did, whether they close; see Method.

        `sum_before` and `sum_after` are sums of weights on the validation part, to which no ratio is fitted;
        `sum_after_uncertainty` is the statistical error of their difference.
        `closure_auc` is how well a fresh classifier tells the reweighted source from the target on the validation
        part: 0.5 if it cannot; `closure_auc_uncertainty` is its statistical error. Where a ratio is stopped early, that
        is by the same part: whether weights close on events that nothing has seen is for `simmorph evaluate` to say.
        """
        numbers, warnings = super().notes(source, template)
        log_ratios = self._log_ratios(source)
        was_capped = np.exp(log_ratios) > self.max_factor
        numbers["largest_factor"] = float(np.nanmax(self._factors(source), initial=0.0))
        numbers["capped_fraction"] = float(np.mean(was_capped)) if was_capped.size else 0.0
        numbers["capped_away"] = _share_capped_away(self._capped(log_ratios), log_ratios, source.weights)
        if was_capped.any():
            share, lost = (f"{100 * numbers[name]:.2g} %" for name in ("capped_fraction", "capped_away"))
            sentence = (
                f"{share} of the weights were capped at max_factor {self.max_factor:g}, which took {lost} of their sum"
            )
            warnings = [*warnings, sentence]
        of_ratios = [ratio.notes() for ratio in self.of_events.ratios]  # type: ignore[operator]
        for found in (self._about_sums(), self._about_closure(), *of_ratios):
            numbers |= found.numbers
            warnings = [*warnings, *found.warnings]
        return Notes(numbers, warnings)

    def _about_sums(self) -> Notes:
        """Whether the weights keep their sum; nothing of a model that was loaded."""
        if self.sums is None:
            return Notes({}, [])
        before, (after, error) = self.sums
        numbers = {"sum_before": before, "sum_after": after, "sum_after_uncertainty": error}
        sentence = (
            f"the weights do not keep their sum: {before:.5g} becomes {after:.5g} ± {error:.2g} where none is fitted"
        )
        return Notes(numbers, [sentence] if abs(after - before) > NOTABLE_SIGMAS * error else [])

    def _about_closure(self) -> Notes:
        """Whether a classifier still tells the samples apart; nothing where none was asked."""
        if self.closure is None:
            return Notes({}, [])
        numbers = {"closure_auc": self.closure.value, "closure_auc_uncertainty": self.closure.uncertainty}
        above = self.closure.value - 0.5
        sentence = f"no closure: a classifier tells reweighted source from target, AUC {self.closure.to_text(3)}"
        return Notes(numbers, [sentence] if above > NOTABLE_SIGMAS * self.closure.uncertainty else [])

    def _factors(self, events: Events) -> FloatArray:
        """(n_events,), what each weight is multiplied by: the mean over folds of their normalised ratios."""
        factors = self._capped(self._log_ratios(events)) / self.mean_factors.cpu().numpy()[:, None]
        return np.asarray(factors.mean(axis=0))

    def _log_ratios(self, events: Events) -> FloatArray:
        """(n_folds, n_events), the logarithm of the ratio that each fold gives, as yet not capped."""
        log_ratios = self.of_events.log_ratios(_everything(events).features)
        if self.of_context is None:
            return log_ratios
        return np.asarray(log_ratios - self.of_context.log_ratios(_context_alone(events).features))

    def _capped(self, log_ratio: FloatArray) -> FloatArray:
        """The ratio, not above the largest allowed."""
        return np.asarray(np.exp(np.minimum(log_ratio, np.log(self.max_factor))))


def fold_of(ids: IntArray, n_folds: int, how: Training) -> IntArray:
    """The fold of each event, from 0, by the event's id; another one in each member of an ensemble."""
    return (uniform_of(ids, how.seed, _FOLDS_STREAM) * n_folds).astype(np.int64)


def _without_fold(sample: Halves, number: int, n_folds: int, how: Training) -> Halves:
    """The sample without one fold of its training part; validation stays whole."""
    others = np.flatnonzero(fold_of(sample.training.ids, n_folds, how) != number)
    return sample._replace(training=sample.training[others])


def _everything(events: Events) -> Events:
    """Features and context side by side, as the inputs of a ratio."""
    return Events.of(np.hstack([events.features, events.context]), None, events.weights, events.ids)


def _context_alone(events: Events) -> Events:
    """The context as the inputs of a ratio."""
    return Events.of(events.context, None, events.weights, events.ids)


def _mean_factor(weights: FloatArray, factors: FloatArray) -> Estimate:
    """The mean factor in the weights of the events."""
    mean, total = float(np.average(factors, weights=weights)), float(np.sum(weights))
    return Estimate(mean, float(np.linalg.norm(weights * (factors - mean))) / total)


def _share_capped_away(factors: FloatArray, log_ratios: FloatArray, weights: FloatArray) -> float:
    """What capping took away, as a share of the sum of all weights before; of all folds together.

    Args:
        factors: (n_folds, n_events), after capping.
        log_ratios: (n_folds, n_events), before.
        weights: (n_events,).
    """
    before = float(np.sum(np.exp(np.minimum(log_ratios, 700.0)) * weights))
    return 1 - float(np.sum(factors * weights)) / before if before > 0 else 0.0
