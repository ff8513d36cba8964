"""What all reweightings share: the ratio of densities at a context, folds, calibration, capping and notes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from torch import nn

from simmorph.config.kind import Kind
from simmorph.data.events import Events
from simmorph.data.splits import uniform_of
from simmorph.methods.base import Method, Notes
from simmorph.methods.parts.calibration import Isotonic

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training

Calibration = Literal["isotonic", "none"]
NOT_JUDGED = -1.0
POOR_CLOSURE = 0.52
"""AUC above which the reweighting is said not to close; a few standard deviations for some thousand events."""
_FOLDS_STREAM = 0x464F_4C44


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


class Ratio(nn.Module, ABC):
    """The density of the target over that of the source, both normalised, as a function of some variables."""

    @abstractmethod
    def learn(self, source: Halves, target: Halves, how: Training, stage: str) -> History:
        """Fit to both samples, each counting the same whatever its sum of weights."""

    @abstractmethod
    def log_ratio(self, inputs: FloatArray) -> FloatArray:
        """The logarithm of the ratio, (n_events,), for (n_events, n_inputs); of each row alone."""


class FoldedRatio(nn.Module):
    """Several ratios, each fitted without one fold of the events and calibrated on that fold; their geometric mean.

    Args:
        ratio: makes one that is not fitted.
        n_folds: how many; a single one is fitted to all events and not calibrated.
    """

    def __init__(self, ratio: Callable[[], Ratio], n_folds: int) -> None:
        super().__init__()
        self.ratios = nn.ModuleList(ratio() for _ in range(n_folds))
        self.calibrations = nn.ModuleList(Isotonic() for _ in range(n_folds if n_folds > 1 else 0))

    def learn(self, source: Halves, target: Halves, how: Training, stage: str) -> dict[str, History]:
        """Fit and calibrate all of them."""
        if not self.calibrations:
            return {stage: self._ratio(0).learn(source, target, how, stage)}
        history = {}
        for number in range(len(self.ratios)):
            name = f"{stage}_fold{number + 1}"
            inside = [_without_fold(sample, number, len(self.ratios), how) for sample in (source, target)]
            history[name] = self._ratio(number).learn(inside[0], inside[1], how, name)
            self._calibrate(number, source.training, target.training, how)
        return history

    def _calibrate(self, number: int, source: Events, target: Events, how: Training) -> None:
        """Calibrate one ratio by the events of the fold that it was learnt without."""
        n_folds = len(self.ratios)
        left_out = [sample[np.flatnonzero(fold_of(sample.ids, n_folds, how) == number)] for sample in (source, target)]
        scored = [(self._ratio(number).log_ratio(sample.features), sample.weights) for sample in left_out]
        self._calibration(number).fit(*scored)

    def log_ratio(self, inputs: FloatArray) -> FloatArray:
        """The logarithm of the ratio, (n_events,)."""
        logs = [ratio.log_ratio(inputs) for ratio in self.ratios]  # type: ignore[operator]
        if self.calibrations:
            logs = [self._calibration(number).log_ratio(log) for number, log in enumerate(logs)]
        return np.asarray(sum(logs) / len(logs))

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

    The weights change shapes, not the normalisation: their mean over the source trained on, in its own weights, is 1.
    A factor multiplies an event's weight, so a signed weight stays signed.

    It cannot put events where the source has none, and costs statistical power; see `notes`. Weights learnt in one
    region hold in another only if the ratio depends on the features and the context alone: if a third variable
    separates the regions and the mis-modelling depends on it, the ratio learnt is that of the wrong region.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        ratio: makes the ratio of some number of variables.
        n_folds: folds for calibration; 1 for none.
        max_factor: larger factors are set to this one.
    """

    kind = Kind.REWEIGHT
    mean_factor: Tensor
    closure: Tensor
    closure_error: Tensor

    def __init__(
        self, n_features: int, n_context: int, ratio: Callable[[int], Ratio], n_folds: int, max_factor: float
    ) -> None:
        super().__init__(n_features, n_context)
        self.max_factor = max_factor
        self.of_events = FoldedRatio(lambda: ratio(n_features + n_context), n_folds)
        self.of_context = FoldedRatio(lambda: ratio(n_context), n_folds) if n_context else None
        self.register_buffer("mean_factor", torch.ones((), dtype=torch.float64))
        self.register_buffer("closure", torch.full((), NOT_JUDGED, dtype=torch.float64))
        # Notes are written when a model is trained: a saved one has no use for this, and an older one lacks it.
        self.register_buffer("closure_error", torch.full((), torch.nan, dtype=torch.float64), persistent=False)

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Learn the ratio of events, then that of contexts if there are any."""
        of_source, of_target = (Halves(*halves) for halves in how.halves(source, target))
        history = self.of_events.learn(of_source.of(_everything), of_target.of(_everything), how, "fit")
        if self.of_context is not None:
            both = of_source.of(_context_alone), of_target.of(_context_alone)
            history |= self.of_context.learn(*both, how, "context")
        self.cpu()
        (training, validation), wanted = of_source, of_target.validation
        self.mean_factor.fill_(float(np.average(self._capped(training)[0], weights=training.weights)))
        if how.judge is not None and len(validation) and len(wanted):
            closure = how.judge(self.transform(validation), wanted)
            self.closure.fill_(closure.value)
            self.closure_error.fill_(closure.uncertainty)
        return history

    def _transform(self, events: Events) -> Events:
        """The events with their weights multiplied by the ratio."""
        return events.with_weights(events.weights * (self._capped(events)[0] / self.mean_factor.item()))

    def notes(self, source: Events, template: Events) -> Notes:
        """How many events the weights are worth, what capping did, and whether the test closes; see Method.

        `closure_auc` is how well a fresh classifier tells the reweighted source from the target on the validation
        part: 0.5 if it cannot; `closure_auc_uncertainty` is its statistical error. Where a ratio is stopped early, that
        is by the same part: whether weights close on events that nothing has seen is for `simmorph evaluate` to say.
        """
        numbers, warnings = super().notes(source, template)
        factors, log_ratio = self._capped(source)
        was_capped = np.exp(log_ratio) > self.max_factor
        numbers["largest_factor"] = float(np.nanmax(factors, initial=0.0) / self.mean_factor.item())
        numbers["capped_fraction"] = float(np.mean(was_capped)) if len(was_capped) else 0.0
        numbers["capped_away"] = _share_capped_away(factors, log_ratio, source.weights)
        closure, error = self.closure.item(), self.closure_error.item()
        if closure != NOT_JUDGED:
            numbers["closure_auc"] = closure
        if math.isfinite(error):
            numbers["closure_auc_uncertainty"] = error
        if closure > POOR_CLOSURE:
            shown = f"{closure:.3f} ± {error:.3f}" if math.isfinite(error) else f"{closure:.3f}"
            warnings = [*warnings, f"no closure: a classifier tells reweighted source from target, AUC {shown}"]
        if was_capped.any():
            share, lost = (f"{100 * numbers[name]:.2g} %" for name in ("capped_fraction", "capped_away"))
            sentence = (
                f"{share} of the weights were capped at max_factor {self.max_factor:g}, which took {lost} of their sum"
            )
            warnings = [*warnings, sentence]
        return Notes(numbers, warnings)

    def _capped(self, events: Events) -> tuple[FloatArray, FloatArray]:
        """The ratio of each event, not above the largest allowed, and the logarithm of what it was."""
        log_ratio = self.of_events.log_ratio(_everything(events).features)
        if self.of_context is not None:
            log_ratio = log_ratio - self.of_context.log_ratio(_context_alone(events).features)
        return np.exp(np.minimum(log_ratio, np.log(self.max_factor))), log_ratio


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


def _share_capped_away(factors: FloatArray, log_ratio: FloatArray, weights: FloatArray) -> float:
    """What capping took away, as a share of the sum of all weights before."""
    known: BoolArray = np.isfinite(factors)
    before = float(np.sum(np.exp(np.minimum(log_ratio[known], 700.0)) * weights[known]))
    after = float(np.sum(factors[known] * weights[known]))
    return 1 - after / before if before > 0 else 0.0
