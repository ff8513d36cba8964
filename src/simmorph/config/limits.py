"""The recipe's `limits:` block."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from simmorph.config.documents import Inputs, Name, Names, Section, as_list
from simmorph.config.selection.names import Formula
from simmorph.config.studies import CoverageSettings, Positive, ScanSettings
from simmorph.config.values.interpolation import Clip, Interpolation
from simmorph.config.values.labels import Label
from simmorph.config.values.listed import listed_numbers, named_groups
from simmorph.config.values.weights import Weight  # noqa: TC001 - pydantic reads it
from simmorph.config.variables import NamedVariables

Finite = Annotated[float, Field(allow_inf_nan=False)]
Amplification = Literal["auto", "corrected", "replicas", "training", "naive"]
"""What the uncertainty of a generated background comes from."""


class Binning(Section):
    """The bins of the observable: `{range: [105, 160], bins: 22}` or `{edges: [105, 110, 120, 160]}`."""

    range: tuple[Finite, Finite] | None = None
    """Lower and upper end, for bins of equal width."""
    bins: Annotated[int, Field(gt=0, le=10_000)] | None = None
    """How many bins of equal width."""
    edges: Annotated[list[Finite], Field(min_length=2)] | None = None
    """The edges of all bins, for bins of any width."""

    @model_validator(mode="after")
    def _say_it_in_one_way(self) -> Binning:
        if (self.edges is None) == (self.range is None) or (self.range is None) != (self.bins is None):
            raise ValueError("give either range and bins, or edges")
        if any(low >= high for low, high in zip(self.all_edges, self.all_edges[1:], strict=False)):
            raise ValueError("the edges must increase")
        return self

    @property
    def all_edges(self) -> list[float]:
        """Every edge, from the lowest to the highest."""
        if self.edges is not None:
            return self.edges
        (low, high), bins = self.range or (0.0, 1.0), self.bins or 1
        return [low + (high - low) * i / bins for i in range(bins)] + [high]


class SampleSettings(Section):
    """Events in ntuples, or a histogram of them, that add up to one histogram of the observable."""

    name: Name = "data"
    """What it is called in messages."""
    input: Inputs
    """ROOT files; those of histograms are added up."""
    tree: Name | None = None
    """The tree in the files, where it differs from that of the other samples."""
    histogram: Name | None = None
    """Name of a histogram in the files; without it the events of the tree are filled into bins."""
    observable: Name | None = None
    """Expression of branches, where it differs from the observable of the other samples."""
    region: Name | None = None
    """Cut, where it differs from the region of the other samples."""
    weight: Formula | None = None
    """Event weights, an expression of branches; `weight` of the recipe for simulation, and for data 1 or, where the
    recipe has one for each sample, that of the target."""
    morphed: bool = False
    """Read `<name>_morphed` in place of every feature in the expressions, and `weight_morphed` as the weight."""
    scale: Positive = 1.0
    """Factor on the weights, luminosity times cross-section for instance."""
    negative_bins: Literal["refuse", "zero"] = "refuse"
    """What happens to a bin whose weights add up to less than 0: an error, or 0 events and a note that says so."""


class SignalSettings(SampleSettings):
    """What the parameter scales."""

    name: Name = "signal"
    """What it is called in the workspace and the plots."""
    parameter: Name | None = None
    """What its strength is called, where it has one of its own; by default `parameter` of the limits."""


class BackgroundSettings(SampleSettings):
    """What is expected without a signal: a sample, or a curve fitted to the sidebands of the data."""

    name: Name = "background"
    """What it is called in the workspace and the plots."""
    input: Inputs | None = None  # type: ignore[assignment]
    """ROOT files of the template; none where a curve is fitted."""
    fit: Literal["exp_polynomial"] | None = None
    """Fit exp(polynomial of the observable) to the data's sidebands; only the window between them sets the limit."""
    order: Annotated[int, Field(ge=1, le=8)] = 3
    """Order of the polynomial."""
    replicas: Inputs | None = None
    """The same events from replicas of the method, one file each (`simmorph apply --replicas`); or the word `branches`,
    where they are in branches of the template (`--replicas branches`)."""
    learnt_from: Inputs | None = None
    """The events that the method learnt from: with `closure`, or alone, they correct the template."""
    training_events: Positive | None = None
    """How many events the method that generated this background learnt from, before any cut."""
    retrained: Inputs | None = None
    """Events from the same method trained on other events, one file for each training: in `simmorph coverage` each
    of them is the template at hand, and the `closure` events are true. Where replicas guess how much the training
    matters, these measure it."""
    closure: Inputs | None = None
    """Simulated events of this background that the method never saw: they correct the template, and its shape is
    tested against them (the spurious signal, `simmorph coverage`). Of a morphed one: what it should look like."""
    normalise: Literal["weights", "sidebands", "free"] = "weights"
    """Keep the sum of weights, scale it to the data's sidebands (only the window sets the limit), or leave it free."""

    @model_validator(mode="after")
    def _come_from_somewhere(self) -> BackgroundSettings:
        if (self.fit is None) == (self.input is None):
            raise ValueError("background: give either input or fit")
        if self.fit and self.normalise != "weights":
            raise ValueError("background: a fitted curve is normalised by the fit; remove normalise")
        if self.fit and (self.replicas or self.retrained or self.training_events or self.learnt_from):
            raise ValueError("background: a fitted curve is not generated; remove what says of its training")
        if self.in_branches and self.histogram:
            raise ValueError("background: a histogram has no branches of replicas; name the files of their histograms")
        if self.retrained and not self.closure:
            raise ValueError("background: retrained templates need `closure` events, which show what is true")
        return self

    @property
    def in_branches(self) -> bool:
        """Whether the replicas are branches of the template."""
        return self.replicas == ["branches"]

    @property
    def other_files(self) -> list[str]:
        """The files of replicas, of other trainings, and of the events that it was and was not trained on."""
        replicas = [] if self.in_branches else self.replicas
        return [path for some in (replicas, self.retrained, self.learnt_from, self.closure) for path in some or []]

    @property
    def is_learnt(self) -> bool:
        """Whether a method made it, as far as its keys tell."""
        return bool(self.morphed or self.replicas or self.retrained or self.learnt_from or self.training_events)

    def amplified(self, amplification: Amplification) -> Amplification:
        """What the uncertainty of this background comes from; an ordinary one has nothing but its own events."""
        if (self.closure or self.learnt_from) and self.input and amplification in {"auto", "corrected"}:
            return "corrected"
        if self.replicas and amplification in {"auto", "replicas"}:
            return "replicas"
        if self.training_events and amplification in {"auto", "training"}:
            return "training"
        return "naive"


