"""From templates to a pyhf workspace.

The workspace is plain JSON of the pyhf schema 1.0.0, which pyhf, cabinetry and other programs read; here nothing is
fitted. What a modifier says of itself stands in its own class in `modifiers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simmorph.limits.modifiers.normfactor import NormFactor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.limits.templates.sample import Sample, Templates

CHANNEL = "signal_region"
MEASUREMENT = "limits"


def workspace_of(templates: Templates, parameter: str) -> dict[str, Any]:
    """The pyhf workspace of a single channel; see `workspace_of_channels`."""
    return workspace_of_channels({"": templates}, parameter)


def workspace_of_channels(channels: Mapping[str, Templates], parameter: str) -> dict[str, Any]:
    """The pyhf workspace of the bins that enter the likelihood.

    Statistical uncertainties are absolute, one parameter for each bin of each sample (Barlow-Beeston). Modifiers of one
    name in several samples or channels share one parameter.

    Args:
        channels: the templates of each channel, by its name; a single one may have the name "".
        parameter: the name of the parameter of interest, which scales every signal.
    """
    used = {name: templates.in_likelihood() for name, templates in channels.items()}
    samples = {name: [_sample(it, parameter) for it in chosen.samples] for name, chosen in used.items()}
    modifiers = [modifier for chosen in used.values() for it in chosen.samples for modifier in it.modifiers]
    parameters = {modifier.name: said for modifier in modifiers if (said := modifier.parameter())}
    return {
        "version": "1.0.0",
        "channels": [{"name": name or CHANNEL, "samples": its} for name, its in samples.items()],
        "observations": [{"name": name or CHANNEL, "data": it.data.values.tolist()} for name, it in used.items()],
        "measurements": [{"name": MEASUREMENT, "config": {"poi": parameter, "parameters": [*parameters.values()]}}],
    }


def _sample(sample: Sample, parameter: str) -> dict[str, Any]:
    """A sample in the JSON of pyhf: its yields and its modifiers, those of its training last."""
    values = sample.histogram.values
    modifiers = [*([NormFactor(parameter)] if sample.is_signal else []), *sample.modifiers, *sample.training]
    described = [modifier.to_pyhf(values) for modifier in modifiers]
    return {"name": sample.histogram.name, "data": values.tolist(), "modifiers": described}
