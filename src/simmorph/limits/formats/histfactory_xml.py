"""HistFactory XML: a combination that names one file for each channel, and histograms in ROOT files.

The model is that of `pyhf.readxml`. Where that is not what ROOT makes of the same file, or where the file asks for
something that pyhf cannot say, this reader says so or refuses it with the line.

Source: K. Cranmer et al., HistFactory, CERN-OPEN-2012-016, and HistFactorySchema.dtd of ROOT.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pyhf.compat import interpret_rootname

from simmorph.data.files.json_files import read_bytes
from simmorph.limits.formats.source import HistogramFiles, ModelFile, Source
from simmorph.limits.formats.xml_tree import parse_xml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from simmorph.data.events import FloatArray
    from simmorph.data.histograms import Histogram
    from simmorph.limits.formats.xml_tree import Element

PLACE = ("InputFile", "HistoPath", "HistoName")
LUMI_RANGE = 5.0
"""Half the range of the luminosity, in its uncertainty."""


class Rule(NamedTuple):
    """What may stand in an element.

    Attributes:
        required: attributes.
        optional: attributes.
        children: elements.
    """

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    children: tuple[str, ...] = ()


class Remark(NamedTuple):
    """What a reader of the limits should know of some line."""

    where: str
    what: str


MODIFIERS = ("StatError", "HistoSys", "OverallSys", "ShapeSys", "NormFactor", "ShapeFactor")
RULES = {
    "Combination": Rule((), ("OutputFilePrefix", "Mode"), ("Input", "Measurement")),
    "Input": Rule(),
    "Measurement": Rule(
        ("Name", "Lumi", "LumiRelErr"), ("BinLow", "BinHigh", "Mode", "ExportOnly"), ("POI", "ParamSetting", "Asimov")
    ),
    "POI": Rule(),
    "ParamSetting": Rule((), ("Val", "Const")),
    "Asimov": Rule((), ("Name", "FitFunction")),
    "Channel": Rule(("Name",), PLACE, ("Data", "StatErrorConfig", "Sample")),
    "Data": Rule((), (*PLACE, "Name")),
    "StatErrorConfig": Rule((), ("RelErrorThreshold", "ConstraintType")),
    "Sample": Rule(("Name", "HistoName"), (*PLACE, "NormalizeByTheory"), MODIFIERS),
    "StatError": Rule(("Activate",), (*PLACE, "HistoFile")),
    "HistoSys": Rule(
        ("Name", "HistoNameHigh", "HistoNameLow"),
        ("InputFile", "HistoFileHigh", "HistoPathHigh", "HistoFileLow", "HistoPathLow"),
    ),
    "OverallSys": Rule(("Name", "High", "Low")),
    "ShapeSys": Rule(("Name", "HistoName"), (*PLACE, "ConstraintType")),
    "NormFactor": Rule(("Name", "Val", "High", "Low"), ("Const",)),
    "ShapeFactor": Rule(("Name",)),
}
"""What is read of HistFactorySchema.dtd; functions and constraints of other kinds have no counterpart in pyhf."""


def read_xml(source: Source) -> ModelFile:
    """The model of a combination.

    Raises:
        InputError: a file is malformed or missing, or asks for something that pyhf does not have.
    """
    top = _checked(parse_xml(source.raw, source.name))
    if top.tag != "Combination":
        raise top.fault("this is not the file of a combination", "give the one that names the channels' files")
    with HistogramFiles([source.folder, source.folder.parent, Path()]) as files:
        normal: set[str] = set()
        channels = [_Channel(it, files, normal) for it in top.all("Input")]
        if not channels:
            raise top.fault("names no channel by <Input>")
        measurements = [_measurement(it, channels) for it in top.all("Measurement")]
        spec = {
            "version": "1.0.0",
            "channels": [channel.spec for channel in channels],
            "observations": [{"name": it.spec["name"], "data": it.data} for it in channels],
            "measurements": measurements,
        }
    remarks = [remark for channel in channels for remark in channel.remarks]
    if not all(it["config"]["parameters"][0].get("fixed", False) for it in measurements):
        remarks += [remark for channel in channels for remark in channel.of_lumi]
    return ModelFile(spec, source.name, remarks=tuple(_together(remarks)))


def _together(remarks: Sequence[Remark]) -> Iterator[str]:
    """Each remark once, with the first place and the number of others."""
    for what in dict.fromkeys(remark.what for remark in remarks):
        where = list(dict.fromkeys(remark.where for remark in remarks if remark.what == what))
        more = f" and {len(where) - 1} other lines" if len(where) > 1 else ""
        yield f"{where[0]}{more}: {what}"


def _checked(element: Element) -> Element:
    """The element, if all in it is known."""
    rule = RULES.get(element.tag)
    if rule is None:
        raise element.fault("has no counterpart in a model of pyhf")
    element.check(rule.required, rule.optional, dict.fromkeys(rule.children) | dict.fromkeys(_beside(element)))
    for child in element.children:
        _checked(child)
    return element


def _beside(element: Element) -> list[str]:
    """Elements that are refused with a reason of their own."""
    return [child.tag for child in element.children if child.tag not in RULES]


class _Channel:
    """One channel.

    Args:
        given: the element that names its file.
        files: of histograms.
        normal: names of all uncertainties of bins so far.

    Attributes:
        spec: the channel as pyhf knows it.
        data: observed counts.
        parameters: what its NormFactors say of their parameters.
        remarks: what a reader of the limits should know.
        of_lumi: the same, where the luminosity is not fixed.
    """

    def __init__(self, given: Element, files: HistogramFiles, normal: set[str]) -> None:
        path = str(files.path(given.text.strip(), given.where))
        self.element = element = _checked(parse_xml(read_bytes(path, "name a file"), path))
        if element.tag != "Channel":
            raise element.fault("this is not the file of a channel")
        self.files, self.name, self.normal = files, element.attributes["Name"], normal
        self.parameters: dict[str, dict[str, Any]] = {}
        self.remarks, self.of_lumi = list[Remark](), list[Remark]()
        observed = next(element.all("Data"), None)
        if observed is None:
            raise element.fault("has no <Data>", "name the histogram of the observed events")
        self.data = self._histogram(observed, element).values.tolist()
        self.spec = {"name": self.name, "samples": [self._sample(it) for it in element.all("Sample")]}

    def _histogram(self, element: Element, *around: Element, side: str = "") -> Histogram:
        """The histogram that an element names; what it does not say, the elements around it do."""

        def said(*names: str) -> str:
            found = [it.attributes[name] for it in (element, *around) for name in names if name in it.attributes]
            return found[0] if found else ""

        file, path = said(f"HistoFile{side}", "InputFile"), said(f"HistoPath{side}", "HistoPath").strip("/")
        name = element.attributes.get(f"HistoName{side}", "")
        if not file or not name:
            raise element.fault(f"names no {'histogram' if file else 'InputFile'}")
        found = self.files.read(file, f"{path}/{name}" if path else name, element.where)
        n_bins = len(getattr(self, "data", found.values))
        if len(found.values) != n_bins:
            raise element.fault(f"histogram {name!r} has {len(found.values)} bins, and the data have {n_bins}")
        return found

    def _sample(self, element: Element) -> dict[str, Any]:
        nominal = self._histogram(element, self.element)
        modifiers = [{"name": "lumi", "type": "lumi", "data": None}] if self._has_lumi(element) else []
        for child in element.children:
            modifiers += TRANSLATED[child.tag](self, child, element, nominal)
        return {"name": element.attributes["Name"], "data": nominal.values.tolist(), "modifiers": modifiers}

    def _has_lumi(self, element: Element) -> bool:
        if "NormalizeByTheory" not in element.attributes:
            what = "a <Sample> without NormalizeByTheory is left without the luminosity, as in pyhf; ROOT takes True"
            self.of_lumi.append(Remark(element.where, what))
        return element.is_true("NormalizeByTheory")

    def overall_sys(self, element: Element, *_: Any) -> Iterator[dict[str, Any]]:
        """An uncertainty of the normalisation."""
        sides = {"hi": element.number("High"), "lo": element.number("Low")}
        yield {"name": element.attributes["Name"], "type": "normsys", "data": sides}

    def histo_sys(self, element: Element, sample: Element, _: Histogram) -> Iterator[dict[str, Any]]:
        """A correlated variation."""
        high, low = (self._histogram(element, sample, self.element, side=side) for side in ("High", "Low"))
        sides = {"hi_data": high.values.tolist(), "lo_data": low.values.tolist()}
        yield {"name": element.attributes["Name"], "type": "histosys", "data": sides}

    def norm_factor(self, element: Element, *_: Any) -> Iterator[dict[str, Any]]:
        """A free normalisation, and its range."""
        name = element.attributes["Name"]
        bounds = [element.number("Low"), element.number("High")]
        said: dict[str, Any] = {"name": name, "inits": [element.number("Val")], "bounds": [bounds]}
        if "Const" in element.attributes:
            said["fixed"] = element.is_true("Const")
        if self.parameters.setdefault(name, said) != said:
            raise element.fault(f"{name!r} has another range or value elsewhere")
        yield {"name": name, "type": "normfactor", "data": None}

    def shape_factor(self, element: Element, *_: Any) -> Iterator[dict[str, Any]]:
        """A free yield of every bin."""
        yield {"name": element.attributes["Name"], "type": "shapefactor", "data": None}

    def shape_sys(self, element: Element, sample: Element, nominal: Histogram) -> Iterator[dict[str, Any]]:
        """Uncertainties of every bin; a normal constraint is that of a staterror in pyhf."""
        absolute = self._histogram(element, sample, self.element).values * nominal.values
        kind = self._constraint(element, {"Poisson": "shapesys", "Gaussian": "staterror"}, "Poisson")
        if kind == "staterror" and element.attributes["Name"] in self.normal:
            raise element.fault("has a normal constraint and stands in several samples", "give each a name of its own")
        self.normal.add(element.attributes["Name"])
        yield {"name": element.attributes["Name"], "type": kind, "data": absolute.tolist()}

    def stat_error(self, element: Element, sample: Element, nominal: Histogram) -> Iterator[dict[str, Any]]:
        """The finite number of simulated events, from the histogram or from one of relative uncertainties."""
        if not element.is_true("Activate"):
            return
        absolute: FloatArray = nominal.uncertainties
        if element.attributes.get("HistoName"):
            absolute = self._histogram(element, sample, self.element).values * nominal.values
        self._remark_on_statistics()
        yield {"name": f"staterror_{self.name}", "type": "staterror", "data": absolute.tolist()}

    def _constraint(self, element: Element, kinds: dict[str, str], default: str) -> str:
        given = element.attributes.get("ConstraintType", default)
        given = {"Pois": "Poisson", "Gauss": "Gaussian"}.get(given, given)
        if given not in kinds:
            raise element.fault(f"ConstraintType={given!r} has no counterpart", f"it is one of {', '.join(kinds)}")
        return kinds[given]

    def _remark_on_statistics(self) -> None:
        """Pyhf has normal constraints for them, and no threshold."""
        config = next(self.element.all("StatErrorConfig"), None)
        where = self.element.where if config is None else config.where
        kinds = {"Poisson": "Poisson", "Gaussian": ""}
        if config is None or self._constraint(config, kinds, "Poisson"):
            what = "constraints of <StatError> are taken for normal ones, as in pyhf; in ROOT they are Poisson ones"
            self.remarks.append(Remark(where, what))
        threshold = (
            0.05
            if config is None or "RelErrorThreshold" not in config.attributes
            else config.number("RelErrorThreshold")
        )
        if threshold > 0:
            what = f"<StatError> counts below {100 * threshold:g} % too, as in pyhf; ROOT leaves it out there"
            self.remarks.append(Remark(where, what))


TRANSLATED: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    "OverallSys": _Channel.overall_sys,
    "HistoSys": _Channel.histo_sys,
    "NormFactor": _Channel.norm_factor,
    "ShapeFactor": _Channel.shape_factor,
    "ShapeSys": _Channel.shape_sys,
    "StatError": _Channel.stat_error,
}
"""Each modifier of a sample as pyhf knows it."""


def _measurement(element: Element, channels: Sequence[_Channel]) -> dict[str, Any]:
    """A measurement: the parameter of interest, the luminosity, and what is said of other parameters."""
    poi = next(element.all("POI"), None)
    if poi is None or not poi.text.strip():
        raise element.fault("has no <POI>", "name the parameter of interest")
    lumi = element.number("Lumi")
    error = lumi * element.number("LumiRelErr")
    sigma, fixed = (error, {}) if error else (lumi, {"fixed": True})
    bounds = [lumi - LUMI_RANGE * sigma, lumi + LUMI_RANGE * sigma]
    parameters: dict[str, dict[str, Any]] = {
        "lumi": {"name": "lumi", "auxdata": [lumi], "bounds": [bounds], "inits": [lumi], "sigmas": [sigma], **fixed}
    }
    for channel in channels:
        for name, said in channel.parameters.items():
            if parameters.setdefault(name, dict(said)) != said:
                raise channel.element.fault(f"{name!r} has another range or value in another channel")
    for setting in element.all("ParamSetting"):
        _set(parameters, setting)
    return {
        "name": element.attributes["Name"],
        "config": {"poi": poi.text.strip(), "parameters": [*parameters.values()]},
    }


def _set(parameters: dict[str, dict[str, Any]], setting: Element) -> None:
    """Add a value that is set, or that a parameter is constant."""
    said: dict[str, Any] = {"fixed": setting.is_true("Const")} if setting.attributes.get("Const") else {}
    if setting.attributes.get("Val"):
        said["inits"] = [setting.number("Val")]
    for rootname in setting.text.split():
        try:
            known = interpret_rootname(rootname)
        except ValueError as error:
            raise setting.fault(f"cannot tell what {rootname!r} is") from error
        if not known["is_scalar"]:
            raise setting.fault(f"{rootname!r} is the parameter of one bin, which pyhf cannot set alone")
        parameters.setdefault(known["name"], {"name": known["name"]}).update(said)
