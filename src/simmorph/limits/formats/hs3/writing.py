"""A model as HS3, with its data, parameter of interest and ranges, for RooFit and other programs.

Names are those of pyhf. What pyhf leaves unsaid is written out: where parameters start, their ranges, and how they are
constrained. A parameter of one bin is called after its modifier and bin.

Source: HEP Statistics Serialization Standard 0.2, and `RooJSONFactoryWSTool` of ROOT 6.40.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.errors import InputError
from simmorph.limits.engine.cells import channels_of, modifiers_of, offsets_of
from simmorph.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simmorph.config.values.interpolation import Interpolation
    from simmorph.limits.model.workspace import Measurement

HS3_VERSION = "0.2"
CODES = {"code4": 4, "code1": 1, "code4p": 4}
"""The interpolations of HS3 by their names in pyhf; ROOT has straight lines under 0, for normsys alone."""
START, DOMAIN, DATA = "default_values", "default_domain", "observed"
WIDE = 100.0
"""Half the range of an auxiliary measurement, in its uncertainty: RooFit normalises its distribution over the range."""
NORMAL, COUNTED = "Gauss", "Poisson"


def hs3_of(ready: Measurement, interpolation: Interpolation) -> dict[str, Any]:
    """The HS3 document of a measurement.

    Args:
        ready: the measurement with its data.
        interpolation: how the sides of its modifiers are joined.

    Raises:
        InputError: the model has something that HS3 cannot say.
    """
    return _Document(ready, interpolation).content()


class _Document:
    """The parts of a document."""

    def __init__(self, ready: Measurement, interpolation: Interpolation) -> None:
        self.ready, self.model, self.where = ready, ready.likelihood.model, ready.likelihood.name
        self.config = self.model.config
        self.offsets = offsets_of(self.model)
        self.code = self._code(interpolation)
        self.names = [name for it in self.config.par_order for name in self._names(it)]
        self.auxiliary = dict(zip(self._measured(), ready.data.auxiliary.tolist(), strict=True))
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise InputError(self.where, f"two parameters would be called {twice!r} in HS3", "rename a modifier")

    def _code(self, interpolation: Interpolation) -> int:
        """The code of its normsys.

        Raises:
            InputError: HS3 has none.
        """
        if interpolation.histosys != "code4p":
            raise InputError(self.where, "HS3 has no code for histosys with a kink", "leave --hs3 out")
        if interpolation.normsys in CODES:
            return CODES[interpolation.normsys]
        for *_, it in modifiers_of(self.model.spec["channels"]):
            if it["type"] == "normsys" and abs(it["data"]["hi"] * it["data"]["lo"] - 1) > 1e-12:
                what = f"HS3 has no code for the interpolation of Combine, and {it['name']!r} has two different sides"
                raise InputError(self.where, what, "leave --hs3 out")
        return CODES["code1"]

    def _names(self, name: str) -> list[str]:
        """What the parameters of a name are called."""
        its = self.config.param_set(name)
        return [name] if its.is_scalar else [f"{name}_bin_{i}" for i in range(its.n_parameters)]

    def _measured(self) -> list[str]:
        """The parameters with an auxiliary measurement, in the model's order."""
        return [name for it in self.config.auxdata_order for name in self._names(it)]

    def content(self) -> dict[str, Any]:
        """The document."""
        channels, name = [it["name"] for it in channels_of(self.model)], self.ready.name
        domain = [self._axis(it) for it in self._ranges()]
        return {
            "metadata": {"hs3_version": HS3_VERSION, "packages": [{"name": "simmorph", "version": __version__}]},
            "distributions": [*map(self._channel, channels_of(self.model)), *self._constraints()],
            "data": [self._data(channel) for channel in channels],
            "likelihoods": [{"name": name, "distributions": channels, "data": [_data_name(it) for it in channels]}],
            "analyses": [
                {
                    "name": name,
                    "likelihood": name,
                    "parameters_of_interest": [self.config.poi_name],
                    "domains": [DOMAIN],
                    "init": START,
                }
            ],
            "domains": [{"name": DOMAIN, "type": "product_domain", "axes": domain}],
            "parameter_points": [{"name": START, "parameters": [*self._values()]}],
            "misc": {"ROOT_internal": self._for_root(channels)},
        }

    def _for_root(self, channels: list[str]) -> dict[str, Any]:
        """How RooFit evaluates the channels, and that their data are one set."""
        labels = {
            "index_cat": f"{self.ready.name}_categoryIndex",
            "indices": [*range(len(channels))],
            "labels": channels,
        }
        binned = {"tags": ["BinnedLikelihood", "GenerateBinned"]}
        return {"attributes": {f"{it}_model": binned for it in channels}, "combined_datasets": {DATA: labels}}

    def _observable(self, channel: str) -> dict[str, Any]:
        n_bins = self.config.channel_nbins[channel]
        return {"name": f"bin_of_{channel}", "min": 0.0, "max": float(n_bins), "nbins": n_bins}

    def _data(self, channel: str) -> dict[str, Any]:
        counts = self.ready.data.main[self.config.channel_slices[channel]].tolist()
        return {"name": _data_name(channel), "type": "binned", "axes": [self._observable(channel)], "contents": counts}

    def _channel(self, channel: dict[str, Any]) -> dict[str, Any]:
        kinds = {(it["type"], it["name"]) for *_, it in modifiers_of([channel])}
        is_usual = len([kind for kind, _ in kinds if kind == "staterror"]) == 1
        samples = [self._sample(channel["name"], sample, is_usual=is_usual) for sample in channel["samples"]]
        return {
            "name": channel["name"],
            "type": "histfactory_dist",
            "axes": [self._observable(channel["name"])],
            "samples": samples,
            "staterror": {"constraint_type": NORMAL, "relThreshold": 0.0},
        }

    def _sample(self, channel: str, sample: dict[str, Any], *, is_usual: bool) -> dict[str, Any]:
        errors = [it["data"] for it in sample["modifiers"] if it["type"] == "staterror"]
        if len(errors) > 1:
            raise InputError(self.where, f"{sample['name']!r} in {channel!r} has two staterrors, and HS3 knows one")
        modifiers = [self._modifier(channel, sample, it, is_usual=is_usual) for it in sample["modifiers"]]
        content = {"contents": sample["data"], "errors": errors[0] if errors else [0.0] * len(sample["data"])}
        return {"name": sample["name"], "data": content, "modifiers": modifiers}

    def _modifier(self, channel: str, sample: dict[str, Any], it: dict[str, Any], *, is_usual: bool) -> dict[str, Any]:
        name, kind, n_bins = it["name"], it["type"], len(sample["data"])
        start = self.offsets.get((name, channel), 0)
        bins = {"name": name, "type": kind, "parameters": self._names(name)[start : start + n_bins]}
        whole = {"name": name, "type": kind, "parameter": name}
        normal = {"constraint_name": f"{name}_constraint", "constraint": NORMAL}
        if kind in {"normsys", "histosys"}:
            return {**whole, **normal, **self._sides(it)}
        if kind == "lumi":
            return {**whole, **normal, "type": "normfactor"}
        if kind == "staterror" and is_usual:
            return {**bins, "constraint": NORMAL, "constraint_type": NORMAL}
        if kind in {"staterror", "shapesys"}:
            how = NORMAL if kind == "staterror" else COUNTED
            sizes = self._sizes(name)[start : start + n_bins]
            constrained = {"constraint": how, "constraint_type": how, "data": {"vals": sizes}}
            return {**bins, "type": "shapesys", **constrained}
        return whole if kind == "normfactor" else bins

    def _sides(self, it: dict[str, Any]) -> dict[str, Any]:
        """Both sides of a modifier, and how they are joined."""
        data = it["data"]
        if it["type"] == "normsys":
            return {"data": {"hi": data["hi"], "lo": data["lo"]}, "interpolation": self.code}
        sides = {"hi": {"contents": data["hi_data"]}, "lo": {"contents": data["lo_data"]}}
        return {"data": sides, "interpolation": CODES["code4p"]}

    def _sizes(self, name: str) -> list[float]:
        """Relative uncertainties of the parameters of bins; 0 for what is fixed.

        Raises:
            InputError: an auxiliary measurement is not where HS3 has it.
        """
        constraint, names = self.config.param_set(name), self._names(name)
        fixed = np.array(constraint.suggested_fixed)
        is_count = constraint.pdf_type == "poisson"
        scales = np.array(constraint.factors if is_count else [1.0] * len(names), np.float64)
        if not np.allclose([self.auxiliary[it] for it in names], scales, rtol=1e-9):
            raise InputError(self.where, f"HS3 has no word for the auxiliary data of {name!r}", "leave --hs3 out")
        sizes = 1 / np.sqrt(scales) if is_count else np.array(constraint.sigmas, np.float64)
        return [0.0 if it else float(size) for it, size in zip(fixed, sizes, strict=True)]

    def _normal(self) -> Iterator[tuple[str, float]]:
        """Parameters that act on all bins with a normal constraint, and its width."""
        for name in self.config.auxdata_order:
            its = self.config.param_set(name)
            if its.is_scalar:
                yield name, float(getattr(its, "sigmas", [1.0])[0])

    def _constraints(self) -> list[dict[str, Any]]:
        return [
            {"name": f"{name}_constraint", "type": "gaussian_dist", "x": name, "mean": f"nom_{name}", "sigma": sigma}
            for name, sigma in self._normal()
        ]

    def _values(self) -> Iterator[dict[str, Any]]:
        """Where parameters start, and what was measured of them."""
        fixed = self.config.suggested_fixed()
        for name, value, is_fixed in zip(self.names, self.config.suggested_init(), fixed, strict=True):
            yield {"name": name, "value": float(value), **({"const": True} if is_fixed else {})}
        for name, _ in self._normal():
            yield {"name": f"nom_{name}", "value": self.auxiliary[name], "const": True}

    def _ranges(self) -> Iterator[tuple[str, float, float]]:
        """The range of each parameter, and of the measurements, which ROOT needs."""
        for name, (low, high) in zip(self.names, self.config.suggested_bounds(), strict=True):
            yield name, float(low), float(high)
        for name, sigma in self._normal():
            centre = self.auxiliary[name]
            yield f"nom_{name}", centre - WIDE * sigma, centre + WIDE * sigma

    @staticmethod
    def _axis(given: tuple[str, float, float]) -> dict[str, Any]:
        name, low, high = given
        return {"name": name, "min": low, "max": high}


def _data_name(channel: str) -> str:
    """What the observed data of a channel are called."""
    return f"{DATA}_{channel}"
