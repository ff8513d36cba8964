"""The likelihood of a pyhf model: its parameters, what constrains them, and its minima.

What is minimised is the deviance, -2 ln of the likelihood over that of a model which fits every count,

    D = sum over bins of 2 [nu - n + n ln(n / nu)] + the same over Poisson auxiliary counts
        + sum over normal constraints of ((theta - a) / sigma)^2,

with expected yields nu, counts n, parameters theta, and their auxiliary measurements a with uncertainty sigma.
pyhf builds the model; what it expects in every bin, and the derivatives of that, are in `yields`, and how minima are
found in `engine`, because a limit needs a hundred fits and pyhf's own take seconds.
"""

from __future__ import annotations

import contextlib
import copy
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from simmorph.errors import InputError
from simmorph.limits.engine.covariance import Covariance
from simmorph.limits.engine.local import Constraint
from simmorph.limits.engine.many.expansions import Sums
from simmorph.limits.engine.many.newton import tangents
from simmorph.limits.engine.many.points import Objectives
from simmorph.limits.engine.many.problems import Problems
from simmorph.limits.engine.newton import Box, solved
from simmorph.limits.engine.objective import Objective
from simmorph.limits.engine.poisson import Counts
from simmorph.limits.engine.search import Problem, minima_from

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from iminuit import Minuit

    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.limits.engine.newton import Minimum
    from simmorph.limits.engine.yields import Yields

TRACE = 1e-6
"""What an auxiliary count of 0 is taken for, so that its parameter has a curvature; -2 ln L changes about as much."""
CLIPPED = 1e-9
"""Difference of what is expected from which it is clipped."""
MOST_NUMBERS = 4_000_000
"""Derivatives of cells by parameters that are in memory at a time where many data sets are fitted at once."""


class Data(NamedTuple):
    """What is fitted: the counts in the bins and the auxiliary measurements that constrain the parameters.

    Attributes:
        main: (n_bins,), counts; not necessarily whole numbers.
        auxiliary: (n_auxiliary,), in the model's order.
    """

    main: FloatArray
    auxiliary: FloatArray

    def rows(self, which: int | slice | IntArray) -> Data:
        """Some of many, or one of them."""
        return Data(self.main[which], self.auxiliary[which])


class Fit(NamedTuple):
    """A minimum of the likelihood.

    Attributes:
        deviance: -2 ln (L / L_saturated) there.
        parameters: (n_parameters,), in the model's order.
        is_valid: whether it is known to be a minimum: no direction within the bounds leads down, to second order; or
            Minuit calls its minimum valid.
        slope: derivative of the deviance by the parameter of interest, where that is fixed; NaN if not known.
        tangent: (n_parameters,), derivatives of the others by it, where it is fixed; None if not known.
    """

    deviance: float
    parameters: FloatArray
    is_valid: bool = True
    slope: float = float("nan")
    tangent: FloatArray | None = None

    def towards(self, poi: int, value: float) -> FloatArray:
        """(n_parameters,), a guess of the minimum at another value of the parameter of interest."""
        if self.tangent is None:
            return self.parameters
        return np.asarray(self.parameters + (value - self.parameters[poi]) * self.tangent, np.float64)


class Fits(NamedTuple):
    """Minima of the likelihoods of n data sets.

    Attributes:
        deviance: (n,), -2 ln (L / L_saturated) there; NaN where no finite minimum was found.
        shared: (n, n_global), the global parameters.
        is_valid: (n,), whether they are known to be minima.
        slope: (n,), derivatives of the deviance by the parameter of interest.
        tangent: (n, n_global), derivatives of the other parameters by it.
    """

    deviance: FloatArray
    shared: FloatArray
    is_valid: BoolArray
    slope: FloatArray
    tangent: FloatArray

    @classmethod
    def none(cls, start: FloatArray) -> Fits:
        """Nothing is known yet of fits that begin at (n, n_global) parameters."""
        nothing = np.full(len(start), np.nan)
        return cls(nothing, start.copy(), np.zeros(len(start), np.bool_), nothing.copy(), np.zeros_like(start))

    @classmethod
    def joined(cls, parts: Sequence[Fits]) -> Fits:
        """Several, one after the other."""
        return cls(*(np.concatenate(its) for its in zip(*parts, strict=True)))


