"""The likelihood of a pyhf model, minimised by Newton steps that are safeguarded by Minuit.

pyhf builds the model; what it expects in every bin, and the derivatives of that, are in `yields`. The fit itself is
here, because a limit needs a hundred fits and pyhf's own take seconds.

What is minimised is the deviance, -2 ln of the likelihood over that of a model which fits every count,

    D = sum over bins of 2 [nu - n + n ln(n / nu)] + the same over Poisson auxiliary counts
        + sum over normal constraints of ((theta - a) / sigma)^2,

with expected yields nu, counts n, parameters theta, and their auxiliary measurements a with uncertainty sigma.
"""

from __future__ import annotations

import contextlib
import logging
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from iminuit import Minuit
from scipy.special import xlogy

from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simmorph.data.events import BoolArray, FloatArray
    from simmorph.limits.model.yields import Yields

TOLERANCE = 1e-10
"""Expected further decrease of -2 ln L at which a fit has converged; limits need some 1e-5."""
MAX_ITERATIONS = 200
MAX_SADDLES = 4
"""How often Newton's method starts again beside a saddle."""
MAX_CALLS = 200
"""Of the likelihood for each free parameter, in one attempt of Minuit."""
PROBE = 0.1
"""Standard deviations that a minimum is probed at: the deviance should rise by this squared."""


class Data(NamedTuple):
    """What is fitted: the counts in the bins and the auxiliary measurements that constrain the parameters.

    Attributes:
        main: (n_bins,), counts; not necessarily whole numbers.
        auxiliary: (n_auxiliary,), in the model's order.
    """

    main: FloatArray
    auxiliary: FloatArray


class Fit(NamedTuple):
    """A minimum of the likelihood.

    Attributes:
        deviance: -2 ln (L / L_saturated) there.
        parameters: (n_parameters,), in the model's order.
        is_valid: whether it is known to be a minimum: Newton's method ended where the deviance rises along both senses
            of every principal direction, or Minuit calls its minimum valid.
    """

    deviance: float
    parameters: FloatArray
    is_valid: bool = True


@dataclass
class FitTally:
    """What fitting has cost so far.

    Attributes:
        fits: minima looked for.
        fallbacks: of these, how many were handed to Minuit.
        invalid: how many minima are not valid.
        seconds: time spent in fits.
    """

    fits: int = 0
    fallbacks: int = 0
    invalid: int = 0
    seconds: float = 0.0

    def to_json(self) -> dict[str, float]:
        """The numbers by name."""
        return {"fits": self.fits, "fallbacks": self.fallbacks, "invalid": self.invalid}


class Parabola(NamedTuple):
    """The deviance near a point: its gradient, and its curvature without the second derivatives of the yields.

    Attributes:
        gradient: (n_parameters,).
        curvature: (n_parameters, n_parameters), which is positive semi-definite (Gauss-Newton).
    """

    gradient: FloatArray
    curvature: FloatArray