class Pruning(Section):
    """Relative effects of an uncertainty on a sample below which it is left out."""

    normalisation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Of the sum of its bins."""
    shape: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Of the bin that changes most, with the sum restored."""


class Variation(Section):
    """A systematic uncertainty of some samples; its type says which keys it has besides."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: Name
    """Equal names in several places are one and the same uncertainty."""
    type: Name
    """How it acts: a name in MODIFIERS; `simmorph schema` lists them."""
    samples: Names
    """Names of the samples it acts on; an unnamed one is called signal or background."""

    @property
    def options(self) -> dict[str, Any]:
        """The keys of its type."""
        return dict(self.model_extra or {})


Signals = Annotated[
    list[SignalSettings],
    BeforeValidator(as_list, json_schema_input_type=SignalSettings | list[SignalSettings]),
    Field(min_length=1),
]
Backgrounds = Annotated[
    list[BackgroundSettings],
    BeforeValidator(as_list, json_schema_input_type=BackgroundSettings | list[BackgroundSettings]),
    Field(min_length=1),
]


Strengths = Annotated[
    list[Annotated[float, Field(ge=0, allow_inf_nan=False)]],
    BeforeValidator(listed_numbers, json_schema_input_type=list[float] | str),
]

Groups = Annotated[
    dict[Name, Names],
    BeforeValidator(named_groups, json_schema_input_type=dict[Name, Names] | list[Name]),
]


class ObservableSettings(Section):
    """What is histogrammed, for all channels together or for one of them."""

    tree: Name | None = None
    """The tree in the files; by default the recipe's."""
    observable: Name | None = None
    """Expression of branches whose histogram separates signal from background."""
    label: Label | None = None
    """Axis label of the observable, for instance m_yy [GeV]."""
    binning: Binning | None = None
    """Its bins; histograms bring their own."""
    histogram: Name | None = None
    """Name of a histogram in the files of all samples, in place of a tree."""
    region: Name | None = None
    """Cut on all samples, as an expression of branches."""
    exclude: tuple[Finite, Finite] | None = None
    """The window of the observable that holds the signal; the rest are the sidebands."""
    data: SampleSettings | None = None
    """The observed events; without them the expected ones (Asimov data)."""


