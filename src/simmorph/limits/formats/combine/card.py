"""The lines of a card of CMS Combine.

Source: Combine's documentation, "Preparing the datacard"; A. Hayrapetyan et al. (CMS), arXiv:2404.06614.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from simmorph.errors import InputError, one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HEADER = ("imax", "jmax", "kmax", "shapes", "bin", "observation", "Observation", "process", "rate")
NO_EFFECT = re.compile(r"-+|0|0\.0*")
FROM_HISTOGRAM = -1.0
"""Stands for a rate or an observation that is the sum of the bins of a histogram."""
KINDS = ("lnN", "gmN", "shape", "shape?", "rateParam", "autoMCStats", "group")
DEFAULTS = (0.0, 0.0, 1.0)
"""Threshold, signal and mode of autoMCStats; the first has to be given."""


class Line(NamedTuple):
    """The words of a line, and where it stands."""

    words: list[str]
    where: str

    def fault(self, what: str, mend: str = "") -> InputError:
        """An error with file and line."""
        return InputError(self.where, what, mend)

    def number(self, word: str) -> float:
        """A word that is a number.

        Raises:
            InputError: it is none, or not finite.
        """
        try:
            found = float(word)
        except ValueError:
            found = float("nan")
        if found - found != 0:
            raise self.fault(f"{word!r} is not a number")
        return found


class Column(NamedTuple):
    """A process in a channel.

    Attributes:
        channel: Combine's bin.
        process: its name.
        is_signal: whether the parameter of interest scales it.
        rate: expected events; FROM_HISTOGRAM if its histogram says.
    """

    channel: str
    process: str
    is_signal: bool
    rate: float


class Effect(NamedTuple):
    """What a nuisance does to a column: its factor, or both of them, one standard deviation down and up."""

    low: float
    high: float


class Nuisance(NamedTuple):
    """A line of the systematic uncertainties.

    Attributes:
        name: of the parameter.
        kind: lnN, gmN, shape or shape?.
        effects: one for each column; None where there is none.
        counted: events in the sideband of a gmN.
        line: where it is from.
    """

    name: str
    kind: str
    effects: list[Effect | None]
    counted: float
    line: Line


class RateParameter(NamedTuple):
    """A free normalisation of the processes of some columns.

    Attributes:
        name: of the parameter.
        columns: which ones it scales.
        value: where it starts.
        bounds: its range, if there is one.
        line: where it is from.
    """

    name: str
    columns: list[int]
    value: float
    bounds: tuple[float, float] | None
    line: Line


class Statistics(NamedTuple):
    """autoMCStats of a channel.

    Attributes:
        threshold: effective number of events up to which every process has parameters of its own.
        with_signal: whether signals count for that number.
        line: where it is from.
    """

    threshold: float
    with_signal: bool
    line: Line


class Shapes(NamedTuple):
    """Where the histograms of some processes are.

    Attributes:
        process: a name, or `*`.
        channel: a name, or `*`.
        file: a ROOT file; FAKE for none.
        nominal: name of the histogram, with $PROCESS and $CHANNEL.
        varied: the same with $SYSTEMATIC; None if there are no variations.
        line: where it is from.
    """

    process: str
    channel: str
    file: str
    nominal: str
    varied: str | None
    line: Line


@dataclass
class Card:
    """A card.

    Attributes:
        name: of the file, for messages.
        observed: counts by channel.
        columns: processes of all channels.
        nuisances: their uncertainties.
        rates: free normalisations.
        statistics: of the templates, by channel.
        shapes: where histograms are.
        places: the lines of the header by their first word.
    """

    name: str
    observed: dict[str, float] = field(default_factory=dict)
    columns: list[Column] = field(default_factory=list)
    nuisances: list[Nuisance] = field(default_factory=list)
    rates: list[RateParameter] = field(default_factory=list)
    statistics: dict[str, Statistics] = field(default_factory=dict)
    shapes: list[Shapes] = field(default_factory=list)
    places: dict[str, Line] = field(default_factory=dict)

    def columns_of(self, channel: str) -> Iterator[tuple[int, Column]]:
        """The columns of a channel and their numbers."""
        return ((i, it) for i, it in enumerate(self.columns) if it.channel == channel)


def is_card(raw: bytes) -> bool:
    """Whether a text looks like a card: it has lines that begin like those of one."""
    first = {line.split(maxsplit=1)[0] for line in raw.splitlines() if line.strip()}
    return {b"process", b"rate"} <= first or b"imax" in first


def parse_card(raw: bytes, name: str) -> Card:
    """A card.

    Args:
        raw: the text.
        name: of its file, for messages.

    Raises:
        InputError: a line is malformed, missing, or asks for what has no counterpart in a model of pyhf.
    """
    lines = list(_lines(raw, name))
    end = next((i for i, line in enumerate(lines) if line.words[0] == "rate"), None)
    if end is None:
        raise InputError(name, "has no line `rate`", "is the card whole?")
    card = Card(name)
    _read_header(card, lines[: end + 1])
    for line in lines[end + 1 :]:
        _read_uncertainty(card, line)
    _check_numbers(card)
    return card


def _lines(raw: bytes, name: str) -> Iterator[Line]:
    """The lines that say something."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise InputError(name, "is not a text", "is this the right file?") from error
    for number, line in enumerate(text.splitlines(), 1):
        words = re.sub(r"(^|\s)#.*", "", line).split()
        if words and not re.match("-{2}", words[0]):
            yield Line(words, f"{name}:{number}")


