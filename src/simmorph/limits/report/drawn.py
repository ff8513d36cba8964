"""How each finding beside a limit is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simmorph.limits.report.breakdown_plots import draw_breakdown
from simmorph.limits.report.correlation_plots import draw_correlations
from simmorph.limits.report.injection_plots import draw_injections, draw_interval
from simmorph.limits.report.profile_plots import draw_profiles
from simmorph.limits.review.breakdown import Breakdown
from simmorph.limits.review.correlations import FitCorrelations
from simmorph.limits.review.feldman_cousins import UnifiedInterval
from simmorph.limits.review.injections import Injections
from simmorph.limits.review.profiles import Profiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from simmorph.evaluation.plots.style import Heading

DRAWN: dict[type, Callable[[Any, Heading], Figure]] = {
    Breakdown: draw_breakdown,
    FitCorrelations: draw_correlations,
    Profiles: draw_profiles,
    Injections: draw_injections,
    UnifiedInterval: draw_interval,
}
"""A function of each kind of finding and the heading."""
