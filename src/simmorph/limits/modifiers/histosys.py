"""A correlated variation of the bins."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import field_validator, model_validator

from simmorph.config.documents import Name, Section
from simmorph.limits.modifiers.base import Shifting, Systematic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from simmorph.data.events import BoolArray, FloatArray
    from simmorph.data.histograms import Histogram
    from simmorph.limits.modifiers.base import Nominal, Term

VARIED = ("weight", "observable", "input", "histogram", "region", "tree", "variation")
"""What can differ in a sample one standard deviation up or down."""


class Sides(Section):
    """What differs in the sample one standard deviation up and down."""

    variation: Name | None = None
    """Variations of the selection, `scale_up` and `scale_down` for `scale`, in place of `up` and `down`."""
    up: dict[str, Name]
    """Other weight, observable, region, tree, input or histogram; or another variation of the selection."""
    down: dict[str, Name]
    """The same for down."""
    smooth: Literal["353qh"] | None = None
    """Smooth the ratios to the nominal template as ROOT's `TH1::Smooth` does; the sum stays."""
    normalise: bool = False
    """Give both sides the sum of the nominal template, so that the shape alone varies."""

    @model_validator(mode="before")
    @classmethod
    def _name_both_sides(cls, content: Any) -> Any:
        if not isinstance(content, dict) or not isinstance(content.get("variation"), str):
            return content
        if {"up", "down"} & content.keys():
            raise ValueError("give either variation, or up and down")
        return content | {side: {"variation": f"{content['variation']}_{side}"} for side in ("up", "down")}

    @field_validator("up", "down")
    @classmethod
    def _differ_in_what_can(cls, side: dict[str, Name]) -> dict[str, Name]:
        """Refuse a side in which nothing differs, or a key that is not in VARIED."""
        if not side:
            raise ValueError("nothing differs")
        if stray := sorted(set(side) - set(VARIED)):
            raise ValueError(f"{stray[0]!r} cannot differ, only {', '.join(sorted(VARIED))}")
        return side


@dataclass(frozen=True, eq=False)
class HistoSys(Systematic, Shifting):
    """Moves all bins together, with a parameter that a normal distribution constrains.

    Attributes:
        up: (n_bins,), yields one standard deviation up.
        down: (n_bins,), yields one standard deviation down.
    """

    kind: ClassVar[str] = "histosys"
    words: ClassVar[str] = "moves the bins together (histosys)"
    Options: ClassVar[type[Section]] = Sides

    up: FloatArray
    down: FloatArray

    @classmethod
    def of_recipe(cls, name: str, options: Any, nominal: Nominal) -> Self:
        """To what other samples or weights give."""
        return cls(name, nominal.varied(options.up), nominal.varied(options.down))

    @classmethod
    def of_shift(cls, name: str, nominal: Histogram, shift: FloatArray) -> Self:
        """By a shift, (n_bins,), to both sides."""
        return cls(name, nominal.values + shift, nominal.values - shift)

    @classmethod
    def described(cls, options: Section) -> str:
        """How it acts, and what is done to it."""
        words = [super().described(options)]
        if isinstance(options, Sides):
            words += ["smoothed by 353QH"] * (options.smooth is not None)
            words += ["normalised to the nominal template"] * options.normalise
        return ", ".join(words)

    @classmethod
    def inputs(cls, options: Any) -> list[str]:
        """The files of varied samples."""
        return [side["input"] for side in (options.up, options.down) if "input" in side]

    @classmethod
    def of_pyhf(cls, name: str, data: Any, nominal: FloatArray) -> HistoSys:  # noqa: ARG003
        """From `hi_data` and `lo_data`."""
        return cls(name, np.array(data["hi_data"], np.float64), np.array(data["lo_data"], np.float64))

    @classmethod
    def numbers(cls, data: Any) -> Iterator[tuple[list[float], float]]:
        """Both sides, which may be negative on their own: what counts is the yield that the fit ends at."""
        yield from ((side, -math.inf) for side in data.values())

    def data(self, nominal: FloatArray) -> dict[str, list[float]]:  # noqa: ARG002
        """Both sides."""
        return {"hi_data": self.up.tolist(), "lo_data": self.down.tolist()}

    def part(self, bins: BoolArray) -> Self:
        """Both sides in these bins."""
        return replace(self, up=self.up[bins], down=self.down[bins])

    def scaled(self, factor: float) -> Self:
        """Both sides times the factor."""
        return replace(self, up=self.up * factor, down=self.down * factor)

    def moved(self, before: Histogram, after: Histogram) -> Self:
        """Both sides shifted along."""
        shift = after.values - before.values
        return replace(self, up=self.up + shift, down=self.down + shift)

    def normalised(self, nominal: FloatArray, bins: BoolArray) -> Self:
        """Both sides with the nominal yield in these bins."""
        yields = nominal[bins].sum()
        up, down = (it * (yields / it[bins].sum()) if it[bins].sum() > 0 else it for it in (self.up, self.down))
        return replace(self, up=up, down=down)

    @classmethod
    def shifts(cls, terms: Sequence[Term], n_cells: int, code: str | None) -> Shifts:
        """The shifts of several."""
        sides = np.zeros((1 + max((term.row for term in terms), default=-1), 2, n_cells))
        for row, cells, modifier, nominal in terms:
            sides[row, :, cells] += np.stack([modifier.up - nominal, nominal - modifier.down], axis=1)
        return Shifts(sides, code or "code4p")


