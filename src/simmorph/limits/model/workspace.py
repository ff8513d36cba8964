"""pyhf workspaces: read and check them, and make likelihoods of them.

The schema of pyhf lets pass what gives a wrong limit without a word: NaN, negative yields, lists of bins of different
lengths, bins that expect nothing. `measurement_of` refuses these by name before any fit.
"""

from __future__ import annotations

import copy
import logging
import math
import warnings
from typing import Any, NamedTuple

import numpy as np
import pyhf

from simmorph.config.values.interpolation import Clip, Interpolation
from simmorph.errors import InputError, one_of
from simmorph.limits.engine.cells import modifiers_of, samples_of
from simmorph.limits.engine.yields import Yields, agrees_with_pyhf
from simmorph.limits.model.interpolation import clip_options, model_options
from simmorph.limits.model.likelihood import Data, Likelihood
from simmorph.limits.modifiers.registry import MODIFIERS

WORKSPACE = "workspace.json"
"""The workspace in a folder of limits, which it marks."""
CANNOT_BUILD = (
    pyhf.exceptions.InvalidModel, pyhf.exceptions.InvalidWorkspaceOperation, pyhf.exceptions.InvalidModifier,
    pyhf.exceptions.InvalidMeasurement, KeyError, ValueError, IndexError, TypeError, AttributeError, AssertionError,
    RuntimeError, ZeroDivisionError,
)  # fmt: skip
"""What pyhf raises where it cannot make a model of a workspace."""
AS_PYHF, NOT_CLIPPED = Interpolation(), Clip()
"""What pyhf does if it is told nothing."""
MAX_SUSPECTS = 100
"""How many modifiers are tried one by one for the one that makes this so."""


class Measurement(NamedTuple):
    """A workspace made ready to be fitted.

    Attributes:
        likelihood: of its model.
        data: the observed data and auxiliary measurements.
        name: of the measurement that was chosen.
    """

    likelihood: Likelihood
    data: Data
    name: str


def measurement_of(
    spec: dict[str, Any],
    where: str = "workspace",
    name: str | None = None,
    interpolation: Interpolation = AS_PYHF,
    clip: Clip = NOT_CLIPPED,
) -> Measurement:
    """Check a workspace and make it ready.

    Args:
        spec: the workspace as plain values.
        where: its file, for messages.
        name: of the measurement; the first one if None.
        interpolation: how the sides of its modifiers are joined.
        clip: the least that is expected.

    Raises:
        InputError: it breaks the schema, has no parameter of interest, or expects yields that no likelihood can use.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pyhf 0.7 calls jsonschema by an old name
        try:
            pyhf.schema.validate(spec, "workspace.json")
        except pyhf.exceptions.InvalidSpecification as error:
            raise InputError(where, f"not a pyhf workspace: {_schema_fault(error)}") from error
        except (KeyError, ValueError, OSError) as error:
            raise InputError(where, f"not a pyhf workspace: unknown version {spec.get('version')!r}") from error
        check_yields(spec, where)
        chosen = _chosen_measurement(spec, where, name)
        try:
            workspace, model = _built(spec, chosen["name"], interpolation)
            clipped = model if clip == NOT_CLIPPED else _built(spec, chosen["name"], interpolation, clip)[1]
        except CANNOT_BUILD as error:
            what = f"pyhf cannot build its model: {_first_line(error)}"
            raise InputError(where, what, _culprit(spec, chosen)) from error
    likelihood = Likelihood(clipped, _yields_of(model, where), where)
    counts = np.concatenate([workspace.observations[channel] for channel in model.config.channels])
    data = Data(counts.astype(np.float64), np.array(model.config.auxdata, np.float64))
    check_signal(likelihood, data, where)
    return Measurement(likelihood, data, chosen["name"])


def _built(
    spec: dict[str, Any], measurement: str, interpolation: Interpolation = AS_PYHF, clip: Clip = NOT_CLIPPED
) -> tuple[pyhf.Workspace, pyhf.Model]:
    workspace, options = pyhf.Workspace(spec, validate=False), model_options(interpolation) | clip_options(clip)
    log = logging.getLogger("pyhf.pdf")
    before, log.disabled = log.disabled, log.disabled or clip != NOT_CLIPPED  # it warns of what was asked for
    try:
        return workspace, workspace.model(measurement_name=measurement, validate=False, **options)
    finally:
        log.disabled = before


def _culprit(spec: dict[str, Any], chosen: dict[str, Any]) -> str:
    """The modifier without which pyhf can build the model, in words; empty if there is no such one."""
    kinds = dict.fromkeys((modifier["type"], modifier["name"]) for *_, modifier in modifiers_of(spec["channels"]))
    for kind, name in list(kinds)[:MAX_SUSPECTS]:
        without = copy.deepcopy(spec)
        for _, sample in samples_of(without["channels"]):
            sample["modifiers"] = [it for it in sample["modifiers"] if (it["type"], it["name"]) != (kind, name)]
        try:
            _built(without, chosen["name"])
        except CANNOT_BUILD:
            continue
        return f"look at {kind} {name!r}, and at this parameter in the measurement: without it pyhf can"
    return ""


def _yields_of(model: Any, where: str) -> Yields:
    yields = Yields(model)
    if not (yields.is_usable and agrees_with_pyhf(yields, model)):
        what = "pyhf expects other yields than our own model of it"
        raise InputError(where, what, "is one modifier twice in a sample, or an interpolation not 0, 1, 4 or 4p?")
    return yields


def _schema_fault(error: Exception) -> str:
    """The innermost complaint of the schema, and where it is."""
    cause = error.__context__
    path = "/".join(str(part) for part in getattr(cause, "absolute_path", ()))
    message = _first_line(getattr(cause, "message", error))
    short = message if len(message) < 160 else message[:60] + " ... " + message[-90:]
    return f"{short} at {path!r}" if path else short


def _first_line(error: object) -> str:
    """The first line of a message, or the name of the error's class where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _chosen_measurement(spec: dict[str, Any], where: str, name: str | None) -> dict[str, Any]:
    """The measurement of this name, or the first one.

    Raises:
        InputError: there is none, or its parameter of interest changes no sample.
    """
    measurements: list[dict[str, Any]] = spec["measurements"]
    if not measurements:
        raise InputError(where, "it has no measurement", "add one that names the parameter of interest")
    found = [each for each in measurements if name is None or each["name"] == name]
    if not found:
        raise InputError(where, f"no measurement {name!r}", one_of(str(name), [each["name"] for each in measurements]))
    chosen = found[0]
    poi = chosen["config"]["poi"]
    factors = sorted({modifier["name"] for _, _, modifier in modifiers_of(spec["channels"])})
    if poi not in factors:
        hint = one_of(poi, factors) if poi else "name it in measurements/config/poi"
        raise InputError(where, f"the parameter of interest {poi!r} changes no sample", hint)
    return chosen


