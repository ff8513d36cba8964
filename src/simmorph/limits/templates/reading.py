"""Read the samples of a recipe into templates.

`read_channels` is the way in: every sample by a `Reader`, and from the data's sidebands what the settings ask for.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from simmorph.data.histograms import Histogram, in_window, summed
from simmorph.errors import ConfigError, InputError
from simmorph.limits.modifiers.normfactor import FREE_RANGE, NormFactor
from simmorph.limits.modifiers.normsys import NormSys
from simmorph.limits.templates.reader import Reader
from simmorph.limits.templates.sample import Sample, Templates
from simmorph.limits.templates.sideband import SidebandFit, fit_sidebands
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.config.limits import LimitsSettings
    from simmorph.data.events import BoolArray
    from simmorph.limits.templates.observable import Defaults
    from simmorph.progress import Progress


def read_channels(settings: LimitsSettings, defaults: Defaults, progress: Progress) -> dict[str, Templates]:
    """The templates of each channel by its name, or of a single one without a name; see `read_templates`."""
    found = {}
    for name, channel in settings.by_channel().items():
        if name:
            progress(f"channel {name}:")
        its = defaults._replace(tree=channel.tree or defaults.tree)
        found[name] = read_templates(channel, its, progress, suffix=f"_{name}" if name else "")
    return found if len(found) == 1 else _with_joint_spread(found)


def _with_joint_spread(channels: Mapping[str, Templates]) -> dict[str, Templates]:
    """The spread of replicas over all channels at once: what one training changes, it changes in all of them.

    Those that are scaled to sidebands, each to its own, stay apart.

    Raises:
        InputError: a background has not as many replicas in one channel as in another.
    """
    found = dict(channels)
    shared: dict[str, dict[str, Sample]] = {}
    for channel, its in channels.items():
        for sample in its.samples:
            if sample.spread is not None and sample.correction is None and its.used.all():
                shared.setdefault(sample.histogram.name, {})[channel] = sample
    for name, samples in shared.items():
        if len({len(it.replicas) for it in samples.values()}) > 1:
            numbers = ", ".join(f"{len(it.replicas)} in {channel}" for channel, it in samples.items())
            raise InputError(name, f"needs the same replicas in all channels: {numbers}", "give each channel the same")
        spreads = [it.spread for it in samples.values() if it.spread]
        for channel, sample in zip(samples, spreads[0].joint([*samples.values()]), strict=True):
            found[channel] = found[channel].with_sample(sample)
    return found


def read_templates(settings: LimitsSettings, defaults: Defaults, progress: Progress, *, suffix: str = "") -> Templates:
    """Read every sample, and take from the data's sidebands what the settings ask for.

    Args:
        settings: the recipe's `limits:` block, or what it is in one of its channels.
        defaults: tree and weight of the recipe.
        progress: called with what is read and what is changed.
        suffix: ends the names of uncertainties that this channel does not share with others.

    Raises:
        ConfigError: an expression is wrong, or the binning is missing.
        InputError: a file cannot be used, or a yield is negative, not finite, or zero everywhere.
    """
    reader = Reader(settings, defaults, progress, suffix)
    signals = [reader.sample(sample, is_signal=True) for sample in settings.signal]
    data = _data(reader)
    used = np.ones(len(signals[0].histogram.values), np.bool_)
    fit: SidebandFit | None = None
    backgrounds = []
    for background in settings.background:
        if background.fit and data and settings.exclude:
            fit = fit_sidebands(data, settings.exclude, background.order)
            used = ~fit.sidebands
            backgrounds.append(reader.curve(background, fit))
            continue
        sample = reader.generated(background)
        if sample.given is not None:
            sample = _corrected(sample, signals, data if background.normalise != "weights" else None, reader)
        if background.normalise == "sidebands" and data and settings.exclude:
            used = in_window(data.edges, settings.exclude)
            sample = _scaled_to_sidebands(sample, data, ~used, reader)
        if background.normalise == "free":
            sample = sample.and_modifiers(NormFactor(f"{background.name}_norm", FREE_RANGE))
        backgrounds.append(sample)
    samples = (*signals, *backgrounds)
    if not used.any():
        raise ConfigError("limits", "exclude holds no bin of the observable", "move it into the range of the binning")
    observed = _observed(data, samples, used, settings)
    for sample in samples:
        sample.histogram.plus(observed)  # one binning for all
    names = [it.name for it in (*settings.signal, *settings.background, settings.data) if it]
    outside = {name: reader.outside[name] for name in names if name in reader.outside}
    is_asimov = data is None or settings.asimov is not None
    return Templates(samples, observed, is_asimov, used, fit, outside, tuple(reader.remarks), reader.left_out)


def _data(reader: Reader) -> Histogram | None:
    """The data; where expected ones take their place, how many there are is not said."""
    settings = reader.settings.data
    if settings is None:
        return None
    if reader.settings.asimov is not None:
        reader = copy.copy(reader)
        reader.progress = silent
    return reader.histogram(settings, reader.defaults.of_data())


def _observed(
    data: Histogram | None, samples: Sequence[Sample], used: BoolArray, settings: LimitsSettings
) -> Histogram:
    """The data, or the expected ones, with data where the likelihood does not look."""
    if data is not None and settings.asimov is None:
        return data
    expected = _asimov(samples, settings)
    if data is None:
        return expected
    return replace(
        expected,
        values=np.where(used, expected.values, data.values),
        variances=np.where(used, expected.variances, data.variances),
    )


def _corrected(sample: Sample, signals: Sequence[Sample], data: Histogram | None, reader: Reader) -> Sample:
    """The sample corrected by its simulated events.

    Args:
        sample: the background.
        signals: whose shape it may be wrong by.
        data: what it will be normalised to; None if it keeps its sum.
        reader: of the channel.
    """
    signal = np.sum([it.histogram.values for it in signals], axis=0)
    scale = 1.0 if data is None else sample.histogram.values.sum() / max(float(data.values.sum()), 1.0)
    found = sample.corrected(signal * scale, reader.suffix)
    if found.correction is not None:
        reader.remarks += [f"{sample.histogram.name}: {remark}" for remark in found.correction.warnings()]
    return found


def _asimov(samples: Sequence[Sample], settings: LimitsSettings) -> Histogram:
    """The data expected at the strength of the settings, with Poisson variances; other strengths are 1."""
    parts = [it.histogram.scaled((settings.asimov or 0.0) if _is_of_interest(it, settings) else 1.0) for it in samples]
    total = summed(parts, "Asimov data")
    return replace(total, variances=total.values)


def _is_of_interest(sample: Sample, settings: LimitsSettings) -> bool:
    """Whether the parameter of interest scales a sample."""
    strengths = [sample.strength or settings.parameter] if sample.is_signal else []
    return settings.poi in [*strengths, *(it.name for it in sample.modifiers if isinstance(it, NormFactor))]


def _scaled_to_sidebands(sample: Sample, data: Histogram, bins: BoolArray, reader: Reader) -> Sample:
    """The sample with the data's yield in the sidebands; their statistics become an uncertainty of the scale.

    Args:
        sample: the background.
        data: the observed histogram, in the same bins.
        bins: (n_bins,), the sidebands.
        reader: of the channel.

    Raises:
        InputError: data or sample have no events in the sidebands.
    """
    histogram, name = sample.histogram, sample.histogram.name
    expected, observed = float(histogram.values[bins].sum()), float(data.values[bins].sum())
    if expected <= 0 or observed <= 0:
        raise InputError(name, "there are no events in the sidebands to normalise to", "check exclude and binning")
    scale = observed / expected
    of_data = float(data.variances[bins].sum()) / observed**2
    of_sample = float(histogram.variances[bins].sum()) / expected**2 if reader.settings.statistics else 0.0
    reader.progress(f"{name}: scaled by {scale:.5g} to the {observed:g} events in the sidebands")
    of_scale = NormSys.of_size(f"{name}_sidebands{reader.suffix}", float(np.sqrt(of_data + of_sample)))
    return sample.normalised(bins).scaled(scale).and_modifiers(of_scale)
