"""From templates to a pyhf workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.limits.inference import Limits
    from simmorph.limits.templates import Sample, Templates

CHANNEL = "signal_region"
MEASUREMENT = "limits"


def workspace_of(templates: Templates, parameter: str) -> dict[str, Any]:
    """The pyhf workspace of a single channel; see `workspace_of_channels`."""
    return workspace_of_channels({"": templates}, parameter)


def workspace_of_channels(channels: Mapping[str, Templates], parameter: str) -> dict[str, Any]:
    """The pyhf workspace of the bins that enter the likelihood.

    Statistical uncertainties are absolute, one parameter for each bin of each sample (Barlow-Beeston).
    """
    used = {name: templates.in_likelihood() for name, templates in channels.items()}
    samples = {name: [_sample(it, parameter, name) for it in chosen.samples] for name, chosen in used.items()}
    free = dict.fromkeys(_norm(it) for chosen in used.values() for it in chosen.samples if it.free)
    parameters: list[dict[str, Any]] = [{"name": name, "inits": [1.0], "bounds": [[0.001, 1000.0]]} for name in free]
    return {
        "version": "1.0.0",
        "channels": [{"name": name or CHANNEL, "samples": its} for name, its in samples.items()],
        "observations": [{"name": name or CHANNEL, "data": it.data.values.tolist()} for name, it in used.items()],
        "measurements": [{"name": MEASUREMENT, "config": {"poi": parameter, "parameters": parameters}}],
    }


def with_bounds(spec: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """The workspace with a range of the parameter that suits its limits, for programs that search only inside it."""
    highest = 10 * max(limits.observed, *limits.expected)
    bounds = {"name": limits.parameter, "inits": [limits.expected[2]], "bounds": [[0.0, highest]]}
    measurement = spec["measurements"][0]
    config = {**measurement["config"], "parameters": [*measurement["config"]["parameters"], bounds]}
    return {**spec, "measurements": [{**measurement, "config": config}]}


def _norm(sample: Sample) -> str:
    return f"{sample.histogram.name}_norm"


def _sample(sample: Sample, parameter: str, channel: str) -> dict[str, Any]:
    end = f"_{channel}" if channel else ""
    name, values = sample.histogram.name, sample.histogram.values
    modifiers: list[dict[str, Any]] = []
    if sample.is_signal:
        modifiers.append({"name": parameter, "type": "normfactor", "data": None})
    if sample.free:
        modifiers.append({"name": _norm(sample), "type": "normfactor", "data": None})
    for what, size in (sample.scalings or {}).items():
        modifiers.append({"name": what, "type": "normsys", "data": {"hi": 1 + size, "lo": 1 - size}})
    for what, size in (sample.uncorrelated or {}).items():
        modifiers.append({"name": f"{what}_{name}{end}", "type": "shapesys", "data": (size * values).tolist()})
    for shape in sample.shapes:
        data = {"hi_data": shape.up.tolist(), "lo_data": shape.down.tolist()}
        modifiers.append({"name": shape.name, "type": "histosys", "data": data})
    if sample.statistics:
        data_ = sample.histogram.uncertainties.tolist()
        modifiers.append({"name": f"{name}_statistics{end}", "type": "staterror", "data": data_})
    return {"name": name, "data": values.tolist(), "modifiers": modifiers}