class Likelihood:
    """A pyhf model as a function that can be fitted.

    Args:
        model: a `pyhf.pdf.Model` with a parameter of interest.
        yields: what it expects, and the derivatives.
        name: of the workspace, for messages.
        tally: where to count the fits; one of its own if None.

    Attributes:
        poi: the place of the parameter of interest among all.
        start: (n_parameters,), nominal values.
        lower: (n_parameters,), bounds; that of the parameter of interest is 0 and not what the workspace says.
        upper: (n_parameters,), bounds; that of the parameter of interest is infinite.
        free: (n_parameters,), which are fitted.
        constrained: (n_auxiliary,), the parameter that each auxiliary measurement is of.
        scales: (n_auxiliary,), the auxiliary measurement that is expected for a parameter of 1.
        widths: (n_auxiliary,), standard deviations of the normal ones, and 0 of those that are counts.
        gaussian: (n_auxiliary,), which are normal.
    """

    engine = "newton"

    def __init__(self, model: Any, yields: Yields, name: str = "workspace", tally: FitTally | None = None) -> None:
        self.model, self.yields, self.name = model, yields, name
        self.tally = tally or FitTally()
        config = model.config
        self.poi: int = config.poi_index
        self.start = np.array(config.suggested_init(), np.float64)
        self.lower, self.upper = np.array(config.suggested_bounds(), np.float64).T.copy()
        self.free: BoolArray = ~np.array(config.suggested_fixed(), np.bool_)
        # A limit may lie anywhere: the range that a workspace gives its parameter of interest is for other fits.
        self.lower[self.poi], self.upper[self.poi] = 0.0, np.inf
        self._read_constraints(config)

    def _read_constraints(self, config: Any) -> None:
        """Which parameters are measured elsewhere, and how: all auxiliary expectations are parameter times scale."""
        parameters: list[int] = []
        scales: list[float] = []
        widths: list[float] = []
        for name in config.auxdata_order:
            constraint, place = config.param_set(name), config.par_slice(name)
            n = constraint.n_parameters
            poisson = constraint.pdf_type == "poisson"
            parameters += range(place.start, place.start + n)
            scales += list(constraint.factors) if poisson else [1.0] * n
            widths += [0.0] * n if poisson else list(getattr(constraint, "sigmas", [1.0] * n))
        self.constrained = np.array(parameters, np.int64)
        self.scales, self.widths = np.array(scales, np.float64), np.array(widths, np.float64)
        self.gaussian: BoolArray = self.widths > 0

    def expected(self, parameters: FloatArray) -> Data:
        """What is expected at these parameters; fitted to itself it gives them back (the Asimov data)."""
        return Data(self.yields.expected(parameters), parameters[..., self.constrained] * self.scales)

    def deviance(self, parameters: FloatArray, data: Data) -> float:
        """-2 ln (L / L_saturated); infinite where a bin with counts expects none."""
        return float(self.deviances(parameters, data))

    def deviances(self, points: FloatArray, data: Data) -> FloatArray:
        """(...), the deviance at each of (..., n_parameters) points."""
        main, auxiliary = self.expected(points)
        counted = ~self.gaussian
        bins = _poisson_deviance(main, data.main)
        counts = _poisson_deviance(auxiliary[..., counted], data.auxiliary[counted])
        pulls = (auxiliary - data.auxiliary)[..., self.gaussian] / self.widths[self.gaussian]
        return np.asarray(bins + counts + np.sum(pulls**2, axis=-1), np.float64)

    def at(self, poi: float, parameters: FloatArray | None = None) -> FloatArray:
        """The parameters, nominal ones by default, with another value of the parameter of interest."""
        moved = (self.start if parameters is None else parameters).copy()
        moved[self.poi] = poi
        return moved

    def parabola(self, parameters: FloatArray, data: Data) -> Parabola:
        """Gradient and Gauss-Newton curvature of the deviance at (n_parameters,).

        With J the derivatives of the yields: gradient 2 J (1 - n / nu), curvature 2 J diag(n / nu^2) J^T, and the
        constraints' own on the diagonal. Bins that expect nothing but hold events make both infinite or NaN.
        """
        yields, slopes = self.yields.with_slopes(parameters)
        with np.errstate(all="ignore"):
            ratio = np.where(data.main > 0, data.main / yields, 0.0)
            gradient = 2 * slopes @ (1 - ratio)
            curvature = 2 * (slopes * np.where(data.main > 0, ratio / yields, 0.0)) @ slopes.T
            auxiliary = parameters[self.constrained] * self.scales
            share = np.where(data.auxiliary > 0, data.auxiliary / auxiliary, 0.0)
            variance = np.where(self.gaussian, self.widths, 1.0) ** 2
            pull = np.where(self.gaussian, (auxiliary - data.auxiliary) / variance, 1 - share)
            weight = np.where(self.gaussian, 1 / variance, share / auxiliary)
        np.add.at(gradient, self.constrained, 2 * self.scales * pull)
        np.add.at(curvature, (self.constrained, self.constrained), 2 * self.scales**2 * weight)
        return Parabola(gradient, curvature)

    def covariance(self, data: Data, parameters: FloatArray) -> FloatArray:
        """(n_parameters, n_parameters), the inverse of half the deviance's second derivatives; 0 for fixed parameters.

        The derivatives are differences of the gradient, over a hundredth of each parameter's uncertainty. A parameter
        at one of its bounds counts as fixed. Where the matrix of derivatives is not positive definite, as at a minimum
        that is not valid, the Gauss-Newton curvature takes its place.

        Args:
            data: what was fitted.
            parameters: (n_parameters,), at the minimum.
        """
        free = np.flatnonzero(self.free & (parameters > self.lower) & (parameters < self.upper))
        covariance = np.zeros((len(parameters), len(parameters)))
        if not len(free):
            return covariance
        rough = self.parabola(parameters, data).curvature[np.ix_(free, free)]
        steps = 0.01 * np.sqrt(2 / np.maximum(np.diag(rough), 1e-30))
        at = zip(free.tolist(), steps.tolist(), strict=True)
        hessian = np.array([self._gradient_slope(data, parameters, i, step)[free] for i, step in at])
        hessian = (hessian + hessian.T) / 2
        usable = bool(np.all(np.isfinite(hessian))) and bool(np.all(np.linalg.eigvalsh(hessian) > 0))
        covariance[np.ix_(free, free)] = 2 * np.linalg.pinv(hessian if usable else rough, rcond=1e-14, hermitian=True)
        return covariance

    def _gradient_slope(self, data: Data, parameters: FloatArray, i: int, step: float) -> FloatArray:
        """(n_parameters,), the central difference of the gradient along parameter `i`."""
        shift = np.zeros_like(parameters)
        shift[i] = step
        above, below = (self.parabola(parameters + side, data).gradient for side in (shift, -shift))
        return np.asarray((above - below) / (2 * step), np.float64)

    def uncertainty(self, data: Data, parameters: FloatArray) -> float:
        """The standard deviation of the parameter of interest, from the curvature; 0 at its bound."""
        return float(np.sqrt(self.covariance(data, parameters)[self.poi, self.poi]))

    def fit(self, data: Data, *, poi: float | None = None, start: FloatArray | None = None) -> Fit:
        """The parameters that describe the data best, with the parameter of interest free or fixed at `poi`.

        A minimum that is not known to be one is returned with `is_valid` False, and counted in the tally.

        Args:
            data: what is fitted.
            poi: fixed value of the parameter of interest; it is free if None.
            start: (n_parameters,), where to begin; at the nominal values if None.

        Raises:
            InputError: no finite minimum was found.
        """
        parameters = (self.start if start is None else start).copy()
        free = self.free.copy()
        free[self.poi] = poi is None
        if poi is not None:
            parameters[self.poi] = poi
        parameters = np.clip(parameters, self.lower, self.upper)
        begin = time.perf_counter()
        found = self._minimum(data, parameters, free)
        self.tally.seconds += time.perf_counter() - begin
        self.tally.fits += 1
        self.tally.invalid += not found.is_valid
        if not (np.isfinite(found.deviance) and np.all(np.isfinite(found.parameters))):
            at = "" if poi is None else f" at {self.model.config.poi_name} = {poi:.4g}"
            raise InputError(self.name, f"the fit{at} has no finite minimum", "look for empty bins or huge variations")
        return found

    def lowest(self, data: Data, found: Fit, *, poi: float | None = None) -> Fit:
        """The lowest of a minimum and those that are reached from the nominal parameters and from opposite pulls.

        Two minima arise where some yield moves to the same side with a parameter up and down. Where no yield does, the
        minimum is returned as it is, without a further fit.

        Args:
            data: what was fitted.
            found: the minimum.
            poi: where the parameter of interest is fixed; it is free if None.
        """
        if not self.yields.is_one_sided:
            return found
        opposite = found.parameters.copy()
        opposite[self.constrained] = 2 * self.start[self.constrained] - found.parameters[self.constrained]
        others = [self.fit(data, poi=poi, start=start) for start in (self.start, opposite)]
        return min([found, *others], key=lambda fit: fit.deviance)

    def _minimum(self, data: Data, parameters: FloatArray, free: BoolArray) -> Fit:
        """By Newton's method, and by Minuit where that finds no valid minimum."""
        found = None
        for _ in range(MAX_SADDLES):
            found, curvature = self._newton(data, parameters, free)
            lower = None if found is None else self._lower_beside(found, curvature, data, free)
            if found is not None and lower is None:
                return found
            if lower is None:
                break
            parameters = lower
        self.tally.fallbacks += 1
        slow = self._minuit(data, parameters if found is None else found.parameters, free)
        if found is not None and found.deviance < slow.deviance:
            return found._replace(is_valid=slow.is_valid and slow.deviance - found.deviance < 1e-6)
        return slow

    def _lower_beside(self, found: Fit, curvature: FloatArray, data: Data, free: BoolArray) -> FloatArray | None:
        """The lowest point beside a saddle; None where the deviance rises along both senses of each direction.

        The directions are the principal ones of the curvature, over a tenth of a standard deviation; and those of the
        parameters where one of them may have a saddle of its own, since equal curvatures mix the principal ones.
        """
        inside = free & (found.parameters > self.lower) & (found.parameters < self.upper)
        curvature = curvature[np.ix_(inside, inside)]
        scale = np.sqrt(np.maximum(np.diag(curvature), 1e-30))
        rates, directions = np.linalg.eigh(curvature / np.outer(scale, scale))
        # A direction in which nothing depends on the parameters has no valid minimum.
        steered = rates > 1e-9
        steps = (PROBE * np.sqrt(2 / rates[steered]))[:, None] * directions.T[steered] / scale
        if self.yields.is_one_sided:
            steps = np.concatenate([steps, np.diag(PROBE * np.sqrt(2) / scale)])
        points = np.tile(found.parameters, (2 * len(steps), 1))
        points[:, inside] += np.concatenate([steps, -steps])
        points = np.clip(points, self.lower, self.upper)
        rises = self.deviances(points, data) - found.deviance
        if np.all(rises > -1e-9 * max(1.0, found.deviance)):
            return None
        return np.asarray(points[np.argmin(np.nan_to_num(rises, nan=np.inf))], np.float64)

    def _newton(self, data: Data, parameters: FloatArray, free: BoolArray) -> tuple[Fit | None, FloatArray]:
        """Newton steps with backtracking, and the curvature where they end; no fit if they stall."""
        value = self.deviance(parameters, data)
        for _ in range(MAX_ITERATIONS):
            gradient, curvature = parabola = self.parabola(parameters, data)
            if not np.isfinite(value) or not np.all(np.isfinite(curvature)):
                break
            step = self._step(parabola, parameters, free)
            gain = -float(gradient @ step + step @ curvature @ step / 2)
            if gain < TOLERANCE:
                return Fit(value, parameters), curvature
            better = self._backtrack(data, Fit(value, parameters), step)
            if better is None:
                # Rounding: the parabola promises less than the deviance can resolve.
                return Fit(value, parameters) if gain < 1e-6 else None, curvature
            value, parameters, _ = better
        return None, np.empty((0, 0))

    def _step(self, parabola: Parabola, parameters: FloatArray, free: BoolArray) -> FloatArray:
        """The step to the parabola's minimum; parameters that it would drive out of bounds stop there."""
        step = np.zeros_like(parameters)
        moving = free.copy()
        while moving.any():
            pull = parabola.gradient + parabola.curvature @ np.where(moving, 0.0, step)
            block = parabola.curvature[np.ix_(moving, moving)]
            step[moving] = -_solve(block, pull[moving])
            ended = np.clip(parameters + step, self.lower, self.upper)
            outside = moving & (ended != parameters + step)
            step[outside] = (ended - parameters)[outside]
            if not outside.any():
                break
            moving &= ~outside
        return step

    def _backtrack(self, data: Data, here: Fit, step: FloatArray) -> Fit | None:
        """The first of the points 1, 1/2, 1/4 ... along the step that is better than here."""
        for halvings in range(30):
            parameters = np.clip(here.parameters + step * 0.5**halvings, self.lower, self.upper)
            value = self.deviance(parameters, data)
            if value < here.deviance:
                return Fit(value, parameters)
        return None

    def _minuit(self, data: Data, parameters: FloatArray, free: BoolArray) -> Fit:
        """The slow and sure way, where Newton steps stall."""
        minuit = self.minuit(data, parameters, free)
        for strategy, tolerance in ((1, 0.001), (2, 0.01)):
            minuit.strategy, minuit.tol = strategy, tolerance
            minuit.migrad(ncall=MAX_CALLS * (1 + int(free.sum())))
            if minuit.valid:
                break
        return Fit(float(minuit.fval), np.array(minuit.values, np.float64), bool(minuit.valid))

    def minuit(self, data: Data, parameters: FloatArray, free: BoolArray) -> Minuit:
        """An `iminuit.Minuit` of this likelihood, with its gradient."""

        def deviance(values: FloatArray) -> float:
            return min(self.deviance(np.asarray(values), data), 1e300)

        def gradient(values: FloatArray) -> FloatArray:
            return np.nan_to_num(self.parabola(np.asarray(values), data).gradient, posinf=1e300, neginf=-1e300)

        minuit = Minuit(deviance, parameters, grad=gradient, name=self.model.config.par_names)
        minuit.errordef = Minuit.LEAST_SQUARES
        minuit.limits = list(zip(self.lower, self.upper, strict=True))
        minuit.fixed = list(~free)
        return minuit