class Shifts:
    """What is added to the cells: a straight line, and a bending times the difference of both sides.

    With u and d the shifts up and down, d with the other sign, and code 4p:
    x (u + d) / 2 + (u - d) / 16 (15 x^2 - 10 x^4 + 3 x^6) for |x| <= 1, which meets x u and x d at 1 and -1 with equal
    slope and curvature.

    Args:
        sides: (n, 2, n_cells), the shift up, and down with the other sign.
        code: how the bending joins both sides, one of BENDINGS.
    """

    def __init__(self, sides: FloatArray, code: str = "code4p") -> None:
        self.straight, self.bent = (sides[:, 0] + sides[:, 1]) / 2, (sides[:, 0] - sides[:, 1]) / 2
        self.bending = BENDINGS[code]
        self.has_kink = self.bending is BENDINGS["code0"]

    def values(self, at: FloatArray) -> FloatArray:
        """(..., n_cells), at (..., n)."""
        return np.asarray(at @ self.straight + self.bending(at, 0) @ self.bent, np.float64)

    def slopes(self, at: FloatArray) -> FloatArray:
        """(..., n, n_cells), at (..., n)."""
        return np.asarray(self.straight + self.bending(at, 1)[..., None] * self.bent, np.float64)

    def curvatures(self, at: FloatArray) -> FloatArray:
        """(..., n, n_cells), at (..., n)."""
        return np.asarray(self.bending(at, 2)[..., None] * self.bent, np.float64)


def _kinked(at: FloatArray, order: int) -> FloatArray:
    """The size of the parameter: straight lines that meet at 0."""
    return (np.abs(at), np.sign(at), np.zeros_like(at))[order]


def _smooth(at: FloatArray, order: int) -> FloatArray:
    """A polynomial inside of one standard deviation, straight lines outside, without a jump of the curvature."""
    square = at**2
    if order == 0:
        return np.where(square > 1, np.abs(at), square * (15 + square * (3 * square - 10)) / 8)
    if order == 1:
        return np.where(square > 1, np.sign(at), at * (30 + square * (18 * square - 40)) / 8)
    return np.where(square > 1, 0.0, (30 + square * (90 * square - 120)) / 8)


BENDINGS: dict[str, Callable[[FloatArray, int], FloatArray]] = {
    "code0": _kinked,
    "code4p": _smooth,
}
"""The continuous interpolations of pyhf: each a function of the parameter, and its derivatives."""
