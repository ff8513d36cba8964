"""An uncertainty of the normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from simmorph.limits.modifiers.base import Scaling, Size, Systematic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simmorph.data.events import FloatArray
    from simmorph.limits.modifiers.base import Function, Nominal

SMALLEST = 1e-300
"""Least factor whose powers exist."""


@dataclass(frozen=True)
class NormSys(Systematic, Scaling):
    """Multiplies all bins by a power of `hi` or `lo`, with a parameter that a normal distribution constrains.

    Beyond one standard deviation the yield is exponential in the parameter, so that it keeps its sign, as with a
    log-normal distribution.

    Attributes:
        hi: the factor one standard deviation up.
        lo: the factor one standard deviation down.
    """

    kind: ClassVar[str] = "normsys"
    words: ClassVar[str] = "scales all bins together"
    Options: ClassVar[type[Size]] = Size

    hi: float
    lo: float

    @classmethod
    def of_recipe(cls, name: str, options: Size, nominal: Nominal) -> NormSys:  # noqa: ARG003
        """A symmetric one."""
        return cls.of_size(name, options.size)

    @classmethod
    def of_size(cls, name: str, size: float) -> NormSys:
        """A symmetric one of this relative size."""
        return cls(name, 1 + size, 1 - size)

    @classmethod
    def of_pyhf(cls, name: str, data: Any, nominal: FloatArray) -> NormSys:  # noqa: ARG003
        """From `hi` and `lo`."""
        return cls(name, float(data["hi"]), float(data["lo"]))

    @classmethod
    def numbers(cls, data: Any) -> Iterator[tuple[list[float], float]]:
        """Both factors."""
        yield from (([side], SMALLEST) for side in data.values())

    def data(self, nominal: FloatArray) -> dict[str, float]:  # noqa: ARG002
        """Both factors."""
        return {"hi": self.hi, "lo": self.lo}

    @classmethod
    def factors(cls, modifiers: Sequence[NormSys], code: str | None) -> Function:
        """The powers of several."""
        sides = np.array([[it.hi, it.lo] for it in modifiers], np.float64).reshape(-1, 2)
        return LogNormals(sides) if code == "combine" else Powers(sides, is_smooth=code != "code1")


class Powers:
    """Powers outside of one standard deviation, and a polynomial that joins them smoothly inside: interpolation 4.

    hi^x for x >= 1 and lo^(-x) for x <= -1; between them the polynomial of sixth order that is 1 at 0 and has value,
    slope and curvature of the powers at both ends.

    Args:
        sides: (n, 2), the factors up and down.
        is_smooth: whether the polynomial is there; without it the powers go on to a kink at 0: interpolation 1.
    """

    def __init__(self, sides: FloatArray, *, is_smooth: bool = True) -> None:
        with np.errstate(all="ignore"):
            self.logs = np.log(sides).T
        self.has_kink = not is_smooth
        self.reach = 1.0 if is_smooth else 0.0
        self.polynomials = [_polynomials(*self.logs)]
        for _ in range(2):
            last = self.polynomials[-1]
            self.polynomials.append(last[1:] * np.arange(1, len(last))[:, None])

    def values(self, at: FloatArray) -> FloatArray:
        """(..., n), at (..., n)."""
        return self._derivative(at, 0)

    def slopes(self, at: FloatArray) -> FloatArray:
        """(..., n), at (..., n)."""
        return self._derivative(at, 1)

    def curvatures(self, at: FloatArray) -> FloatArray:
        """(..., n), at (..., n)."""
        return self._derivative(at, 2)

    def _derivative(self, at: FloatArray, order: int) -> FloatArray:
        rate = np.where(at > 0, self.logs[0], -self.logs[1])
        with np.errstate(all="ignore"):
            outside = rate**order * np.exp(at * rate)
        return np.where(np.abs(at) < self.reach, _polynomial(self.polynomials[order], at), outside)


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


class LogNormals:
    """Powers whose logarithm is joined smoothly inside of half a standard deviation, as CMS Combine does it.

    exp(x r(x)) with the rate r = ln hi for x >= 1/2 and -ln lo for x <= -1/2; between them r is the mean of both and
    half of their difference times (15 y - 10 y^3 + 3 y^5) / 8, y = 2 x. With lo = 1 / hi this is hi^x everywhere.

    Source: `ProcessNormalization` of Combine, arXiv:2404.06614.

    Args:
        sides: (n, 2), the factors up and down.
    """

    has_kink = False

    def __init__(self, sides: FloatArray) -> None:
        with np.errstate(all="ignore"):
            up, down = np.log(sides).T * [[1.0], [-1.0]]
        self.mean, self.half = (up + down) / 2, (up - down) / 2

    def values(self, at: FloatArray) -> FloatArray:
        """(..., n), at (..., n)."""
        with np.errstate(all="ignore"):
            return np.exp(at * self._rate(at, 0))

    def slopes(self, at: FloatArray) -> FloatArray:
        """(n,), at (n,)."""
        return self.values(at) * self._exponent_slope(at)

    def curvatures(self, at: FloatArray) -> FloatArray:
        """(n,), at (n,)."""
        bend = 2 * self._rate(at, 1) + at * self._rate(at, 2)
        return self.values(at) * (self._exponent_slope(at) ** 2 + bend)

    def _exponent_slope(self, at: FloatArray) -> FloatArray:
        return self._rate(at, 0) + at * self._rate(at, 1)

    def _rate(self, at: FloatArray, order: int) -> FloatArray:
        """The rate, or a derivative of it."""
        y = np.clip(2 * at, -1, 1)
        if order == 0:
            rate = self.mean + self.half * y * (15 + y**2 * (3 * y**2 - 10)) / 8
        elif order == 1:
            rate = self.half * 15 * (1 - y**2) ** 2 / 4
        else:
            rate = self.half * 30 * y * (y**2 - 1)
        return np.asarray(rate, np.float64)
