"""Read one sample of a recipe: a histogram of files or of an observable, with modifiers for what is uncertain."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.config.limits import SignalSettings
from simmorph.data.histograms import Histogram, summed
from simmorph.data.morphed import WEIGHT, replicas_in
from simmorph.data.ntuples.contents import describe, read_histogram, trees_in
from simmorph.data.ntuples.files import expand_inputs
from simmorph.data.quality.duplicates import Duplicates
from simmorph.data.quality.outside import Left, Outside
from simmorph.errors import ConfigError, InputError, one_of
from simmorph.limits.modifiers.base import Nominal
from simmorph.limits.modifiers.histosys import HistoSys
from simmorph.limits.modifiers.registry import kind_of
from simmorph.limits.modifiers.staterror import StatError
from simmorph.limits.templates.amplification import FEW_REPLICAS, with_training_statistics
from simmorph.limits.templates.correction import Given
from simmorph.limits.templates.observable import Defaults, ObservableReader
from simmorph.limits.templates.sample import ReplicaSpread, Sample
from simmorph.limits.templates.smoothing import pruned, treated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.config.limits import BackgroundSettings, LimitsSettings, SampleSettings
    from simmorph.data.events import FloatArray
    from simmorph.limits.modifiers.base import Modifier
    from simmorph.limits.templates.sideband import SidebandFit
    from simmorph.progress import Progress

UNMEASURED = "intervals do not cover a bias that all its trainings share: give simulated events as `closure:`"
"""What is said of a template that a method made and no simulated events correct."""

WEIGHT_OF_SELECTION = "weight"
"""The branch of weights that `select` writes; a variation of it has its name behind."""


class Reader:
    """Reads samples as the settings say.

    Args:
        settings: of one channel.
        defaults: tree and weight of the recipe.
        progress: called with the yield of each sample and with what is changed in it.
        suffix: ends the names of uncertainties that the channel does not share with others.

    Raises:
        ConfigError: the settings have several channels.
    """

    def __init__(self, settings: LimitsSettings, defaults: Defaults, progress: Progress, suffix: str = "") -> None:
        if settings.channels is not None:
            raise ConfigError("limits", "several channels have no scan and no coverage study", "leave out `channels:`")
        self.settings, self.defaults, self.progress, self.suffix = settings, defaults, progress, suffix
        self.outside: dict[str, Outside] = {}
        self.remarks: list[str] = []
        self.left_out: dict[str, str] = {}
        self.edges = None if settings.binning is None else np.array(settings.binning.all_edges, np.float64)

    def sample(self, settings: SampleSettings, *, is_signal: bool, first: int | None = None) -> Sample:
        """A template with its uncertainties.

        Args:
            settings: of the sample.
            is_signal: whether a strength scales it.
            first: take so many events only.

        Raises:
            ConfigError: an expression or a systematic uncertainty is wrong.
            InputError: a file cannot be used, or a yield is negative, not finite, or zero everywhere.
        """

        def varied(side: Mapping[str, str]) -> FloatArray:
            changes: dict[str, Any] = {key: [value] if key == "input" else value for key, value in side.items()}
            if "variation" in changes:
                name = changes.pop("variation")
                changes |= self.of_selection(settings.model_copy(update=changes), name)
            return self.checked(settings.model_copy(update=changes), first).values

        histogram = self.checked(settings, first)
        modifiers = self._systematics(Nominal(histogram, self.suffix, varied))
        statistics = (StatError.of(histogram, self.suffix),) if self.settings.statistics else ()
        strength = settings.parameter or "" if isinstance(settings, SignalSettings) else ""
        return Sample(histogram, is_signal, (*modifiers, *statistics), strength=strength)

    def of_selection(self, settings: SampleSettings, name: str) -> dict[str, str]:
        """What holds a variation of the selection in the files of a sample: a tree of its own, or another weight.

        Raises:
            InputError: the files have neither.
        """
        path, tree = expand_inputs(settings.input)[0], settings.tree or self.defaults.tree
        varied, branch = f"{tree}_{name}", f"{WEIGHT_OF_SELECTION}_{name}"
        trees = trees_in(path)
        if varied in trees:
            return {"tree": varied}
        if branch not in describe(path, tree).branches:
            known = [it.removeprefix(f"{tree}_") for it in trees if it.startswith(f"{tree}_")]
            what = f"has neither a tree {varied!r} nor a branch {branch!r} for the variation {name!r}"
            raise InputError(path, what, f"add it to `variations:` of the selection; {one_of(name, known)}")
        nominal = settings.weight or (WEIGHT if settings.morphed else self.defaults.weight)
        if nominal == WEIGHT_OF_SELECTION:
            return {"weight": branch}
        both = f"{WEIGHT_OF_SELECTION} == 0 and {branch} == 0"
        return {"weight": f"({nominal or 1}) * where({both}, 1, {branch} / {WEIGHT_OF_SELECTION})"}

    def curve(self, settings: BackgroundSettings, fit: SidebandFit) -> Sample:
        """A background that was fitted to the sidebands, with the uncertainty of the fit."""

        def varied(side: Mapping[str, str]) -> FloatArray:
            what = f"{next(iter(side))!r} cannot differ in {settings.name!r}, which is a curve fitted to the data"
            raise ConfigError("limits.systematics", what, "let it act on other samples")

        histogram = replace(fit.expected, name=settings.name)
        names = (f"{settings.name}_fit{self.suffix}_{i + 1}" for i in range(len(fit.variations)))
        shapes = [HistoSys.of_shift(name, histogram, it) for name, it in zip(names, fit.variations, strict=True)]
        return Sample(histogram, False, (*self._systematics(Nominal(histogram, self.suffix, varied)), *shapes))

    def _systematics(self, nominal: Nominal) -> list[Modifier]:
        """What the recipe says is uncertain of a sample."""
        acting = [it for it in self.settings.systematics if nominal.histogram.name in it.samples]
        kinds = [(it.name, *kind_of(it)) for it in acting]
        found = []
        for name, kind, options in kinds:
            modifier = treated(kind.of_recipe(name, options, nominal), options, nominal.histogram.values)
            kept, words = pruned(modifier, nominal.histogram.values, self.settings.prune)
            if words:
                self.left_out[f"{name} of {nominal.histogram.name}{self.suffix}"] = words
            found += [kept] if kept is not None else []
        return found

    def generated(self, settings: BackgroundSettings, first: int | None = None) -> Sample:
        """A background, with what its training leaves uncertain.

        Which of `corrected`, `replicas`, `training` and `naive` it is, the recipe's `amplification` says. The simulated
        events that correct it are read here, and taken when the signals are known. The yields of replicas keep their
        normalisation where the recipe normalises by the weights alone; where it scales to something else, only shapes
        are compared. Samples with the same sum as the template test it: those of the method trained on other events,
        and the truth of a closure study.

        Args:
            settings: of the background.
            first: take so many generated events only.

        Raises:
            ConfigError: an expression or a systematic uncertainty is wrong.
            InputError: a file cannot be used, or there is a single replica.
        """
        sample = self.sample(settings, is_signal=False, first=first)
        if self._is_floored(settings):
            self.progress(f"{settings.name}: no better known than {settings.training_events:g} events")
            sample = sample.moved_to(self._floored(settings, sample.histogram, first))
        replicas = self._of_branches(settings) if settings.in_branches else self._others(settings, settings.replicas)
        treatment = settings.amplified(self.settings.amplification)
        if replicas and treatment in {"replicas", "corrected"}:
            shape_only = settings.normalise != "weights" or first is not None
            spread = ReplicaSpread(shape_only, same_events=settings.morphed or settings.in_branches)
            sample = self._with_spread(sample, replicas, spread)
        total = sample.histogram.values.sum()
        retrained = [it.scaled(total / it.values.sum()) for it in self._others(settings, settings.retrained)]
        given = Given(*(self._simulated(settings, name) for name in ("learnt_from", "closure")))
        truth = None if given.held_out is None else given.held_out.values * (total / given.held_out.values.sum())
        if treatment != "corrected" and settings.is_learnt:
            self.remarks.append(f"{settings.name}: {UNMEASURED}")
        return replace(
            sample,
            replicas=tuple(replicas),
            retrained=tuple(retrained),
            truth=truth,
            given=given if treatment == "corrected" else None,
        )

    def _is_floored(self, settings: BackgroundSettings) -> bool:
        """Whether the number of training events is a floor for the statistics of a generated background."""
        return settings.amplified(self.settings.amplification) == "training"

    def _floored(self, settings: BackgroundSettings, histogram: Histogram, first: int | None = None) -> Histogram:
        """The histogram of generated events, with the floor of its statistics where the recipe asks for it."""
        if not self._is_floored(settings) or settings.training_events is None:
            return histogram
        n_there = sum(describe(path, self.defaults.tree).n_entries for path in expand_inputs(settings.input or []))
        n_generated = n_there if first is None else min(first, n_there)
        return with_training_statistics(histogram, n_generated, settings.training_events)

    def _others(self, settings: BackgroundSettings, inputs: Sequence[str] | None) -> list[Histogram]:
        """The background once more from each of some files."""
        paths = expand_inputs(inputs) if inputs else []
        if len(paths) == 1:
            raise InputError(paths[0], "one file is too few for a spread", "give two at least")
        others = [settings.model_copy(update={"input": [path]}) for path in paths]
        return [self._floored(other, self.histogram(other, self.defaults).usable()) for other in others]

    def _of_branches(self, settings: BackgroundSettings) -> list[Histogram]:
        """The background once more from the branches of each replica."""
        paths, tree = expand_inputs(settings.input or []), settings.tree or self.defaults.tree
        found = [replicas_in(describe(path, tree).branches) for path in paths]
        if len(found[0]) < 2 or any(names != found[0] for names in found):
            numbers = ", ".join(f"{len(names)} in {path}" for names, path in zip(found, paths, strict=True))
            mend = "write them by `simmorph apply --replicas branches`, the same for all files"
            raise InputError(settings.name, f"needs branches of two replicas at least: {numbers}", mend)
        each = [self.defaults._replace(replica=name) for name in found[0]]
        return [self._floored(settings, self.histogram(settings, its).usable()) for its in each]

    def _with_spread(self, sample: Sample, replicas: Sequence[Histogram], spread: ReplicaSpread) -> Sample:
        """The sample with the spread of its replicas as variations of its bins."""
        training = tuple(spread.variations(sample.histogram, replicas, self.suffix))
        words = f"; fewer than {FEW_REPLICAS} say little of their spread" if len(replicas) < FEW_REPLICAS else ""
        self.progress(f"{sample.histogram.name}: {len(training)} variations from {len(replicas)} replicas{words}")
        return replace(sample, training=training, spread=spread)

    def _simulated(self, settings: BackgroundSettings, key: str) -> Histogram | None:
        """The simulated events of a background under a key of its settings; None if it has none.

        Those of a morphed background are what it should look like: they are read as they are, unless they were morphed.
        """
        inputs: list[str] | None = getattr(settings, key)
        if inputs is None:
            return None
        defaults, tree = self.defaults, settings.tree or self.defaults.tree
        as_it_is = settings.morphed and WEIGHT not in describe(expand_inputs(inputs)[0], tree).branches
        if as_it_is:
            self.progress(f"{key} of {settings.name}: has no morphed branches, and is read as it is")
            defaults = defaults.of_data()
        changes = {"input": inputs, "name": key, "scale": 1.0, "morphed": settings.morphed and not as_it_is}
        return self.histogram(settings.model_copy(update=changes), defaults)

    def checked(self, settings: SampleSettings, first: int | None = None) -> Histogram:
        """A histogram of expected yields.

        Negative bins, which signed weights give, are set to 0 where the sample's `negative_bins` says so, and reported.

        Raises:
            InputError: a yield is not finite or negative, or all are zero.
        """
        histogram = self.histogram(settings, self.defaults, first)
        negative = histogram.values < 0
        if settings.negative_bins == "zero" and negative.any():
            clipped = histogram.values[negative].sum()
            self.progress(f"{settings.name}: {negative.sum()} bins with {clipped:.4g} events in all are set to 0")
            histogram = histogram.without_negative_bins()
        return histogram.usable()

    def histogram(self, settings: SampleSettings, defaults: Defaults, first: int | None = None) -> Histogram:
        """The sum over the sample's files, or over their first entries."""
        paths = expand_inputs(settings.input, self.progress)
        is_known = settings.name in self.outside
        of_all = None if settings.observable else self.settings.histogram
        if name := settings.histogram or of_all:
            parts, outside = zip(*(_histogram(path, name) for path in paths), strict=True)
            histogram = summed(parts, settings.name)
            self.outside.setdefault(settings.name, reduce(Outside.plus, outside).scaled(settings.scale))
        else:
            histogram = self._of_events(settings, defaults, paths, first)
        words = "" if is_known else self.outside.get(settings.name, Outside()).to_text()
        note = f"; outside, with sums of weights: {words}" if words else ""
        self.progress(f"{settings.name}: {histogram.values.sum() * settings.scale:.6g} events in range{note}")
        return histogram.scaled(settings.scale)

    def _of_events(
        self, settings: SampleSettings, defaults: Defaults, paths: Sequence[str], first: int | None
    ) -> Histogram:
        """The histogram of the observable over the events of a tree.

        Raises:
            ConfigError: the recipe has no binning.
        """
        if self.edges is None:
            raise ConfigError("limits", "key 'binning' is missing", "add `binning: {range: [LOW, HIGH], bins: N}`")
        histogram, outside, twice = Histogram.empty(self.edges, settings.name), Outside(), Duplicates()
        for observable, weights in ObservableReader.of(settings, self.settings, defaults, twice).read(paths, first):
            histogram = histogram.filled(observable, weights)
            outside = outside.plus(Outside.of(self.edges, observable, weights))
        # Variations and replicas of a sample are read after it.
        if settings.name not in self.outside:
            self.outside[settings.name] = outside.scaled(settings.scale)
            self.remarks += [f"{settings.name}: {remark}" for remark in twice.warnings()]
        return histogram


def _histogram(path: str, name: str) -> tuple[Histogram, Outside]:
    """A histogram from a ROOT file, with the file in its name for messages, and what is beyond its bins."""
    values, variances, edges = read_histogram(path, name, flow=True)
    below, above = (Left(None, float(np.nan_to_num(values[at]))) for at in (0, -1))
    return Histogram(edges, values[1:-1], variances[1:-1], f"{path}, histogram {name!r}"), Outside(below, above)
