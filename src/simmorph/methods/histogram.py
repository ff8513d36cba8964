"""Weights from counting events in bins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from pydantic import Field

from simmorph.config.training import PositiveFloat  # noqa: TC001 - read from the signature
from simmorph.data.events import Events
from simmorph.errors import ConfigError
from simmorph.methods.parts.reweighting import Halves, Ratio, Reweighting
from simmorph.neural.loop.history import History

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray, IntArray
    from simmorph.neural.loop.training import Training

MAX_CELLS = 2_000_000
TIE = 1e-9
"""Shares of the events that differ by less than this are equal."""


class HistogramRatio(Reweighting):
    """Reweights the source by the ratio of histograms with bins of equal population.

    The first variable is cut at quantiles of both samples together, each of its bins at quantiles of the second
    variable there, and so on: every cell holds the same share of the events, so that none is empty however the
    variables are correlated. Made for a few variables and many events: with k variables there are bins^k cells.
    Within a cell all events have the same factor. One event is added to both contents, so that a cell with few events
    has a moderate one. See Reweighting for context, normalisation and where it is not valid.

    Args:
        n_features: number of features.
        n_context: number of context variables.
        bins: of each variable.
        max_factor: larger factors are set to this one; `notes` says how many, and what share of the weight it took.

    Raises:
        ConfigError: there are more cells than events can fill.

    References:
        Daumann, Donega, Erdmann, Galli, Spaeh, Valsecchi, "One flow to correct them all", 2024, arXiv 2403.18582, where
        the kinematics of simulation and data are made to agree by such bins before the flow is trained.
    """

    def __init__(
        self,
        n_features: int,
        n_context: int,
        *,
        bins: Annotated[int, Field(ge=2, le=1000)] = 10,
        max_factor: PositiveFloat = 1000.0,
    ) -> None:
        n_variables = n_features + n_context
        if bins**n_variables > MAX_CELLS:
            what = f"{bins} bins in each of {n_variables} variables are {bins**n_variables:,} cells"
            raise ConfigError("method histogram", what, "take fewer bins or variables, or a classifier")
        super().__init__(n_features, n_context, lambda size: BinnedRatio(size, bins), 1, max_factor)

    def _fit(self, source: Events, target: Events, how: Training) -> dict[str, History]:
        """Count; there is nothing to iterate, and so no history."""
        super()._fit(source, target, how)
        return {}


class BinnedRatio(Ratio):
    """The ratio of contents in cells that hold the same share of the events.

    Args:
        n_inputs: number of variables.
        bins: of each of them.
    """

    factors: torch.Tensor

    def __init__(self, n_inputs: int, bins: int) -> None:
        super().__init__()
        self.n_inputs, self.bins = n_inputs, bins
        for column in range(n_inputs):
            edges = torch.zeros(bins**column, bins - 1, dtype=torch.float64)
            self.register_buffer(f"edges{column}", edges)
        self.register_buffer("factors", torch.ones(bins**n_inputs, dtype=torch.float64))

    def learn(self, source: Halves, target: Halves, how: Training, stage: str) -> History:  # noqa: ARG002 - see Ratio
        """Cut the training events of both samples together, then count each in its cells; see Ratio."""
        samples = [half.training.with_weights(_unit_sum(half.training.weights)) for half in (source, target)]
        both = Events.concatenate(samples)
        cells = np.zeros(len(both), np.int64)
        for column, values in enumerate(both.features.T):
            edges = _quantile_edges(values, both.weights, cells, self.bins**column, self.bins)
            self._edges(column)[:] = edges
            cells = self._next(cells, values, edges)
        n_cells = len(self.factors)
        # One event more of each sample: an empty cell has ratio 1, and chance makes none large. Copies share their id.
        one_event = 1 / min(len(np.unique(sample.ids)) for sample in samples)
        at_source, at_target = cells[: len(samples[0])], cells[len(samples[0]) :]
        of_source = np.bincount(at_source, samples[0].weights, n_cells) + one_event
        of_target = np.bincount(at_target, samples[1].weights, n_cells) + one_event
        self.factors.copy_(torch.from_numpy(of_target / of_source))
        return History(stage, (), (), 0, 0.0)

    def log_ratio(self, inputs: FloatArray) -> FloatArray:
        """See Ratio."""
        cells = np.zeros(len(inputs), np.int64)
        for column, values in enumerate(inputs.T):
            cells = self._next(cells, values, self._edges(column))
        return np.asarray(np.log(self.factors.cpu().numpy()[cells]))

    def _next(self, cells: IntArray, values: FloatArray, edges: FloatArray) -> IntArray:
        """The cells after a further variable; a value on an edge belongs to the bin below."""
        return np.asarray(cells * self.bins + np.count_nonzero(values[:, None] > edges[cells], axis=1), np.int64)

    def _edges(self, column: int) -> FloatArray:
        edges: FloatArray = self.get_buffer(f"edges{column}").cpu().numpy()
        return edges


def _quantile_edges(values: FloatArray, weights: FloatArray, cells: IntArray, n_cells: int, bins: int) -> FloatArray:
    """(n_cells, bins - 1), the values that part the weight of each cell into equal shares; infinite in empty cells."""
    order = np.lexsort([values, cells])
    filled = np.cumsum(weights[order])
    ends = np.cumsum(np.bincount(cells, minlength=n_cells))
    totals = np.bincount(cells, weights, n_cells)
    before = np.append(0.0, filled)[ends - np.bincount(cells, minlength=n_cells)]
    wanted = before[:, None] + totals[:, None] * np.arange(1, bins) / bins
    at = np.searchsorted(filled, wanted - TIE)
    edges = values[order][np.minimum(at, np.maximum(ends[:, None] - 1, 0))]
    return np.where(totals[:, None] > 0, edges, np.inf)


def _unit_sum(weights: FloatArray) -> FloatArray:
    """The weights over their sum."""
    return weights / np.sum(weights)
