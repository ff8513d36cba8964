"""A card of CMS Combine as a workspace of pyhf, with Combine's interpolations.

- `lnN` is a normsys whose interpolation is `combine`: kappa^theta, or the smooth form of two different kappas.
- `shape` is a histosys of the templates normalised to the nominal one, with pyhf's code4p, and a normsys of their sums.
- `gmN` is a free factor of the process and of a sideband of its own, a channel in which its events were counted.
- `rateParam` is a normfactor; `autoMCStats` is in `statistics`; `group` changes no likelihood.

What differs: Combine takes a bin for 0 whose yield becomes negative by extrapolation; here the sum of all processes has
to stay positive.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.config.values.interpolation import Interpolation
from simmorph.limits.formats.combine.card import parse_card
from simmorph.limits.formats.combine.shapes import CardHistograms
from simmorph.limits.formats.combine.statistics import statistical_modifiers
from simmorph.limits.formats.source import HistogramFiles, ModelFile, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simmorph.data.histograms import Histogram
    from simmorph.limits.formats.combine.card import Card, Column, Effect, Nuisance, RateParameter
    from simmorph.limits.formats.combine.shapes import Template

STRENGTH = "r"
MEASUREMENT = "combine"
RANGE = 7.0
"""Of a nuisance parameter to both sides, in its uncertainty, as in Combine."""
FAR = 1000.0
"""Range of a free normalisation without one, in units of where it starts or of 1."""
SAME_NORM = 1e-3
"""Change of a sum of bins below which Combine leaves it out."""


def read_card(source: Source) -> ModelFile:
    """The model of a card.

    Raises:
        InputError: the card or a histogram is malformed, or asks for what pyhf does not have.
    """
    card = parse_card(source.raw, source.name)
    with HistogramFiles([source.folder, Path()]) as files:
        model = _CardModel(card, CardHistograms(card, files))
        parameters = list(model.parameters.values())
        spec = {
            "version": "1.0.0",
            "channels": [*map(model.channel, card.observed), *model.sidebands],
            "observations": [{"name": name, "data": data} for name, data in model.data.items()],
            "measurements": [{"name": MEASUREMENT, "config": {"poi": STRENGTH, "parameters": parameters}}],
        }
    return ModelFile(spec, source.name, Interpolation(normsys="combine"), tuple(model.remarks))


class _CardModel:
    """The parts of a workspace.

    Attributes:
        data: observed counts by channel.
        parameters: what the measurement says of them, by name.
        sidebands: the channels of gmN.
        remarks: what a reader of the limits should know.
    """

    def __init__(self, card: Card, histograms: CardHistograms) -> None:
        self.card, self.histograms = card, histograms
        self.data = {name: histograms.observed(name).tolist() for name in card.observed}
        self.parameters: dict[str, dict[str, Any]] = {}
        self.sidebands: list[dict[str, Any]] = []
        self.remarks: list[str] = []
        self._refuse_names()
        for rate in card.rates:
            self._add_rate(rate)
        for nuisance in card.nuisances:
            if nuisance.kind == "gmN":
                self._add_sideband(nuisance)
            else:
                self.parameters[nuisance.name] = {"name": nuisance.name, "bounds": [[-RANGE, RANGE]]}

    def _refuse_names(self) -> None:
        """Refuse a name for two things; lnN and shape may share one."""
        kinds = {STRENGTH: "the strength"}
        for name, kind, line in [
            *((it.name, "normal", it.line) for it in self.card.nuisances if it.kind != "gmN"),
            *((it.name, f"gmN {it.counted:g}", it.line) for it in self.card.nuisances if it.kind == "gmN"),
            *((it.name, "rateParam", it.line) for it in self.card.rates),
        ]:
            if kinds.setdefault(name, kind) != kind:
                raise line.fault(f"{name!r} is {kinds[name]} already", "give it another name")

    def _add_rate(self, rate: RateParameter) -> None:
        size = FAR * max(1.0, abs(rate.value))
        bounds = list(rate.bounds or (rate.value - size, rate.value + size))
        said = {"name": rate.name, "inits": [rate.value], "bounds": [bounds]}
        if self.parameters.setdefault(rate.name, said) != said:
            raise rate.line.fault(f"{rate.name!r} has another value or range above")

    def _add_sideband(self, nuisance: Nuisance) -> None:
        """A channel in which the events of a gmN were counted, and the factor that it shares with its processes."""
        name = nuisance.name
        if name in self.parameters:
            raise nuisance.line.fault(f"{name!r} stands twice", "write the columns into one line")
        self.parameters[name] = {"name": name, "inits": [min(1.0, nuisance.counted)], "bounds": [[0.0, FAR]]}
        factor = {"name": name, "type": "normfactor", "data": None}
        sample = {"name": "sideband", "data": [max(1.0, nuisance.counted)], "modifiers": [factor]}
        channel = f"{name}_sideband"
        self.sidebands.append({"name": channel, "samples": [sample]})
        self.data[channel] = [nuisance.counted]

    def channel(self, name: str) -> dict[str, Any]:
        """A channel with all its processes."""
        columns = list(self.card.columns_of(name))
        templates = [self._template(i, column) for i, column in columns]
        modifiers = [self._modifiers(i, column, it) for (i, column), it in zip(columns, templates, strict=True)]
        if how := self.card.statistics.get(name):
            factors = [float(np.prod([it.value for it in self.card.rates if i in it.columns])) for i, _ in columns]
            statistical = statistical_modifiers([column for _, column in columns], templates, factors, how)
            modifiers = [its + more for its, more in zip(modifiers, statistical, strict=True)]
        samples = [
            {"name": column.process, "data": template.values.tolist(), "modifiers": its}
            for (_, column), template, its in zip(columns, templates, modifiers, strict=True)
        ]
        return {"name": name, "samples": samples}

    def _template(self, i: int, column: Column) -> Template:
        """What is expected of a column: its rate, or where a gmN scales it as many as its sideband says."""
        scaling = [it for it in self.card.nuisances if it.kind == "gmN" and it.effects[i]]
        if not scaling:
            self.histograms.check_rate(column)
            return self.histograms.template(column, column.rate)
        if len(scaling) > 1:
            raise scaling[1].line.fault(f"two gmN scale {column.process!r} in {column.channel!r}")
        nuisance, effect = scaling[0], scaling[0].effects[i]
        factor = effect.high if effect else 0.0
        if column.rate >= 0 and abs(column.rate - factor * nuisance.counted) > SAME_NORM * max(1.0, column.rate):
            what = f"{column.process!r} is {factor:g} times {nuisance.counted:g} events, and not {column.rate:g}"
            self.remarks.append(f"{nuisance.line.where}: {what}, as in Combine")
        return self.histograms.template(column, factor * max(1.0, nuisance.counted))

    def _modifiers(self, i: int, column: Column, template: Template) -> list[dict[str, Any]]:
        """The modifiers of a column, without those of the number of simulated events."""
        names = [STRENGTH] * column.is_signal + [it.name for it in self.card.rates if i in it.columns]
        factors: dict[str, tuple[float, float]] = {}
        found: list[dict[str, Any]] = []
        for nuisance in self.card.nuisances:
            effect = nuisance.effects[i]
            if effect is None or not np.any(template.values):
                continue
            if nuisance.kind == "gmN":
                names.append(nuisance.name)
                continue
            for kind, sides in self._sides(column, nuisance, effect, template):
                if kind == "normsys":
                    high, low = factors.get(nuisance.name, (1.0, 1.0))
                    factors[nuisance.name] = high * sides["hi"], low * sides["lo"]
                elif any(it["name"] == nuisance.name for it in found):
                    raise nuisance.line.fault(f"{nuisance.name!r} moves {column.process!r} twice")
                else:
                    found.append({"name": nuisance.name, "type": kind, "data": sides})
        free = [{"name": name, "type": "normfactor", "data": None} for name in dict.fromkeys(names)]
        norms = [{"name": name, "type": "normsys", "data": {"hi": h, "lo": w}} for name, (h, w) in factors.items()]
        return [*free, *norms, *found]

    def _sides(
        self, column: Column, nuisance: Nuisance, effect: Effect, template: Template
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The kinds of modifiers that a nuisance is, and their data."""
        varied = None if nuisance.kind == "lnN" else self.histograms.varied(column, nuisance)
        if varied is None:
            if effect.high != 1 or effect.low != 1:
                yield "normsys", {"hi": effect.high, "lo": effect.low}
            return
        if effect.high != 1 or effect.low != 1:
            raise nuisance.line.fault(f"a shape of {effect.high:g} standard deviations has no counterpart", "write 1")
        yield from _shape(varied, template)


def _shape(varied: tuple[Histogram, Histogram], template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """A variation of the shape, and one of the sum of all bins."""
    total = float(template.values.sum())
    ratios = [float(it.values.sum()) * template.scale / total for it in varied]
    up, down = ((it.values * template.scale / ratio).tolist() for it, ratio in zip(varied, ratios, strict=True))
    yield "histosys", {"hi_data": up, "lo_data": down}
    if any(abs(ratio - 1) >= SAME_NORM for ratio in ratios):
        yield "normsys", {"hi": ratios[0], "lo": ratios[1]}
