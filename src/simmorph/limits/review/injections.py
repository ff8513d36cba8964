"""Injection tests: what is found where a signal of known strength is put in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from simmorph.limits.fits.inference import AsymptoticCls, upper_limits
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.review.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from simmorph.limits.model.likelihood import Data, Likelihood


class Injection(NamedTuple):
    """What is found in expected data with a signal.

    Attributes:
        injected: its strength.
        fitted: the strength that is found.
        uncertainty: of it, from the curvature; None at an edge, or where it is not determined.
        pull: fitted less injected strength in units of the uncertainty; 0 is right.
        limit: the upper limit.
    """

    injected: float
    fitted: float
    uncertainty: float | None
    pull: float | None
    limit: float

    def to_text(self) -> str:
        """The numbers for people."""
        size = "" if self.uncertainty is None else f" +- {self.uncertainty:.3g}"
        pull = "" if self.pull is None else f", pull {round(self.pull, 3) + 0.0:+.3f}"
        return f"{round(self.fitted, 5) + 0.0:.4g}{size}{pull}, limit {self.limit:.4g}"


@dataclass(frozen=True)
class Injections(Finding):
    """The table of an injection test.

    Attributes:
        parameter: of interest.
        origin: what the background in these data is.
        tests: one for each strength.
    """

    name: ClassVar[str] = "injection"

    parameter: str
    origin: str
    tests: tuple[Injection, ...]

    def to_json(self) -> dict[str, Any]:
        """All tests."""
        return {"background": self.origin, "tests": [it._asdict() for it in self.tests]}

    def table(self) -> tuple[Sequence[str], Iterable[Iterable[float | str | None]]]:
        """A row for each strength."""
        return Injection._fields, self.tests

    def rows(self) -> list[tuple[str, str]]:
        """A row for each strength."""
        return [(f"{self.parameter} where {it.injected:g} is injected", it.to_text()) for it in self.tests]


def injections(
    likelihood: Likelihood, expected: Callable[[float], Data], strengths: Sequence[float], level: float, origin: str
) -> Injections:
    """Fit and limit of expected data with each strength of the signal.

    Where the model itself says what is expected, the fit gives the strength back, and the test is one of the fit; with
    a background that the model does not know it is one of the model.

    Args:
        likelihood: of the model.
        expected: the data at a strength.
        strengths: that are injected.
        level: the confidence level of the limits.
        origin: what the background is, in words.

    Raises:
        InputError: a fit has no finite minimum.
        NoLimitError: nothing can be excluded.
    """
    tests = tuple(_test(likelihood, expected(strength), strength, level) for strength in strengths)
    return Injections(str(likelihood.model.config.poi_name), origin, tests)


def _test(likelihood: Likelihood, data: Data, strength: float, level: float) -> Injection:
    found = fitted_strength(likelihood, data, sides=False)
    pull = None if found.curvature is None else (found.value - strength) / found.curvature
    limit = upper_limits(AsymptoticCls(likelihood, data), level).observed
    return Injection(strength, found.value, found.curvature, pull, limit)
