"""From templates to a pyhf workspace.

The workspace is plain JSON of the pyhf schema 1.0.0, which pyhf, cabinetry and other programs read; here nothing is
fitted. What a modifier says of itself stands in its own class in `modifiers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simmorph.limits.modifiers.normfactor import FREE_RANGE, NormFactor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.limits.modifiers.base import Modifier
    from simmorph.limits.templates.sample import Sample, Templates

CHANNEL = "signal_region"
MEASUREMENT = "limits"


def workspace_of(templates: Templates, parameter: str) -> dict[str, Any]:
    """The pyhf workspace of a single channel; see `workspace_of_channels`."""
    return workspace_of_channels({"": templates}, parameter)


def workspace_of_channels(
    channels: Mapping[str, Templates], parameter: str, of_interest: str | None = None
) -> dict[str, Any]:
    """The pyhf workspace of the bins that enter the likelihood.

    Statistical uncertainties are absolute, one parameter for each bin of each sample (Barlow-Beeston). Modifiers of one
    name in several samples or channels share one parameter.

    Args:
        channels: the templates of each channel, by its name; a single one may have the name "".
        parameter: what scales every signal that has no strength of its own.
        of_interest: the name of the parameter of interest; `parameter` if None.
    """
    used = {name: templates.in_likelihood() for name, templates in channels.items()}
    samples = {name: [_sample(it, parameter) for it in chosen.samples] for name, chosen in used.items()}
    poi = of_interest or parameter
    modifiers = [it for chosen in used.values() for sample in chosen.samples for it in _modifiers(sample, parameter)]
    parameters = {it.name: said for it in modifiers if it.name != poi and (said := it.parameter())}
    return {
        "version": "1.0.0",
        "channels": [{"name": name or CHANNEL, "samples": its} for name, its in samples.items()],
        "observations": [{"name": name or CHANNEL, "data": it.data.values.tolist()} for name, it in used.items()],
        "measurements": [{"name": MEASUREMENT, "config": {"poi": poi, "parameters": [*parameters.values()]}}],
    }


def _sample(sample: Sample, parameter: str) -> dict[str, Any]:
    """A sample in the JSON of pyhf: its yields and its modifiers."""
    values = sample.histogram.values
    described = [modifier.to_pyhf(values) for modifier in _modifiers(sample, parameter)]
    return {"name": sample.histogram.name, "data": values.tolist(), "modifiers": described}


def _modifiers(sample: Sample, parameter: str) -> list[Modifier]:
    """What acts on a sample: the strength of a signal first, and last what its training leaves uncertain."""
    strength = [NormFactor(sample.strength or parameter, FREE_RANGE)] if sample.is_signal else []
    return [*strength, *sample.modifiers, *sample.training]