def _poisson_deviance(expected: FloatArray, counts: FloatArray) -> FloatArray:
    """(...), summed over the bins, the last axis of the expected numbers; infinite where a count expects none."""
    possible = np.all((expected > 0) | ((expected == 0) & (counts == 0)), axis=-1)
    with np.errstate(all="ignore"):
        parts = expected - counts + xlogy(counts, np.where(counts > 0, counts, 1.0) / expected)
        return np.asarray(np.where(possible, 2 * np.sum(parts, axis=-1), np.inf), np.float64)


def _solve(curvature: FloatArray, pull: FloatArray) -> FloatArray:
    """Solve with unit diagonal and a whiff of damping, so that a parameter without effect stays where it is."""
    scale = np.sqrt(np.maximum(np.diag(curvature), 1e-30))
    normalised = curvature / np.outer(scale, scale) + 1e-12 * np.eye(len(scale))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            step = np.linalg.solve(normalised, pull / scale)
        except np.linalg.LinAlgError:
            step = np.linalg.lstsq(normalised, pull / scale)[0]
    return np.asarray(step / scale, np.float64)


class PyhfLikelihood(Likelihood):
    """The same likelihood, with every minimum found by pyhf and Minuit: slow, and the reference."""

    engine = "pyhf"

    def _minimum(self, data: Data, parameters: FloatArray, free: BoolArray) -> Fit:
        """By pyhf's own fit, from these parameters; where it fails, by Minuit with the gradient of this class."""
        import pyhf  # noqa: PLC0415 - takes a second, and only this engine needs it

        optimizer = pyhf.optimize.minuit_optimizer(errordef=1, tolerance=1e-3)
        before, optimizer_before = pyhf.get_backend()
        pyhf.set_backend(before, optimizer)
        counts = np.concatenate([data.main, data.auxiliary])
        options = {
            "init_pars": parameters.tolist(),
            "par_bounds": [
                (low, high if np.isfinite(high) else 1e10) for low, high in zip(self.lower, self.upper, strict=True)
            ],
            "fixed_params": (~free).tolist(),
        }
        try:
            with _without_log("pyhf.optimize.mixins"):  # pages of a failed fit, which the tally counts
                fitted = pyhf.infer.mle.fit(counts, self.model, **options)
        except pyhf.exceptions.FailedMinimization:
            self.tally.fallbacks += 1
            return self._minuit(data, parameters, free)
        finally:
            pyhf.set_backend(before, optimizer_before)
        values = np.clip(np.asarray(fitted, np.float64), self.lower, self.upper)
        return Fit(self.deviance(values, data), values)


@contextlib.contextmanager
def _without_log(name: str) -> Iterator[None]:
    """Silence one logger for as long as the block runs."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


ENGINES: dict[str, type[Likelihood]] = {"newton": Likelihood, "pyhf": PyhfLikelihood}
"""How minima are found: ours is fast, pyhf's is the reference."""