def _read_header(card: Card, lines: Sequence[Line]) -> None:
    """Channels, observations, processes and rates; text may stand before them."""
    start = next(i for i, line in enumerate(lines) if line.words[0] in HEADER)
    bins: Line | None = None
    named: list[Line] = []
    for line in lines[start:]:
        word = line.words[0]
        if word not in HEADER:
            raise line.fault(f"unknown line {word!r}", one_of(word, HEADER))
        if word == "bin":
            bins = line
        elif word == "process":
            named.append(line)
        elif word.lower() == "observation":
            card.places["bin"] = bins or line
            card.observed = _observed(bins, line)
        elif word == "shapes":
            card.shapes.append(_shapes(line))
        else:
            card.places[word] = line
    if bins is None or not card.observed or len(named) != len(("names", "numbers")):
        raise InputError(
            card.name, "needs a line `observation`, two lines `bin` and two lines `process`", "is it whole?"
        )
    card.columns = _columns(bins, named, card.places["rate"])


def _observed(bins: Line | None, line: Line) -> dict[str, float]:
    """Observed counts by channel."""
    counts = [line.number(word) for word in line.words[1:]]
    if bins is None:
        raise line.fault("stands before a line `bin`", "name the channels above it")
    channels = bins.words[1:]
    if len(channels) != len(counts):
        raise line.fault(f"has {len(counts)} numbers for {len(channels)} channels")
    if len(set(channels)) < len(channels):
        raise bins.fault("names a channel twice")
    return dict(zip(channels, counts, strict=True))


def _shapes(line: Line) -> Shapes:
    """A line that says where histograms are."""
    process, channel, file, nominal, varied = [*line.words[1:], *[""] * 5][:5]
    if not file or (file != "FAKE" and not nominal):
        raise line.fault("is not `shapes PROCESS CHANNEL FILE HISTOGRAM [VARIED HISTOGRAM]`")
    if ":" in nominal:
        raise line.fault(f"{nominal!r} is in a RooFit workspace, which has no counterpart", "give histograms")
    if stray := re.search(r"\$(?!PROCESS|CHANNEL|SYSTEMATIC)\w+", f"{file} {nominal} {varied}"):
        raise line.fault(f"{stray[0]} stands for nothing that is known", "write what it stands for into the card")
    return Shapes(process, channel, file, nominal, varied or None, line)


def _columns(bins: Line, named: Sequence[Line], rate: Line) -> list[Column]:
    """The processes; of the two lines that name them, one has numbers, 0 or less for signals."""
    names, numbers = named
    if all(re.fullmatch(r"-?\d+", word) for word in names.words[1:]):
        names, numbers = numbers, names
    lines = (bins, names, numbers, rate)
    n = len(bins.words)
    if wrong := [line for line in lines if len(line.words) != n]:
        raise wrong[0].fault(f"has {len(wrong[0].words) - 1} columns, and `bin` above has {n - 1}")
    columns = []
    for channel, process, number, events in zip(*(line.words[1:] for line in lines), strict=True):
        if not re.fullmatch(r"-?\d+", number):
            raise numbers.fault(f"{number!r} is not a whole number", "0 or less is a signal, 1 or more a background")
        columns.append(Column(channel, process, int(number) <= 0, rate.number(events)))
        if columns[-1].rate < 0 and columns[-1].rate != FROM_HISTOGRAM:
            raise rate.fault(f"{events} events are expected of {process!r} in {channel!r}")
    if not any(column.is_signal for column in columns):
        raise numbers.fault("has no signal", "give the signal a number of 0 or less")
    if len({column[:2] for column in columns}) < len(columns):
        raise names.fault("names a process twice in one channel")
    return columns


def _read_uncertainty(card: Card, line: Line) -> None:
    """A line below the rates."""
    name, kind = [*line.words, ""][:2]
    if name.endswith("[nofloat]"):
        raise line.fault("[nofloat] has no counterpart", "leave the line out")
    if (name, kind) == ("nuisance", "edit"):
        raise line.fault("`nuisance edit` is not carried out", "write the edited lines")
    if kind not in KINDS:
        raise line.fault(f"{kind!r} has no counterpart in a model of pyhf", one_of(kind, KINDS))
    if kind in READERS:
        READERS[kind](card, line)
    elif kind != "group":
        card.nuisances.append(_nuisance(card, line))


