"""One feature after the other, each from its conditional quantiles in the source to those in the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from simmorph.config.training import PositiveInt  # noqa: TC001 - read from the signature
from simmorph.data.events import Events
from simmorph.errors import ConfigError
from simmorph.methods.base import Method
from simmorph.neural.blocks import in_blocks
from simmorph.neural.cell_scores import CellScores
from simmorph.neural.scores import ConditionalScores
from simmorph.neural.smooth import SmoothBasis

if TYPE_CHECKING:
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training


class ConditionalQuantile(Method):
    """The Knothe-Rosenblatt map: T_i(x) = F_target^-1(F_source(x_i | c, x_<i) | c, T_<i(x)), one feature at a time.

    With exact distributions source and target agree exactly afterwards, in whatever dimension. The map is triangular:
    it depends on the order of the features, and moves events further than the optimal map does.

    Each conditional distribution F is learnt in two steps: smooth regressions on the context and the features before
    (see `neural/scores.py`), and what they leave over in cells of equal population (see `neural/cell_scores.py`).
    Smaller cells follow finer structure and fluctuate more; since corrections are shrunk to what exceeds chance, the
    fluctuations of small cells cost little, but what is finer than a cell is not seen. With many features before it, a
    feature has few and large cells in each direction, and the smooth step does nearly all: the bias is then that of
    low products of splines. Put the features with the sharpest structure first.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        order: the features in the order of the chain, by their place in the recipe counted from 0; as in the recipe by
            default.
        points: points of each feature's smooth distribution.
        context_knots: knots of the spline in each variable conditioned on.
        cell_events: events in a cell, at least.
        halvings: there are at most 2**halvings cells.

    References:
        Rosenblatt, "Remarks on a multivariate transformation", Ann. Math. Stat. 23 (1952) 470; Villani, "Optimal
        Transport: Old and New", 2009, chapter 1.
    """

    reach: Tensor

    def __init__(  # noqa: PLR0913 - the keys of the recipe
        self,
        n_features: int,
        n_context: int,
        *,
        order: tuple[Annotated[int, Field(ge=0)], ...] | None = None,
        points: Annotated[int, Field(ge=8)] = 60,
        context_knots: Annotated[int, Field(ge=3, le=64)] = 10,
        cell_events: PositiveInt = 250,
        halvings: Annotated[int, Field(ge=0, le=12)] = 9,
    ) -> None:
        super().__init__(n_features, n_context)
        self.order = tuple(range(n_features)) if order is None else order
        if sorted(self.order) != list(range(n_features)):
            what = f"{list(self.order)} is no order of {n_features} features"
            raise ConfigError("method: order", what, f"give each number from 0 to {n_features - 1} once")
        self.cell_events = cell_events
        sizes = [n_context + before for before in range(n_features)]
        self.source_chain = nn.ModuleList(_Link(size, points, context_knots, halvings) for size in sizes)
        self.target_chain = nn.ModuleList(_Link(size, points, context_knots, halvings) for size in sizes)
        # A conditional tail is extrapolated; it shall end where the target does.
        self.register_buffer("reach", torch.zeros(2, n_features, dtype=torch.float64))

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Regress and bin every link of both chains; there is nothing to iterate, and so no history."""
        for chain, halves in zip((self.source_chain, self.target_chain), how.halves(source, target), strict=True):
            sample = Events.concatenate(halves)
            ordered = sample.features[:, list(self.order)]
            for at, link in enumerate(_links(chain)):
                conditions = np.hstack([sample.context, ordered[:, :at]])
                link.fit(Events(ordered[:, at : at + 1], conditions, sample.weights, sample.ids), self.cell_events)
            # The target comes last.
            self.reach.copy_(torch.from_numpy(np.stack([ordered.min(axis=0), ordered.max(axis=0)])))
        return {}

    def _transform(self, events: Events) -> Events:
        """The features, each moved to the same conditional quantile of the target."""
        moved = self._by_row(self._morph, events.features[:, list(self.order)], events.context)
        return events.with_features(moved[:, np.argsort(self.order)])

    def _morph(self, features: Tensor, context: Tensor) -> Tensor:
        """(n_events, n_features), feature by feature at the value that has its score in the target.

        The score in the source is that given the context and the features before it as they were, the value in the
        target that given the context and the features before it as they are now.
        """
        moved = features[:, :0]
        for at, (source, target) in enumerate(zip(_links(self.source_chain), _links(self.target_chain), strict=True)):
            scores = source.scores(features[:, at : at + 1], torch.cat([context, features[:, :at]], dim=1))
            values = target.values(scores, torch.cat([context, moved], dim=1))
            moved = torch.cat([moved, values.clamp(self.reach[0, at], self.reach[1, at])], dim=1)
        return moved


class _Link(nn.Module):
    """The distribution of one feature given the context and the features before it."""

    def __init__(self, n_conditions: int, points: int, n_knots: int, n_halvings: int) -> None:
        super().__init__()
        self.basis = SmoothBasis(n_conditions, n_knots)
        self.smooth = ConditionalScores(1, self.basis.n_functions, points)
        self.cells = CellScores(n_conditions, n_halvings if n_conditions else 0)

    def fit(self, events: Events, cell_events: int) -> None:
        """Learn from events whose context holds all conditions."""
        self.basis.fit(events.context, events.weights)
        self.smooth.fit(events, self.basis)
        rows = np.hstack([events.features, events.context])
        scores = in_blocks(lambda rows: self.smooth.scores(rows[:, :1], self.basis(rows[:, 1:])), rows, self)
        self.cells.fit(scores[:, 0], events.context, events.weights, cell_events)

    def scores(self, feature: Tensor, conditions: Tensor) -> Tensor:
        """(n_events, 1), standard normal whatever the conditions."""
        return self.cells.scores(self.smooth.scores(feature, self.basis(conditions)), conditions)

    def values(self, scores: Tensor, conditions: Tensor) -> Tensor:
        """The inverse of `scores`."""
        return self.smooth.values(self.cells.values(scores, conditions), self.basis(conditions))


def _links(chain: nn.ModuleList) -> list[_Link]:
    """The links of a chain, with the type that torch's list does not keep."""
    return cast("list[_Link]", list(chain))
