"""Expected yields of a HistFactory model and their derivatives.

pyhf builds the model and says what it expects; `AnalyticYields` is the same function with derivatives in closed form,
and is used where it agrees with pyhf at a few points. Where it does not, `NumericYields` asks pyhf for everything.

In bin b the model expects nu_b = sum over samples s of [prod over k of f_k(theta)] (n_sb + sum over j of d_jb(theta)):
the nominal yield n, shifted by the histosys modifiers, times a factor of each other modifier.

Source: K. Cranmer et al., HistFactory, CERN-OPEN-2012-016; interpolations 4 (normsys) and 4p (histosys) of pyhf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from simmorph.limits.modifiers.base import Term
from simmorph.limits.modifiers.registry import MODIFIERS, modifier_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from simmorph.data.events import FloatArray, IntArray
    from simmorph.limits.modifiers.base import Function, Scaling, Shifting

STEP = 1e-5
"""Step of the central differences, relative to a parameter's size or to 1, whichever is larger."""
AGREEMENT = 1e-9
"""Relative difference to pyhf up to which yields are the same."""
N_COMPARED = 4
"""At how many points that is looked at."""


class Yields(Protocol):
    """What a model expects in every bin.

    Attributes:
        derivatives: where its derivatives come from, in a word or two.
        is_one_sided: whether some yield goes the same way with a parameter up and down, which may give two minima.
    """

    derivatives: str
    is_one_sided: bool

    def expected(self, points: FloatArray) -> FloatArray:
        """(..., n_bins), at (..., n_parameters)."""

    def with_slopes(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(n_bins,) yields and (n_parameters, n_bins) derivatives at (n_parameters,)."""


def yields_of(model: Any) -> Yields:
    """The yields of a `pyhf.pdf.Model`: in closed form, if that agrees with pyhf, and by pyhf otherwise.

    Modifiers of a kind that MODIFIERS lacks, and interpolations other than 4 and 4p, thus cost speed and not
    correctness.
    """
    if {modifier["type"] for *_, modifier in modifiers_of(model.spec["channels"])} <= set(MODIFIERS):
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
    """Yields of a `pyhf.pdf.Model` as pyhf gives them, and their central differences.

    All 2 n_parameters + 1 points of a difference go through pyhf in one batch. Whether a yield moves to the same side
    with a parameter up and down is not known here, so that fits always look for a second minimum.

    Args:
        model: a `pyhf.pdf.Model` of any modifiers.
    """

    derivatives = "differences"
    is_one_sided = True

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
        """(n_points, n_bins), at no more points than a batch has, which pyhf wants full: the last is repeated."""
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


class AnalyticYields:
    """Yields and derivatives in closed form.

    A cell is one bin of one sample. What is expected in it is its nominal yield plus the shifts of its modifiers, times
    all its factors; every factor is a parameter itself or a function of one. Cells are kept in the order of their bins,
    so that the sum over samples is one `np.add.reduceat`.

    Args:
        model: a `pyhf.pdf.Model` of known modifiers only.

    Attributes:
        bins: (n_cells,), the bin of each cell, in increasing order.
        first: (n_bins,), the first cell of each bin.
        nominal: (n_cells,), yields before any modifier.
        factors: (n_cells, n_deep), which of all factors multiply each cell, filled up with the one that is 1.
        shifts: the functions that add, kind by kind.
        functions: the functions that multiply, kind by kind.
    """

    derivatives = "analytic"

    def __init__(self, model: Any) -> None:
        self.n_parameters, self.n_bins = int(model.config.npars), int(model.config.nmaindata)
        cells = _Bins(model)
        order = np.argsort(cells.bins, kind="stable")
        self.bins: IntArray = np.array(cells.bins, np.int64)[order]
        self.first = np.searchsorted(self.bins, np.arange(self.n_bins))
        self.nominal = np.array(cells.nominal, np.float64)[order]
        self.shifts = cells.shift_groups(np.argsort(order))
        self.functions = cells.factor_groups()
        self.is_one_sided = any(group.function.is_one_sided for group in [*self.shifts, *self.functions])
        self.n_functions = len(cells.functions)
        n_deep = max(1, *map(len, cells.factors))
        one = self.n_parameters + self.n_functions
        self.factors: IntArray = np.array([it + [one] * (n_deep - len(it)) for it in cells.factors], np.int64)[order]
        self.scattered = (self.factors * self.n_bins + self.bins[:, None]).ravel()

    def expected(self, points: FloatArray) -> FloatArray:
        """(..., n_bins), at (..., n_parameters)."""
        factors = self._all_factors(points)[..., self.factors]
        return np.asarray(np.add.reduceat(self._sums(points) * factors.prod(axis=-1), self.first, axis=-1), np.float64)

    def with_slopes(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Yields and derivatives.

        The derivative by a factor is the cell's yield without that factor, which stays right where the factor is 0.
        Those by functions are multiplied by the function's slope (chain rule) and added to the parameter's own.
        """
        factors = self._all_factors(parameters)[self.factors]
        sums, product = self._sums(parameters), factors.prod(axis=1)
        parts = (sums[:, None] * _products_of_others(factors)).ravel()
        n_factors = self.n_parameters + self.n_functions + 1
        added = np.bincount(self.scattered, parts, minlength=n_factors * self.n_bins)
        by_factor: FloatArray = added.reshape(n_factors, self.n_bins).astype(np.float64, copy=False)
        slopes = by_factor[: self.n_parameters]
        for its, at, function in self.functions:
            by_function = by_factor[self.n_parameters + its]
            np.add.at(slopes, at, function.slopes(parameters[at])[:, None] * by_function)
        for _, at, function in self.shifts:
            slopes[at] += np.add.reduceat(function.slopes(parameters[at]) * product, self.first, axis=1)
        return np.add.reduceat(sums * product, self.first), slopes

    def _sums(self, points: FloatArray) -> FloatArray:
        """(..., n_cells), nominal yields and shifts."""
        return sum((function.values(points[..., at]) for _, at, function in self.shifts), self.nominal)

    def _all_factors(self, points: FloatArray) -> FloatArray:
        """(..., n_parameters + n_functions + 1), all that a cell can be multiplied with: the last one is 1."""
        found = np.ones((*points.shape[:-1], self.n_parameters + self.n_functions + 1))
        found[..., : self.n_parameters] = points
        for its, at, function in self.functions:
            found[..., self.n_parameters + its] = function.values(points[..., at])
        return found


class _Group(NamedTuple):
    """Functions of one kind of modifier.

    Attributes:
        its: which of all functions they are.
        at: the parameter of each.
        function: all of them.
    """

    its: IntArray
    at: IntArray
    function: Function


class _Bins:
    """A model's cells, channel by channel and sample by sample, as lists.

    Attributes:
        bins: of each cell, its bin among all.
        nominal: of each cell, its yield.
        factors: of each cell, which of all factors multiply it: parameters first, then functions.
        functions: the parameter and the modifier of each function.
        added: what is added to the cells, by the kind of modifier.
    """

    def __init__(self, model: Any) -> None:
        self.bins: list[int] = []
        self.nominal: list[float] = []
        self.factors: list[list[int]] = []
        self.functions: list[tuple[int, Scaling]] = []
        self.added: dict[type[Shifting], list[tuple[int, slice, Shifting]]] = {}
        self._n_parameters = int(model.config.npars)
        offsets = _offsets(model)
        for channel, sample in samples_of(_channels(model)):
            place = model.config.channel_slices[channel]
            here = slice(len(self.bins), len(self.bins) + len(sample["data"]))
            self.bins += range(place.start, place.stop)
            self.nominal += sample["data"]
            self.factors += [[] for _ in sample["data"]]
            for spec in sample["modifiers"]:
                start = int(model.config.par_slice(spec["name"]).start) + offsets.get((spec["name"], channel), 0)
                modifier_of(spec, np.array(sample["data"], np.float64)).enter(self, here, start)

    def multiply(self, here: slice, parameters: Sequence[int]) -> None:
        """Multiply each cell by its parameter."""
        for factors, parameter in zip(self.factors[here], parameters, strict=True):
            factors.append(parameter)

    def multiply_by(self, here: slice, parameter: int, modifier: Scaling) -> None:
        """Multiply all cells by a function of one parameter; equal functions are evaluated once."""
        if (parameter, modifier) not in self.functions:
            self.functions.append((parameter, modifier))
        function = self._n_parameters + self.functions.index((parameter, modifier))
        self.multiply(here, [function] * (here.stop - here.start))

    def add(self, here: slice, parameter: int, modifier: Shifting) -> None:
        """Add a function of one parameter to the cells."""
        self.added.setdefault(type(modifier), []).append((parameter, here, modifier))

    def factor_groups(self) -> list[_Group]:
        """The functions that multiply, kind by kind."""
        groups = []
        for kind in dict.fromkeys(type(modifier) for _, modifier in self.functions):
            its = [i for i, (_, modifier) in enumerate(self.functions) if type(modifier) is kind]
            at = [self.functions[i][0] for i in its]
            function = kind.factors([self.functions[i][1] for i in its])
            groups.append(_Group(np.array(its, np.int64), np.array(at, np.int64), function))
        return groups

    def shift_groups(self, positions: IntArray) -> list[_Group]:
        """The functions that add, kind by kind.

        Args:
            positions: where each cell ends up.
        """
        groups = []
        for kind, added in self.added.items():
            at = sorted({parameter for parameter, *_ in added})
            terms = [
                Term(at.index(parameter), positions[here], modifier, np.array(self.nominal[here], np.float64))
                for parameter, here, modifier in added
            ]
            rows = np.array(at, np.int64)
            groups.append(_Group(np.arange(len(rows)), rows, kind.shifts(terms, len(positions))))
        return groups


def _offsets(model: Any) -> dict[tuple[str, str], int]:
    """Where parameters that span channels begin in each, behind those of the channels before."""
    offsets: dict[tuple[str, str], int] = {}
    used: dict[str, int] = {}
    for channel, sample, modifier in modifiers_of(_channels(model)):
        name = modifier["name"]
        if MODIFIERS[modifier["type"]].spans_channels and (name, channel) not in offsets:
            offsets[name, channel] = used.get(name, 0)
            used[name] = used.get(name, 0) + len(sample["data"])
    return offsets


def _channels(model: Any) -> list[dict[str, Any]]:
    """The channels in pyhf's order."""
    return sorted(model.spec["channels"], key=lambda channel: model.config.channels.index(channel["name"]))


def samples_of(channels: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each channel's name and each of its samples, in the JSON of pyhf."""
    for channel in channels:
        for sample in channel["samples"]:
            yield channel["name"], sample


def modifiers_of(channels: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each channel's name, each of its samples, and each modifier of that."""
    for channel, sample in samples_of(channels):
        for modifier in sample["modifiers"]:
            yield channel, sample, modifier


def _products_of_others(factors: FloatArray) -> FloatArray:
    """(n_cells, n_factors), the product of all factors of a cell but one, which may be 0."""
    before, after = np.ones_like(factors), np.ones_like(factors)
    for i in range(1, factors.shape[1]):
        before[:, i] = before[:, i - 1] * factors[:, i - 1]
        after[:, -1 - i] = after[:, -i] * factors[:, -i]
    return before * after