def _nuisance(card: Card, line: Line) -> Nuisance:
    """A line with one word for each column; what stands behind them is a comment."""
    name, kind, *words = line.words
    counted = 0.0
    if kind == "gmN":
        counted = line.number(words[0]) if words else -1.0
        if counted < 0 or counted != int(counted):
            raise line.fault("gmN needs the number of events in the sideband")
        words = words[1:]
    if len(words) < len(card.columns):
        raise line.fault(f"has {len(words)} columns, and `rate` has {len(card.columns)}")
    effects = [_effect(line, kind, word) for word in words[: len(card.columns)]]
    return Nuisance(name, kind, effects, counted, line)


def _effect(line: Line, kind: str, word: str) -> Effect | None:
    """One word: -, a number, or two of them as `down/up`."""
    if NO_EFFECT.fullmatch(word):
        return None
    sides = [line.number(side) for side in word.split("/")]
    if any(side <= 0 for side in sides):
        raise line.fault(f"{word!r} is no effect", "factors are above 0")
    if len(sides) == 1:
        return Effect(sides[0] if kind == "shape" else 1 / sides[0], sides[0])
    if len(sides) > len(Effect._fields) or kind not in {"lnN", "shape?"}:
        raise line.fault(f"{word!r} is not one effect of {kind}")
    return Effect(*sides)


def _rate_parameter(card: Card, line: Line) -> None:
    """NAME rateParam CHANNEL PROCESS VALUE [low,high]."""
    if len(line.words) not in {5, 6}:
        raise line.fault("is not `NAME rateParam CHANNEL PROCESS VALUE [low,high]`")
    name, _, channel, process, value, *rest = line.words
    bounds = re.fullmatch(r"\[([^,]+),([^,]+)\]", rest[0]) if rest else None
    if (rest and not bounds) or ".root" in value:
        raise line.fault("a formula or a file for a rateParam has no counterpart", "give a number")
    chosen = [
        i for i, it in enumerate(card.columns) if fnmatchcase(it.channel, channel) and fnmatchcase(it.process, process)
    ]
    if not chosen:
        raise line.fault(f"no process {process!r} in a channel {channel!r}")
    limits = (line.number(bounds[1]), line.number(bounds[2])) if bounds else None
    card.rates.append(RateParameter(name, chosen, line.number(value), limits, line))


def _statistics(card: Card, line: Line) -> None:
    """CHANNEL autoMCStats THRESHOLD [with signal] [mode]."""
    channel, _, *words = line.words
    if not 1 <= len(words) <= len(DEFAULTS):
        raise line.fault("is not `CHANNEL autoMCStats THRESHOLD [with signal] [mode]`")
    given = [line.number(word) for word in words]
    threshold, with_signal, mode = [*given, *DEFAULTS[len(given) :]]
    if mode != 1:
        raise line.fault("the mode of autoMCStats is not 1", "normalisations are apart from shapes only in mode 1")
    chosen = [name for name in card.observed if fnmatchcase(name, channel)]
    if not chosen:
        raise line.fault(f"no channel {channel!r}", one_of(channel, card.observed))
    card.statistics |= {name: Statistics(threshold, bool(with_signal), line) for name in chosen}


READERS: dict[str, Callable[[Card, Line], None]] = {"rateParam": _rate_parameter, "autoMCStats": _statistics}
"""What reads the lines that have no word for each column."""


def _check_numbers(card: Card) -> None:
    """Compare imax, jmax and kmax with what is there: a card that was cut short has fewer lines.

    Raises:
        InputError: a number is another one.
    """
    channels = dict.fromkeys(column.channel for column in card.columns)
    if stray := [name for name in channels if name not in card.observed]:
        raise card.places["bin"].fault(f"channel {stray[0]!r} has no observation", one_of(stray[0], card.observed))
    if empty := [name for name in card.observed if name not in channels]:
        raise card.places["bin"].fault(f"no process is expected in channel {empty[0]!r}")
    n_processes = len({column.process for column in card.columns})
    there = {"imax": len(channels), "jmax": n_processes - 1, "kmax": len(card.nuisances)}
    words = {"imax": "channels", "jmax": "processes beside the first", "kmax": "systematic uncertainties"}
    for name, n in there.items():
        line = card.places.get(name)
        given = "*" if line is None or len(line.words) == 1 else line.words[1]
        if given != "*" and line is not None and line.number(given) != n:
            raise line.fault(
                f"{name} says {given}, and there are {n} {words[name]}", f"is the card whole? write {name} *"
            )
