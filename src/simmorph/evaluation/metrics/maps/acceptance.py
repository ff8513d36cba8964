"""Whether a map respects the acceptance: how many events pass a cut before and after it, and how many change sides.

A detector has holes and thresholds that a learnt map does not know of: it may move events into a crack, or below the
cut that selected them. Both are seen here and hardly by a distance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simmorph.evaluation.metrics.moments import mean_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.data.estimates import Estimate
    from simmorph.evaluation.metrics.samples import Samples


class Acceptance(NamedTuple):
    """One cut.

    Attributes:
        cut: its expression.
        is_automatic: whether it was read off the target, because the recipe names none.
        passing: the weighted fraction of each sample that passes: source (if there is one), template, target.
        leaving: the fraction of all source events that pass and do not after the map; None without a source.
        entering: the fraction of all source events that do not pass and do after the map.
    """

    cut: str
    is_automatic: bool
    passing: Mapping[str, Estimate]
    leaving: Estimate | None
    entering: Estimate | None

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return {
            "cut": self.cut,
            "automatic": self.is_automatic,
            "passing": {name: found.to_json() for name, found in self.passing.items()},
            "leaving": self.leaving and self.leaving.to_json(),
            "entering": self.entering and self.entering.to_json(),
        }


def acceptance(samples: Samples) -> dict[str, Acceptance]:
    """What each cut of the samples does.

    An automatic cut is the target's own range, or what lies outside its gaps: all of the target passes, and of a
    template that agrees and has n events to the target's m, a share of 2 / m or so lies beyond the range by chance.

    Returns:
        By the name of the cut; `leaving` and `entering` are None where the cut was not taken of source and moved
            events.
    """
    found = {}
    for name, cut in samples.cuts.items():
        passing = {sample: mean_of(cut.passing[sample], events.weights) for sample, events in samples.by_name().items()}
        before, after = cut.passing.get("source"), cut.passing.get("moved")
        leaving = entering = None
        if before is not None and after is not None:
            leaving, entering = (
                mean_of(changed, samples.source.weights) for changed in (before & ~after, ~before & after)
            )
        found[name] = Acceptance(cut.expression, cut.is_automatic, passing, leaving, entering)
    return found
