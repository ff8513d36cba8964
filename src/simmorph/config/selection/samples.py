"""The samples that one selection is for, and how simulation is normalised to the luminosity of the data."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from simmorph.config.documents import Name, Names, Section
from simmorph.config.selection.names import Formula, Word

PER_PB = {"mb": 1e9, "ub": 1e6, "nb": 1e3, "pb": 1.0, "fb": 1e-3, "ab": 1e-6}
"""Each unit of a cross-section in pb."""

_NUMBER = r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?"
_CROSS_SECTION = re.compile(rf"({_NUMBER}) ?({'|'.join(PER_PB)})")
_LUMINOSITY = re.compile(rf"({_NUMBER}) ?(?:/|1/)({'|'.join(PER_PB)})")


def _cross_section(text: str) -> str:
    if not _CROSS_SECTION.fullmatch(text):
        raise ValueError(f"{text!r} is not a cross-section with its unit, such as `28.3 pb` or `102 fb`")
    return text


def _luminosity(text: str) -> str:
    if not _LUMINOSITY.fullmatch(text):
        raise ValueError(f"{text!r} is not a luminosity with its unit, such as `36.6 /fb`")
    return text


CrossSection = Annotated[str, AfterValidator(_cross_section)]
Luminosity = Annotated[str, AfterValidator(_luminosity)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def in_pb(cross_section: str) -> float:
    """A cross-section in pb.

    >>> in_pb("1.5 nb")
    1500.0
    """
    number, unit = _matched(_CROSS_SECTION, cross_section)
    return float(number) * PER_PB[unit]


def per_pb(luminosity: str) -> float:
    """A luminosity in 1/pb.

    >>> per_pb("36.6 /fb")
    36600.0
    """
    number, unit = _matched(_LUMINOSITY, luminosity)
    return float(number) / PER_PB[unit]


def _matched(pattern: re.Pattern[str], text: str) -> tuple[str, str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} was not validated")
    return found[1], found[2]


class SumOfWeights(Section):
    """Where each file of simulation has the sum of the weights of all events that were generated for it."""

    sum: Formula | None = None
    """Expression that is added up over the entries of a tree: `genEventSumw` of `Runs`, or the weight of each event."""
    tree: Name | None = None
    """The tree of `sum`; the selection's by default, which must hold every event that was generated."""
    histogram: Name | None = None
    """A histogram with the sum in one of its bins."""
    bin: Annotated[int, Field(ge=1)] = 1
    """The bin, counted from 1 as in ROOT."""

    @model_validator(mode="after")
    def _say_it_in_one_way(self) -> Self:
        if (self.sum is None) == (self.histogram is None):
            raise ValueError("give either sum (with its tree) or histogram (with its bin)")
        if self.histogram and self.tree:
            raise ValueError("a histogram is in no tree; leave tree out")
        return self


class SampleInput(Section):
    """One sample: which files are of it, and what it is normalised to."""

    files: Names | None = None
    """Patterns such as `*ggH125*` of the names of its files; a pattern with a `/` is of whole paths. `--sample` says it
    otherwise."""
    kind: Literal["simulation", "data"] = "simulation"
    """What it is; data is not normalised."""
    cross_section: CrossSection | None = None
    """Cross-section with its unit, `28.3 pb`; times branching fraction, if the generator made one decay."""
    filter_efficiency: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of events that a filter of the generator let pass."""
    k_factor: Positive = 1.0
    """Factor to the cross-section of a higher order."""
    luminosity: Luminosity | None = None
    """Where it differs from that of the other samples."""
    sum_of_weights: Positive | None = None
    """The sum of the weights of all events of the sample, where it is known; else it is read from the files."""
    sum_over: Names | None = None
    """All files of the sample, where a job is given only some of them; the sum of weights is over these."""

    @model_validator(mode="after")
    def _normalise_simulation(self) -> Self:
        given = sorted(self.model_fields_set - {"files", "kind"})
        if self.kind == "data" and given:
            raise ValueError(f"data is not normalised: leave {given[0]} out")
        if self.kind == "simulation" and self.cross_section is None:
            raise ValueError("a simulated sample needs its cross_section, such as `28.3 pb`, or `kind: data`")
        if self.sum_of_weights and self.sum_over:
            raise ValueError("give either sum_of_weights or the files that it is to be summed over")
        return self


class Normalised(Section):
    """Keys of a selection that normalise each sample."""

    samples: dict[Word, SampleInput] = Field(default_factory=dict)
    """Name of each sample: its files and cross-section. With samples, the weight of each simulated event is its
    `weight.simulation` times cross-section, filter efficiency, k-factor and luminosity over the sum of weights."""
    luminosity: Luminosity | None = None
    """Integrated luminosity of the data with its unit, `36.6 /fb`."""
    sum_of_weights: SumOfWeights | None = None
    """Where the sum of generated weights is read."""

    def files_beside(self) -> list[str]:
        """What is read besides the inputs."""
        return [path for sample in self.samples.values() for path in sample.sum_over or []]

    @model_validator(mode="after")
    def _know_what_normalises(self) -> Self:
        if not self.samples and (self.luminosity or self.sum_of_weights):
            raise ValueError("luminosity and sum_of_weights normalise `samples:`, and there are none")
        for name, sample in self.samples.items():
            if name in {"auto", "simulation"} or (name == "data" and sample.kind != "data"):
                raise ValueError(f"samples: {name!r} means something else for --sample; choose another name")
            if sample.kind == "simulation" and not (sample.luminosity or self.luminosity):
                raise ValueError(f"samples: {name} has no luminosity; add `luminosity: 36.6 /fb`")
            if sample.kind == "simulation" and not (sample.sum_of_weights or self.sum_of_weights):
                raise ValueError(
                    f"samples: {name} has no sum_of_weights; add `sum_of_weights: {{tree: ..., sum: ...}}`"
                )
        return self
