"""The correlation matrix of a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from simmorph.limits.review.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from simmorph.data.events import FloatArray, IntArray
    from simmorph.limits.engine.covariance import Covariance
    from simmorph.limits.fits.strength import FittedStrength
    from simmorph.limits.model.likelihood import Data, Likelihood

MOST_PARAMETERS = 1000
"""Of a model with more of them, the parameters of single bins are left out."""
N_SHOWN = 20
"""How many parameters a plot shows."""
NEGLIGIBLE = 0.01
"""A parameter of which no correlation is larger than this is not among them, where there are many."""


@dataclass(frozen=True, eq=False)
class FitCorrelations(Finding):
    """Fitted values, uncertainties and correlations, from the curvature of the likelihood at its minimum.

    Not valid for parameters whose likelihood is no parabola: a profile tells more of them.

    Attributes:
        parameters: their names, in the order of the model.
        values: (n,), at the best fit.
        uncertainties: (n,), standard deviations.
        matrix: (n, n), correlation coefficients.
        left_out: the parameters that are not among them, and why.
        parameter: the one of interest, which may be left out.
    """

    name: ClassVar[str] = "correlation"

    parameters: tuple[str, ...]
    values: FloatArray
    uncertainties: FloatArray
    matrix: FloatArray
    left_out: Mapping[str, str]
    parameter: str

    def to_json(self) -> dict[str, Any]:
        """Values, uncertainties, and the matrix row by row."""
        return {
            "parameters": list(self.parameters),
            "values": self.values.tolist(),
            "uncertainties": self.uncertainties.tolist(),
            "correlation": self.matrix.tolist(),
            "left_out": dict(self.left_out),
        }

    def table(self) -> tuple[Sequence[str], Iterable[Iterable[float | str | None]]]:
        """The matrix with the names of the parameters."""
        rows = ([name, *row] for name, row in zip(self.parameters, self.matrix.tolist(), strict=True))
        return ["parameter", *self.parameters], rows

    def shown(self) -> FitCorrelations:
        """The same for the parameter of interest and those with the largest correlations, in the order of the model."""
        if len(self.parameters) <= N_SHOWN:
            return self
        largest = np.abs(self.matrix - np.eye(len(self.matrix))).max(axis=1)
        largest[[name == self.parameter for name in self.parameters]] = np.inf
        first = np.argsort(-largest, kind="stable")[:N_SHOWN]
        return self._part(np.sort(first[largest[first] > NEGLIGIBLE]))

    def _part(self, its: IntArray) -> FitCorrelations:
        names = tuple(self.parameters[i] for i in its)
        matrix = self.matrix[np.ix_(its, its)]
        return FitCorrelations(names, self.values[its], self.uncertainties[its], matrix, self.left_out, self.parameter)


def fit_correlations(likelihood: Likelihood, data: Data, found: FittedStrength) -> FitCorrelations:
    """The correlations of all parameters that the fit determines.

    Args:
        likelihood: of the model.
        data: what was fitted.
        found: the best fit.
    """
    best, poi = found.fit.parameters, likelihood.poi
    at = likelihood.holding([poi], best) if found.edge else likelihood
    spread = at.spread(data, best)
    covariance, places = _covariance(spread, len(best))
    names = likelihood.model.config.par_names
    left_out = _left_out(likelihood, spread, places)
    its = np.array([i for i, place in enumerate(places) if names[place] not in left_out], np.int64)
    chosen, covariance = places[its], covariance[np.ix_(its, its)]
    deviations = np.sqrt(np.diag(covariance))
    matrix = covariance / np.outer(deviations, deviations)
    np.fill_diagonal(matrix, 1.0)
    kept = tuple(names[place] for place in chosen)
    return FitCorrelations(kept, best[chosen], deviations, matrix, left_out, names[poi])


def _covariance(spread: Covariance, n_parameters: int) -> tuple[FloatArray, IntArray]:
    """The covariance, and which parameters it is of: all, or the global ones where there are too many."""
    if n_parameters <= MOST_PARAMETERS:
        return spread.dense(), np.arange(n_parameters)
    return spread.shared, spread.point.objective.yields.shared


def _left_out(likelihood: Likelihood, spread: Covariance, places: IntArray) -> dict[str, str]:
    """The parameters without an uncertainty, by name, and why they have none."""
    names, found = likelihood.model.config.par_names, {}
    shared, variances = likelihood.yields.shared, spread.variances()
    for place in np.setdiff1d(np.arange(len(names)), places):
        found[names[place]] = "of a single bin, in a model of many parameters"
    for place in places:
        if not variances[place] > 0:
            found[names[place]] = "at a bound" if likelihood.free[place] else "fixed"
    for number in spread.moving:
        if not spread.is_determined(int(number)):
            found[names[shared[number]]] = "not determined by the data"
    return found
