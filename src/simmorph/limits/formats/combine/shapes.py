"""The histograms of a card: nominal ones, data, and variations."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.limits.formats.combine.card import FROM_HISTOGRAM

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray
    from simmorph.data.histograms import Histogram
    from simmorph.limits.formats.combine.card import Card, Column, Line, Nuisance, Shapes
    from simmorph.limits.formats.source import HistogramFiles

DATA = "data_obs"
DISAGREEMENT = 0.01
"""Difference between a rate and the sum of its histogram up to which they are the same, of the rate or of one event."""


class Template(NamedTuple):
    """The expected events of a column.

    Attributes:
        values: (n_bins,), their sum is the rate.
        errors: (n_bins,), of the histogram, scaled with it; 0 for a counting channel.
        scale: from the histogram to the values.
    """

    values: FloatArray
    errors: FloatArray
    scale: float


class CardHistograms:
    """What the lines `shapes` of a card lead to; a channel without any counts in one bin.

    Args:
        card: the card.
        files: of histograms.
    """

    def __init__(self, card: Card, files: HistogramFiles) -> None:
        self.card, self.files = card, files
        self.edges: dict[str, FloatArray] = {}

    def shapes_of(self, channel: str, process: str) -> Shapes | None:
        """The line for a process, the closest one; None where the channel only counts.

        Raises:
            InputError: the card has such lines, and none for this process.
        """
        by_channel = {name: [it for it in self.card.shapes if it.channel == name] for name in (channel, "*")}
        for its in by_channel.values():
            for name in (process, "*"):
                if found := next((it for it in its if it.process == name), None):
                    return None if found.file == "FAKE" else found
        if self.card.shapes:
            line = self.card.shapes[0].line
            raise line.fault(f"no line `shapes` is for {process!r} in {channel!r}", "add one; FAKE is for counts")
        return None

    def observed(self, channel: str) -> FloatArray:
        """(n_bins,), the counts of a channel.

        Raises:
            InputError: histogram and line `observation` do not agree.
        """
        count, line = self.card.observed[channel], self.card.places["bin"]
        shapes = self.shapes_of(channel, DATA)
        if shapes is None:
            if count < 0:
                raise line.fault(f"{count:g} events are observed in {channel!r}", "-1 needs a histogram of the data")
            return np.array([count])
        found = self._read(shapes, channel, DATA)
        _check_sum(found, count, shapes.line)
        return found.values

    def template(self, column: Column, rate: float) -> Template:
        """The expected events of a column.

        Args:
            column: the column.
            rate: how many; FROM_HISTOGRAM for as many as its histogram has.

        Raises:
            InputError: there is no such histogram, or it is negative somewhere.
        """
        shapes = self.shapes_of(column.channel, column.process)
        if shapes is None:
            if rate < 0:
                line = self.card.places["rate"]
                raise line.fault(f"{column.process!r} in {column.channel!r} has no histogram", "-1 needs one")
            return Template(np.array([rate]), np.zeros(1), 1.0)
        if rate == 0:
            zeros = np.zeros(len(self.edges[column.channel]) - 1)
            return Template(zeros, zeros, 1.0)
        found = self._positive(shapes, column)
        scale = 1.0 if rate == FROM_HISTOGRAM else rate / float(found.values.sum())
        return Template(found.values * scale, found.uncertainties * scale, scale)

    def check_rate(self, column: Column) -> None:
        """Refuse a rate that is not the sum of its histogram."""
        shapes = self.shapes_of(column.channel, column.process)
        if shapes is not None and column.rate != 0:
            _check_sum(self._read(shapes, column.channel, column.process), column.rate, shapes.line)

    def varied(self, column: Column, nuisance: Nuisance) -> tuple[Histogram, Histogram] | None:
        """The histograms of a column one standard deviation up and down; None if there are none for a `shape?`.

        Raises:
            InputError: they are missing, or negative somewhere.
        """
        shapes = self.shapes_of(column.channel, column.process)
        if nuisance.kind == "shape?" and not self._has_variation(shapes, column, nuisance):
            return None
        if shapes is None or shapes.varied is None:
            what = f"{column.process!r} in {column.channel!r} has no histograms of variations"
            raise nuisance.line.fault(what, "name them in its line `shapes`")
        up, down = (self._positive(shapes, column, nuisance.name + side, nuisance.line) for side in ("Up", "Down"))
        return up, down

    def _has_variation(self, shapes: Shapes | None, column: Column, nuisance: Nuisance) -> bool:
        if shapes is None or shapes.varied is None:
            return False
        name = _named(shapes.varied, column.channel, column.process, f"{nuisance.name}Up")
        return self.files.has(_named(shapes.file, column.channel, column.process), name, shapes.line.where)

    def _positive(
        self, shapes: Shapes, column: Column, systematic: str | None = None, line: Line | None = None
    ) -> Histogram:
        line = line or shapes.line
        found = self._read(shapes, column.channel, column.process, systematic, line)
        if np.any(found.values < 0) or found.values.sum() <= 0:
            what = f"histogram {found.name!r} has " + ("a negative bin" if np.any(found.values < 0) else "no events")
            raise line.fault(what, "merge bins, or leave the process out")
        return found

    def _read(
        self, shapes: Shapes, channel: str, process: str, systematic: str | None = None, line: Line | None = None
    ) -> Histogram:
        line = line or shapes.line
        template = shapes.nominal if systematic is None else shapes.varied or ""
        name = _named(template, channel, process, systematic or "")
        found = self.files.read(_named(shapes.file, channel, process), name, line.where)
        edges = self.edges.setdefault(channel, found.edges)
        if len(edges) != len(found.edges) or not np.allclose(edges, found.edges):
            raise line.fault(f"histogram {name!r} has other bins than the data of {channel!r}")
        return found


def _named(template: str, channel: str, process: str, systematic: str = "") -> str:
    """A name in which the words with a dollar are filled in."""
    words = {"$PROCESS": process, "$CHANNEL": channel, "$SYSTEMATIC": systematic}
    for word, value in words.items():
        template = template.replace(word, value)
    return template


def _check_sum(histogram: Histogram, rate: float, line: Line) -> None:
    total = float(histogram.values.sum())
    if rate != FROM_HISTOGRAM and abs(total - rate) > DISAGREEMENT * max(1.0, rate):
        what = f"histogram {histogram.name!r} has {total:g} events, and the card says {rate:g}"
        raise line.fault(what, "write -1 into the card to take the histogram's")