class ChannelSettings(ObservableSettings):
    """What differs in one of several channels that are fitted together; what is missing is as in the block around."""

    signal: Signals | None = None
    """One sample or a list of them."""
    background: Backgrounds | None = None
    """One sample or a list of them."""


class LimitsSettings(ObservableSettings):
    """From ntuples or histograms to an upper limit on the strength of the signal."""

    output: Path | None = None
    """Folder for the workspace, the numbers and the plots."""
    parameter: Name = "mu"
    """What the strength of the signal is called."""
    of_interest: Name | None = None
    """The parameter that the limits are on, where not `parameter`: the own one of a signal, or the `NAME_norm` of a
    background that is normalised freely. All other strengths are fitted."""
    cl: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """Confidence level."""
    signal: Signals
    """One sample or a list of them, all scaled by the parameter."""
    background: Backgrounds
    """One sample or a list of them."""
    asimov: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Take what is expected with this strength of the signal (Asimov data) in place of the data; 0 where there are no
    data. Where a background comes from sidebands, these are looked at, and the window is not."""
    channels: Annotated[dict[Name, ChannelSettings], Field(min_length=1)] | None = None
    """Several channels in one fit, each with what differs in it, such as `forward: {region: abs(eta) > 1}`. Systematics
    of one name are one and the same in all of them, and so is the free normalisation of backgrounds of one name."""
    experiment: Label = ""
    """The experiment's label on the plots, such as `ATLAS Open Data`."""
    luminosity_fb: Positive | None = None
    """Integrated luminosity of the data in 1/fb, written on the plots."""
    energy_tev: Positive | None = None
    """Centre-of-mass energy of the collisions in TeV, written on the plots."""
    systematics: list[Variation] = Field(default_factory=list)
    """Systematic uncertainties."""
    prune: Pruning = Pruning()
    """Leave out what they do to a sample where that is small, such as `{normalisation: 0.001, shape: 0.001}`."""
    amplification: Amplification = "auto"
    """What limits a generated background: simulated events that correct it (`closure`, `learnt_from`), the spread of
    replicas, the number of its training events, or (naive) the number of events drawn alone; auto takes the first of
    these that is given."""
    engine: Literal["newton", "pyhf"] = "newton"
    """How minima are found: our own fit, or pyhf's with Minuit: slow, and the reference."""
    hs3: Path | None = None
    """File that the model goes into as HS3, with its data, for RooFit and other programs."""
    interpolation: Interpolation = Interpolation()
    """How the two sides of systematic uncertainties are joined, such as `{normsys: code1, histosys: code0}`."""
    clip: Clip = Clip()
    """The least that is expected in a bin of a sample and of all together, such as `{samples: 0, bins: 1e-6}`; only
    with `engine: pyhf`."""
    calculator: Literal["asymptotics", "toys"] = "asymptotics"
    """Whether CLs comes from asymptotic formulae, or from pseudo-experiments: right for few events too. Where counts
    are few and nothing but the signal is free, these are replaced by a sum over all counts."""
    toys: Annotated[int, Field(ge=100)] = 2000
    """How many pseudo-experiments."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Start of all their random numbers."""
    goodness_toys: Annotated[int, Field(ge=0)] = 0
    """How many pseudo-experiments the goodness of fit is compared with, in place of the chi2 distribution; 0 stands for
    as many as for limits by toys."""
    impacts: bool = False
    """Fit twice more for each nuisance parameter, for its pull and its effect on the fitted strength."""
    groups: Groups = Field(default_factory=dict)
    """Nuisance parameters whose share of the uncertainty is told: `{jets: [JES_*, JER]}`, or `[JES, JER]` for all whose
    names begin so."""
    profile: Annotated[list[Name], Field(max_length=2)] = Field(default_factory=list)
    """Follow the profile likelihood of one parameter, or of two with their contours."""
    inject: Strengths = Field(default_factory=list)
    """Put signals of these strengths into expected data, whose background are the closure events if there are any, and
    tell what is found: `[0, 1, 2]`."""
    interval: Literal["feldman-cousins"] | None = None
    """Another interval of the strength at the confidence level: that of Feldman and Cousins, by pseudo-experiments
    where anything but the strength is fitted."""
    statistics: bool = True
    """Whether the finite simulated samples are an uncertainty, from the sum of squared weights (Barlow-Beeston)."""

    @model_validator(mode="after")
    def _fit_together(self) -> LimitsSettings:
        self._check_toys()
        if self.clip != Clip() and self.engine != "pyhf":
            raise ValueError("clip: our own fit does not clip; add `engine: pyhf`")
        channels = list(self.by_channel().values())
        treatments = {it.amplified(self.amplification) for channel in channels for it in channel.background}
        if self.amplification not in treatments | {"auto"}:
            key = {"replicas": "replicas", "training": "training_events"}.get(self.amplification, "closure")
            raise ValueError(f"amplification: {self.amplification} needs a background with `{key}:`")
        for channel in channels:
            channel._check_samples()
        if len({channel.data is None for channel in channels}) > 1:
            raise ValueError("channels: some have data and some have none; give `data:` for all or for none")
        strengths = dict.fromkeys(name for channel in channels for name in channel.strengths)
        if self.poi not in strengths:
            raise ValueError(f"of_interest: {self.poi!r} scales no sample; there is {', '.join(strengths)}")
        names = {name: None for channel in channels for name in channel.sample_names}
        for variation in self.systematics:
            if stray := [name for name in variation.samples if name not in names]:
                raise ValueError(f"systematics: {variation.name} acts on {stray[0]!r}; samples are {', '.join(names)}")
        return self

    def _check_toys(self) -> None:
        is_asymptotic = self.calculator == "asymptotics" and self.interval is None
        if is_asymptotic and ("toys" in self.model_fields_set):
            raise ValueError("toys: no limits are made from them; add `calculator: toys`")
        if is_asymptotic and not self.goodness_toys and "seed" in self.model_fields_set:
            raise ValueError("seed: nothing is random; add `calculator: toys`, or `goodness_toys:`")

    def _check_samples(self) -> None:
        needs_sidebands = self.needs_sidebands
        if needs_sidebands and (self.exclude is None or self.data is None):
            raise ValueError("sidebands need data, and `exclude: [low, high]` around the signal")
        if self.exclude is not None and not self.exclude[0] < self.exclude[1]:
            raise ValueError("exclude: the lower end comes first")
        if needs_sidebands and len(self.background) > 1:
            raise ValueError("background: only a single background can be taken from sidebands")
        names = self.sample_names
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two samples are called {twice[0]!r}; give each a `name:`")

    def by_channel(self) -> dict[str, LimitsSettings]:
        """The settings of each channel by its name; a single one has no name."""
        if self.channels is None:
            return {"": self}
        return {
            name: self.model_copy(update={"channels": None} | {key: getattr(it, key) for key in it.model_fields_set})
            for name, it in self.channels.items()
        }

    @property
    def poi(self) -> str:
        """The parameter of interest."""
        return self.of_interest or self.parameter

    @property
    def strengths(self) -> list[str]:
        """What normalisations are called: those of the signals, and of backgrounds that are normalised freely."""
        free = [f"{it.name}_norm" for it in self.background if it.normalise == "free"]
        return [*(it.parameter or self.parameter for it in self.signal), *free]

    @property
    def has_one_strength(self) -> bool:
        """Whether all signals are scaled by the parameter of interest."""
        its = {it.parameter or self.parameter for channel in self.by_channel().values() for it in channel.signal}
        return its == {self.poi}

    @property
    def needs_sidebands(self) -> bool:
        """Whether a background comes from the data beside the signal."""
        return any(each.fit or each.normalise == "sidebands" for each in self.background)

    def blinded(self) -> LimitsSettings:
        """Without the data that `asimov` takes the place of."""
        if self.asimov is None or any(it.needs_sidebands for it in self.by_channel().values()):
            return self
        channels = self.channels and {name: it.model_copy(update={"data": None}) for name, it in self.channels.items()}
        return self.model_copy(update={"data": None, "channels": channels})

    @property
    def sample_names(self) -> list[str]:
        """What the signals and the backgrounds are called."""
        return [sample.name for sample in [*self.signal, *self.background]]


class LimitsRecipe(NamedVariables):
    """A recipe of limits alone, from samples that are there already."""

    tree: Name = "events"
    """The tree in the files."""
    weight: Weight | None = None
    """The event weights of simulation, an expression of branches; without it every event counts 1. With one for each
    sample, `{source: abs(w) * sf, target: 1}`, that of the target is for data."""
    features: list[Name] = Field(default_factory=list)
    """The branches that were morphed."""
    limits: LimitsSettings
    """The limits."""
    coverage: CoverageSettings | None = None
    """How often they hold the truth: `simmorph coverage`."""
    scan: ScanSettings | None = None
    """What they are over a grid: `simmorph scan`."""
