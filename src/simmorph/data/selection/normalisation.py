"""Which sample a file is of, and the factor that normalises a sample to the luminosity of the data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.config.selection.samples import in_pb, per_pb
from simmorph.data.expressions.expression import parse
from simmorph.data.ntuples.contents import read_histogram
from simmorph.data.ntuples.files import expand_inputs, identity, parts_of
from simmorph.data.ntuples.reading import STEP, open_tree
from simmorph.errors import ConfigError, InputError, UsageError, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from simmorph.config.selection.samples import SampleInput, SumOfWeights
    from simmorph.config.selection.selection import Selection

KINDS = ("auto", "data", "simulation")
"""What `--sample` says where a selection has no table of samples."""


@dataclass(frozen=True)
class Normalisation:
    """What the weights of a simulated sample are multiplied by, and what it is made of.

    Attributes:
        cross_section_pb: cross-section in pb.
        filter_efficiency: share of events that the generator's filter let pass.
        k_factor: factor to the cross-section of a higher order.
        luminosity_per_pb: integrated luminosity in 1/pb.
        sum_of_weights: of all events that were generated.
        summed_over: the sum in each file that it was read from; empty if it was given.
    """

    cross_section_pb: float
    filter_efficiency: float
    k_factor: float
    luminosity_per_pb: float
    sum_of_weights: float
    summed_over: Mapping[str, float] = field(default_factory=dict)

    @property
    def factor(self) -> float:
        """On the weight of each event."""
        expected = self.cross_section_pb * self.filter_efficiency * self.k_factor * self.luminosity_per_pb
        return expected / self.sum_of_weights

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**self.__dict__, "summed_over": dict(self.summed_over), "factor": self.factor}

    def described(self) -> str:
        """What it is made of and what was summed over."""
        files = list(self.summed_over)
        shown = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        over = f" over {len(files)} file{'s' if len(files) > 1 else ''}: {shown}" if files else ", as given"
        parts = f"{self.cross_section_pb:.6g} pb x {self.filter_efficiency:g} x {self.k_factor:g}"
        return f"{parts} x {self.luminosity_per_pb:.6g} /pb; sum of weights {self.sum_of_weights:.8g}{over}"


@dataclass(frozen=True)
class Samples:
    """The table of samples of a selection.

    Attributes:
        selection: which has the table, or none.
        named: what `--sample` says of all files: a sample, or one of KINDS.
    """

    selection: Selection
    named: str = "auto"

    def __post_init__(self) -> None:
        known = self.selection.samples
        if self.named in known or self.named in {"auto", "data"}:
            return
        if self.named not in KINDS:
            mend = one_of(self.named, known) if known else f"the selection has no `samples:`; say {', '.join(KINDS)}"
            raise UsageError("--sample", f"there is no sample {self.named!r}", mend)
        if known:
            raise UsageError("--sample", "the selection has more than one simulated sample", one_of("", known))

    def of(self, path: str) -> str | None:
        """The sample that a file is of; None where the selection has no table, or all is taken for data.

        Raises:
            InputError: it is of none, or of several.
        """
        samples = self.selection.samples
        if self.named != "auto" or not samples:
            return self.named if self.named in samples else None
        found = [name for name, it in samples.items() if any(_matches(path, pattern) for pattern in it.files or [])]
        if len(found) != 1:
            what = (
                f"is of {len(found)} samples by its name: {', '.join(found)}"
                if found
                else "is of no sample by its name"
            )
            mend = f"mend `files:` of the selection's samples, or add --sample NAME; {one_of('', samples)}"
            raise InputError(path, what, mend)
        return found[0]

    def look(self, path: str) -> None:
        """Look whether a file is of one sample and has what its sum of weights is read from; see `of`."""
        if self._is_read(self.of(path)):
            self._sum_in(path)

    def _is_read(self, name: str | None) -> bool:
        sample = self.selection.samples.get(name or "")
        return sample is not None and sample.kind == "simulation" and not sample.sum_of_weights

    def normalisations(self, paths: Iterable[str]) -> dict[str, Normalisation]:
        """The normalisation of each simulated sample that is among these files, summed over all that are of it.

        Raises:
            InputError: a file is of no sample, a sum cannot be read or is not positive, or a file is not among those
                that are summed over.
        """
        of_sample: dict[str, list[str]] = {}
        for path in paths:
            if (name := self.of(path)) is not None:
                of_sample.setdefault(name, []).append(path)
        tables = {name: self.selection.samples[name] for name in of_sample}
        return {
            name: self._normalisation(name, table, of_sample[name])
            for name, table in tables.items()
            if table.kind == "simulation"
        }

    def _normalisation(self, name: str, sample: SampleInput, paths: Sequence[str]) -> Normalisation:
        sums: dict[str, float] = {}
        if sample.sum_of_weights is None:
            sums = {path: self._sum_in(path) for path in _summed_over(sample, paths)}
        total = sample.sum_of_weights or math.fsum(sums.values())
        if not (math.isfinite(total) and total > 0):
            what = f"the sum of weights of {name!r} is {total:g}"
            raise InputError(", ".join(paths), what, "mend `sum_of_weights:` of the selection")
        luminosity = sample.luminosity or self.selection.luminosity
        if sample.cross_section is None or luminosity is None:
            raise ConfigError(f"samples.{name}", "has no cross-section or luminosity")
        parts = sample.filter_efficiency, sample.k_factor, per_pb(luminosity)
        return Normalisation(in_pb(sample.cross_section), *parts, total, sums)

    def _sum_in(self, path: str) -> float:
        """The sum of generated weights in one file."""
        settings: SumOfWeights | None = self.selection.sum_of_weights
        if settings is None:
            raise ConfigError("sum_of_weights", "is missing")
        if settings.histogram is None:
            return _sum_over(path, settings.tree or self.selection.tree, settings.sum or "")
        values, _, _ = read_histogram(path, settings.histogram)
        if settings.bin > len(values):
            raise InputError(path, f"histogram {settings.histogram!r} has {len(values)} bins, and no {settings.bin}")
        return float(values[settings.bin - 1])


def _matches(path: str, pattern: str) -> bool:
    path = parts_of(path)[0]
    return fnmatchcase(path if "/" in pattern else PurePosixPath(path).name, pattern)


def _summed_over(sample: SampleInput, paths: Sequence[str]) -> list[str]:
    """The files of a sample, each once, after a look that those given are among them."""
    given = {_file(path): path for path in paths}
    if len(given) < len(paths):
        twice = next(path for path in paths if given[_file(path)] != path)
        raise InputError(twice, "stands twice among the inputs", "leave one out: its events would count twice")
    if sample.sum_over is None:
        return list(paths)
    everything = {_file(path): path for path in expand_inputs(sample.sum_over)}
    for file, path in given.items():
        if file not in everything:
            raise InputError(path, "is not among the files that the sum of weights is over", "mend `sum_over:`")
    return list(everything.values())


def _file(path: str) -> object:
    """What two paths share that lead to the same events, whatever friends stand beside them."""
    return identity(parts_of(path)[0])


def _sum_over(path: str, tree: str, text: str) -> float:
    expression, total = parse(text, "sum_of_weights.sum"), 0.0
    with open_tree(parts_of(path)[0], tree) as found:
        for start, columns in found.iterate(sorted(expression.names)):
            known = columns or {"": np.empty(min(STEP, found.n_entries - start))}
            total += float(np.sum(expression.numbers(known), dtype=np.float64))
    return total
