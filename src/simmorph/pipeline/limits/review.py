"""What the options of `simmorph limits` ask for beside the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simmorph.limits.review.breakdown import breakdown
from simmorph.limits.review.injections import injections
from simmorph.limits.review.profiles import profiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simmorph.limits.model.likelihood import Data
    from simmorph.limits.review.findings import Finding
    from simmorph.pipeline.limits.infer import Inference, LimitsOptions

    Truth = Callable[[float], Data]


def findings_of(found: Inference, options: LimitsOptions, closure: Truth | None = None) -> Iterator[Finding]:
    """Each finding that the options ask for.

    Args:
        found: the limits.
        options: what is asked for.
        closure: expected data whose background is what the model is tested against, if there is any.

    Raises:
        InputError: the model has no such parameter, or a fit has no finite minimum.
    """
    likelihood, data, strength = found.ready.likelihood, found.ready.data, found.strength
    if options.impacts or options.groups:
        yield breakdown(likelihood, data, strength, options.groups)
    if options.profile:
        yield profiles(likelihood, data, strength, options.profile)
    if options.inject:
        expected, origin = (closure, "closure events") if closure else (_expected(found), "as the model expects it")
        yield injections(likelihood, expected, options.inject, options.level, origin)
    if found.unified is not None:
        yield found.unified


def _expected(found: Inference) -> Truth:
    """The data that the model expects at a strength, with all other parameters as fitted without a signal."""
    likelihood, without = found.ready.likelihood, found.test.background_only.parameters
    return lambda strength: likelihood.expected(likelihood.at(strength, without))
