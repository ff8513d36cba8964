"""Limits of a measurement that is ready, and how they are asked for."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from simmorph.errors import UsageError
from simmorph.limits.fits import inference
from simmorph.limits.fits.cautions import cautions
from simmorph.limits.fits.goodness import GoodnessOfFit, goodness_of_fit
from simmorph.limits.fits.strength import FittedStrength, fitted_strength
from simmorph.limits.model.engines import ENGINES
from simmorph.limits.model.workspace import NOT_CLIPPED
from simmorph.limits.review.breakdown import members
from simmorph.limits.review.correlations import FitCorrelations, fit_correlations
from simmorph.limits.review.profiles import places_of
from simmorph.pipeline.limits.impacts import impacts_by
from simmorph.pipeline.limits.result import Fitting
from simmorph.pipeline.limits.toy_limits import ToyLimits, toy_limits, with_toys
from simmorph.pipeline.limits.toys import ToyOptions, Workshop
from simmorph.pipeline.limits.unified import feldman_cousins
from simmorph.pipeline.partial import FinishedParts
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from simmorph.config.values.interpolation import Clip, Interpolation
    from simmorph.limits.fits.impacts import Impact
    from simmorph.limits.model.workspace import Measurement
    from simmorph.limits.report.plots import Scan
    from simmorph.limits.review.feldman_cousins import UnifiedInterval
    from simmorph.limits.toys.cls import ToyCls
    from simmorph.progress import Progress


class LimitsOptions(NamedTuple):
    """How limits are found and written."""

    level: float = 0.95
    """Confidence level."""
    output: Path | None = None
    """Folder for workspace, numbers and plots."""
    force: bool = False
    """Replace the folder if it exists."""
    progress: Progress = silent
    """Called with what is being done."""
    engine: str = "newton"
    """How minima are found: one of ENGINES."""
    impacts: bool = False
    """Fit twice more for each nuisance parameter, for its effect on the fitted strength."""
    groups: Mapping[str, Sequence[str]] = MappingProxyType({})
    """Nuisance parameters whose share of the uncertainty is told, by the name of the group."""
    asimov: float | None = None
    """Take what is expected with this strength in place of the observed counts, which are not looked at."""
    hs3: Path | None = None
    """File that the model goes into as HS3."""
    interpolation: Interpolation | None = None
    """How the sides of the modifiers of a workspace are joined; as pyhf does it if None."""
    clip: Clip = NOT_CLIPPED
    """The least that is expected; only pyhf's engine clips."""
    profile: Sequence[str] = ()
    """One or two parameters whose profile likelihood is followed."""
    inject: Sequence[float] = ()
    """Strengths that are put into expected data, and found again."""
    interval: str | None = None
    """The kind of another interval."""
    parameter: str | None = None
    """Of interest; that of the workspace if None."""
    toys: ToyOptions = ToyOptions()
    """Whether and how pseudo-experiments are made."""
    jobs: int = 1
    """How many processes work at the same time."""

    @property
    def makes_toys(self) -> bool:
        """Whether there may be pseudo-experiments."""
        return self.toys.are_made or self.interval is not None

    def refuse_idle(self) -> None:
        """Refuse several processes where there is nothing to do side by side.

        Raises:
            UsageError: that is the case.
        """
        if self.jobs > 1 and not (self.makes_toys or self.impacts):
            mend = "give --calculator toys, --goodness-toys, --impacts or --patchset, or leave out --jobs"
            raise UsageError("--jobs", "nothing is done side by side", mend)


AS_USUAL = LimitsOptions()
"""95 % confidence level, and no output."""


