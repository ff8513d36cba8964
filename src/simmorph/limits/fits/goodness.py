"""Goodness of fit: how likely data as far from the model as these are, if the model is right.

The statistic is -2 ln of the likelihood over that of the saturated model, which expects every count and every auxiliary
measurement as it is: R. D. Cousins, "Generalization of chisquare goodness-of-fit test for binned data using saturated
models" (2013); S. Baker, R. D. Cousins, Nucl. Instrum. Meth. 221 (1984) 437. It follows a chi2 distribution where many
events are expected in each bin; below about five a bin its distribution is to be sampled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import gammaincc

from simmorph.data.estimates import Estimate
from simmorph.limits.engine.covariance import FLAT

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray
    from simmorph.limits.fits.strength import FittedStrength
    from simmorph.limits.model.likelihood import Data, Likelihood

FEW_EVENTS = 5.0
"""Expected events a bin below which the statistic's distribution is not that of chi2."""
TIE = 1e-5
"""Difference up to which two statistics are one, where they are above 1 a relative one: fits end so far apart."""


class GoodnessOfFit(NamedTuple):
    """How well the best fit describes the data.

    Attributes:
        statistic: -2 ln (L / L_saturated) at the best fit, constraints included.
        n_degrees: bins and auxiliary measurements less fitted parameters; each constrained parameter has one of either.
        n_events: expected in a bin, in the mean.
        by_toys: the p-value from pseudo-experiments with its uncertainty, if there are some.
    """

    statistic: float
    n_degrees: int
    n_events: float
    by_toys: Estimate | None = None

    @property
    def p_value(self) -> float | None:
        """From the chi2 distribution; None where as many parameters as bins are fitted."""
        return float(gammaincc(self.n_degrees / 2, max(self.statistic, 0.0) / 2)) if self.n_degrees > 0 else None

    def to_json(self) -> dict[str, Any]:
        """The numbers by name."""
        toys = self.by_toys
        found: dict[str, Any] = {"statistic": self.statistic, "degrees": self.n_degrees, "p_value": self.p_value}
        return found if toys is None else found | {"p_value_toys": toys.value, "p_value_toys_error": toys.uncertainty}

    def to_text(self) -> str:
        """Statistic, degrees and p-value for people."""
        text = f"{self.statistic:.3g} / {self.n_degrees}"
        if self.by_toys is not None:
            return f"{text}, p = {self.by_toys.value:.3g} +- {self.by_toys.uncertainty:.1g} by toys"
        if self.p_value is None:
            return f"{text}, as many parameters as bins"
        few = f"; rough, with {self.n_events:.2g} events a bin: try --goodness-toys" if self.is_rough else ""
        return f"{text}, p = {self.p_value:.3g}{few}"

    @property
    def is_rough(self) -> bool:
        """Whether too few events are expected for the chi2 distribution."""
        return self.n_events < FEW_EVENTS


def goodness_of_fit(likelihood: Likelihood, data: Data, strength: FittedStrength) -> GoodnessOfFit:
    """That of the best fit, with the parameter of interest free.

    Parameters that the data do not determine, and those that a bound holds, count as fixed; bins in which nothing is
    expected and nothing was seen do not count.

    Args:
        likelihood: of the model.
        data: what was fitted.
        strength: the best fit.
    """
    expected = likelihood.expected(strength.fit.parameters).main
    counts = (expected > 0) | (data.main > 0)
    n_measured = int(counts.sum() + likelihood.free[likelihood.constrained].sum())
    mean = float(expected[counts].mean()) if counts.any() else 0.0
    n_fitted = _n_fitted(likelihood, data, strength)
    return GoodnessOfFit(strength.fit.deviance, n_measured - n_fitted, mean)


def lowest_deviances(likelihood: Likelihood, data: Data, start: FloatArray) -> FloatArray:
    """(n,), the statistic of (n, ...) data; NaN where the fit fails.

    Args:
        likelihood: of the model.
        data: in rows.
        start: (n_parameters,), where fits begin: the true parameters are near.
    """
    return likelihood.fits(data, np.tile(start[likelihood.yields.shared], (len(data.main), 1)), is_signed=True).deviance


def p_value_by_toys(statistic: float, found: FloatArray) -> Estimate:
    """The share of pseudo-experiments that are at least as far from the model, with its binomial uncertainty.

    Args:
        statistic: of the observed data.
        found: (n,), of the pseudo-experiments.
    """
    n, n_beyond = len(found), int(np.sum(found >= statistic - TIE * max(statistic, 1.0)))
    # Agresti-Coull: a share of 0 or 1 has an uncertainty too.
    adjusted = (n_beyond + 2) / (n + 4)
    return Estimate(n_beyond / n, float(np.sqrt(adjusted * (1 - adjusted) / (n + 4))))


def _n_fitted(likelihood: Likelihood, data: Data, strength: FittedStrength) -> int:
    """How many parameters the data determine within their bounds."""
    spread = likelihood.spread(data, strength.fit.parameters)
    point, response = spread.point, spread.point.response
    local = point.local.inside & (~response.is_free | (point.rates != 0))
    return int(np.sum(spread.sizes > FLAT)) + int(local.sum())
