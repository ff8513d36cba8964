"""A conditional flow that learns from simulation and data without pairs."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import torch
from pydantic import Field

from simmorph.config.training import HiddenLayers, PositiveFloat, PositiveInt  # noqa: TC001 - read from the signature
from simmorph.data.splits import normal_of
from simmorph.methods.base import Method, Notes
from simmorph.neural.flows.autoregressive import AutoregressiveFlow
from simmorph.neural.flows.flow import FlowShape
from simmorph.neural.loop.mdmm import ConstraintKind, Multiplier
from simmorph.neural.loop.minimize import minimize
from simmorph.neural.loop.pace import Need
from simmorph.neural.losses.embedding import EmbeddedDiscrepancy
from simmorph.neural.losses.kde import MarginalDivergence
from simmorph.neural.losses.mmd import Discrepancy, Points, PrintedDiscrepancy

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from simmorph.data.events import Events
    from simmorph.neural.loop.batches import Batch
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training

NOISE_STREAM = 0x434E
NEAR_IDENTITY = 0.02
"""Spread of what is added to an event at the start: little, so that the map begins near the identity."""


class UnpairedFlow(Method):
    """Adds to each source event x a draw from a flow's density given x, so that the sum looks like the target.

    x' = x + Delta, Delta from p(Delta | x, context), or x' itself from the flow with `predict: target`. Source and
    target events have no partners: each batch holds events of both, paired by chance. What that teaches depends on the
    loss.

    `nll`: -log p(x_t - x | x, context) of the chance pairs. Its optimum is the density of the target whatever x is: the
    map draws a new event and forgets the old one, which `retention` in a report shows.
    `kl`: KL(morphed || target) of each feature's distribution alone; correlations are not looked at.
    `mmd`: the maximum mean discrepancy of all features and context together.
    `mdmm`: `kl`, under the constraint that `mmd` is at most `epsilon`; see Multiplier.

    The last three compare samples, so that an event may stay near where it was: Delta begins small, and moves as far as
    the loss asks for. They are noisy, and the last weights are kept, not those of the luckiest epoch. With context,
    samples whose contexts differ can never be alike: make the contexts agree first (`reweight:` in the recipe).

    The distances are taken between preprocessed features, where an angle has been cut open at its seam, or is relative
    to another one; a kernel on the cut circle is as able to tell distributions apart.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        loss: what is made small.
        predict: what the flow's density is of: what is added to an event, or the target event.
        layers: layers of the masked autoregressive flow.
        hidden: hidden layers of the network in each layer.
        spread: standard deviation of the noise that the flow shapes, in units of the preprocessed features; 1 where the
            likelihood is used or the target predicted, and 0.02 where the map is to begin near the identity.
        warm_start: epochs of `nll` before the other losses; they make those forget the event too.
        memory: share that running means of the morphed sample's densities and mean features keep in each step. It takes
            the noise of single batches out of the slopes of `kl` and of `mmd: features`; 0 looks at one batch alone.
        kde_bandwidths: standard deviations of the kernels of `kl` in units of the preprocessed features, one for all
            features or one for each; Silverman's of the target by default.
        mmd: how the discrepancy is computed: `features` with random features, against the whole target; `unbiased` the
            U-statistic of pairs; `paper` the paper's kernel and normalisation, near 2 for target against target.
        mmd_octaves: Gaussian kernels of `features` and `unbiased`, from twice the target's median squared distance
            downwards by factors of two.
        mmd_frequencies: random frequencies of `features`.
        mmd_batch: events of each sample whose pairs `unbiased` and `paper` look at; a larger batch is cut into such.
        constraint: whether `mmd` must be at most epsilon, or equal to it.
        epsilon: the constraint's bound; by default what batches of the target come to, and `margin` standard
            deviations of the running mean that is constrained.
        margin: see epsilon.
        damping: of the multiplier, in `kl` for a violation as large as the spread of one batch.
        multiplier_rate: what lambda grows by in each step, in the same units.

    References:
        Gendreau-Distler, Le Pottier, Wang, "Transforming Simulation to Data Without Pairing", NeurIPS workshop on
        machine learning and the physical sciences, 2023. Trained there with RMSProp, 1000 epochs.
    """

    needs: ClassVar[Need] = Need(steps=2000, batch_size=512, learning_rate=1e-3)
    own_steps = True

    is_random: ClassVar[bool] = True

    def __init__(  # noqa: PLR0913 - the keys of the recipe
        self,
        n_features: int,
        n_context: int,
        *,
        loss: Literal["nll", "kl", "mmd", "mdmm"] = "mdmm",
        predict: Literal["delta", "target"] = "delta",
        layers: PositiveInt = 10,
        hidden: HiddenLayers = (128, 128),
        spread: PositiveFloat | None = None,
        warm_start: Annotated[int, Field(ge=0)] = 0,
        memory: Annotated[float, Field(ge=0, lt=1)] = 0.95,
        kde_bandwidths: tuple[PositiveFloat, ...] = (),
        mmd: Literal["features", "unbiased", "paper"] = "features",
        mmd_octaves: PositiveInt = 4,
        mmd_frequencies: PositiveInt = 512,
        mmd_batch: Annotated[int, Field(ge=2)] = 1000,
        constraint: ConstraintKind = "inequality",
        epsilon: float | None = None,
        margin: float = 3.0,
        damping: Annotated[float, Field(ge=0)] = 0.1,
        multiplier_rate: PositiveFloat = 0.001,
    ) -> None:
        super().__init__(n_features, n_context)
        self.loss, self.predict, self.warm_start = loss, predict, warm_start
        self.kde_bandwidths, self.epsilon, self.margin = kde_bandwidths, epsilon, margin
        begins_anywhere = loss == "nll" or warm_start > 0 or predict == "target"
        self.spread = spread or (1.0 if begins_anywhere else NEAR_IDENTITY)
        shape = FlowShape(layers, hidden, bins=2, tail_bound=1.0, marginal_bins=0)
        self.flow = AutoregressiveFlow(n_features, n_features + n_context, shape, kind="affine")
        self.marginals = MarginalDivergence(n_features, memory=memory)
        n_columns = n_features + n_context
        kinds: dict[str, Callable[[], Discrepancy | EmbeddedDiscrepancy]] = {
            "features": lambda: EmbeddedDiscrepancy(n_columns, mmd_frequencies, mmd_octaves, memory),
            "unbiased": lambda: Discrepancy(mmd_batch, mmd_octaves),
            "paper": lambda: PrintedDiscrepancy(n_columns, mmd_batch),
        }
        self.discrepancy = kinds[mmd]()
        self.multiplier = Multiplier(kind=constraint, damping=damping, rate=multiplier_rate)

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Train the flow on batches of both samples, paired by chance."""
        data = how.parts(source, target)
        history = {}
        if self.warm_start:
            settings = how.settings.model_copy(update={"epochs": self.warm_start})
            history["nll"] = minimize(self, self._likelihood, data, replace(how, settings=settings), "nll")
        self._fix(data[1].training, how)
        score = how.score(self.transform, source, target)
        history["fit"] = minimize(
            self,
            self._losses()[self.loss],
            data,
            how,
            score=score,
            observe=self.multiplier.observed if self.loss == "mdmm" else None,
            keep_best=self.loss == "nll" or score is not None,
        )
        return history

    def _transform(self, events: Events) -> Events:
        """The features, morphed in float64 precision, with noise of the events' own."""
        exact, noise = (
            copy.deepcopy(self).double(),
            normal_of(events.ids, int(self.noise_seed), self.n_features, NOISE_STREAM),
        )
        return events.with_features(self._by_row(exact._morphed, events.features, events.context, noise))

    def notes(self, source: Events, template: Events) -> Notes:
        """Whether the constraint of `mdmm` is met; see Method."""
        numbers, warnings = super().notes(source, template)
        if self.loss == "mdmm":
            numbers |= self.multiplier.observed()
        if self.loss == "mdmm" and not self.multiplier.is_met:
            warnings = [*warnings, "the constraint on the MMD is not met: train longer, or allow a larger epsilon"]
        return Notes(numbers, warnings)

    def _losses(self) -> dict[str, Callable[[Batch, Batch], Tensor]]:
        """The loss of a batch of each sample, by the name that it has in a recipe."""
        return {"nll": self._likelihood, "kl": self._marginal, "mmd": self._joint, "mdmm": self._constrained}

    def _fix(self, target: Batch, how: Training) -> None:
        """Take grids, kernels and the constraint's bound from the target."""
        generator = torch.Generator().manual_seed(how.seed)
        points = _points(target.features, target)
        self.marginals.fix(target.features, target.weights, self.kde_bandwidths)
        self.discrepancy.fix(points, generator)
        if self.loss == "mdmm":
            null = self.discrepancy.null(points, how.pace(target.n_events).batch_size, generator)
            margin = self.margin * self.multiplier.spread_of_mean
            bound = null.mean + margin * null.deviation if self.epsilon is None else self.epsilon
            self.multiplier.aim(bound, null.deviation.clamp_min(1e-12))

    def _likelihood(self, source: Batch, target: Batch) -> Tensor:
        """-log p(x_t | x, context of x_t) of pairs by chance, but for a constant."""
        source, target = _paired(source, target)
        drawn = target.features - source.features if self.predict == "delta" else target.features
        conditions = torch.cat([source.features, target.context], dim=1)
        base, log_slopes = self.flow.transform(drawn, conditions)
        log_density = log_slopes - 0.5 * (base / self.spread).square().sum(1)
        loss: Tensor = -(source.weights * target.weights * log_density).mean()
        return loss

    def _marginal(self, source: Batch, target: Batch) -> Tensor:  # noqa: ARG002 - the target's densities are known
        """KL(morphed || target) of each feature alone, on average; the target's densities are known beforehand."""
        divergence: Tensor = self.marginals(self._drawn(source), source.weights)
        return divergence

    def _joint(self, source: Batch, target: Batch) -> Tensor:
        """The maximum mean discrepancy of morphed source and target, features and context together."""
        squared: Tensor = self.discrepancy(_points(self._drawn(source), source), _points(target.features, target))
        return squared

    def _constrained(self, source: Batch, target: Batch) -> Tensor:
        """The Lagrangian of `kl` under the constraint on `mmd`; both are taken of the same draw."""
        morphed = self._drawn(source)
        joint = self.discrepancy(_points(morphed, source), _points(target.features, target))
        lagrangian: Tensor = self.multiplier(self.marginals(morphed, source.weights), joint)
        return lagrangian

    def _drawn(self, source: Batch) -> Tensor:
        """The source's features, morphed with new noise."""
        return self._morphed(source.features, source.context, torch.randn_like(source.features))

    def _morphed(self, features: Tensor, context: Tensor, noise: Tensor) -> Tensor:
        """(n_events, n_features), the events with what the flow makes of their noise."""
        drawn = self.flow.from_base(self.spread * noise, torch.cat([features, context], dim=1))
        return features + drawn if self.predict == "delta" else drawn


def _points(features: Tensor, sample: Batch) -> Points:
    """A batch as points of features and context with weights."""
    return Points(torch.cat([features, sample.context], dim=1), sample.weights)


def _paired(source: Batch, target: Batch) -> tuple[Batch, Batch]:
    """Both samples with as many events; the smaller one begins again."""
    n_events = max(source.n_events, target.n_events)
    rows = torch.arange(n_events, device=source.weights.device)
    return source.rows(rows % source.n_events), target.rows(rows % target.n_events)
