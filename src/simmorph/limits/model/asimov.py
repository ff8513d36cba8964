"""Expected data in place of the observed ones, so that nothing depends on what was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simmorph.limits.engine.cells import samples_of
from simmorph.limits.model.workspace import AS_PYHF, NOT_CLIPPED, check_signal, measurement_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.config.values.interpolation import Clip, Interpolation
    from simmorph.data.events import FloatArray
    from simmorph.limits.model.likelihood import Data, Likelihood
    from simmorph.limits.model.workspace import Measurement


def blinded(  # noqa: PLR0913, PLR0917 - what `measurement_of` takes, and the strength
    spec: dict[str, Any],
    strength: float,
    where: str = "workspace",
    name: str | None = None,
    interpolation: Interpolation = AS_PYHF,
    clip: Clip = NOT_CLIPPED,
) -> tuple[dict[str, Any], Measurement]:
    """A workspace whose counts are what it expects, and its measurement; what it observed is not looked at.

    Expected is what the model says before any fit: every parameter at its auxiliary measurement, and those without one
    where fits begin. The auxiliary measurements stay.

    Args:
        spec: the workspace.
        strength: of the parameter of interest.
        where: its file, for messages.
        name: of the measurement; the first one if None.
        interpolation: how the sides of its modifiers are joined.
        clip: the least that is expected.

    Raises:
        InputError: the workspace is not usable.
    """
    n_bins = {channel: len(sample["data"]) for channel, sample in _samples(spec)}
    empty = _with_counts(spec, {channel: [0.0] * n for channel, n in n_bins.items()})
    ready = measurement_of(empty, where, name, interpolation, clip)
    likelihood = ready.likelihood
    main = likelihood.expected(likelihood.at(strength, before_fit(likelihood, ready.data))).main
    ready = ready._replace(data=ready.data._replace(main=main))
    check_signal(likelihood, ready.data, where)
    places = likelihood.model.config.channel_slices
    return _with_counts(spec, {channel: main[places[channel]].tolist() for channel in n_bins}), ready


def before_fit(likelihood: Likelihood, data: Data) -> FloatArray:
    """(n_parameters,), each that is fitted at its auxiliary measurement, the others where fits begin."""
    parameters, its = likelihood.start.copy(), likelihood.free[likelihood.constrained]
    measured = data.auxiliary / likelihood.scales
    parameters[likelihood.constrained[its]] = measured[its]
    return parameters


def _samples(spec: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The samples with the names of their channels; none where the schema will refuse the workspace anyway."""
    try:
        return [(channel, sample) for channel, sample in samples_of(spec["channels"]) if len(sample["data"])]
    except (KeyError, TypeError):
        return []


def _with_counts(spec: dict[str, Any], counts: Mapping[str, list[float]]) -> dict[str, Any]:
    return {**spec, "observations": [{"name": channel, "data": values} for channel, values in counts.items()]}
