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
from simmorph.neural.reach import Reach
from simmorph.neural.scores import ConditionalScores, fit_alike
from simmorph.neural.smooth import SmoothBasis

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    low products of splines. Put the features with the sharpest structure first. In a hole of the context, to whose
    sides the cells belong, the smooth step does all. An event never goes further than the target has events near its
    context.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        order: the features in the order of the chain, by their place in the recipe counted from 0; as in the recipe by
            default.
        points: knots of each feature's distribution over all conditions, at most.
        context_knots: knots of the spline in each variable conditioned on.
        cell_events: events in a cell, at least.
        halvings: there are at most 2**halvings cells.

    References:
        Rosenblatt, "Remarks on a multivariate transformation", Ann. Math. Stat. 23 (1952) 470; Villani, "Optimal
        Transport: Old and New", 2009, chapter 1.
    """

    in_a_hole = "the map goes across as smoothly as it can from side to side, which no event checks"

    def __init__(  # noqa: PLR0913 - the keys of the recipe
        self,
        n_features: int,
        n_context: int,
        *,
        order: tuple[Annotated[int, Field(ge=0)], ...] | None = None,
        points: Annotated[int, Field(ge=8)] = 64,
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
        self.reach = Reach(n_features, n_context)

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Regress and bin every link of both chains; there is nothing to iterate, and so no history."""
        samples = [Events.concatenate(halves) for halves in how.halves(source, target)]
        features = [sample.features[:, list(self.order)] for sample in samples]
        for at, links in enumerate(zip(_links(self.source_chain), _links(self.target_chain), strict=True)):
            conditions = [np.hstack([it.context, its[:, :at]]) for it, its in zip(samples, features, strict=True)]
            seen = [
                Events(its[:, at : at + 1], known, it.weights, it.ids)
                for it, its, known in zip(samples, features, conditions, strict=True)
            ]
            _fit_alike(links, seen, self.cell_events)
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
        moved, in_a_hole = features[:, :0], cast("Reach", self.reach).in_a_hole(context)
        for at, (source, target) in enumerate(zip(_links(self.source_chain), _links(self.target_chain), strict=True)):
            before, after = (torch.cat([context, known], dim=1) for known in (features[:, :at], moved))
            scores = source.scores(features[:, at : at + 1], before, in_a_hole)
            values = target.values(scores, after, in_a_hole)
            moved = torch.cat([moved, values], dim=1)
        return moved


class _Link(nn.Module):
    """The distribution of one feature given the context and the features before it."""

    def __init__(self, n_conditions: int, points: int, n_knots: int, n_halvings: int) -> None:
        super().__init__()
        self.basis = SmoothBasis(n_conditions, n_knots)
        self.smooth = ConditionalScores(1, self.basis.n_functions, points)
        self.cells = CellScores(n_conditions, n_halvings if n_conditions else 0)

    def fit_cells(self, events: Events, cell_events: int) -> None:
        """Learn what the smooth step leaves over; the context of the events holds all conditions."""
        rows = np.hstack([events.features, events.context])
        scores = in_blocks(lambda rows: self.smooth.scores(rows[:, :1], self.basis(rows[:, 1:])), rows, self)
        self.cells.fit(scores[:, 0], events.context, events.weights, cell_events)

    def scores(self, feature: Tensor, conditions: Tensor, in_a_hole: Tensor) -> Tensor:
        """(n_events, 1), standard normal whatever the conditions; by the smooth step alone in a hole of the context."""
        smooth = self.smooth.scores(feature, self.basis(conditions))
        return torch.where(in_a_hole[:, None], smooth, self.cells.scores(smooth, conditions))

    def values(self, scores: Tensor, conditions: Tensor, in_a_hole: Tensor) -> Tensor:
        """The inverse of `scores`."""
        smooth = torch.where(in_a_hole[:, None], scores, self.cells.values(scores, conditions))
        return self.smooth.values(smooth, self.basis(conditions))


def _fit_alike(links: Sequence[_Link], samples: Sequence[Events], cell_events: int) -> None:
    """Learn the same link of two chains, from samples whose contexts hold all conditions."""
    both = Events.concatenate([events.with_weights(events.weights / np.sum(events.weights)) for events in samples])
    for link in links:
        link.basis.fit(both.context, both.weights)
    fit_alike([link.smooth for link in links], samples, links[0].basis)
    for link, events in zip(links, samples, strict=True):
        link.fit_cells(events, cell_events)


def _links(chain: nn.ModuleList) -> list[_Link]:
    """The links of a chain, with the type that torch's list does not keep."""
    return cast("list[_Link]", list(chain))
