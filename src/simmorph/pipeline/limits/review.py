"""What the options of `simmorph limits` ask for beside the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simmorph.limits.review.breakdown import breakdown
from simmorph.limits.review.profiles import profiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simmorph.limits.review.findings import Finding
    from simmorph.pipeline.limits.infer import Inference, LimitsOptions


def findings_of(found: Inference, options: LimitsOptions) -> Iterator[Finding]:
    """Each finding that the options ask for.

    Raises:
        InputError: the model has no such parameter, or a fit has no finite minimum.
    """
    likelihood, data, strength = found.ready.likelihood, found.ready.data, found.strength
    if options.impacts or options.groups:
        yield breakdown(likelihood, data, strength, options.groups)
    if options.profile:
        yield profiles(likelihood, data, strength, options.profile)
