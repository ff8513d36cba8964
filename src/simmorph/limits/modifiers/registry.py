"""Every kind of modifier by its name, and how a recipe or a workspace becomes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simmorph.config.documents import Document, Section, validate
from simmorph.errors import ConfigError, one_of
from simmorph.limits.modifiers.base import Systematic
from simmorph.limits.modifiers.histosys import HistoSys
from simmorph.limits.modifiers.lumi import Lumi
from simmorph.limits.modifiers.normfactor import NormFactor
from simmorph.limits.modifiers.normsys import NormSys
from simmorph.limits.modifiers.shapefactor import ShapeFactor
from simmorph.limits.modifiers.shapesys import ShapeSys
from simmorph.limits.modifiers.staterror import StatError

if TYPE_CHECKING:
    from simmorph.config.limits import Variation
    from simmorph.data.events import FloatArray
    from simmorph.limits.modifiers.base import Modifier

MODIFIERS: dict[str, type[Modifier]] = {
    "normfactor": NormFactor,
    "lumi": Lumi,
    "normsys": NormSys,
    "shapesys": ShapeSys,
    "histosys": HistoSys,
    "shapefactor": ShapeFactor,
    "staterror": StatError,
}
"""What stands under `type` of a modifier in a workspace; the systematic ones, under `type` in `systematics:` too."""

SYSTEMATICS = {name: kind for name, kind in MODIFIERS.items() if issubclass(kind, Systematic)}
"""Those that a recipe may name."""


def kind_of(variation: Variation) -> tuple[type[Systematic], Section]:
    """The kind of a systematic uncertainty of a recipe, and its keys.

    Raises:
        ConfigError: there is no such kind, or a key is unknown, missing or wrong.
    """
    where = f"limits.systematics: {variation.name}"
    if variation.type not in SYSTEMATICS:
        raise ConfigError(where, f"unknown type {variation.type!r}", one_of(variation.type, SYSTEMATICS))
    kind = SYSTEMATICS[variation.type]
    return kind, validate(Document(where, variation.options), kind.Options)


def modifier_of(spec: dict[str, Any], nominal: FloatArray) -> Modifier:
    """A modifier in the JSON of pyhf, of a sample with these yields.

    >>> modifier_of({"name": "jes", "type": "normsys", "data": {"hi": 1.05, "lo": 0.97}}, nominal=[])
    NormSys(name='jes', hi=1.05, lo=0.97)

    Args:
        spec: with `name`, `type` and `data`, as they stand in a workspace.
        nominal: (n_bins,), yields of its sample.

    Raises:
        KeyError: there is no such kind of modifier.
    """
    return MODIFIERS[spec["type"]].of_pyhf(spec["name"], spec["data"], nominal)
