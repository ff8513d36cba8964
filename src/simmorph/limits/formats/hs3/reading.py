"""Read HS3: binned channels of HistFactory, with their data, parameter of interest, ranges and constraints.

Distributions of other kinds have no counterpart in pyhf and are refused. Names are those of the modifiers, or of the
parameters where modifiers of one name have different ones.

Source: HEP Statistics Serialization Standard 0.2, and what ROOT 6.40 writes.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from simmorph.config.values.interpolation import Interpolation
from simmorph.errors import one_of
from simmorph.limits.formats.hs3.node import Node
from simmorph.limits.formats.hs3.parameters import Constraint, Parameters, Points
from simmorph.limits.formats.source import ModelFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simmorph.limits.formats.source import Source

NORMSYS = {None: "code4", 4: "code4", 5: "code4", 1: "code1", "log": "code1"}
HISTOSYS = {None: "code4p", 4: "code4p", "poly6": "code4p", 0: "code0", "lin": "code0"}
"""Interpolations by the names that HS3 and ROOT have for them."""
COUNTED = "Poisson"
LUMI = "lumi"
"""Kind and name of a factor with a normal constraint; pyhf has no other."""


def is_hs3(content: dict[str, Any]) -> bool:
    """Whether a JSON document is HS3."""
    metadata = content.get("metadata")
    return "distributions" in content or (isinstance(metadata, dict) and "hs3_version" in metadata)


def read_hs3(content: dict[str, Any], source: Source) -> ModelFile:
    """The model of an analysis in an HS3 document.

    Raises:
        InputError: the document is malformed, or has what pyhf cannot say.
    """
    document = Node(content, source.name)
    analysis = _analysis(document, source.measurement)
    return _Model(document, analysis).read()


def _analysis(document: Node, name: str | None) -> Node:
    """The analysis of this name, or the only one.

    Raises:
        InputError: there is none, or several with other data.
    """
    known = document.named("analyses")
    if not known:
        raise document.fault("has no analyses", "one has to name the parameter of interest")
    if name is not None:
        if name not in known:
            raise document.fault(f"no analysis {name!r}", one_of(name, known))
        return known[name]
    likelihoods = document.named("likelihoods")
    used = {tuple(_named(likelihoods, it, "likelihood").texts("data")) for it in known.values()}
    if len(used) > 1:
        raise document.fault("has analyses of different data", f"choose one by --measurement: {', '.join(known)}")
    return next(iter(known.values()))


def _named(known: dict[str, Node], node: Node, key: str) -> Node:
    """What a key of a block names.

    Raises:
        InputError: there is no such thing.
    """
    name = node.text(key)
    if name not in known:
        raise node.of(key).fault(f"{name!r} is not there", one_of(name, known))
    return known[name]


class _Use(NamedTuple):
    """A modifier that has been read.

    Attributes:
        node: where it is from.
        channel: the name of its channel.
        kind: what pyhf calls it.
        key: the parameters of the modifier.
        data: what pyhf has for it.
    """

    node: Node
    channel: str
    kind: str
    key: tuple[str, ...]
    data: Any


class _Model:
    """A model in the making."""

    def __init__(self, document: Node, analysis: Node) -> None:
        self.document, self.analysis = document, analysis
        self.distributions = document.named("distributions")
        self.points = Points(document, analysis)
        self.codes: dict[str, str] = {}
        self.remarks: list[str] = []
        self.constraints: dict[tuple[str, ...], Constraint] = {}
        self.luminosity: dict[str, tuple[str, ...]] = {}

    def read(self) -> ModelFile:
        """The whole of it."""
        likelihood = _named(self.document.named("likelihoods"), self.analysis, "likelihood")
        channels = [self._distribution(it) for it in likelihood.each("distributions")]
        data = list(likelihood.each("data"))
        if len(data) != len(channels) or not channels:
            raise likelihood.fault(f"has {len(channels)} distributions and {len(data)} data")
        used = {channel.text("name"): self._samples(channel) for channel in channels}
        names = _names([use for samples in used.values() for _, _, uses in samples for use in uses])
        spec = {
            "version": "1.0.0",
            "channels": [{"name": name, "samples": [_sample(it, names) for it in its]} for name, its in used.items()],
            "observations": [self._observed(name, it) for name, it in zip(used, data, strict=True)],
            "measurements": [self._measurement(names, used)],
        }
        codes = {kind: code for kind, code in self.codes.items() if kind in Interpolation.model_fields}
        return ModelFile(spec, self.document.file, Interpolation.model_validate(codes), tuple(self.remarks))

    def _distribution(self, named: Node) -> Node:
        found = self.distributions.get(str(named.value))
        if found is None:
            raise named.fault(f"{named.value!r} is not there", one_of(str(named.value), self.distributions))
        if found.text("type") != "histfactory_dist":
            raise found.fault(f"a {found.text('type')!r} has no counterpart in pyhf", "only histfactory_dist has")
        return found

    def _observed(self, channel: str, named: Node) -> dict[str, Any]:
        known = self.document.named("data")
        if named.value not in known:
            raise named.fault(f"{named.value!r} is not there", one_of(str(named.value), known))
        found = known[named.value]
        if found.text("type") != "binned":
            raise found.fault(f"data of type {found.text('type')!r} have no counterpart in pyhf", "give binned ones")
        return {"name": channel, "data": found.numbers("contents")}

    def _samples(self, channel: Node) -> list[tuple[str, list[float], list[_Use]]]:
        """Name, yields and modifiers of each sample."""
        name, samples = channel.text("name"), list(channel.each("samples"))
        n_shared = sum(any(it.text("type") == "staterror" for it in sample.each("modifiers")) for sample in samples)
        found = []
        for i, sample in enumerate(samples):
            content = sample.of("data")
            yields = content.numbers("contents")
            uses = [self._use(it, channel, content, n_shared) for it in sample.each("modifiers")]
            found.append((sample.text("name") if sample.has("name") else f"sample_{i}", yields, uses))
        self._remark(channel, n_shared)
        return [(sample, yields, [use._replace(channel=name) for use in uses]) for sample, yields, uses in found]

    def _remark(self, channel: Node, n_shared: int) -> None:
        modifiers = [it for sample in channel.each("samples") for it in sample.each("modifiers")]
        if n_shared > 1 and any(
            it.text("type") == "staterror" and self._how(it, channel) == COUNTED for it in modifiers
        ):
            what = "Poisson constraints that several samples share are taken for normal ones, as pyhf has them"
            self.remarks.append(f"{channel.file}, {channel.place}: staterror: {what}")

    def _use(self, node: Node, channel: Node, content: Node, n_shared: int) -> _Use:
        """A modifier as pyhf knows it."""
        kind = node.text("type")
        if kind not in READERS:
            raise node.fault(f"a modifier {kind!r} has no counterpart in pyhf", one_of(kind, READERS))
        return READERS[kind](self, node, channel, content, n_shared)

    def _whole(self, node: Node, prefix: str = "") -> tuple[str]:
        """The parameter of a modifier that acts on all bins."""
        if node.has("parameter"):
            return (node.text("parameter"),)
        return (prefix + node.text("name"),)

    def _normfactor(self, node: Node, *_: Any) -> _Use:
        key = self._whole(node)
        if not (node.has("constraint_name") or node.has("constraint_type") or node.has("constraint")):
            return _Use(node, "", "normfactor", key, None)
        self.constraints[key] = self.points.constraint(node, self.distributions, key[0], 1.0)
        if self.luminosity.setdefault(LUMI, key) != key:
            raise node.fault(f"{key[0]!r} is a second factor with a constraint, and pyhf knows one, the luminosity")
        return _Use(node, "", LUMI, key, None)

    def _normsys(self, node: Node, *_: Any) -> _Use:
        key, sides = self._whole(node, "alpha_"), node.of("data")
        self._interpolate(node, "normsys", NORMSYS)
        self.constraints[key] = self.points.constraint(node, self.distributions, key[0], 0.0)
        return _Use(node, "", "normsys", key, {"hi": sides.number("hi"), "lo": sides.number("lo")})

    def _histosys(self, node: Node, *_: Any) -> _Use:
        key, sides = self._whole(node, "alpha_"), node.of("data")
        self._interpolate(node, "histosys", HISTOSYS)
        self.constraints[key] = self.points.constraint(node, self.distributions, key[0], 0.0)
        data = {f"{side}_data": sides.of(side).numbers("contents") for side in ("hi", "lo")}
        return _Use(node, "", "histosys", key, data)

    def _interpolate(self, node: Node, kind: str, codes: dict[Any, str]) -> None:
        """Note the interpolation, of which pyhf has one for all modifiers of a kind."""
        given = node.value.get("interpolation")
        if isinstance(given, (dict, list)) or given not in codes:
            raise node.fault(f"interpolation {given!r} of a {kind} has no counterpart in pyhf")
        if self.codes.setdefault(kind, codes[given]) != codes[given]:
            raise node.fault(f"{kind} modifiers are interpolated in several ways, and pyhf has one for all")

    def _bins(self, node: Node, n_bins: int, default: str) -> tuple[str, ...]:
        """The parameters of a modifier that acts on each bin apart."""
        key = tuple(node.texts("parameters")) or tuple(f"{default}_bin_{i}" for i in range(n_bins))
        if len(key) != n_bins:
            raise node.fault(f"has {len(key)} parameters for {n_bins} bins")
        return key

    def _shapefactor(self, node: Node, _: Node, content: Node, __: int) -> _Use:
        n_bins = len(content.numbers("contents"))
        return _Use(node, "", "shapefactor", self._bins(node, n_bins, f"gamma_{node.value.get('name')}"), None)

    def _shapesys(self, node: Node, channel: Node, content: Node, _: int) -> _Use:
        """Uncertainties of bins; without any they are free, or constant."""
        yields, sizes = content.numbers("contents"), node.of("data").numbers("vals")
        key = self._bins(node, len(yields), f"gamma_{node.value.get('name')}")
        if len(sizes) != len(yields):
            raise node.fault(f"has {len(sizes)} uncertainties for {len(yields)} bins")
        if not any(sizes):
            return _Use(node, "", "shapefactor", key, None)
        kind = "shapesys" if self._how(node, channel, COUNTED) == COUNTED else "staterror"
        return _Use(node, "", kind, key, [size * nominal for size, nominal in zip(sizes, yields, strict=True)])

    def _staterror(self, node: Node, channel: Node, content: Node, n_shared: int) -> _Use:
        """Statistical uncertainties, a parameter of each bin for all samples that have them."""
        errors = content.numbers("errors")
        is_count = self._how(node, channel) == COUNTED and n_shared == 1
        key = self._bins(node, len(errors), f"gamma_stat_{channel.text('name')}")
        return _Use(node, "", "shapesys" if is_count else "staterror", key, errors)

    def _how(self, node: Node, channel: Node, default: str = "Poisson") -> str:
        """The constraint of a modifier of bins: Gauss or Poisson."""
        of_channel = channel.of("staterror") if channel.has("staterror") and node.text("type") == "staterror" else node
        for it, key in ((node, "constraint_type"), (node, "constraint"), (of_channel, "constraint_type")):
            if it.has(key):
                if it.text(key) not in {"Gauss", COUNTED}:
                    raise node.fault(f"a constraint {it.text(key)!r} has no counterpart in pyhf", "Gauss or Poisson")
                return it.text(key)
        return default

    def _measurement(
        self, names: dict[tuple[str, ...], str], used: dict[str, list[tuple[str, list[float], list[_Use]]]]
    ) -> dict[str, Any]:
        """The parameter of interest, and what is said of all parameters."""
        pois = self.analysis.texts("parameters_of_interest")
        if not pois:
            raise self.analysis.fault("names no parameter of interest")
        if len(pois) > 1:
            self.remarks.append(f"{self.document.file}: {pois[0]!r} is the parameter of interest, and others are free")
        uses = [use for samples in used.values() for _, _, its in samples for use in its]
        kinds = {use.key: use.kind for use in uses}
        parameters = Parameters(self.points, self.constraints)
        said = [parameters.said(key, kind) | self._fixed(key, uses) for key, kind in kinds.items()]
        said = [{"name": names[key], **it} for key, it in zip(kinds, said, strict=True) if it]
        config = {"poi": names.get((pois[0],), pois[0]), "parameters": said}
        return {"name": self.analysis.text("name"), "config": config}

    def _fixed(self, key: tuple[str, ...], uses: Sequence[_Use]) -> dict[str, bool]:
        """Whether the parameters of a modifier are constant, those of bins without an uncertainty aside.

        Raises:
            InputError: some are, and pyhf fixes all or none.
        """
        its = [use for use in uses if use.key == key]
        acts = [not isinstance(its[0].data, list) or any(use.data[i] > 0 for use in its) for i in range(len(key))]
        fixed = {name in self.points.fixed for name, does in zip(key, acts, strict=True) if does}
        if len(fixed) > 1:
            raise its[0].node.fault("some of its parameters are constant, and pyhf fixes all or none")
        return {"fixed": True} if fixed == {True} else {}


READERS: dict[str, Callable[..., _Use]] = {
    "normfactor": _Model._normfactor,
    "normsys": _Model._normsys,
    "histosys": _Model._histosys,
    "shapefactor": _Model._shapefactor,
    "shapesys": _Model._shapesys,
    "staterror": _Model._staterror,
}
"""What reads each type of modifier."""


def _names(uses: Sequence[_Use]) -> dict[tuple[str, ...], str]:
    """What the modifiers of each set of parameters are called in pyhf: equal names are one parameter there."""
    given: dict[tuple[str, ...], str] = {}
    for use in uses:
        name = LUMI if use.kind == LUMI else str(use.node.value.get("name") or use.key[0])
        given.setdefault(use.key, name)
    channels = {use.key: use.channel for use in uses}
    called = Counter(given.values())
    in_channel = Counter((name, channels[key]) for key, name in given.items())
    return {key: _name(key, name, channels[key], called[name], in_channel) for key, name in given.items()}


def _name(
    key: tuple[str, ...], name: str, channel: str, n_called: int, in_channel: Mapping[tuple[str, str], int]
) -> str:
    """What a modifier is called: its own name, or one that no other has."""
    if n_called == 1:
        return name
    return f"{name}_{channel}" if len(key) > 1 and in_channel[name, channel] == 1 else key[0]


def _sample(given: tuple[str, list[float], list[_Use]], names: dict[tuple[str, ...], str]) -> dict[str, Any]:
    """A sample in the JSON of pyhf."""
    name, yields, uses = given
    modifiers = [{"name": names[use.key], "type": use.kind, "data": use.data} for use in uses]
    return {"name": name, "data": yields, "modifiers": modifiers}
