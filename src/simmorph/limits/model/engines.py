"""How minima are found: by our own fit, or by pyhf and Minuit."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import numpy as np

from simmorph.limits.model.likelihood import Data, Fit, Fits, Likelihood

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simmorph.data.events import FloatArray

MAX_CALLS = 200
"""Of the likelihood for each free parameter, in one attempt of Minuit."""
FAR = 1e10
"""What Minuit takes for infinity."""


class PyhfLikelihood(Likelihood):
    """The same likelihood, with every minimum found by pyhf and Minuit: slow, and the reference."""

    engine = "pyhf"

    def minima(self, data: Data, found: Fit, *, poi: float | None = None, is_signed: bool = False) -> list[Fit]:  # noqa: ARG002
        """The only one that it knows."""
        return [found]

    def _fits_at_once(self, data: Data, start: FloatArray, bounds: FloatArray) -> Fits:  # noqa: ARG002
        """None, so that each is fitted alone."""
        return Fits.none(start)

    def _minimum(self, data: Data, start: FloatArray, bounds: FloatArray) -> Fit:
        """By pyhf's own fit, and by Minuit where that fails."""
        import pyhf  # noqa: PLC0415 - takes a second, and only this engine needs it

        bounds = np.clip(bounds, -FAR, FAR)
        if bounds[0, self.poi] == -FAR:
            bounds[0, self.poi] = self._lowest_strength()
        if np.all(bounds[0] == bounds[1]):
            return Fit(self.deviance(bounds[0], data), bounds[0])
        before, optimizer_before = pyhf.get_backend()
        pyhf.set_backend(before, pyhf.optimize.minuit_optimizer(errordef=1, tolerance=1e-3))
        options = {
            "init_pars": start.tolist(),
            "par_bounds": bounds.T.tolist(),
            "fixed_params": (bounds[0] == bounds[1]).tolist(),
        }
        try:
            with _without_log("pyhf.optimize.mixins"):  # pages of a failed fit, which the tally counts
                fitted = pyhf.infer.mle.fit(np.concatenate(data), self.model, **options)
        except pyhf.exceptions.FailedMinimization:
            return self._by_minuit(data, start, bounds)
        finally:
            pyhf.set_backend(before, optimizer_before)
        values = np.clip(np.asarray(fitted, np.float64), *bounds)
        return Fit(self.deviance(values, data), values)

    def _lowest_strength(self) -> float:
        """How negative the parameter of interest may become before a bin of the nominal model expects nothing."""
        background, with_signal = (self.expected(self.at(value)).main for value in (0.0, 1.0))
        signal = with_signal - background
        return -float(np.min(background[signal > 0] / signal[signal > 0], initial=FAR))

    def _by_minuit(self, data: Data, start: FloatArray, bounds: FloatArray) -> Fit:
        minuit = self.minuit(data, start, bounds)
        for strategy, tolerance in ((1, 0.001), (2, 0.01)):
            minuit.strategy, minuit.tol = strategy, tolerance
            minuit.migrad(ncall=MAX_CALLS * len(start))
            if minuit.valid:
                break
        return Fit(float(minuit.fval), np.array(minuit.values, np.float64), bool(minuit.valid))


@contextlib.contextmanager
def _without_log(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


ENGINES: dict[str, type[Likelihood]] = {"newton": Likelihood, "pyhf": PyhfLikelihood}
"""How minima are found: ours is fast, pyhf's is the reference."""
