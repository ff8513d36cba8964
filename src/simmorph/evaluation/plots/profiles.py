"""The mean of each variable against a condition, such as a mass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.evaluation.plots.style import NO_HEADING, SOURCE, TARGET, TEMPLATE, Heading, panels_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from simmorph.evaluation.metrics.profiles import Profile

MOST_PANELS = 9
"""The least likely profiles are drawn, and no more than these."""


def drawn_profiles(found: Sequence[Profile]) -> list[Profile]:
    """All profiles, or those whose templates differ most from the target if there are many."""
    if len(found) <= MOST_PANELS:
        return list(found)

    def chance(one: Profile) -> float:
        p_value = one.tests["template_vs_target"].p_value
        return p_value if np.isfinite(p_value) else 1.0

    chosen = sorted(found, key=chance)[:MOST_PANELS]
    return [one for one in found if one in chosen]


def plot_profiles(found: Sequence[Profile], labels: Mapping[str, str], head: Heading = NO_HEADING) -> Figure:
    """The mean of each variable in bins of one condition, for target, source and template.

    Args:
        found: profiles against the same condition.
        labels: of the axes, by variable.
        head: of the plot.
    """
    figure, panels = panels_of(len(found), (4.2, 3.4))
    for axes, one in zip(panels, found, strict=True):
        _draw(axes, one)
        axes.set_ylabel(f"mean {labels.get(one.variable, one.variable)}")
        axes.set_xlabel(labels.get(one.condition, one.condition))
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="upper right", ncols=3, borderaxespad=0.1)
    head.over_all(figure)
    return figure


def _draw(axes: Axes, one: Profile) -> None:
    """One profile: means of source, template and target with error bars, and the template's chi2 above."""
    drawn: dict[str, dict[str, Any]] = {
        "source": {"color": SOURCE, "fmt": "s", "markersize": 3.5, "markerfacecolor": "white"},
        "template": {"color": TEMPLATE, "fmt": "o", "markersize": 3.5},
        "target": {"color": TARGET, "fmt": "_", "markersize": 8},
    }
    # Side by side, so that no error bar hides another.
    known = one.centres[np.isfinite(one.centres)]
    step = 0.006 * float(np.ptp(known)) if len(known) else 0.0
    offsets = {"source": -step, "template": step, "target": 0.0}
    for sample, means in one.means.items():
        axes.errorbar(
            one.centres + offsets[sample], means.values, means.uncertainty, label=sample, linewidth=1.2, **drawn[sample]
        )
    test = one.tests["template_vs_target"]
    text = rf"template: $\chi^2$/ndf = {test.chi2:.1f}/{test.n_bins}, p = {test.p_value:.2g}"
    axes.set_title(text, fontsize=10, loc="right")
    axes.margins(y=0.15)


def profile_rows(found: Sequence[Profile]) -> list[dict[str, float | str]]:
    """The numbers behind the profiles, one row for each bin of each."""
    return [
        {
            "condition": one.condition,
            "variable": one.variable,
            "low": float(one.edges[place]),
            "high": float(one.edges[place + 1]),
            "centre": float(one.centres[place]),
            **{
                f"{sample}{suffix}": float(values[place])
                for sample, means in one.means.items()
                for suffix, values in (("", means.values), ("_uncertainty", means.uncertainty))
            },
        }
        for one in found
        for place in range(len(one.centres))
    ]


def conditions_of(found: Sequence[Profile]) -> dict[str, list[Profile]]:
    """Profiles by their condition."""
    by_condition: dict[str, list[Profile]] = {}
    for one in found:
        by_condition.setdefault(one.condition, []).append(one)
    return by_condition
