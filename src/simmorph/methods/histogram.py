"""Weights from counting events in bins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from pydantic import Field

from simmorph.config.training import PositiveFloat  # noqa: TC001 - read from the signature
from simmorph.data.events import Events
from simmorph.errors import ConfigError
from simmorph.methods.base import Notes
from simmorph.methods.parts.reweighting import Halves, Learnt, Ratio, Reweighting, fold_of
from simmorph.neural.loop.history import History

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.data.events import FloatArray, IntArray
    from simmorph.neural.loop.training import Training

MAX_CELLS = 2_000_000
N_FOLDS = 5
STRENGTHS = (1e9, 1000.0, 500.0, 200.0, 100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0)
"""Pseudo-events that may stand beside those of a cell."""
BOLDNESS = 0.5
NOTABLE_PART = 0.01
"""Part of a sample without counterpart in the other one from which on it is said."""
TIE = 1e-9
"""Shares of the events that differ by less than this are equal."""


class HistogramRatio(Reweighting):
    """Reweights the source by the ratio of histograms with bins of equal population.

    The first variable is cut at quantiles of both samples together, each of its bins at quantiles of the second
    variable there, and so on: every cell holds the same share of the events, so that none is empty however the
    variables are correlated. Made for a few variables and many events: with k variables there are bins^k cells.
    Within a cell all events have the same factor. A cell with few events is held back towards the ratio of the larger
    cell around it, as far as events left out ask for it. See Reweighting for context, normalisation and where it is not
    valid.

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
        self.alone: FloatArray | None = None

    def learn(self, source: Halves, target: Halves, how: Training, stage: str) -> Learnt:
        """Cut the training events of both samples together, then count each in its cells; see Ratio."""
        samples = [half.training.with_weights(_unit_sum(half.training.weights)) for half in (source, target)]
        both, n_source = Events.concatenate(samples), len(samples[0])
        # What a number of events says is a question of the smaller sample; copies of an event share its id.
        n_events = min(len(np.unique(sample.ids)) for sample in samples)
        fold = fold_of(both.ids, N_FOLDS, how)
        row = 2 * fold + (np.arange(len(both)) >= n_source)
        cells = np.zeros(len(both), np.int64)
        counts: list[FloatArray] = []
        for column, values in enumerate(both.features.T):
            edges = _quantile_edges(values, both.weights, cells, self.bins**column, self.bins)
            self._edges(column)[:] = edges
            cells = self._next(cells, values, edges)
            size = 2 * N_FOLDS, self.bins ** (column + 1)
            found = np.bincount(row * size[1] + cells, both.weights * n_events, size[0] * size[1])
            counts.append(np.asarray(found.reshape(N_FOLDS, 2, size[1]), np.float64))
        ratios, by_others = _ratios(counts, self.bins)
        self.factors.copy_(torch.from_numpy(ratios))
        self.alone = _alone(counts[-1].sum(axis=0))
        unseen = np.log(by_others[fold[:n_source], cells[:n_source]])
        return Learnt(History(stage, (), (), 0, 0.0), unseen)

    def log_ratio(self, inputs: FloatArray) -> FloatArray:
        """See Ratio."""
        cells = np.zeros(len(inputs), np.int64)
        for column, values in enumerate(inputs.T):
            cells = self._next(cells, values, self._edges(column))
        return np.asarray(np.log(self.factors.cpu().numpy()[cells]))

    def notes(self) -> Notes:
        """How much of each sample lies in cells without an event of the other one; nothing of a loaded model."""
        if self.alone is None:
            return Notes({}, [])
        numbers = dict(zip(("source_alone", "target_alone"), self.alone.tolist(), strict=True))
        shown = {name: f"{100 * numbers[f'{name}_alone']:.2g} % of the {name}" for name in ("source", "target")}
        warning = (
            f"{shown['source']} and {shown['target']} are in cells without an event of the other sample, "
            "which have the ratio of larger cells: take fewer bins, or more events"
        )
        return Notes(numbers, [warning] if max(numbers.values()) > NOTABLE_PART else [])

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


def _ratios(counts: Sequence[FloatArray], bins: int) -> tuple[FloatArray, FloatArray]:
    """Target over source in each cell: of all events, (n_cells,), and without each fold, (n_folds, n_cells).

    Beside the events of a cell count some pseudo-events with the ratio of the larger cell around it. Their number is
    chosen for each variable by the likelihood of the events left out: few where the ratio differs from cell to cell,
    very many where that is chance. The part BOLDNESS of them is taken, since what is smoothed away is missing in every
    distribution, and noise among cells in none.

    Args:
        counts: for each variable (n_folds, 2, n_cells), the events of source and target in the cells down to it.
        bins: of each variable.
    """
    ratios, by_others = np.ones(1), np.ones((N_FOLDS, 1))
    for left_out in counts:
        everything = left_out.sum(axis=0)
        others, around = _balanced(everything - left_out), np.repeat(by_others, bins, axis=-1)
        likelihoods = [_likelihood(left_out, _shrunk(others, around, strength)) for strength in STRENGTHS]
        strength = BOLDNESS * STRENGTHS[int(np.argmax(likelihoods))]
        ratios = _shrunk(_balanced(everything), np.repeat(ratios, bins), strength)
        by_others = _shrunk(others, around, strength)
    return ratios, by_others


def _shrunk(counts: FloatArray, around: FloatArray, strength: float) -> FloatArray:
    """(..., n_cells), the ratio in (..., 2, n_cells) counts with pseudo-events of the ratio around them."""
    return np.asarray((counts[..., 1, :] + strength * around) / (counts[..., 0, :] + strength))


def _likelihood(counts: FloatArray, ratios: FloatArray) -> float:
    """The logarithm of the likelihood that each of (..., 2, n_cells) events is of the sample that it is of."""
    return float(np.sum(counts[..., 1, :] * np.log(ratios) - counts.sum(axis=-2) * np.log1p(ratios)))


def _balanced(counts: FloatArray) -> FloatArray:
    """(..., 2, n_cells), with as many events of the target as of the source."""
    totals = counts.sum(axis=-1, keepdims=True)
    return np.asarray(counts * (totals.mean(axis=-2, keepdims=True) / np.maximum(totals, TIE)))


def _alone(counts: FloatArray) -> FloatArray:
    """(2,), the parts of source and target in cells without an event of the other one, of (2, n_cells) counts."""
    return np.asarray(np.sum(counts, axis=1, where=counts[::-1] == 0) / counts.sum(axis=1))