class Inference(NamedTuple):
    """A measurement and what came of it.

    Attributes:
        ready: the measurement, with the likelihood of the chosen engine.
        test: CLs by the asymptotic formulae, with every fit so far.
        limits: observed and expected.
        strength: fitted.
        significance: of an excess.
        warnings: what a reader of the limits should know.
        goodness: of the fit.
        toys: what pseudo-experiments say, if there are some.
        unified: the interval of Feldman and Cousins, if it was asked for.
        done: those that are finished.
        stopped: what stopped them before their end.
    """

    ready: Measurement
    test: inference.AsymptoticCls
    limits: inference.Limits
    strength: FittedStrength
    significance: inference.ExcessSignificance
    warnings: tuple[str, ...]
    goodness: GoodnessOfFit
    toys: ToyLimits | None
    unified: UnifiedInterval | None
    done: FinishedParts
    stopped: BaseException | None

    @property
    def cls(self) -> inference.AsymptoticCls | ToyCls:
        """CLs by the calculator that was chosen."""
        return self.test if self.toys is None else self.toys.cls

    @property
    def cls_at_1(self) -> float | None:
        """CLs at a strength of 1; None where the pseudo-experiments do not reach so far."""
        return None if self.toys is not None and self.toys.cls.highest < 1 else self.cls.cls(1.0)

    @property
    def fitting(self) -> Fitting:
        """How the fits were made."""
        likelihood = self.ready.likelihood
        return Fitting(likelihood.engine, likelihood.tally)

    def scan(self) -> Scan:
        """CLs against the parameter of interest."""
        from simmorph.limits.report.plots import N_BY_TOYS, scan_of

        return scan_of(self.cls, self.limits, *(() if self.toys is None else (N_BY_TOYS,)))

    def correlations(self) -> FitCorrelations:
        """Of all parameters at the best fit."""
        return fit_correlations(self.ready.likelihood, self.ready.data, self.strength)


def infer(ready: Measurement, options: LimitsOptions) -> Inference:
    """Limits, strength, significance and goodness of fit, by the engine and the calculator that the options name.

    Raises:
        InputError: a fit has no finite minimum, or the options name a parameter that there is not.
        NoLimitError: nothing can be excluded.
    """
    given = ready.likelihood
    likelihood = ENGINES[options.engine](given.model, given.yields, given.name)
    ready = ready._replace(likelihood=likelihood)
    members(likelihood, options.groups)
    places_of(likelihood, options.profile)
    test = inference.AsymptoticCls(likelihood, ready.data)
    limits = inference.upper_limits(test, options.level, options.progress)
    strength = fitted_strength(likelihood, ready.data, near=test.best)
    significance = inference.discovery(test)
    goodness = goodness_of_fit(likelihood, ready.data, strength)
    workshop = _workshop(ready, options)
    toys = toy_limits(test, limits, strength, options.toys, workshop) if options.toys.is_wanted else None
    if options.toys.n_goodness:
        goodness = with_toys(goodness, strength, options.toys, workshop)
    unified = None
    if options.interval is not None and workshop.stopped is None:
        unified = feldman_cousins(test, strength, options.level, options.toys, workshop)
    limits, of_toys = (limits, ()) if toys is None else (toys.limits, toys.warnings())
    warnings = (*cautions(test, limits, strength, is_asymptotic=toys is None), *of_toys)
    for warning in warnings:
        options.progress(f"warning: {warning}")
    left = workshop.done, workshop.stopped
    return Inference(ready, test, limits, strength, significance, warnings, goodness, toys, unified, *left)


def _workshop(ready: Measurement, options: LimitsOptions) -> Workshop:
    """Where pseudo-experiments of this measurement are fitted."""
    model = ready.likelihood.model
    of_model = {"model": model.spec, "poi": model.config.poi_name, "codes": str(model.config.modifier_settings)}
    of_fits = {"data": [it.tolist() for it in ready.data], "level": options.level, "engine": options.engine}
    done = FinishedParts(options.output, {**of_model, **of_fits, **options.toys._asdict()})
    return Workshop(ready.likelihood, options.jobs, done, options.progress)


def impacts_of(found: Inference, options: LimitsOptions) -> tuple[Impact, ...]:
    """The impact of every nuisance parameter, if the options ask for them."""
    if not options.impacts:
        return ()
    return impacts_by(found.ready.likelihood, found.ready.data, found.strength, options.jobs)
