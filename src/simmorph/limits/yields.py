"""Expected yields of a HistFactory model and their derivatives.

pyhf builds the model and says what it expects; `AnalyticYields` is the same function with derivatives in closed form,
and is used where it agrees with pyhf at a few points. Where it does not, `NumericYields` asks pyhf for everything.

Source: K. Cranmer et al., HistFactory, CERN-OPEN-2012-016; interpolations 4 (normsys) and 4p (histosys) of pyhf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simmorph.data.events import FloatArray, IntArray

STEP = 1e-5
"""Step of the central differences, relative to a parameter's size or to 1, whichever is larger."""
AGREEMENT = 1e-9
"""Relative difference to pyhf up to which yields are the same."""
N_COMPARED = 4
"""At how many points that is looked at."""
FACTORS = {"normfactor", "lumi"}
PER_BIN = {"staterror", "shapesys", "shapefactor"}


class Yields(Protocol):
    """What a model expects in every bin.

    Attributes:
        derivatives: where its derivatives come from, in a word or two.
        turns: whether some yield can go the same way with a parameter up and down, so that there may be two minima.
    """

    derivatives: str
    turns: bool

    def expected(self, points: FloatArray) -> FloatArray:
        """(..., n_bins), at (..., n_parameters)."""

    def with_slopes(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(n_bins,) yields and (n_parameters, n_bins) derivatives at (n_parameters,)."""


def yields_of(model: Any) -> Yields:
    """The yields of a `pyhf.pdf.Model`: in closed form, if that agrees with pyhf, and by pyhf otherwise."""
    kinds = {modifier["type"] for *_, modifier in _modifiers(model)}
    if kinds <= FACTORS | PER_BIN | {"normsys", "histosys"}:
        analytic = AnalyticYields(model)
        if _agrees_with_pyhf(analytic, model):
            return analytic
    return NumericYields(model)


def _agrees_with_pyhf(yields: Yields, model: Any) -> bool:
    """Whether both expect the same at the start and at random points, beyond one standard deviation too."""
    rng = np.random.default_rng(0)
    start = np.array(model.config.suggested_init(), np.float64)
    lower, upper = np.array(model.config.suggested_bounds(), np.float64).T
    points = np.clip(
        start + rng.normal(0, [[0.0], *[[1.0]] * (N_COMPARED - 1)], (N_COMPARED, len(start))), lower, upper
    )
    with np.errstate(all="ignore"):
        pyhfs = np.array([np.asarray(model.main_model.expected_data(point), np.float64) for point in points])
        ours = yields.expected(points)
    return bool(np.allclose(ours, pyhfs, rtol=AGREEMENT, atol=AGREEMENT * float(np.abs(pyhfs).max())))


class NumericYields:
    """Yields of a `pyhf.pdf.Model` as pyhf gives them, and their central differences."""

    derivatives = "differences"
    turns = True

    def __init__(self, model: Any) -> None:
        config = model.config
        self.n_points = 2 * config.npars + 1
        self.batched = type(model)(
            model.spec,
            batch_size=self.n_points,
            validate=False,
            poi_name=config.poi_name,
            modifier_settings=config.modifier_settings,
        )

    def expected(self, points: FloatArray) -> FloatArray:
        """(..., n_bins), at (..., n_parameters), in as few calls of pyhf as possible."""
        flat = points.reshape(-1, points.shape[-1])
        found = [self._block(flat[start : start + self.n_points]) for start in range(0, len(flat), self.n_points)]
        return np.concatenate(found).reshape(*points.shape[:-1], -1)

    def _block(self, points: FloatArray) -> FloatArray:
        filled = np.concatenate([points, np.tile(points[-1], (self.n_points - len(points), 1))])
        with np.errstate(all="ignore"):
            return np.asarray(self.batched.main_model.expected_data(filled), np.float64)[: len(points)]

    def with_slopes(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Yields and derivatives, by central differences in one call of pyhf."""
        n = len(parameters)
        steps = STEP * np.maximum(1.0, np.abs(parameters))
        points = np.tile(parameters, (2 * n + 1, 1))
        points[np.arange(n), np.arange(n)] += steps
        points[n + np.arange(n), np.arange(n)] -= steps
        yields = self.expected(points)
        return yields[-1], (yields[:n] - yields[n : 2 * n]) / (2 * steps[:, None])


class _Norm(NamedTuple):
    """One normsys: the parameter's place, and the factors one standard deviation up and down."""

    at: int
    up: float
    down: float


class AnalyticYields:
    """Yields and derivatives in closed form.

    A cell is one bin of one sample. What is expected in it is its nominal yield plus the shifts of its histosys, times
    all its factors; every factor is a parameter itself or a function of one.

    Args:
        model: a `pyhf.pdf.Model` of known modifiers only.
    """

    derivatives = "analytic"

    def __init__(self, model: Any) -> None:
        self.n_parameters, self.n_bins = int(model.config.npars), int(model.config.nmaindata)
        cells = _Cells(model)
        order = np.argsort(cells.bins, kind="stable")
        self.bins: IntArray = np.array(cells.bins, np.int64)[order]
        self.first = np.searchsorted(self.bins, np.arange(self.n_bins))
        self.nominal = np.array(cells.nominal, np.float64)[order]
        self.shaping = np.array(sorted(cells.shapes), np.int64)
        sides = np.zeros((len(self.shaping), 2, len(order)))
        for row, at in zip(sides, self.shaping.tolist(), strict=True):
            row[:] = np.array(cells.shapes[at])[:, order]
        self.straight, self.bent = (sides[:, 0] + sides[:, 1]) / 2, (sides[:, 0] - sides[:, 1]) / 16
        self._read_factors(cells, order)
        turning = [(norm.up - 1) * (1 - norm.down) < 0 for norm in cells.norms]
        self.turns = any(turning) or bool(np.any(sides[:, 0] * sides[:, 1] < 0))

    def _read_factors(self, cells: _Cells, order: IntArray) -> None:
        """Which of all factors (parameters, functions of them, and 1) multiply each cell."""
        self.scaling = np.array([norm.at for norm in cells.norms], np.int64)
        sides = np.array([[norm.up, norm.down] for norm in cells.norms], np.float64).reshape(-1, 2)
        with np.errstate(all="ignore"):
            self.logs = np.log(sides).T
        self.polynomials = _polynomials(*self.logs)
        n_deep = max((len(factors) for factors in cells.factors), default=0)
        one = self.n_parameters + len(cells.norms)
        padded = np.full((len(order), max(n_deep, 1)), one, np.int64)
        for row, factors in zip(padded, cells.factors, strict=True):
            row[: len(factors)] = factors
        self.factors: IntArray = padded[order]
        self.scattered = (self.factors * self.n_bins + self.bins[:, None]).ravel()

    def expected(self, points: FloatArray) -> FloatArray:
        """(..., n_bins), at (..., n_parameters)."""
        factors = self._all_factors(points, self._norms(points))[..., self.factors]
        return np.asarray(np.add.reduceat(self._sums(points) * factors.prod(axis=-1), self.first, axis=-1), np.float64)

    def with_slopes(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Yields and derivatives."""
        factors = self._all_factors(parameters, self._norms(parameters))[self.factors]
        sums, product = self._sums(parameters), factors.prod(axis=1)
        parts = (sums[:, None] * _products_of_others(factors)).ravel()
        n_factors = self.n_parameters + len(self.scaling) + 1
        added = np.bincount(self.scattered, parts, minlength=n_factors * self.n_bins)
        by_factor: FloatArray = added.reshape(n_factors, self.n_bins).astype(np.float64, copy=False)
        slopes = by_factor[: self.n_parameters]
        np.add.at(slopes, self.scaling, self._norm_slopes(parameters)[:, None] * by_factor[self.n_parameters : -1])
        if len(self.shaping):
            bending = _bending_slope(parameters[self.shaping])[:, None] * self.bent
            slopes[self.shaping] += np.add.reduceat((self.straight + bending) * product, self.first, axis=1)
        return np.add.reduceat(sums * product, self.first), slopes

    def _sums(self, points: FloatArray) -> FloatArray:
        """(..., n_cells), nominal yields and shifts."""
        if not len(self.shaping):
            return self.nominal
        at = points[..., self.shaping]
        return np.asarray(self.nominal + at @ self.straight + _bending(at) @ self.bent, np.float64)

    def _all_factors(self, points: FloatArray, norms: FloatArray) -> FloatArray:
        """(..., n_parameters + n_norms + 1), all that a cell can be multiplied with."""
        return np.concatenate([points, norms, np.ones((*points.shape[:-1], 1))], axis=-1)

    def _norms(self, points: FloatArray) -> FloatArray:
        """(..., n_norms): powers outside of one standard deviation, a polynomial that joins them smoothly inside."""
        at = points[..., self.scaling]
        with np.errstate(all="ignore"):
            outside = np.exp(np.where(at > 0, at * self.logs[0], -at * self.logs[1]))
        return np.where(np.abs(at) < 1, _polynomial(self.polynomials, at), outside)

    def _norm_slopes(self, parameters: FloatArray) -> FloatArray:
        at = parameters[self.scaling]
        with np.errstate(all="ignore"):
            rate = np.where(at > 0, self.logs[0], -self.logs[1])
            outside = rate * np.exp(np.where(at > 0, at * self.logs[0], -at * self.logs[1]))
        inner = self.polynomials[1:] * np.arange(1, 7)[:, None]
        return np.where(np.abs(at) < 1, _polynomial(inner, at), outside)


class _Cells:
    """A model's cells, channel by channel and sample by sample, as lists.

    Attributes:
        bins: of each cell, its bin among all.
        nominal: of each cell, its yield.
        factors: of each cell, which of all factors multiply it.
        norms: the functions among the factors.
        shapes: of each parameter of a histosys, the shifts up and (with the other sign) down of all cells.
    """

    def __init__(self, model: Any) -> None:
        self.bins: list[int] = []
        self.nominal: list[float] = []
        self.factors: list[list[int]] = []
        self.norms: list[_Norm] = []
        self.shapes: dict[int, FloatArray] = {}
        self._n_parameters = int(model.config.npars)
        self._offsets = _offsets(model)
        self._n_cells = sum(len(sample["data"]) for _, sample in _samples(model))
        for channel, sample in _samples(model):
            self._add(model, channel, sample)

    def _add(self, model: Any, channel: str, sample: dict[str, Any]) -> None:
        place = model.config.channel_slices[channel]
        here = slice(len(self.bins), len(self.bins) + len(sample["data"]))
        self.bins += range(place.start, place.stop)
        self.nominal += sample["data"]
        self.factors += [[] for _ in sample["data"]]
        for modifier in sample["modifiers"]:
            start = int(model.config.par_slice(modifier["name"]).start)
            if modifier["type"] == "histosys":
                self._shift(start, here, modifier["data"], sample["data"])
                continue
            for i, factors in enumerate(self.factors[here]):
                factors.append(self._factor(start, i, channel, modifier))

    def _shift(self, at: int, here: slice, data: dict[str, list[float]], nominal: list[float]) -> None:
        shifts = self.shapes.setdefault(at, np.zeros((2, self._n_cells)))
        shifts[:, here] += [np.subtract(data["hi_data"], nominal), np.subtract(nominal, data["lo_data"])]

    def _factor(self, start: int, i: int, channel: str, modifier: dict[str, Any]) -> int:
        """The factor in the i-th bin of a channel."""
        if modifier["type"] == "normsys":
            norm = _Norm(start, float(modifier["data"]["hi"]), float(modifier["data"]["lo"]))
            if norm not in self.norms:
                self.norms.append(norm)
            return self._n_parameters + self.norms.index(norm)
        if modifier["type"] in PER_BIN:
            return start + self._offsets.get((modifier["name"], channel), 0) + i
        return start


def _offsets(model: Any) -> dict[tuple[str, str], int]:
    """Where the parameters of a staterror begin in each channel, behind those of the channels before."""
    offsets: dict[tuple[str, str], int] = {}
    used: dict[str, int] = {}
    for channel, sample, modifier in _modifiers(model):
        name = modifier["name"]
        if modifier["type"] == "staterror" and (name, channel) not in offsets:
            offsets[name, channel] = used.get(name, 0)
            used[name] = used.get(name, 0) + len(sample["data"])
    return offsets


def _samples(model: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each channel's name and each of its samples, in pyhf's order of channels."""
    channels = {channel["name"]: channel for channel in model.spec["channels"]}
    for name in model.config.channels:
        for sample in channels[name]["samples"]:
            yield name, sample


def _modifiers(model: Any) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for channel, sample in _samples(model):
        for modifier in sample["modifiers"]:
            yield channel, sample, modifier


def _polynomials(log_up: FloatArray, log_down: FloatArray) -> FloatArray:
    """(7, n), coefficients of 1 + a x + ... + f x^6 that end at 1 and -1 as the powers do, up to the curvature."""
    powers = np.arange(1, 7)
    signs = (-1.0) ** powers
    rates = [np.ones(6), powers, powers * (powers - 1)]
    conditions = np.array([row for rate in rates for row in (rate, rate * signs)])
    conditions[2:4] *= [[1.0], [-1.0]]
    with np.errstate(all="ignore"):
        up, down = np.exp(log_up), np.exp(log_down)
        ends = np.array([up - 1, down - 1, up * log_up, -down * log_down, up * log_up**2, down * log_down**2])
        return np.concatenate([np.ones((1, len(up))), np.linalg.solve(conditions, ends)])


def _polynomial(coefficients: FloatArray, at: FloatArray) -> FloatArray:
    """Sum of coefficients (n_powers, n) times powers of (..., n), from the highest down."""
    value = np.zeros_like(at)
    for coefficient in coefficients[::-1]:
        value = value * at + coefficient
    return value


def _bending(at: FloatArray) -> FloatArray:
    """What multiplies the difference of the shifts up and down, over 16: 8 |x| outside of one standard deviation."""
    square = at**2
    return np.where(square > 1, 8 * np.abs(at), square * (15 + square * (3 * square - 10)))


def _bending_slope(at: FloatArray) -> FloatArray:
    square = at**2
    return np.where(square > 1, 8 * np.sign(at), at * (30 + square * (18 * square - 40)))


def _products_of_others(factors: FloatArray) -> FloatArray:
    """(n_cells, n_factors), the product of all factors of a cell but one, which may be 0."""
    before, after = np.ones_like(factors), np.ones_like(factors)
    for i in range(1, factors.shape[1]):
        before[:, i] = before[:, i - 1] * factors[:, i - 1]
        after[:, -1 - i] = after[:, -i] * factors[:, -i]
    return before * after