def of_parameter(spec: dict[str, Any], parameter: str, where: str, name: str | None = None) -> dict[str, Any]:
    """The workspace with another parameter of interest in a measurement; that of before is fitted like all others.

    Args:
        spec: the workspace as plain values; one that breaks the schema stays as it is.
        parameter: the name of a normfactor.
        where: its file, for messages.
        name: of the measurement; the first one if None.

    Raises:
        InputError: it has no such measurement, or no such normfactor.
    """
    try:
        factors = sorted({it["name"] for *_, it in modifiers_of(spec["channels"]) if it["type"] == "normfactor"})
        chosen = _chosen_measurement(spec, where, name)
    except (KeyError, TypeError):
        return spec
    if parameter not in factors:
        raise InputError(where, f"no normalisation {parameter!r} that could be of interest", one_of(parameter, factors))
    changed = {**chosen, "config": {**chosen["config"], "poi": parameter}}
    return {**spec, "measurements": [changed if it is chosen else it for it in spec["measurements"]]}


def check_yields(spec: dict[str, Any], where: str) -> None:
    """Refuse numbers that pass the schema and would give a silently wrong limit.

    Raises:
        InputError: a yield, variation or count is not finite, an uncertainty or a count is negative, a factor is 0, or
            lists of bins differ in length. A sample may be negative where others make up for it.
    """
    n_bins: dict[str, int] = {}
    for channel, sample in samples_of(spec["channels"]):
        place = f"sample {sample['name']!r} of channel {channel!r}"
        _check_numbers(sample["data"], f"expected yield of {place}", where, -math.inf)
        if n_bins.setdefault(channel, len(sample["data"])) != len(sample["data"]):
            raise InputError(where, f"{place} has {len(sample['data'])} bins, another sample has {n_bins[channel]}")
    for channel, sample, modifier in modifiers_of(spec["channels"]):
        place = f"{modifier['type']} {modifier['name']!r} of {sample['name']!r} in {channel!r}"
        for values, least in MODIFIERS[modifier["type"]].numbers(modifier["data"]):
            _check_numbers(values, place, where, least)
    observed = {observation["name"]: observation["data"] for observation in spec["observations"]}
    for channel, n in n_bins.items():
        if channel not in observed:
            raise InputError(where, f"channel {channel!r} has no observation", one_of(channel, observed))
        _check_numbers(observed[channel], f"observed count of channel {channel!r}", where)
        if len(observed[channel]) != n:
            raise InputError(where, f"channel {channel!r} has {n} bins and {len(observed[channel])} observed counts")


def _check_numbers(values: list[float], what: str, where: str, least: float = 0.0) -> None:
    """Refuse what is not finite or less than it may be, with the number of its bin."""
    for i, value in enumerate(values):
        if not math.isfinite(value):
            raise InputError(where, f"{what} is {value} in bin {i + 1}", "give finite numbers")
        if value < least:
            mend = "merge bins until none is negative" if least == 0 else "its powers need a factor above 0"
            raise InputError(where, f"{what} is {value:g} in bin {i + 1}", mend)


def check_signal(likelihood: Likelihood, data: Data, where: str) -> None:
    """Refuse bins in which nothing is expected without a signal though something was seen, and models without one.

    Raises:
        InputError: there is such a bin, or no signal.
    """
    background = likelihood.expected(likelihood.at(0.0)).main
    signal = likelihood.expected(likelihood.at(1.0)).main - background
    wrong = np.flatnonzero(~(background >= 0) | ((background == 0) & (data.main > 0)))
    if len(wrong):
        place, low, seen = likelihood.bin_names(wrong[:1]), background[wrong[0]], data.main[wrong[0]]
        what = f"{place} expects {low:g} events without a signal, and {seen:g} were seen"
        raise InputError(where, what, "merge it with the next")
    poi = likelihood.model.config.poi_name
    if not np.any(signal != 0):
        raise InputError(where, f"the signal that {poi!r} scales is zero in every bin, so there is no limit on it")
