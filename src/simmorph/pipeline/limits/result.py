"""What `simmorph limits` found, as JSON and as a table for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from simmorph.limits.fits.impacts import shown_of
from simmorph.limits.fits.inference import ExcessSignificance
from simmorph.limits.model.likelihood import FitTally
from simmorph.limits.model.workspace import AS_PYHF, NOT_CLIPPED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.config.values.interpolation import Clip, Interpolation
    from simmorph.data.quality.outside import Outside
    from simmorph.limits.fits.goodness import GoodnessOfFit
    from simmorph.limits.fits.impacts import Impact
    from simmorph.limits.fits.inference import Limits
    from simmorph.limits.fits.strength import FittedStrength
    from simmorph.limits.review.findings import Finding
    from simmorph.limits.templates.correction import Correction
    from simmorph.pipeline.limits.toy_limits import ToyLimits

NO_SIGNIFICANCE = ExcessSignificance(0.0, 0.0)


@dataclass(frozen=True)
class Fitting:
    """How the fits were made.

    Attributes:
        engine: one of ENGINES.
        tally: how many, how many found no valid minimum, and how long they took.
    """

    engine: str = "newton"
    tally: FitTally = field(default_factory=FitTally)


class SidebandQuality(NamedTuple):
    """How well the curve describes the sidebands, and what is above it between them.

    A chi2 far above the degrees of freedom says that the polynomial's order is too low for the data. The excess is that
    of events, before any fit of a signal.
    """

    chi2: float
    """Of the sideband bins."""
    n_degrees: int
    """Degrees of freedom."""
    excess: float
    """Data less curve, summed over the window."""


class ClosureTest(NamedTuple):
    """What the fit finds in expected data whose background is the closure events: an injection test.

    A spurious strength that is small beside its uncertainty, and 1 where 1 is injected, say that what is wrong with the
    template does not look like the signal.

    Attributes:
        spurious: the fitted strength without a signal in these data.
        injected: the fitted strength with a signal of strength 1.
        uncertainty: of the fitted strength without a signal; None at an edge, or where it is not determined.
    """

    spurious: float
    injected: float
    uncertainty: float | None

    def to_json(self) -> dict[str, float | None]:
        """The numbers by name, and the spurious signal in units of the uncertainty."""
        return {**self._asdict(), "spurious_over_uncertainty": self._ratio()}

    def _ratio(self) -> float | None:
        """The spurious signal in units of its uncertainty; None where there is none."""
        return None if self.uncertainty is None else self.spurious / self.uncertainty

    def rows(self, name: str) -> list[tuple[str, str]]:
        """The numbers for people."""
        ratio = self._ratio()
        of_it = "without an uncertainty" if ratio is None else f"{ratio:+.2f} of its uncertainty"
        return [
            (f"spurious {name} in closure events", f"{self.spurious:+.4g}, {of_it}"),
            (f"fitted {name} where 1 is injected", f"{self.injected:.4g}"),
        ]


@dataclass(frozen=True)
class LimitsResult:
    """What `simmorph limits` found.

    Attributes:
        limits: observed and expected.
        strength: the fitted parameter of interest.
        cls_at_1: CLs where the parameter is 1; below 0.05 the nominal signal is excluded at 95 %; None where
            pseudo-experiments do not reach so far.
        workspace: the workspace's file, if there is one.
        measurement: which of its measurements.
        asimov: the strength of the signal in the data, where these are not observed but expected ones.
        sidebands: quality of the fit to the sidebands of each channel, if there was one; a single one has no name.
        fitting: which engine made the fits, how many, and how long they took.
        significance: of the signal.
        impacts: of each nuisance parameter, if they were asked for.
        closure: what the fit makes of events that the background's method has not seen, if there are any.
        corrections: what simulated events said of each template that a method made.
        interpolation: how the sides of its modifiers are joined.
        clip: the least that is expected.
        uncertainties: how each named uncertainty of a recipe acts.
        outside: events that are in no bin, by channel and sample; a single channel has no name.
        warnings: what a reader of the limits should know.
        findings: what else was asked for.
        goodness: of the fit to observed data.
        toys: what pseudo-experiments say, if there are some.
        stopped: what stopped these before their end: Ctrl-C, SIGTERM, or the time limit.
    """

    limits: Limits
    strength: FittedStrength
    cls_at_1: float | None
    workspace: str | None
    measurement: str
    asimov: float | None = None
    sidebands: Mapping[str, SidebandQuality] = field(default_factory=dict)
    fitting: Fitting = field(default_factory=Fitting)
    significance: ExcessSignificance = NO_SIGNIFICANCE
    impacts: tuple[Impact, ...] = ()
    closure: ClosureTest | None = None
    corrections: Mapping[str, Correction] = field(default_factory=dict)
    interpolation: Interpolation = AS_PYHF
    clip: Clip = NOT_CLIPPED
    uncertainties: dict[str, str] = field(default_factory=dict)
    outside: Mapping[str, Mapping[str, Outside]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    goodness: GoodnessOfFit | None = None
    toys: ToyLimits | None = None
    stopped: BaseException | None = None

    @property
    def is_asimov(self) -> bool:
        """Whether the data are not observed but expected ones."""
        return self.asimov is not None

    def to_json(self) -> dict[str, Any]:
        """The numbers, ready for `json.dumps`."""
        return {
            "parameter": self.limits.parameter,
            "cl": self.limits.level,
            "observed": self.limits.observed,
            "expected": list(self.limits.expected),
            **self.strength.to_json(),
            "cls_at_1": self.cls_at_1,
            "significance": self.significance.observed,
            "significance_expected": self.significance.expected,
            **({} if self.goodness is None or self.is_asimov else {"goodness_of_fit": self.goodness.to_json()}),
            **({} if self.toys is None else {"toys": self.toys.to_json() | {"complete": self.stopped is None}}),
            "calculator": "asymptotics" if self.toys is None else "toys",
            "engine": self.fitting.engine,
            "fit_seconds": round(self.fitting.tally.seconds, 4),
            "minima": self.fitting.tally.to_json(),
            "data": "asimov" if self.is_asimov else "observed",
            **({"asimov": self.asimov} if self.is_asimov else {}),
            "workspace": self.workspace,
            "measurement": self.measurement,
            **({} if self.clip == NOT_CLIPPED else {"clip": self.clip.model_dump()}),
            **({"interpolation": self.interpolation.model_dump()} if self.interpolation != AS_PYHF else {}),
            **({"sidebands": self._sidebands()} if self.sidebands else {}),
            **({"uncertainties": self.uncertainties} if self.uncertainties else {}),
            **({"closure": self.closure.to_json()} if self.closure else {}),
            **(
                {"corrections": {name: it.to_json() for name, it in self.corrections.items()}}
                if self.corrections
                else {}
            ),
            **({"impacts": [impact._asdict() for impact in self.impacts]} if self.impacts else {}),
            **{finding.name: finding.to_json() for finding in self.findings},
            **({"outside": self._outside()} if self.outside else {}),
            **({"warnings": list(self.warnings)} if self.warnings else {}),
        }

    def _cls_text(self) -> str:
        """CLs at 1 for people, with its error where that is known."""
        if self.toys is not None and not self.toys.is_exact:
            return "beyond the toys" if self.toys.at_1 is None else self.toys.at_1.cls.to_text()
        return "beyond the sum" if self.cls_at_1 is None else f"{self.cls_at_1:.4g}"

    def _outside(self) -> dict[str, Any]:
        """Events in no bin by channel, or those of the only one."""
        found = {name: {it: left.to_json() for it, left in its.items()} for name, its in self.outside.items()}
        return found.get("", found)

    def _sidebands(self) -> dict[str, Any]:
        """The quality by channel, or that of the single one."""
        found = {name: quality._asdict() for name, quality in self.sidebands.items()}
        return found.get("", found)

    def _head(self) -> list[tuple[str, str]]:
        """Limits, strength, significance and goodness of fit for people."""
        name = self.limits.parameter
        kind = "Asimov" if self.is_asimov else "observed"
        values = [f"{it:.5g}" for it in (self.limits.observed, *self.limits.expected)]
        observed, *expected = values if self.toys is None else self.toys.limit_texts()
        rows = [
            (f"{kind} {100 * self.limits.level:g} % CL upper limit on {name}", observed),
            ("expected (median)", expected[2]),
            ("expected, 68 % of experiments", f"{expected[1]} to {expected[3]}"),
            ("expected, 95 % of experiments", f"{expected[0]} to {expected[4]}"),
            (f"fitted {name}", self.strength.to_text()),
            (f"CLs at {name} = 1", self._cls_text()),
            (f"significance (expected at {name} = 1)", self.significance.to_text()),
        ]
        rows += [] if self.toys is None else self.toys.rows()
        if self.goodness is not None and not self.is_asimov:
            rows.append(("goodness of fit, chi2 / degrees", self.goodness.to_text()))
        return rows

    def to_text(self) -> str:
        """A table for people."""
        name, rows = self.limits.parameter, self._head()
        if self.fitting.tally.invalid:
            tally = self.fitting.tally
            rows.append(("fits without a valid minimum", f"{tally.invalid} of {tally.fits}: try --engine pyhf"))
        for channel, quality in self.sidebands.items():
            where = f" of {channel}" if channel else ""
            rows.append((f"sidebands{where}, chi2 / degrees", f"{quality.chi2:.1f} / {quality.n_degrees}"))
            rows.append((f"data above the curve in the window{where}", f"{quality.excess:.1f}"))
        if self.closure is not None:
            rows += self.closure.rows(name)
        rows += [row for background, it in self.corrections.items() for row in it.rows(background, name)]
        rows += [(f"uncertainty {what}", how) for what, how in self.uncertainties.items()]
        rows += [(f"impact of {it.parameter}", it.to_text()) for it in shown_of(self.impacts)]
        rows += [row for finding in self.findings for row in finding.rows()]
        rows += [("stopped before the end", "there are fewer toys than were asked for")] if self.stopped else []
        width = max(len(label) for label, _ in rows)
        return "\n".join(f"{label:<{width}}  {value}" for label, value in rows)
