"""The cells of a HistFactory model, each one bin of one sample, and what multiplies and moves them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simmorph.limits.modifiers.base import Term
from simmorph.limits.modifiers.registry import MODIFIERS, modifier_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from simmorph.data.events import IntArray
    from simmorph.limits.modifiers.base import Function, Scaling, Shifting


class Group(NamedTuple):
    """Functions of one kind of modifier.

    Attributes:
        its: which of all functions they are.
        at: the parameter of each.
        function: all of them.
    """

    its: IntArray
    at: IntArray
    function: Function


class Cells:
    """A model's cells, channel by channel and sample by sample, as lists.

    Attributes:
        bins: of each cell, its bin among all.
        nominal: of each cell, its yield.
        factors: of each cell, which of all factors multiply it: parameters first, then functions.
        of_bin: of each cell, the parameters of its bin that multiply it.
        functions: the parameter and the modifier of each function.
        added: what is added to the cells, by the kind of modifier.
    """

    def __init__(self, model: Any) -> None:
        self.bins: list[int] = []
        self.nominal: list[float] = []
        self.factors: list[list[int]] = []
        self.of_bin: list[list[int]] = []
        self.functions: dict[tuple[int, Scaling], int] = {}
        self.added: dict[type[Shifting], list[tuple[int, slice, Shifting]]] = {}
        self.n_parameters = int(model.config.npars)
        self._codes = {kind: its.get("interpcode") for kind, its in (model.config.modifier_settings or {}).items()}
        offsets = offsets_of(model)
        for channel, sample in samples_of(channels_of(model)):
            place = model.config.channel_slices[channel]
            here = slice(len(self.bins), len(self.bins) + len(sample["data"]))
            self.bins += range(place.start, place.stop)
            self.nominal += sample["data"]
            self.factors += [[] for _ in sample["data"]]
            self.of_bin += [[] for _ in sample["data"]]
            for spec in sample["modifiers"]:
                start = int(model.config.par_slice(spec["name"]).start) + offsets.get((spec["name"], channel), 0)
                modifier_of(spec, np.array(sample["data"], np.float64)).enter(self, here, start)

    def scale(self, here: slice, parameter: int) -> None:
        """Multiply all cells by a parameter or a function."""
        for factors in self.factors[here]:
            factors.append(parameter)

    def multiply(self, here: slice, parameters: Sequence[int]) -> None:
        """Multiply each cell by a parameter of its bin."""
        for of_bin, parameter in zip(self.of_bin[here], parameters, strict=True):
            of_bin.append(parameter)

    def multiply_by(self, here: slice, parameter: int, modifier: Scaling) -> None:
        """Multiply all cells by a function of one parameter; equal functions are evaluated once."""
        number = self.functions.setdefault((parameter, modifier), len(self.functions))
        self.scale(here, self.n_parameters + number)

    def add(self, here: slice, parameter: int, modifier: Shifting) -> None:
        """Add a function of one parameter to the cells."""
        self.added.setdefault(type(modifier), []).append((parameter, here, modifier))

    def local_parameters(
        self, *, last: Iterable[int] = (), alone: Iterable[int] = (), never: Iterable[int] = ()
    ) -> dict[int, int]:
        """The parameters that touch one bin alone, linearly, and that bin; at most one of them touches a cell.

        Args:
            last: parameters that are taken last, since nothing is won by them.
            alone: those that nothing constrains, which are local only in a bin without others: what they take up there
                does not follow from the slope of the bin's Poisson term.
            never: those that stay global.
        """
        touched: dict[int, list[int]] = {}
        for cell, parameters in enumerate(self.of_bin):
            for parameter in parameters:
                touched.setdefault(parameter, []).append(cell)
        behind, taken, found = set(last), set[int](), dict[int, int]()
        for parameter in sorted(touched.keys() - set(never), key=lambda it: (it in behind, -len(touched[it]), it)):
            its = touched[parameter]
            if len({self.bins[cell] for cell in its}) == 1 and len(set(its)) == len(its) and taken.isdisjoint(its):
                taken.update(its)
                found[parameter] = self.bins[its[0]]
        n_of_bin, free = Counter(found.values()), set(alone)
        return {it: place for it, place in found.items() if n_of_bin[place] == 1 or it not in free}

    def factor_groups(self) -> list[Group]:
        """The functions that multiply, kind by kind."""
        groups = []
        for kind in dict.fromkeys(type(modifier) for _, modifier in self.functions):
            chosen = [(number, *what) for what, number in self.functions.items() if type(what[1]) is kind]
            its, at, modifiers = zip(*chosen, strict=True)
            function = kind.factors(modifiers, self._codes.get(kind.kind))
            groups.append(Group(np.array(its, np.int64), np.array(at, np.int64), function))
        return groups

    def shift_groups(self, positions: IntArray) -> list[Group]:
        """The functions that add, kind by kind.

        Args:
            positions: where each cell ends up.
        """
        groups = []
        for kind, added in self.added.items():
            at = {parameter: row for row, parameter in enumerate(sorted({parameter for parameter, *_ in added}))}
            terms = [
                Term(at[parameter], positions[here], modifier, np.array(self.nominal[here], np.float64))
                for parameter, here, modifier in added
            ]
            function = kind.shifts(terms, len(positions), self._codes.get(kind.kind))
            rows = np.array(list(at), np.int64)
            groups.append(Group(np.arange(len(rows)), rows, function))
        return groups


def offsets_of(model: Any) -> dict[tuple[str, str], int]:
    """Where parameters that span channels begin in each, behind those of the channels before."""
    offsets: dict[tuple[str, str], int] = {}
    used: dict[str, int] = {}
    for channel, sample, modifier in modifiers_of(channels_of(model)):
        name = modifier["name"]
        if MODIFIERS[modifier["type"]].spans_channels and (name, channel) not in offsets:
            offsets[name, channel] = used.get(name, 0)
            used[name] = used.get(name, 0) + len(sample["data"])
    return offsets


def channels_of(model: Any) -> list[dict[str, Any]]:
    """The channels in pyhf's order."""
    return sorted(model.spec["channels"], key=lambda channel: model.config.channels.index(channel["name"]))


def samples_of(channels: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each channel's name and each of its samples, in the JSON of pyhf."""
    for channel in channels:
        for sample in channel["samples"]:
            yield channel["name"], sample


def modifiers_of(channels: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each channel's name, each of its samples, and each modifier of that."""
    for channel, sample in samples_of(channels):
        for modifier in sample["modifiers"]:
            yield channel, sample, modifier