@dataclass
class FitTally:
    """What fitting has cost so far.

    Attributes:
        fits: minima looked for.
        invalid: how many minima are not valid.
        seconds: time spent in fits.
    """

    fits: int = 0
    invalid: int = 0
    seconds: float = 0.0

    def add(self, other: FitTally) -> None:
        """Count what was fitted elsewhere too."""
        self.fits, self.invalid = self.fits + other.fits, self.invalid + other.invalid
        self.seconds += other.seconds

    def to_json(self) -> dict[str, float]:
        """The numbers by name."""
        return {"fits": self.fits, "invalid": self.invalid}


class Likelihood:
    """A pyhf model as a function that can be fitted.

    Args:
        model: a `pyhf.pdf.Model` with a parameter of interest.
        yields: what it expects, and the derivatives.
        name: of the workspace, for messages.
        tally: where to count the fits; one of its own if None.

    Attributes:
        poi: the place of the parameter of interest among all.
        poi_place: the same among the global ones.
        start: (n_parameters,), nominal values.
        lower: (n_parameters,), bounds; that of the parameter of interest is 0 and not what the workspace says.
        upper: (n_parameters,), bounds; that of the parameter of interest is infinite.
        free: (n_parameters,), which are fitted.
        constrained: (n_auxiliary,), the parameter that each auxiliary measurement is of.
        scales: (n_auxiliary,), the auxiliary measurement that is expected for a parameter of 1.
        widths: (n_auxiliary,), standard deviations of the normal ones, and 1 of those that are counts.
        gaussian: (n_auxiliary,), which are normal.
    """

    engine = "newton"

    def __init__(self, model: Any, yields: Yields, name: str = "workspace", tally: FitTally | None = None) -> None:
        self.model, self.yields, self.name = model, yields, name
        self.tally = tally or FitTally()
        config = model.config
        self.poi: int = config.poi_index
        self.poi_place = int(np.searchsorted(yields.shared, self.poi))
        self.start = np.array(config.suggested_init(), np.float64)
        self.lower, self.upper = np.array(config.suggested_bounds(), np.float64).T.copy()
        self.free: BoolArray = ~np.array(config.suggested_fixed(), np.bool_)
        # A limit may lie anywhere: the range that a workspace gives its parameter of interest is for other fits.
        self.lower[self.poi], self.upper[self.poi], self.free[self.poi] = 0.0, np.inf, True
        self._read_constraints(config)

    def _read_constraints(self, config: Any) -> None:
        """Which parameters are measured elsewhere, and how: all auxiliary expectations are parameter times scale."""
        parameters: list[int] = []
        scales: list[float] = []
        widths: list[float] = []
        normal: list[bool] = []
        for name in config.auxdata_order:
            constraint, place = config.param_set(name), config.par_slice(name)
            n = constraint.n_parameters
            is_count = constraint.pdf_type == "poisson"
            parameters += range(place.start, place.stop)
            scales += list(constraint.factors) if is_count else [1.0] * n
            widths += [1.0] * n if is_count else list(getattr(constraint, "sigmas", [1.0] * n))
            normal += [not is_count] * n
        self.constrained = np.array(parameters, np.int64)
        self.scales, self.widths = np.array(scales, np.float64), np.array(widths, np.float64)
        self.gaussian: BoolArray = np.array(normal, np.bool_)

    def constraint(self, data: Data) -> Constraint:
        """What data say of all parameters beside the counts."""
        n_parameters = len(self.start)
        measured, scales, widths = (np.ones(n_parameters) for _ in range(3))
        normal, counted = (np.zeros(n_parameters, np.bool_) for _ in range(2))
        at = self.constrained
        measured[at], scales[at], widths[at] = data.auxiliary, self.scales, self.widths
        normal[at], counted[at] = self.gaussian, ~self.gaussian
        measured[counted] = np.maximum(measured[counted], TRACE)
        return Constraint(measured, scales, widths, normal, counted)

    def expected(self, parameters: FloatArray) -> Data:
        """What is expected at these parameters; fitted to itself it gives them back (the Asimov data)."""
        return Data(self._main(parameters), parameters[..., self.constrained] * self.scales)

    @property
    def is_clipped(self) -> bool:
        """Whether pyhf takes a least number for what is expected, which only its own engine can fit."""
        main = self.model.main_model
        return main.clip_sample_data is not None or main.clip_bin_data is not None

    def _main(self, parameters: FloatArray) -> FloatArray:
        """(..., n_bins), what is expected, at (..., n_parameters)."""
        if not self.is_clipped:
            return self.yields.expected(parameters)
        flat = parameters.reshape(-1, parameters.shape[-1])
        found = np.array([self.model.main_model.expected_data(it) for it in flat], np.float64)
        return found.reshape(*parameters.shape[:-1], -1)

    def clipped_bins(self, parameters: FloatArray) -> IntArray:
        """The bins in which less would be expected than is taken."""
        return np.flatnonzero(np.abs(self._main(parameters) - self.yields.expected(parameters)) > CLIPPED)

    def deviance(self, parameters: FloatArray, data: Data) -> float:
        """-2 ln (L / L_saturated); infinite where a bin with counts expects none."""
        main = self._main(parameters)
        if np.any((main < 0) | ((main == 0) & (data.main > 0))):
            return float("inf")
        return float(2 * np.sum(Counts(data.main).terms(main).value)) + self.constraint(data).deviance(parameters)

    def gradient(self, parameters: FloatArray, data: Data) -> FloatArray:
        """(n_parameters,), the derivatives of the deviance."""
        main, slopes = self.yields.with_slopes(parameters)
        return 2 * (slopes @ Counts(data.main).terms(main).slope + self.constraint(data).slopes(parameters))

    def apart(self) -> Self:
        """The same with a tally of its own, such as for another process."""
        found = copy.copy(self)
        found.tally = FitTally()
        return found

    def at(self, poi: float, parameters: FloatArray | None = None) -> FloatArray:
        """The parameters, nominal ones by default, with another value of the parameter of interest."""
        moved = (self.start if parameters is None else parameters).copy()
        moved[self.poi] = poi
        return moved

    def holding(self, places: Sequence[int] | IntArray, parameters: FloatArray) -> Self:
        """The same with some parameters fixed at the values that they have among (n_parameters,)."""
        held = copy.copy(self)
        held.free, held.start = self.free.copy(), self.start.copy()
        held.free[places], held.start[places] = False, parameters[places]
        return held

    def bounds(self, fixed: Mapping[int, float] | None = None, *, is_signed: bool = False) -> FloatArray:
        """(2, n_parameters), where both are equal a parameter is fixed.

        Args:
            fixed: the values of some parameters.
            is_signed: whether the parameter of interest may be negative.
        """
        bounds = np.array([self.lower, self.upper])
        if is_signed:
            bounds[0, self.poi] = -np.inf
        bounds[:, ~self.free] = self.start[~self.free]
        for place, value in (fixed or {}).items():
            bounds[:, place] = value
        return bounds

    def problem(self, data: Data, bounds: FloatArray) -> Problem:
        """The deviance of data as a function of the global parameters.

        Args:
            data: what is fitted.
            bounds: (2, n_parameters), see `bounds`.
        """
        shared = self.yields.shared
        lower, upper = bounds[:, shared]
        known = self.constraint(data)
        bent = [group.at for group in [*self.yields.functions, *self.yields.shifts] if group.function.has_kink]
        kinks = np.flatnonzero(np.isin(shared, np.concatenate(bent))) if bent else np.empty(0, np.int64)
        unknown = ~known.normal & ~known.counted
        unknown[self.poi] = False
        box = Box(lower, upper, lower < upper, kinks[lower[kinks] < upper[kinks]])
        return Problem(Objective(self.yields, known, data.main, bounds), box, self.start[shared], unknown[shared])

    def fit(
        self,
        data: Data,
        *,
        poi: float | None = None,
        start: FloatArray | None = None,
        fixed: Mapping[int, float] | None = None,
        is_signed: bool = False,
    ) -> Fit:
        """The parameters that describe the data best.

        Args:
            data: what is fitted.
            poi: the parameter of interest is fixed at this value.
            start: (n_parameters,), where to begin; at the nominal ones if None.
            fixed: values of other parameters that are fixed.
            is_signed: whether the parameter of interest may be negative.

        Raises:
            InputError: no finite minimum was found.
        """
        fixed = dict(fixed or {}) | ({} if poi is None else {self.poi: poi})
        start, bounds = self.start if start is None else start, self.bounds(fixed, is_signed=is_signed)
        with self._counted():
            found = self._minimum(data, np.clip(start, *bounds), bounds)
        return self._checked(found, poi)

    def minima(self, data: Data, found: Fit, *, poi: float | None = None, is_signed: bool = False) -> list[Fit]:
        """All minima that are found beside one, the lowest first: see `engine.search`."""
        fixed = {} if poi is None else {self.poi: poi}
        problem = self.problem(data, self.bounds(fixed, is_signed=is_signed))
        with self._counted():
            minima = minima_from(problem, problem.minimum(found.parameters[self.yields.shared]))
        return [self._checked(self._fit_of(it), poi) for it in minima]

    def fits(self, data: Data, start: FloatArray, *, poi: float | None = None, is_signed: bool = False) -> Fits:
        """The same as `fit` for many data sets at once, each from a start of its own.

        Those that need more care than most are fitted one by one.

        Args:
            data: in rows.
            start: (n, n_global), where to begin.
            poi: the parameter of interest is fixed at this value.
            is_signed: whether it may be negative.
        """
        bounds = self.bounds({} if poi is None else {self.poi: poi}, is_signed=is_signed)
        pieces = [slice(first, first + self.n_at_once) for first in range(0, len(start), self.n_at_once)]
        found = Fits.joined([self._fits_at_once(data.rows(s), start[s], bounds) for s in pieces])
        for row in np.flatnonzero(~found.is_valid).tolist():
            self._put(found, row, data.rows(row), start[row], bounds)
        return found

    @property
    def n_at_once(self) -> int:
        """How many data sets are fitted at once at most."""
        return max(1, MOST_NUMBERS // (len(self.yields.nominal) * len(self.yields.shared)))

    def problems(self, data: Data, bounds: FloatArray) -> Problems:
        """The deviances of (n, ...) data; see `problem`."""
        first = data.rows(0)
        known = [self.constraint(data.rows(row)).measured for row in range(len(data.main))]
        constraint = self.constraint(first)._replace(measured=np.array(known))
        objectives = Objectives(Sums(self.yields), constraint, data.main, bounds)
        return Problems(objectives, self.problem(first, bounds))

    def _fits_at_once(self, data: Data, start: FloatArray, bounds: FloatArray) -> Fits:
        """Newton's method for all of them; where a yield has a kink, none is valid."""
        if self.yields.has_kink:
            return Fits.none(start)
        found = self.problems(data, bounds).minima(start)
        slope, tangent = found.points.gradient[:, self.poi_place], tangents(found, self.poi_place)
        return Fits(found.points.deviance, found.points.shared, found.is_valid, slope, tangent)

    def _put(self, found: Fits, row: int, data: Data, start: FloatArray, bounds: FloatArray) -> None:
        """Fit one of them alone."""
        begin = self.start.copy()
        begin[self.yields.shared] = start
        fit = self._minimum(data, np.clip(begin, *bounds), bounds)
        shared = self.yields.shared
        found.deviance[row], found.shared[row], found.is_valid[row] = fit.deviance, fit.parameters[shared], fit.is_valid
        found.slope[row] = fit.slope if np.isfinite(fit.slope) else self.gradient(fit.parameters, data)[self.poi]
        found.tangent[row] = np.zeros(len(shared)) if fit.tangent is None else fit.tangent[shared]

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.tally.seconds += time.perf_counter() - begin
        self.tally.fits += 1

    def _checked(self, found: Fit, poi: float | None) -> Fit:
        self.tally.invalid += not found.is_valid
        if not (np.isfinite(found.deviance) and np.all(np.isfinite(found.parameters))):
            at = "" if poi is None else f" at {self.model.config.poi_name} = {poi:.4g}"
            raise InputError(self.name, f"the fit{at} has no finite minimum", "look for empty bins or huge variations")
        return found

    def _minimum(self, data: Data, start: FloatArray, bounds: FloatArray) -> Fit:
        """The minimum within bounds that is reached from a start."""
        problem = self.problem(data, bounds)
        return self._fit_of(problem.minimum(start[self.yields.shared]))

    def _fit_of(self, found: Minimum) -> Fit:
        point, poi = found.point, self.poi_place
        if not point.is_finite:
            return Fit(float("nan"), point.parameters, False)
        fit = Fit(point.deviance, point.parameters, found.is_valid)
        tangent = np.zeros(len(self.start))
        tangent[self.poi] = 1.0
        others = found.moving.copy()
        others[poi] = False
        its = np.flatnonzero(others)
        if len(its):
            tangent[self.yields.shared[its]] = -solved(point, its, point.hessian[its, poi])
        return fit._replace(slope=float(point.gradient[poi]), tangent=tangent)

    def spread(self, data: Data, parameters: FloatArray) -> Covariance:
        """The covariance at a minimum, with the parameter of interest negative or not, in parts."""
        problem = self.problem(data, self.bounds(is_signed=True))
        x, box = parameters[self.yields.shared], problem.box
        return Covariance(problem.objective.at(x), box.free & (x > box.lower) & (x < box.upper))

    def covariance(self, data: Data, parameters: FloatArray) -> FloatArray:
        """(n_parameters, n_parameters), the inverse of half the deviance's second derivatives; 0 for fixed ones."""
        return self.spread(data, parameters).dense()

    def uncertainty(self, data: Data, parameters: FloatArray) -> float:
        """The standard deviation of the parameter of interest."""
        return self.spread(data, parameters).deviation(self.poi_place)

    def signal_slope(self, parameters: FloatArray) -> FloatArray:
        """(n_bins,), the derivatives of the yields by the parameter of interest."""
        return self.yields.slope(parameters, self.poi_place)

    @cached_property
    def has_signal(self) -> BoolArray:
        """(n_bins,), where something depends on the parameter of interest."""
        return np.asarray(self.signal_slope(self.start) != 0)

    def bin_names(self, bins: IntArray) -> str:
        """Bins in words."""
        found = []
        for name, place in self.model.config.channel_slices.items():
            found += [f"bin {i - place.start + 1} of channel {name!r}" for i in bins if place.start <= i < place.stop]
        return " and ".join(found)

    def minuit(self, data: Data, parameters: FloatArray, bounds: FloatArray) -> Minuit:
        """An `iminuit.Minuit` of this likelihood, with its gradient: the reference."""
        from iminuit import Minuit  # noqa: PLC0415 - only the reference needs it

        def deviance(values: FloatArray) -> float:
            return min(self.deviance(np.asarray(values), data), 1e300)

        def gradient(values: FloatArray) -> FloatArray:
            return np.nan_to_num(self.gradient(np.asarray(values), data), posinf=1e300, neginf=-1e300)

        slopes = None if self.is_clipped else gradient
        minuit = Minuit(deviance, parameters, grad=slopes, name=self.model.config.par_names)
        minuit.errordef = Minuit.LEAST_SQUARES
        minuit.limits = list(zip(*bounds, strict=True))
        minuit.fixed = (bounds[0] == bounds[1]).tolist()
        return minuit
